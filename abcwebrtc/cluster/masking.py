"""Differences between manifests, with secrets masked."""

from __future__ import annotations

import difflib
import re
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

from abcwebrtc.config.desktop import TURN_SERVER

_SECRET_NAME = re.compile(
    rf"cookie|pass|pwd|secret|token|cred|key|auth|salt|last-applied|{TURN_SERVER}", re.IGNORECASE
)
_SECRET_KINDS = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}
"""ConfigMaps too: an od.config may hold the static auth secret."""
_WORD = r"(?:pass|pwd|cookie|credential|token|secret|(?:api|access|account|private|auth)[_-]?key)"
_NAMES_A_PLACE = r"(?:name|namespace|ref|file|path)s?$"
_FIELD = re.compile(rf"(?=.*{_WORD})(?!.*{_NAMES_A_PLACE})", re.IGNORECASE)
"""The name of a field that holds a password, such as an option of a volume."""
_FLAG = re.compile(rf"--?[\w-]{{0,40}}{_WORD}[\w-]{{0,40}}", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"{_WORD}\w{{0,20}}=[^\s,]|(?<!\S)--?[\w-]{{0,40}}{_WORD}[\w-]{{0,40}}[ =]", re.IGNORECASE
)
MASK = "***"

Secret = Tuple[str, str]
"""Its name, and the `repr` of its value."""
Replace = Callable[[Secret], str]


def masked_diff(before: Any, after: Any, text: Callable[[Any], str]) -> Iterator[str]:
    """Yield the lines of a unified diff of two manifests, as `text` prints them.

    These are masked: the contents of Secrets and ConfigMaps; variables, labels,
    annotations and fields whose names suggest a secret; arguments such as
    ``--password=x``; and URLs with a login. The diff still shows that a masked
    value changed.
    """
    common = _secrets(before) & _secrets(after)

    def masked(value: Any, when: str) -> List[str]:
        changed = f"{MASK} ({when})"
        return text(_masked(value, lambda found: MASK if found in common else changed)).splitlines()

    return difflib.unified_diff(
        masked(before, "before"), masked(after, "after"), "before", "after", lineterm=""
    )


def _secrets(value: Any) -> Set[Secret]:
    found: Set[Secret] = set()

    def note(secret: Secret) -> str:
        found.add(secret)
        return MASK

    _masked(value, note)
    return found


def _masked(value: Any, replace: Replace) -> Any:
    """Return a copy with every secret replaced."""
    if isinstance(value, list):
        return [
            _hidden("", item, replace) if _follows_flag(value, i) else _masked(item, replace)
            for i, item in enumerate(value)
        ]
    if isinstance(value, str) and (_has_login(value) or _ASSIGNED.search(value)):
        return _hidden("", value, replace)
    if not isinstance(value, dict):
        return value
    return {key: _masked_item(value, key, replace) for key in value}


def _masked_item(mapping: Dict[Any, Any], key: Any, replace: Replace) -> Any:
    item, name, kind = mapping[key], mapping.get("name"), mapping.get("kind")
    if isinstance(kind, str) and key in _SECRET_KINDS.get(kind, ()):
        if isinstance(item, dict):
            return {name: _hidden(name, value, replace) for name, value in item.items()}
        return _hidden("", item, replace)
    if key == "value" and _is_secret(name):
        return _hidden(name, item, replace)
    if key in ("labels", "annotations") and isinstance(item, dict):
        return {
            name: _hidden(name, value, replace) if _is_secret(name) else _masked(value, replace)
            for name, value in item.items()
        }
    if isinstance(item, str) and isinstance(key, str) and item and _FIELD.match(key):
        return _hidden(key, item, replace)
    return _masked(item, replace)


def _follows_flag(items: List[Any], index: int) -> bool:
    """Return whether an item is the value of the argument before it, as in ``--password x``."""
    item, before = items[index], items[index - 1] if index else None
    return isinstance(item, str) and isinstance(before, str) and bool(_FLAG.fullmatch(before))


def _has_login(text: str) -> bool:
    """Return whether a URL may have a login; its password may have any character."""
    return "@" in text.partition("://")[2]


def _hidden(name: Any, value: Any, replace: Replace) -> Any:
    return None if value is None else replace((str(name), repr(value)))


def _is_secret(name: Any) -> bool:
    return isinstance(name, str) and bool(_SECRET_NAME.search(name))
