"""What this machine says of itself, where coturn runs on it: its version and its own address."""

from __future__ import annotations

import socket
import subprocess
from ipaddress import ip_address
from typing import Optional, Sequence, Tuple

from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import is_exception, parse_address
from abcwebrtc.coturn.external_ip import External, listens_for
from abcwebrtc.coturn.options import OLDEST, CoturnVersion, parse_version

SECONDS = 3.0
"""How long this machine's turnserver may take to say its version."""
ANYWHERE = ip_address("192.0.2.1")
"""Nothing is sent there; the way to it is that to the Internet."""


def installed_version(program: str = "turnserver") -> Optional[CoturnVersion]:
    """Return the version of this machine's coturn, None where there is none that says it."""
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
    """Return the address with which this machine sends to another one, None without a way.

    Nothing is sent: for UDP, to connect chooses the address, and that is all.
    """
    family = socket.AF_INET if public.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(public), 9))
            return parse_address(probe.getsockname()[0])
    except OSError:
        return None


def coturn_address() -> Optional[Address]:
    """Return this machine's own address, if coturn is on it and others reach it there."""
    own = own_address(ANYWHERE) if installed_version() else None
    return None if own is None or own.is_loopback else own


def with_private_half(pair: External, listening: Sequence[Address]) -> Tuple[External, str]:
    """Return a pair that has both halves, and where the private one is from, in words.

    That is the address to listen on, or this machine's own, if coturn is on it and
    behind a NAT. Raises `ValueError`, which says what to write, where neither is.
    """
    if pair.private is not None:
        return pair, ""
    own = listens_for(pair.public, listening)
    reason = ""
    if len(own) > 1:
        reason = "and there are several --listening-ip"
    elif own and own[0].is_loopback:
        reason = f"and no NAT leads to the loopback, --listening-ip {own[0]}"
    elif own:
        return External(pair.public, own[0]), "--listening-ip"
    elif installed_version() is None:
        reason = "and coturn is not on this machine, whose address would be the one"
    else:
        found = own_address(pair.public)
        if found is None:
            reason = "and this machine has no address that reaches it"
        elif found == pair.public:
            reason = "and is this machine's own; if coturn is here, leave the option out"
        elif found.is_loopback or not is_exception(found):
            reason = f"and this machine's own address, {found}, is a public one as well"
        else:
            return External(pair.public, found), "this machine's own address"
    private = "10.0.0.5" if pair.public.version == 4 else "fd00::5"
    raise ValueError(
        f"--external-ip {pair} has no private half, {reason}; "
        f"write both, such as --external-ip {pair}/{private}, the second being coturn's own"
    )
