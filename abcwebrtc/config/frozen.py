"""Plain JSON data, frozen and thawed.

A configuration holds frozen data, so that nobody changes it by accident. To build an answer from
it, thaw a copy.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, List, Mapping, Tuple, Union

from abcwebrtc.config.problems import Where, kind
from abcwebrtc.errors import Problem

Frozen = Union[None, bool, int, float, str, Tuple[Any, ...], Mapping[str, Any]]
MAX_DEPTH = 50
_MEMBERS = (
    *("iceServers", "urls", "username", "credential", "credentialType", "iceTransportPolicy"),
    *("bundlePolicy", "rtcpMuxPolicy", "iceCandidatePoolSize", "certificates"),
    *("audio", "video", "advanced", "optional", "mandatory"),
)
"""Keys of an RTCConfiguration and of constraints (W3C), which messages may show."""
MAX_INT_BITS = 53
"""Browsers read JSON numbers as floats, which round longer ones."""

_TOO_LARGE = (
    f"is a number of more than {MAX_INT_BITS} bits, which browsers round; write a smaller one"
)


def freeze(value: Any, where: Where, depth: int = 0) -> Tuple[Frozen, List[Problem]]:
    """Return a read-only copy of JSON data, with tuples as lists, and its errors.

    The errors' key paths end where a key may be a secret.
    """
    if depth > MAX_DEPTH:
        return None, [_harmless(where).error(f"is nested more than {MAX_DEPTH} deep")]
    problems: List[Problem] = []
    if isinstance(value, Mapping):
        mapping = {}
        for key, item in value.items():
            if isinstance(key, str):
                mapping[key], more = freeze(item, where[key], depth + 1)
                problems += more
            else:
                message = f"has {kind(key)} as a key; JSON keys are text in quotes"
                problems.append(_harmless(where).error(message))
        return MappingProxyType(mapping), problems
    if isinstance(value, (list, tuple)):
        items = []
        for index, item in enumerate(value):
            frozen, more = freeze(item, where[index], depth + 1)
            items.append(frozen)
            problems += more
        return tuple(items), problems
    if type(value) is int and value.bit_length() > MAX_INT_BITS:
        return None, [_harmless(where).error(_TOO_LARGE)]
    if value is None or type(value) in (bool, int, str):
        return value, []
    if type(value) is float and math.isfinite(value):
        return value, []
    return None, [_harmless(where).error(f"is {kind(value)}, which can't be sent as JSON")]


def _harmless(where: Where) -> Where:
    """Return the place before the first key that no browser knows, which may be a secret."""
    for place, key in enumerate(where.path[1:], start=1):
        if isinstance(key, str) and key not in _MEMBERS:
            return where.up_to(place)
    return where


def thaw(value: Frozen) -> Any:
    """Return a copy of frozen data in fresh dicts and lists."""
    if type(value) is tuple:
        return list(map(thaw, value))
    if type(value) is not MappingProxyType:
        return value
    thawed = value.copy()
    for key in thawed:
        if type(thawed[key]) is not str:  # most of it is text: avoid a call for each
            thawed[key] = thaw(thawed[key])
    return thawed
