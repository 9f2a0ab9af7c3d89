"""Report what differs between two od.configs, without a secret of either.

Only names and values that are known to be harmless are shown: those listed here. For
everything else, the report says that it changed, and where. So a secret stays hidden even in
a comment, under an unknown name, or in a damaged file.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from typing import (
    Any,
    Collection,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Pattern,
    Sequence,
    Tuple,
)

from abcwebrtc.errors import ConfigError, KeyPath, format_path
from abcwebrtc.odconfig.ini import Budget, Entry
from abcwebrtc.odconfig.literals import parse_literal
from abcwebrtc.odconfig.reader import read_sections
from abcwebrtc.odconfig.value_tokens import LiteralError
from abcwebrtc.odconfig.whole_file import OF_PYOS
from abcwebrtc.texts import is_like_secret

_HOST = r"[a-z0-9-]{1,24}|(?=.{4,253}(:|\?|$))[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+"
_SERVER = re.compile(
    rf"(?=.*[.:\[])((stun|turn)s?:(//)?)?({_HOST}|\[(?=[^\]]*:)[0-9a-fA-F:.]{{2,45}}\])(:[0-9]{{1,5}})?"
    r"(\?transport=(udp|tcp))?"
)
"""A name of one label needs a scheme or a port: on its own, it could be a secret."""
_IMAGE = re.compile(
    r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?(/[a-z0-9_.-]{1,64})+(:[\w.-]{1,64})?(@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_NO_TEXT = re.compile("(?!)")
_HARMLESS: Mapping[str, Pattern[str]] = {
    **dict.fromkeys(("url", "urls", "stun_server", "STUN_SERVER"), _SERVER),
    **dict.fromkeys(("image", "default"), _IMAGE),
    "protocol": re.compile("turns?"),
    "transport": re.compile("udp|tcp"),
    "username": re.compile("timestamp|userid|pseudonym"),
    "iceTransportPolicy": re.compile("all|relay"),
    "bundlePolicy": re.compile("balanced|max-compat|max-bundle"),
    "imagePullPolicy": re.compile("Always|IfNotPresent|Never"),
}
"""Keys whose texts are shown if they have this form, besides True, False and None."""
_NUMBERS = (
    *("webrtc.enable", "enable", "turn", "ttl", "tcpport", "iceCandidatePoolSize"),
    *("webrtc.coturn_servers", "weight"),
)
"""Keys whose numbers are shown."""
_PARENTS = (
    *("webrtc.coturn", "webrtc.desktop", "webrtc.rtc_configuration", "webrtc.rtc_constraints"),
    "webrtc.policies",
    *("desktop.envlocal", "desktop.pod", "iceServers", "sound", "video", "audio"),
    *("url", "urls", "image", "default"),
)
"""Keys whose dicts and lists are compared item by item."""
_NAMED = {
    *(f"coturn_static_auth_secret{place}" for place in ("", "_file", "_env")),
    *(f"pseudonym_key{place}" for place in ("", "_file", "_env")),
    *("credential", "TURN_SERVER", "acl", "resources", "securityContext", "pullpolicy"),
    *("name", "drain"),
    *("jwt_token_user", "jwt_token_desktop"),
    *OF_PYOS,
    *_HARMLESS,
    *_NUMBERS,
    *_PARENTS,
}
"""All keys that are shown, with or without their values."""
_OF_ENVLOCAL = ("STUN_SERVER", "TURN_SERVER")
"""Keys that are shown in this dict; somebody has chosen the other ones."""
_ABSENT = object()
_HIDDEN = "(not shown)"
_LARGE = 2**31
_SERVERS = "webrtc.coturn"
_MOST_SERVERS = 1024
"""More are compared by their indexes: whoever writes more has other problems."""


def differences(before: str, after: str) -> List[str]:
    """Return the lines of a report on what differs between two od.configs.

    Lines that begin with ``-`` are only in the first text, those with ``+`` only in the second
    one. If one of the texts can't be read, the report says which lines differ. It is empty if both
    have the same entries with the same values. The first text may be empty.
    """
    try:
        old, new = (_entries(text) if text else {} for text in (before, after))
    except ConfigError:
        return list(_line_numbers(before.splitlines(), after.splitlines()))
    budget = Budget()
    lines: List[str] = []
    for key in dict.fromkeys([*old, *new]):
        lines += _of_entry(key, old.get(key), new.get(key), budget)
    return lines


def _entries(text: str) -> Dict[Tuple[str, str], Entry]:
    sections = read_sections(text, "").sections
    return {(name, key): sections[name][key] for name in sections for key in sections[name]}


def _line_numbers(old: List[str], new: List[str]) -> Iterator[str]:
    """Yield the first and the last line in which two texts differ."""
    start = _in_common(old, new)
    end = _in_common(old[start:][::-1], new[start:][::-1])
    yield " (one of the two can't be read as an od.config)"
    for sign, last in (("-", len(old) - end), ("+", len(new) - end)):
        if last > start:
            yield f"{sign}lines {start + 1} to {last}: {_HIDDEN}"


def _in_common(old: List[str], new: List[str]) -> int:
    """Return how many lines at the beginning are equal."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(old, new))))


def _of_entry(
    key: Tuple[str, str], old: Optional[Entry], new: Optional[Entry], budget: Budget
) -> Iterator[str]:
    """Yield what differs in an entry, given by its section and name."""
    there = new or old
    if there is None or (old and new and old.text == new.text):
        return
    before, after = _value(old, budget), _value(new, budget)
    section, name = key
    if section == "global" and name in _NAMED:
        yield from _of_value((name,), before, after)
    elif repr(before) != repr(after):
        yield from _of_leaf(f"line {there.line}", "", before, after)


