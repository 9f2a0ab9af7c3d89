"""STUN and TURN URIs as browsers accept them (RFC 7064 and RFC 7065)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Iterator, List, Optional, Tuple, Union

from abcwebrtc.config.problems import Where, has_unexpanded
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.texts import is_like_secret

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
STUN_SCHEMES = ("stun", "stuns")
TURN_SCHEMES = ("turn", "turns")
TRANSPORTS = ("udp", "tcp")
THIS_MACHINE = "names the machine that uses it, so only a browser on the server itself reaches it"
INSIDE = (
    "is a name inside the cluster, which no browser outside it can resolve; "
    "write the name or address at which browsers reach the server"
)
NO_DTLS = "is turns over udp, which is DTLS, and browsers do not speak it; use tcp"

# Measured with Firefox 153: the ports of https://fetch.spec.whatwg.org/#port-blocking except 53.
# fmt: off
_FIREFOX_BLOCKS = frozenset((
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465,
    512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993,
    995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668,
    6669, 6679, 6697, 10080,
))
# fmt: on
_CHROMIUM_TAKES = (80, 443)  # for TURN, under 1024; webrtc also has 53, which Chromium blocks

_HERE = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_CLUSTER = (".svc", ".cluster.local")
"""Kubernetes names of services and pods, which only the cluster's DNS knows."""

_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>.*)", re.DOTALL)
_HOST_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>.*))?", re.DOTALL)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_QUERY = re.compile(r"transport=(?P<transport>udp|tcp)")


@dataclass(frozen=True)
class IceURI:
    """A parsed ``stun:``, ``stuns:``, ``turn:`` or ``turns:`` URI.

    `host` is a name, an IPv4 address, or an IPv6 address in brackets. `port` and `transport` are
    None if the URI does not have them. ``str()`` returns the URI.
    """

    scheme: str
    host: str
    port: Optional[int] = None
    transport: Optional[str] = None

    @property
    def is_address(self) -> bool:
        """Whether `host` is an IP address: no name ends in a label of digits."""
        return self.host.startswith("[") or self.host.rpartition(".")[2].isdigit()

    @property
    def bare_host(self) -> str:
        """`host` without the brackets of IPv6."""
        return self.host.strip("[]")

    @property
    def host_key(self) -> str:
        """`bare_host` for comparisons: in lower case, without a final dot."""
        return self.bare_host.rstrip(".").lower()

    @property
    def default_port(self) -> int:
        """5349 for stuns and turns, 3478 for stun and turn."""
        return 5349 if self.scheme in ("stuns", "turns") else 3478

    @property
    def effective_port(self) -> int:
        """`port`, or `default_port` if the URI has none."""
        return self.port or self.default_port

    def __str__(self) -> str:
        """Return the URI, with a port or transport only if one was given."""
        port = f":{self.port}" if self.port is not None else ""
        query = f"?transport={self.transport}" if self.transport else ""
        return f"{self.scheme}:{self.host}{port}{query}"


def read_uri(
    text: str, where: Where, scheme: Optional[str] = None
) -> Tuple[Optional[IceURI], List[Problem]]:
    """Return a URI for browsers, or None if it is invalid, and what is wrong with it.

    With a `scheme`, the text is ``host[:port][?transport=udp|tcp]``.
    """
    try:
        uri = parse_server(scheme, text) if scheme else parse_ice_uri(text)
    except ConfigError as error:
        return None, [where.error(problem.message) for problem in error.problems]
    refused, unwise = map(where.error, why_refused(uri)), map(where.warning, why_unwise(uri))
    return uri, [*refused, *unwise]


def why_refused(uri: IceURI) -> Iterator[str]:
    """Yield why a browser throws on a valid URI, as texts of errors."""
    if uri.scheme == "stuns":
        yield "is a stuns URI, and Firefox throws on it; write stun"
    if uri.port in _FIREFOX_BLOCKS:
        port = "uses a port that Firefox blocks: it throws on the whole rtc_configuration"
        yield f"{port}; the usual one is {uri.default_port}"


def why_unwise(uri: IceURI) -> Iterator[str]:
    """Yield what browsers don't do with a valid URI, as texts of warnings."""
    is_low = uri.port is not None and uri.port < 1024 and uri.port not in _FIREFOX_BLOCKS
    if uri.port == 53:
        port = "port 53, which Chromium does not connect to"
        yield f"uses {port}; the usual one is {uri.default_port}"
    elif uri.scheme in TURN_SCHEMES and is_low and uri.port not in _CHROMIUM_TAKES:
        port = "a port under 1024, where Chromium allows TURN on 80 and 443 only"
        yield f"uses {port}, and reports no error; the usual one is {uri.default_port}"
    unreachable = why_unreachable(uri)
    if unreachable:
        yield unreachable
    if uri.scheme == "turns" and uri.transport == "udp":
        yield NO_DTLS
    if uri.scheme == "turns" and uri.is_address:
        yield "is turns with an address, which Firefox ignores; write a name in its certificate"


