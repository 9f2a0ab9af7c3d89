"""What the commands print with: lines, problems, data, colour, progress, and streams that fail.

No other module of the commands prints. So every line goes through `escaped`, since it may contain
text that somebody else wrote. Text for other programs (JSON, YAML, coturn's files) follows their
rules instead. Rich is loaded only to write to a terminal.
"""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import sys
from contextlib import contextmanager, suppress
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    NoReturn,
    Optional,
    Sequence,
    TextIO,
)

from abcwebrtc.errors import AbcWebRTCError, Problem, Problems, ProblemsError
from abcwebrtc.texts import WIDTH, escaped, harmless_logger, wrapped

if TYPE_CHECKING:
    from rich.console import Console

FORMS = TEXT, JSON, YAML = "text", "json", "yaml"
LEVELS = ("error", "warning", "note")
"""The worst first."""
STYLES = {"error": "red", "warning": "yellow", "note": "cyan", "ok": "green"}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN)
"""Errors of a full disk, and of a full pipe that does not block."""
_LOG = harmless_logger("abcwebrtc.cli")


class _Settings:
    """How this run prints: the form of its result, and how much it says beside that."""

    form = TEXT
    quiet = False
    has_shown = False
    """Whether data or a document was printed."""
    handler: Optional[logging.Handler] = None


def begin(words: Sequence[str]) -> None:
    """Start a run with the words of its command line, which may be wrong.

    They decide in which form errors are printed, including usage errors.
    """
    _Settings.form, _Settings.quiet, _Settings.has_shown = _form_in(words), False, False
    if _Settings.handler:
        harmless_logger("abcwebrtc").removeHandler(_Settings.handler)
    _Settings.handler = None


def _form_in(words: Sequence[str]) -> str:
    for word, following in zip(words, [*words[1:], ""]):
        form = following if word == "-o" else word[2:] if word.startswith("-o") else ""
        if form in FORMS:
            return form
        if word == "--":
            break
        if "--json".startswith(word) and word.startswith("--j"):
            return JSON
    return TEXT


def set_output(form: str, quiet: bool, verbose: bool) -> None:
    """Set the form of the result, and whether to leave out notes, or to report each step."""
    _Settings.form, _Settings.quiet = form, quiet
    if verbose:
        log, handler = harmless_logger("abcwebrtc"), logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        _Settings.handler = handler


def is_data() -> bool:
    """Return whether a program reads the result."""
    return _Settings.form != TEXT


def is_quiet() -> bool:
    """Return whether only the result and errors are asked for."""
    return _Settings.quiet


def detail(text: str) -> None:
    """Report a step on stderr, if --verbose is given."""
    _LOG.info(text)


def console(stream: Optional[TextIO] = None) -> "Console":
    """Return a console that prints styled text, on stdout by default.

    Give it `rich.text.Text` made of `escaped` text: it reads no markup. It is as wide as COLUMNS
    says, or else the terminal; for a stream that is none, or a COLUMNS that is no width, `WIDTH`.
    """
    from rich.console import Console

    stream = stream or sys.stdout
    columns = os.environ.get("COLUMNS", "")
    told = int(columns) if re.fullmatch("[1-9][0-9]{0,4}", columns) else None
    width = told or (None if stream.isatty() and not columns else WIDTH)
    height = 25 if told else None  # without it, Rich gives a dumb terminal 80 columns
    no_color = bool(os.environ.get("NO_COLOR"))  # for Rich 13, an empty one turns colours off too
    out = Console(
        file=stream,
        width=width,
        height=height,
        no_color=no_color,
        markup=False,
        highlight=False,
        emoji=False,
    )
    out.on_broken_pipe = _raise_again  # type: ignore[method-assign]  # or Rich exits with status 1
    return out


def _raise_again() -> NoReturn:
    raise  # Rich calls this in an except block


def show(*lines: str, to: Optional[TextIO] = None) -> None:
    """Print lines at once, on stdout by default; none is wrapped."""
    for line in lines:
        print(escaped(line), file=to or sys.stdout)
    (to or sys.stdout).flush()


def aside(text: str) -> None:
    """Print a line on stderr in addition to the result, unless --quiet is given."""
    if not _Settings.quiet:
        show(text, to=sys.stderr)


def show_data(data: Any, form: str, one_line: bool = False) -> None:
    """Print data on stdout at once, as JSON in ASCII or as YAML."""
    if form == YAML:
        # PyYAML takes a while to import, and most commands have no use for it.
        from abcwebrtc.cluster.yaml import yaml_text

        print_utf8()
        show_document(yaml_text([data]))
    else:
        show_document(json.dumps(data, indent=None if one_line else 2) + "\n")
    sys.stdout.flush()


def show_document(text: str) -> None:
    """Print text for other programs, such as YAML, as it is."""
    _Settings.has_shown = True
    print(text, end="")


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
    """Return whether a check failed: by an error or, where it is strict, by a warning."""
    levels = {problem.level for problem in problems}
    return "error" in levels or (strict and "warning" in levels)


