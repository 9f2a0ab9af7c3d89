"""``abcwebrtc check``: says what is wrong in an od.config."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from abcwebrtc.cli.output import (
    LEVELS,
    TEXT,
    console,
    detail,
    is_failure,
    print_problems,
    problems_count,
    problems_json,
    show,
    show_data,
)
from abcwebrtc.cli.parser import FAILED, OK, add_form
from abcwebrtc.config.checked_file import check_file
from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.groups import Group, groups_of, shown_name
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import stun_server
from abcwebrtc.texts import escaped

NAME, SUMMARY = "check", "say what is wrong in an od.config"
_MAX_URLS = _MAX_LABELS = 20
"""URLs and labels that are shown; the rest is counted."""
_MAX_NAMES = 10
"""Servers that are named in one row."""
_INDENT = 11
"""Columns before the values of the summary."""
_UNKNOWN = "unknown; WebRTC sound exists in abcdesktop 3.2 and 3.3"
_Row = Tuple[str, str, str]
"""A name, a value and a remark."""
DESCRIPTION = """\
Say what is wrong in the webrtc entries of od.config, and in any other entry for
which pyos would refuse the file, with line numbers. If there is no error, show
what browsers and desktops will get. Nothing is executed or contacted.

The exit status is 1 if there is an error or, with --strict, a warning.

example: abcwebrtc check --strict od.config
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--strict", action="store_true", help="fail on warnings as well")
    add_form(parser)


def run(options: argparse.Namespace) -> int:
    """Print the problems; fail when there is an error."""
    checked = check_file(options.od_config)
    for key in checked.mapping:
        detail(f"{options.od_config}:{checked.mapping.line_of((key,))}: checking {key}")
    config, found = checked.config, checked.problems
    failed = is_failure(found, options.strict)
    if options.form != TEXT:
        report = {
            "file": options.od_config,
            "ok": not failed,
            **problems_json(found),
            "release": config.release.name if config and config.release else None,
            "desktop": _desktop(config) if config else None,
            "labels": [_group_json(config, group) for group in groups_of(config)]
            if config
            else None,
        }
        show_data(report, options.form)
        return FAILED if failed else OK
    order = sorted(found, key=lambda problem: (problem.line or 0, LEVELS.index(problem.level)))
    print_problems(order, sys.stdout)
    if config:
        _show_summary(_summary(config))
    show(problems_count(found))
    return FAILED if failed else OK


def _show_summary(rows: List[_Row]) -> None:
    """Print a line for each row of a name, a value and a remark, wrapped on a terminal."""
    if not sys.stdout.isatty():
        show(*(f"  {name:<9}{value}{remark and f'  ({remark})'}" for name, value, remark in rows))
        return
    from rich.text import Text

    out = console()
    width = max(20, out.width - _INDENT)
    for name, value, remark in rows:
        text, last = escaped(value), escaped(remark and f"({remark})")
        separator = "  " if len(text) + 2 + len(last) <= width else "\n"
        parts = Text(separator.join(filter(None, (text, last)))).wrap(out, width, overflow="fold")
        for number, part in enumerate(parts):
            line = Text().append("" if number else f"  {name}", "bold")
            line.pad_right(_INDENT - len(line))
            part.rstrip()
            out.print(line.append_text(part), soft_wrap=True)


def _summary(config: WebRTCConfig) -> List[_Row]:
    """Return what browsers and desktops get: rows of a name, a value and a remark."""
    sound = "on"
    if not config.enable:
        sound = "off: webrtc.enable is False"
    elif config.sound is not None and not config.sound.enable:
        sound = "off: desktop.pod.sound is not enabled"
    release = str(config.release) if config.release else _UNKNOWN
    rows = [("release", release, ""), ("sound", sound, "")]
    rows += [*_urls(config), *_groups(config)]
    desktop, number = _desktop(config), sum(len(server.uris) for server in config.coturn)
    if desktop["stun_server"]:
        rows.append(("desktop", f"STUN_SERVER {desktop['stun_server']}", ""))
    if desktop["turn_server"]:
        alone = f"the only one of {number} urls that desktops use" if number > 1 else ""
        rows.append(("desktop", f"TURN_SERVER {desktop['turn_server']}", alone))
    elif desktop["turn_servers"]:
        whose = "only for users whom its acl permits" if config.desktop.acl else ""
        rows.append(("desktop", "TURN_SERVER of one of its user's servers", whose))
    return rows


