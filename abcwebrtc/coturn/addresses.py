"""Addresses as coturn reads them: ranges of peers, the denied ranges, and a server's addresses.

coturn writes a range as ``first-last``. It reads ``10.0.0.0/8`` as a name that it can't resolve,
logs that, and denies nothing. It reads ``::`` as unbounded, and so ``0.0.0.0`` as a last address;
such a range contains every IPv4 address (measured with 4.6.1).
"""

from __future__ import annotations

import ipaddress
from typing import Iterable, List, NamedTuple, Optional, Tuple, Union

from abcwebrtc.config.uris import Address, as_address

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

DENIED: Tuple[Tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host, under another address (RFC 1122)"),
    ("10.0.0.0/8", "private networks (RFC 1918)"),
    ("100.64.0.0/10", "carriers' NAT, and pods and metadata of some clouds (RFC 6598)"),
    ("127.0.0.0/8", "the loopback: services of this machine itself"),
    ("168.63.129.16/32", "Azure's own services, at a public address"),
    ("169.254.0.0/16", "link-local addresses, with 169.254.169.254, the metadata of clouds"),
    ("172.16.0.0/12", "private networks (RFC 1918)"),
    ("192.0.0.0/24", "IETF assignments, with 192.0.0.192, metadata of Oracle's cloud"),
    ("192.0.2.0/24", "documentation, which no peer has (RFC 5737)"),
    ("192.31.196.0/24", "name servers of AS112, which are not peers (RFC 7535)"),
    ("192.52.193.0/24", "multicast relays, AMT (RFC 7450)"),
    ("192.88.99.0/24", "6to4 relays, withdrawn (RFC 7526)"),
    ("192.168.0.0/16", "private networks (RFC 1918)"),
    ("192.175.48.0/24", "name servers of AS112, which are not peers (RFC 7534)"),
    ("198.18.0.0/15", "benchmarks (RFC 2544)"),
    ("198.51.100.0/24", "documentation, which no peer has (RFC 5737)"),
    ("203.0.113.0/24", "documentation, which no peer has (RFC 5737)"),
    ("240.0.0.0/4", "reserved addresses, and broadcast"),
    ("::1-::ffff:ffff", "IPv6's loopback, and IPv4 written as IPv6, withdrawn"),
    ("::ffff:0:0/96", "IPv4 mapped into IPv6, a way around the ranges above (CVE-2026-27624)"),
    ("::ffff:0:0:0/96", "IPv4 translated into IPv6 (RFC 2765)"),
    ("64:ff9b::/96", "NAT64, which leads to any IPv4 address (RFC 6052)"),
    ("64:ff9b:1::/48", "NAT64 of a local network (RFC 8215)"),
    ("100::/64", "the discard prefix (RFC 6666)"),
    ("100:0:0:1::/64", "a dummy prefix, which no peer has (RFC 9780)"),
    (
        "2001::/23",
        "IETF assignments, such as Teredo, which contains an IPv4 address (RFC 2928)",
    ),
    ("2001:db8::/32", "documentation, which no peer has (RFC 3849)"),
    ("2002::/16", "6to4, which contains an IPv4 address (RFC 3056)"),
    ("2620:4f:8000::/48", "name servers of AS112, which are not peers (RFC 7534)"),
    ("3fff::/20", "documentation, which no peer has (RFC 9637)"),
    ("5f00::/16", "SRv6 segments, the inside of a network (RFC 9602)"),
    ("fc00::/7", "private networks, and metadata of clouds (RFC 4193)"),
    ("fe80::/10", "link-local addresses"),
    ("fec0::/10", "site-local addresses, withdrawn (RFC 3879)"),
)
"""What the Internet does not route, is near the relay, or can't be a peer, with the reason.

These are all blocks of IANA's special-purpose registries, even those that are globally reachable:
the only peers there are desktops, which are allowed explicitly. ``no-multicast-peers`` denies
multicast, from 224.0.0.0 up. ``::`` alone is in no range, see above; coturn always refuses it.
"""

