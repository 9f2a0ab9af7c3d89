"""What is no literal is refused, with its line and its reason."""

from __future__ import annotations

import pytest
from cherrypy.lib.reprconf import unrepr

from unit.odconfig.test_literals import parse, refusal_of


@pytest.mark.parametrize("text", ["CHANGEME", "os.getpid()", "lambda: 1", "[1, {'a': (é,)}]"])
def test_names_are_refused_as_text_without_quotes(text):
    assert "text without quotes" in refusal_of(text).reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("true", "write True; if"),
        ("off", "write False; if"),
        ("{'a': null}", "write None; if"),
    ],
)
def test_a_constant_of_another_language_is_not_taken_for_text(text, words):
    assert words in refusal_of(text).reason


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("2 ** 3", "**"),
        ("6 // 2", "//"),
        ("1 == 1", "=="),
        ("1; 2", ";"),
        ("''.''", "."),
        ("...", "..."),
    ],
)
def test_an_operator_that_is_no_part_of_literals_is_named(text, operator):
    assert refusal_of(text).reason == f"'{operator}' is not part of a literal value"


@pytest.mark.parametrize("text", ["{1, 2}", "[*[1]]", "+1", "2 - 1", "'a'[0]", "'a'()", "f'{1}'"])
def test_what_only_looks_like_a_literal_is_refused(text):
    refusal_of(text)


@pytest.mark.parametrize(
    "text",
    [
        *("-'a'", "-None", "-[]", "'a' + 1", "[] + ()", "{} + {}", "None * 2", "2.0 * 'a'"),
        *("'a' * 'b'", "*".join(["9" * 90] * 5) + " * 1.0", "'a' * -" + "9" * 100),
    ],
)
def test_operands_that_cannot_be_joined_are_refused(text):
    with pytest.raises((TypeError, OverflowError)):
        unrepr(text)
    refusal_of(text)


@pytest.mark.parametrize("text", ["{[]: 1}", "{{}: 1}", "{(1, [2]): 1}", "[\n{\n{}: 1}]"])
def test_a_key_that_cannot_be_hashed_is_refused(text):
    error = refusal_of(text)
    assert "can't be a key" in error.reason
    assert error.index == text.count("\n")


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("[1,\n2", 0, "not closed"),
        ("[\n{\n1: 2,\n", 1, "not closed"),
        ("'''a\nb", 0, "not closed"),
        ("[\n1,\n'''a\n]", 2, "not closed"),
        ("[\n'a,\n]", 1, "a quote is not closed"),
        ("[1,\n\u201ca\u201d]", 1, "quote"),
        ("[1,\n\u00a02]", 1, "an invisible character"),
        ("['C:\\\\',\n'C:\\']", 1, "right before the closing quote"),
        ("[1,\n'C:\\Users']", 1, "begins an escape that Python can't read"),
        ("{'a': 'b, 'c': 'd'}", 0, "without quotes"),
        ("[\n\x00]", 1, "a NUL"),
        ("1\n2", 1, "after the end of the value"),
        ("{}\n'a': 1", 1, "not a Python literal"),
        ("[1]\nwebrtc.enable: True", 1, "don't indent it"),
        ("{}\n\n# c\nother = 'text'", 3, "don't indent it"),
        ("[\n1,\nother: 'text']", 2, "without quotes"),
        ("\n1", 0, "begin on the line of its key"),
        ("# c", 0, "not a Python literal"),
        ("'\x00'", 0, "a NUL"),
        ("'\ud800'", 0, "not a Python literal"),
        ("[1,\n2 3]", 1, "missing comma"),
        ("{'a' 1}", 0, "missing comma"),
        (":", 0, "not a Python literal"),
        ("'a' b'b'", 0, "not a Python literal"),
        ("[1,\n[os]]", 1, "without quotes"),
        ("[1,\n-'a']", 1, "not a number"),
        ("[1,\n{1, 2}]", 1, "only text, numbers"),
    ],
)
def test_a_refusal_names_the_line_and_the_reason(text, index, words):
    error = refusal_of(text)
    assert words in error.reason
    assert error.index == index


def test_a_bracket_that_is_closed_by_another_is_named():
    assert refusal_of("{\n'a': [1, 2 }").index == 1


@pytest.mark.parametrize(
    ("text", "index"), [("1]", 0), ("[1]]", 0), ("{'a': 1 }\n'b': 2 }", 1), ("[1,\n2]\n)", 2)]
)
def test_a_bracket_that_closes_too_much_is_not_called_one_that_opens(text, index):
    error = refusal_of(text)
    assert "not closed" not in error.reason
    assert error.index == index


# References can begin a line with blanks, since they may expand to nothing.
@pytest.mark.parametrize("text", ["  1\n 2", "  'a',\n    'b'\n 'c'", "[\n  1,\n 2]\n  3\n 4"])
def test_lines_that_are_indented_unevenly_are_refused(text):
    refusal_of(text)


def test_a_value_may_begin_with_blanks():
    assert parse("  [1,\n 2]")[0] == [1, 2]
