"""An od.config file in, its entries as plain Python values out.

Only literals are read and nothing is executed; CherryPy, which pyos reads the
same file with, imports modules and calls functions that a value names.
"""

from __future__ import annotations

import os
from itertools import chain
from typing import Any, Collection, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from abcwebrtc.errors import ConfigError, KeyPath, Problem, Problems, format_path
from abcwebrtc.odconfig.ini import (
    DEFAULT_SECTION,
    Budget,
    Entry,
    IniReader,
    Interpolation,
    Lines,
    Sections,
    letters,
    shown,
)
from abcwebrtc.odconfig.literals import Positions, parse_literal
from abcwebrtc.odconfig.other_files import other_format
from abcwebrtc.odconfig.recovery import Recovered, recover
from abcwebrtc.odconfig.source import Source, decoded, read_source, source_folder, source_name
from abcwebrtc.odconfig.value_tokens import BoundsError, LiteralError, check_lines

_KEPT = ("webrtc.", "desktop.", "jwt_")
_USED = ("desktop.envlocal", "desktop.pod", "jwt_token_user")
_NAMES = {
    letters(name): name
    for name in (
        *(f"webrtc.{word}" for word in ("enable", "coturn", "desktop")),
        *("webrtc.rtc_configuration", "webrtc.rtc_constraints"),
        *_USED,
    )
}
"""The entries that count, by their letters."""
MAX_REPEATED = 20
"""Entries that are looked at though they are given before."""
_TWICE = (
    "a key is given twice in one dict, and Python uses the last; keep one of them "
    "(for two servers, write a list of two dicts)"
)
_JOINED = (
    "Python joins two texts of a list here, since no comma is between them; write the comma, or, "
    "if they are one text, put ( ) around them"
)


