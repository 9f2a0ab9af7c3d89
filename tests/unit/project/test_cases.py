"""Small inputs like those that people reported, each with what the command must say.

They are somebody else's, so not in the checkout, where the tests of each kind have inputs of
their own; where there are none, nothing of this is collected.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from conftest import CASES
from support import run_main


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_answered_as_it_should_be(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / case.name
    shutil.copytree(case, folder)
    monkeypatch.chdir(folder)
    expected = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    result = run_main(capsys, *expected["run"].split())
    said = result.out + result.err
    assert result.status in expected["exit"], said
    assert [one for one in expected["says"] if not re.search(one, said)] == [], said
    assert [one for one in expected["never"] if re.search(one, said)] == [], said
    assert "Traceback" not in said
