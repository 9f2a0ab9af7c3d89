"""Check what od.config puts into a container unchanged.

Source: the Kubernetes API, v1 ResourceRequirements and SecurityContext, and its resource.Quantity.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from abcwebrtc.config.frozen import Frozen, freeze
from abcwebrtc.config.problems import Where, has_error, kind, misspelt_keys, unknown_keys
from abcwebrtc.errors import ConfigError, Problem

GROUPS = ("requests", "limits")
RESOURCES = ("cpu", "memory", "ephemeral-storage")
_EXTENDED = re.compile(
    r"hugepages-[0-9]+[KMGTPE]i|[a-z0-9.-]+\.[a-z]+/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)

MAX_DIGITS = 30

_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]+(\.[0-9]*)?|\.[0-9]+)"
    r"((?P<suffix>[KMGTPE]i|[numkMGTPE]?)|[eE](?P<exponent>[+-]?[0-9]{1,3}))"
)
_EXACT = Context(prec=3 * MAX_DIGITS)
"""The caller's decimal context could round or raise."""
_BYTES = re.compile(r"[0-9.]+\s*(?P<unit>([kmgtpe]i?)b)", re.IGNORECASE)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

USER_ID, TEXTS = "a number of a user or group", "a list of texts"
PLACEHOLDER = re.compile(r"\{\{\s*(?P<name>uidNumber|gidNumber)\s*\}\}")
"""Stands for the user's id, which pyos fills in for each desktop."""
MAX_ID = 2**31 - 1

_PROFILE = {"type": str, "localhostProfile": str}
_SELINUX = {"level": str, "role": str, "type": str, "user": str}
SECURITY_CONTEXT: Mapping[str, Any] = {
    "allowPrivilegeEscalation": bool,
    "appArmorProfile": _PROFILE,
    "capabilities": {"add": TEXTS, "drop": TEXTS},
    "privileged": bool,
    "procMount": str,
    "readOnlyRootFilesystem": bool,
    "runAsGroup": USER_ID,
    "runAsNonRoot": bool,
    "runAsUser": USER_ID,
    "seLinuxOptions": _SELINUX,
    "seccompProfile": _PROFILE,
}


def parse_resources(value: Any, where: Where) -> Tuple[Frozen, List[Problem]]:
    """Return a container's resources with quantities as text, and what is wrong with them."""
    if value is None:
        return None, []
    if not isinstance(value, Mapping):
        right = "{ 'limits': { 'memory': '256Mi' } }"
        return None, [where.error(f"must be a dict such as {right}, not {kind(value)}")]
    problems = list(misspelt_keys(value, GROUPS, where))
    sizes: Dict[str, Dict[str, Decimal]] = {}
    texts: Dict[str, Dict[str, str]] = {}
    for group in GROUPS:
        if value.get(group) is not None:
            sizes[group], wrong = _parse_sizes(value[group], where[group])
            problems += wrong
            # the API's schema has quantities only as text
            texts[group] = {name: str(value[group][name]) for name in sizes[group]}
    for name, size in sizes.get("requests", {}).items():
        if size > sizes.get("limits", {}).get(name, size):
            message = "is more than the limit, which Kubernetes refuses"
            problems.append(where["requests"][name].error(message))
    frozen, wrong = freeze(texts, where)
    return frozen, problems + wrong


def _parse_sizes(value: Any, where: Where) -> Tuple[Dict[str, Decimal], List[Problem]]:
    if not isinstance(value, Mapping):
        message = f"must be a dict such as {{ 'memory': '256Mi' }}, not {kind(value)}"
        return {}, [where.error(message)]
    sizes: Dict[str, Decimal] = {}
    extended = {name for name in value if isinstance(name, str) and _EXTENDED.fullmatch(name)}
    problems = list(unknown_keys(value, RESOURCES, where, others=extended))
    for name, quantity in value.items():
        if name not in RESOURCES and name not in extended:
            continue
        try:
            sizes[name] = parse_quantity(quantity)
        except ConfigError as error:
            problems += [where[name].error(problem.message) for problem in error.problems]
            continue
        if name == "memory" and isinstance(quantity, str) and quantity.endswith("m"):
            message = "ends in 'm', thousandths of a byte; write 'M' or 'Mi'"
            problems.append(where[name].error(message))
    return sizes, problems


