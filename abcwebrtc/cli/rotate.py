"""``abcwebrtc rotate``: changes the static auth secret without a refused call."""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from typing import List, Optional, Sequence, Tuple

from abcwebrtc.cli import rotate_new_secret, rotate_old_secret
from abcwebrtc.cli.options import moment, seconds, whole_number
from abcwebrtc.cli.output import TEXT, print_problems, show, show_data, warn
from abcwebrtc.cli.parser import FAILED, OK, add_form, add_od_config, add_volume, given
from abcwebrtc.cli.rotate_new_secret import database_arguments, read_source
from abcwebrtc.config.secret_sources import Secret, secrets_here, secrets_in
from abcwebrtc.config.webrtc import COTURN, WebRTCConfig
from abcwebrtc.coturn.rotation import DEFAULT_MARGIN, FILE, Group, groups
from abcwebrtc.coturn.rotation_check import (
    UNRESOLVED,
    Report,
    Row,
    Switch,
    rows_of,
    what_to_ask,
    worst_status,
)
from abcwebrtc.coturn.rotation_plan import CONF, DATABASE, Plan, PlanOptions
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import load_od_config

NAME, SUMMARY = "rotate", "change the static auth secret without a refused call"
OWN_POSITIONALS = True
DESCRIPTION = """\
Changes coturn's static auth secret without a refused call:

  rotate plan OD_CONFIG         the steps for this configuration
  rotate new-secret             a strong secret, in the forms that the steps need
  rotate old-secret OD_CONFIG   what takes the old one from coturn's database
  rotate check OD_CONFIG        which secrets coturn accepts, so at which step one is

example: abcwebrtc rotate plan od.config
"""
_PLAN = """\
Prints the steps that change the static auth secret for this configuration, and
when the old one may go. Nothing is contacted or changed, and no secret is shown.

example: abcwebrtc rotate plan od.config --realm turn.domain.local
"""
_CHECK = """\
Asks every coturn server whether it accepts each secret, says at which step the
rotation is, and whether the old secret may go.

exit status: 0 the next step may be done, or there is none; 3 not yet; 1 calls
are refused, coturn did not answer, or the configuration is wrong; 2 the command
line is wrong.

example: abcwebrtc rotate check od.config --new new-secret
"""
WAIT = 3
"""The exit status when calls are accepted, and the next step has to wait."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for name, summary, description, declare, action in (
        ("plan", "print the steps for this configuration", _PLAN, _plan_arguments, _plan),
        (
            *("new-secret", "make a strong secret", rotate_new_secret.DESCRIPTION),
            *(rotate_new_secret.add_arguments, rotate_new_secret.run),
        ),
        (
            *("old-secret", "print what takes the old one from coturn's database"),
            *(rotate_old_secret.DESCRIPTION, _old_secret_arguments, _old_secret),
        ),
        ("check", "say at which step one is", _CHECK, _check_arguments, _check),
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
        help="where coturn gets the secret: its database, or turnserver.conf (%(default)s)",
    )
    database_arguments(parser)
    parser.add_argument("--at", metavar="TIME", type=moment, help="when the switch is to be (now)")
    _group_arguments(parser)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
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
    _group_arguments(parser)


def _group_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--margin",
        metavar="SECONDS",
        type=whole_number(0, 99_999_999, "a whole number of seconds, such as 300"),
        default=DEFAULT_MARGIN,
        help="more than the longest ttl, for clocks and the kubelet (%(default)s)",
    )
    _entry_argument(parser)
    add_form(parser)


def _entry_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--entry",
        metavar="N",
        type=whole_number(0, 9999, "a number, such as 0 for the first entry"),
        help="the entry of webrtc.coturn, from 0, and those that share a secret with it (all)",
    )


def _old_secret_arguments(parser: argparse.ArgumentParser) -> None:
    rotate_old_secret.add_arguments(parser)
    _entry_argument(parser)


# plan, old-secret and check


def _plan(options: argparse.Namespace) -> int:
    """Print the steps."""
    found = _groups(options, secrets_elsewhere=True)
    told = PlanOptions(
        options.od_config,
        time.time() if options.at is None else options.at,
        options.margin,
        options.coturn,
        options.realm,
        options.database,
    )
    alone = len(found) == 1 and options.entry is None
    plans = [Plan(one, told if alone else replace(told, entry=one.indexes[0])) for one in found]
    _print_groups(options, plans)
    return OK


def _old_secret(options: argparse.Namespace) -> int:
    """Print the SQL that takes the old secrets."""
    rotate_old_secret.check_usage(options)
    if options.source:
        return rotate_old_secret.from_file(options)
    return rotate_old_secret.from_groups(_groups(options, secrets_elsewhere=False), options)


def _check(options: argparse.Namespace) -> int:
    """Ask coturn, and print the step."""
    now = time.time()
    if options.since is not None and options.since > now:
        options.usage_error("--since lies in the future; give the time of the switch, in UTC")
    found = _groups(options, secrets_elsewhere=False)
    new = secrets_in(read_source(options.new), options.new)[0] if options.new else None
    if new is not None and len(found) > 1:
        options.usage_error("--new needs --entry N: there are several secrets to change")
    reports = [
        Report(group, rows, _switch(group, options.since), options.margin, now)
        for group, rows in zip(found, _ask(found, new, options.timeout, now))
    ]
    status = worst_status(reports, OK, WAIT, FAILED)
    _print_groups(options, reports)
    return status


def _groups(options: argparse.Namespace, secrets_elsewhere: bool) -> List[Group]:
    """Return the groups of the od.config, or the one of ``--entry`` if that is given."""
    mapping = load_od_config(options.od_config)
    config = WebRTCConfig.from_mapping(
        mapping, folder=mapping.folder, secrets_elsewhere=secrets_elsewhere
    )
    print_problems((*config.warnings, *config.notes))
    if not config.coturn:
        message = "there is no coturn server, so there is no secret to change"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    if not config.enable:
        warn("webrtc.enable is False: nothing mints with the secret now")
    found = groups(config, mapping[COTURN])
    for group in found:
        for path, server in zip(group.paths, group.servers):
            values = [secret.reveal() for secret in secrets_here(server.secrets)]
            if len(set(values)) < len(values):  # taking the old one would take the new one
                message = "has the same secret twice, so which one is the old one can't be told"
                raise ConfigError(Problem(f"{message}; keep one", path, options.od_config))
    if options.entry is None:
        return found
    if options.entry >= len(config.coturn):
        options.usage_error(f"--entry is from 0 to {len(config.coturn) - 1} here")
    return [group for group in found if options.entry in group.indexes]


def _print_groups(options: argparse.Namespace, found: Sequence["Plan | Report"]) -> None:
    if options.form != TEXT:
        report = {"file": options.od_config, "groups": [one.as_dict() for one in found]}
        show_data(report, options.form)
    else:
        for number, one in enumerate(found):
            show(*([""] if number else []), *one.lines())


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
    return rows_of(
        len(found), [(one, next(answers) if one.address else UNRESOLVED) for one in asked]
    )


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