def why_unreachable(uri: IceURI) -> str:
    """Return why no browser on another machine reaches a host, as the text of a warning.

    The text is empty if some network may reach it: ``*.local`` is often a company's domain.
    """
    name = uri.host_key
    address = _address(name)
    if address is None:
        if name in _HERE or name.endswith(".localhost"):
            return THIS_MACHINE
        return INSIDE if name.endswith(_CLUSTER) else ""
    if address.version == 6:  # if it contains an IPv4 address, that one counts
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_unspecified:
        return "is an address to listen on, not one to connect to; write the server's own"
    if address.is_loopback:
        return THIS_MACHINE
    if address.is_multicast or str(address) == "255.255.255.255":
        return "is a multicast or broadcast address, which no server has; write the server's own"
    if address.is_link_local:
        return "is a link-local address, which works only in its own network; write another one"
    return ""


def parse_ice_uri(text: str) -> IceURI:
    """Parse a URI such as ``turns:turn.domain.local:5349?transport=tcp``.

    Raises `ConfigError` that says what is wrong and what to write instead.
    """
    match = _URI.fullmatch(text)
    scheme = match["scheme"].lower() if match else ""
    if match is None or scheme not in STUN_SCHEMES + TURN_SCHEMES:
        raise _error(
            "must begin with stun:, stuns:, turn: or turns:, as in 'stun:stun.domain.local:3478'"
        )
    if match["rest"].startswith("//"):
        raise _error(f"has '//' after '{scheme}:', which browsers refuse; remove it")
    return parse_server(scheme, match["rest"])


def parse_server(scheme: str, text: str) -> IceURI:
    """Parse ``host[:port][?transport=udp|tcp]``, and give it a scheme.

    Raises `ConfigError` that says what is wrong and what to write instead.
    """
    if has_unexpanded(text):
        raise _error(
            "has a variable or a placeholder in it, which nothing expands in od.config; "
            "write host:port itself, as in 'turn.domain.local:3478'"
        )
    if re.search(r"[,;\s]", text.strip()):
        raise _error("has a comma or a space in it; write several urls as a list: [ '...', '...' ]")
    address, mark, query = text.partition("?")
    if mark and scheme in STUN_SCHEMES:
        raise _error(
            "has a '?', which a stun or stuns URI can't have (RFC 7064), and browsers throw on it; "
            "remove '?transport='"
        )
    transport = _QUERY.fullmatch(query)
    if mark and not transport:
        raise _error("has something other than transport=udp or transport=tcp after '?'")
    if "@" in address:
        raise _error("has a user or password before '@', which no browser accepts; remove it")
    match = _HOST_PORT.fullmatch(address)
    if match is None or ":" in (match["port"] or ""):
        if _version(address) == 6:
            raise _error(f"has an IPv6 address without brackets; write '[{address}]:3478'")
        raise _error(
            "must be host:port; put an IPv6 address in brackets, as in '[2001:db8::1]:3478'"
        )
    port = None if match["port"] is None else _parse_port(match["port"])
    _check_host(match["host"])
    return IceURI(scheme, match["host"], port, transport["transport"] if transport else None)


def _error(message: str) -> ConfigError:
    return ConfigError(Problem(message))


def _parse_port(text: str) -> int:
    if re.fullmatch("[0-9]{1,5}", text) and 1 <= int(text) <= 65535:
        return int(text)
    raise _error("has a port that is not a number from 1 to 65535")


def _check_host(host: str) -> None:
    if host.startswith("["):
        if _version(host[1:-1]) != 6:
            raise _error("has brackets around something that is not an IPv6 address")
        return
    if not host:
        raise _error("has no host; write host:port, as in 'turn.domain.local:3478'")
    if len(host) > 253:
        raise _error("has a host of more than 253 characters, which no DNS name has")
    if not host.isascii():
        raise _error("has a host that is not ASCII; write its punycode form (xn--...)")
    labels = (host[:-1] if host.endswith(".") else host).split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise _error("has a host that is neither a DNS name nor an IP address")
    if len(labels) == 1 and is_like_secret(host):
        raise _error(
            "has a host that looks like a secret, so it is not shown; "
            "write host:port, as in 'turn.domain.local:3478'"
        )
    if labels[-1].isdigit() and _version(host) != 4:
        raise _error("has a host that looks like an IPv4 address, but is not one")


def as_address(text: str) -> Optional[Address]:
    """Return a text without brackets as an IP address, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _version(text: str) -> int:
    """Return the IP version of an address, or 0 if it is not one."""
    address = _address(text)
    return address.version if address else 0


def _address(text: str) -> Optional[Address]:
    """Return a host without brackets as an IP address, or None for a name."""
    # a zone may be any text, and no browser accepts one
    return None if "%" in text else as_address(text)
