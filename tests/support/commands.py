"""Run the command `abcwebrtc`, in another process or in this one."""

from __future__ import annotations

import argparse
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, NamedTuple, Set, Tuple

import abcwebrtc
from abcwebrtc.cli.main import main, make_parser
from support.waiting import WAIT


def command(*arguments: object, before: str = "") -> Tuple[str, ...]:
    """Return the command line of ``abcwebrtc``; `before` is Python code to run first."""
    code = f"{before}\nimport sys\nfrom abcwebrtc.cli.main import main\nsys.exit(main())"
    start = ("-c", code) if before else ("-m", "abcwebrtc")
    return (sys.executable, *start, *map(str, arguments))


def environment(**changes: str) -> Dict[str, str]:
    """Return an environment that runs the abcwebrtc under test."""
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(abcwebrtc.__file__).parent.parent),
        "PYTHONUTF8": "1",
    }
    env.pop("PYTHONUNBUFFERED", None)  # with it, no write is left to fail at exit
    env.update(changes)
    return env


def run_command(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run ``abcwebrtc`` with an empty stdin, and return what it printed."""
    settings = {"stdin": subprocess.DEVNULL, "env": environment(), "timeout": WAIT, **options}
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )


def run_on_a_terminal(*arguments: object, **environ: str) -> str:
    """Return what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as terminal:
        try:
            subprocess.run(
                command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                env=environment(**{"TERM": "xterm", "NO_COLOR": "", **environ}),
                timeout=WAIT,
            )
        finally:
            os.close(theirs)  # so that a command that printed nothing is not waited for
        return terminal.read(65536).decode()


class Result(NamedTuple):
    """The exit status and output of a command that ran in this process."""

    status: Any
    out: Any
    err: Any


def run_main(capsys: Any, *arguments: object) -> Result:
    """Run ``abcwebrtc`` in this process; `capsys` is pytest's."""
    try:
        status: Any = main(list(map(str, arguments)))
    except SystemExit as error:
        status = error.code
    return Result(status, *capsys.readouterr())


COMMON = {"--help", "--od-config", "--json", "--quiet", "--verbose"}
"""The options that one page describes for all commands."""


def own_options(*words: str) -> Set[str]:
    """Return the long options of a command that are its own, and not hidden."""
    parser: argparse.ArgumentParser = make_parser()
    for word in words:
        (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        parser = commands.choices[word]
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    names = {name for action in shown for name in action.option_strings}
    return {name for name in names if name.startswith("--")} - COMMON


def listed_options(keys: Iterable[str]) -> Set[str]:
    """Return the long options among the first words of a table's keys, without the common ones."""
    return {key.split()[0] for key in keys if key.startswith("--")} - COMMON
