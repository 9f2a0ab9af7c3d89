"""What examples/bootstrap.py says if a Debian package is missing."""

from __future__ import annotations

import os
import runpy
import shutil
from typing import Any, Callable, Dict, List, Optional

import pytest

from conftest import ROOT

BOOTSTRAP: Dict[str, Any] = runpy.run_path(str(ROOT / "examples" / "bootstrap.py"))
install: Callable[[List[str], bool], bool] = BOOTSTRAP["install_debian_packages"]
MISSING = "no-such-package-of-debian"
COMMAND = f"apt-get install --yes --no-install-recommends {MISSING}"


@pytest.mark.parametrize(
    ("uid", "sudo", "apt", "said"),
    [
        (0, None, False, f"add --apt, or run: {COMMAND}"),
        (1000, "/usr/bin/sudo", False, f"add --apt, or run: sudo {COMMAND}"),
        (1000, None, False, f"run as root: {COMMAND}"),
        (1000, None, True, f"run as root: {COMMAND}"),
    ],
)
def test_what_is_missing_is_named_with_a_command_that_is_there(
    uid: int,
    sudo: Optional[str],
    apt: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {"sudo": sudo, "dpkg-query": shutil.which("dpkg-query")}
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(shutil, "which", found.get)
    assert not install([MISSING], apt)
    assert capsys.readouterr().out == f"missing: {MISSING}; {said}\n"
