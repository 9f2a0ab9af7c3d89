"""The public names of `abcwebrtc` are those of the modules that they come from."""

from __future__ import annotations

import importlib
from types import FunctionType

import pytest

import abcwebrtc


@pytest.mark.parametrize("name", abcwebrtc.__all__)
def test_a_name_is_that_of_its_module(name: str) -> None:
    found = getattr(abcwebrtc, name)
    assert found is getattr(importlib.import_module(found.__module__), name)


def test_the_names_are_sorted_and_all_that_is_imported() -> None:
    given = {
        name for name, value in vars(abcwebrtc).items() if isinstance(value, (type, FunctionType))
    }
    assert sorted(given) == sorted(abcwebrtc.__all__) == abcwebrtc.__all__


def test_another_name_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from abcwebrtc import nothing  # noqa: F401
