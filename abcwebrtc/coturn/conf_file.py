"""Reads and quotes turnserver.conf as coturn itself reads it.

Measured with coturn 4.6.1, whose reader is `read_config_file` of its ``mainrelay.c``: one option
per line, ``name=value`` or ``name value``. Only a whole line that begins with ``#`` is a comment.
coturn logs and ignores lines that it does not understand.
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
"""The "file" of an option on coturn's command line."""
MAX_LINE_BYTES = 1023
"""coturn reads what is beyond this as a line of its own."""

_SPACE = b" \t\n\v\f\r"
_NAME = re.compile(rb"[^ =\t]*")
_SEPARATOR = re.compile(rb"[ =\t]*")
_WHOLE = re.compile(r"-?[0-9]{1,10}")
_GONE = {
    "no-loopback-peers": "no such option since coturn 4.5.2, which always denies loopback peers",
    "dh2066": "no such option; it is the default",
}


@dataclass(frozen=True)
class Setting:
    """One option in a turnserver.conf. Its repr hides the value, which may be secret.

    `name` is one of `OPTIONS`. `value` is what coturn reads, empty if there is none. `line`
    counts from 1. For an option that is not in the file, `file` says where it is, and
    `line` is 0.
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
        """What coturn makes of a flag's value; no value means yes."""
        return _flag(self.text) is not False

    @property
    def number(self) -> int:
        """What coturn makes of a number: its leading digits, or 0."""
        match = re.match(r"\s*([+-]?[0-9]+)", self.text)
        return int(match.group(1)) if match else 0

    @property
    def address(self) -> Optional[Address]:
        """The address that coturn reads; it reads none in brackets."""
        return None if self.text[:1] == "[" else host_address(self.text)

    @property
    def range(self) -> Optional[Range]:
        """The range of peers that coturn reads, or None."""
        return parse_range(self.text)

    @property
    def pair(self) -> Optional[Tuple[Address, Address]]:
        """The public and the private address of an ``external-ip`` that has both, or None.

        coturn reads an empty half as ``0.0.0.0``.
        """
        first, slash, second = self.text.partition("/")
        public, private = (host_address(half or "0.0.0.0") for half in (first, second))  # noqa: S104
        return (public, private) if slash and public and private else None


class TurnserverFile:
    """The settings of a turnserver.conf, and what is wrong with its lines.

    `file` is its name as given. `problems` holds errors and warnings, which show no value.
    """

    def __init__(self, file: str, settings: List[Setting], problems: List[Problem]) -> None:
        self.file = file
        self.settings = tuple(settings)
        self.problems = tuple(problems)

    def __repr__(self) -> str:
        """Return the file's name and the number of settings: values may be secret."""
        return f"<TurnserverFile {self.file}: {len(self.settings)} settings>"

    def all(self, *names: str) -> Tuple[Setting, ...]:
        """Return the settings with these names, in file order."""
        return tuple(setting for setting in self.settings if setting.name in names)

    def last(self, name: str) -> Optional[Setting]:
        """Return the last setting with a name, which is the one that counts, or None."""
        found = self.all(name)
        return found[-1] if found else None

    def text(self, name: str) -> str:
        """Return the text of an option, empty if it is not set."""
        setting = self.last(name)
        return setting.text if setting else ""

    def on(self, name: str) -> bool:
        """Return whether a flag is on."""
        setting = self.last(name)
        return bool(setting and setting.on)

    def number(self, name: str, default: int) -> int:
        """Return the number of an option, `default` if it is not set."""
        setting = self.last(name)
        return setting.number if setting else default


