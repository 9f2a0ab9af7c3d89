"""Plain JSON data, frozen and thawed.

A configuration holds its data frozen, so that nobody changes it by accident;
who builds an answer from it thaws a copy of his own.
"""

from __future__ import annotations

import marshal
import math
from types import MappingProxyType
from typing import Any, Mapping, Tuple, Union

from abcwebrtc.config.problems import Findings, kind
from abcwebrtc.errors import KeyPath

Frozen = Union[None, bool, int, float, str, Tuple[Any, ...], Mapping[str, Any]]
MAX_DEPTH = 50
_MEMBERS = (
    *("iceServers", "urls", "username", "credential", "credentialType", "iceTransportPolicy"),
    *("bundlePolicy", "rtcpMuxPolicy", "iceCandidatePoolSize", "certificates"),
    *("audio", "video", "advanced", "optional", "mandatory"),
)
"""Of an RTCConfiguration and of constraints (W3C), which a message can show."""
MAX_INT_BITS = 1024
"""No number of JavaScript has more."""


def freeze(findings: Findings, path: KeyPath, value: Any, depth: int = 0) -> Frozen:
    """Return a read-only copy of JSON data; tuples count as lists.

    What JSON can't say is noted as an error, with the key path as far as it is
    known to be harmless.
    """
    if depth > MAX_DEPTH:
        findings.error(_harmless(path), f"is nested more than {MAX_DEPTH} deep")
        return None
    if isinstance(value, Mapping):
        return _freeze_mapping(findings, path, value, depth)
    if isinstance(value, (list, tuple)):
        items = enumerate(value)
        return tuple(freeze(findings, (*path, index), item, depth + 1) for index, item in items)
    if type(value) is int and value.bit_length() > MAX_INT_BITS:
        findings.error(_harmless(path), f"is a number of more than {MAX_INT_BITS} bits")
        return None
    if value is None or type(value) in (bool, int, str):
        return value  # type: ignore[no-any-return]
    if type(value) is float and math.isfinite(value):
        return value
    findings.error(_harmless(path), f"is {kind(value)}, which can't be sent as JSON")
    return None


def _freeze_mapping(
    findings: Findings, path: KeyPath, value: Mapping[Any, Any], depth: int
) -> Mapping[str, Any]:
    result = {}
    for key, item in value.items():
        if isinstance(key, str):
            result[key] = freeze(findings, (*path, key), item, depth + 1)
        else:
            findings.error(
                _harmless(path), f"has {kind(key)} as a key; JSON keys are text in quotes"
            )
    return MappingProxyType(result)


def _harmless(path: KeyPath) -> KeyPath:
    """Return a key path up to the first key that no browser knows: it may be a secret."""
    for place, key in enumerate(path[1:], start=1):
        if isinstance(key, str) and key not in _MEMBERS:
            return path[:place]
    return path


def thaw(value: Frozen) -> Any:
    """Return a copy of frozen data in fresh dicts and lists."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return value


class Template:
    """JSON data to give out again and again, each time as a fresh copy.

    Reading it back from bytes takes a third of the time of copying it in
    Python, and `marshal` knows nothing but plain data.
    """

    def __init__(self, value: Frozen) -> None:
        self._data = marshal.dumps(thaw(value), 2)  # later versions look up each text

    def copy(self) -> Any:
        """Return the data in dicts and lists of the caller's own."""
        return marshal.loads(self._data)  # noqa: S302, these bytes are our own
