"""Literals have the values that CherryPy gives them, within bounds, and know their lines."""

from __future__ import annotations

import ast
import warnings
from typing import Any, Dict, Tuple

import pytest
from cherrypy.lib.reprconf import unrepr
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.errors import KeyPath
from abcwebrtc.odconfig.ini import MAX_GROWTH, Budget
from abcwebrtc.odconfig.literals import parse_literal
from abcwebrtc.odconfig.value_tokens import (
    MAX_NESTING,
    MAX_NUMBER_LENGTH,
    MAX_OPERATORS,
    LiteralError,
)


def parse(text: str, first_line: int = 1) -> Tuple[Any, Dict[KeyPath, int]]:
    lines = tuple(enumerate(text.split("\n"), first_line))
    return parse_literal(lines, ("key",), Budget())[:2]


def refusal_of(text: str) -> LiteralError:
    with pytest.raises(LiteralError) as caught:
        parse(text)
    error = caught.value
    assert 0 <= error.index <= text.count("\n")
    assert str(error) == error.reason != ""
    return error


# values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("- -1", 1),
        ("-True", -1),
        ("-1.5e3", -1500.0),
        ("1e999", float("inf")),
        ("-2j", -2j),
        ("'text'", "text"),
        ("u'text'", "text"),
        ("'\\N{BULLET}\\x41\\u00e9'", "•Aé"),
        ("'é # no comment'", "é # no comment"),
        ("'a' \"b\" '''c'''", "abc"),
        ("'''a\n\nb'''", "a\n\nb"),
        ("'a\\\nb'", "ab"),
        ("1 + \\\n2", 3),
        ("(1,)", (1,)),
        ("1, 2", (1, 2)),
        ("[\n1, # one\n2,\n]", [1, 2]),
        ("{'a': 1, 2: None, (3, 4): [5]}", {"a": 1, 2: None, (3, 4): [5]}),
        ("{'a': 1, 'a': 2}", {"a": 2}),
        ("{1: 'int', True: 'bool'}", {1: "bool"}),
        ("(1 + 2) * 3", 9),
        ("'a' + 'b' * 2", "abb"),
        ("[1] * -1", []),
        ("True + True", 2),
        ("{'a' + 'b': -1}", {"ab": -1}),
        ("'\x85\u2028\x0c'", "\x85\u2028\x0c"),
    ],
)
def test_a_literal_has_the_value_that_cherrypy_gives(text, value):
    assert repr(parse(text)[0]) == repr(value) == repr(unrepr(text))


def test_a_backslash_that_escapes_nothing_gives_no_warning():
    assert parse(r"'C:\dir'")[0] == "C:\\dir"


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=150)
@given(VALUES)
def test_the_repr_of_plain_data_is_read_back(value):
    text = repr(value)
    assert repr(parse(text)[0]) == text == repr(unrepr(text))


PLAIN = (ast.Assign, ast.Name, ast.Store, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.Dict)
JOINED = (ast.UnaryOp, ast.USub, ast.BinOp, ast.Add, ast.Mult)
TOKENS = st.sampled_from(
    [
        *("1", "2", "0x2", "1.5", "2j", "'a'", "b'b'", "True", "None", "'''c\nd'''", "r'\\e'"),
        *("(", ")", "[", "]", "{", "}", ",", ":", "-", "+", "*", "\n", "# c\n", "\\\n"),
        *("**", "...", "=", "~", "%", "/", "<", "@", ".", "'", "f'{1}'", "$", "\x00"),
    ]
)


def is_plain(text: str) -> bool:
    """Whether a value is one statement of nothing but literals, '+', '*' and '-'."""
    body = ast.parse("_ = " + text).body
    nodes = [node for statement in body for node in ast.walk(statement)]
    splat = any(isinstance(node, ast.Dict) and None in node.keys for node in nodes)
    ellipsis = any(isinstance(node, ast.Constant) and node.value is ... for node in nodes)
    names = sum(isinstance(node, ast.Name) for node in nodes)
    return (
        len(body) == 1
        and all(isinstance(node, PLAIN + JOINED) for node in nodes)
        and names == 1
        and not splat
        and not ellipsis
    )


