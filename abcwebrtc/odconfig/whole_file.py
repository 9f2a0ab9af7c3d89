"""Decide whether pyos accepts an od.config as a whole.

pyos does not start if CherryPy can't evaluate a value, whatever its section and purpose.
So entries that abcwebrtc does not use matter too.
"""

from __future__ import annotations

import re
from collections import ChainMap
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from abcwebrtc.errors import ConfigError, Problem, Problems
from abcwebrtc.odconfig.evaluable import check_evaluable
from abcwebrtc.odconfig.ini import (
    DEFAULT_SECTION,
    POISON,
    Budget,
    Entry,
    IniReader,
    Interpolation,
    Lines,
    Sections,
    shown,
)
from abcwebrtc.odconfig.reader import is_used
from abcwebrtc.odconfig.recovery import recover
from abcwebrtc.odconfig.value_tokens import MAX_PARTS, BoundsError, LiteralError, check_lines

_REFUSED = "pyos refuses the whole file: "
_DOUBT = (
    "pyos treats this as a Python module, and refuses the whole file if it has no such module; "
    "put text in quotes"
)
_ENVIRONMENT = "the section [environment] means something else to CherryPy; rename it"
_TOO_LARGE = "%(...)s expands to much text, so not every entry was checked as pyos sees it"
_SWALLOWED = (
    "begins with a space, so it belongs to the entry above, and pyos ignores it; remove the space"
)

OF_PYOS = (
    *("auth.logmein", "auth.prelogin", "authmanagers", "controllers", "default_host_url", "dock"),
    *("executeclasses", "fail2ban", "front.menuconfig", "language", "ldapconfig", "logging"),
    *("namespace", "server.default.ipaddr", "server.socket_host", "server.socket_port"),
    *("tipsinfo", "websocketrouting"),
)
"""Entries of pyos that a message can show; a value that lost its indent is not one of them."""

_PLAIN = re.compile(r"""'[^'\\\n\0%]*'|"[^"\\\n\0%]*"|-?[1-9][0-9]{0,14}|True|False|None|""")
"""Values that every Python reads, as most are; building a tree for each takes ten times as long."""
_Found = Tuple[int, str, str]
"""The index of a line, a level, and a message."""


def pyos_problems(reader: IniReader) -> Tuple[Problem, ...]:
    """Return what pyos would find wrong in the entries that abcwebrtc does not use.

    An "error" makes pyos reject the file. A "warning" may do so, but can't be judged from
    here. `read_entries` reports a bad ``%``. Nothing is executed or imported.
    """
    return tuple(_Judge(reader.sections, reader.file, reader.repeated).problems())


class _Judge:
    def __init__(self, sections: Sections, file: str, repeated: Sequence[Entry] = ()) -> None:
        self._repeated = repeated
        self._sections = sections
        self._file = file
        self._budget = Budget()
        self._read = ChainMap(sections.get("global", {}), sections.get(DEFAULT_SECTION, {}))
        defaults = sections.get(DEFAULT_SECTION, {}).values()
        self._differing = [entry for entry in defaults if "%" in entry.text]
        self._same = [entry for entry in defaults if "%" not in entry.text]
        self._known: Dict[Tuple[str, ...], List[_Found]] = {}
        self._seen: Set[Tuple[Optional[int], str]] = set()

    def problems(self) -> Problems:
        """Return the problems of all sections."""
        found = Problems()
        try:
            for name in sorted(self._sections, key=lambda name: name != "global"):
                found.extend(self._of_section(name))
        except ConfigError:
            found.add(Problem(_TOO_LARGE, "", self._file, None, "warning"))
        return found

    def _of_section(self, name: str) -> Iterator[Problem]:
        if name == DEFAULT_SECTION:
            return
        interpolation = Interpolation(self._sections, name, self._file, self._budget)
        if name == "environment" and interpolation.entries:
            first = next(iter(interpolation.entries.values()))
            yield Problem(_REFUSED + _ENVIRONMENT, "", self._file, first.line)
        own = self._sections[name]
        defaults = [entry for entry in (*self._same, *self._differing) if entry.key not in own]
        self._same = [entry for entry in self._same if entry.key in own]  # the others are done
        for entry in (*own.values(), *(self._repeated if name == "global" else ())):
            if not self._is_read_elsewhere(entry, name):
                yield from self._of_entry(entry, interpolation)
        for entry in defaults:
            if self._is_read_elsewhere(entry, name):
                continue
            for problem in self._of_entry(entry, interpolation):
                place = problem.line, problem.message
                if place not in self._seen:  # a default is there for each section
                    self._seen.add(place)
                    yield problem

    def _is_read_elsewhere(self, entry: Entry, section: str) -> bool:
        """Return whether `read_entries` says what is wrong with an entry of a section.

        It reads the entries that abcwebrtc uses, also those in ``[DEFAULT]``, and in another
        section if there is no ``[global]``.
        """
        if section == "global":
            return is_used(entry.key)
        is_the_same = "%" not in entry.text and self._read.get(entry.key) is entry
        return is_the_same and is_used(entry.key)

    def _of_entry(self, entry: Entry, interpolation: Interpolation) -> Iterator[Problem]:
        if _PLAIN.fullmatch(entry.text):
            return
        try:
            interpolation.check(entry)
        except ConfigError:
            if not self._budget.spend(len(entry.text)):
                raise  # and so on for each entry of each section
            if not any(interpolation.faults(entry)) or interpolation.has_too_much:
                return
        lines: Lines = ((entry.line, ""),)
        if len(entry.numbers) <= MAX_PARTS:  # else it need not even be expanded
            lines = interpolation.expand(entry)
        path = entry.key if entry.key in OF_PYOS else shown(entry.key)
        for index, level, message in self._found(entry, lines):
            line = lines[min(index, len(lines) - 1)][0]
            yield Problem(message, path, self._file, line, level)

    def _found(self, entry: Entry, lines: Lines) -> List[_Found]:
        if "%" not in entry.text:
            return list(self._of_value(entry, lines))
        texts = tuple(text for _, text in lines)
        if texts not in self._known:
            self._known[texts] = list(self._of_value(entry, lines))
        return self._known[texts]

    def _of_value(self, entry: Entry, lines: Lines) -> Iterator[_Found]:
        try:
            check_lines(len(entry.numbers))
            found = check_evaluable(lines, self._budget)
        except BoundsError as error:
            message = f"not checked: {error.reason}; pyos may refuse the whole file for it"
            yield error.index, "warning", message
            return
        except LiteralError as error:
            for index, reason in self._faults(lines, error):
                yield index, "error", _REFUSED + reason
            return
        behind = len(lines) if found.behind is None else found.behind
        for index, (_, text) in enumerate(lines[behind:], behind):
            if is_used(text.partition("=")[0].partition(":")[0].strip()):
                yield index, "warning", _SWALLOWED
        for index in dict.fromkeys(found.doubts):
            yield index, "warning", _DOUBT

    def _faults(self, lines: Lines, error: LiteralError) -> List[Tuple[int, str]]:
        """Return everything that is wrong in a value; `error` is the first fault."""
        try:
            found = recover(lines, (), self._budget, literal=False).faults
        except BoundsError:
            found = ()
        if not found and any(POISON in text for _, text in lines):
            return []  # what is wrong is a reference, of which the reader tells
        return [(index, reason) for index, reason, _ in found] or [(error.index, error.reason)]
