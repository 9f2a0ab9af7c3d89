"""The INI layer of od.config: sections, entries, lines, ``%`` interpolation.

It reads what `configparser.ConfigParser` reads when CherryPy's
``cherrypy.lib.reprconf.Parser`` drives it, and refuses what that refuses. It
exists because `configparser` keeps no line numbers, is quadratic in long lines
without a delimiter, and interpolates without a bound.
"""

from __future__ import annotations

import io
import re
from collections import ChainMap
from typing import Dict, Iterator, List, Mapping, NoReturn, Optional, Sequence, Set, Tuple

from abcwebrtc.errors import MAX_OF_A_KIND, ConfigError, Problem, Problems

Lines = Tuple[Tuple[int, str], ...]
"""The lines of a value, each with its number in the file."""
Sections = Dict[str, Dict[str, "Entry"]]

DEFAULT_SECTION = "DEFAULT"
MAX_DEPTH = 10
"""The depth of interpolation, as in `configparser.MAX_INTERPOLATION_DEPTH`."""
MAX_GROWTH = 4 * 1024 * 1024
"""The most characters and items by which the values of one file may grow."""

POISON = "\ue000"
"""A stand-in for the text of a bad ``%(name)s``; nobody writes this character."""

MAX_FAULTS = 1000
"""The number of wrong lines after which the rest of a file is not read."""
_SECTION = re.compile(r"\[(?P<header>[^]]+)\]")
_OPTION = re.compile(r"(?P<key>[^:=]*)[:=](?P<value>.*)", re.DOTALL)
_QUOTED = re.compile(r"""'[^'\n]*'|"[^"\n]*"|\#.*""")
_REFERENCE = re.compile(r"%(?:(?P<percent>%)|\((?P<name>[^)]+)\)s|)")
_REFERENCE_COST = 16
_MAX_BROKEN = 10_000
"""Characters of a value that is expanded though a ``%`` in it is wrong."""
_LINE_COST = 32
_ENTRY_COST = 128
_TOO_MUCH = "%(...)s expands to too much text"
_BARE_PERCENT = "a bare '%' makes pyos refuse the whole file; write '%%'"
_NO_ENTRY = "%(...)s names no entry of the file; for a '%' write '%%'"
_SHOWN = re.compile(r"(webrtc\.|desktop\.|jwt_)[A-Za-z_]{1,50}")


def shown(key: str) -> str:
    """Return a key if a message can show it, else nothing.

    A value that lost its indent is read as a key, so only what surely is the
    name of an entry is shown.
    """
    return key if _SHOWN.fullmatch(key) else ""


def letters(key: str) -> str:
    """Return the letters and digits of a key in lower case."""
    return "".join(filter(str.isalnum, key)).lower()


class Budget:
    """The rest of `MAX_GROWTH` for one file."""

    def __init__(self) -> None:
        self._left = MAX_GROWTH

    def spend(self, amount: int) -> bool:
        """Take an amount away if that much is left, and return whether it was."""
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Entry:
    """One ``key: value`` of a section, before interpolation.

    `numbers` are those of the lines of its `text`, `line` is that of the key.
    """

    __slots__ = ("key", "line", "numbers", "text")

    def __init__(self, key: str, numbers: Sequence[int], text: str) -> None:
        self.key = key
        self.line = numbers[0]
        self.numbers = numbers
        self.text = text

    @property
    def lines(self) -> Lines:
        """The lines of the value."""
        return tuple(zip(self.numbers, self.text.split("\n")))


