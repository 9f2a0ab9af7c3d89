"""``abcwebrtc turnserver-conf``: prints coturn's configuration, or checks one."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import stat
import sys
import tempfile
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from abcwebrtc.commands import FAILED, OK, given, port_range
from abcwebrtc.config import COTURN, WebRTCConfig
from abcwebrtc.coturn import SECRET_KEY
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem, format_path
from abcwebrtc.iceservers import static_uris
from abcwebrtc.odconfig import OdConfig, load_od_config
from abcwebrtc.peerranges import Network, Range, denied_ranges, range_of
from abcwebrtc.printing import finding_line, findings_count, print_warnings, warn
from abcwebrtc.secretfiles import take_access
from abcwebrtc.turnserver import (
    RELAY_PORTS,
    TOTAL_QUOTA,
    USER_QUOTA,
    Relay,
    RelayOptions,
    relays_of,
    turnserver_conf,
)
from abcwebrtc.turnservercheck import (
    Content,
    certificate_files,
    check_turnserver_conf,
)
from abcwebrtc.turnserverfile import TurnserverFile, parse_turnserver_conf
from abcwebrtc.uris import STUN_SCHEMES

NAME, SUMMARY = "turnserver-conf", "print coturn's turnserver.conf, or check one"
DESCRIPTION = """\
Prints a turnserver.conf for the coturn server of an od.config, with the reason
of every line. The secret is left out, unless it is asked for: --output writes
it into a file that you alone can read, --show-secret prints it.

With --check it compares a turnserver.conf with od.config instead, and says
what is wrong, with line numbers. Nothing is contacted.

