"""What the targets share: planted secrets, an audit hook, and mutations of lines."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from random import Random
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

from abcwebrtc.errors import Problem

MARK = "hush-5e7f0c-quiet-mark"
"""A secret that stands in inputs; nothing may show it."""
STATIC = "static-2b91d4-never-shown"
"""The static auth secret of the targets' own configurations; no input has it."""
NOW = 1_700_000_000
HARMLESS = ("compile", "builtins.id", "marshal.dumps", "marshal.loads", "sys._getframe")
"""Audit events of what only looks: `ast.parse` compiles without running anything."""

Allow = Callable[[str, Tuple[Any, ...]], bool]


# secrets


def everything_about(error: Optional[BaseException]) -> str:
    """Return all texts of an exception, and of those behind it, suppressed or not."""
    if error is None:
        return ""
    own = [str(error), repr(error), repr(error.args), repr(vars(error))]
    shown = traceback.format_exception_only(type(error), error)
    behind = everything_about(error.__context__) + everything_about(error.__cause__)
    return "\n".join([*own, *shown]) + behind


def assert_silent(text: str, *secrets: str) -> None:
    """Fail where a text has one of the secrets in it, without repeating it at length."""
    for secret in secrets:
        at = text.find(secret)
        assert at < 0, f"a secret is shown: ...{text[max(0, at - 80) : at + 80]!r}"


def assert_placed(problems: Sequence[Problem], file: str, lines: int) -> None:
    """Fail where a problem names another file, or a line that the text has not."""
    for problem in problems:
        assert problem.file == file, problem
        assert problem.line is None or 1 <= problem.line <= lines, problem
        assert problem.message, problem


# what a parser must not do


class Forbidden(BaseException):
    """Raised from the audit hook, so that what was tried does not happen.

    No ``except Exception`` holds it up.
    """


class _Watch:
    allow: Optional[Allow] = None
    hooked = False
    tried: List[str] = []


def _hook(event: str, arguments: Tuple[Any, ...]) -> None:
    allow = _Watch.allow
    if allow is None or event in HARMLESS or event.startswith("object."):
        return
    _Watch.allow = None  # the check itself may do things
    try:
        allowed = allow(event, arguments)
    finally:
        _Watch.allow = allow
    if not allowed:
        _Watch.tried.append(event)
        raise Forbidden(event)


@contextlib.contextmanager
def nothing_but(allow: Allow) -> Iterator[None]:
    """Fail where the code within does more than look and what `allow` lets it do.

    What it opens, imports, runs, connects or removes raises one of Python's
    audit events (PEP 578), and is stopped before it happens.
    """
    if not _Watch.hooked:  # a hook can't be taken out again
        sys.addaudithook(_hook)
        _Watch.hooked = True
    _Watch.tried = []
    _Watch.allow = allow
    try:
        yield
    finally:
        _Watch.allow = None
    assert not _Watch.tried, f"did {_Watch.tried}"


def reads(event: str, arguments: Tuple[Any, ...]) -> bool:
    """Allow to open any file for reading, with `open` or `os.open`."""
    if event != "open":
        return False
    _, mode, flags = arguments
    if mode is None:  # of os.open
        return not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    return mode in ("r", "rb")


def opens(path: str) -> Allow:
    """Allow to open one file, for reading.

    Python itself looks for a file of the name ``<unknown>``, to show a line of
    it, where `ast.parse` refuses a text, and from 3.12 on for ``<string>``, where
    `tokenize` does.
    """

    def allow(event: str, arguments: Tuple[Any, ...]) -> bool:
        if not reads(event, arguments):
            return False
        # a descriptor was opened before, with its name
        return isinstance(arguments[0], int) or arguments[0] in (path, "<unknown>", "<string>")

    return allow


# mutations that know where lines and words begin


def splice(data: bytes, random: Random, fragments: Sequence[str]) -> bytes:
    """Return a text with one of its lines or words changed, moved, doubled or taken out."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    at = random.randrange(len(lines))
    change = random.randrange(7)
    fragment = random.choice(fragments)
    if change == 0:
        lines.insert(at, fragment)
    elif change == 1:
        lines[at] = fragment
    elif change == 2:
        lines.insert(random.randrange(len(lines)), lines[at])
    elif change == 3:
        del lines[at]
    elif change == 4:
        lines[at] = " " * random.randrange(5) + lines[at].strip()
    else:
        place = random.randrange(len(lines[at]) + 1)
        end = place + random.choice((0, 0, 1, 4))
        lines[at] = lines[at][:place] + fragment.strip() + lines[at][end:]
    return encoded("\n".join(lines))


def encoded(text: str) -> bytes:
    """Return a text as UTF-8, but for what is none."""
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", text).encode("utf-8", "surrogateescape")
