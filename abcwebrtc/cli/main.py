"""The ``abcwebrtc`` command: parses its line, delegates, prints."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stderr
from types import ModuleType
from typing import Optional, Sequence

import abcwebrtc
from abcwebrtc.cli import (
    apply,
    check,
    configmap,
    mint,
    network_policy,
    pod,
    probe,
    rotate,
    serve,
    turnserver_conf,
    whois,
)
from abcwebrtc.cli.options import FAILED, INTERRUPTED, CommandParser, add_od_config
from abcwebrtc.cli.output import discard_output, lossy, prepare_output, print_error, show
from abcwebrtc.errors import AbcWebRTCError

COMMANDS = (
    *(check, mint, serve, probe),
    *(turnserver_conf, configmap, apply, pod, network_policy),
    *(rotate, whois),
)
"""As an operator comes by them."""

_EPILOG = """\
exit status: 0 all is well, 1 it is not, 2 the command line is wrong.

Begin with 'abcwebrtc check od.config'.
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line and return the exit status."""
    prepare_output()
    with redirect_stderr(lossy(sys.stderr)):
        return _status(arguments)


def _status(arguments: Optional[Sequence[str]]) -> int:
    try:
        return _run(arguments)
    except AbcWebRTCError as error:
        print_error(error)
    except BrokenPipeError:
        discard_output()  # whoever read us has gone
    except OSError as error:
        discard_output()
        show(f"error: {error.strerror or error}", to=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return FAILED


def _run(arguments: Optional[Sequence[str]]) -> int:
    try:
        parser = make_parser()
        options, rest = parser.parse_known_args(arguments)
        if rest:
            parser.not_known(rest)
        status: int = options.run(options)
        return status
    finally:
        sys.stdout.flush()  # here, and not at exit, it can still be dealt with


def make_parser() -> CommandParser:
    """Return the parser of the whole command line."""
    parser = CommandParser(
        prog="abcwebrtc",
        description="WebRTC configuration and TURN credentials for abcdesktop.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"abcwebrtc {abcwebrtc.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add_command(commands, command)
    return parser


def _add_command(
    commands: "argparse._SubParsersAction[CommandParser]", command: ModuleType
) -> None:
    parser = commands.add_parser(
        command.NAME,
        help=command.SUMMARY,
        description=command.DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if not getattr(command, "OWN_POSITIONALS", False):
        add_od_config(parser)
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)