class IniReader:
    """Reads one text; afterwards `sections`, `errors` and `warnings` hold what it found.

    It goes on after each error, so that it finds all of them. Text before the first section
    counts as ``[global]``. `repeated` has the entries of ``[global]`` that were given before.
    `closers` are those of the warnings that make pyos refuse the file, the first ones.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.sections: Sections = {}
        self.errors = Problems()
        self.warnings = Problems()
        self.closers = Problems()
        self.repeated: List[Entry] = []
        self.has_header = False
        self._section_lines: Dict[str, int] = {}
        self._section: Optional[str] = None
        self._key: Optional[str] = None
        self._indent = 0
        self._numbers: List[int] = []
        self._texts: List[str] = []
        self._is_repeated = False
        self._faults = 0
        self._depth = self._counted = 0
        self._read(text)

    def _fault(self, line: int, message: str, path: str = "") -> None:
        self._faults += 1
        self.errors.add(Problem(message, path, self.file, line))

    def _read(self, text: str) -> None:
        lines = io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n"), newline="\n")
        for number, line in enumerate(lines, start=1):
            if self._faults > MAX_FAULTS:
                break
            stripped = line.strip()
            if stripped[:1] in ("#", ";"):
                continue
            if stripped:
                self._read_line(number, line, stripped)
            elif self._key is not None:
                self._add_line(number, "")
        self._end_entry()

    def _read_line(self, number: int, line: str, stripped: str) -> None:
        indent = len(line) - len(line.lstrip())
        if self._key is not None and indent <= self._indent and _is_lone_closer(line):
            # abcdesktop's own documentation shows an entry that ends like this.
            message = (
                f"this '{stripped[0]}' is in the first column, so pyos refuses the "
                "whole file; put a space before it"
            )
            self.closers.add(self._warn(number, message))
            indent = self._indent + 1
        if self._key is not None and indent <= self._indent and self._lost_its_indent(stripped):
            message = "belongs to the value above; indent it with a space"
            self._fault(number, message)
            indent = self._indent + 1
        if self._key is not None and indent > self._indent:
            self._add_line(number, stripped)
            return
        self._end_entry()
        self._indent = indent
        header = _SECTION.match(stripped)
        if header:
            self._start_section(number, header.group("header"))
            if "]" in stripped[header.end() :]:
                message = (
                    "a second ']' follows this section's, and Python 3.10 and later read all "
                    "before it as the name; remove what follows the first one"
                )
                self._warn(number, message)
        else:
            self._start_entry(number, stripped)

    def _lost_its_indent(self, stripped: str) -> bool:
        """Return whether a line surely belongs to the value above, not to an entry of its own."""
        if stripped[0] not in "'\"{" and _OPTION.match(stripped):
            return False
        return not _SECTION.match(stripped) and self._is_inside()

    def _warn(self, number: int, message: str) -> Problem:
        problem = Problem(message, "", self.file, number, "warning")
        self.warnings.add(problem)
        return problem

    def _add_line(self, number: int, text: str) -> None:
        self._numbers.append(number)
        self._texts.append(text)

    def _start_section(self, number: int, name: str) -> None:
        self.has_header = True
        first = self._section_lines.setdefault(name, number)
        if first != number and name != DEFAULT_SECTION:
            self._fault(number, f"this section is given twice, first in line {first}; keep one")
        self.sections.setdefault(name, {})
        self._section = name

    def _start_entry(self, number: int, stripped: str) -> None:
        is_first = self._section is None
        if self._section is None:
            message = "text before the first section; od.config starts with [global]"
            if not stripped[0].isprintable():
                message = "this line begins with an invisible character; remove it"
            self._fault(number, message)
            self._section = "global"
            self.sections.setdefault(self._section, {})
        match = _OPTION.match(stripped)
        key = match.group("key").rstrip() if match else ""
        text = match.group("value").strip() if match else ""
        if not key:
            if is_first:
                return
            name, _, text = stripped.partition(" ")
            if not shown(name):
                message = (
                    "neither 'key: value' nor a section; "
                    "if it continues the value above, indent it with a space"
                )
                self._fault(number, message)
                return
            self._fault(number, "neither 'key: value' nor a section; write a ':' after the name")
            key, text = name, text.strip()
        entries = self.sections[self._section]
        self._key, self._is_repeated = key, key in entries
        if self._is_repeated:
            first = entries[key].line
            message = f"given twice, in lines {first} and {number}; keep one of them"
            self._fault(number, message, shown(key))
        self._numbers, self._texts = [], []
        self._depth = self._counted = 0
        self._add_line(number, text)
        entries.setdefault(key, Entry(key, (number,), ""))

    def _is_inside(self) -> bool:
        """Return whether a bracket of the value is open, judged without its grammar.

        Looked at only for a line that is likely to have lost its indent.
        """
        for text in self._texts[self._counted :]:
            bare = _QUOTED.sub("", text)
            self._depth += sum(bare.count(bracket) for bracket in "([{")
            self._depth -= sum(bare.count(bracket) for bracket in ")]}")
        self._counted = len(self._texts)
        return self._depth > 0

    def _end_entry(self) -> None:
        if self._section is None or self._key is None:
            return
        while len(self._texts) > 1 and not self._texts[-1]:
            self._texts.pop()
        first, last = self._numbers[0], self._numbers[len(self._texts) - 1]
        numbers: Sequence[int] = range(first, last + 1)
        if len(numbers) != len(self._texts):  # a comment stands between them
            numbers = tuple(self._numbers[: len(self._texts)])
        entry = Entry(self._key, numbers, "\n".join(self._texts))
        if not self._is_repeated:
            self.sections[self._section][self._key] = entry
        elif self._section == "global":
            self.repeated.append(entry)
        self._key = None


def _is_lone_closer(line: str) -> bool:
    """Return whether a line begins with closing brackets and holds nothing else."""
    rest = line.lstrip(")]}")
    if rest == line:
        return False
    rest = rest.strip()
    rest = rest[1:].lstrip() if rest.startswith(",") else rest
    return not rest or rest.startswith("#")


class Interpolation:
    """``%(name)s`` and ``%%`` in the values of one section.

    `entries` are those of the section, those of ``[DEFAULT]`` among them.
    """

    def __init__(self, sections: Sections, section: str, file: str, budget: Budget) -> None:
        self.file = file
        self.entries: Mapping[str, Entry] = ChainMap(
            sections.get(section, {}), sections.get(DEFAULT_SECTION, {})
        )
        self._budget = budget
        self._heights: Dict[str, int] = {}
        self._broken: Set[int] = set()
        self.has_too_much = False

    def check(self, entry: Entry) -> None:
        """Refuse a ``%`` that would make pyos reject the file. Expand nothing."""
        self._height(entry, 1)

    def faults(self, entry: Entry) -> Iterator[Problem]:
        """Yield what is wrong with each ``%`` of an entry; one in an entry it names is not its own.

        `expand` then takes a bare ``%`` for one, and `POISON` for what can't be known.
        """
        try:
            self._height(entry, 1)
            return
        except ConfigError as error:
            first = error.problems[0]
        self._broken.add(id(entry))
        self.has_too_much = first.message == _TOO_MUCH
        own = 0
        for number, text in entry.lines:
            message = self._wrong_reference(text) if own < MAX_OF_A_KIND else ""
            if message:
                own += 1
                yield Problem(message, shown(entry.key), self.file, number)
        if not own:
            yield first

    def is_broken(self, entry: Entry) -> bool:
        """Return whether something was wrong with a ``%`` of an entry."""
        return id(entry) in self._broken

    def _wrong_reference(self, text: str) -> str:
        """Return what is wrong with the first bad ``%`` of a line, or nothing."""
        for match in _REFERENCE.finditer(text):
            name = match.group("name")
            if name is None and not match.group("percent"):
                return _BARE_PERCENT
            if name is not None and name not in self.entries:
                return _NO_ENTRY
        return ""

    def _height(self, entry: Entry, depth: int) -> int:
        """Return how deep the references of an entry go, and refuse bad ones."""
        if "%" not in entry.text:
            return 0
        known = self._heights.get(entry.key, 1)
        if depth + known - 1 > MAX_DEPTH:
            message = f"%(...)s is nested more than {MAX_DEPTH} deep, or refers to itself"
            self._fail(entry, entry.line, message)
        if entry.key in self._heights:
            return known
        if not self._budget.spend(len(entry.text) + _ENTRY_COST):
            self._fail(entry, entry.line, _TOO_MUCH)
        heights = [0]
        for number, text in entry.lines:
            for match in _REFERENCE.finditer(text):
                if not match.group("percent"):
                    heights.append(self._height(self._target(match, entry, number), depth + 1))
        self._heights[entry.key] = 1 + max(heights)
        return self._heights[entry.key]

    def expand(self, entry: Entry) -> Lines:
        """Return the lines of a value that was checked, interpolated.

        Each keeps the number of the line in the file that it comes from.
        """
        if self.has_too_much and "%" in entry.text:
            self._fail(entry, entry.line, _TOO_MUCH)
        if self.is_broken(entry) and len(entry.text) > _MAX_BROKEN:
            return ((entry.line, POISON),)  # to look for a name's end takes the square of the time
        expanded: List[Tuple[int, str]] = []
        for number, text in entry.lines:
            result = self._expand(text, entry, number)
            expanded.extend((number, part) for part in result.split("\n"))
        return tuple(expanded)

    def _expand(self, text: str, entry: Entry, number: int) -> str:
        if "%" not in text:
            return text
        return _REFERENCE.sub(lambda match: self._replace(match, entry, number), text)

    def _replace(self, match: "re.Match[str]", entry: Entry, number: int) -> str:
        name = match.group("name")
        if name is None and (match.group("percent") or self.is_broken(entry)):
            return "%"
        if self.is_broken(entry) and not self._is_whole(self.entries.get(name)):
            return POISON
        text = self._expand(self._target(match, entry, number).text, entry, number)
        cost = len(text) + _REFERENCE_COST + _LINE_COST * text.count("\n")
        if not self._budget.spend(cost):
            self._fail(entry, number, _TOO_MUCH)
        return text

    def _is_whole(self, entry: Optional[Entry]) -> bool:
        """Return whether an entry exists, and nothing is wrong with what it refers to."""
        if entry is None or self.is_broken(entry):
            return False
        try:
            self._height(entry, 1)
        except ConfigError:
            self._broken.add(id(entry))
        return not self.is_broken(entry)

    def _target(self, match: "re.Match[str]", entry: Entry, number: int) -> Entry:
        name = match.group("name")
        if name is None:
            self._fail(entry, number, _BARE_PERCENT)
        if name not in self.entries:
            self._fail(entry, number, _NO_ENTRY)
        return self.entries[name]

    def _fail(self, entry: Entry, number: int, message: str) -> NoReturn:
        raise ConfigError(Problem(message, shown(entry.key), self.file, number))
