"""What the commands print with: problems, warnings, colour, and streams that fail."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Any, Dict, Iterable, List, Optional, Sequence, TextIO

from abcwebrtc.errors import AbcWebRTCError, Problem, ProblemsError

LEVELS = ("error", "warning", "note")
"""The worst first."""
_COLOURS = dict(zip(LEVELS, ("31", "33", "36")))
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return a foreign text, with escapes for what a terminal would take for a command."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def problem_line(problem: Problem, stream: TextIO) -> str:
    """Return ``od.config:399: error: webrtc.coturn.ttl: what is wrong``."""
    level = coloured(problem.level, _COLOURS[problem.level], stream)
    parts = (problem.place, level, problem.path, problem.message)
    return ": ".join(part for part in parts if part)


def problems_count(problems: Iterable[Problem]) -> str:
    """Return how many problems there are of each level, the worst first: ``1 error, 2 notes``."""
    levels = [problem.level for problem in problems]
    numbers = ((levels.count(level), level) for level in LEVELS)
    found = [f"{number} {level}{'' if number == 1 else 's'}" for number, level in numbers if number]
    return ", ".join(found) or "found nothing wrong"


def problems_json(problems: Sequence[Problem]) -> Dict[str, List[Dict[str, Any]]]:
    """Return the problems of each level as JSON data: ``errors``, ``warnings``, ``notes``."""
    return {
        f"{level}s": [problem.as_dict() for problem in problems if problem.level == level]
        for level in LEVELS
    }


def is_failure(problems: Iterable[Problem], strict: bool) -> bool:
    """Say whether a check failed: by an error or, where it is strict, by a warning."""
    levels = {problem.level for problem in problems}
    return "error" in levels or (strict and "warning" in levels)


def print_problems(problems: Iterable[Problem], stream: Optional[TextIO] = None) -> None:
    """Print problems, a line for each, on stderr where no other stream is given."""
    stream = stream or sys.stderr
    for problem in problems:
        print(problem_line(problem, stream), file=stream)


def print_error(error: AbcWebRTCError) -> None:
    """Print what an exception says on stderr, a line for each problem."""
    if isinstance(error, ProblemsError):
        print_problems(error.problems)
    else:
        print(f"{coloured('error', '31', sys.stderr)}: {error}", file=sys.stderr)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    print(f"{coloured('warning', '33', sys.stderr)}: {text}", file=sys.stderr)


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in an ANSI colour where `stream` is a terminal that wants it."""
    if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        return f"\033[{colour}m{text}\033[0m"
    return text


def print_difference(lines: Iterable[str]) -> None:
    """Print the lines of a diff: green for those that came, red for those that went."""
    for line in lines:
        colour = {"+": "32", "-": "31"}.get(line[:1], "0")
        print(coloured(line, colour, sys.stdout))


def prepare_output() -> None:
    """Make printing possible where a stream is closed, or not for all of Unicode.

    Lines of stderr are seen at once, also by Python 3.8, which kept them where it is no terminal.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, for good
        elif isinstance(stream, io.TextIOWrapper):
            at_once = True if name == "stderr" else None  # None: as it is
            stream.reconfigure(errors="backslashreplace", line_buffering=at_once)


def print_utf8() -> None:
    """Print on stdout in UTF-8 from here on, whatever the locale is: YAML has no other encoding."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(text: str) -> None:
    """Print a line on stdout at once. Where nobody reads it any more, go on with what was begun."""
    try:
        print(text, flush=True)
    except OSError:
        discard_output()


def discard_output() -> None:
    """Keep Python from failing once more at exit with what could not be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
