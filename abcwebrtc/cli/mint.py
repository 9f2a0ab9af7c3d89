"""``abcwebrtc mint``: prints the rtc_configuration that a browser would get."""

from __future__ import annotations

import argparse
import time

from abcwebrtc.cli.output import JSON, TEXT, aside, detail, show_data
from abcwebrtc.cli.parser import OK, add_form, given
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.times import iso_text
from abcwebrtc.turn.rtc_configuration import build_rtc_configuration

NAME, SUMMARY = "mint", "print a fresh rtc_configuration"
DESCRIPTION = """\
Print the rtc_configuration that a user's browser would get now: the static
one, with a fresh TURN credential for each coturn server. It is JSON, which
-o json prints on one line.

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
        help="userid to mint for; required unless usernames are bare expiries",
    )
    add_form(parser, "indented JSON")


def run(options: argparse.Namespace) -> int:
    """Print a fresh rtc_configuration."""
    config = WebRTCConfig.from_file(options.od_config)
    now = time.time()
    for server in config.coturn:
        detail(f"minting for {server.urls[0]}: ttl {server.ttl} s, username {server.username}")
    result = build_rtc_configuration(config, options.user, now)
    show_data(result, options.form, one_line=options.form == JSON)
    if config.coturn and options.form == TEXT:
        ttl = min(server.ttl for server in config.coturn)
        aside(f"valid for {ttl} s, until {iso_text(now + ttl)}")
    return OK
