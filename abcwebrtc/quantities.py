"""Kubernetes quantities, such as ``256Mi`` and ``500m``.

Source: the Kubernetes API's resource.Quantity.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.findings import kind

MAX_DIGITS = 30

_QUANTITY = re.compile(
    r"(?P<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)"
    r"((?P<suffix>[KMGTPE]i|[numkMGTPE]?)|[eE](?P<exponent>[+-]?[0-9]{1,3}))"
)
_BYTES = re.compile(r"[0-9.]+\s*(?P<unit>([kmgtpe]i?)b)", re.IGNORECASE)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse_quantity(value: Any) -> Decimal:
    """Return a quantity as a number of bytes, or of CPUs.

    Raises `ConfigError` where `value` is not one, or below zero.
    """
    if type(value) in (int, float) and value >= 0 and value == value:
        value = str(value)
    if not isinstance(value, str):
        raise _error(f"must be a quantity such as '256Mi' or '500m', not {kind(value)}")
    match = _QUANTITY.fullmatch(value) if len(value) <= MAX_DIGITS else None
    if not match:
        raise _error(_hint(value))
    number = Decimal(match.group("number"))
    if match.group("exponent"):
        return number.scaleb(int(match.group("exponent")))
    suffix = match.group("suffix")
    if suffix in _BINARY:
        return number * (1 << _BINARY[suffix])
    return number.scaleb(_DECIMAL[suffix])


def _hint(text: str) -> str:
    unit = _BYTES.fullmatch(text)
    if unit:
        letter = unit.group("unit")[0].upper()
        right = f"'{'k' if letter == 'K' else letter}' or '{letter}i'"
        return f"ends in '{unit.group('unit')}', no unit of Kubernetes; write {right}"
    return "is not a Kubernetes quantity; write one such as '256Mi' or '500m'"


def _error(message: str) -> ConfigError:
    return ConfigError(Problem(message))
