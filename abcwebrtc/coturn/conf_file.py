"""coturn's turnserver.conf, read and written as coturn itself reads it.

Measured with coturn 4.6.1, whose reader is `read_config_file` of its
``mainrelay.c``: an option a line, ``name=value`` or ``name value``; a line that
begins with ``#`` is a comment, and nothing else is. Lines that it does not
understand are passed over with a line in its log.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

from abcwebrtc.config.problems import is_slip
from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import Range, host_address, parse_range
from abcwebrtc.coturn.options import (
    DEFAULTED,
    FLAG,
    LIST,
    NUMBER,
    OPTIONS,
    PORT,
    SHORT,
    SWITCH,
    TEXT,
)
from abcwebrtc.errors import ConfigError, Problem

Doubt = Tuple[str, str]
"""What is wrong with a line: level and message."""
OPTION = "--option"
"""Where an option stands that coturn is given on its command line."""
MAX_LINE_BYTES = 1023
"""Beyond this, coturn takes the rest of a line for a line of its own."""

_SPACE = b" \t\n\v\f\r"
_NAME = re.compile(rb"[^ =\t]*")
_SEPARATOR = re.compile(rb"[ =\t]*")
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_GONE = {
    "no-loopback-peers": "no such option since coturn 4.5.2, which refuses loopback peers anyway",
    "dh2066": "no such option; it is what coturn does without it",
}


@dataclass(frozen=True)
class Setting:
    """One option in a turnserver.conf. Its repr hides the value, which may be secret.

    `name` is one of `OPTIONS`, `value` what coturn makes of it (empty where
    there is none), `line` counts from 1. Where it stands elsewhere than in the
    file, `file` says so, and `line` is 0.
    """

    name: str
    value: bytes = field(repr=False)
    line: int
    file: str = ""

    @property
    def text(self) -> str:
        """The value as text."""
        return self.value.decode("utf-8", "surrogateescape")

    @property
    def on(self) -> bool:
        """What coturn makes of the value of a flag; nothing at all is yes."""
        return _flag(self.text) is not False

    @property
    def number(self) -> int:
        """What coturn makes of a number: its leading digits, or 0."""
        match = re.match(r"\s*([+-]?[0-9]+)", self.text)
        return int(match.group(1)) if match else 0

    @property
    def address(self) -> Optional[Address]:
        """The address that coturn reads; in brackets it reads none."""
        return None if self.text[:1] == "[" else host_address(self.text)

    @property
    def range(self) -> Optional[Range]:
        """The range of peers that coturn reads, None where it reads none."""
        return parse_range(self.text)

    @property
    def pair(self) -> Optional[Tuple[Address, Address]]:
        """The public and the private address of an ``external-ip`` that has both, or None.

        coturn takes an empty half for ``0.0.0.0``.
        """
        first, slash, second = self.text.partition("/")
        public, private = (host_address(half or "0.0.0.0") for half in (first, second))  # noqa: S104
        return (public, private) if slash and public and private else None


class TurnserverFile:
    """The settings of a turnserver.conf, and what is wrong with its lines.

    `file` is its name as it was given. `problems` holds errors and warnings;
    neither shows a value.
    """

    def __init__(self, file: str, settings: List[Setting], problems: List[Problem]) -> None:
        self.file = file
        self.settings = tuple(settings)
        self.problems = tuple(problems)

    def __repr__(self) -> str:
        """Name the file only: the values hold secrets."""
        return f"<TurnserverFile {self.file}: {len(self.settings)} settings>"

    def all(self, *names: str) -> Tuple[Setting, ...]:
        """Return the settings of these names, in the order of the file."""
        return tuple(setting for setting in self.settings if setting.name in names)

    def last(self, name: str) -> Optional[Setting]:
        """Return the setting of a name that counts, the last one, or None."""
        found = self.all(name)
        return found[-1] if found else None

    def text(self, name: str) -> str:
        """Return the text of an option, empty where it is not set."""
        setting = self.last(name)
        return setting.text if setting else ""

    def on(self, name: str) -> bool:
        """Say whether a flag is on."""
        setting = self.last(name)
        return bool(setting and setting.on)

    def number(self, name: str, default: int) -> int:
        """Return the number of an option, `default` where it is not set."""
        setting = self.last(name)
        return setting.number if setting else default


def parse_turnserver_conf(data: bytes, file: str) -> TurnserverFile:
    """Return the settings in the content of a turnserver.conf.

    Nothing is raised: what coturn would not read, or reads as something else
    than it looks, is among the `problems`.
    """
    settings: List[Setting] = []
    problems: List[Problem] = []
    seen: Dict[str, Setting] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        setting, found = _read_line(line, number, file)
        problems += found
        if setting is None:
            continue
        name, before = setting.name, seen.get(setting.name)
        if OPTIONS[name] != LIST and before and before.value != setting.value:
            message = f"takes the place of line {before.line}; take one of them out"
            problems.append(Problem(message, name, file, number, "warning"))
        seen[name] = setting
        settings.append(setting)
    return TurnserverFile(file, settings, problems)


def with_options(conf: TurnserverFile, options: Sequence[str]) -> TurnserverFile:
    """Return a file with options that coturn is given on its command line.

    Each is ``name=value`` or ``name``. coturn reads the file first, so an
    option wins over a line; of those that may be there several times all count.
    """
    settings, problems = list(conf.settings), list(conf.problems)
    if "-n" in options:
        settings, problems = [], []  # then coturn reads no file
    for option in options:
        if re.match(r"-[nc]\b", option):
            continue
        name, value = _of_command_line(option)
        if name not in OPTIONS:
            message = f"is no option, and coturn does not start with it{_hint(name)}"
            shown = name if is_slip(name, _nearest(name)) else ""
            problems.append(Problem(message, shown, OPTION))
            continue
        setting = Setting(name, value.encode("utf-8", "surrogateescape"), 0, OPTION)
        settings.append(setting)
        problems += [
            Problem(message, name, OPTION, None, level)
            for level, message in _doubts(setting, setting.value)
        ]
    return TurnserverFile(conf.file, settings, problems)


def _of_command_line(option: str) -> Tuple[str, str]:
    """Return the name and the value of an option as it stands on a command line."""
    short = re.fullmatch(r"-([A-Za-z])[ \t]*(.*)", option, re.DOTALL)
    if short and short.group(1) in SHORT:
        return SHORT[short.group(1)], short.group(2)
    name, value = re.sub(r"^-+", "", option), ""
    parts = re.fullmatch(r"([^= \t]*)(?:=|[ \t]+)(.*)", name, re.DOTALL)
    return (parts.group(1), parts.group(2)) if parts else (name, value)


def quoted(value: bytes, path: str = "") -> bytes:
    """Return a value in double quotes, so that coturn reads back the same value.

    Without them it drops what looks like blanks or ``=`` at the ends, and
    writes a line that ends in ``;`` to its log. Raises `ConfigError`, at `path`,
    for a value that no line can hold.
    """
    reason = why_no_line(value)
    if reason:
        raise ConfigError(Problem(reason, path))
    return b'"%s"' % value


def why_no_line(value: bytes) -> str:
    """Return why no line of turnserver.conf can hold a secret, or nothing."""
    reason = ""
    if re.search(rb"[\0\n\r]", value):
        reason = "has a line break or a NUL"
    elif len(value) > MAX_LINE_BYTES - len(b'static-auth-secret=""'):
        reason = "is too long for a line, which ends at 1023 bytes"
    return reason and f"{reason}, which turnserver.conf can't hold"


def _read_line(line: bytes, number: int, file: str) -> Tuple[Optional[Setting], List[Problem]]:
    """Return the setting of a line without its line feed, if there is one, and what is wrong."""
    problems: List[Problem] = []

    def found(level: str, message: str, name: str = "") -> None:
        problems.append(Problem(message, name, file, number, level))

    if len(line) > MAX_LINE_BYTES:
        found("error", "is longer than 1023 bytes, and coturn cuts it there")
    if number == 1 and line.startswith(b"\xef\xbb\xbf"):
        message = "begins with a byte order mark, so coturn passes over this line; save without"
        found("error", message)
        return None, problems
    text = line[:MAX_LINE_BYTES].partition(b"\0")[0].lstrip(b" \t").rstrip(_SPACE)
    if text.startswith(b"#") or not text:
        return None, problems
    if b"\0" in line:
        found("error", "holds a NUL, and coturn reads no further")
    name, value = _split(text)
    known = name.decode("ascii", "replace")
    if known in OPTIONS:
        setting = Setting(known, value, number)
        for level, message in _doubts(setting, text):
            found(level, message, known)
        return setting, problems
    # What stands here may be a piece of a secret, so it is not shown.
    stem = re.split("[:;,]", known.lstrip("-"))[0].replace("_", "-")
    message = _GONE.get(known) or f"no such option{_hint(stem.lower())}"
    found("warning", f"{message}; coturn passes over this line")
    return None, problems


def _hint(name: str) -> str:
    """Return the option that is perhaps meant by a name, in words, or nothing."""
    near = _nearest(name)
    return f"; did you mean '{near}'?" if near else ""


def _nearest(name: str) -> Optional[str]:
    return next(iter(difflib.get_close_matches(name, OPTIONS, 1, 0.75)), None)


def _split(text: bytes) -> Tuple[bytes, bytes]:
    """Return the name and the value of a line, as coturn's `parse_arg_string` does."""
    name = _NAME.match(text)
    end = name.end() if name else 0
    separator = _SEPARATOR.match(text, end)
    value = text[separator.end() if separator else end :]
    if value.startswith(b'"'):
        value = value[1:].rstrip(b"\n\r \t")
        value = value[:-1] if value.endswith(b'"') else value
    return text[:end], value


