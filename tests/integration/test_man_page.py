"""The man page in the programs that show it, without a warning."""

from __future__ import annotations

import subprocess

import pytest

from conftest import require_program
from man_page import PAGE
from support import WAIT

NO_DATE = 'WARNING: missing date, using "": TH\n'
"""Which would change the page without a change of the commands."""


def show(*line: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **environment}
    return subprocess.run(line, env=env, capture_output=True, text=True, timeout=WAIT)


def test_mandoc_finds_nothing_wrong() -> None:
    mandoc = require_program("mandoc", "mandoc")
    found = show(mandoc, "-T", "lint", "-W", "warning", str(PAGE)).stdout
    assert [line for line in found.splitlines(True) if not line.endswith(NO_DATE)] == []


@pytest.mark.parametrize("width", ["80", "120", "200"])
def test_man_shows_it_without_a_warning(width: str) -> None:
    man = require_program("man", "man-db")
    shown = show(man, "--warnings=w", "-l", str(PAGE), MANWIDTH=width)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("ABCWEBRTC(1)")
    assert "\n   abcwebrtc rotate plan\n" in shown.stdout
