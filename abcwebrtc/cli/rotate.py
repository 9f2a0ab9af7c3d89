"""``abcwebrtc rotate``: change the static auth secret without refusing any call."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from abcwebrtc.cli import rotate_new_secret, rotate_old_secret
from abcwebrtc.cli.options import moment, seconds, whole_number
from abcwebrtc.cli.output import (
    TEXT,
    console,
    detail,
    print_problems,
    problems_json,
    show,
    show_data,
)
from abcwebrtc.cli.parser import (
    FAILED,
    OK,
    STDIN,
    STDIN_FILE,
    UNABLE,
    add_form,
    add_od_config,
    add_volume,
    given,
)
from abcwebrtc.cli.rotate_new_secret import database_arguments, read_source
from abcwebrtc.config.entries import COTURN
from abcwebrtc.config.secret_sources import Secret, secrets_here, secrets_in
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.coturn.rotation import DEFAULT_MARGIN, FILE, Group, groups
from abcwebrtc.coturn.rotation_check import (
    UNRESOLVED,
    Report,
    Row,
    Switch,
    all_work,
    rows_of,
    what_to_ask,
)
from abcwebrtc.coturn.rotation_plan import CONF, DATABASE, Plan, PlanOptions
from abcwebrtc.coturn.server import Coturn, chosen
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.files import names_descriptor
from abcwebrtc.odconfig.reader import load_od_config
from abcwebrtc.texts import WIDTH

NAME, SUMMARY = "rotate", "change the static auth secret without refusing any call"
OWN_POSITIONALS = True
DESCRIPTION = """\
Change coturn's static auth secret without refusing any call. Begin with 'rotate
plan': it prints the steps, and the commands for each of them.

example: abcwebrtc rotate plan od.config
"""
_PLAN = """\
Print the steps that change the static auth secret for this od.config, with
their commands, and when you can remove the old secret. This contacts and
changes nothing, and shows no secret.

example: abcwebrtc rotate plan od.config --realm turn.domain.local
"""
_CHECK = """\
Ask every coturn server which of the secrets it accepts. The answers show which
step the rotation is at, and whether you can remove the old secret.

The exit status is 0 if you can do the next step, or if none is left.

example: abcwebrtc rotate check od.config --new new-secret
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for name, summary, description, declare, action in (
        ("plan", "print the steps for this od.config", _PLAN, _plan_arguments, _plan),
        (
            *("new-secret", "create a strong secret", rotate_new_secret.DESCRIPTION),
            *(rotate_new_secret.add_arguments, rotate_new_secret.run),
        ),
        (
            *("old-secret", "print SQL that removes the old secret from coturn's database"),
            *(rotate_old_secret.DESCRIPTION, _old_secret_arguments, _old_secret),
        ),
        ("check", "show which step the rotation is at", _CHECK, _check_arguments, _check),
    ):
        one = commands.add_parser(
            name,
            help=summary,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        declare(one)
        add_volume(one)
        one.set_defaults(action=action, parser=one)
        one.set_defaults(usage_error=one.error, default_of=one.get_default)


def run(options: argparse.Namespace) -> int:
    """Run a subcommand."""
    status: int = options.action(options)
    return status


# the options


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    add_od_config(parser)
    parser.add_argument(
        "--coturn",
        choices=(DATABASE, CONF),
        default=DATABASE,
        help="where coturn has the secret: its database, or turnserver.conf (%(default)s)",
    )
    database_arguments(parser)
    parser.add_argument("--at", metavar="TIME", type=moment, help="when you will switch (now)")
    _group_arguments(parser)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    add_od_config(parser)
    parser.add_argument(
        "--new", metavar="FILE", type=given, help="also ask about the first secret in this file"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=moment,
        help="when the switch was complete (when the secret file last changed)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds(0.001, 1000),
        default=5.0,
        help="time limit for each step of a request (%(default)g)",
    )
    _group_arguments(parser)


def _group_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--margin",
        metavar="SECONDS",
        type=whole_number(0, 99_999_999, "a whole number of seconds, such as 300"),
        default=DEFAULT_MARGIN,
        help="time to wait beyond the longest ttl (%(default)s)",
    )
    _entry_argument(parser)
    add_form(parser)


def _entry_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--entry",
        metavar="NAME|HOST|N",
        type=given,
        help="only this entry of webrtc.coturn, by its name, one of its hosts or its number, from "
        "0, and those with the same secret",
    )


def _old_secret_arguments(parser: argparse.ArgumentParser) -> None:
    rotate_old_secret.add_arguments(parser)
    _entry_argument(parser)


# plan, old-secret and check


def _plan(options: argparse.Namespace) -> int:
    """Print the steps."""
    found, problems = _groups(options, secrets_elsewhere=True)
    told = PlanOptions(
        None if names_descriptor(options.od_config) else options.od_config,
        time.time() if options.at is None else options.at,
        options.margin,
        options.coturn,
        options.realm,
        options.database,
    )
    alone = len(found) == 1 and options.entry is None
    plans = [Plan(one, told if alone else replace(told, entry=one.indexes[0])) for one in found]
    if options.form != TEXT:
        groups_json = [plan.as_dict() for plan in plans]
        _show_data(options, {"ok": True, "groups": groups_json}, problems)
        return OK
    for number, plan in enumerate(plans):
        if number:
            show("")
        for line, is_command in plan.lines(_width()):
            _show_line(line, is_command)
    return OK