example: abcwebrtc turnserver-conf od.config --output turnserver.conf
"""
MAX_BYTES = 1024 * 1024
_MAX_ORIGIN = 400  # a comment that is too long for coturn would go on as an option
_PRINTING = (
    *("output", "force", "show_secret", "realm", "relay_ports", "allow_peer"),
    *("listening_ip", "external_ip", "user_quota", "total_quota"),
)
_CHECKING = ("strict", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--server",
        metavar="HOST|N",
        type=given,
        help="which server of od.config; the first by default",
    )
    add("--cert", metavar="FILE", type=_file, help="certificate, PEM (/usr/local/etc/HOST.pem)")
    add("--key", metavar="FILE", type=_file, help="its key, PEM (in the same file)")
    group = parser.add_argument_group("to print one")
    add = group.add_argument
    add("--output", metavar="FILE", type=_output, help="write it here, with the secret")
    add("--force", action="store_true", help="let --output replace a file")
    add("--show-secret", action="store_true", help="print the secret")
    add("--realm", type=_realm, help="coturn's realm (the host of the first url)")
    add(
        "--relay-ports",
        metavar="MIN-MAX",
        type=_ports,
        help="UDP ports of relays ({}-{})".format(*RELAY_PORTS),
    )
    add(
        "--allow-peer",
        metavar="CIDR",
        type=_network,
        action="append",
        help="relay to this network, such as that of the desktops; may be given several times",
    )
    add("--listening-ip", metavar="IP", type=_address, help="listen here only (everywhere)")
    add("--external-ip", metavar="IP[/IP]", type=_external, help="what NAT makes of the address")
    add("--user-quota", metavar="N", type=_quota, help=f"allocations of one user ({USER_QUOTA})")
    add("--total-quota", metavar="N", type=_quota, help=f"allocations of all ({TOTAL_QUOTA})")
    group = parser.add_argument_group("to check one")
    add = group.add_argument
    add("--check", metavar="FILE", type=given, help="compare this turnserver.conf with od.config")
    add("--strict", action="store_true", help="take warnings for errors")
    add("--json", action="store_true", help="print JSON, for programs")
    parser.set_defaults(usage_error=parser.error)


def run(options: argparse.Namespace) -> int:
    """Print or write the file, or the findings; fail when there is an error."""
    _check_usage(options)
    if options.check is not None:
        return _check(options)
    mapping, config = _load(options)
    relay = _choose(config, options)
    print_warnings((*config.warnings, *config.notes))
    places = [
        i for i, server in enumerate(config.coturn) if any(server is s for s in relay.servers)
    ]
    origin = " and ".join(dict.fromkeys(_origin(mapping, place) for place in places))
    _print(relay, origin[:_MAX_ORIGIN], options)
    return OK


def _load(options: argparse.Namespace) -> Tuple[OdConfig, WebRTCConfig]:
    mapping = load_od_config(options.od_config)
    folder = os.path.dirname(os.path.abspath(options.od_config))
    return mapping, WebRTCConfig.from_mapping(mapping, folder=folder)


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


# the server of od.config


def _choose(config: WebRTCConfig, options: argparse.Namespace) -> Relay:
    relays = relays_of(config.coturn)
    if not relays:
        message = "has no server; write one, such as { 'url': 'turn.domain.local:3478', ... }"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    if options.server is None:
        if len(relays) > 1:
            print(
                f"note: od.config has {len(relays)} coturn servers; this is for the first, "
                f"{relays[0].name}; for another write --server {relays[1].name}, or --server 2",
                file=sys.stderr,
            )
        return relays[0]
    wanted = options.server.strip("[]").rstrip(".").lower()
    for place, relay in enumerate(relays, 1):
        if wanted in (*relay.hosts, str(place)):
            return relay
    known = ", ".join(f"{place} {relay.name}" for place, relay in enumerate(relays, 1))
    raise AbcWebRTCError(f"--server names no coturn server of od.config, which has: {known}")


def _origin(mapping: OdConfig, index: int) -> str:
    """Return where the secrets of a server stand, in words."""
    entry: Any = mapping[COTURN]
    path = format_path((COTURN,) if isinstance(entry, Mapping) else (COTURN, index))
    server: Mapping[str, Any] = entry if isinstance(entry, Mapping) else entry[index]
    for place, words in (("_file", "the file"), ("_env", "the environment variable")):
        if SECRET_KEY + place in server:
            name = str(server[SECRET_KEY + place])
            shown = "".join(char if char.isprintable() else "?" for char in name)
            return f"{words} {shown} ({path}.{SECRET_KEY}{place})"
    return f"{path}.{SECRET_KEY}"


# printing


def _print(relay: Relay, origin: str, options: argparse.Namespace) -> None:
    shows = bool(options.output or options.show_secret)
    text = turnserver_conf(relay, origin, _relay_options(options), shows)
    data = text.encode("utf-8", "surrogateescape")
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


def _relay_options(options: argparse.Namespace) -> RelayOptions:
    names = ("cert", "key", "relay_ports", "listening_ip", "external_ip", "realm")
    given: Dict[str, Any] = {name: getattr(options, name) for name in names}
    given["allow_peers"] = tuple(options.allow_peer or ())
    given["user_quota"], given["total_quota"] = options.user_quota, options.total_quota
    return RelayOptions(**{name: value for name, value in given.items() if value})


def _write(path: str, data: bytes, replace: bool) -> None:
    """Write a file that its owner alone can read, whole or not at all.

    A file that is replaced keeps its owner, group, mode and ACL, but for what
    others may do with it.
    """
    path = os.path.realpath(path)
    before: Optional[os.stat_result] = None
    if os.path.lexists(path):
        before = os.stat(path)
        if not stat.S_ISREG(before.st_mode):
            raise AbcWebRTCError(f"{path} is not a regular file; name another one")
        if not replace:
            raise AbcWebRTCError(f"{path} is there already; add --force to replace it")
    reason = None
    try:
        _write_new(path, data, before)
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        raise AbcWebRTCError(f"can't write {path}: {reason}")


def _write_new(path: str, data: bytes, before: Optional[os.stat_result]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".turnserver-conf-")
    try:
        with open(descriptor, "wb") as stream:
            if before:
                take_access(descriptor, path)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o770)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        if before:
            os.replace(temporary, path)
        else:
            _place(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _place(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)  # unlike replace, this never takes the place of a file
    except FileExistsError:
        raise
    except OSError:
        os.replace(temporary, path)  # on a file system without hard links


# checking


def _check(options: argparse.Namespace) -> int:
    try:
        found = _findings(options)
    except ConfigError as error:
        found = error.problems + error.warnings + error.notes
    errors = [problem for problem in found if problem.level == "error"]
    warnings = [problem for problem in found if problem.level == "warning"]
    notes = [problem for problem in found if problem.level == "note"]
    failed = bool(errors or (options.strict and warnings))
    if options.json:
        print(json.dumps(_report(options.check, not failed, errors, warnings, notes), indent=2))
    else:
        for problem in found:
            print(finding_line(problem, sys.stdout))
        print(findings_count(found))
    return FAILED if failed else OK


def _findings(options: argparse.Namespace) -> Tuple[Problem, ...]:
    _, config = _load(options)
    relay = _choose(config, options)
    conf = parse_turnserver_conf(_read_conf(options.check), options.check)
    stun = [uri for uri in static_uris(config.rtc_configuration) if uri.scheme in STUN_SCHEMES]
    return check_turnserver_conf(conf, relay, stun, _read_certificate(conf, options), time.time())


def _report(
    file: str,
    ok: bool,
    errors: Sequence[Problem],
    warnings: Sequence[Problem],
    notes: Sequence[Problem],
) -> Dict[str, Any]:
    return {
        "file": file,
        "ok": ok,
        "errors": [problem.as_dict() for problem in errors],
        "warnings": [problem.as_dict() for problem in warnings],
        "notes": [problem.as_dict() for problem in notes],
    }


def _read_conf(path: str) -> bytes:
    content = _read((path,))
    if isinstance(content, bytes) and content.count(b"\0") > 3:
        content = "not a plain text file; save it as UTF-8"
    if isinstance(content, str):
        raise ConfigError(Problem(f"can't be read: {content}", "", path))
    return content


def _read_certificate(conf: TurnserverFile, options: argparse.Namespace) -> Mapping[str, Content]:
    places: Dict[str, Tuple[str, ...]] = dict(certificate_files(conf, os.getcwd()))
    for name, copy in (("cert", options.cert), ("pkey", options.key or options.cert)):
        if copy and name in places:
            places[name] = (copy,)
    return {name: _read(paths) for name, paths in places.items()}


def _read(paths: Sequence[str]) -> Content:
    """Return the content of the first file that is there, or, as text, why there is none."""
    reason: Optional[str] = None
    for path in paths:
        try:
            with open(path, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except FileNotFoundError as error:
            reason = reason or error.strerror
            continue
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or "not a file name"
        return data if len(data) <= MAX_BYTES else "larger than 1 MiB"
    return reason or "not a file name"


# values of options


def _file(text: str) -> str:
    if text and text.isprintable():
        return text
    raise argparse.ArgumentTypeError("write the name of a file")


def _output(text: str) -> str:
    if text != "-":
        return _file(text)
    raise argparse.ArgumentTypeError("write the name of a file; for stdout write --show-secret")


def _realm(text: str) -> str:
    if re.fullmatch("[A-Za-z0-9._:-]{1,127}", text):
        return text
    raise argparse.ArgumentTypeError("write a realm such as turn.domain.local")


def _ports(text: str) -> Tuple[int, int]:
    ports = port_range(text, 1024)
    if ports:
        return ports
    raise argparse.ArgumentTypeError("write two ports from 1024 up, such as 49152-65535")


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        network = None
    if network is None:
        hint = "write a network such as 10.1.0.0/16, or an address"
    elif "/" in text and network.network_address != ipaddress.ip_address(text.partition("/")[0]):
        hint = f"has bits beside the network; write {network}"
    elif _undoes_denials(range_of(network)):
        hint = "would undo most of what is denied; name the smallest network that does"
    else:
        return network
    raise argparse.ArgumentTypeError(hint)


def _undoes_denials(allowed: Range) -> bool:
    return allowed.unbounded or sum(allowed.holds(denied) for denied, _ in denied_ranges()) > 1


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("write an IP address")


def _external(text: str) -> str:
    parts: List[str] = text.split("/")
    if len(parts) > 2:
        raise argparse.ArgumentTypeError("write PUBLIC, or PUBLIC/PRIVATE, two IP addresses")
    return "/".join(map(_address, parts))


def _quota(text: str) -> int:
    if re.fullmatch("[0-9]{1,7}", text) and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError("write a number from 1 up")
