"""``abcwebrtc probe``: says whether the STUN and TURN servers really work."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import ssl
import sys
import time
from typing import Callable, Iterator, List, Optional

from abcwebrtc.cli.options import seconds
from abcwebrtc.cli.output import TEXT, coloured, show_data, show_in_place, show_painted, warn
from abcwebrtc.cli.parser import FAILED, OK, add_form, add_od_config, given
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import desktop_environment
from abcwebrtc.errors import ConfigError, ProbeError, Problem
from abcwebrtc.files import read_file
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import ERROR, WARNING, Circumstances, Place, Target
from abcwebrtc.probe.report import as_json, summary, table
from abcwebrtc.probe.targets import config_targets, environment_targets
from abcwebrtc.texts import WIDTH, wrapped

NAME, SUMMARY = "probe", "say whether the servers really work"
DESCRIPTION = """\
Asks every STUN and TURN server of an od.config for a Binding, an allocation,
and sends data through the relay, from here: from relay to relay and from outside,
in small and large packets, and at the rate of a call. What fails is explained.

exit status: 0 all servers work, perhaps with warnings, 1 one does not,
2 the command line is wrong.

example: abcwebrtc probe od.config
"""
OWN_POSITIONALS = True
USER, TIMEOUT, WATCH = "probe", 5.0, 10.0
SECONDS = seconds(0.1, 86400)
MAX_CA_BYTES = 4 * 1024 * 1024
NARROWEST = 60
"""Columns that the table has at least."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_od_config(parser)
    parser.add_argument(
        "--desktop",
        action="store_true",
        help="probe what a desktop uses: STUN_SERVER and TURN_SERVER, those of the environment "
        "when no OD_CONFIG is given",
    )
    parser.add_argument(
        "--user", metavar="NAME", type=given, default=USER, help="the userid (%(default)s)"
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=SECONDS,
        default=TIMEOUT,
        help="seconds for a step (%(default)g)",
    )
    parser.add_argument(
        "--ca", metavar="FILE", type=given, help="PEM file of a certificate authority to trust"
    )
    parser.add_argument(
        "--quick", action="store_true", help="leave out the bursts, of two seconds each"
    )
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    add_form(parser)
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=_pause,
        nargs="?",
        const=WATCH,
        help=f"probe again and again, with this pause ({WATCH:g}), until Ctrl-C",
    )
    parser.set_defaults(does_without=lambda options: options.desktop)


def run(options: argparse.Namespace) -> int:
    """Probe, print what was seen, and fail where a server does."""
    trust = _trust(options.ca)
    config = None if options.od_config is None else WebRTCConfig.from_file(options.od_config)
    if config and not config.enable:
        warn("webrtc.enable is False, so browsers get none of these servers")
    while True:
        status = _round(_targets(config, options), trust, options)
        if options.watch is None:
            return status
        time.sleep(options.watch)


def _targets(config: Optional[WebRTCConfig], options: argparse.Namespace) -> List[Target]:
    if config is None:
        return environment_targets(os.environ)
    if options.desktop:
        return environment_targets(desktop_environment(config, options.user))
    targets = config_targets(config, options.user)
    if targets:
        return targets
    message = "there is no STUN or TURN server to probe; write one here, or into webrtc.coturn"
    raise ConfigError(Problem(message, "webrtc.rtc_configuration", options.od_config))


def _round(targets: List[Target], trust: ssl.SSLContext, options: argparse.Namespace) -> int:
    from abcwebrtc.probe.runner import run_probes  # and with it aioice

    with _progress() as progress:
        seen = run_probes(targets, options.timeout, trust, progress, options.quick)
    now = time.time()
    place = Place(socket.gethostname(), bool(os.environ.get("KUBERNETES_SERVICE_HOST")))
    results = judge(seen, Circumstances(place, now, options.timeout))
    levels = {result.level for result in results}
    failed = ERROR in levels or (options.strict and WARNING in levels)
    if options.form != TEXT:
        report = as_json(results, place, now, failed)
        show_data(report, options.form, one_line=options.watch is not None)
    else:
        at = f"{time.strftime('%H:%M:%S', time.localtime(now))}  " if options.watch else ""
        columns = shutil.get_terminal_size((WIDTH, 24)).columns or WIDTH
        width = min(WIDTH, max(NARROWEST, columns))
        last = wrapped(at + summary(results, place), "", "    ", width)
        gap = [""] if options.watch else []
        show_painted(*table(results, now, _paint, width), *last, *gap)
    return FAILED if failed else OK


def _paint(text: str, level: str) -> str:
    return coloured(text, level, sys.stdout)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """Write a line on stderr over and over, where that is a terminal."""
    shows = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def write(text: str) -> None:
        if shows:
            show_in_place(text[:79])

    try:
        yield lambda done, of, url: write(
            f"probing: {done} of {of} done" + (f", {url}" if url else "")
        )
    finally:
        write("")


def _trust(file: Optional[str]) -> ssl.SSLContext:
    """Return what verifies certificates: the system's authorities, and those of a file."""
    context = ssl.create_default_context()
    if file is None:
        return context
    reason = "it holds no PEM certificate"
    try:
        data = read_file(file, MAX_CA_BYTES, by_user=True)
        # ASCII, while comments may hold names; and it is none that is not there at all.
        text = data.decode("ascii", "replace").replace("\ufffd", "?") or "\n"
        context.load_verify_locations(cadata=text)
        return context
    except ssl.SSLError:
        pass
    except OSError as error:
        reason = str(error.strerror)
    raise ProbeError(f"{file}: the certificate authority can't be read: {reason}")


def _pause(text: str) -> float:
    try:
        return SECONDS(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; OD_CONFIG stands before --watch") from None