def _old_secret(options: argparse.Namespace) -> int:
    """Print the SQL that removes the old secrets."""
    rotate_old_secret.check_usage(options)
    if options.source:
        return rotate_old_secret.from_file(options)
    return rotate_old_secret.from_groups(*_groups(options, secrets_elsewhere=False), options)


def _check(options: argparse.Namespace) -> int:
    """Ask coturn, and print the step."""
    if options.new == STDIN and options.od_config == STDIN_FILE:
        options.usage_error("stdin can't be both OD_CONFIG and --new; name a file for one of them")
    now = time.time()
    if options.since is not None and options.since > now:
        options.usage_error("--since is in the future; give the time of the switch, in UTC")
    found, problems = _groups(options, secrets_elsewhere=False)
    new = secrets_in(read_source(options.new), options.new)[0] if options.new else None
    if new is not None and len(found) > 1:
        options.usage_error("--new needs --entry N: od.config has several secrets to change")
    reports = [
        Report(group, rows, _switch(group, options.since), options.margin, now)
        for group, rows in zip(found, _ask(found, new, options.timeout, now))
    ]
    works, goes_on = all_work(reports), all(report.goes_on for report in reports)
    status = UNABLE if works is None else OK if works and goes_on else FAILED
    if options.form != TEXT:
        data: Dict[str, Any] = {"ok": status == OK, "works": works, "go_on": goes_on}
        data["groups"] = [report.as_dict() for report in reports]
        _show_data(options, data, problems)
        return status
    for number, report in enumerate(reports):
        show(*([""] if number else []), *report.lines(_width()))
    return status


def _groups(
    options: argparse.Namespace, secrets_elsewhere: bool
) -> Tuple[List[Group], List[Problem]]:
    """Return the groups of the od.config, or the one of ``--entry``, and warnings and notes.

    Those are printed on stderr, unless they go into the data that is printed.
    """
    mapping = load_od_config(options.od_config)
    config = WebRTCConfig.from_mapping(
        mapping, folder=mapping.folder, secrets_elsewhere=secrets_elsewhere
    )
    problems = [*config.warnings, *config.notes]
    if not config.enable:
        message = "webrtc.enable is False, so nothing mints with the secret now"
        problems.append(Problem(message, level="warning"))
    if options.form == TEXT:
        print_problems(problems)
    if not config.coturn:
        message = "there is no coturn server, so there is no secret to change"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    found = groups(config, mapping[COTURN])
    for group in found:
        for path, server in zip(group.paths, group.servers):
            values = [secret.reveal() for secret in secrets_here(server.secrets)]
            if len(set(values)) < len(values):  # removing the old one would remove the new one
                message = "has the same secret twice, so it is not clear which one is old"
                raise ConfigError(Problem(f"{message}; keep one", path, options.od_config))
    if options.entry is None:
        return found, problems
    try:
        place = chosen(options.entry, [(one.indexes, Coturn(one.servers)) for one in found])
    except ValueError as error:
        place = options.usage_error(f"--entry {error}")
    return [found[place]], problems


def _show_data(
    options: argparse.Namespace, data: Dict[str, Any], problems: Sequence[Problem]
) -> None:
    show_data({**data, "file": options.od_config, **problems_json(problems)}, options.form)


def _width() -> int:
    """Return the columns of a line of text."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return max(20, console().width)
    return WIDTH


def _show_line(line: str, is_command: bool) -> None:
    """Print a line of a plan; on a terminal, commands stand out."""
    if not sys.stdout.isatty():
        show(line)
        return
    from rich.text import Text

    console().print(Text(line, "bold" if is_command else ""), soft_wrap=True)


def _ask(
    found: Sequence[Group], new: Optional[Secret], timeout: float, now: float
) -> List[Tuple[Row, ...]]:
    """Return the rows of each group; all servers are asked at the same time."""
    from abcwebrtc.probe.accepted_secrets import addresses_of, ask_all, question

    uris = dict.fromkeys(uri for group in found for server in group.servers for uri in server.uris)
    asked = what_to_ask(found, addresses_of(list(uris), timeout), new)
    for one in asked:
        where = one.address or "no address"
        detail(f"asking {one.uri} ({where}) about the {one.candidate.label}")
    questions = [
        question(one.uri, one.address, one.candidate.secret, one.with_user, now)
        for one in asked
        if one.address
    ]
    answers = iter(ask_all(questions, timeout))
    return rows_of(
        len(found), [(one, next(answers) if one.address else UNRESOLVED) for one in asked]
    )


def _switch(group: Group, since: Optional[float]) -> Optional[Switch]:
    """Return when the switch was: for secret files, when the last one changed.

    The change time of the inode counts too: ``cp -p`` sets an older modification time.
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
    return Switch(last, "when the secret file here last changed; if pyos got it later, use --since")
