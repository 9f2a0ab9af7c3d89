"""Texts as people read them: in lines that fit, and safe for a terminal."""

from __future__ import annotations

import textwrap
from typing import List

WIDTH = 100
"""Columns of a line, where nothing says how many there are."""


def wrapped(text: str, first: str, others: str, width: int = WIDTH) -> List[str]:
    """Return the lines of a text, with these indents of the first one and the others.

    No word is cut, so that commands, urls and paths can be copied.
    """
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def harmless(text: str, length: int = 80) -> str:
    """Return what somebody else wrote, no longer than this, made safe for a terminal."""
    kept = "".join(char if char.isprintable() else "?" for char in text)
    return kept if len(kept) <= length else kept[: length - 3] + "..."
