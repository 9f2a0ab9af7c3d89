"""``abcwebrtc rotate plan``: prints the steps of a rotation."""

from __future__ import annotations

import argparse
import json
import textwrap
import time
from dataclasses import replace
from typing import Any, Iterator, List

from abcwebrtc.cli.options import OK, add_od_config, given, moment
from abcwebrtc.cli.rotate_options import common_arguments, rotated_groups
from abcwebrtc.coturn.rotation import Group
from abcwebrtc.coturn.rotation_plan import (
    CONF,
    DATABASE,
    DEFAULT_DATABASE,
    PlanOptions,
    PlanStep,
    is_wal,
    notes,
    overlap,
    plan,
    state,
)

_WIDTH = 100
DESCRIPTION = """\
Prints the steps that change the static auth secret for this configuration, and
when the old one may go. Nothing is contacted or changed, and no secret is shown.

example: abcwebrtc rotate plan od.config --realm turn.domain.local
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_od_config(parser)
    parser.add_argument(
        "--coturn",
        choices=(DATABASE, CONF),
        default=DATABASE,
        help="where coturn gets the secret: by turnadmin, or turnserver.conf (%(default)s)",
    )
    parser.add_argument(
        "--realm", type=given, default="REALM", help="coturn's realm, for turnadmin"
    )
    parser.add_argument(
        "--database",
        metavar="FILE",
        type=given,
        default=DEFAULT_DATABASE,
        help="coturn's database, for turnadmin (%(default)s)",
    )
    parser.add_argument("--at", metavar="TIME", type=moment, help="when the switch is to be (now)")
    common_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Print the steps."""
    switch_at = time.time() if options.at is None else options.at
    plan_options = PlanOptions(
        options.od_config,
        switch_at,
        options.margin,
        options.coturn,
        options.realm,
        options.database,
        _is_prepared(options.database),
    )
    found = rotated_groups(options, secrets_elsewhere=True)
    alone = len(found) == 1 and options.entry is None
    planned = [
        (group, plan_options if alone else replace(plan_options, entry=group.indexes[0]))
        for group in found
    ]
    if options.json:
        report = [_plan_dict(group, own) for group, own in planned]
        print(json.dumps({"file": options.od_config, "groups": report}, indent=2))
    else:
        print("\n\n".join("\n".join(_plan_lines(group, own)) for group, own in planned))
    return OK


def _is_prepared(database: str) -> bool:
    """Say whether coturn's database is here, and ready for turnadmin."""
    try:
        with open(database, "rb") as stream:
            return is_wal(stream.read(20))
    except (OSError, ValueError):
        return False


def _plan_dict(group: Group, options: PlanOptions) -> Any:
    return {
        "paths": list(group.paths),
        "urls": list(group.urls),
        "places": [place.as_dict() for place in group.places],
        "secrets": len(group.secrets) if group.is_here else None,
        "state": state(group),
        "overlap": overlap(group, options),
        "notes": notes(group, options),
        "steps": [step.as_dict() for step in plan(group, options)],
    }


def _plan_lines(group: Group, options: PlanOptions) -> Iterator[str]:
    yield f"{', '.join(group.paths)}: {', '.join(group.urls)}"
    yield f"  {state(group)}"
    for note in notes(group, options):
        yield from _wrapped(f"{note}.", "  - ", "    ")
    for number, step in enumerate(plan(group, options), 1):
        yield ""
        yield from _step_lines(number, step)


def _step_lines(number: int, step: PlanStep) -> Iterator[str]:
    yield from _wrapped(step.text, f"  {number}. ", "     ")
    for command in step.commands:
        yield f"       {command}"
    if step.otherwise:
        yield f"     {step.otherwise}"
    for command in step.instead:
        yield f"       {command}"


def _wrapped(text: str, first: str, later: str) -> List[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
