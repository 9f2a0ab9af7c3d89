"""Differences between manifests, with what is secret in them masked."""

from __future__ import annotations

import difflib
import re
from typing import Any, Callable, Dict, Iterator, List, Set

from abcwebrtc.desktop import TURN_SERVER

_SECRET_NAME = re.compile(
    rf"cookie|passw|secret|token|credential|key$|last-applied|{TURN_SERVER}", re.IGNORECASE
)
MASK = "***"


def masked_diff(before: Any, after: Any, text: Callable[[Any], str]) -> Iterator[str]:
    """Yield the lines of a unified diff of two manifests, as `text` prints them.

    Masked are the contents of Secrets, and variables, labels and annotations
    whose names speak of a secret. That such a value changed can be seen.
    """
    old, new = _secrets(before), _secrets(after)
    common = old & new

    def masked(value: Any, when: str) -> List[str]:
        changed = f"{MASK} ({when})"
        return text(_masked(value, lambda found: MASK if found in common else changed)).splitlines()

    return difflib.unified_diff(
        masked(before, "before"), masked(after, "after"), "before", "after", lineterm=""
    )


def _secrets(value: Any) -> Set[str]:
    found: Set[str] = set()

    def note(text: str) -> str:
        found.add(text)
        return text

    _masked(value, note)
    return found


def _masked(value: Any, replace: Callable[[str], str]) -> Any:
    """Return a copy in which `replace` has had every secret text."""
    if isinstance(value, list):
        return [_masked(item, replace) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: _masked(item, replace) for key, item in value.items()}
    if isinstance(value.get("value"), str) and _is_secret(value.get("name")):
        result["value"] = replace(value["value"])
    for key in ("labels", "annotations"):
        result.update(_masked_texts(value, key, replace, _is_secret))
    if value.get("kind") == "Secret":
        for key in ("data", "stringData"):
            result.update(_masked_texts(value, key, replace, lambda _: True))
    return result


def _masked_texts(
    value: Dict[Any, Any],
    key: str,
    replace: Callable[[str], str],
    wanted: Callable[[Any], bool],
) -> Dict[str, Any]:
    """Return the texts under a key of `value` with those masked that are wanted."""
    texts = value.get(key)
    if not isinstance(texts, dict):
        return {}
    hidden = {
        name: replace(text) if isinstance(text, str) and wanted(name) else text
        for name, text in texts.items()
    }
    return {key: hidden}


def _is_secret(name: Any) -> bool:
    return isinstance(name, str) and bool(_SECRET_NAME.search(name))
