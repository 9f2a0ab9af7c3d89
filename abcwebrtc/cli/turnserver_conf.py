"""``abcwebrtc turnserver-conf``: prints coturn's configuration, or checks one."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from typing import Any, Dict

from abcwebrtc.cli.new_file import write_new, write_over
from abcwebrtc.cli.options import OK, USAGE, given, port
from abcwebrtc.cli.output import print_problems, warn
from abcwebrtc.cli.turnserver_addresses import Addresses, relay_address, told_addresses
from abcwebrtc.cli.turnserver_check import check
from abcwebrtc.cli.turnserver_servers import choose, load, origin
from abcwebrtc.cli.turnserver_values import (
    external,
    file_name,
    listening_address,
    network,
    output_name,
    quota,
    realm,
    relay_ports,
    total,
)
from abcwebrtc.cli.turnserver_version import add_version, chosen_version
from abcwebrtc.coturn.conf import (
    LISTEN_BELOW,
    RELAY_PORTS,
    TOTAL_QUOTA,
    USER_QUOTA,
    ConfOptions,
    answers_desktops,
    lacks_relay_address,
    privileged,
    shared_ports,
    turnserver_conf,
)
from abcwebrtc.coturn.server import Coturn, server_ports
from abcwebrtc.errors import AbcWebRTCError

NAME, SUMMARY = "turnserver-conf", "print coturn's turnserver.conf, or check one"
DESCRIPTION = """\
Prints a turnserver.conf for the coturn server of an od.config, with the reason
of every line. The secret is left out, unless it is asked for: --output writes
it into a file that you alone can read, --show-secret prints it.

With --check it compares a turnserver.conf with od.config instead, and says
what is wrong, with line numbers. Nothing is contacted.

example: abcwebrtc turnserver-conf od.config --output turnserver.conf
"""
_MAX_ORIGIN = 400  # a comment that is too long for coturn would go on as an option
_PRINTING = (
    *("output", "force", "show_secret", "realm", "relay_ports", "allow_peer"),
    *("listening_ip", "external_ip", "user_quota", "total_quota"),
)
_CHECKING = ("strict", "json", "option", "behind_proxy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--server",
        metavar="HOST|N",
        type=given,
        help="which server of od.config; the first by default",
    )
    add("--cert", metavar="FILE", type=file_name, help="certificate, PEM (/usr/local/etc/HOST.pem)")
    add("--key", metavar="FILE", type=file_name, help="its key, PEM (in the same file)")
    add_version(parser)
    group = parser.add_argument_group("to print one")
    add = group.add_argument
    add("--output", metavar="FILE", type=output_name, help="write it here, with the secret")
    add("--force", action="store_true", help="let --output replace a file")
    add("--show-secret", action="store_true", help="print the secret")
    add("--realm", type=realm, help="coturn's realm (the host of the first url)")
    add(
        "--relay-ports",
        metavar="MIN-MAX",
        type=relay_ports,
        help="UDP ports of relays ({}-{})".format(*RELAY_PORTS),
    )
    add(
        "--allow-peer",
        metavar="CIDR",
        type=network,
        action="append",
        help="relay to this network, such as that of the desktops; may be given several times",
    )
    add(
        "--listening-ip",
        metavar="IP",
        type=listening_address,
        action="append",
        help="listen here only (everywhere); may be given several times",
    )
    add(
        "--external-ip",
        metavar="PUBLIC/PRIVATE",
        type=external,
        action="append",
        help="behind NAT, what clients see, and coturn's own; may be given several times",
    )
    add("--user-quota", metavar="N", type=quota, help=f"allocations of one user ({USER_QUOTA})")
    add("--total-quota", metavar="N", type=total, help=f"allocations of all ({TOTAL_QUOTA})")
    group = parser.add_argument_group("to check one")
    add = group.add_argument
    add("--check", metavar="FILE", type=given, help="compare this turnserver.conf with od.config")
    add(
        "--option",
        metavar="NAME=VALUE",
        type=given,
        action="append",
        help="what coturn is given on its command line; write --option=-n for what begins with a "
        "dash; may be given several times",
    )
    add(
        "--behind-proxy",
        metavar="PORT",
        type=port(),
        action="append",
        help="a port of turns urls at which a proxy speaks TLS; may be given several times",
    )
    add("--strict", action="store_true", help="take warnings for errors")
    add("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Print or write the file, or the problems; fail when there is an error."""
    _check_usage(options)
    if options.check is not None:
        return check(options)
    addresses = _addresses(options)
    mapping, config = load(options)
    coturn = choose(config, options)
    print_problems((*config.warnings, *config.notes))
    places = [
        i for i, server in enumerate(config.coturn) if any(server is s for s in coturn.servers)
    ]
    where = " and ".join(dict.fromkeys(origin(mapping, place) for place in places))
    _print(coturn, where[:_MAX_ORIGIN], _relay_options(options, addresses), options)
    return OK


