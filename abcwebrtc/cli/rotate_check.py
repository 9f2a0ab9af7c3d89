"""``abcwebrtc rotate check``: asks coturn at which step a rotation is."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import List, Optional, Sequence, Tuple

from abcwebrtc.cli.options import FAILED, OK, add_od_config, given, moment, seconds
from abcwebrtc.cli.rotate_options import common_arguments, rotated_groups, secret_from
from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.coturn.rotation import FILE, Group
from abcwebrtc.coturn.rotation_check import (
    UNRESOLVED,
    Report,
    Row,
    Switch,
    rows_of,
    what_to_ask,
    worst_status,
)

WAIT = 3
"""The exit status when calls are accepted, and the next step has to wait."""
DESCRIPTION = """\
Asks every coturn server whether it accepts each secret, says at which step the
rotation is, and whether the old secret may go.

exit status: 0 the next step may be done, or there is none; 3 not yet; 1 calls
are refused, coturn did not answer, or the configuration is wrong; 2 the command
line is wrong.

example: abcwebrtc rotate check od.config --new new-secret
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_od_config(parser)
    parser.add_argument(
        "--new", metavar="FILE", type=given, help="ask for the first secret of this file as well"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=moment,
        help="when the switch was complete (the last change of the secret file)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds(0.001, 1000),
        default=5.0,
        help="for a step of each question (%(default)g)",
    )
    common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Ask coturn, and print the step."""
    now = time.time()
    if options.since is not None and options.since > now:
        options.usage_error("--since lies in the future; give the time of the switch, in UTC")
    found = rotated_groups(options)
    new = secret_from(options.new) if options.new else None
    if new is not None and len(found) > 1:
        options.usage_error("--new needs --entry N: there are several secrets to change")
    reports = [
        Report(group, rows, _switch(group, options.since), options.margin, now)
        for group, rows in zip(found, _ask(found, new, options.timeout, now))
    ]
    status = worst_status(reports, OK, WAIT, FAILED)
    if options.json:
        groups_found = [report.as_dict() for report in reports]
        print(json.dumps({"file": options.od_config, "groups": groups_found}, indent=2))
    else:
        print("\n\n".join("\n".join(report.lines()) for report in reports))
    return status


def _ask(
    found: Sequence[Group], new: Optional[Secret], timeout: float, now: float
) -> List[Tuple[Row, ...]]:
    """Return the rows of each group; all servers are asked at once."""
    from abcwebrtc.probe.accepted_secrets import addresses_of, ask_all, question

    uris = dict.fromkeys(uri for group in found for server in group.servers for uri in server.uris)
    asked = what_to_ask(found, addresses_of(list(uris), timeout), new)
    questions = [
        question(one.uri, one.address, one.candidate.secret, one.with_user, now)
        for one in asked
        if one.address
    ]
    answers = iter(ask_all(questions, timeout))
    given = [next(answers) if one.address else UNRESOLVED for one in asked]
    return rows_of(len(found), zip(asked, given))


def _switch(group: Group, since: Optional[float]) -> Optional[Switch]:
    """Return when the switch was; for secret files, when the last one changed.

    The change of the inode counts too: ``cp -p`` gives a file an older time.
    """
    if since is not None:
        return Switch(since, "--since")
    if any(place.kind != FILE for place in group.places):
        return None
    try:
        found = [os.stat(place.name) for place in group.places]
    except OSError:
        return None
    last = max(max(one.st_mtime, one.st_ctime) for one in found)
    return Switch(last, "the last change of the secret file here; else give --since")
