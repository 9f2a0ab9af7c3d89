"""The options of ``abcwebrtc turnserver-conf``: what they take, and what they mean."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from abcwebrtc.cli.options import port, port_range, typed, whole_number
from abcwebrtc.cli.output import TEXT, detail, print_problems
from abcwebrtc.cli.parser import STDIN, STDIN_FILE, add_form, given
from abcwebrtc.config.coturn import RELAY_PORTS
from abcwebrtc.config.entries import COTURN
from abcwebrtc.config.uris import Address
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.coturn.addresses import parse_allowed, parse_listening
from abcwebrtc.coturn.conf import TOTAL_QUOTA, TWO, USER_QUOTA, ConfOptions
from abcwebrtc.coturn.external_ip import External, contradiction, parse_external
from abcwebrtc.coturn.file_access import USER
from abcwebrtc.coturn.firewall import parse_user
from abcwebrtc.coturn.options import NEWEST, OLDEST, USUAL, CoturnVersion, parse_version
from abcwebrtc.coturn.server import Coturn, chosen, coturns_of
from abcwebrtc.coturn.this_machine import installed_version, with_private_half
from abcwebrtc.errors import ConfigError, Problem
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


class Remarks:
    """Warnings and notes beside the result: on stderr at once, or kept for the data of ``-o``."""

    def __init__(self, form: str) -> None:
        self._form = form
        self.problems: List[Problem] = []

    def add(self, *problems: Problem) -> None:
        """Print warnings and notes, or keep them in `problems`."""
        if self._form == TEXT:
            print_problems(problems)
        else:
            self.problems += problems

    def warn(self, text: str) -> None:
        """Add a warning."""
        self.add(Problem(text, level="warning"))

    def note(self, text: str) -> None:
        """Add what is good to know."""
        self.add(Problem(text, level="note"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--server",
        metavar="NAME|HOST|N",
        type=given,
        help="the coturn server of od.config, by its name, one of its hosts or its number, "
        "from 1 (1)",
    )
    add(
        "--cert",
        metavar="FILE",
        type=_file_name,
        help="the certificate, PEM (/usr/local/etc/HOST.pem); with --check, a copy of it, - for "
        "stdin",
    )
    add(
        "--key",
        metavar="FILE",
        type=_file_name,
        help="the certificate's key, PEM (the file of --cert); with --check, a copy of it, - for "
        "stdin",
    )
    add(
        "--coturn",
        metavar="VERSION",
        type=_version,
        help=f"coturn's version, such as {USUAL} (this machine's, or else {USUAL})",
    )
    add_form(parser, "the file, or the problems as text")
    group = parser.add_argument_group("options for printing a file")
    add = group.add_argument
    add(
        "--output",
        metavar="FILE",
        type=_output_name,
        help="write the file here, with the secret in it",
    )
    add("--force", action="store_true", help="let --output overwrite a file")
    add("--show-secret", action="store_true", help="print the secret too")
    add("--realm", type=_realm, help="coturn's realm (the host of the first url)")
    add(
        "--relay-ports",
        metavar="MIN-MAX",
        type=_relay_ports,
        help="the UDP ports of relays ({}-{})".format(*RELAY_PORTS),
    )
    add(
        "--allow-peer",
        metavar="CIDR",
        type=typed(parse_allowed),
        action="append",
        help="relay to this network although it is denied by default, such as the desktops'; may "
        "be given several times",
    )
    add(
        "--listening-ip",
        metavar="IP",
        type=typed(parse_listening),
        action="append",
        help="listen on this address (every address); may be given several times",
    )
    add(
        "--external-ip",
        metavar="PUBLIC/PRIVATE",
        type=typed(parse_external),
        action="append",
        help="behind NAT, the address that clients see, and coturn's own; may be given several "
        "times",
    )
    add(
        "--user-quota",
        metavar="N",
        type=_quota,
        help=f"allocations of one user at once ({USER_QUOTA})",
    )
    add(
        "--total-quota",
        metavar="N",
        type=_total,
        help=f"allocations of all users at once ({TOTAL_QUOTA})",
    )
    group = parser.add_argument_group("options for printing firewall rules")
    add = group.add_argument
    add(
        "--firewall",
        action="store_true",
        help="print nftables rules that keep relays away from UDP services of coturn's own machine",
    )
    add("--user", metavar="USER", type=typed(parse_user), help=f"coturn's user ({USER})")
    group = parser.add_argument_group("options for checking a file")
    add = group.add_argument
    add(
        "--check",
        metavar="FILE",
        type=given,
        help="compare this turnserver.conf with od.config; - for stdin",
    )
    add(
        "--option",
        metavar="NAME=VALUE",
        type=given,
        action="append",
        help="an option on coturn's command line; write --option=-n for one that begins with a "
        "dash; may be given several times",
    )
    add(
        "--behind-proxy",
        metavar="PORT",
        type=port(),
        action="append",
        help="a port of turns urls at which a proxy terminates TLS; may be given several times",
    )
    add("--strict", action="store_true", help="treat warnings as errors")
    parser.set_defaults(usage_error=parser.error)


def check_usage(options: argparse.Namespace) -> None:
    """End with a usage error for options that can't be used together."""
    checking = options.check is not None
    for name in (*_PRINTING, "firewall", "user") if checking else _CHECKING:
        if getattr(options, name):
            _misplaced(options, name, "--check", checking)
    for name in _NOT_OF_A_FIREWALL if options.firewall else ("user",):
        if getattr(options, name):
            _misplaced(options, name, "--firewall", options.firewall)
    if options.force and not options.output:
        options.usage_error("--force needs --output")
    if options.key and not options.cert and not checking:
        options.usage_error("--key needs --cert")
    if STDIN in (options.cert, options.key) and not checking:
        options.usage_error("--cert and --key read stdin only with --check; write a file name")
    places = {"OD_CONFIG": options.od_config, "--check": options.check}
    copies = {"--cert": options.cert, "--key": options.key}
    from_stdin = [name for name, value in places.items() if value in (STDIN, STDIN_FILE)]
    from_stdin += [name for name, value in copies.items() if value == STDIN][:1]  # read once
    if len(from_stdin) > 1:
        names = " and ".join(from_stdin[:2])
        options.usage_error(f"{names} can't both be stdin; name a file for one of them")


