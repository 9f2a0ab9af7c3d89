"""`import abcwebrtc` loads nothing, and every name is there as if it did."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import abcwebrtc
from support import environment

EACH = pytest.mark.parametrize("name", abcwebrtc.__all__)


def fresh(code: str) -> str:
    """Return what Python code prints in a fresh interpreter."""
    command = [sys.executable, "-c", f"import sys, abcwebrtc\n{code}"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    return result.stdout.strip()


def test_importing_loads_no_module_of_it() -> None:
    code = "print([name for name in sys.modules if name.startswith('abcwebrtc.')])"
    assert fresh(code) == "[]"


def test_a_name_loads_its_module_and_stays() -> None:
    code = "f = abcwebrtc.mint_turn_credentials; print(f is vars(abcwebrtc)[f.__name__])"
    assert fresh(f"{code}; print(f.__module__)") == "True\nabcwebrtc.credentials"


@EACH
def test_a_name_is_that_of_its_module(name: str) -> None:
    module = importlib.import_module(f"abcwebrtc.{abcwebrtc._MODULE_OF[name]}")
    found = getattr(abcwebrtc, name)
    assert found is getattr(module, name)
    assert found.__module__ == module.__name__


def test_each_public_name_has_its_place_and_no_other_has() -> None:
    assert sorted(abcwebrtc._MODULE_OF) == abcwebrtc.__all__


def test_all_names_show_before_they_are_used() -> None:
    assert fresh("print({*abcwebrtc.__all__, '__name__'} - set(dir(abcwebrtc)))") == "set()"


@pytest.mark.parametrize("name", ["config", "credentials", "errors", "odconfig", "pods", "rtc"])
def test_a_module_is_an_attribute_without_an_import_of_its_own(name: str) -> None:
    assert fresh(f"print(abcwebrtc.{name}.__name__)") == f"abcwebrtc.{name}"


@pytest.mark.parametrize("name", ["nothing", "serve", "__path_of_nothing__"])
def test_another_name_is_an_attribute_error(name: str) -> None:
    code = f"print(hasattr(abcwebrtc, {name!r}))"
    assert fresh(code) == "False"
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from abcwebrtc import nothing  # noqa: F401