def parse_quantity(value: Any) -> Decimal:
    """Return a quantity as a number of bytes, or of CPUs.

    Raises `ConfigError` if `value` is not a quantity, or below zero.
    """
    text = _quantity_text(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= MAX_DIGITS else None
    if not match:
        raise _error(_wrong_quantity(text))
    number = Decimal(match.group("number"))
    if match.group("exponent"):
        return _EXACT.scaleb(number, int(match.group("exponent")))
    suffix = match.group("suffix")
    if suffix in _BINARY:
        return _EXACT.multiply(number, Decimal(1 << _BINARY[suffix]))
    return _EXACT.scaleb(number, _DECIMAL[suffix])


def _quantity_text(value: Any) -> str:
    if type(value) is float or (type(value) is int and abs(value) < 10**MAX_DIGITS):
        return str(value)
    if isinstance(value, str):
        return value
    if type(value) is int:
        raise _error("is a number that is too long; write a quantity such as '256Mi' or '500m'")
    raise _error(f"must be a quantity such as '256Mi' or '500m', not {kind(value)}")


def _wrong_quantity(text: str) -> str:
    unit = _BYTES.fullmatch(text)
    if unit:
        letter = unit.group("unit")[0].upper()
        right = f"'{'k' if letter == 'K' else letter}' or '{letter}i'"
        return f"ends in '{unit.group('unit')}', which is not a unit of Kubernetes; write {right}"
    if text.startswith("-"):
        return "is below zero; write an amount such as '256Mi' or '500m'"
    return "is not a Kubernetes quantity; write one such as '256Mi' or '500m'"


def _error(message: str) -> ConfigError:
    return ConfigError(Problem(message))


def parse_security_context(value: Any, where: Where) -> Tuple[Frozen, List[Problem]]:
    """Return a container's securityContext, or None if it has errors, and what is wrong with it.

    Fields that a Kubernetes container does not have, such as a pod's ``supplementalGroups``, are
    left out, as the API server does. A user or group may be pyos's ``{{ uidNumber }}`` or
    ``{{ gidNumber }}``.
    """
    if value is None:
        return None, []
    problems = list(_check(value, where, SECURITY_CONTEXT))
    if has_error(problems):
        return None, problems
    frozen, wrong = freeze(_only(value, SECURITY_CONTEXT), where)
    return frozen, problems + wrong


def _check(value: Any, where: Where, shape: Any) -> Iterator[Problem]:
    """Compare a value with the shape that the API expects."""
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            yield where.error(f"must be a dict, not {kind(value)}")
            return
        yield from misspelt_keys(value, tuple(shape), where)
        for key in shape:
            if value.get(key) is not None:
                yield from _check(value[key], where[key], shape[key])
    elif shape is USER_ID:
        is_placeholder = isinstance(value, str) and PLACEHOLDER.fullmatch(value)
        if not is_placeholder and (type(value) is not int or not 0 <= value <= MAX_ID):
            right = "'{{ uidNumber }}', '{{ gidNumber }}'"
            yield where.error(f"must be a whole number without quotes, or {right}")
    elif shape is TEXTS:
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            yield where.error("must be a list of texts, such as [ 'ALL' ]")
    elif not isinstance(value, shape):
        right = "True or False without quotes" if shape is bool else "text in quotes"
        yield where.error(f"must be {right}, not {kind(value)}")


def _only(value: Any, shape: Any) -> Any:
    """Return the parts of a value that the shape has."""
    if not isinstance(shape, Mapping):
        return value
    return {key: _only(value[key], shape[key]) for key in shape if value.get(key) is not None}
