"""`probe` on the command line: its options, and what is said before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Tuple

import pytest

from abcwebrtc.cli.probe import _trust
from support import listed_options, own_options, run_command, write_od_config
from support.certificates import ABOVE
from unit.project.test_docs import table_keys


def run(*arguments: object) -> "Tuple[int, str]":
    done = run_command("probe", *arguments)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["od.config", "--timeout", "0"], "write seconds, from 0.1 to 86400"),
        (["od.config", "--timeout", "nan"], "write seconds"),
        (["--watch", "od.config"], "OD_CONFIG stands before --watch"),
    ],
)
def test_a_wrong_command_line_is_exit_2(options: List[str], part: str) -> None:
    status, error = run(*options)
    assert status == 2
    assert part in error


@pytest.mark.parametrize("data", [None, b"", b"no certificate"])
def test_an_authority_that_can_not_be_read(tmp_path: Path, data: Optional[bytes]) -> None:
    path = tmp_path / "ca.pem"
    if data is not None:
        path.write_bytes(data)
    status, error = run(write_od_config(tmp_path), "--ca", path)
    assert (status, error.count("\n")) == (3, 1)
    assert error.startswith(f"error: {path}: the certificate authority can't be read: ")


def test_an_authority_has_a_comment_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes("# Zürich\n".encode() + ABOVE)
    before = _trust(None).cert_store_stats()["x509"]
    assert _trust(str(path)).cert_store_stats()["x509"] == before + 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "there is no STUN or TURN server to probe"),
        (["--desktop"], "neither STUN_SERVER nor TURN_SERVER is set"),
    ],
)
def test_a_configuration_without_servers(tmp_path: Path, options: List[str], part: str) -> None:
    changes = {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    status, error = run(write_od_config(tmp_path, **changes), *options)
    assert status == (3 if options else 1)
    assert part in error


def test_the_table_of_options_is_complete() -> None:
    assert listed_options(table_keys("probe.md", "# Probe")) == own_options("probe")