def _value(entry: Optional[Entry], budget: Budget) -> Any:
    """Return the value of an entry, without what ``%`` inserts: that has its own entry."""
    if entry is None:
        return _ABSENT
    try:
        return parse_literal(entry.lines, (), budget)[0]
    except LiteralError:
        return object()  # like nothing else, and not shown


def _of_value(path: KeyPath, old: Any, new: Any) -> Iterator[str]:
    """Yield what differs between two values at a path whose parts can all be shown."""
    key = [part for part in path if isinstance(part, str)][-1]
    present = [value for value in (old, new) if value is not _ABSENT]
    if repr(old) == repr(new):
        return
    if path == (_SERVERS,) and _are_servers(present):
        yield from _of_servers(path, old, new)
    elif key in _PARENTS and all(value and isinstance(value, dict) for value in present):
        before, after = ({} if value is _ABSENT else value for value in (old, new))
        known = _OF_ENVLOCAL if key == "desktop.envlocal" else _NAMED
        for name in dict.fromkeys([*before, *after]):
            if name in known:
                yield from _of_value(
                    (*path, name), before.get(name, _ABSENT), after.get(name, _ABSENT)
                )
        old_rest, new_rest = (_without(known, value) or _ABSENT for value in (before, after))
        if old_rest != new_rest:
            yield from _of_leaf(f"other keys of {format_path(path)}", "", old_rest, new_rest)
    elif key in _PARENTS and all(value and isinstance(value, (list, tuple)) for value in present):
        before, after = ([] if value is _ABSENT else value for value in (old, new))
        for index, pair in enumerate(zip_longest(before, after, fillvalue=_ABSENT)):
            yield from _of_value((*path, index), *pair)
    else:
        yield from _of_leaf(format_path(path), key, old, new)


def _are_servers(values: Sequence[Any]) -> bool:
    """Return whether the values, of which one is a list, have servers that can be compared."""
    return any(value and isinstance(value, (list, tuple)) for value in values) and all(
        isinstance(value, (dict, list, tuple)) and len(value) <= _MOST_SERVERS for value in values
    )


def _of_servers(path: KeyPath, old: Any, new: Any) -> Iterator[str]:
    """Yield what differs between lists of servers, each compared with the one of its identity.

    A dict is a list of one. What takes the place of servers that are gone is compared with them,
    if there are as many. Lines with ``-`` have the index in the old list.
    """
    if _ABSENT not in (old, new) and isinstance(old, dict) != isinstance(new, dict):
        yield f" {format_path(path)}: (now {'a dict' if isinstance(new, dict) else 'a list'})"
    lists = [[value] if isinstance(value, dict) and value else value for value in (old, new)]
    before, after = ([] if value in (_ABSENT, {}) else value for value in lists)
    was, now = _identities(before), _identities(after)
    old_ids, new_ids = list(was), list(now)
    for tag, start, end, first, last in SequenceMatcher(
        None, old_ids, new_ids, autojunk=False
    ).get_opcodes():
        gone = [index for index in range(start, end) if old_ids[index] not in now]
        fresh = [index for index in range(first, last) if new_ids[index] not in was]
        edited = dict(zip(fresh, gone)) if len(gone) == len(fresh) else {}
        for index in [] if edited else gone:
            yield from _of_value((*path, index), before[index], _ABSENT)
        for index in range(first, last):
            here, source = (*path, index), was.get(new_ids[index], edited.get(index))
            if tag != "equal" and new_ids[index] in was:
                yield f" {format_path(here)}: (moved from [{source}])"
            value = _ABSENT if source is None else before[source]
            for line in _of_value(here, value, after[index]):
                yield line.replace(f"[{index}]", f"[{source}]", 1) if line[0] == "-" else line


def _identities(servers: Sequence[Any]) -> Dict[Tuple[str, int], int]:
    """Return the index of each server by what the choice of servers knows it by.

    That is its name, or else its first url, with protocol and transport. Equal ones are counted.
    """
    found: Dict[Tuple[str, int], int] = {}
    seen: Dict[str, int] = {}
    for index, server in enumerate(servers):
        known = server if isinstance(server, dict) else {}
        url = known.get("url", index)
        url = url[0] if url and isinstance(url, (list, tuple)) else url
        first = (url, known.get("protocol", "turn"), known.get("transport"))
        identity = repr(known.get("name") or first)
        seen[identity] = seen.get(identity, 0) + 1
        found[identity, seen[identity]] = index
    return found


def _without(known: Collection[str], mapping: Mapping[Any, Any]) -> Dict[str, str]:
    """Return the items whose keys can't be shown, for comparison."""
    return {repr(key): repr(value) for key, value in mapping.items() if key not in known}


def _of_leaf(place: str, key: str, old: Any, new: Any) -> Iterator[str]:
    """Yield that a value was added, removed or changed, with the value if it is harmless."""
    texts = [_text(value, key) for value in (old, new)]
    if _ABSENT not in (old, new) and texts == [_HIDDEN, _HIDDEN]:
        yield f" {place}: (changed)"
        return
    for sign, value, text in zip("-+", (old, new), texts):
        if value is not _ABSENT:
            yield f"{sign}{place}: {text}"


def _text(value: Any, key: str) -> str:
    """Return a value as text, or `_HIDDEN` unless it is known to be harmless under this key."""
    is_word = value is None or isinstance(value, bool)
    is_number = isinstance(value, (int, float)) and abs(value) < _LARGE and key in _NUMBERS
    form = _HARMLESS.get(key, _NO_TEXT)
    is_text = isinstance(value, str) and form.fullmatch(value)
    if is_text and form is _SERVER and is_like_secret(value):  # what is in the place of a host
        return _HIDDEN
    return repr(value) if is_number or is_text or (is_word and key in _NAMED) else _HIDDEN
