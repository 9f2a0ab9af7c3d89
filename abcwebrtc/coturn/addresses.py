"""The addresses of a TURN server: where it listens, and what NAT makes of them.

coturn gives clients the public address of a pair ``PUBLIC/PRIVATE``. Where it is
told no private half, it takes every relay behind the public one for denied, as
soon as private networks are (measured with 4.5.2 to 4.18.0).
"""

from __future__ import annotations

import ipaddress
from typing import Iterable, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.coturn.peer_ranges import LOOPBACK, Address, Range, range_of

PRIVATE: Tuple[Range, ...] = tuple(
    map(
        range_of,
        ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    )
)
"""Where machines behind a NAT have their addresses."""

_TRIALS = tuple(
    map(
        range_of,
        ("192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"),
    )
)
_NO_SERVER = tuple(
    map(
        range_of,
        (
            *("0.0.0.0/8", "169.254.0.0/16", "168.63.129.16", "192.0.0.0/24", "224.0.0.0/3"),
            *("64:ff9b::/96", "64:ff9b:1::/48", "fe80::/10", "fec0::/10", "ff00::/8"),
        ),
    )
)


class External(NamedTuple):
    """An address that clients see, and that of the machine of which NAT makes it.

    The private half may be unknown; coturn needs it.
    """

    public: Address
    private: Optional[Address]

    def __str__(self) -> str:
        """Return the pair as coturn takes it."""
        return str(self.public) if self.private is None else f"{self.public}/{self.private}"


def parse_address(text: str) -> Optional[Address]:
    """Return an address, that of IPv4 for one that is mapped into IPv6; None for anything else."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if getattr(address, "scope_id", None):
        return None
    return plain(address)


def plain(address: Address) -> Address:
    """Return the IPv4 address of one that is mapped into IPv6, else the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_private(address: Address) -> bool:
    """Say whether it is an address of a private network, or of a carrier's NAT."""
    return _within(address, PRIVATE)


def is_server(address: Address) -> bool:
    """Say whether a server can have the address; ``0.0.0.0`` and ``::`` are every address."""
    return not (address.is_unspecified or _within(address, _NO_SERVER))


def is_exception(address: Address) -> bool:
    """Say whether a relay may reach the address though it is denied, where it is its own.

    Those are the addresses that machines really have: private ones, this machine's
    loopback, and those of trials; none through which another machine is reached.
    """
    return is_server(address) and _within(address, (*PRIVATE, *LOOPBACK, *_TRIALS))


def contradiction(listening: Sequence[Address], external: Sequence[External]) -> Optional[str]:
    """Return what is wrong with the addresses together, in words, None if nothing is."""
    own = [address for address in listening if not address.is_unspecified]
    for address in listening:
        if listening.count(address) > 1:
            return f"--listening-ip {address} is given twice"
        if address.is_unspecified and own:
            return f"--listening-ip {address} is every address, {own[0]} is one; leave one out"
    for half in ("public", "private"):
        halves = [getattr(pair, half) for pair in external if getattr(pair, half)]
        for address in halves:
            if halves.count(address) > 1:
                return f"--external-ip has the {half} address {address} twice; a pair has its own"
    return next(filter(None, (_against(pair, own) for pair in external)), None)


def _against(pair: External, own: Sequence[Address]) -> Optional[str]:
    """Return what is wrong between a pair and the addresses to listen on."""
    if own and not _of_version(own, pair.public):
        return f"--external-ip {pair} is IPv{pair.public.version}, and no --listening-ip is"
    if pair.public in own:
        return f"--external-ip {pair.public} is this server's own --listening-ip; leave it out"
    if pair.private and _of_version(own, pair.public) and pair.private not in own:
        return f"--external-ip {pair} names {pair.private}, which is no --listening-ip"
    return None


def listens_for(public: Address, listening: Sequence[Address]) -> Tuple[Address, ...]:
    """Return the addresses to listen on of which NAT may make a public one."""
    return tuple(ip for ip in _of_version(listening, public) if not ip.is_unspecified)


def _of_version(addresses: Iterable[Address], other: Address) -> Tuple[Address, ...]:
    return tuple(address for address in addresses if address.version == other.version)


def _within(address: Address, ranges: Iterable[Range]) -> bool:
    one = Range(address, address)
    return any(item.holds(one) for item in ranges)
