"""Hosts that a browser, or a desktop, can't reach: this machine, and the cluster's inside."""

from __future__ import annotations

from typing import Any, Optional

_HERE = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_CLUSTER = (".svc", ".cluster.local")
"""Kubernetes' names of services and pods, which only its own DNS knows."""

THIS_MACHINE = "names the machine that uses it, so only a browser on the server itself reaches it"
INSIDE = (
    "is a name of the cluster's inside, which no browser outside of it resolves; "
    "write the name or address that browsers reach the server by"
)


def why_unreachable(host: str) -> str:
    """Return why no browser on another machine reaches a host, in the words of warnings.

    `host` is a name, or an address, in brackets where it is IPv6. What may be
    reachable from some network gives an empty text: ``*.local`` is a company's
    domain as often as not.
    """
    text = host.strip("[]").rstrip(".").lower()
    return _of_address(text) or _of_name(text)


def _of_name(name: str) -> str:
    if name in _HERE or name.endswith(".localhost"):
        return THIS_MACHINE
    return INSIDE if name.endswith(_CLUSTER) else ""


def _of_address(text: str) -> str:
    address = _parsed(text)
    if address is None:
        return ""
    if address.is_unspecified:
        return "is the address of no machine (a server listens on it); write the server's own"
    if address.is_loopback:
        return THIS_MACHINE
    if address.is_multicast or text == "255.255.255.255":
        return "is the address of a group, and no server has one; write the server's own"
    if address.is_link_local:
        return "is a link-local address, which only its own network segment has; write another one"
    return ""


def _parsed(text: str) -> Optional[Any]:
    """Return an address, the IPv4 one where an IPv6 one stands for it, None for a name."""
    import ipaddress  # most servers are names

    try:
        address: Any = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.version == 6:
        return address.ipv4_mapped or address.sixtofour or address
    return address
