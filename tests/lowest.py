"""Print the lowest version of each library that abcwebrtc supports, as pins for pip.

The versions come from the metadata of the installed abcwebrtc, which was made from
pyproject.toml, so there is no second list. The libraries of the extra `metrics` are among
them. The other extras are development tools, and nobody relies on their bounds.
"""

from __future__ import annotations

import importlib.metadata
from typing import Dict, List

from packaging.requirements import Requirement


def lowest(requirements: List[str]) -> Dict[str, str]:
    """Return the lowest version of each library for this Python.

    Raises `ValueError` for a requirement without exactly one lower bound: it would have no lowest
    version, or several.
    """
    pins = {}
    for requirement in map(Requirement, requirements):
        if not _is_wanted(requirement):
            continue
        every = [(each.operator, each.version) for each in requirement.specifier]
        bounds = [each for each in every if each[0] != "!="]  # a version that does not work
        if [operator for operator, _ in bounds] != [">="] or requirement.name in pins:
            raise ValueError(f"{requirement}: write one lower bound, with >=")
        pins[requirement.name] = bounds[0][1]
    return pins


def _is_wanted(requirement: Requirement) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", "metrics"))


def installed() -> Dict[str, str]:
    """Return `lowest` of the installed abcwebrtc."""
    return lowest(importlib.metadata.requires("abcwebrtc") or [])


if __name__ == "__main__":
    for name, version in installed().items():
        print(f"{name}=={version}")
