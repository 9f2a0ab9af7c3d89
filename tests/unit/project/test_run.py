"""The last lines of `tests/run.py`: what failed, and what was skipped or left out, and why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

import run
from support import environment

SOME = """
import pytest

@pytest.mark.skip(reason="it's not here")
def test_one(): pass

@pytest.mark.parametrize("number", [1, 2])
def test_two(number):
    if number == 2:
        pytest.skip("no <number> of two")

@pytest.mark.slow("load")
def test_three(): pass
"""
WHOLE = """
import pytest
pytest.skip("all of it: it's gone", allow_module_level=True)
"""


@pytest.mark.parametrize(("options", "more"), [([], []), (["--no-slow"], ["slow: load: --all"])])
def test_every_skip_is_named_with_its_reason(
    tmp_path: Path, options: List[str], more: List[str]
) -> None:
    (tmp_path / "test_some.py").write_text(SOME)
    (tmp_path / "test_whole.py").write_text(WHOLE)
    report = tmp_path / "report.xml"
    plugins = ["-p", "conftest", "-p", "no:kmock", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, "."],
        cwd=tmp_path,
        env=environment(PYTHONPATH=f"{run.ROOT / 'tests'}:{run.ROOT}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    reasons = ["all of it: it's gone", "it's not here", "no <number> of two", *more]
    assert sorted(run.skip_reasons(report)) == reasons


def test_the_last_lines_say_what_was_left_out_and_what_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = run.Checks(apt=False, slow=False)
    checks.left_out += ["3 of real programs: slow: load: --all"]
    checks.results = {"mypy": True, "unit tests": False, "layers": False}
    assert checks.conclude() == 1
    said = "== left out: 3 of real programs: slow: load: --all\n"
    assert capsys.readouterr().out == f"{said}== FAILED: unit tests, layers\n"
    checks.results = {"mypy": True}
    assert checks.conclude() == 0
    assert capsys.readouterr().out == f"{said}== all checks passed\n"


@pytest.mark.parametrize("named", [*run.ON_LIBRARIES, *run.ALONE, run.HOSTILE_FILES])
def test_what_is_named_is_there(named: str) -> None:
    file, _, name = named.rpartition("=")[2].partition("::")
    path = run.ROOT / file
    assert path.is_dir() or f"def {name or 'test_'}" in path.read_text(encoding="utf-8")
