"""Find out whether two values share parts."""

from __future__ import annotations

from typing import Any


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
