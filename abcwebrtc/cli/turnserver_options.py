"""The options of ``abcwebrtc turnserver-conf``: what they take, and what they come to."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, Dict, Optional, Sequence, Tuple

from abcwebrtc.cli.options import port, port_range, typed, whole_number
from abcwebrtc.cli.output import TEXT, note
from abcwebrtc.cli.parser import add_form, given
from abcwebrtc.config.coturn import RELAY_PORTS
from abcwebrtc.config.uris import Address
from abcwebrtc.config.webrtc import COTURN, WebRTCConfig
from abcwebrtc.coturn.addresses import parse_allowed, parse_listening
from abcwebrtc.coturn.conf import TOTAL_QUOTA, TWO, USER_QUOTA, ConfOptions
from abcwebrtc.coturn.external_ip import External, contradiction, parse_external
from abcwebrtc.coturn.file_access import USER
from abcwebrtc.coturn.firewall import parse_user
from abcwebrtc.coturn.options import NEWEST, OLDEST, USUAL, CoturnVersion, parse_version
from abcwebrtc.coturn.server import Coturn, coturns_of
from abcwebrtc.coturn.this_machine import installed_version, with_private_half
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem
from abcwebrtc.odconfig.reader import OdConfig, load_od_config

_PRINTING = (
    *("output", "force", "show_secret", "realm", "relay_ports", "allow_peer"),
    *("listening_ip", "external_ip", "user_quota", "total_quota"),
)
_CHECKING = ("strict", "option", "behind_proxy")
_NOT_OF_A_FIREWALL = (
    *(name for name in _PRINTING if name != "relay_ports"),
    "cert",
    "key",
    "coturn",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--server",
        metavar="HOST|N",
        type=given,
        help="which server of od.config; the first by default",
    )
    add(
        "--cert", metavar="FILE", type=_file_name, help="certificate, PEM (/usr/local/etc/HOST.pem)"
    )
    add("--key", metavar="FILE", type=_file_name, help="its key, PEM (in the same file)")
    add(
        "--coturn",
        metavar="VERSION",
        type=_version,
        help=f"coturn's version, such as {USUAL} (this machine's, else {USUAL})",
    )
    group = parser.add_argument_group("to print one")
    add = group.add_argument
    add("--output", metavar="FILE", type=_output_name, help="write it here, with the secret")
    add("--force", action="store_true", help="let --output replace a file")
    add("--show-secret", action="store_true", help="print the secret")
    add("--realm", type=_realm, help="coturn's realm (the host of the first url)")
    add(
        "--relay-ports",
        metavar="MIN-MAX",
        type=_relay_ports,
        help="UDP ports of relays ({}-{})".format(*RELAY_PORTS),
    )
    add(
        "--allow-peer",
        metavar="CIDR",
        type=typed(parse_allowed),
        action="append",
        help="relay to this network, such as that of the desktops; may be given several times",
    )
    add(
        "--listening-ip",
        metavar="IP",
        type=typed(parse_listening),
        action="append",
        help="listen here only (everywhere); may be given several times",
    )
    add(
        "--external-ip",
        metavar="PUBLIC/PRIVATE",
        type=typed(parse_external),
        action="append",
        help="behind NAT, what clients see, and coturn's own; may be given several times",
    )
    add("--user-quota", metavar="N", type=_quota, help=f"allocations of one user ({USER_QUOTA})")
    add("--total-quota", metavar="N", type=_total, help=f"allocations of all ({TOTAL_QUOTA})")
    group = parser.add_argument_group("to print the firewall's rules")
    add = group.add_argument
    add(
        "--firewall",
        action="store_true",
        help="print rules of nftables that keep relays from UDP services of coturn's own machine",
    )
    add("--user", metavar="USER", type=typed(parse_user), help=f"coturn's user ({USER})")
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
    add_form(parser)
    parser.set_defaults(usage_error=parser.error)


def check_usage(options: argparse.Namespace) -> None:
    """End with a usage error where options don't go together."""
    checking = options.check is not None
    for name in (*_PRINTING, "firewall", "user") if checking else _CHECKING:
        if getattr(options, name):
            options.usage_error(f"{_option(name)} goes {'without' if checking else 'with'} --check")
    for name in _NOT_OF_A_FIREWALL if options.firewall else ("user",):
        if getattr(options, name):
            with_it = "without" if options.firewall else "with"
            options.usage_error(f"{_option(name)} goes {with_it} --firewall")
    if options.form != TEXT and not checking:
        options.usage_error("-o and --json go with --check")
    if options.force and not options.output:
        options.usage_error("--force goes with --output")
    if options.key and not options.cert and not checking:
        options.usage_error("--key goes with --cert")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def chosen_coturn(options: argparse.Namespace) -> Tuple[OdConfig, WebRTCConfig, Coturn]:
    """Return the od.config, as it is and as it is understood, and the coturn of ``--server``."""
    mapping = load_od_config(options.od_config)
    folder = os.path.dirname(os.path.abspath(options.od_config))
    config = WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=True)
    coturns = coturns_of(config.coturn)
    if not coturns:
        message = "has no server; write one, such as { 'url': 'turn.domain.local:3478', ... }"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    if options.server is None:
        if len(coturns) > 1:
            note(
                f"od.config has {len(coturns)} coturn servers; this is for the first, "
                f"{coturns[0].name}; for another write --server {coturns[1].name}, or --server 2"
            )
        return mapping, config, coturns[0]
    wanted = options.server.strip("[]").rstrip(".").lower()
    for place, coturn in enumerate(coturns, 1):
        if wanted in (*coturn.hosts, str(place)):
            return mapping, config, coturn
    known = ", ".join(f"{place} {coturn.name}" for place, coturn in enumerate(coturns, 1))
    raise AbcWebRTCError(f"--server names no coturn server of od.config, which has: {known}")


