"""Snapshots of command output show changes, and are readable."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from support import snapshots
from support.snapshots import assert_snapshot, readable, screen


@pytest.fixture(autouse=True)
def folder(monkeypatch: Any, tmp_path: Path) -> Path:
    monkeypatch.setattr(snapshots, "FOLDER", tmp_path)
    monkeypatch.delenv("WRITE_SNAPSHOTS", raising=False)
    return tmp_path


def test_a_change_fails_until_it_is_written(monkeypatch: Any, folder: Path) -> None:
    with pytest.raises(AssertionError, match="there is no probe-80"):
        assert_snapshot("probe-80", "one\n")
    with monkeypatch.context() as patch:
        patch.setenv("WRITE_SNAPSHOTS", "1")
        assert_snapshot("probe-80", "one\n")
    assert_snapshot("probe-80", "one\n")
    with pytest.raises(AssertionError, match="differs"):
        assert_snapshot("probe-80", "two\n")


def test_colours_are_readable() -> None:
    assert readable("\x1b[1;31merror\x1b[0m: a\n\x1b[K") == "«bold red»error«»: a\n\\x1b[K"


@pytest.mark.parametrize("width", snapshots.WIDTHS)
def test_a_screen_is_a_terminal_or_a_pipe(width: Any) -> None:
    with screen(width) as printed:
        print("out", file=sys.stdout)
        print("err", file=sys.stderr)
        assert sys.stdout.isatty() is sys.stderr.isatty() is (width is not None)
    assert printed.getvalue() == "out\nerr\n"
