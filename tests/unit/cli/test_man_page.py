"""The man page: it is made of the parser, and has all of it."""

from __future__ import annotations

import argparse
import re

import pytest

from abcwebrtc.cli.main import make_parser
from man_page import ENVIRONMENT, PAGE, page, parsers


def text() -> str:
    return re.sub(r"\\f[BIR]|\\[,/&]|\\(?=-)", "", PAGE.read_text(encoding="utf-8"))


def test_the_page_is_the_parser_s() -> None:
    """python tests/man_page.py writes it."""
    assert page() == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("parser", [*parsers(make_parser())], ids=lambda parser: parser.prog)
def test_a_command_has_its_options_and_arguments(parser: argparse.ArgumentParser) -> None:
    whole = text()
    part = whole.partition(f"\n.SS {parser.prog}\n")[2].partition("\n.S")[0] or whole
    for action in parser._actions:
        names = action.option_strings or [action.metavar] * bool(action.metavar)
        if action.help != argparse.SUPPRESS and action.dest != "help":
            assert [name for name in names if not re.search(rf"(?m)^\S*.*{name}\b", part)] == []


def test_the_exit_statuses_are_those_of_help() -> None:
    statuses = text().partition("\n.SH EXIT STATUS\n")[2].partition("\n.SH")[0]
    assert re.findall(r"\.TP\n\.B (\d+)", statuses) == ["0", "1", "2", "3", "130"]
    assert "exit status:\n  0 " in make_parser().format_help()


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_variables_are_in_it(name: str) -> None:
    assert f".TP\n.B {name}\n" in text().partition("\n.SH ENVIRONMENT\n")[2]
