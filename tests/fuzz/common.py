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
"""A secret in inputs; nothing may show it."""
STATIC = "static-2b91d4-never-shown"
"""The static auth secret in the targets' own configurations; no input contains it."""
NOW = 1_700_000_000
HARMLESS = ("compile", "builtins.id", "marshal.dumps", "marshal.loads", "sys._getframe")
"""Audit events without effect: `ast.parse` compiles but runs nothing."""

Allow = Callable[[str, Tuple[Any, ...]], bool]


# secrets


def everything_about(error: Optional[BaseException]) -> str:
    """Return all texts of an exception and of its contexts, suppressed or not."""
    if error is None:
        return ""
    own = [str(error), repr(error), repr(error.args), repr(vars(error))]
    shown = traceback.format_exception_only(type(error), error)
    behind = everything_about(error.__context__) + everything_about(error.__cause__)
    return "\n".join([*own, *shown]) + behind


def assert_silent(text: str, *secrets: str) -> None:
    """Fail if a text contains one of the secrets, and show only what is around it."""
    for secret in secrets:
        at = text.find(secret)
        assert at < 0, f"a secret is shown: ...{text[max(0, at - 80) : at + 80]!r}"


def assert_placed(problems: Sequence[Problem], file: str, lines: int) -> None:
    """Fail if a problem names another file, or a line that the text does not have."""
    for problem in problems:
        assert problem.file == file, problem
        assert problem.line is None or 1 <= problem.line <= lines, problem
        assert problem.message, problem


# what a parser must not do


class Forbidden(BaseException):
    """Raised from the audit hook, so that the attempt has no effect.

    ``except Exception`` does not catch it.
    """


class _Watch:
    allow: Optional[Allow] = None
    hooked = False
    tried: List[str] = []


def _hook(event: str, arguments: Tuple[Any, ...]) -> None:
    allow = _Watch.allow
    if allow is None or event in HARMLESS or event.startswith("object."):
        return
    _Watch.allow = None  # the check itself may raise audit events
    try:
        allowed = allow(event, arguments)
    finally:
        _Watch.allow = allow
    if not allowed:
        _Watch.tried.append(event)
        raise Forbidden(event)


@contextlib.contextmanager
def nothing_but(allow: Allow) -> Iterator[None]:
    """Fail if the code within does anything but look, or what `allow` lets it do.

    Opening, importing, running, connecting and removing raise Python's audit events (PEP 578), and
    are stopped before they happen.
    """
    if not _Watch.hooked:  # a hook can't be removed
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
    """Allow opening any file for reading, with `open` or `os.open`."""
    if event != "open":
        return False
    _, mode, flags = arguments
    if mode is None:  # from os.open
        return not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    return mode in ("r", "rb")


def opens(path: str) -> Allow:
    """Allow opening one file for reading.

    When `ast.parse` refuses a text, Python itself looks for a file ``<unknown>`` to show a line of
    it; from 3.12 on, it looks for ``<string>`` when `tokenize` does.
    """

    def allow(event: str, arguments: Tuple[Any, ...]) -> bool:
        if not reads(event, arguments):
            return False
        # a descriptor: opened before, by name
        return isinstance(arguments[0], int) or arguments[0] in (path, "<unknown>", "<string>")

    return allow


# mutations that know lines and words


def splice(data: bytes, random: Random, fragments: Sequence[str]) -> bytes:
    """Return a text with one line or word changed, moved, doubled or removed."""
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
    """Return a text as UTF-8, with ``?`` for what UTF-8 can't encode."""
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", text).encode("utf-8", "surrogateescape")
