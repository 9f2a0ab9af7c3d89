"""``abcwebrtc turnserver-conf``: prints coturn's configuration, or checks one."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import BinaryIO, Optional

from abcwebrtc.cli.output import TEXT, detail, problems_json, show, show_data
from abcwebrtc.cli.parser import OK
from abcwebrtc.cli.signals import ended_as_by_ctrl_c
from abcwebrtc.cli.turnserver_check import check
from abcwebrtc.cli.turnserver_options import (
    Remarks,
    check_usage,
    chosen_coturn,
    chosen_version,
    conf_options,
)
from abcwebrtc.cli.turnserver_options import add_arguments as add_arguments
from abcwebrtc.config.entries import COTURN
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
from abcwebrtc.texts import shell_file

NAME, SUMMARY = "turnserver-conf", "print coturn's turnserver.conf, or check one"
DESCRIPTION = """\
Print a turnserver.conf for the coturn server of an od.config. A comment gives
the reason for every line. The secret is left out: --output writes the file with
the secret, readable by you alone, and --show-secret prints it.

With --firewall, print nftables rules instead, which keep relays away from
services of coturn's own machine.

With --check, compare a turnserver.conf with od.config instead, and say what is
wrong, with line numbers. Nothing is contacted.

example: abcwebrtc turnserver-conf od.config --output turnserver.conf
"""
_MAX_ORIGIN = 400  # coturn would read the rest of a longer comment as an option


def run(options: argparse.Namespace) -> int:
    """Print or write the file, or print the problems, and return the exit status."""
    check_usage(options)
    remarks = Remarks(options.form)
    if options.check is not None:
        return check(options, remarks)
    told = conf_options(options, remarks)
    mapping, config, coturn = chosen_coturn(options, remarks)
    if options.firewall:
        for text in shared_ports(coturn, told):
            remarks.warn(text)
        rules = firewall_rules(options.user or USER, told.relay_ports)
        _show(rules.encode("ascii"), options, remarks)
        return OK
    remarks.add(*config.warnings, *config.notes)
    told = replace(told, version=chosen_version(options.coturn, remarks))
    told = _with_relay_address(told, coturn, remarks)
    origins = [
        secret_origin(mapping[COTURN], place)
        for place, server in enumerate(config.coturn)
        if any(server is one for one in coturn.servers)
    ]
    origin = " and ".join(dict.fromkeys(origins))[:_MAX_ORIGIN]
    has_secret = bool(options.output or options.show_secret)
    text = turnserver_conf(coturn, origin, told, has_secret)
    for warning in conf_warnings(coturn, told):
        remarks.warn(warning)
    data = text.encode("utf-8", "surrogateescape")
    if options.output:
        _write(options.output, data, options.force, remarks)
        _show_written(options, remarks)
    else:
        _show(data, options, remarks)
    return OK


def _with_relay_address(told: ConfOptions, coturn: Coturn, remarks: Remarks) -> ConfOptions:
    """Return the options with this machine's address for relays, if a third port needs one."""
    if not lacks_relay_address(coturn, told):
        return told
    own, ports = coturn_address(), " and ".join(map(str, server_ports(coturn.uris).others))
    if own is None:
        remarks.warn(
            f"coturn has two ports, and for port {ports} it needs its own address; without "
            "--listening-ip, the lines for that port are comments"
        )
        return told
    remarks.note(
        f"the relays of port {ports} have this machine's own address, {own}; for another one, give "
        "--listening-ip"
    )
    return replace(told, relay_ips=(own,))


def _show(data: bytes, options: argparse.Namespace, remarks: Remarks) -> None:
    """Print a file: as it is, or in the data of ``-o``."""
    left_out = not (options.show_secret or options.firewall)
    if options.form == TEXT:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    if left_out:
        remarks.warn("the secret is left out; --output FILE writes it, --show-secret prints it")
    if options.form != TEXT:
        _show_data(None, data.decode("utf-8", "surrogateescape"), options.form, remarks)


def _show_written(options: argparse.Namespace, remarks: Remarks) -> None:
    name = shell_file(options.output)
    access = (
        f"coturn's user must be able to read it; on Debian, run chgrp turnserver {name} && chmod "
        f"640 {name}"
    )
    if options.form == TEXT:
        show(f"wrote {options.output} with the secret in it; {access}")
    else:
        remarks.note(access)
        _show_data(options.output, None, options.form, remarks)


def _show_data(file: Optional[str], content: Optional[str], form: str, remarks: Remarks) -> None:
    """Print data: the file that was written, or the content that would be printed as text."""
    report = {"ok": True, "file": file, "content": content, **problems_json(remarks.problems)}
    del report["errors"]
    show_data(report, form)


def _write(path: str, data: bytes, replace_it: bool, remarks: Remarks) -> None:
    """Write the file. If it replaces one, others lose the rights that they had to that."""

    def change(before: Optional[BinaryIO]) -> bytes:
        if before and not replace_it:
            raise AbcWebRTCError(f"{path} exists; add --force to overwrite it")
        return data

    detail(f"writing {path}")
    reason = ""
    try:
        with ended_as_by_ctrl_c():  # which removes the temporary file
            write_over(path, change, most=0o770)
        if others_can_replace(path):
            remarks.warn(f"{path}: {REPLACEABLE}")
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        raise AbcWebRTCError(f"can't write {path}: {reason}")
