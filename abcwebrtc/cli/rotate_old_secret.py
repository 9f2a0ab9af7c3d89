"""``abcwebrtc rotate old-secret``: print SQL that removes old secrets from coturn's database."""

from __future__ import annotations

import argparse
from typing import Sequence

from abcwebrtc.cli.parser import OK, add_form, add_od_config, given
from abcwebrtc.cli.rotate_new_secret import NO_REALM, read_source, show_content
from abcwebrtc.config.secret_sources import Secret, secrets_in
from abcwebrtc.coturn.rotation import Group
from abcwebrtc.coturn.secret_sql import removing_sql
from abcwebrtc.errors import ConfigError, Problem

DESCRIPTION = """\
Print SQL that removes the old secrets from coturn's database. The old secrets
are all secrets of od.config except the first one, which mints, or those of the
file that --from names. Pipe the SQL into the database's own program.

example:
  abcwebrtc rotate old-secret --realm turn.domain.local | sqlite3 turndb
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, but for ``--entry``."""
    add_od_config(parser)
    parser.set_defaults(does_without=lambda options: options.source)
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        type=given,
        help="read the secrets from this file, - for stdin, instead of from OD_CONFIG",
    )
    parser.add_argument("--realm", type=given, required=True, help="coturn's realm")
    add_form(parser, "SQL")


def check_usage(options: argparse.Namespace) -> None:
    """End with a usage error if options don't go together."""
    if options.od_config and options.source:
        options.usage_error("give either OD_CONFIG or --from FILE")
    if options.realm == NO_REALM:
        options.usage_error("replace REALM with coturn's realm, or nothing would be removed")
    if options.source and options.entry is not None:
        options.usage_error("--entry goes with OD_CONFIG")


def print_sql(
    found: Sequence[Secret],
    file: str,
    options: argparse.Namespace,
    problems: Sequence[Problem] = (),
) -> int:
    """Print the SQL for all secrets except the first, which mints."""
    if len(found) < 2:
        message = "has only one secret, which mints, so there is no old one to remove"
        raise ConfigError(Problem(message, "", file))
    show_content(removing_sql(found[1:], options.realm), file, options, problems)
    return OK


def from_file(options: argparse.Namespace) -> int:
    """Print the SQL for the secrets of a file."""
    name = options.source
    return print_sql(secrets_in(read_source(name), name), name, options)


def from_groups(
    found: Sequence[Group], problems: Sequence[Problem], options: argparse.Namespace
) -> int:
    """Print the SQL for the secrets of the one group of an od.config."""
    if len(found) > 1:
        options.usage_error("give --entry N: od.config has several secrets to change")
    (group,) = found
    if group.is_mixed:
        message = "mint with different secrets, so it is not clear which one is old"
        paths = " and ".join(group.paths)
        raise ConfigError(Problem(f"{message}; put the same one first", paths, options.od_config))
    return print_sql(group.secrets, options.od_config, options, problems)
