"""Texts in lines that fit, and safe for a terminal."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import unicodedata

import pytest

from abcwebrtc.texts import (
    escaped,
    harmless,
    harmless_logger,
    shell_file,
    shell_line,
    shell_word,
    wrapped,
)

HOSTILE = "\x1b]0;owned\x07\n\r\x00\x9b2J\u202e\u2066\u200b\u2028\ufeff\U000e0041\udcff\t"
SHOWN = r"\x1b]0;owned\x07\n\r\x00\x9b2J\u202e\u2066\u200b\u2028\ufeff\U000e0041\udcff\t"


def test_lines_are_broken_between_words_alone() -> None:
    url = "https://turn.domain.local/" + "a-very-long-path/" * 5
    assert wrapped(f"open {url} now", "- ", "  ", 20) == ["- open", f"  {url}", "  now"]


def test_what_somebody_else_wrote_is_short_and_moves_no_cursor() -> None:
    assert harmless("a\x1b[2Jb\n") == r"a\x1b[2Jb\n"
    assert harmless("é" * 81) == "é" * 77 + "..."


@pytest.mark.parametrize(
    "text", ["", "od.config: enable", "zo\u00eb \u4e16\u754c \U0001f600 \\x1b"]
)
def test_what_shows_stays_as_it_is(text: str) -> None:
    assert escaped(text) == text


def test_what_does_not_show_is_an_escape_and_one_more_time_changes_nothing() -> None:
    assert escaped(HOSTILE) == SHOWN
    assert escaped(SHOWN) == SHOWN
    assert escaped(f"a{HOSTILE}z") == f"a{SHOWN}z"


@pytest.mark.parametrize(
    "text",
    [
        "od.config",
        "it's a",
        '"$HOME" `id`',
        "a\u00a0b",
        "-a'%s\\\n\u202eb 1",
        "\udcff",
        HOSTILE[1:6] + "z",
    ],
)
def test_what_is_pasted_is_the_word_though_it_was_printed(text: str) -> None:
    words = ["printf", "%s,", text, "second"]
    line = shell_line(words)
    assert escaped(line) == line
    printed = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, check=True).stdout
    assert printed == os.fsencode(f"{text},second,")


def test_a_file_is_no_option() -> None:
    assert (shell_file("-a b"), shell_file("a")) == ("'./-a b'", "a")
    assert shell_word("-a") == "-a"


def test_of_all_of_unicode_no_character_is_left_that_a_terminal_obeys_or_that_does_not_show() -> (
    None
):
    """By category: control, format, surrogate, private, unassigned, line ends, blanks."""
    for char in map(chr, range(sys.maxunicode + 1)):
        kind = unicodedata.category(char)
        if char != " " and (kind[0] == "C" or kind[0] == "Z"):
            shown = escaped(char)
            assert re.fullmatch(r"\\[\x21-\x7e]+", shown), (char, shown)


@pytest.mark.parametrize("char", "\u034f\u115f\u2800\u3164\ufe0f\uffa0\U000e0100")
def test_a_letter_that_shows_as_nothing_is_an_escape_too(char: str) -> None:
    assert escaped(f"a{char}b") == f"a{char.encode('unicode_escape').decode()}b"


def test_a_text_that_is_too_long_is_cut_before_it_is_looked_at_whole() -> None:
    assert harmless("\x1b" * 10**7, 20) == r"\x1b\x1b\x1b\x1b\..."
    assert len(harmless("a" * 81)) == 80


def test_wrapped_lines_hold_no_line_of_somebody_else() -> None:
    assert wrapped("name \x1b[2J\n0 problems", "  ", "    ") == [r"  name \x1b[2J\n0 problems"]


def test_a_logger_writes_one_line_for_a_message(caplog: pytest.LogCaptureFixture) -> None:
    log = harmless_logger("abcwebrtc.of_a_test")
    with caplog.at_level(logging.INFO):
        harmless_logger("abcwebrtc.of_a_test").warning("%s: 100%% of %s", "a\nb", HOSTILE)
        log.info("plain % text")
    assert [record.getMessage() for record in caplog.records] == [
        rf"a\nb: 100% of {SHOWN}",
        "plain % text",
    ]
