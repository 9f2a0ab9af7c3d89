"""What is wrong or unwise in a configuration: where it stands, and what to write instead."""

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
"""Letters in which a misspelt key differs at most from the one that is meant."""
_NAME = re.compile(r"[A-Za-z0-9]+([_.-][A-Za-z0-9]+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}")
_NEAR = 0.79
"""How alike a key and its misspelling are, from 0 to 1: enabel and enable are 0.83."""
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
UNEXPANDED = "is a variable or a placeholder that nobody fills in: od.config is read as it is"
MAX_LENGTH = 1000
"""Characters that are looked at for a variable; nothing that is meant has as many."""


class Where:
    """Where a value stands in a mapping: it makes the problems that the value has.

    ``where["ttl"]`` is one further in. When the mapping is an `OdConfig`, each
    problem has its file and line.
    """

    def __init__(self, mapping: Mapping[str, Any], path: KeyPath = ()) -> None:
        self._mapping = mapping
        self.path = path

    def __getitem__(self, key: Union[str, int]) -> Where:
        return Where(self._mapping, (*self.path, key))

    def up_to(self, length: int) -> Where:
        """Return the place that the first keys of the path lead to."""
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
        """Return a note: it is good to know, and no fault, also not where warnings are."""
        return self._problem(message, "note", self.path)

    def _problem(self, message: str, level: str, path: KeyPath) -> Problem:
        if not isinstance(self._mapping, OdConfig):
            return Problem(message, format_path(path), level=level)
        text = format_path(path) if path and shown(str(path[0])) else ""
        line = self._mapping.line_of(self.path)
        return Problem(message, text, self._mapping.file, line, level)


def has_error(problems: Iterable[Problem]) -> bool:
    """Say whether one of the problems is an error."""
    return any(problem.level == "error" for problem in problems)


def unknown_keys(
    given: Iterable[Any],
    known: Tuple[str, ...],
    where: Where,
    meant: Mapping[str, str] = MappingProxyType({}),
    others: Container[Any] = (),
) -> Iterator[Problem]:
    """Yield an error for each key that is not known, with what to write in its place.

    That is what is `meant`, by the letters of a key in lower case, or the nearest known key. A
    key may be a secret, where it and its value changed places, or a ``:`` was forgotten. So
    it is shown only where it is known what it is: one of `meant`, or a known one misspelt.
    Of the rest it is told where they stand. Keys in `others` are right too.
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
            message = f"has a key that is not known, {place}; {right}"
            yield where[key].error(message, hide_key=True)


def misspelt_keys(given: Iterable[Any], known: Tuple[str, ...], where: Where) -> Iterator[Problem]:
    """Yield a warning for each key that looks like a known one misspelt.

    Others are somebody else's.
    """
    for key in given:
        near = nearest(key, known, _NEAR) if isinstance(key, str) and key not in known else None
        if near and is_slip(key, near):
            yield where[key].warning(f"is passed over; did you mean '{near}'?")
        elif near:
            message = f"has a key that is passed over; did you mean '{near}'?"
            yield where[key].warning(message, hide_key=True)


def is_name(key: str) -> bool:
    """Say whether a key is made as names are. That it is none of a secret, it does not say."""
    return _NAME.fullmatch(key) is not None


def is_word(key: str) -> bool:
    """Say whether a key that others choose, where no secret stands, can be shown: it has no digit.

    That holds for what surely is the name of something, such as a label of users.
    """
    return _WORD.fullmatch(key) is not None


def is_slip(key: str, near: Optional[str]) -> bool:
    """Say whether a key is a known one but for so few letters that no secret stands in them."""
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
    """Return the known word that another is like, None where it is like none.

    `alike` says how much, from 0 to 1; what is compared is the `spelling` of both.
    """
    import difflib  # hardly ever needed, and not loaded by anything else

    names = {spelling(name): name for name in known}
    near = difflib.get_close_matches(spelling(word), names, 1, alike)
    return names[near[0]] if near else None


def too_many(value: Sequence[Any], most: int, where: Where, right: str) -> List[Problem]:
    """Return an error where there are more of something than an od.config can need.

    `right` says what to write instead.
    """
    if len(value) <= most:
        return []
    return [where.error(f"has {len(value)} items, more than the {most} that are read; {right}")]


def read_bool(value: Any, where: Where) -> Tuple[bool, List[Problem]]:
    """Return whether a value is True, and an error where it is neither True nor False."""
    if isinstance(value, bool):
        return value, []
    return False, [where.error(f"must be True or False without quotes, not {kind(value)}")]


def is_like_path(text: str) -> bool:
    """Say whether the name of a file that is not there can be shown: it begins as a path does.

    That of another one can be where it is not `is_like_secret`.
    """
    return text.startswith(("/", "./", "../", "~")) or not is_like_secret(text)


def is_unexpanded(text: str) -> bool:
    """Say whether a text is a variable or a placeholder that was to be filled in.

    A password may well have a ``$`` in it, but is not ``$TURN_SECRET``.
    """
    return _WHOLE.fullmatch(text[:MAX_LENGTH].strip()) is not None


def has_unexpanded(text: str) -> bool:
    """Say whether there is a variable or a placeholder in the text of a host or a port."""
    return _INSIDE.search(text[:MAX_LENGTH]) is not None


def kind(value: Any) -> str:
    """Return what a value is, in the words of messages, without showing it."""
    names = {bool: "a bool", int: "a whole number", float: "a number with a point"}
    names.update({str: "text", bytes: "bytes", list: "a list", tuple: "a tuple", dict: "a dict"})
    names[MappingProxyType] = "a dict"  # a frozen one
    return "None" if value is None else names.get(type(value), type(value).__name__)
