"""``abcwebrtc rotate``: changes the static auth secret without a refused call."""

from __future__ import annotations

import argparse

from abcwebrtc.cli import rotate_check, rotate_plan, rotate_secret

NAME, SUMMARY = "rotate", "change the static auth secret without a refused call"
OWN_POSITIONALS = True
DESCRIPTION = """\
Changes coturn's static auth secret without a refused call:

  rotate plan OD_CONFIG     the steps for this configuration
  rotate new-secret         a strong secret, in the forms that the steps need
  rotate check OD_CONFIG    which secrets coturn accepts, so at which step one is

example: abcwebrtc rotate plan od.config
"""
_SUBCOMMANDS = (
    ("plan", "print the steps for this configuration", rotate_plan),
    ("new-secret", "make a strong secret", rotate_secret),
    ("check", "say at which step one is", rotate_check),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(metavar="SUBCOMMAND", required=True)
    for name, summary, command in _SUBCOMMANDS:
        one = commands.add_parser(
            name,
            help=summary,
            description=command.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(one)
        one.set_defaults(action=command.run, usage_error=one.error, default_of=one.get_default)


def run(options: argparse.Namespace) -> int:
    """Run a subcommand."""
    status: int = options.action(options)
    return status
