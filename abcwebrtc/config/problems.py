"""What is wrong or unwise in a configuration, where, and what to write instead."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import (
    Any,
    Callable,
    Container,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from abcwebrtc.errors import KeyPath, Problem, format_path
from abcwebrtc.odconfig.ini import letters, shown
from abcwebrtc.odconfig.reader import OdConfig
from abcwebrtc.texts import is_like_secret

_SLIP = 2
"""The most letters in which a misspelt key differs from the intended one."""
_NAME = re.compile(r"[A-Za-z0-9]+([_.-][A-Za-z0-9]+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}")
_NEAR = 0.79
"""How similar a key and its misspelling are, from 0 to 1: enabel and enable are 0.83."""
_UNEXPANDED = (
    r"\$\{[^{}\n]*\}",  # a shell's, envsubst's
    r"\$\([^()\n]*\)",
    r"\$[A-Z_][A-Z0-9_]*",
    r"\$\$[A-Z_][A-Z0-9_]*",
    r"\{\{.*?\}\}",  # Jinja's, Helm's, mustache's
    r"\{%.*?%\}",
    r"%[A-Z_][A-Z0-9_]*%",
    r"@[A-Z_][A-Z0-9_]*@",
    r"<[A-Za-z][^<>\n]*>",
    r"__[A-Z][A-Z0-9_]*__",
)
_WHOLE = re.compile("|".join(_UNEXPANDED), re.DOTALL)
_INSIDE = re.compile("|".join((r"\$[A-Za-z_]\w*", *_UNEXPANDED)), re.DOTALL)
UNEXPANDED = "is a variable or a placeholder, which nothing expands in od.config"
MAX_LENGTH = 1000
"""Characters that are searched for a variable; no real value is longer."""


class Where:
    """The place of a value in a mapping, which creates the value's problems.

    ``where["ttl"]`` is one level deeper. If the mapping is an `OdConfig`, each problem has its file
    and line.
    """

    def __init__(self, mapping: Mapping[str, Any], path: KeyPath = ()) -> None:
        self._mapping = mapping
        self.path = path

    def __getitem__(self, key: Union[str, int]) -> Where:
        return Where(self._mapping, (*self.path, key))

    def up_to(self, length: int) -> Where:
        """Return the place to which the first keys of the path lead."""
        return Where(self._mapping, self.path[:length])

    def error(self, message: str, hide_key: bool = False) -> Problem:
        """Return an error: the configuration can't be used.

        With `hide_key` its path ends before the last key, which may be a secret.
        """
        return self._problem(message, "error", self.path[:-1] if hide_key else self.path)

    def warning(self, message: str, hide_key: bool = False) -> Problem:
        """Return a warning: it is allowed but unwise. For `hide_key` see `error`."""
        return self._problem(message, "warning", self.path[:-1] if hide_key else self.path)

    def note(self, message: str) -> Problem:
        """Return a note: it is good to know and never a fault, even if warnings are."""
        return self._problem(message, "note", self.path)

    def _problem(self, message: str, level: str, path: KeyPath) -> Problem:
        if not isinstance(self._mapping, OdConfig):
            return Problem(message, format_path(path), level=level)
        text = format_path(path) if path and shown(str(path[0])) else ""
        line = self._mapping.line_of(self.path)
        return Problem(message, text, self._mapping.file, line, level)


def has_error(problems: Iterable[Problem]) -> bool:
    """Return whether one of the problems is an error."""
    return any(problem.level == "error" for problem in problems)


def unknown_keys(
    given: Iterable[Any],
    known: Tuple[str, ...],
    where: Where,
    meant: Mapping[str, str] = MappingProxyType({}),
    others: Container[Any] = (),
) -> Iterator[Problem]:
    """Yield an error for each unknown key, with what to write instead.

    That is the key that is `meant`, looked up by the letters in lower case, or the nearest known
    key. A key may be a secret, if it was swapped with its value or a ``:`` is missing. So only a
    key of `meant`, or a misspelt known one, is shown; for others the error only says where they
    are. Keys in `others` are valid too.
    """
    keys = list(given)
    for number, key in enumerate(keys, 1):
        if key in known or key in others:
            continue
        text = key if isinstance(key, str) else ""
        near = nearest(text, known, spelling=str.lower)
        right = f"did you mean '{near}'?" if near else "the keys are " + ", ".join(known)
        right = meant.get(letters(text), right)
        if not isinstance(key, str):
            yield where[kind(key)].error(f"no such key; {right}")
        elif (letters(text) in meant and is_name(text)) or is_slip(text, nearest(text, known)):
            yield where[key].error(f"no such key; {right}")
        else:
            place = f"number {number} of {len(keys)}"
            message = f"has an unknown key, {place}; {right}"
            yield where[key].error(message, hide_key=True)


def misspelt_keys(given: Iterable[Any], known: Tuple[str, ...], where: Where) -> Iterator[Problem]:
    """Yield a warning for each key that looks like a misspelt known one.

    Other keys may belong to somebody else.
    """
    for key in given:
        near = nearest(key, known, _NEAR) if isinstance(key, str) and key not in known else None
        if near and is_slip(key, near):
            yield where[key].warning(f"is ignored; did you mean '{near}'?")
        elif near:
            message = f"has a key that is ignored; did you mean '{near}'?"
            yield where[key].warning(message, hide_key=True)


def ignored_keys(given: Iterable[Any], known: Tuple[str, ...], where: Where) -> Iterator[Problem]:
    """Yield a warning for each unknown key, which nobody reads. It may be a secret."""
    keys = list(given)
    for number, key in enumerate(keys, 1):
        if key in known:
            continue
        misspelt = list(misspelt_keys([key], known, where))
        place = f"number {number} of {len(keys)}"
        message = f"has an unknown key, {place}, that is ignored; the keys are {', '.join(known)}"
        yield from misspelt or [where[key].warning(message, hide_key=True)]


def is_name(key: str) -> bool:
    """Return whether a key has the form of a name. It may still be a secret."""
    return _NAME.fullmatch(key) is not None


def is_word(key: str) -> bool:
    """Return whether a name that others choose can be shown: it has no digit.

    Use it only for what is surely a name, such as a user's label.
    """
    return _WORD.fullmatch(key) is not None


def is_slip(key: str, near: Optional[str]) -> bool:
    """Return whether a key differs from a known one in too few letters to hide a secret."""
    texts = letters(key), letters(near or "")
    if near is None or len(texts[0]) > len(texts[1]) + _SLIP or not is_name(key):
        return False
    import difflib

    same = difflib.SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks()
    return max(map(len, texts)) - sum(block.size for block in same) <= _SLIP


def nearest(
    word: str,
    known: Iterable[str],
    alike: float = 0.6,
    spelling: Callable[[str], str] = letters,
) -> Optional[str]:
    """Return the known word that another word resembles, or None.

    `alike` is the least similarity, from 0 to 1, of the `spelling` of both.
    """
    import difflib  # rarely needed, and nothing else loads it

    names = {spelling(name): name for name in known}
    near = difflib.get_close_matches(spelling(word), names, 1, alike)
    return names[near[0]] if near else None


def too_many(value: Sequence[Any], most: int, where: Where, right: str) -> List[Problem]:
    """Return an error if there are more of something than an od.config can need.

    `right` says what to write instead.
    """
    if len(value) <= most:
        return []
    return [where.error(f"has {len(value)} items, more than the {most} that are read; {right}")]


def read_bool(value: Any, where: Where) -> Tuple[bool, List[Problem]]:
    """Return whether a value is True, and an error if it is neither True nor False."""
    if isinstance(value, bool):
        return value, []
    return False, [where.error(f"must be True or False without quotes, not {kind(value)}")]


def is_like_path(text: str) -> bool:
    """Return whether the name of a missing file can be shown, since it begins like a path.

    Another name can be shown if it is not `is_like_secret`.
    """
    return text.startswith(("/", "./", "../", "~")) or not is_like_secret(text)


def is_unexpanded(text: str) -> bool:
    """Return whether a text is a variable or a placeholder that nobody filled in.

    A password may contain a ``$``, but is not ``$TURN_SECRET``.
    """
    return _WHOLE.fullmatch(text[:MAX_LENGTH].strip()) is not None


def has_unexpanded(text: str) -> bool:
    """Return whether a host or a port contains a variable or a placeholder."""
    return _INSIDE.search(text[:MAX_LENGTH]) is not None


def kind(value: Any) -> str:
    """Return the kind of a value, in the words of messages, without showing it."""
    names = {bool: "a bool", int: "a whole number", float: "a number with a point"}
    names.update({str: "text", bytes: "bytes", list: "a list", tuple: "a tuple", dict: "a dict"})
    names[MappingProxyType] = "a dict"  # a frozen one
    if value == "" or (isinstance(value, tuple) and len(value) == 1):
        return "a tuple (remove the comma)" if value else "an empty text"
    return "None" if value is None else names.get(type(value), type(value).__name__)