def _flag(text: str) -> Optional[bool]:
    """Return what coturn makes of a flag's value, None where it does not start."""
    if text[:1] in tuple("0nNfF") or text in ("off", "OFF", "Off"):
        return False
    if text[:1] in tuple("yYtT123456789") or text in ("", "on", "ON", "On"):
        return True
    return None


def _doubts(setting: Setting, line: bytes) -> List[Doubt]:
    """Return what is wrong with a value by itself: pairs of level and message."""
    kind, text = OPTIONS[setting.name], setting.text
    if kind == FLAG and _flag(text) is None:
        return [("error", "is neither yes nor no, and coturn does not start; write it alone")]
    if kind == SWITCH and _flag(text) is False:
        return [("warning", "is on whatever its value; take the line out to turn it off")]
    is_default = setting.name in DEFAULTED and not setting.value
    if kind in (NUMBER, PORT) and not (_WHOLE.match(text) or is_default):
        return [("error", "is not a whole number")]
    if kind == PORT and not 0 <= setting.number <= 65535:
        return [("error", "is not a port, a number from 1 to 65535")]
    if kind in (NUMBER, PORT) and goes_on(text):
        return [
            ("warning", "goes on behind the number, which has to stand alone; take out the rest")
        ]
    return _text_doubts(setting, line) if kind in (TEXT, LIST) else []


def goes_on(text: str) -> bool:
    """Say whether something stands behind a number, such as what was meant for a comment."""
    return bool(text) and not _WHOLE.fullmatch(text)


def _text_doubts(setting: Setting, line: bytes) -> List[Doubt]:
    value = setting.value
    found = []
    if not value and setting.name != "static-auth-secret":  # for which that is much worse
        found.append(("error", "has no value"))
    if re.fullmatch(rb"'.*'", value):
        found.append(("warning", "has single quotes, which belong to the value; write double ones"))
    if re.search(rb"[ \t]#", value):
        found.append(("warning", "goes on to the end of the line: only a whole line is a comment"))
    if line.endswith(b";"):
        message = "ends in ';', which belongs to the value; coturn writes such a line to its log"
        found.append(("warning", message))
    return found
