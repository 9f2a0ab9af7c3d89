"""An od.config file in, its entries as plain Python values out.

Only literals are read and nothing is executed; CherryPy, which pyos reads the
same file with, imports modules and calls functions that a value names.
"""

from __future__ import annotations

import os
import re
from itertools import chain
from typing import Any, Dict, Iterator, Optional, Tuple

from abcwebrtc.errors import ConfigError, KeyPath, Problem, Problems
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
from abcwebrtc.odconfig.source import Source, read_source, source_folder, source_name
from abcwebrtc.odconfig.value_tokens import LiteralError, check_lines

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


class OdConfig(Dict[str, Any]):
    """The entries of an od.config, with where they stand.

    `file` is the name of the file as it was given, `folder` the one in which the files
    that it names start. `warnings` are what is allowed and unwise. `closers` are those of
    them for which pyos refuses the whole file and abcwebrtc does not: closing brackets in
    the first column.
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
        self._positions: Positions = {}

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


def load_od_config(path: Source) -> OdConfig:
    """Return the ``webrtc.*``, ``desktop.*`` and ``jwt_*`` entries of a file.

    The values equal those that CherryPy's parser gives for the same literals,
    ``%`` interpolation done. Of the entries that abcwebrtc has no use for, one
    that is not a literal is left out. The result is a dict that also knows the
    line of every entry.

    Raises `UnreadableError` when the file can't be read or is larger than 1 MiB,
    and `ConfigError` with file, line and key when it is not UTF-8, has no
    ``[global]``, has an entry twice, or has something else than a literal in an
    entry that abcwebrtc uses. No message quotes a value.
    """
    file, folder = source_name(path), source_folder(path)
    try:
        return parse_od_config(read_od_config_text(path), file, folder)
    except ConfigError as error:
        kind, problems, warnings = type(error), error.problems, error.warnings
    # Anew: its traceback has frames with the file's text, and some tools show what frames hold.
    raise kind(*problems, warnings=warnings)


def read_od_config_text(path: Source) -> str:
    """Return the text of a file; raise `ConfigError` as `load_od_config`."""
    data, message, line = read_source(path), "", None
    if data.startswith(b"\xef\xbb\xbf"):
        message, line = "begins with a byte order mark, which pyos refuses; save it without", 1
    elif b"\0" in data[:2]:  # what Windows saves as Unicode, without its mark
        message, line = "is UTF-16; save the file as UTF-8", 1
    if not message:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = len(re.findall(rb"\r\n?|\n", data[: error.start])) + 1
            message = "not UTF-8 text; save the file as UTF-8"
    # Raised out here, since an exception's context would hold the text.
    raise ConfigError(Problem(message, "", source_name(path), line))


def parse_od_config(text: str, file: str = "od.config", folder: Optional[str] = None) -> OdConfig:
    """Return the entries of an od.config that is at hand as text.

    `file` is what messages call it. The files that it names start in `folder`, by default
    in that of `file`. Raises `ConfigError` as `load_od_config`.
    """
    return read_entries(read_sections(text, file), folder)


def read_entries(reader: IniReader, folder: Optional[str] = None) -> OdConfig:
    """Return the entries of an od.config whose sections are known; else as `parse_od_config`."""
    file, budget = reader.file, Budget()
    _check_percent_signs(reader.sections, file, budget)
    warnings = (*reader.warnings, *Problems(_unread_entries(reader.sections, file)))
    config = OdConfig(file, warnings, tuple(reader.closers), folder)
    interpolation = Interpolation(reader.sections, "global", file, budget)
    problems, repeated = Problems(), Problems()
    for entry in interpolation.entries.values():
        if not entry.key.startswith(_KEPT):
            continue
        for problem in _add_entry(config, entry, interpolation, budget):
            (problems if problem.level == "error" else repeated).add(problem)
    config.warnings = (*warnings, *repeated)
    errors = tuple(problems)
    if errors:
        raise ConfigError(*errors, warnings=config.warnings)
    return config


def read_sections(text: str, file: str) -> IniReader:
    """Return the sections of an od.config, whose values nobody has looked at.

    Raises `ConfigError` where pyos can't tell the entries apart, and where the
    text is something else than an od.config.
    """
    try:
        reader = IniReader(text, file)
        if "global" not in reader.sections:
            raise ConfigError(Problem("no [global] section; pyos reads no other", "", file))
        return reader
    except ConfigError as error:
        problem = error.problems[0]
    message = other_format(text, file)
    raise ConfigError(Problem(message, "", file, problem.line or 1) if message else problem)


def is_used(key: str) -> bool:
    """Say whether abcwebrtc uses an entry, if it stands in ``[global]``."""
    return key.startswith("webrtc.") or key in _USED


def _unread_entries(sections: Sections, file: str) -> Iterator[Problem]:
    """Yield a warning for each entry that would count elsewhere, or if it were written well."""
    elsewhere = "stands in a section that pyos does not read this from; move it below [global]"
    for name, section in sections.items():
        is_read = name in ("global", DEFAULT_SECTION)
        for entry in section.values():
            meant = None if is_used(entry.key) else _NAMES.get(letters(entry.key))
            message = f"no such entry; did you mean '{meant}'?" if meant and is_read else ""
            message = elsewhere if is_used(entry.key) and not is_read else message
            if message:
                yield Problem(message, shown(entry.key), file, entry.line, "warning")


def _check_percent_signs(sections: Sections, file: str, budget: Budget) -> None:
    defaults = [entry for entry in sections.get(DEFAULT_SECTION, {}).values() if "%" in entry.text]
    for name, section in sections.items():
        if name == DEFAULT_SECTION:
            continue
        interpolation = Interpolation(sections, name, file, budget)
        for entry in chain(section.values(), defaults):
            interpolation.check(interpolation.entries[entry.key])


def _add_entry(
    config: OdConfig, entry: Entry, interpolation: Interpolation, budget: Budget
) -> Iterator[Problem]:
    """Store an entry, or say what is wrong with one that abcwebrtc uses."""
    used = is_used(entry.key)
    lines: Lines = ((entry.line, ""),)
    try:
        check_lines(len(entry.numbers))
        lines = interpolation.expand(entry)
        value, positions, repeated = parse_literal(lines, (entry.key,), budget)
    except LiteralError as error:
        line = lines[min(error.index, len(lines) - 1)][0]
        if used:
            yield Problem(error.reason, shown(entry.key), config.file, line)
        return
    config.add(entry, value, positions)
    if used:
        message = (
            "a key stands twice in one dict, and Python takes the last; keep one of them "
            "(for two servers, write a list of two dicts)"
        )
        for line in repeated:
            yield Problem(message, shown(entry.key), config.file, line, "warning")
