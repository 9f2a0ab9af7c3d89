"""Options and readings that the subcommands of ``abcwebrtc rotate`` share."""

from __future__ import annotations

import argparse
import os
from typing import List, Sequence

from abcwebrtc.cli.options import STDIN, open_input, whole_number
from abcwebrtc.cli.output import print_problems, warn
from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, Secret, secrets_here
from abcwebrtc.config.webrtc import COTURN, WebRTCConfig
from abcwebrtc.coturn.rotation import DEFAULT_MARGIN, Group, groups
from abcwebrtc.coturn.secret_files import first_secret, read_secret_file
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import load_od_config


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of plan and check."""
    parser.add_argument(
        "--margin",
        metavar="SECONDS",
        type=whole_number(0, 99_999_999, "a whole number of seconds, such as 300"),
        default=DEFAULT_MARGIN,
        help="more than the longest ttl, for clocks and the kubelet (%(default)s)",
    )
    parser.add_argument(
        "--entry",
        metavar="N",
        type=whole_number(0, 9999, "a number, such as 0 for the first entry"),
        help="the entry of webrtc.coturn, from 0, and those that share a secret with it (all)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def rotated_groups(options: argparse.Namespace, secrets_elsewhere: bool = False) -> List[Group]:
    """Return the groups of the od.config, or the one of ``--entry`` if that is given.

    `secrets_elsewhere` is as in `WebRTCConfig.from_file`.
    """
    mapping = load_od_config(options.od_config)
    folder = os.path.dirname(os.path.abspath(options.od_config))
    config = WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=secrets_elsewhere)
    print_problems((*config.warnings, *config.notes))
    if not config.coturn:
        message = "there is no coturn server, so there is no secret to change"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    if not config.enable:
        warn("webrtc.enable is False: nothing mints with the secret now")
    found = groups(config, mapping[COTURN])
    _check_secrets(found, options.od_config)
    if options.entry is None:
        return found
    if options.entry >= len(config.coturn):
        options.usage_error(f"--entry is from 0 to {len(config.coturn) - 1} here")
    return [group for group in found if options.entry in group.indexes]


def _check_secrets(found: Sequence[Group], file: str) -> None:
    """Refuse a secret that is given twice: taking the old one would take the new one."""
    message = "has the same secret twice, so which one is the old one can't be told; keep one"
    for group in found:
        for path, server in zip(group.paths, group.servers):
            values = [secret.reveal() for secret in secrets_here(server.secrets)]
            if len(set(values)) < len(values):
                raise ConfigError(Problem(message, path, file))


def secret_from(source: str) -> Secret:
    """Return the first secret of a file, or of stdin for ``-``."""
    return first_secret(read_source(source), source)


def read_source(source: str) -> bytes:
    """Return the content of a secret file, or of stdin for ``-``."""
    if source != STDIN:
        return read_secret_file(source)
    with open_input(source) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(Problem("can't be read: larger than 64 KiB", "", "stdin"))
    return data