def _check_usage(options: argparse.Namespace) -> None:
    checking = options.check is not None
    for name in _PRINTING if checking else _CHECKING:
        if getattr(options, name):
            option = "--" + name.replace("_", "-")
            options.usage_error(f"{option} goes {'without' if checking else 'with'} --check")
    if options.force and not options.output:
        options.usage_error("--force goes with --output")
    if options.key and not options.cert and not checking:
        options.usage_error("--key goes with --cert")


def _addresses(options: argparse.Namespace) -> Addresses:
    try:
        return told_addresses(options)
    except argparse.ArgumentTypeError as error:
        wrong = str(error)
    options.usage_error(wrong)
    raise SystemExit(USAGE)


def _print(coturn: Coturn, where: str, told: ConfOptions, options: argparse.Namespace) -> None:
    shows = bool(options.output or options.show_secret)
    if lacks_relay_address(coturn, told):
        own = relay_address(" and ".join(map(str, server_ports(coturn.uris).others)))
        told = replace(told, relay_ips=(own,) if own else ())
    text = turnserver_conf(coturn, where, told, shows)
    data = text.encode("utf-8", "surrogateescape")
    if not answers_desktops(told.version):
        warn(
            f"coturn {told.version} answers no STUN in the form of RFC 3489, in which desktops "
            "ask, whatever this file says; take 4.10 or later, or 4.6"
        )
    ports = " and ".join(map(str, privileged(coturn, told)))
    if ports:
        warn(f"for port {ports}, {LISTEN_BELOW}")
    shared = " and ".join(map(str, shared_ports(coturn, told)))
    if shared:
        warn(f"coturn listens on {shared}, which --relay-ports gives to relays; take it out there")
    if options.output:
        _write(options.output, data, options.force)
        print(
            f"wrote {options.output} with the secret in it; coturn's user has to be able to read "
            "it, on Debian by chgrp turnserver and chmod 640"
        )
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    if not shows:
        warn("the secret is left out; --output FILE writes it, --show-secret prints it")


def _write(path: str, data: bytes, replace_it: bool) -> None:
    """Write the file. What others may do with one that is replaced, they may no more."""
    path = os.path.realpath(path)
    reason, is_there = None, os.path.lexists(path)
    if is_there:
        if not os.path.isfile(path):
            raise AbcWebRTCError(f"{path} is not a regular file; name another one")
        if not replace_it:
            raise AbcWebRTCError(f"{path} is there already; add --force to replace it")
    try:
        if is_there:
            write_over(path, data, most=0o770)
        else:
            write_new(path, data)
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        raise AbcWebRTCError(f"can't write {path}: {reason}")


def _relay_options(options: argparse.Namespace, addresses: Addresses) -> ConfOptions:
    names = ("cert", "key", "relay_ports", "realm", "user_quota", "total_quota")
    given: Dict[str, Any] = {name: getattr(options, name) for name in names}
    given["version"] = chosen_version(options.coturn)
    given["allow_peers"] = tuple(options.allow_peer or ())
    given["listening_ips"], given["external_ips"] = addresses
    return ConfOptions(**{name: value for name, value in given.items() if value})
