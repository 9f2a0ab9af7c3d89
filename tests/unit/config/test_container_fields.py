"""Kubernetes quantities, compared with the official client's parser."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubernetes.utils import quantity

from abcwebrtc.config.container_fields import MAX_DIGITS, parse_quantity
from abcwebrtc.errors import ConfigError


def parse_with_client(text: str) -> Decimal:
    """The client multiplies in the caller's context, which would round to 28 digits."""
    with localcontext() as context:
        context.prec = 3 * MAX_DIGITS
        return quantity.parse_quantity(text)


def refusal_of(value: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_quantity(value)
    (problem,) = caught.value.problems
    return problem.message


SUFFIXES = ["", *"numkMGTPE", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E+2", "e-1"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_suffix_is_what_the_client_says(suffix: str) -> None:
    assert parse_quantity(f"+1.5{suffix}") == parse_with_client(f"1.5{suffix}")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("500m", "0.5"),
        ("5.Gi", 5 * 2**30),
        ("1e100", 10**100),
        ("00012", 12),
        (2, 2),
        (0.25, "0.25"),
        (1e-07, "0.0000001"),
        (1e22, 10**22),
        ("1" * MAX_DIGITS, Decimal("1" * MAX_DIGITS)),
    ],
)
def test_a_quantity_is_a_number(value: Any, number: Any) -> None:
    assert parse_quantity(value) == Decimal(number)


INVALID = [
    *["", " ", "Mi", "m", ".", "+", "1..2", "1,5", "1_000", "0x10", "1K", "1KI", "1mi", "1Zi"],
    *["1e", "1E+", "1e3Mi", "1e1.5", "1e9999", " 1", "1 ", "1 Mi", "1Mi\n", "++1", "+-1", "half"],
    *["nan", "inf", "Infinity", "\u0661", "\uff11Mi", "1\u00b5", "1" * (MAX_DIGITS + 1)],
]


@pytest.mark.parametrize("text", INVALID)
def test_another_text_is_refused_with_an_example(text: str) -> None:
    assert refusal_of(text) == "is not a Kubernetes quantity; write one such as '256Mi' or '500m'"


@pytest.mark.parametrize(
    ("text", "unit", "right"),
    [
        ("2GB", "GB", "'G' or 'Gi'"),
        ("1.5 TiB", "TiB", "'T' or 'Ti'"),
        ("512kb", "kb", "'k' or 'Ki'"),
    ],
)
def test_a_unit_of_bytes_is_refused_with_the_right_one(text: str, unit: str, right: str) -> None:
    assert refusal_of(text) == f"ends in '{unit}', which is not a unit of Kubernetes; write {right}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "not a bool"),
        (None, "not None"),
        (b"1", "not bytes"),
        (float("nan"), "is not a Kubernetes quantity"),
        (10**5000, "is a number that is too long"),
        (-1, "is below zero"),
        ("-1Mi", "is below zero"),
        (float("-inf"), "is below zero"),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else "",
)
def test_what_is_no_amount_is_refused(value: Any, words: str) -> None:
    assert words in refusal_of(value)


GRAMMAR = st.from_regex(
    r"\+?([0-9]{1,9}(\.[0-9]{0,6})?|\.[0-9]{1,6})([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?",
    fullmatch=True,
).filter(str.isascii)


@given(GRAMMAR)
@example("999999999.999999Ei")
def test_every_quantity_is_what_the_client_says(text: str) -> None:
    assert parse_quantity(text) == parse_with_client(text)


@given(st.from_regex(r"[+-]?[0-9.eE_ ]{1,6}[a-zA-Z]{0,2}", fullmatch=True) | st.text(max_size=8))
@example("1Mi")
@example("1_0Ki")
def test_what_we_take_the_client_takes_too(text: str) -> None:
    """The client is more lenient: it takes 1_000, blanks around it, -1 and other digits."""
    try:
        number = parse_quantity(text)
    except ConfigError:
        try:
            accepted = parse_with_client(text)
        except (ValueError, ArithmeticError, IndexError):
            return
        assert (
            not re.fullmatch(r"\+?[0-9.]+([eE][+-]?[0-9]{1,3}|[a-zA-Z]*)", text)
            or not accepted.is_finite()
            or text.endswith("K")  # which Kubernetes itself refuses
        )
        return
    assert number == parse_with_client(text)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.binary(), st.none(), st.booleans()))
def test_any_value_is_an_amount_or_refused(value: Any) -> None:
    with contextlib.suppress(ConfigError):
        assert parse_quantity(value) >= 0