@settings(max_examples=200)
@given(st.lists(TOKENS, min_size=1, max_size=9).map(" ".join))
def test_any_mix_of_tokens_has_cherrypys_value_or_is_refused(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a backslash that escapes nothing
        try:
            expected = unrepr(text)
            plain = is_plain(text)
        except Exception:
            plain = False
    try:
        value, _ = parse(text)
    except LiteralError:
        assert not plain
    else:
        assert plain
        assert repr(value) == repr(expected)


@settings(max_examples=200)
@given(st.text(st.characters(exclude_characters="\r")) | st.text("'\"()[]{}\\\n #,:-+*1aeb\t\x00"))
def test_any_text_has_a_value_or_is_refused(text):
    try:
        parse(text)
    except LiteralError as error:
        assert 0 <= error.index <= text.count("\n")  # noqa: PT017 - most texts are refused


# bounds


@pytest.mark.parametrize(
    ("opening", "closing", "times"),
    [
        ("[", "]", MAX_NESTING),
        ("(", ")", MAX_NESTING),
        ("{0:", "}", MAX_NESTING),
        ("-(", ")", MAX_NESTING),
        ("[({0:", "},)]", MAX_NESTING // 3),
    ],
)
def test_brackets_nest_as_deep_as_the_bound_and_no_deeper(opening, closing, times):
    text = opening * times + "0" + closing * times
    assert repr(parse(text)[0]) == repr(unrepr(text))
    with pytest.raises(LiteralError, match="nested more than 50 deep"):
        parse("[[[" + text + "]]]")


@pytest.mark.parametrize(("operator", "operand"), [("-", ""), ("+", "1"), ("*", "1"), ("*", "9")])
def test_operators_are_counted(operator, operand):
    text = operand + (operator + (operand or "")) * MAX_OPERATORS + ("" if operand else "1")
    assert parse(text)[0] == unrepr(text)
    with pytest.raises(LiteralError, match="more than 100 operators"):
        parse(text + "+1")


def test_the_digits_of_a_number_are_counted():
    digits = "9" * MAX_NUMBER_LENGTH
    assert parse(digits)[0] == int(digits)
    for number in (digits + "9", "1." + digits, "0x" + digits):
        with pytest.raises(LiteralError, match="more than 100 digits"):
            parse(f"[{number}]")


@pytest.mark.parametrize(
    "text",
    [
        "'a' * 1000000000",
        "[0] * 1000000000",
        "() + (0,) * 1000000000",
        "[[0] * 1000] * 1000 * 1000",
        "('a' * 500000) + ('a' * 500000) + ('a' * 500000)",
        "[" + "9" * 100 + "] * 100000",
        "'a' * " + "9" * 100,
    ],
)
def test_a_result_that_would_be_too_large_is_not_computed(text):
    assert "too large" in refusal_of(text).reason


@pytest.mark.parametrize("text", ["'a' * 60000", "[0] * 30000", "[[0] * 100] * 300"])
def test_a_large_result_within_the_bound_is_computed(text):
    value = parse(text)[0]
    assert value == unrepr(text)
    assert len(value) < MAX_GROWTH


def test_a_budget_is_shared_by_all_values():
    budget, lines = Budget(), ((1, "'a' * 60000"),)
    assert parse_literal(lines, ("a",), budget)[0] == "a" * 60000
    with pytest.raises(LiteralError, match="too large"):
        [parse_literal(lines, ("b",), budget) for _ in range(MAX_GROWTH // 60000)]


def test_the_results_of_one_value_have_a_bound_together():
    assert "too large" in refusal_of("[" + "'a' * 60000, " * 3 + "]").reason


def test_a_result_that_is_too_large_leaves_room_for_others():
    budget = Budget()
    with pytest.raises(LiteralError, match="too large"):
        parse_literal(((1, "'a' * 1000000000"),), ("a",), budget)
    assert parse_literal(((1, "24 * 60 * 60"),), ("b",), budget)[0] == 86400


# positions


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        ("1", {}),
        ("[\n1,\n2]", {(0,): 11, (1,): 12}),
        ("(1,\n2)", {(1,): 11}),
        ("{\n'a': 1, 'b': 2,\n\n3: 4}", {("a",): 11, ("b",): 11, (3,): 13}),
        ("{'a': {\n'b': [\n'c'\n]}}", {("a", "b"): 11, ("a", "b", 0): 12}),
        ("[\n'a'\n'b',\n'''c\nd''',\n'e']", {(0,): 11, (1,): 13, (2,): 15}),
        ("{'a':\n1}", {}),
        ("{'a': 1,\n'b':\n2}", {("b",): 11}),
        ("{'a': 1,\n'a': 2}", {("a",): 11}),
    ],
)
def test_positions_are_noted_where_they_differ_from_the_containers(text, positions):
    expected = {("key", *path): line for path, line in positions.items()}
    assert parse(text, first_line=10)[1] == expected


def test_positions_are_those_of_the_file_where_lines_are_missing():
    lines = ((3, "["), (7, "1,"), (7, "2,"), (9, "3]"))
    expected = {("key", 0): 7, ("key", 1): 7, ("key", 2): 9}
    assert parse_literal(lines, ("key",), Budget()) == ([1, 2, 3], expected, (), ())


def test_an_item_of_a_list_below_its_key_has_its_own_line():
    positions = parse("{'a':\n[1,\n2]}")[1]
    assert (positions[("key", "a", 0)], positions[("key", "a", 1)]) == (2, 3)


@pytest.mark.parametrize("text", ["[\n1] + [\n2]", "[] + [\n1] + [\n2]", "([\n1,\n2] + [\n3])"])
def test_no_position_in_a_sum_is_that_of_another_item(text):
    value, positions = parse(text)
    assert all(path[0] == "key" for path in positions)
    items = {("key", index): item + 1 for index, item in enumerate(value)}
    assert all(items[path] == line for path, line in positions.items())


def test_no_position_is_that_of_a_part_of_a_key():
    assert parse("{1: 'a', (0,\n0): 'b'}")[1] == {}