class OdConfig(Dict[str, Any]):
    """The entries of an od.config, with their lines.

    `file` is the name of the file as it was given, `folder` the one in which the files
    that it names start. `warnings` are what is allowed and unwise. `closers` are those of
    them for which pyos refuses the whole file and abcwebrtc does not: closing brackets in
    the first column. `errors` are why the entries can't be used; those that are here
    nevertheless are good for one thing, to find more errors, and so are the `repeated`
    ones, each in an OdConfig of its own.
    """

    def __init__(
        self,
        file: str,
        warnings: Tuple[Problem, ...] = (),
        closers: Tuple[Problem, ...] = (),
        folder: Optional[str] = None,
    ) -> None:
        super().__init__()
        self.file = file
        self.folder = os.path.dirname(os.path.abspath(file)) if folder is None else folder
        self.warnings = warnings
        self.closers = closers
        self.errors: Tuple[Problem, ...] = ()
        self.repeated: List[OdConfig] = []
        self._positions: Positions = {}
        self._unsure: Set[str] = set()
        self._around: Set[str] = set()
        self._incomplete: Dict[str, Set[str]] = {}

    def __repr__(self) -> str:
        """Name the file only: the values hold secrets."""
        return f"<OdConfig {self.file}: {len(self)} entries>"

    def add(self, entry: Entry, value: Any, positions: Positions) -> None:
        """Store an entry with the lines of what is inside its value."""
        self[entry.key] = value
        self._positions[(entry.key,)] = entry.line
        self._positions.update(positions)

    def line_of(self, path: KeyPath) -> Optional[int]:
        """Return the line of a key path, or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._positions:
                return self._positions[path[:length]]
        return None

    def doubt(self, unsure: Collection[KeyPath], incomplete: Collection[KeyPath] = ()) -> None:
        """Note at which key paths there is no value, or only a part of one."""
        self._unsure.update(map(format_path, unsure))
        children: Dict[KeyPath, Set[str]] = {path: set() for path in incomplete}
        for path in self._positions if children else ():
            if path[:-1] in children:
                children[path[:-1]].add(format_path(path))
        self._incomplete.update((format_path(path), inside) for path, inside in children.items())
        around = {path[:-1] for path in (*unsure, *incomplete)} - {()}
        while around:
            self._around.update(map(format_path, around))
            around = {path[:-1] for path in around} - {()}

    def is_sure(self, problem: Problem) -> bool:
        """Return whether a problem of a value is one, and does not come of another problem."""
        if not (self._unsure or self._incomplete):
            return True
        parents = list(_parents(problem.path))
        if any(path in self._unsure for path in parents):
            return False
        if problem.path in self._incomplete:
            return False
        if problem.level == "warning" and problem.path in self._around:
            return False  # what is unwise about a dict or a list follows from what is in it
        return all(
            child in self._incomplete[path]
            for child, path in zip(parents, parents[1:])
            if path in self._incomplete
        )


def _parents(path: str) -> Iterator[str]:
    """Yield a key path as text, and each path around it."""
    yield path
    while path:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
        yield path


def load_od_config(path: Source) -> OdConfig:
    """Return the ``webrtc.*``, ``desktop.*`` and ``jwt_*`` entries of a file.

    The values equal those that CherryPy's parser gives for the same literals,
    ``%`` interpolation done. Of the entries that abcwebrtc has no use for, one
    that is not a literal is left out. The result is a dict that also knows the
    line of every entry.

    Raises `UnreadableError` when the file can't be read or is larger than 1 MiB,
    and `ConfigError` with file, line and key when it is not UTF-8, has no
    ``[global]``, has an entry twice, or has something else than a literal in an
    entry that abcwebrtc uses. It names every such error. No message quotes a value.
    """
    return _sound(read_od_config(path))


def read_od_config(path: Source) -> OdConfig:
    """Return the entries of a file as `load_od_config` does, and what is wrong as its `errors`.

    Raises `UnreadableError` when the file can't be read.
    """
    file = source_name(path)
    text, errors = decoded(read_source(path), file)
    return read_entries(scan_sections(text, file, errors), source_folder(path))


def parse_od_config(text: str, file: str = "od.config", folder: Optional[str] = None) -> OdConfig:
    """Return the entries of an od.config that is at hand as text.

    `file` is what messages call it. The files that it names start in `folder`, by default
    in that of `file`. Raises `ConfigError` as `load_od_config`.
    """
    return _sound(read_entries(scan_sections(text, file), folder))


def _sound(config: OdConfig) -> OdConfig:
    errors, warnings = config.errors, config.warnings
    if not errors:
        return config
    del config  # some tools show what the frames of a traceback hold
    raise ConfigError(*errors, warnings=warnings)


def read_entries(reader: IniReader, folder: Optional[str] = None) -> OdConfig:
    """Return the entries of an od.config whose sections are known."""
    file, budget = reader.file, Budget()
    interpolation = Interpolation(reader.sections, "global", file, budget)
    entries = _EntryReader(interpolation, budget)
    entries.errors.extend((*reader.errors, *_percent_faults(reader, interpolation, budget)))
    config = OdConfig(file, (), tuple(reader.closers), folder)
    for entry in interpolation.entries.values():
        entries.read(config, entry)
    for entry in reader.repeated[:MAX_REPEATED]:
        other = OdConfig(file, folder=config.folder)
        entries.read(other, entry)
        config.repeated.append(other)
    config.errors = tuple(entries.errors)
    unread = Problems(_unread_entries(reader.sections, file))
    config.warnings = (*reader.warnings, *unread, *entries.warnings)
    return config


def read_sections(text: str, file: str) -> IniReader:
    """Return the sections of an od.config, whose values nobody has looked at.

    Raises `ConfigError` where pyos can't tell the entries apart, and where the
    text is something else than an od.config.
    """
    reader = scan_sections(text, file)
    errors = tuple(reader.errors)
    if not errors:
        return reader
    del reader, text
    raise ConfigError(*errors)


def scan_sections(text: str, file: str, errors: Sequence[Problem] = ()) -> IniReader:
    """Return the sections of an od.config as far as they can be told apart, with what is wrong.

    `errors` were found in it before. Where it is something else than an od.config, it has none.
    """
    reader = IniReader(text, file)
    has_global = "global" in reader.sections
    bad = {problem.line for problem in errors}  # in these lines anything may be wrong
    found = tuple(problem for problem in reader.errors if problem.line not in bad)
    message = other_format(text, file) if found or not has_global else ""
    if message:
        line = (found[0].line if found else None) or 1
        reader = IniReader("[global]", file)
        found = (Problem(message, "", file, line),)
    elif not has_global:
        _make_global(reader.sections)
        found = (*found, Problem("no [global] section; pyos reads no other", "", file))
    elif not (reader.has_header or any(map(is_used, reader.sections["global"]))):
        found = found[:1]  # nothing in it is like an od.config
    reader.errors = Problems((*errors, *found))
    return reader


def _make_global(sections: Sections) -> None:
    """Take all sections together for the one that is missing."""
    entries: Dict[str, Entry] = {}
    for section in sections.values():
        for key, entry in section.items():
            entries.setdefault(key, entry)
    sections["global"] = entries


def is_used(key: str) -> bool:
    """Return whether abcwebrtc uses an entry of ``[global]``."""
    return key.startswith("webrtc.") or key in _USED


def _unread_entries(sections: Sections, file: str) -> Iterator[Problem]:
    """Yield a warning for each entry that would count elsewhere, or if it were written well."""
    elsewhere = "is in a section that pyos does not read it from; move it below [global]"
    for name, section in sections.items():
        is_read = name in ("global", DEFAULT_SECTION)
        for entry in section.values():
            whole = f"{name}.{entry.key}"  # in [webrtc], enable is meant as webrtc.enable
            key = whole if is_used(whole) and not is_read else entry.key
            meant = None if is_used(key) else _NAMES.get(letters(key))
            message = f"no such entry; did you mean '{meant}'?" if meant and is_read else ""
            message = elsewhere if is_used(key) and not is_read else message
            if message:
                yield Problem(message, shown(key), file, entry.line, "warning")


def _percent_faults(
    reader: IniReader, interpolation: Interpolation, budget: Budget
) -> Iterator[Problem]:
    """Yield what is wrong with each ``%`` of a file, once; `interpolation` is that of [global]."""
    sections, seen = reader.sections, set()
    defaults = [entry for entry in sections.get(DEFAULT_SECTION, {}).values() if "%" in entry.text]
    for name, section in sections.items():
        if name == DEFAULT_SECTION:
            continue
        here = interpolation
        if name != "global":
            here = Interpolation(sections, name, reader.file, budget)
        for entry in chain(section.values(), defaults):
            for problem in here.faults(here.entries[entry.key]):
                if problem not in seen:
                    seen.add(problem)
                    yield problem
                if here.has_too_much:  # nothing is expanded any more
                    interpolation.has_too_much = True
                    return
    for entry in reader.repeated:
        yield from (problem for problem in interpolation.faults(entry) if problem not in seen)


class _EntryReader:
    """Reads entries, and keeps what is wrong in those that abcwebrtc uses."""

    def __init__(self, interpolation: Interpolation, budget: Budget) -> None:
        self.errors = Problems()
        self.warnings = Problems()
        self._interpolation = interpolation
        self._budget = budget

    def read(self, config: OdConfig, entry: Entry) -> None:
        """Store an entry, or what can be read of it."""
        if not entry.key.startswith(_KEPT):
            return
        path = (entry.key,)
        lines: Lines = ((entry.line, ""),)
        try:
            check_lines(len(entry.numbers))
            lines = self._interpolation.expand(entry)
            if not self._interpolation.is_broken(entry):
                value, positions, repeated, joined = parse_literal(lines, path, self._budget)
                config.add(entry, value, positions)
                self._warn(config, entry, repeated, _TWICE)
                if entry.key.startswith("webrtc."):  # in others, pyos may have long texts in lists
                    self._warn(config, entry, joined, _JOINED)
                return
            first: Optional[LiteralError] = None
        except LiteralError as error:
            first = error
        except ConfigError as error:  # of %(...)s, which expands to too much
            self.errors.extend(error.problems)
            config.doubt([path])
            return
        if is_used(entry.key):
            self._read_on(config, entry, lines, first)

    def _read_on(
        self, config: OdConfig, entry: Entry, lines: Lines, first: Optional[LiteralError]
    ) -> None:
        """Store what can be read of a faulty entry, and report every fault."""
        found = None if isinstance(first, BoundsError) else self._recovered(entry, lines)
        if found:
            config.add(entry, found.value, found.positions)
            config.doubt(found.unsure, found.incomplete)
            self._warn(config, entry, found.repeated, _TWICE)
        faults = found.faults if found else ()
        if first and not faults:
            faults = ((first.index, first.reason, 1),)
            config.doubt([(entry.key,)])
        for index, reason, number in faults:
            line = lines[min(index, len(lines) - 1)][0]
            name = shown(entry.key)
            self.errors.add(Problem(reason, name, config.file, line, more=number - 1))

    def _recovered(self, entry: Entry, lines: Lines) -> Optional[Recovered]:
        try:
            return recover(lines, (entry.key,), self._budget)
        except BoundsError:
            return None

    def _warn(self, config: OdConfig, entry: Entry, lines: Tuple[int, ...], message: str) -> None:
        for line in lines if is_used(entry.key) else ():
            problem = Problem(message, shown(entry.key), config.file, line, "warning")
            self.warnings.add(problem)