def print_problems(problems: Iterable[Problem], stream: Optional[TextIO] = None) -> None:
    """Print a line for each problem, up to the limits of `Problems`.

    Without a stream, they are printed on stderr, and --quiet leaves out all but errors.
    """
    for problem in Problems(problems):
        if stream or not _Settings.quiet or problem.level == "error":
            _print_marked(problem.as_line(problem.level), problem.level, stream or sys.stderr)


def _print_marked(line: str, level: str, stream: TextIO) -> None:
    """Print the line of a problem. On a terminal, colour its level, and wrap it at blanks."""
    if not stream.isatty():
        print(line, file=stream)
        return
    from rich.text import Text

    out = console(stream)
    text = Text("\n".join(wrapped(line, "", "  ", max(20, out.width))))
    start = re.search(rf"(^|:\s+){level}(?=:)", text.plain)
    if start:
        text.stylize(STYLES[level], start.end() - len(level), start.end())
    out.print(text, soft_wrap=True)


def print_error(error: AbcWebRTCError) -> None:
    """Print what an exception says on stderr, a line for each problem."""
    print_problems(_problems_of(error))


def show_failure(error: "AbcWebRTCError | str") -> None:
    """Print what ended the command: on stderr, or as data on stdout if -o asks for data."""
    problems = [Problem(error)] if isinstance(error, str) else _problems_of(error)
    if _Settings.form == TEXT:
        print_problems(problems)
    else:
        show_data({"ok": False, **problems_json(problems)}, _Settings.form)


def show_interruption() -> None:
    """Print data that says that the command was interrupted, if it is to print data and has not."""
    if is_data() and not _Settings.has_shown:
        show_failure("interrupted")


def _problems_of(error: AbcWebRTCError) -> Sequence[Problem]:
    return error.problems if isinstance(error, ProblemsError) else [Problem(str(error))]


def show_usage_error(command: str, message: str) -> None:
    """Print what is wrong with a command line, and the command that explains the usage."""
    if _Settings.form != TEXT:
        show_failure(message)
        return
    _print_marked(f"{command}: error: {escaped(message)}", "error", sys.stderr)
    words = command.split()[1:]
    show(f"Run 'abcwebrtc help{''.join(f' {word}' for word in words)}' for usage.", to=sys.stderr)


def warn(text: str) -> None:
    """Print a warning on stderr, unless --quiet is given."""
    print_problems([Problem(text, level="warning")])


def note(text: str) -> None:
    """Print a note on stderr, unless --quiet is given."""
    print_problems([Problem(text, level="note")])


def print_difference(lines: Iterable[str]) -> None:
    """Print the lines of a diff: added ones in green, removed ones in red."""
    out = None
    for line in lines:
        if sys.stdout.isatty():
            from rich.text import Text

            style = {"+": "green", "-": "red"}.get(line[:1], "")
            out = out or console()
            out.print(Text(escaped(line), style), soft_wrap=True)
        else:
            print(escaped(line))


@contextmanager
def progress(in_lines: bool = False) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the current step on stderr, in place of the one before.

    If stderr is not a terminal, it prints nothing or, with `in_lines`, a line for each step.
    """
    silent = _Settings.quiet or _Settings.handler  # --verbose says more than this
    if silent or not (in_lines or sys.stderr.isatty()):
        yield lambda text: None
        return
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":

        def say_line(text: str) -> None:
            with suppress(OSError):
                aside(text)

        yield say_line if in_lines else lambda text: None
        return
    from rich.status import Status
    from rich.text import Text

    with Status(Text(""), console=console(sys.stderr)) as status:
        yield lambda text: status.update(Text(escaped(text)))


def prepare_output() -> None:
    """Make printing work if a stream is closed, or can't encode all of Unicode.

    Flush each line of stderr: Python 3.8 buffers them if it is not a terminal.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, for good
        elif isinstance(stream, io.TextIOWrapper):
            at_once = True if name == "stderr" else None  # None: as it is
            stream.reconfigure(errors="backslashreplace", line_buffering=at_once)


class _LossyFile(io.FileIO):
    """A file that drops what can't be written, so that a command outlives its log."""

    dropped: Sequence[int] = _FULL

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in self.dropped:
                raise
            return len(data)


def lossy(stream: TextIO, needs_reader: bool) -> TextIO:
    """Return a stream to the same file that drops what a full disk has no room for.

    Unless it `needs_reader`, it also drops what nobody can read any more.
    """
    try:
        file = _LossyFile(stream.fileno(), "w", closefd=False)
        file.dropped = _FULL if needs_reader else (*_FULL, errno.EPIPE)
    except io.UnsupportedOperation:  # it is not a file, so no disk can be full
        return stream
    return io.TextIOWrapper(file, stream.encoding, "backslashreplace", write_through=True)


def print_utf8() -> None:
    """Switch stdout to UTF-8, whatever the locale is: YAML has no other encoding."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def say(text: str) -> None:
    """Print a line on stdout at once. Go on even if nobody reads it any more."""
    try:
        print(escaped(text), flush=True)
    except OSError:
        discard_output()


def discard_output() -> None:
    """Keep Python from failing again at exit, when it flushes what could not be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
