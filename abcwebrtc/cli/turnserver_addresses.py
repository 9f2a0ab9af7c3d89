"""The addresses that ``abcwebrtc turnserver-conf`` is told, and those that it finds here."""

from __future__ import annotations

import argparse
import socket
import sys
from ipaddress import ip_address
from typing import Optional, Sequence, Tuple

from abcwebrtc.cli.output import warn
from abcwebrtc.cli.turnserver_version import installed_version
from abcwebrtc.coturn.addresses import (
    Address,
    External,
    contradiction,
    is_exception,
    listens_for,
    parse_address,
)

ANYWHERE = ip_address("192.0.2.1")
"""Nothing is sent there; the way to it is that to the Internet."""
Addresses = Tuple[Tuple[Address, ...], Tuple[External, ...]]
"""Those to listen on, and what NAT makes of them."""


def told_addresses(options: argparse.Namespace) -> Addresses:
    """Return the addresses of the command line, each pair with both halves.

    Where ``--external-ip`` has no private half, that is the address to listen on,
    or this machine's own, if coturn is on it; a note says so. ``0.0.0.0`` and
    ``::`` are left out, since coturn listens everywhere by itself.

    Raises `argparse.ArgumentTypeError` where they contradict each other.
    """
    listening: Sequence[Address] = options.listening_ip or ()
    pairs: Sequence[External] = options.external_ip or ()
    _agree(listening, pairs)
    complete = [_complete(pair, listening) for pair in pairs]
    _agree(listening, complete)
    return tuple(ip for ip in listening if not ip.is_unspecified), tuple(complete)


def _agree(listening: Sequence[Address], pairs: Sequence[External]) -> None:
    wrong = contradiction(listening, pairs)
    if wrong:
        raise argparse.ArgumentTypeError(wrong)


def _complete(pair: External, listening: Sequence[Address]) -> External:
    """Return a pair with its private half, and say where that is from."""
    if pair.private is not None:
        return pair
    own = listens_for(pair.public, listening)
    if len(own) > 1:
        raise _no_half(pair, "and there are several --listening-ip")
    if own and own[0].is_loopback:
        raise _no_half(pair, f"and no NAT leads to the loopback, --listening-ip {own[0]}")
    private = own[0] if own else _found(pair)
    source = "--listening-ip" if own else "this machine's own address"
    print(
        f"note: --external-ip {pair} is taken for {pair.public}/{private}, with {source}; "
        "for another one write PUBLIC/PRIVATE",
        file=sys.stderr,
    )
    return External(pair.public, private)


def _found(pair: External) -> Address:
    """Return this machine's own address, if it is coturn's machine and behind a NAT."""
    if installed_version() is None:
        raise _no_half(pair, "and coturn is not on this machine, whose address would be the one")
    own = own_address(pair.public)
    if own is None:
        raise _no_half(pair, "and this machine has no address that reaches it")
    if own == pair.public:
        raise _no_half(pair, "and is this machine's own; if coturn is here, leave the option out")
    if own.is_loopback or not is_exception(own):
        raise _no_half(pair, f"and this machine's own address, {own}, is a public one as well")
    return own


def relay_address(ports: str) -> Optional[Address]:
    """Return the address of relays for further ports: this machine's own, if coturn is on it."""
    own = own_address(ANYWHERE) if installed_version() else None
    if own is None or own.is_loopback:
        warn(
            f"coturn has two ports, and port {ports} needs its own address: write --listening-ip; "
            "until then the lines of that are comments"
        )
        return None
    print(
        f"note: the relays of port {ports} have this machine's own address, {own}; for another "
        "one write --listening-ip",
        file=sys.stderr,
    )
    return own


def _no_half(pair: External, reason: str) -> argparse.ArgumentTypeError:
    private = "10.0.0.5" if pair.public.version == 4 else "fd00::5"
    return argparse.ArgumentTypeError(
        f"--external-ip {pair} has no private half, {reason}; "
        f"write both, such as --external-ip {pair}/{private}, the second being coturn's own"
    )


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
