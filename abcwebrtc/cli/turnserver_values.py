"""What the options of ``abcwebrtc turnserver-conf`` take: each function is an argparse type."""

from __future__ import annotations

import argparse
import ipaddress
import re
from typing import Optional, Tuple

from abcwebrtc.cli.options import port_range, whole_number
from abcwebrtc.coturn.addresses import (
    Address,
    External,
    Network,
    Range,
    denied_ranges,
    is_private,
    is_server,
    parse_address,
    plain,
    range_of,
)


def file_name(text: str) -> str:
    """Return the name of a file of coturn's."""
    if text and text.isprintable():
        return text
    raise argparse.ArgumentTypeError("write the name of a file")


METADATA = "169.254.169.254"
TWO = "a call takes two allocations, the browser's and the desktop's"


def output_name(text: str) -> str:
    """Return the name of a file to write, which ``-`` is not."""
    if text != "-":
        return file_name(text)
    raise argparse.ArgumentTypeError("write the name of a file; for stdout write --show-secret")


def realm(text: str) -> str:
    """Return a realm with which coturn takes logins."""
    if re.fullmatch("[A-Za-z0-9._:-]{1,127}", text):
        return text
    raise argparse.ArgumentTypeError("write a realm such as turn.domain.local")


def relay_ports(text: str) -> Tuple[int, int]:
    """Return the first and the last port of relays."""
    first, last = port_range(1024)(text)
    if first == last:
        raise argparse.ArgumentTypeError(f"is one port, and {TWO}")
    return first, last


def network(text: str) -> Network:
    """Return a network that does not undo what is denied."""
    try:
        found: Optional[Network] = ipaddress.ip_network(text, strict=False)
    except ValueError:
        found = None
    if found is None:
        hint = "write a network such as 10.1.0.0/16, or an address"
    elif plain(found.network_address).is_unspecified:
        hint = f"{found.network_address} is every address to coturn; name the network that is meant"
    elif "/" in text and found.network_address != ipaddress.ip_address(text.partition("/")[0]):
        hint = f"has bits beside the network; write {found}"
    elif range_of(found).holds(range_of(METADATA)):
        hint = f"holds {METADATA}, the metadata of clouds, which is no desktop's"
    elif _undoes_denials(range_of(found)):
        hint = "would undo most of what is denied; name the smallest network that does"
    else:
        return found
    raise argparse.ArgumentTypeError(hint)


def _undoes_denials(allowed: Range) -> bool:
    return allowed.unbounded or sum(allowed.holds(denied) for denied, _ in denied_ranges()) > 1


def listening_address(text: str) -> Address:
    """Return an address to listen on, which may be ``0.0.0.0`` or ``::``."""
    address = parse_address(text)
    if address is None:
        raise argparse.ArgumentTypeError("write an IP address, without a port or a network")
    if address.is_unspecified or is_server(address):
        return address
    raise argparse.ArgumentTypeError(f"{address} is no address that a server can have")


def external(text: str) -> External:
    """Return ``PUBLIC/PRIVATE``, or ``PUBLIC`` alone."""
    halves = [parse_address(half) for half in text.split("/")]
    public, private = halves[0], halves[-1] if len(halves) == 2 else None
    if None in halves or public is None or len(halves) > 2:
        hint = "write PUBLIC/PRIVATE, two IP addresses, such as 203.0.113.20/10.0.0.5"
    elif not all(half and is_server(half) for half in halves):
        hint = "has an address that no server has; write PUBLIC/PRIVATE, the second coturn's own"
    elif any(half and half.is_loopback for half in halves):
        hint = "has a loopback address, which no NAT makes or takes; write PUBLIC/PRIVATE"
    elif private and private.version != public.version:
        hint = "has an address of IPv4 and one of IPv6; write two of one kind"
    elif public == private:
        hint = "has the same address twice, so nothing translates it; leave the option out"
    elif private and is_private(public) and not is_private(private):
        hint = f"is the wrong way round; write {private}/{public}"
    else:
        return External(public, private)
    raise argparse.ArgumentTypeError(hint)


quota = whole_number(1, 9_999_999, "a number from 1 up")
"""A number of allocations."""


def total(text: str) -> int:
    """Return a number of allocations in which there is room for a call."""
    found = quota(text)
    if found > 1:
        return found
    raise argparse.ArgumentTypeError(f"is 1, and {TWO}")
