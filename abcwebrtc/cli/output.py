"""What the commands print with: lines, problems, JSON, colour, and streams that fail.

No other module of the commands prints, so that every line goes through `escaped`: it may hold
what somebody else wrote. What other programs read has rules of its own: JSON, YAML, files of
coturn.
"""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from typing import Any, Dict, Iterable, List, Optional, Sequence, TextIO

from abcwebrtc.errors import AbcWebRTCError, Problem, Problems, ProblemsError
from abcwebrtc.texts import escaped

LEVELS = ("error", "warning", "note")
"""The worst first."""
_COLOURS = dict(zip(LEVELS, ("31", "33", "36")))
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN)
"""What a full disk says, and a full pipe that does not wait."""
_START_OF_LINE = "\r\033[K"


def show(*lines: str, to: Optional[TextIO] = None) -> None:
    """Print lines at once, on stdout where no other stream is given."""
    for line in lines:
        print(escaped(line), file=to or sys.stdout)
    (to or sys.stdout).flush()


def show_painted(*lines: str) -> None:
    """Print lines on stdout whose texts were `escaped` before they were `coloured`."""
    print(*lines, sep="\n", flush=True)


def show_in_place(text: str) -> None:
    """Print a text on stderr, a terminal, over the one before."""
    print(f"{_START_OF_LINE}{escaped(text)}", end="", file=sys.stderr, flush=True)


def show_json(data: Any, indent: Optional[int] = 2) -> None:
    """Print JSON in ASCII on stdout at once; an `indent` of None makes it one line."""
    print(json.dumps(data, indent=indent), flush=True)


def show_document(text: str) -> None:
    """Print what other programs read, such as YAML, as it is."""
    print(text, end="")


def problem_line(problem: Problem, stream: TextIO) -> str:
    """Return ``od.config:399: error: webrtc.coturn.ttl: what is wrong``."""
    return problem.as_line(coloured(problem.level, _COLOURS[problem.level], stream))


def problems_count(problems: Iterable[Problem]) -> str:
    """Return how many problems there are of each level, the worst first: ``1 error, 2 notes``."""
    counts = dict.fromkeys(LEVELS, 0)
    for problem in problems:
        counts[problem.level] += 1 + problem.more
    numbers = ((counts[level], level) for level in LEVELS)
    found = [f"{number} {level}{'' if number == 1 else 's'}" for number, level in numbers if number]
    return ", ".join(found) or "found nothing wrong"


def problems_json(problems: Sequence[Problem]) -> Dict[str, List[Dict[str, Any]]]:
    """Return the problems of each level as JSON data: ``errors``, ``warnings``, ``notes``."""
    return {
        f"{level}s": [one.as_dict() for one in Problems(problems) if one.level == level]
        for level in LEVELS
    }


def is_failure(problems: Iterable[Problem], strict: bool) -> bool:
    """Say whether a check failed: by an error or, where it is strict, by a warning."""
    levels = {problem.level for problem in problems}
    return "error" in levels or (strict and "warning" in levels)


def print_problems(problems: Iterable[Problem], stream: Optional[TextIO] = None) -> None:
    """Print problems, a line for each kept one of a kind, on stderr if no stream is given."""
    stream = stream or sys.stderr
    for problem in Problems(problems):
        print(problem_line(problem, stream), file=stream)


def print_error(error: AbcWebRTCError) -> None:
    """Print what an exception says on stderr, a line for each problem."""
    if isinstance(error, ProblemsError):
        print_problems(error.problems)
    else:
        print(f"{coloured('error', '31', sys.stderr)}: {escaped(str(error))}", file=sys.stderr)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    print(f"{coloured('warning', '33', sys.stderr)}: {escaped(text)}", file=sys.stderr)


def note(text: str) -> None:
    """Print on stderr what is good to know."""
    show(f"note: {text}", to=sys.stderr)


def coloured(text: str, colour: str, stream: TextIO) -> str:
    """Return the text in an ANSI colour where `stream` is a terminal that wants it."""
    if stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        return f"\033[{colour}m{text}\033[0m"
    return text


def print_difference(lines: Iterable[str]) -> None:
    """Print the lines of a diff: green for those that came, red for those that went."""
    for line in lines:
        colour = {"+": "32", "-": "31"}.get(line[:1], "0")
        print(coloured(escaped(line), colour, sys.stdout))


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


class _LossyFile(io.FileIO):
    """A file that loses what a full disk has no room for, so that a command outlives its log."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            return len(data)


def lossy(stream: TextIO) -> TextIO:
    """Return a stream to the same file that loses what can't be written there."""
    try:
        file = _LossyFile(stream.fileno(), "w", closefd=False)
    except io.UnsupportedOperation:  # it is none of the system's, so no disk is full
        return stream
    return io.TextIOWrapper(file, stream.encoding, "backslashreplace", write_through=True)


def print_utf8() -> None:
    """Print on stdout in UTF-8 from here on, whatever the locale is: YAML has no other encoding."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(text: str) -> None:
    """Print a line on stdout at once. Where nobody reads it any more, go on with what was begun."""
    try:
        print(escaped(text), flush=True)
    except OSError:
        discard_output()


def discard_output() -> None:
    """Keep Python from failing once more at exit with what could not be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
