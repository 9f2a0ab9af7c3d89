"""``abcwebrtc turnserver-conf``: prints coturn's configuration, or checks one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import BinaryIO, Optional

from abcwebrtc.cli.output import note, print_problems, show, show_document, warn
from abcwebrtc.cli.parser import OK
from abcwebrtc.cli.turnserver_check import check
from abcwebrtc.cli.turnserver_options import add_arguments as add_arguments
from abcwebrtc.cli.turnserver_options import (
    check_usage,
    chosen_coturn,
    chosen_version,
    conf_options,
)
from abcwebrtc.config.webrtc import COTURN
from abcwebrtc.coturn.conf import (
    ConfOptions,
    conf_warnings,
    lacks_relay_address,
    shared_ports,
    turnserver_conf,
)
from abcwebrtc.coturn.file_access import USER
from abcwebrtc.coturn.firewall import firewall_rules
from abcwebrtc.coturn.server import Coturn, secret_origin, server_ports
from abcwebrtc.coturn.this_machine import coturn_address
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.secret_files import REPLACEABLE, others_can_replace, write_over

NAME, SUMMARY = "turnserver-conf", "print coturn's turnserver.conf, or check one"
DESCRIPTION = """\
Prints a turnserver.conf for the coturn server of an od.config, with the reason
of every line. The secret is left out, unless it is asked for: --output writes
it into a file that you alone can read, --show-secret prints it.

With --firewall it prints rules for nft instead, which keep relays from services
of coturn's own machine.

With --check it compares a turnserver.conf with od.config instead, and says
what is wrong, with line numbers. Nothing is contacted.

example: abcwebrtc turnserver-conf od.config --output turnserver.conf
"""
_MAX_ORIGIN = 400  # a comment that is too long for coturn would go on as an option


def run(options: argparse.Namespace) -> int:
    """Print or write the file, or the problems; fail when there is an error."""
    check_usage(options)
    if options.check is not None:
        return check(options)
    told = conf_options(options)
    if options.firewall:
        return _print_firewall(told, options)
    mapping, config, coturn = chosen_coturn(options)
    print_problems((*config.warnings, *config.notes))
    told = replace(told, version=chosen_version(options.coturn))
    origins = [
        secret_origin(mapping[COTURN], place)
        for place, server in enumerate(config.coturn)
        if any(server is one for one in coturn.servers)
    ]
    _print(coturn, " and ".join(dict.fromkeys(origins))[:_MAX_ORIGIN], told, options)
    return OK


def _print_firewall(told: ConfOptions, options: argparse.Namespace) -> int:
    _, _, coturn = chosen_coturn(options)
    for text in shared_ports(coturn, told):
        warn(text)
    show_document(firewall_rules(options.user or USER, told.relay_ports))
    return OK


def _print(coturn: Coturn, where: str, told: ConfOptions, options: argparse.Namespace) -> None:
    shows = bool(options.output or options.show_secret)
    if lacks_relay_address(coturn, told):
        own, ports = coturn_address(), " and ".join(map(str, server_ports(coturn.uris).others))
        if own is None:
            warn(
                f"coturn has two ports, and port {ports} needs its own address: write "
                "--listening-ip; until then the lines of that are comments"
            )
        else:
            told = replace(told, relay_ips=(own,))
            note(
                f"the relays of port {ports} have this machine's own address, {own}; for another "
                "one write --listening-ip"
            )
    data = turnserver_conf(coturn, where, told, shows).encode("utf-8", "surrogateescape")
    for text in conf_warnings(coturn, told):
        warn(text)
    if options.output:
        _write(options.output, data, options.force)
        show(
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

    def change(before: Optional[BinaryIO]) -> bytes:
        if before and not replace_it:
            raise AbcWebRTCError(f"{path} is there already; add --force to replace it")
        return data

    reason = ""
    try:
        write_over(path, change, most=0o770)
        if others_can_replace(path):
            warn(f"{path}: {REPLACEABLE}")
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        raise AbcWebRTCError(f"can't write {path}: {reason}")
