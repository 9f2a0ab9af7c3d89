"""``abcwebrtc check``: says what is wrong in an od.config."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Dict, List, Tuple

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
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import stun_server
from abcwebrtc.texts import escaped

NAME, SUMMARY = "check", "say what is wrong in an od.config"
_MAX_URLS = 20
"""URLs that are shown; the rest is counted."""
_INDENT = 11
"""Columns before the values of the summary."""
_UNKNOWN = "unknown; WebRTC sound exists in abcdesktop 3.2 and 3.3"
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
        }
        show_data(report, options.form)
        return FAILED if failed else OK
    order = sorted(found, key=lambda problem: (problem.line or 0, LEVELS.index(problem.level)))
    print_problems(order, sys.stdout)
    if config:
        _show_summary(_summary(config))
    show(problems_count(found))
    return FAILED if failed else OK


def _show_summary(rows: List[Tuple[str, str, str]]) -> None:
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


def _summary(config: WebRTCConfig) -> List[Tuple[str, str, str]]:
    """Return what browsers and desktops get: rows of a name, a value and a remark."""
    sound = "on"
    if not config.enable:
        sound = "off: webrtc.enable is False"
    elif config.sound is not None and not config.sound.enable:
        sound = "off: desktop.pod.sound is not enabled"
    release = str(config.release) if config.release else _UNKNOWN
    rows = [("release", release, ""), ("sound", sound, "")]
    turn = {url: server for server in config.coturn for url in server.urls}
    urls = [*map(str, config.uris)]
    for url in urls[:_MAX_URLS]:
        server = turn.get(url)
        remark = f"ttl {server.ttl} s, username {server.username}" if server else ""
        rows.append((url.partition(":")[0], url, remark))
    if len(urls) > _MAX_URLS:
        rows.append(("", f"and {len(urls) - _MAX_URLS} more urls", ""))
    desktop, number = _desktop(config), sum(len(server.uris) for server in config.coturn)
    if desktop["stun_server"]:
        rows.append(("desktop", f"STUN_SERVER {desktop['stun_server']}", ""))
    if desktop["turn_server"]:
        alone = f"the only one of {number} urls that desktops use" if number > 1 else ""
        rows.append(("desktop", f"TURN_SERVER {desktop['turn_server']}", alone))
    return rows


def _desktop(config: WebRTCConfig) -> Dict[str, Any]:
    """Return what desktops depend on: webrtcbin takes one server of each kind.

    ``turn_server`` is None where it depends on the user which of ``turn_servers`` a desktop gets.
    """
    pairs = config.desktop_turns if config.enable else []
    servers = [str(uri) for server, uri in pairs if not server.drain]
    return {
        "stun_server": stun_server(config),
        "turn_server": servers[0] if len(servers) == 1 else None,
        "turn_servers": servers,
    }
