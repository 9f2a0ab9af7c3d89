"""Collects what is wrong or unwise in a configuration, with where it stands."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable, Iterable, List, Mapping, Optional, Tuple

from abcwebrtc.errors import ConfigError, KeyPath, Problem, format_path
from abcwebrtc.odconfig.ini import letters, shown
from abcwebrtc.odconfig.reader import OdConfig

_SLIP = 2
"""How many characters more a misspelt key has at most, so that no secret stands in it."""
_NEAR = 0.79
"""How alike a key and its misspelling are, from 0 to 1: enabel and enable are 0.83."""


class Findings:
    """The errors, warnings and notes found so far in one mapping.

    When the mapping is an `OdConfig`, each finding has its file and line.
    """

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._config = mapping if isinstance(mapping, OdConfig) else None
        self.errors: List[Problem] = []
        found = self._config.warnings if self._config else ()
        self.warnings: List[Problem] = [one for one in found if one.level != "note"]
        self.notes: List[Problem] = [one for one in found if one.level == "note"]

    def error(self, path: KeyPath, message: str) -> None:
        """Note an error: the configuration can't be used."""
        self.errors.append(self._problem(path, message, "error"))

    def warn(self, path: KeyPath, message: str) -> None:
        """Note something that is allowed but unwise."""
        self.warnings.append(self._problem(path, message, "warning"))

    def note(self, path: KeyPath, message: str) -> None:
        """Note something to know, which is no fault, also not where warnings are."""
        self.notes.append(self._problem(path, message, "note"))

    def attempt(self, path: KeyPath, action: Callable[[], Any]) -> Any:
        """Return what `action` returns, or note its `ConfigError` and return None."""
        try:
            return action()
        except ConfigError as error:
            for problem in error.problems:
                self.error(path, problem.message)
        return None

    def unknown_keys(
        self,
        path: KeyPath,
        given: Iterable[Any],
        known: Tuple[str, ...],
        hints: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Note each key that is not known as an error, with its hint or the nearest known one.

        `hints` are by the letters of a key in lower case.
        """
        for key in given:
            if key not in known:
                hint = hints.get(letters(key)) if isinstance(key, str) else None
                right = hint or suggestion(key, known)
                if hint or not isinstance(key, str) or _is_like(key, known):
                    self.error((*path, _shown(key)), f"no such key; {right}")
                else:  # which may be a secret, where a ':' was forgotten
                    message = f"has a key that is not known; {right}"
                    self.errors.append(self._problem(path, message, "error", (*path, key)))

    def misspelt_keys(self, path: KeyPath, given: Iterable[Any], known: Tuple[str, ...]) -> None:
        """Warn of each key that looks like a known one misspelt; others are somebody else's."""
        for key in given:
            right = misspelling(key, known)
            if right and _is_like(key, (right,)):
                self.warn((*path, key), f"is passed over; did you mean '{right}'?")

    def _problem(self, path: KeyPath, message: str, level: str, place: KeyPath = ()) -> Problem:
        """Return a finding at `path`, with the line of `place` where that is more exact."""
        if self._config is None:
            return Problem(message, format_path(path), level=level)
        line = self._config.line_of(place or path)
        text = format_path(path) if shown(str(path[0])) else ""
        return Problem(message, text, self._config.file, line, level)


def suggestion(key: Any, known: Tuple[str, ...]) -> str:
    """Return "did you mean 'ttl'?", or the known keys when none is near."""
    near = nearest(str(key).lower(), {name.lower(): name for name in known})
    if near:
        return f"did you mean '{near}'?"
    return "the keys are " + ", ".join(known)


def nearest(word: str, names: Mapping[str, str]) -> Optional[str]:
    """Return the value of the name that a word is like, None where it is like none."""
    import difflib  # hardly ever needed, and not loaded by anything else

    near = difflib.get_close_matches(word, names, 1)
    return names[near[0]] if near else None


def _is_like(key: str, known: Tuple[str, ...]) -> bool:
    """Say whether a key is a known one but for a slip, so that a message can show it."""
    names = {letters(name): name for name in known}
    right = nearest(letters(key), names)
    return right is not None and len(key) <= len(right) + _SLIP


def misspelling(key: Any, known: Tuple[str, ...]) -> Optional[str]:
    """Return the known key that another one is a misspelling of, None for any other word."""
    if key in known or not isinstance(key, str):
        return None
    import difflib

    names = {letters(name): name for name in known}
    near = difflib.get_close_matches(letters(key), names, 1, _NEAR)
    return names[near[0]] if near else None


def kind(value: Any) -> str:
    """Return what a value is, in the words of messages, without showing it."""
    names = {bool: "a bool", int: "a whole number", float: "a number with a point"}
    names.update({str: "text", bytes: "bytes", list: "a list", tuple: "a tuple", dict: "a dict"})
    names[MappingProxyType] = "a dict"  # a frozen one
    return "None" if value is None else names.get(type(value), type(value).__name__)


def _shown(key: Any) -> str:
    return key if isinstance(key, str) else kind(key)
