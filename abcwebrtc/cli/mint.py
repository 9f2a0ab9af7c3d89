"""``abcwebrtc mint``: prints the rtc_configuration that a browser would get."""

from __future__ import annotations

import argparse
import time

from abcwebrtc.cli.options import add_labels
from abcwebrtc.cli.output import JSON, TEXT, aside, detail, show_data, warn
from abcwebrtc.cli.parser import OK, add_form, given
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.times import iso_text
from abcwebrtc.turn.rtc_configuration import build_rtc_configuration
from abcwebrtc.turn.selection import choose, with_choice

NAME, SUMMARY = "mint", "print a fresh rtc_configuration"
DESCRIPTION = """\
Print the rtc_configuration that a user's browser would get now: the static
one, with a fresh TURN credential for each coturn server that the user gets.
The output is JSON, which -o json prints on one line.

The output contains a working TURN password. How long it is valid is printed
on stderr.

example: abcwebrtc mint od.config --user alice
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--user",
        metavar="NAME",
        type=given,
        help="userid to mint for; required unless 'username' is 'timestamp'",
    )
    add_labels(parser, "servers and policies")
    add_form(parser, "indented JSON")


def run(options: argparse.Namespace) -> int:
    """Print a fresh rtc_configuration."""
    config = WebRTCConfig.from_file(options.od_config)
    now = time.time()
    choice = choose(config, options.user, options.labels)
    for server in choice.servers:
        ttl = choice.ttl_of(server)
        detail(f"minting for {server.name}: ttl {ttl} s, username {server.username}")
    chosen = with_choice(config, choice)
    result = build_rtc_configuration(chosen, options.user, now, labels=options.labels)
    show_data(result, options.form, one_line=options.form == JSON)
    if choice.servers and options.form == TEXT:
        ttl = min(map(choice.ttl_of, choice.servers))
        aside(f"valid for {ttl} s, until {iso_text(now + ttl)}")
    elif config.coturn and not choice.servers:
        whom = f"the labels {', '.join(options.labels)}" if options.labels else "no labels"
        warn(f"webrtc.coturn has no server for a user with {whom}")
    return OK