def conf_options(options: argparse.Namespace) -> ConfOptions:
    """Return what the options say of a coturn that od.config does not, with notes on stderr.

    `chosen_version` says the version, which is asked for when it is needed.
    """
    try:
        addresses = _addresses(options.listening_ip or (), options.external_ip or ())
    except ValueError as error:
        addresses = options.usage_error(str(error))
    names = ("cert", "key", "relay_ports", "realm", "user_quota", "total_quota")
    told: Dict[str, Any] = {name: getattr(options, name) for name in names}
    for name in ("cert", "key"):
        told[name] = _whole_path(name, options)
    told["allow_peers"] = tuple(options.allow_peer or ())
    told["listening_ips"], told["external_ips"] = addresses
    return ConfOptions(**{name: value for name, value in told.items() if value})


def _whole_path(name: str, options: argparse.Namespace) -> Optional[str]:
    """Return the path of a file that an option names; coturn is started in a folder of its own."""
    path: Optional[str] = getattr(options, name)
    if path is None or os.path.isabs(path):
        return path
    whole = os.path.abspath(path)
    if not os.path.isfile(whole):
        options.usage_error(
            f"{_option(name)} names no file that is here, and coturn is started in another folder; "
            "write the whole path that it has on coturn's machine, from / on"
        )
    return whole


def chosen_version(told: Optional[CoturnVersion]) -> CoturnVersion:
    """Return the version to work for, and say on stderr where it is not the one told."""
    if told is None:
        found = installed_version()
        told = found or USUAL
        source = "that of this machine" if found else "since this machine has none"
        note(f"for coturn {told}, {source}; for another one write --coturn VERSION")
    if told > NEWEST:
        note(f"coturn {told} is not known here; it is taken for {NEWEST}")
    return told.known


def _addresses(
    listening: Sequence[Address], pairs: Sequence[External]
) -> Tuple[Tuple[Address, ...], Tuple[External, ...]]:
    """Return those to listen on, and what NAT makes of them, each pair with both halves.

    ``0.0.0.0`` and ``::`` are left out, since coturn listens everywhere by itself.
    Raises `ValueError` where they contradict each other.
    """
    wrong = contradiction(listening, pairs)
    if wrong:
        raise ValueError(wrong)
    complete = []
    for pair in pairs:
        whole, source = with_private_half(pair, listening)
        complete.append(whole)
        if source:
            note(
                f"--external-ip {pair} is taken for {whole}, with {source}; for another one write "
                "PUBLIC/PRIVATE"
            )
    wrong = contradiction(listening, complete)
    if wrong:
        raise ValueError(wrong)
    return tuple(ip for ip in listening if not ip.is_unspecified), tuple(complete)


def _version(text: str) -> CoturnVersion:
    version = parse_version(text)
    if version is None:
        raise argparse.ArgumentTypeError(f"write coturn's version, such as {USUAL} or {NEWEST}.0")
    if version < OLDEST:
        raise argparse.ArgumentTypeError(f"coturn is too old before {OLDEST}; take a newer one")
    return version


def _file_name(text: str) -> str:
    if text and text.isprintable():
        return text
    raise argparse.ArgumentTypeError("write the name of a file")


def _output_name(text: str) -> str:
    if text != "-":
        return _file_name(text)
    raise argparse.ArgumentTypeError("write the name of a file; for stdout write --show-secret")


def _realm(text: str) -> str:
    if re.fullmatch("[A-Za-z0-9._:-]{1,127}", text):
        return text
    raise argparse.ArgumentTypeError("write a realm such as turn.domain.local")


def _relay_ports(text: str) -> Tuple[int, int]:
    first, last = port_range(1024)(text)
    if first == last:
        raise argparse.ArgumentTypeError(f"is one port, and {TWO}")
    return first, last


_quota = whole_number(1, 9_999_999, "a number from 1 up")


def _total(text: str) -> int:
    found = _quota(text)
    if found > 1:
        return found
    raise argparse.ArgumentTypeError(f"is 1, and {TWO}")
