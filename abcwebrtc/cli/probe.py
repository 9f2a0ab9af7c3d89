"""``abcwebrtc probe``: says whether the STUN and TURN servers really work."""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import sys
import time
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, List, NoReturn, Optional

from abcwebrtc.cli.options import add_labels, needing_metrics, place, read_input, seconds
from abcwebrtc.cli.output import (
    TEXT,
    YAML,
    aside,
    console,
    is_quiet,
    lossy,
    progress,
    show,
    show_data,
    show_document,
    show_failure,
    warn,
)
from abcwebrtc.cli.parser import FAILED, OK, STDIN, STDIN_FILE, add_form, add_od_config, given
from abcwebrtc.config.desktop import TURN_SERVER
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import desktop_environment
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem, UnreadableError
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import ERROR, WARNING, Circumstances, Place, Result, Target
from abcwebrtc.probe.report import as_json, rows_of, rows_with, summary
from abcwebrtc.probe.targets import config_targets, environment_targets
from abcwebrtc.times import iso_text

if TYPE_CHECKING:
    from abcwebrtc.probe.exporter import Exporter

NAME, SUMMARY = "probe", "test whether the STUN and TURN servers work"
DESCRIPTION = """\
Test from here whether the STUN and TURN servers of an od.config work. The probe
asks each one for a Binding, opens a relay, and sends data through it, from
another relay and from outside: small and large packets, and as many as a call
sends. It explains what fails, and how to repair it.

example: abcwebrtc probe od.config
"""
OWN_POSITIONALS = True
USER, TIMEOUT, WATCH = "probe", 5.0, 10.0
SECONDS = seconds(0.1, 86400)
MAX_CA_BYTES = 4 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_od_config(parser)
    parser.add_argument(
        "--desktop",
        action="store_true",
        help="probe what a desktop uses: the STUN_SERVER and TURN_SERVER that OD_CONFIG gives it "
        "or, if the command line names none, those of the environment",
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        type=given,
        default=USER,
        help="the userid to mint for (%(default)s)",
    )
    add_labels(parser, "what --desktop probes")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=SECONDS,
        default=TIMEOUT,
        help="seconds that a step may take (%(default)g)",
    )
    parser.add_argument(
        "--ca",
        metavar="FILE",
        type=given,
        help="also trust the certificate authorities in this PEM file, - for stdin",
    )
    parser.add_argument("--quick", action="store_true", help="skip the bursts, two seconds each")
    parser.add_argument("--strict", action="store_true", help="treat warnings as errors")
    add_form(parser)
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=_pause,
        nargs="?",
        const=WATCH,
        help=f"probe again after this pause ({WATCH:g}), until Ctrl-C",
    )
    parser.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        type=place,
        help="export the results for Prometheus; implies --watch",
    )
    parser.set_defaults(does_without=lambda options: options.desktop)


def run(options: argparse.Namespace) -> int:
    """Probe, print what was seen, and fail if a server does not work."""
    if options.ca == STDIN and options.od_config == STDIN_FILE:
        options.usage_error("OD_CONFIG and --ca can't both be stdin")
    if options.labels and not (options.desktop and options.od_config):
        options.usage_error("--labels goes with --desktop and OD_CONFIG")
    trust = _trust(options.ca)
    config = None if options.od_config is None else WebRTCConfig.from_file(options.od_config)
    if config and not config.enable:
        warn("webrtc.enable is False, so browsers get none of these servers")
    if options.metrics is None:
        while True:
            status = _round(_targets(config, options), trust, options)
            if options.watch is None:
                return status
            time.sleep(options.watch)
    return _export(config, trust, options)


