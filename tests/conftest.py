"""What all tests share."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip a test for something that is not installed; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must not skip: {what}", pytrace=False)
    pytest.skip(what)


def require_program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test and say how to install it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed; apt-get install {package}")
    return path
