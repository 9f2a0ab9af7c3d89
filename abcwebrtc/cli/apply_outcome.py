"""What ``abcwebrtc apply`` has done, as lines while it goes on, or as data at its end.

The data is one document on stdout. What an operator must not lose is on stderr in both cases.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, suppress
from typing import Any, Callable, Dict, List, Optional

from abcwebrtc.cli.output import (
    STYLES,
    TEXT,
    aside,
    console,
    print_difference,
    print_problems,
    problems_json,
    progress,
    say,
    show,
    show_data,
)
from abcwebrtc.cli.way_back import WayBack
from abcwebrtc.cluster.change import Change
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem, ProblemsError
from abcwebrtc.texts import escaped


class Progress:
    """Says on stderr what is waited for: on a terminal in one line, which `end` leaves."""

    def __init__(self, is_verbose: bool) -> None:
        self._is_verbose = is_verbose  # its lines would be written into that one line
        self._shown = ExitStack()
        self._show: Optional[Callable[[str], None]] = None

    def __call__(self, text: str) -> None:
        """Show a text instead of the last one."""
        with suppress(OSError):
            if self._is_verbose:
                aside(text)
                return
            if self._show is None:
                self._show = self._shown.enter_context(progress(in_lines=True))
            self._show(text)

    def end(self) -> None:
        """Leave the line, before anything else is printed."""
        with suppress(OSError):
            self._shown.close()
        self._show = None


class Outcome:
    """What was done. `change` and `way_back` are None until there is one of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._problems: List[Problem] = []
        self._difference: List[str] = []
        self.is_text = options.form == TEXT
        self.change: Optional[Change] = None
        self.way_back: Optional[WayBack] = None
        self.ready: Optional[bool] = None
        self.undone: Optional[str] = None
        """What a rollback did to the ConfigMap: ``restored`` or ``deleted``."""

    def show(self, *lines: str) -> None:
        """Print lines of the result, unless it is printed as data; raise `OSError` if that fails.

        So nothing is written to the cluster if nobody reads what would change.
        """
        if self.is_text:
            show(*lines)

    def say(self, line: str) -> None:
        """Print a line of the result, unless it is printed as data, and go on if that fails."""
        if self.is_text:
            say(line)

    def show_difference(self, lines: List[str]) -> None:
        """Print the lines of a diff, or keep them for the data."""
        self._difference = lines
        if self.is_text:
            print_difference(lines)
            sys.stdout.flush()

    def add(self, *problems: Problem) -> None:
        """Print problems on stderr, or keep them for the data."""
        self._problems += problems
        if self.is_text:
            with suppress(OSError):
                print_problems(problems)

    def fail(self, error: AbcWebRTCError) -> None:
        """Print an error on stderr, or keep it for the data."""
        if isinstance(error, ProblemsError):
            more = error if isinstance(error, ConfigError) and not self.is_text else None
            self.add(*error.problems, *(more.warnings + more.notes if more else ()))
            return
        self._problems.append(Problem(str(error)))
        if self.is_text:
            _print_unwrapped(str(error))

    def show_data(self, is_ok: bool) -> None:
        """Print the data."""
        if not self.is_text:
            show_data({"ok": is_ok, **self._data()}, self._options.form)

    def _data(self) -> Dict[str, Any]:
        options, change, way_back = self._options, self.change, self.way_back
        return {
            "dry_run": options.dry_run,
            "context": options.context,
            "namespace": options.namespace,
            "configmap": options.name,
            "key": options.key,
            "written": self.undone or (change.written(options.dry_run) if change else "unchanged"),
            "difference": [escaped(line) for line in self._difference],
            "restart": change.mode if change else options.restart,
            "ready": self.ready,
            "backup": way_back.backup if way_back else None,
            "way_back": way_back.command if way_back else None,
            **problems_json(self._problems),
        }


def _print_unwrapped(message: str) -> None:
    """Print an error that may have a command in it, which can be copied if it is not wrapped."""
    with suppress(OSError):
        if not sys.stderr.isatty():
            show(f"error: {message}", to=sys.stderr)
            return
        from rich.text import Text

        text = Text.assemble(("error", STYLES["error"]), f": {escaped(message)}")
        console(sys.stderr).print(text, soft_wrap=True)
