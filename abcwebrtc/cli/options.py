"""The commands of ``abcwebrtc``, a module each.

A command's module has NAME, SUMMARY (a line for ``abcwebrtc --help``),
DESCRIPTION (for its own ``--help``), ``add_arguments(parser)`` and
``run(options)``, which prints and returns the exit status. Each takes the
od.config first; one that sets OWN_POSITIONALS declares all of them itself.
"""

from __future__ import annotations

import argparse
import re
from typing import Any, Optional, Tuple

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class CommandParser(argparse.ArgumentParser):
    """A parser that drops no value: an option that is given twice is an error, or a list.

    argparse by itself keeps the last value, without a word. A flag may be repeated.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (None, "store"):
            self.register("action", name, _Once)


class _Once(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: Optional[str] = None,
    ) -> None:
        given_before = namespace.__dict__.setdefault("options_given", set())
        if option_string and self.dest in given_before:
            raise argparse.ArgumentError(self, "is given twice; give it once")
        given_before.add(self.dest)
        setattr(namespace, self.dest, values)


def add_od_config(parser: argparse.ArgumentParser, nargs: Optional[str] = None) -> None:
    """Declare the od.config; `nargs` "?" makes it optional."""
    parser.add_argument(
        "od_config", metavar="OD_CONFIG", nargs=nargs, type=_od_config, help="pyos's od.config file"
    )


def _od_config(text: str) -> str:
    if text == "-":
        raise argparse.ArgumentTypeError("write the name of a file; for stdin write /dev/stdin")
    return f"./{text}" if text.startswith("-") else given(text)  # commands are printed with it


def given(text: str) -> str:
    """Return the value of an option as it is, unless it is empty.

    An empty one comes from a shell's variable that is not set. Taken for no option
    at all, it would print a secret instead of writing it, or change another cluster.
    """
    if text:
        return text
    raise argparse.ArgumentTypeError("is empty; perhaps a variable of your shell is not set")


def output_file(text: str) -> str:
    """Return the name of a file to write, which ``-`` is not."""
    if text != "-":
        return given(text)
    raise argparse.ArgumentTypeError("write the name of a file; for stdout leave --output out")


def port_range(text: str, lowest: int) -> Optional[Tuple[int, int]]:
    """Return the first and the last port of ``MIN-MAX``, None for anything else."""
    match = re.fullmatch("([0-9]{1,5})-([0-9]{1,5})", text)
    if not match:
        return None
    first, last = int(match.group(1)), int(match.group(2))
    return (first, last) if lowest <= first <= last <= 65535 else None