VITAL: Tuple[str, ...] = (
    *("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    *("::ffff:0:0/96", "fc00::/7", "fe80::/10"),
)
"""The ranges of `DENIED` that no relay should leave open."""


class Range(NamedTuple):
    """All addresses from `first` to `last`, of one version of IP."""

    first: Address
    last: Address

    def __str__(self) -> str:
        """Return the range as coturn reads it."""
        first, last = _text(self.first), _text(self.last)
        return first if first == last else f"{first}-{last}"

    @property
    def unbounded(self) -> bool:
        """Whether coturn reads the range as unbounded."""
        return str(self.first) == "::" or self.last.is_unspecified

    def holds(self, other: Range) -> bool:
        """Return whether the whole other range is within this one."""
        if self.first.version != other.first.version:
            return False
        return int(self.first) <= int(other.first) and int(other.last) <= int(self.last)

    def meets(self, other: Range) -> bool:
        """Return whether the ranges have an address in common."""
        if self.first.version != other.first.version:
            return False
        return int(self.first) <= int(other.last) and int(other.first) <= int(self.last)


METADATA = "169.254.169.254"
"""The address of the metadata service of clouds."""
NEVER: Tuple[str, ...] = ("169.254.0.0/16", "fc00::/7", "fe80::/10", "fec0::/10")
"""What coturn always denies from 4.13.1 on, even if a line allows it (measured with 4.18.0)."""


def range_of(network: Union[str, Network]) -> Range:
    """Return the range of a network such as ``10.0.0.0/8``, or of one address.

    Raises ValueError for anything else.
    """
    net = ipaddress.ip_network(network) if isinstance(network, str) else network
    return Range(net[0], net[-1])


def ranges_of(*networks: str) -> Tuple[Range, ...]:
    """Return the ranges of networks and addresses."""
    return tuple(map(range_of, networks))


def within(address: Address, ranges: Iterable[Range]) -> bool:
    """Return whether an address is in one of the ranges."""
    one = Range(address, address)
    return any(item.holds(one) for item in ranges)


def denied_ranges() -> List[Tuple[Range, str]]:
    """Return the ranges of `DENIED`, with their reasons."""
    return [(parse_range(text) or range_of(text), reason) for text, reason in DENIED]


def parse_range(text: str) -> Optional[Range]:
    """Return a range as coturn writes it, ``first-last`` or one address, None for neither.

    ``last`` may be less than ``first``: coturn accepts that, as a range without addresses.
    Blanks around the dash are allowed, tabs are not.
    """
    first, dash, last = text.partition("-")
    start = as_address(first.strip(" "))
    end = as_address(last.strip(" ")) if dash else start
    return Range(start, end) if start and end and start.version == end.version else None


def covered(wanted: Range, by: List[Range]) -> bool:
    """Return whether every address of a range is in one of the others."""
    needed = int(wanted.first)
    for given in sorted(by, key=lambda item: int(item.first)):
        if given.first.version == wanted.first.version and int(given.first) <= needed:
            needed = max(needed, int(given.last) + 1)
    return needed > int(wanted.last)


def _text(address: Address) -> str:
    """Return an address as text, the same on every Python: 3.13 writes ``::ffff:0.0.0.0``."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return f"::ffff:{int(address) >> 16 & 0xFFFF:x}:{int(address) & 0xFFFF:x}"
    return str(address)


def host_address(host: str) -> Optional[Address]:
    """Return the address of a host that is one, in brackets or not, None for a name."""
    return as_address(host.strip("[]"))


# the addresses of a server

LOOPBACK = ranges_of("127.0.0.0/8", "::1")
PRIVATE = ranges_of("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""The networks of machines behind NAT."""
_INSIDE = (*PRIVATE, *LOOPBACK, *ranges_of("169.254.0.0/16", "fe80::/10"))
_TRIALS = ranges_of(
    *("192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("2001:2::/48", "2001:db8::/32", "3fff::/20"),
)
_NO_SERVER = ranges_of(
    *("0.0.0.0/8", "169.254.0.0/16", "168.63.129.16", "192.0.0.0/24", "224.0.0.0/3"),
    *("64:ff9b::/96", "64:ff9b:1::/48", "fe80::/10", "fec0::/10", "ff00::/8"),
)


def parse_address(text: str) -> Optional[Address]:
    """Return an address, as IPv4 if it is mapped into IPv6; None for anything else."""
    address = as_address(text)
    if address is None or getattr(address, "scope_id", None):
        return None
    return unmapped(address)


def parse_listening(text: str) -> Address:
    """Return an address to listen on, which may be ``0.0.0.0`` or ``::``.

    Raises `ValueError`, which says what to write.
    """
    address = parse_address(text)
    if address is None:
        raise ValueError("write an IP address, without a port or a mask")
    if not (address.is_unspecified or is_server(address)):
        raise ValueError(f"no server has the address {address}; write coturn's own")
    return address


def parse_allowed(text: str) -> Network:
    """Return a network that does not undo the denials; raise `ValueError` as above."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write a network such as 10.1.0.0/16, or an address") from None
    allowed = range_of(found)
    undone = sum(allowed.holds(denied) for denied, _ in denied_ranges())
    if unmapped(found.network_address).is_unspecified:
        address = found.network_address
        message = f"{address} means every address to coturn; write the network of the desktops"
    elif "/" in text and found.network_address != ipaddress.ip_address(text.partition("/")[0]):
        message = f"has host bits set; write {found}"
    elif allowed.holds(range_of(METADATA)):
        message = f"contains {METADATA}, the metadata service of clouds; write a smaller network"
    elif allowed.unbounded or undone > 1:
        message = "would undo most of the denials; write the smallest network that you need"
    else:
        return found
    raise ValueError(message)


def unmapped(address: Address) -> Address:
    """Return the IPv4 address that is mapped into an IPv6 one, else the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_private(address: Address) -> bool:
    """Return whether an address is in a private network or behind a carrier's NAT."""
    return within(address, PRIVATE)


def is_inside(address: Address) -> bool:
    """Return whether the Internet can't reach an address."""
    return within(address, _INSIDE)


def is_server(address: Address) -> bool:
    """Return whether a server can have an address; ``0.0.0.0`` and ``::`` mean every address."""
    return not (address.is_unspecified or within(address, _NO_SERVER))


def is_exception(address: Address) -> bool:
    """Return whether a relay may reach an address although it is denied, if it is its own.

    Those are addresses that machines have: private ones, this machine's loopback, and
    those for trials. Addresses that lead to other machines, such as NAT64, are not.
    """
    return is_server(address) and within(address, (*PRIVATE, *LOOPBACK, *_TRIALS))
