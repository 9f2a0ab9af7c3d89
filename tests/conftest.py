"""What all tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # no test is about time
settings.load_profile("patient")


def missing(what: str) -> NoReturn:
    """Skip a test for something that is not installed; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must not skip: {what}", pytrace=False)
    pytest.skip(what, allow_module_level=True)


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real files of abcdesktop, beside the checkout; they are somebody else's, so not in it."""
REFERENCES = sorted(SHARED.glob("od.config.*")) or [SHARED / "od.config.*"]
"""Real od.config files, or one that is not there: see `require_reference`."""


def require_reference(path: Path) -> Path:
    """Return one of abcdesktop's files, or skip the test; other files are returned as well."""
    if not path.exists():
        missing("abcdesktop's reference files are not beside the checkout, in ../shared/data")
    return path


def require_program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test and say how to install it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed; apt-get install {package}")
    return path
