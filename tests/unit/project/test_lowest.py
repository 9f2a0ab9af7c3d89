"""The tests run on the lowest versions that pyproject.toml allows."""

from __future__ import annotations

import importlib.metadata
import os
from typing import List

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from lowest import installed, lowest
from support.pyproject import pyproject


def test_every_library_has_one_lower_bound_here() -> None:
    declared = {Requirement(text).name for text in pyproject()["project"]["dependencies"]}
    assert set(lowest(pyproject()["project"]["dependencies"])) == declared


def test_a_bound_of_another_python_and_of_a_tool_is_left_out() -> None:
    requirements = [
        "one>=2.3; python_version < '3'",
        "one>=2.4; python_version >= '3'",
        "tool>=5; extra == 'test'",
    ]
    assert lowest(requirements) == {"one": "2.4"}


def test_a_version_that_is_left_out_is_no_bound() -> None:
    assert lowest(["one>=2.3,!=2.5,!=3.0"]) == {"one": "2.3"}


@pytest.mark.parametrize(
    "requirements",
    [
        ["one"],
        ["one>2"],
        ["one>=2,<3,!=2.5"],
        ["one>=2", "one>=3; python_version > '3'"],
    ],
    ids=str,
)
def test_what_has_no_lowest_version_is_an_error(requirements: List[str]) -> None:
    with pytest.raises(ValueError, match="write one lower bound"):
        lowest(requirements)


if "LOWEST_VERSIONS" in os.environ:  # as tests/run.py has it for one of its runs

    @pytest.mark.parametrize(("name", "version"), installed().items(), ids=installed())
    def test_the_run_with_the_lowest_versions_has_them(name: str, version: str) -> None:
        assert Version(importlib.metadata.version(name)) == Version(version)
