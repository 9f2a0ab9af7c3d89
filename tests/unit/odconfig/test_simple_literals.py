"""The short way by which most values are checked lets nothing through that the long way refuses."""

from __future__ import annotations

from typing import Any, Callable, Tuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abcwebrtc.odconfig import value_tokens as valuetokens
from abcwebrtc.odconfig.ini import MAX_GROWTH, Budget
from abcwebrtc.odconfig.literals import parse_literal
from abcwebrtc.odconfig.value_tokens import MAX_NESTING, MAX_OPERATORS, LiteralError

PIECES = st.sampled_from(
    [
        *(
            "[",
            "]",
            "(",
            ")",
            "{",
            "}",
            ",",
            ":",
            " ",
            "\n",
            "\t",
            "\\",
            "-",
            "- ",
            "+",
            "*",
            "=",
            ".",
        ),
        *("True", "None", "false", "0", "1", "42", "007", "1.5", "1e9", "1_0", "0x1", "9" * 19),
        *(
            "'a'",
            '"b"',
            "''",
            "'''",
            '"""',
            "'",
            '"',
            "b'c'",
            "'[['",
            "f'{x}'",
            "# ]",
            "#\n",
            "\f",
            "é",
        ),
    ]
)
VALUES = st.sampled_from(
    ["1", "-1", "0.5", "True", "'a'", "'#'", '"]"', "1 + 1", "'a' 'b'", "x", "-", "", "1 -1"]
)
SHAPED = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: "[" + ",\n".join(items) + "]")
        | st.lists(inner, max_size=4).map(lambda items: "(" + " , ".join(items) + ")")
        | st.lists(inner, max_size=4).map(
            lambda items: "{ 'k' : " + ", # c\n'j':".join(items) + "}"
        )
    ),
    max_leaves=12,
)


def outcome(source: str, count: Callable[[str], int]) -> Tuple[Any, ...]:
    """Return the value and its lines, or the refusal, by one way of counting tokens."""
    lines = tuple(enumerate(source.split("\n"), 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(valuetokens, "_count_simple", count)
        try:
            value, positions = parse_literal(lines, ("key",), Budget())
        except LiteralError as error:
            return ("refused", error.index, error.reason)
    return (repr(value), positions)


def check_both_ways(source: str) -> None:
    the_long_way = outcome(source, lambda _: 0)
    assert outcome(source, valuetokens._count_simple) == the_long_way


@given(st.lists(PIECES, max_size=12).map("".join) | SHAPED)
@example("'''a'''")
@example("''''''")
@example("1 -1")
@example("[1] -1")
@example("[1] [0]")
@example("1,\n2")
def test_both_ways_have_one_outcome(source: str) -> None:
    check_both_ways(source)


@pytest.mark.parametrize(
    "source",
    [
        "[" * MAX_NESTING + "]" * MAX_NESTING,
        "[" * (MAX_NESTING + 1) + "]" * (MAX_NESTING + 1),
        "[" + "-1," * MAX_OPERATORS + "]",
        "[" + "-1," * (MAX_OPERATORS + 1) + "]",
        "1" + " -1" * (MAX_OPERATORS + 1),
        "[" + "1," * 300_000 + "]",
        "(((((",
        "[)",
    ],
    ids=lambda source: f"{source[:8]} {len(source)}",
)
def test_both_ways_have_the_same_limits(source: str) -> None:
    check_both_ways(source)


@pytest.mark.parametrize(
    "source",
    [
        *("True", "'text'", "3600", "-1", "1.0", "'a' 'b'", "[ 'a', { \"b\": None } ]"),
        "{ # comment\n'a': ( 1, 2 ),\n} # comment",
    ],
)
def test_usual_values_go_the_short_way(source: str) -> None:
    assert valuetokens._count_simple(source)


@pytest.mark.parametrize("source", ["'a\\n'", "24 * 60", "os.getpid()", "'''a'''", "b'a'", "1 -1"])
def test_others_go_the_long_way(source: str) -> None:
    assert not valuetokens._count_simple(source)


@pytest.mark.parametrize("source", ["[1, 2, 3]", "[1, 2, 1+2]"])
def test_the_parts_of_all_values_are_counted_on_both_ways(source: str) -> None:
    budget = Budget()
    budget.spend(MAX_GROWTH - 100)  # a token costs 8
    parse_literal(((1, source),), ("key",), budget)
    with pytest.raises(LiteralError, match=r"^the values of this file have too many parts$"):
        parse_literal(((1, source),), ("key",), budget)