def _export(
    config: Optional[WebRTCConfig], trust: ssl.SSLContext, options: argparse.Namespace
) -> NoReturn:
    """Probe until Ctrl-C, and export each round; one that can't be made does not end it.

    Nor does a stdout that nobody reads. A fault of the program does: it must not be overlooked.
    """
    with needing_metrics():
        from abcwebrtc.metrics_server import metrics_server
        from abcwebrtc.probe.exporter import Exporter

    exporter = Exporter()
    options.watch = WATCH if options.watch is None else options.watch
    out = lossy(sys.stdout, needs_reader=False)
    with redirect_stdout(out), metrics_server(options.metrics) as (registry, url):
        registry.register(exporter)
        aside(f"metrics: {url}")
        while True:
            try:
                _round(_targets(config, options), trust, options, exporter)
            except AbcWebRTCError as error:
                exporter.fail()
                show_failure(error)
            except OSError as error:
                exporter.fail()
                show_failure(f"this round can't be made: {error.strerror or error}")
            time.sleep(options.watch)


def _targets(config: Optional[WebRTCConfig], options: argparse.Namespace) -> List[Target]:
    if config is None:
        return environment_targets(os.environ)
    if options.desktop:
        environment = desktop_environment(config, options.user, labels=options.labels)
        if config.enable and config.desktop.turn and TURN_SERVER not in environment:
            warn("the desktop of a user with these labels gets no TURN_SERVER, so none is probed")
        if environment:
            return environment_targets(environment)
        path, message = "webrtc.desktop", "desktops get no STUN_SERVER and no TURN_SERVER to probe"
        raise ConfigError(Problem(f"{message}; add a server here", path, options.od_config))
    targets = config_targets(config, options.user)
    if targets:
        return targets
    message = "there is no STUN or TURN server to probe; add one here, or to webrtc.coturn"
    raise ConfigError(Problem(message, "webrtc.rtc_configuration", options.od_config))


def _round(
    targets: List[Target],
    trust: ssl.SSLContext,
    options: argparse.Namespace,
    exporter: "Optional[Exporter]" = None,
) -> int:
    from abcwebrtc.probe.runner import run_probes  # and with it aioice

    begun = time.monotonic()
    with progress() as say:

        def done(count: int, of: int, url: str) -> None:
            say(f"probing: {count} of {of} done" + (f", {url}" if url else ""))

        seen = run_probes(targets, options.timeout, trust, done, options.quick)
    now = _now()
    here = Place(socket.gethostname(), bool(os.environ.get("KUBERNETES_SERVICE_HOST")))
    results = judge(seen, Circumstances(here, now, options.timeout))
    if exporter:
        exporter.show(results, now, time.monotonic() - begun)
    bad = (ERROR, WARNING) if options.strict else (ERROR,)
    failed = any(result.level in bad for result in results)
    if options.form == TEXT:
        at = f"{iso_text(now)}  " if options.watch is not None else ""
        _show(results, now, at + summary(results, here), bad, options)
    else:
        if options.form == YAML and options.watch is not None:
            show_document("---\n")
        report = as_json(results, here, now, failed)
        show_data(report, options.form, one_line=options.watch is not None)
    return FAILED if failed else OK


def _show(
    results: List[Result],
    now: float,
    last: str,
    bad: "tuple[str, ...]",
    options: argparse.Namespace,
) -> None:
    from abcwebrtc.cli.probe_table import show_rows  # and with it rich

    rows = rows_of(results, now)
    if is_quiet():
        rows = rows_with(rows, bad)
    if rows:
        show_rows(console(), rows, last)
        show(*[""] * (options.watch is not None))


def _now() -> float:
    return time.time()


def _trust(file: Optional[str]) -> ssl.SSLContext:
    """Return what verifies certificates: the system's authorities, and those of a file."""
    context = ssl.create_default_context()
    if file is None:
        return context
    # ASCII, although comments may hold names; an empty text would be treated as no text at all.
    data = read_input(file, MAX_CA_BYTES).decode("ascii", "replace").replace("\ufffd", "?") or "\n"
    try:
        context.load_verify_locations(cadata=data)
        return context
    except ssl.SSLError:
        pass
    name = "stdin" if file == STDIN else file
    raise UnreadableError(Problem("holds no PEM certificate, so --ca can't use it", "", name))


def _pause(text: str) -> float:
    try:
        return SECONDS(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; write OD_CONFIG before --watch") from None
