"""What keeps a TURN server from being misused: options by version, and peers that are denied.

Pure. A version gets the options that it knows, and does without those that it
takes for deprecated, since it does by itself what they are for.
"""

from __future__ import annotations

from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from abcwebrtc.coturn.addresses import is_exception
from abcwebrtc.coturn.options import deprecation, knows
from abcwebrtc.coturn.peer_ranges import LOOPBACK, Address, Network, Range, denied_ranges, range_of
from abcwebrtc.coturn.version import CoturnVersion

Block = Tuple[str, List[str]]
"""A reason, and the lines that it is for."""

_CLASSIC_STUN = "rfc3489-compatibility"
_CLASSIC_STUN_BEFORE = "stun-backward-compatibility"
_BROKEN_SINCE, _MENDED = CoturnVersion(4, 7), CoturnVersion(4, 10)
_MADE_FOR = "Desktops ask for their address in the form of RFC 3489 (libnice up to 0.1.22). "


def encryption(coturn: CoturnVersion, tls: bool, dtls: bool) -> Iterator[Block]:
    """Yield what turns old versions of TLS off, and DTLS on or off."""
    if tls:
        yield from _usual(coturn, "TLS 1.0 and 1.1 are deprecated (RFC 8996).", *_OLD_TLS)
    if not dtls:
        yield from _usual(coturn, "Browsers speak no DTLS to a TURN server.", "no-dtls")
    else:
        yield from _usual(coturn, "For the turns: url over UDP.", "dtls")


_OLD_TLS = ("no-tlsv1", "no-tlsv1_1")


def address_family(coturn: CoturnVersion, listening: Sequence[Address]) -> Iterator[Block]:
    """Yield what gives relays of IPv6 where there are no others; by itself coturn has none then."""
    if listening and all(address.version == 6 for address in listening):
        reason = "There are no relays of IPv4, which clients get unless they ask for others."
        yield from _usual(coturn, reason, "keep-address-family")
        if knows(coturn, "allocation-default-address-family"):
            yield reason, ["allocation-default-address-family=keep"]


def hardening(coturn: CoturnVersion) -> Iterator[Block]:
    """Yield the lines that every server gets, none of which takes STUN from a desktop."""
    for reason, name in _HARDENING:
        yield from _usual(coturn, reason, name)
    if knows(coturn, _CLASSIC_STUN):
        yield (
            f"{_MADE_FOR}Without this they get none. coturn warns that it is deprecated.",
            [_CLASSIC_STUN],
        )
    elif knows(coturn, _CLASSIC_STUN_BEFORE):
        yield (
            f"{_MADE_FOR}Without this they get none. From 4.16 on it is {_CLASSIC_STUN}; 4.7 to "
            "4.9 give none anyway.",
            [_CLASSIC_STUN_BEFORE],
        )


_HARDENING = (
    ("Lets clients tell STUN from other traffic (RFC 8489, 14.7).", "fingerprint"),
    ("No console by telnet.", "no-cli"),
    ("Sound is UDP; no TCP connections from here into a network (RFC 6062).", "no-tcp-relay"),
    ("Short answers to STUN, which are of less use for amplifying an attack.", "no-rfc5780"),
    ("The same: no address of this server in them.", "response-origin-only-with-rfc5780"),
    ("Does not tell everybody the version of coturn.", "no-software-attribute"),
    ("No relaying to multicast, 224.0.0.0 and above, and ff00::/8.", "no-multicast-peers"),
)


def answers_desktops(coturn: CoturnVersion) -> bool:
    """Say whether some option has a version answer STUN in the form of RFC 3489."""
    return not _BROKEN_SINCE <= coturn < _MENDED


def _usual(coturn: CoturnVersion, reason: str, *names: str) -> Iterator[Block]:
    """Yield those options that this version knows, and does not call deprecated."""
    kept = [name for name in names if knows(coturn, name) and not deprecation(coturn, name)]
    if kept:
        yield reason, kept


def peers(own: Iterable[Address], allowed: Sequence[Network]) -> Iterator[Block]:
    """Yield the denied ranges, and the exceptions: addresses of this server, and those allowed."""
    for denied, reason in denied_ranges():
        yield f"No relaying to {reason}.", [f"denied-peer-ip={denied}"]
    exceptions = _exceptions(own, allowed)
    for exception, reason in exceptions.items():
        yield reason, [f"allowed-peer-ip={exception}"]
    if any(exception.meets(local) for exception in exceptions for local in LOOPBACK):
        yield "For a trial on one machine; take this out on a server.", ["allow-loopback-peers"]
    if not allowed:
        yield (
            "If desktops, or this server, have a private address, let the relay reach them: "
            "--allow-peer, or a line like this.",
            ["#allowed-peer-ip=10.0.0.0-10.0.255.255"],
        )


def _exceptions(own: Iterable[Address], allowed: Sequence[Network]) -> Dict[Range, str]:
    """Return the exceptions from the denied ranges, with their reasons."""
    exceptions: Dict[Range, str] = {}
    for address in own:
        if is_exception(address):
            reason = "This server itself: the relays of a browser and a desktop are peers."
            exceptions[Range(address, address)] = reason
    for network in allowed:
        reason = "Allowed by --allow-peer; this wins over the above."
        exceptions.setdefault(range_of(network), reason)
    return exceptions