def parse_turnserver_conf(data: bytes, file: str) -> TurnserverFile:
    """Return the settings in the content of a turnserver.conf.

    Nothing is raised: the `problems` of the result list what coturn does not read, or
    reads differently from how it looks.
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
            message = f"overrides line {before.line}; remove one of them"
            problems.append(Problem(message, name, file, number, "warning"))
        seen[name] = setting
        settings.append(setting)
    return TurnserverFile(file, settings, problems)


def with_options(conf: TurnserverFile, options: Sequence[str]) -> TurnserverFile:
    """Return a file together with the options of coturn's command line.

    Each is ``name=value`` or ``name``. coturn reads the file first, so an option overrides
    a line; an option that may be repeated adds to the lines.
    """
    settings, problems = list(conf.settings), list(conf.problems)
    if "-n" in options:
        settings, problems = [], []  # with -n coturn reads no file
    for option in options:
        if re.match(r"-[nc]\b", option):
            continue
        name, value = _of_command_line(option)
        if name not in OPTIONS:
            message = f"is not an option of coturn, which does not start with it{_hint(name)}"
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
    """Return the name and the value of an option as written on a command line."""
    short = re.fullmatch(r"-([A-Za-z])[ \t]*(.*)", option, re.DOTALL)
    if short and short.group(1) in SHORT:
        return SHORT[short.group(1)], short.group(2)
    name, value = re.sub(r"^-+", "", option), ""
    parts = re.fullmatch(r"([^= \t]*)(?:=|[ \t]+)(.*)", name, re.DOTALL)
    return (parts.group(1), parts.group(2)) if parts else (name, value)


def quoted(value: bytes, path: str = "") -> bytes:
    """Return a value in double quotes, so that coturn reads back the same value.

    Without quotes coturn drops blanks and ``=`` at the ends, and logs a line that ends in
    ``;``. Raises `ConfigError`, at `path`, for a value that no line can hold.
    """
    reason = why_no_line(value)
    if reason:
        raise ConfigError(Problem(reason, path))
    return b'"%s"' % value


def why_no_line(value: bytes) -> str:
    """Return why no line of turnserver.conf can hold a secret, or ''."""
    if re.search(rb"[\0\n\r]", value):
        return "has a line break or a NUL, which turnserver.conf can't hold"
    if len(value) > MAX_LINE_BYTES - len(b'static-auth-secret=""'):
        return "is longer than the 1023 bytes that a line of turnserver.conf can hold"
    return ""


def _read_line(line: bytes, number: int, file: str) -> Tuple[Optional[Setting], List[Problem]]:
    """Return the setting of a line, given without its line feed, if any, and what is wrong."""
    problems: List[Problem] = []

    def found(level: str, message: str, name: str = "") -> None:
        problems.append(Problem(message, name, file, number, level))

    if len(line) > MAX_LINE_BYTES:
        found("error", "is longer than 1023 bytes, where coturn cuts it; shorten it")
    if number == 1 and line.startswith(b"\xef\xbb\xbf"):
        message = "begins with a byte order mark, so coturn ignores this line"
        found("error", f"{message}; save the file without one")
        return None, problems
    text = line[:MAX_LINE_BYTES].partition(b"\0")[0].lstrip(b" \t").rstrip(_SPACE)
    if text.startswith(b"#") or not text:
        return None, problems
    if b"\0" in line:
        found("error", "has a NUL, where coturn stops reading the line; remove it")
    name, value = _split(text)
    known = name.decode("ascii", "replace")
    if known in OPTIONS:
        setting = Setting(known, value, number)
        for level, message in _doubts(setting, text):
            found(level, message, known)
        return setting, problems
    # The name may be a piece of a secret, so it is not shown.
    stem = re.split("[:;,]", known.lstrip("-"))[0].replace("_", "-")
    message = _GONE.get(known) or f"no such option{_hint(stem.lower())}"
    found("warning", f"{message}; coturn ignores this line")
    return None, problems


def _hint(name: str) -> str:
    """Return the option that a name may stand for, in words, or ''."""
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
    """Return what coturn makes of a flag's value, None if coturn does not start with it."""
    if text[:1] in tuple("0nNfF") or text in ("off", "OFF", "Off"):
        return False
    if text[:1] in tuple("yYtT123456789") or text in ("", "on", "ON", "On"):
        return True
    return None


def _doubts(setting: Setting, line: bytes) -> List[Doubt]:
    """Return what is wrong with a value by itself: pairs of level and message."""
    kind, text = OPTIONS[setting.name], setting.text
    if kind == FLAG and _flag(text) is None:
        message = "is neither yes nor no, so coturn does not start; write the option alone"
        return [("error", message)]
    if kind == SWITCH and _flag(text) is False:
        return [("warning", "is on whatever its value; remove the line to turn it off")]
    is_default = setting.name in DEFAULTED and not setting.value
    if kind in (NUMBER, PORT) and not (_WHOLE.match(text) or is_default):
        return [("error", "is not a whole number")]
    if kind == PORT and not 0 <= setting.number <= 65535:
        return [("error", "is not a port, a number from 1 to 65535")]
    if kind in (NUMBER, PORT) and goes_on(text):
        return [("warning", "has more text after the number; remove that")]
    return _text_doubts(setting, line) if kind in (TEXT, LIST) else []


def goes_on(text: str) -> bool:
    """Return whether more text follows a number, such as an intended comment."""
    return bool(text) and not _WHOLE.fullmatch(text)


def _text_doubts(setting: Setting, line: bytes) -> List[Doubt]:
    value = setting.value
    found = []
    if not value and setting.name != "static-auth-secret":  # the login rules report that one
        found.append(("error", "has no value; write one, or remove the line"))
    if re.fullmatch(rb"'.*'", value):
        message = "has single quotes, which coturn reads as part of the value; write double quotes"
        found.append(("warning", message))
    if re.search(rb"[ \t]#", value):
        message = "has a '#' that coturn reads as part of the value: only a whole line is a comment"
        found.append(("warning", message))
    if line.endswith(b";"):
        message = "ends in ';', which coturn reads as part of the value, and logs; remove it"
        found.append(("warning", message))
    return found
