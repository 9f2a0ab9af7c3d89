"""Reach every part of a value: to name it, or to find out what shares it."""

from __future__ import annotations

from typing import Any, List


def spoil(value: Any) -> None:
    """Change every dict and list in a value, so that a test sees what else changes."""
    if isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True


def places(value: Any) -> List[List[Any]]:
    """Return the key path of everything in a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: List[List[Any]] = []
    for key, item in pairs:
        inner = places(item) if isinstance(item, (dict, list)) else []
        found += [[key], *([key, *path] for path in inner)]
    return found
