"""What the options of ``abcwebrtc turnserver-conf`` take: each function is an argparse type."""

from __future__ import annotations

import argparse
import ipaddress
import re
from typing import List, Optional, Tuple

from abcwebrtc.commands import port_range
from abcwebrtc.peerranges import Network, Range, denied_ranges, range_of


def file_name(text: str) -> str:
    """Return the name of a file of coturn's."""
    if text and text.isprintable():
        return text
    raise argparse.ArgumentTypeError("write the name of a file")


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
    ports = port_range(text, 1024)
    if ports:
        return ports
    raise argparse.ArgumentTypeError("write two ports from 1024 up, such as 49152-65535")


def network(text: str) -> Network:
    """Return a network that does not undo what is denied."""
    try:
        found: Optional[Network] = ipaddress.ip_network(text, strict=False)
    except ValueError:
        found = None
    if found is None:
        hint = "write a network such as 10.1.0.0/16, or an address"
    elif "/" in text and found.network_address != ipaddress.ip_address(text.partition("/")[0]):
        hint = f"has bits beside the network; write {found}"
    elif _undoes_denials(range_of(found)):
        hint = "would undo most of what is denied; name the smallest network that does"
    else:
        return found
    raise argparse.ArgumentTypeError(hint)


def _undoes_denials(allowed: Range) -> bool:
    return allowed.unbounded or sum(allowed.holds(denied) for denied, _ in denied_ranges()) > 1


def address(text: str) -> str:
    """Return an IP address in its usual form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("write an IP address")


def external(text: str) -> str:
    """Return ``PUBLIC`` or ``PUBLIC/PRIVATE``."""
    parts: List[str] = text.split("/")
    if len(parts) > 2:
        raise argparse.ArgumentTypeError("write PUBLIC, or PUBLIC/PRIVATE, two IP addresses")
    return "/".join(map(address, parts))


def quota(text: str) -> int:
    """Return a number of allocations."""
    if re.fullmatch("[0-9]{1,7}", text) and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError("write a number from 1 up")
