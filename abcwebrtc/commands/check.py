"""``abcwebrtc check``: says what is wrong in an od.config."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Optional, Tuple

from abcwebrtc.commands import FAILED, OK
from abcwebrtc.config import WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.printing import finding_line, findings_count

NAME, SUMMARY = "check", "say what is wrong in an od.config"
DESCRIPTION = """\
Says what is wrong in the webrtc entries of an od.config, with line numbers,
and what browsers will get if nothing is. Nothing is executed or contacted.

example: abcwebrtc check --strict od.config
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(options: argparse.Namespace) -> int:
    """Print the findings; fail when there is an error."""
    config, found = _findings(options.od_config)
    errors, warnings, notes = (_of_level(found, level) for level in ("error", "warning", "note"))
    failed = bool(errors or (options.strict and warnings))
    if options.json:
        report = {
            "file": options.od_config,
            "ok": not failed,
            "errors": [problem.as_dict() for problem in errors],
            "warnings": [problem.as_dict() for problem in warnings],
            "notes": [problem.as_dict() for problem in notes],
        }
        print(json.dumps(report, indent=2))
        return FAILED if failed else OK
    for problem in sorted((*errors, *warnings, *notes), key=lambda problem: problem.line or 0):
        print(finding_line(problem, sys.stdout))
    if config:
        print(_summary(config))
    print(findings_count(found))
    return FAILED if failed else OK


def _findings(path: str) -> Tuple[Optional[WebRTCConfig], Tuple[Problem, ...]]:
    try:
        config = WebRTCConfig.from_file(path, secrets_elsewhere=True)
    except ConfigError as error:
        return None, (*error.problems, *error.warnings, *error.notes)
    return config, (*config.warnings, *config.notes)


def _of_level(found: Tuple[Problem, ...], level: str) -> Tuple[Problem, ...]:
    return tuple(problem for problem in found if problem.level == level)


def _summary(config: WebRTCConfig) -> str:
    rows = [("sound", "on" if config.enable else "off: webrtc.enable is False")]
    turn = {url: server for server in config.coturn for url in server.urls}
    for url in map(str, config.uris):
        server = turn.get(url)
        detail = f"  (ttl {server.ttl} s, username {server.username})" if server else ""
        rows.append((url.partition(":")[0], url + detail))
    return "\n".join(f"  {name:<7}{value}" for name, value in rows)
