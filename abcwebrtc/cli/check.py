"""``abcwebrtc check``: says what is wrong in an od.config."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, Dict, Iterator, Optional, Tuple

from abcwebrtc.cli.options import FAILED, OK
from abcwebrtc.cli.output import LEVELS, is_failure, print_problems, problems_count, problems_json
from abcwebrtc.config.webrtc import WebRTCConfig, desktop_turn_uri
from abcwebrtc.desktop.environment import stun_server
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import parse_od_config, read_od_config_text
from abcwebrtc.odconfig.whole_file import pyos_problems

NAME, SUMMARY = "check", "say what is wrong in an od.config"
_UNKNOWN = "unknown; WebRTC sound exists in abcdesktop 3.2 and 3.3"
DESCRIPTION = """\
Says what is wrong in the webrtc entries of an od.config, with line numbers,
and in others for which pyos would refuse the file. If nothing is, it says what
browsers and desktops will get. Nothing is executed or contacted.

example: abcwebrtc check --strict od.config
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(options: argparse.Namespace) -> int:
    """Print the problems; fail when there is an error."""
    config, found = _checked(options.od_config)
    failed = is_failure(found, options.strict)
    if options.json:
        print(json.dumps(_report(options.od_config, config, found, failed), indent=2))
        return FAILED if failed else OK
    order = sorted(found, key=lambda problem: (problem.line or 0, LEVELS.index(problem.level)))
    print_problems(order, sys.stdout)
    if config:
        print(_summary(config))
    print(problems_count(found))
    return FAILED if failed else OK


def _checked(path: str) -> Tuple[Optional[WebRTCConfig], Tuple[Problem, ...]]:
    """Return the configuration, unless it can't be used, and what there is to say of it."""
    found: Tuple[Problem, ...] = ()
    try:
        text = read_od_config_text(path)
        found = pyos_problems(text, path)
        mapping = parse_od_config(text, path)
        folder = os.path.dirname(os.path.abspath(path))
        config = WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=True)
    except ConfigError as error:
        return None, (*found, *error.problems, *error.warnings, *error.notes)
    usable = None if is_failure(found, strict=False) else config
    return usable, (*found, *config.warnings, *config.notes)


def _summary(config: WebRTCConfig) -> str:
    rows = [("release", str(config.release) if config.release else _UNKNOWN)]
    rows.append(("sound", _sound(config)))
    turn = {url: server for server in config.coturn for url in server.urls}
    for url in map(str, config.uris):
        server = turn.get(url)
        detail = f"  (ttl {server.ttl} s, username {server.username})" if server else ""
        rows.append((url.partition(":")[0], url + detail))
    rows += [("desktop", row) for row in _desktop_rows(config)]
    return "\n".join(f"  {name:<9}{value}" for name, value in rows)


def _sound(config: WebRTCConfig) -> str:
    if not config.enable:
        return "off: webrtc.enable is False"
    is_off = config.sound is not None and not config.sound.enable
    return "off: desktop.pod.sound is not enabled" if is_off else "on"


def _desktop_rows(config: WebRTCConfig) -> Iterator[str]:
    """Yield what desktops depend on: webrtcbin takes one server of each kind."""
    desktop = _desktop(config)
    if desktop["stun_server"]:
        yield f"STUN_SERVER {desktop['stun_server']}"
    if desktop["turn_server"]:
        number = sum(len(server.uris) for server in config.coturn)
        alone = f"  (of {number} urls the only one for desktops)" if number > 1 else ""
        yield f"TURN_SERVER {desktop['turn_server']}{alone}"


def _desktop(config: WebRTCConfig) -> Dict[str, Optional[str]]:
    chosen = desktop_turn_uri(config) if config.desktop.turn and config.enable else None
    return {
        "stun_server": stun_server(config),
        "turn_server": str(chosen[1]) if chosen else None,
    }


def _report(
    file: str, config: Optional[WebRTCConfig], found: Tuple[Problem, ...], failed: bool
) -> Dict[str, Any]:
    release = config.release if config else None
    return {
        "file": file,
        "ok": not failed,
        **problems_json(found),
        "release": release.name if release else None,
        "desktop": _desktop(config) if config else None,
    }
