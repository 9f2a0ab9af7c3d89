"""To see whether a value shares a part with another."""

from __future__ import annotations

from typing import Any


def spoil(value: Any) -> None:
    """Change every dict and list in a value, to see what else changes with it."""
    if isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True
