"""Prints the lowest version of each library that abcwebrtc says it runs with, as pip's pins.

They are read from the metadata that pyproject.toml became when abcwebrtc was
installed, so there is no second list. The extras are tools for development,
whose bounds nobody relies on.
"""

from __future__ import annotations

import importlib.metadata
from typing import Dict, List

from packaging.requirements import Requirement


def lowest(requirements: List[str]) -> Dict[str, str]:
    """Return the version of each library that this Python has to run with at least.

    Raises `ValueError` for a requirement that says something else than one
    lower bound: there would be no such version, or several.
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
    return marker is None or marker.evaluate({"extra": ""})


def installed() -> Dict[str, str]:
    """Return `lowest` for the abcwebrtc that is installed."""
    return lowest(importlib.metadata.requires("abcwebrtc") or [])


if __name__ == "__main__":
    for name, version in installed().items():
        print(f"{name}=={version}")
