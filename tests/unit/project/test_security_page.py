"""SECURITY.md names tests for its claims, and they exist."""

from __future__ import annotations

import ast
import re
from typing import List, Tuple

import pytest

from conftest import ROOT

PAGE = ROOT / "SECURITY.md"
NAMED: List[Tuple[str, str]] = re.findall(
    r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8")
)


def functions_in(file: str) -> List[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in ast.walk(tree) if isinstance(node, functions)]


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)), ids=lambda text: text or "all")
def test_what_is_said_to_be_tested_is(file: str, name: str) -> None:
    tests = [each for each in functions_in(file) if each.startswith("test_")]
    assert tests
    assert not name or name in tests


def test_the_page_names_tests_for_all_that_it_claims() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for title in ("Where secrets are", "Attacks that"):
        section = text.partition(f"## {title}")[2].partition("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
        assert len(rows) > 4
        assert not [row for row in rows if "`tests/" not in row]
