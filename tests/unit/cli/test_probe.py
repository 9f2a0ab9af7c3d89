"""`probe` on the command line: its options, and what is said before anything is sent."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from abcwebrtc.cli.probe import _trust
from support import environment, listed_options, own_options, run_command, write_od_config
from support.certificates import ABOVE
from unit.project.test_docs import table_keys


def run(*arguments: object, **options: Any) -> "Tuple[int, str]":
    done = run_command("probe", *arguments, **options)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["od.config", "--timeout", "0"], "write seconds, from 0.1 to 86400"),
        (["od.config", "--timeout", "nan"], "write seconds"),
        (["--watch", "od.config"], "write OD_CONFIG before --watch"),
        (["od.config", "--labels", "paris"], "--labels goes with --desktop and OD_CONFIG"),
        (["--desktop", "--labels", "paris"], "--labels goes with --desktop and OD_CONFIG"),
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
    assert error.startswith(f"{path}: error: ")
    reason = "can't be read: No such file" if data is None else "holds no PEM certificate"
    assert reason in error


def test_an_authority_has_a_comment_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes("# Zürich\n".encode() + ABOVE)
    before = _trust(None).cert_store_stats()["x509"]
    assert _trust(str(path)).cert_store_stats()["x509"] == before + 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "there is no STUN or TURN server to probe"),
        (["--desktop"], "webrtc.desktop: desktops get no STUN_SERVER"),
    ],
)
def test_a_configuration_without_servers(tmp_path: Path, options: List[str], part: str) -> None:
    changes = {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    status, error = run(write_od_config(tmp_path, **changes), *options)
    assert status == 1
    assert part in error


@pytest.mark.parametrize(
    ("labels", "part"), [("rome", "gets no TURN_SERVER"), ("paris", '"turn:turn.example.org')]
)
def test_the_labels_of_a_desktops_user_decide(tmp_path: Path, labels: str, part: str) -> None:
    coturn = {"url": "turn.example.org", "coturn_static_auth_secret": "s" * 32, "ttl": 600}
    changes = {
        "webrtc__coturn": {**coturn, "acl": {"permit": ["paris"]}},
        "webrtc__desktop": {"turn": True, "stun_server": "stun://127.0.0.1:9"},
    }
    od_config = write_od_config(tmp_path, **changes)
    options = ["--desktop", "--labels", labels, "--timeout", "0.1", "-o", "json"]
    done = run_command("probe", od_config, *options)
    assert part in done.stdout + done.stderr
    assert ("turn:" in done.stdout) == (labels == "paris")


@pytest.mark.parametrize(
    ("variables", "status", "part"),
    [
        ({}, 3, "error: neither STUN_SERVER nor TURN_SERVER is set"),
        ({"STUN_SERVER": "stun:a"}, 1, "error: STUN_SERVER: can't be read: write stun://host:port"),
    ],
)
def test_the_environment_of_a_desktop(
    tmp_path: Path, variables: Dict[str, str], status: int, part: str
) -> None:
    """It counts without an OD_CONFIG on the command line, even where one would be found."""
    write_od_config(tmp_path)
    environ = {"STUN_SERVER": "", "TURN_SERVER": "", **variables}
    found, error = run("--desktop", cwd=tmp_path, env=environment(**environ))
    assert (found, error.startswith(part)) == (status, True), error


def test_an_authority_from_stdin(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ABOVE)))
    before = _trust(None).cert_store_stats()["x509"]
    assert _trust("-").cert_store_stats()["x509"] == before + 1
    status, error = run("-", "--ca", "-")
    assert status == 2
    assert "OD_CONFIG and --ca can't both be stdin" in error


def test_data_has_its_errors_on_stdout(tmp_path: Path) -> None:
    done = run_command("probe", tmp_path / "away", "-o", "json")
    assert (done.returncode, done.stderr) == (3, "")
    report = json.loads(done.stdout)
    assert report["ok"] is False
    assert "can't be read" in report["errors"][0]["message"]


def test_the_table_of_options_is_complete() -> None:
    assert listed_options(table_keys("probe.md", "# Probe")) == own_options("probe")