def _misplaced(options: argparse.Namespace, name: str, other: str, is_given: bool) -> None:
    option = "--" + name.replace("_", "-")
    if is_given:
        options.usage_error(f"{option} can't be used with {other}")
    options.usage_error(f"{option} needs {other}")


def chosen_coturn(
    options: argparse.Namespace, remarks: Remarks
) -> Tuple[OdConfig, WebRTCConfig, Coturn]:
    """Return the entries of od.config, the configuration in it, and the coturn of ``--server``."""
    mapping = load_od_config(options.od_config)
    config = WebRTCConfig.from_mapping(mapping, folder=mapping.folder, secrets_elsewhere=True)
    coturns = coturns_of(config.coturn)
    if not coturns:
        message = "has no server; write one, such as { 'url': 'turn.domain.local:3478', ... }"
        raise ConfigError(Problem(message, COTURN, mapping.file))
    if options.server is None:
        if len(coturns) > 1:
            remarks.note(
                f"od.config has {len(coturns)} coturn servers, and this is for the first one, "
                f"{coturns[0].title}; for another one, give --server {coturns[1].name} or --server "
                "2"
            )
        return mapping, config, coturns[0]
    try:
        place = chosen(options.server, [([place], one) for place, one in enumerate(coturns, 1)])
    except ValueError as error:
        place = options.usage_error(f"--server {error}")
    detail(f"--server is number {place + 1}, {coturns[place].title}")
    return mapping, config, coturns[place]


def conf_options(options: argparse.Namespace, remarks: Remarks) -> ConfOptions:
    """Return what the options say about a coturn, and od.config does not.

    `chosen_version` returns the version, which is asked for when it is needed.
    """
    try:
        addresses = _addresses(options.listening_ip or (), options.external_ip or (), remarks)
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
    """Return the absolute path of a file of an option, since coturn starts in another folder."""
    path: Optional[str] = getattr(options, name)
    if path is None or os.path.isabs(path):
        return path
    whole = os.path.abspath(path)
    if not os.path.isfile(whole):
        options.usage_error(
            f"--{name} names a file that is not here, and coturn starts in another folder; write "
            "the file's absolute path on coturn's machine"
        )
    return whole


def chosen_version(told: Optional[CoturnVersion], remarks: Remarks) -> CoturnVersion:
    """Return the version to write or check for, with a remark where it is not the one told."""
    if told is None:
        found = installed_version()
        told = found or USUAL
        source = "this machine's version" if found else "since none is installed on this machine"
        remarks.note(f"for coturn {told}, {source}; for another one, give --coturn VERSION")
    if told > NEWEST:
        remarks.note(f"abcwebrtc does not know coturn {told}, and treats it as {NEWEST}")
    return told.known


def _addresses(
    listening: Sequence[Address], pairs: Sequence[External], remarks: Remarks
) -> Tuple[Tuple[Address, ...], Tuple[External, ...]]:
    """Return the addresses to listen on, and the pairs of NAT, each with both halves.

    ``0.0.0.0`` and ``::`` are left out, since coturn listens on every address by default.
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
            remarks.note(
                f"--external-ip {pair} becomes {whole}, with {source}; for another one, write "
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
        raise argparse.ArgumentTypeError(
            f"coturn before {OLDEST} is too old; install a newer version"
        )
    return version


def _file_name(text: str) -> str:
    if text and text.isprintable():
        return text
    raise argparse.ArgumentTypeError("write a file name")


def _output_name(text: str) -> str:
    if text != STDIN:
        return _file_name(text)
    raise argparse.ArgumentTypeError("write a file name; for stdout, use --show-secret")


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
