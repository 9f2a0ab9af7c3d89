"""The rules of ``turnserver-conf --firewall``, and the options that are refused with it.

What they do is in `integration/test_turnserver_firewall`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, List

import pytest

from abcwebrtc.coturn.firewall import firewall_rules, parse_user
from conftest import require_program
from support import run_main, write_od_config


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    od_config = write_od_config(tmp_path)

    def command(*arguments: object) -> Any:
        return run_main(capsys, "turnserver-conf", od_config, *arguments)

    return command


def test_the_rules_are_all_that_is_printed(run: Any) -> None:
    result = run("--firewall")
    assert (result.status, result.err) == (0, "")
    assert result.out == firewall_rules("turnserver", (49152, 65535))
    assert 'meta skuid "turnserver" udp sport 49152-65535 udp dport != 49152-65535' in result.out


def test_ports_and_user_are_those_of_the_options(run: Any) -> None:
    result = run("--firewall", "--relay-ports", "50000-50999", "--user", "65534")
    assert "meta skuid 65534 udp sport 50000-50999 udp dport != 50000-50999" in result.out
    assert "49152" not in result.out


def test_where_coturn_listens_on_a_port_of_relays_that_is_said(run: Any) -> None:
    result = run("--firewall", "--relay-ports", "3000-4000")
    assert result.status == 0
    assert "warning: coturn listens on 3478, which is also a relay port" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--firewall", "--check", "x"], "--firewall can't be used with --check"),
        (["--firewall", "--output", "x"], "--output can't be used with --firewall"),
        (["--firewall", "--show-secret"], "--show-secret can't be used with --firewall"),
        (
            ["--firewall", "--allow-peer", "10.0.0.0/24"],
            "--allow-peer can't be used with --firewall",
        ),
        (["--firewall", "--coturn", "4.6"], "--coturn can't be used with --firewall"),
        (["--user", "nobody"], "--user needs --firewall"),
        (["--firewall", "--user", "root"], "proc-user=turnserver"),
        (["--firewall", "--user", "0"], "proc-user=turnserver"),
        (["--firewall", "--user", '" accept'], "write the name of a user, such as turnserver"),
        (["--firewall", "--user", ""], "write the name of a user, such as turnserver"),
    ],
)
def test_what_does_not_go_together_is_exit_2(run: Any, arguments: List[str], words: str) -> None:
    result = run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert words in result.err


def test_a_configuration_that_is_wrong_has_no_rules(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={"url": "turn.domain.local"})
    result = run_main(capsys, "turnserver-conf", od_config, "--firewall")
    assert (result.status, result.out) == (1, "")


@pytest.mark.parametrize("user", ["daemon", "1", "4294967"])
def test_nft_reads_every_user(user: str) -> None:
    """Without root's rights, nft ends before it asks the kernel, but it reads the whole text."""
    nft = require_program("nft", "nftables")
    rules = firewall_rules(parse_user(user), (50000, 50999))
    result = subprocess.run(
        [nft, "--check", "--file", "-"], input=rules, stderr=subprocess.PIPE, text=True
    )
    assert result.returncode == 0 or "Operation not permitted" in result.stderr, result.stderr
