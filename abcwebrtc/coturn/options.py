"""Which version of coturn has which option of turnserver.conf.

Tried with coturn 4.5.2, 4.6.1 and 4.18.0: which options they take, and which they log as "Bad
configuration format" or as deprecated. When something changed between 4.6.1 and 4.18.0 is what
coturn's change log says, which Debian's package carries. It names no version for ``no-dtls``, and
4.10 for ``no-cli``; both count as not to be used from 4.7 on, and nothing is opened without them.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, NamedTuple, Optional

from abcwebrtc.coturn.conf_options import OPTIONS
from abcwebrtc.coturn.version import OLDEST, CoturnVersion, parse_version

INVERTED = CoturnVersion(4, 7)
"""From here on coturn leaves off by itself what options of before turned off."""
STRICT_RANGES = CoturnVersion(4, 11)
"""From here on coturn does not start with a range of peers that it can't read."""
CLASSIC_STUN = CoturnVersion(4, 16)
"""From here on ``rfc3489-compatibility`` is what has requests without the magic cookie answered."""
DTLS_ON_DEMAND = CoturnVersion(4, 17)
"""From here on coturn speaks DTLS only where ``dtls`` is set."""

_SINCE = """
4.6 allocation-default-address-family no-rfc5780 no-stun-backward-compatibility
4.6 response-origin-only-with-rfc5780 syslog-facility
4.7 raw-public-keys respond-http-unsupported
4.7 rfc5780 software-attribute stun-backward-compatibility tlsv1 tlsv1_1 prometheus-path
4.8 cpus sock-buf-size
4.10 cli include-reason-string udp-recvmmsg
4.12 multiplex-peer multiplex-peer-max-peers multiplex-peer-port udp-gso
4.12 drop-invalid-packets udp-recvmmsg-log
4.13 udp-sendmmsg-log
4.14 unauthorized-ratelimit unauthorized-ratelimit-rps
4.15 drain-min-allocations log-min-level tcp-alternate-server udp-alternate-server
4.16 rfc3489-compatibility rfc5766-channel-numbers stateless-nonce stateless-nonce-secret
4.17 dtls
4.18 drop-invalid-packets-log
"""
_UNTIL = """
4.7 ne no-dtls no-sslv2 no-sslv3 no-stun-backward-compatibility no-tlsv1 no-tlsv1_1 prod
4.7 secret-ts-exp-time
4.18 drop-invalid-packets
"""


def _table(text: str) -> Dict[str, CoturnVersion]:
    table = {}
    for line in text.split("\n"):
        first, *names = line.split() or [""]
        version = parse_version(first)
        table.update({name: version for name in names if version})
    return table


SINCE: Dict[str, CoturnVersion] = _table(_SINCE)
"""The first version that knows an option. What is not here was there before 4.5.2."""
UNTIL: Dict[str, CoturnVersion] = _table(_UNTIL)
"""The first version that does not know an option any more."""
BUILT_IN: FrozenSet[str] = frozenset(
    [
        "mongo-userdb",
        "prometheus",
        "prometheus-address",
        "prometheus-path",
        "prometheus-port",
        "prometheus-username-labels",
    ]
)
"""Options that only some builds of coturn have; those of Debian do not."""


class Deprecated(NamedTuple):
    """An option that a version still takes: since when, whether it says so as an error, and why."""

    since: CoturnVersion
    is_error: bool
    message: str


DEPRECATED: Dict[str, Deprecated] = {
    "no-cli": Deprecated(INVERTED, True, "the console is off unless 'cli' turns it on"),
    "no-rfc5780": Deprecated(INVERTED, False, "that is off unless 'rfc5780' turns it on"),
    "no-software-attribute": Deprecated(
        INVERTED, False, "the version is sent only where 'software-attribute' is set"
    ),
    "response-origin-only-with-rfc5780": Deprecated(INVERTED, False, "it is what coturn does"),
    "rfc3489-compatibility": Deprecated(
        CLASSIC_STUN, False, "a later version of coturn will not have it"
    ),
    "keep-address-family": Deprecated(
        CoturnVersion(4, 6), False, "write allocation-default-address-family=keep"
    ),
    "secret-ts-exp-time": Deprecated(OLDEST, False, "it has no effect"),
}
"""Options that still work, or do nothing, and are not to be used any more."""


def knows(version: CoturnVersion, name: str) -> bool:
    """Say whether a version of coturn has an option."""
    if name not in OPTIONS or version < SINCE.get(name, version):
        return False
    return name not in UNTIL or version < UNTIL[name]


def deprecation(version: CoturnVersion, name: str) -> Optional[Deprecated]:
    """Return what stands against an option in this version, or None."""
    found = DEPRECATED.get(name)
    return found if found and version >= found.since and knows(version, name) else None
