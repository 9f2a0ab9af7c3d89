"""Asks this machine for its coturn's version and its own address."""

from __future__ import annotations

import socket
import subprocess
from ipaddress import ip_address
from typing import Optional, Sequence, Tuple

from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import is_exception, parse_address
from abcwebrtc.coturn.external_ip import External, listens_for
from abcwebrtc.coturn.options import OLDEST, CoturnVersion, parse_version

SECONDS = 10.0
"""How long this machine's turnserver may take to print its version."""
ANYWHERE = ip_address("192.0.2.1")
"""Nothing is sent there; its route is the route to the Internet."""


def installed_version(program: str = "turnserver") -> Optional[CoturnVersion]:
    """Return the version of this machine's coturn, or None if none prints it."""
    try:
        result = subprocess.run(  # noqa: S603, two words, and no shell
            (program, "--version"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    output = result.stdout.decode("ascii", "replace")
    if "unrecognized option '--version'" in output and "TURN" in output:
        return OLDEST  # 4.6 was the first to know the option
    found = parse_version(output.strip())
    return found if found and found >= OLDEST else None


def own_address(public: Address) -> Optional[Address]:
    """Return the address from which this machine sends to another one, None without a route.

    Nothing is sent: connecting a UDP socket only chooses the address.
    """
    family = socket.AF_INET if public.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(public), 9))
            return parse_address(probe.getsockname()[0])
    except OSError:
        return None


def coturn_address() -> Optional[Address]:
    """Return this machine's own address, if coturn is installed here and it is not loopback."""
    own = own_address(ANYWHERE) if installed_version() else None
    return None if own is None or own.is_loopback else own


def with_private_half(pair: External, listening: Sequence[Address]) -> Tuple[External, str]:
    """Return a pair with both halves, and in words where the private one is from.

    That is the address to listen on, or this machine's own, if coturn is installed here
    behind NAT. Raises `ValueError`, which says what to write, if it is neither.
    """
    if pair.private is not None:
        return pair, ""
    own = listens_for(pair.public, listening)
    reason = ""
    if len(own) > 1:
        reason = "there are several --listening-ip"
    elif own and own[0].is_loopback:
        reason = f"--listening-ip {own[0]} is the loopback, which NAT does not translate"
    elif own:
        return External(pair.public, own[0]), "--listening-ip"
    elif installed_version() is None:
        reason = "coturn is not installed on this machine"
    else:
        found = own_address(pair.public)
        if found is None:
            reason = "this machine has no route to it"
        elif found == pair.public:
            reason = "it is this machine's own address: if coturn runs here, leave the option out"
        elif found.is_loopback or not is_exception(found):
            reason = f"this machine's own address, {found}, is public too"
        else:
            return External(pair.public, found), "this machine's own address"
    private = "10.0.0.5" if pair.public.version == 4 else "fd00::5"
    raise ValueError(
        f"--external-ip {pair} has no private half, and {reason}; write coturn's own address as "
        f"the second half, such as --external-ip {pair}/{private}"
    )