def _urls(config: WebRTCConfig) -> Iterator[_Row]:
    """Yield a row for each URL that browsers may get."""
    turn = {url: server for server in config.coturn for url in server.urls}
    found = [(url, turn.get(url)) for url in map(str, config.static_uris)]
    found += [(url, server) for server in config.coturn for url in server.urls]
    for url, server in found[:_MAX_URLS]:
        yield url.partition(":")[0], url, _remark(server) if server else ""
    if len(found) > _MAX_URLS:
        yield "", f"and {len(found) - _MAX_URLS} more urls", ""


def _remark(server: CoturnServer) -> str:
    """Return what else there is to say about a server, as far as it is not the default."""
    parts = [f"name {_name(server)}"] if server.name != server.urls[0] else []
    parts += [f"ttl {server.ttl} s, username {server.username}"]
    parts += [f"weight {server.weight:g}"] if server.weight != 1 else []
    return ", ".join(parts + ["drained"] * server.drain)


# which users get which servers


def _groups(config: WebRTCConfig) -> Iterator[_Row]:
    """Yield a row for each group of users, if not all users get the same."""
    if config.gives_all and not config.desktop.acl:
        return
    groups = list(groups_of(config))
    for group in groups[: 1 + _MAX_LABELS]:
        value = _chosen(group, config.coturn_servers)
        if len(groups) == 1:
            yield "users", value, _policy(group)
        else:
            label = "(none)" if group.label is None else shown_name(group.label)
            yield "labels", f"{label}  {value}", _policy(group)
    if len(config.labels) > _MAX_LABELS:
        yield "", f"and {len(config.labels) - _MAX_LABELS} more labels", ""
    drained = [server for server in config.coturn if server.drain]
    if drained:
        yield "drained", _names(drained), ""


def _chosen(group: Group, most: Optional[int]) -> str:
    """Return which servers the users of a group get, in words."""
    number = group.number(most)
    if not number:
        return "no server"
    some = f"{number} of " if number < len(group.servers) else ""
    return some + _names(group.servers)


def _names(servers: Sequence[CoturnServer]) -> str:
    text = ", ".join(map(_name, servers[:_MAX_NAMES]))
    return text + (f" and {len(servers) - _MAX_NAMES} more" if len(servers) > _MAX_NAMES else "")


def _name(server: CoturnServer) -> str:
    return server.name if server.name == server.urls[0] else shown_name(server.name)


def _policy(group: Group) -> str:
    """Return what the policy of a group changes, in words."""
    policy = group.policy
    transport = policy.ice_transport_policy if policy else None
    ttl = policy.ttl if policy else None
    parts = [f"iceTransportPolicy {transport}"] if transport else []
    return ", ".join([*parts, f"ttl {ttl} s"] if ttl else parts)


def _group_json(config: WebRTCConfig, group: Group) -> Dict[str, Any]:
    policy = group.policy
    changes = (
        {"iceTransportPolicy": policy.ice_transport_policy, "ttl": policy.ttl} if policy else None
    )
    return {
        "label": None if group.label is None else shown_name(group.label),
        "number": group.number(config.coturn_servers),
        "servers": [_name(server) for server in group.servers],
        "policy": changes,
    }


def _desktop(config: WebRTCConfig) -> Dict[str, Any]:
    """Return what desktops depend on: webrtcbin takes one server of each kind.

    ``turn_server`` is None where it depends on the user which of ``turn_servers`` a desktop gets,
    or whether it gets one.
    """
    pairs = config.desktop_turns if config.enable else []
    servers = [str(uri) for server, uri in pairs if not server.drain]
    depends = config.desktop.acl or any(server.acl for server in config.coturn)
    return {
        "stun_server": stun_server(config),
        "turn_server": servers[0] if len(servers) == 1 and not depends else None,
        "turn_servers": servers,
    }
