"""Snapshots: files that hold what a command prints, for a test to compare with what it prints now.

``WRITE_SNAPSHOTS=1 .venv/bin/python -m pytest tests/unit/cli`` writes them again; read the diff.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Iterator, Optional
from unittest import mock

FOLDER = Path(__file__).resolve().parents[1] / "unit" / "cli" / "snapshots"
WIDTHS = (80, 120, 200, None)
"""The columns of a terminal; None is a pipe."""
_ASKED = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM", "CLICOLOR", "PY_COLORS")
_ASKED += ("TTY_COMPATIBLE", "TTY_INTERACTIVE")
"""What a program or rich may ask of the environment."""
_STYLES = {"0": "", "1": "bold", "2": "dim", "3": "italic", "4": "underline", "7": "reverse"}
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_STYLES.update((f"3{index}", colour) for index, colour in enumerate(_COLOURS))
_STYLES.update((f"9{index}", f"bright {colour}") for index, colour in enumerate(_COLOURS))


def assert_snapshot(name: str, text: str) -> None:
    """Compare a text with the snapshot of a name such as ``probe-80``; colours become readable."""
    file, shown = FOLDER / f"{name}.txt", readable(text)
    if os.environ.get("WRITE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert file.exists(), f"there is no {file.name}; run with WRITE_SNAPSHOTS=1 to write it"
    assert shown == file.read_text(encoding="utf-8"), f"{file.name} differs; see {__name__}"


def shape(width: Optional[int]) -> str:
    """Return the end of a snapshot's name: the columns, or ``pipe``."""
    return "pipe" if width is None else str(width)


@contextlib.contextmanager
def screen(width: Optional[int]) -> Iterator[io.StringIO]:
    """Make stdout and stderr one terminal of so many columns, or one pipe; yield what they get."""
    stream = io.StringIO()
    environ = {name: value for name, value in os.environ.items() if name not in _ASKED}
    environ["TERM"] = "xterm-256color"
    if width is not None:
        environ["COLUMNS"] = str(width)
        stream.isatty = lambda: True  # type: ignore[method-assign]
    with mock.patch.dict(os.environ, environ, clear=True), mock.patch.multiple(
        sys, stdout=stream, stderr=stream
    ):
        yield stream


def readable(text: str) -> str:
    """Return a text with ``«bold red»`` for a style's escape sequence, ``«»`` for its end."""
    named = re.sub("\x1b\\[([0-9;]*)m", _named, text)
    return "".join(
        char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in named
    )


def _named(match: "re.Match[str]") -> str:
    codes = match.group(1).split(";")
    return f"«{' '.join(_STYLES.get(code or '0', code) for code in codes)}»"
