"""The ``abcwebrtc`` command: parse the command line, delegate, print errors."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import nullcontext, redirect_stderr
from types import ModuleType
from typing import Optional, Sequence

import abcwebrtc
from abcwebrtc.cli import (
    apply,
    check,
    completion,
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
from abcwebrtc.cli.output import (
    TEXT,
    begin,
    discard_output,
    is_data,
    lossy,
    prepare_output,
    print_error,
    set_output,
    show_failure,
    show_interruption,
)
from abcwebrtc.cli.parser import (
    INTERRUPTED,
    UNABLE,
    CommandParser,
    add_od_config,
    add_volume,
    settle_od_config,
    status_of,
)
from abcwebrtc.cli.signals import ended_as_by_ctrl_c
from abcwebrtc.errors import AbcWebRTCError

COMMANDS = (
    *(check, mint, serve, probe),
    *(turnserver_conf, configmap, apply, pod, network_policy),
    *(rotate, whois, completion),
)
"""In the order in which an operator needs them."""

_EPILOG = """\
Each command reads OD_CONFIG, which is a file, or - for stdin. Without one it
reads the file that ABCWEBRTC_OD_CONFIG names, or else ./od.config.

exit status:
  0    done, and nothing is wrong
  1    something is wrong: in od.config, with a server, with pyos
  2    the command line is wrong
  3    could not find out, or could not do it: a file can't be read, for
       instance, or the cluster does not answer
  130  interrupted

Begin with 'abcwebrtc check od.config'.
"""


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line and return the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    prepare_output()
    with redirect_stderr(lossy(sys.stderr, needs_reader=False)):
        begin(words)
        with ended_as_by_ctrl_c() if is_data() else nullcontext():
            return _status(words)


def _status(words: Sequence[str]) -> int:
    try:
        return _status_shown(words)
    except BrokenPipeError:
        discard_output()  # the reader of the pipe has gone
    except OSError as error:
        discard_output()
        print_error(AbcWebRTCError(error.strerror or str(error)))
    except KeyboardInterrupt:
        try:
            show_interruption()
        except OSError:
            discard_output()
        return INTERRUPTED
    return UNABLE


def _status_shown(words: Sequence[str]) -> int:
    try:
        return _run(words)
    except AbcWebRTCError as error:
        show_failure(error)
        return status_of(error)


def _run(words: Sequence[str]) -> int:
    try:
        parser = make_parser()
        if completion.COMPLETING in os.environ:
            completion.complete(parser)
        options, rest = parser.parse_known_args(words)
        if rest:
            options.parser.not_known(rest)
        told = vars(options).get
        set_output(told("form", TEXT), told("quiet", False), told("verbose", False))
        settle_od_config(options)
        status: int = options.run(options)
        return status
    finally:
        sys.stdout.flush()  # a failure at exit could not be handled


def make_parser() -> CommandParser:
    """Return the parser of the whole command line."""
    parser = CommandParser(
        prog="abcwebrtc",
        description="WebRTC configuration and TURN credentials for abcdesktop.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"abcwebrtc {abcwebrtc.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add_command(commands, command)
    _add_help(commands)
    return parser


def _add_command(
    commands: "argparse._SubParsersAction[CommandParser]", command: ModuleType
) -> None:
    parser = commands.add_parser(
        command.NAME, help=command.SUMMARY, description=command.DESCRIPTION
    )
    if not getattr(command, "OWN_POSITIONALS", False):
        add_od_config(parser)
    command.add_arguments(parser)
    if command is not rotate:  # its subcommands have it
        add_volume(parser)
    parser.set_defaults(run=command.run, parser=parser)


def _add_help(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    text = "Print how a command is used, as its --help does.\n\nexample: abcwebrtc help rotate plan"
    parser = commands.add_parser("help", help="print how a command is used", description=text)
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="the command (all of them)")
    parser.set_defaults(
        run=lambda options: make_parser().parse_args([*options.words, "--help"]), parser=parser
    )
