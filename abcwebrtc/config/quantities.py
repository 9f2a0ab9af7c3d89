"""Kubernetes quantities, such as ``256Mi`` and ``500m``.

Source: the Kubernetes API's resource.Quantity.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any

from abcwebrtc.config.problems import kind
from abcwebrtc.errors import ConfigError, Problem

MAX_DIGITS = 30

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)"
    r"((?P<suffix>[KMGTPE]i|[numkMGTPE]?)|[eE](?P<exponent>[+-]?[0-9]{1,3}))"
)
_EXACT = Context(prec=3 * MAX_DIGITS)
"""The caller's context could round, or raise."""
_BYTES = re.compile(r"[0-9.]+\s*(?P<unit>([kmgtpe]i?)b)", re.IGNORECASE)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(value: Any) -> Decimal:
    """Return a quantity as a number of bytes, or of CPUs.

    Raises `ConfigError` where `value` is not one, or below zero.
    """
    text = _text(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if not match:
        raise _error(_hint(text))
    number = Decimal(match.group("number"))
    if match.group("exponent"):
        return _EXACT.scaleb(number, int(match.group("exponent")))
    suffix = match.group("suffix")
    if suffix in _BINARY:
        return _EXACT.multiply(number, Decimal(1 << _BINARY[suffix]))
    return _EXACT.scaleb(number, _DECIMAL[suffix])


def _text(value: Any) -> str:
    if type(value) is float or (type(value) is int and abs(value) < 10**MAX_DIGITS):
        return str(value)
    if isinstance(value, str):
        return value
    if type(value) is int:
        raise _error("is a number that is too long; write a quantity such as '256Mi' or '500m'")
    raise _error(f"must be a quantity such as '256Mi' or '500m', not {kind(value)}")


def _hint(text: str) -> str:
    unit = _BYTES.fullmatch(text)
    if unit:
        letter = unit.group("unit")[0].upper()
        right = f"'{'k' if letter == 'K' else letter}' or '{letter}i'"
        return f"ends in '{unit.group('unit')}', no unit of Kubernetes; write {right}"
    if text.startswith("-"):
        return "is below zero; write an amount such as '256Mi' or '500m'"
    return "is not a Kubernetes quantity; write one such as '256Mi' or '500m'"


def _error(message: str) -> ConfigError:
    return ConfigError(Problem(message))
