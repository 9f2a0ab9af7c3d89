"""``abcwebrtc rotate old-secret``: SQL by which coturn's database forgets the old secrets."""

from __future__ import annotations

import argparse
from typing import Sequence

from abcwebrtc.cli.parser import OK, add_od_config, given
from abcwebrtc.cli.rotate_new_secret import NO_REALM, read_source, write_bytes
from abcwebrtc.config.secret_sources import Secret, secrets_in
from abcwebrtc.coturn.rotation import Group
from abcwebrtc.coturn.secret_sql import removing_sql
from abcwebrtc.errors import ConfigError, Problem

DESCRIPTION = """\
Prints SQL that takes the old secrets from coturn's database, for that database's
own program: all secrets of od.config but the first one, which mints. With --from
they are those of a file instead.

example: abcwebrtc rotate old-secret od.config --realm turn.domain.local | sqlite3 turndb
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
        help="all secrets of this file but the first, - for stdin, instead of those of OD_CONFIG",
    )
    parser.add_argument("--realm", type=given, required=True, help="coturn's realm")


def check_usage(options: argparse.Namespace) -> None:
    """End with a usage error where options don't go together."""
    if options.od_config and options.source:
        options.usage_error("give either OD_CONFIG or --from FILE")
    if options.realm == NO_REALM:
        options.usage_error("--realm is coturn's realm; with REALM, nothing would be removed")
    if options.source and options.entry is not None:
        options.usage_error("--entry goes with OD_CONFIG")


def print_sql(found: Sequence[Secret], file: str, realm: str) -> int:
    """Print the SQL for all secrets but the first, which mints."""
    if len(found) < 2:
        message = "has one secret only, and that one mints, so there is no old one to take"
        raise ConfigError(Problem(message, "", file))
    write_bytes(removing_sql(found[1:], realm))
    return OK


def from_file(options: argparse.Namespace) -> int:
    """Print the SQL for the secrets of a file."""
    name = options.source
    return print_sql(secrets_in(read_source(name), name), name, options.realm)


def from_groups(found: Sequence[Group], options: argparse.Namespace) -> int:
    """Print the SQL for the secrets of the one group of an od.config."""
    if len(found) > 1:
        options.usage_error("--entry N is needed: there are several secrets that change")
    (group,) = found
    if group.is_mixed:
        message = "mint with different secrets, so which one is old can't be told"
        paths = " and ".join(group.paths)
        raise ConfigError(Problem(f"{message}; put the same one first", paths, options.od_config))
    return print_sql(group.secrets, options.od_config, options.realm)
