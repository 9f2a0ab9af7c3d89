"""The members of an RTCConfiguration beside its servers: what browsers throw on.

Source: W3C webrtc-pc, and measured with Chromium 156 and Firefox 153: where one of
them throws, `new RTCPeerConnection` makes no call for anybody.
"""

from __future__ import annotations

import re
from typing import Any, Iterator, Mapping, Optional

from abcwebrtc.config.problems import Where, kind, misspelt_keys
from abcwebrtc.errors import Problem

MAX_POOL_SIZE = 255
ENUMS: Mapping[str, Any] = {
    "bundlePolicy": ("max-bundle", "balanced", "max-compat"),
    "iceTransportPolicy": ("all", "relay"),
    "rtcpMuxPolicy": ("require", "negotiate"),
}
MEMBERS = ("iceServers", "certificates", "iceCandidatePoolSize", *ENUMS)
THROWS = "browsers throw on anything else, and there is no sound"
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?")


def check_members(configuration: Mapping[str, Any], where: Where) -> Iterator[Problem]:
    """Yield what is wrong with the members of a frozen RTCConfiguration."""
    yield from misspelt_keys(configuration, MEMBERS, where)
    for name, values in ENUMS.items():
        if name in configuration and configuration[name] not in values:
            choice = " or ".join(map(repr, values))
            yield where[name].error(f"must be {choice}, or left out; {THROWS}")
    if configuration.get("certificates", ()) != ():
        message = "must be [] or left out, since no od.config can hold an RTCCertificate"
        yield where["certificates"].error(f"{message}; {THROWS}")
    size, here = configuration.get("iceCandidatePoolSize", 0), where["iceCandidatePoolSize"]
    number = _as_number(size)
    if number is None or not 0 <= int(number) <= MAX_POOL_SIZE:
        right = f"a whole number from 0 to {MAX_POOL_SIZE}, such as 0, or left out"
        yield here.error(f"must be {right}; {THROWS}")
    elif type(size) is not int:
        yield here.warning(f"is {kind(size)}, which browsers take for {int(number)}; write that")


def _as_number(value: Any) -> Optional[float]:
    """Return the number that a browser makes of a value of JSON, None where that is none."""
    if value is None:
        return 0
    if isinstance(value, (int, float)):  # a bool too
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None
