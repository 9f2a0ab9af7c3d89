"""What this machine says about itself: the version of its coturn, and its own address."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from abcwebrtc.coturn import this_machine
from abcwebrtc.coturn.this_machine import installed_version, own_address

OF_4_5 = """echo "x: unrecognized option '$1'" >&2; echo 'Usage: turnserver TURN'; exit 255"""


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ('test "$1" = --version && echo 4.6.1', (4, 6)),
        ("echo 4.18.0; echo", (4, 18)),
        (OF_4_5, (4, 5)),
        ("echo \"unrecognized option '--version'\"", None),
        ("echo 0.7.3", None),
        ("printf '\\377\\0'", None),
        ("cat; echo 4.6.1", (4, 6)),
        ("exec sleep 60", None),
    ],
)
def test_a_program_is_asked_for_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: Any
) -> None:
    if "sleep" in script:
        monkeypatch.setattr(this_machine, "SECONDS", 0.2)
    program = tmp_path / "turnserver"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert installed_version(str(program)) == version


@pytest.mark.parametrize("name", ["missing", "folder", "text"])
def test_a_program_that_does_not_run_says_no_version(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("4.6.1")
    assert installed_version(str(tmp_path / name)) is None


def test_the_machines_own_address_is_found_without_a_packet() -> None:
    assert own_address(ipaddress.ip_address("127.0.0.9")) == ipaddress.ip_address("127.0.0.1")
    assert own_address(ipaddress.ip_address("::1")) == ipaddress.ip_address("::1")
