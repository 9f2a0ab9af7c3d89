"""Where to fetch the newest coturn; `tests/run.py --apt` unpacks it."""

from __future__ import annotations

from typing import List

import pytest

from unpack_coturn import KEYRING, entries

BOTH = """# comment
Types: deb
# URIs: http://old.example.org/debian
URIs: http://deb.example.org/debian
  http://other.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg

Types: deb
URIs: http://deb.example.org/debian-security
Suites: bookworm-security
Components: main
"""
LINES = """# deb http://old.example.org/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://deb.example.org/debian bookworm main contrib
deb-src http://source.example.org/debian bookworm main
deb http://deb.example.org/debian-security bookworm-security main
deb http://security.example.org/debian-security buster/updates main
deb http://other.example.org/debian bookworm-updates main
"""


def entry(uri: str) -> str:
    return f"Types: deb\nURIs: {uri}\nSuites: unstable\nComponents: main\nSigned-By: {KEYRING}\n"


@pytest.mark.parametrize("sources", [[BOTH], [LINES], ["", BOTH, LINES]], ids=str)
def test_unstable_is_looked_for_on_the_mirrors_of_this_machine(sources: List[str]) -> None:
    mirrors = ["http://deb.example.org/debian", "http://other.example.org/debian"]
    assert entries(sources) == "\n".join(entry(mirror) for mirror in mirrors)


def test_a_machine_without_mirrors_has_none() -> None:
    assert entries(["# nothing\n"]) == ""
