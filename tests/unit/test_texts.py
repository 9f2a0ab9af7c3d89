"""Texts in lines that fit, and safe for a terminal."""

from __future__ import annotations

from abcwebrtc.texts import harmless, wrapped


def test_lines_are_broken_between_words_alone() -> None:
    url = "https://turn.domain.local/" + "a-very-long-path/" * 5
    assert wrapped(f"open {url} now", "- ", "  ", 20) == ["- open", f"  {url}", "  now"]


def test_what_somebody_else_wrote_is_short_and_moves_no_cursor() -> None:
    assert harmless("a\x1b[2Jb\n") == "a?[2Jb?"
    assert harmless("é" * 81) == "é" * 77 + "..."
