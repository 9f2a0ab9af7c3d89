"""The command whois, and its page."""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, List

import pytest

from abcwebrtc import WebRTCConfig, build_rtc_configuration
from abcwebrtc.desktop.environment import desktop_environment
from abcwebrtc.times import iso_text
from conftest import ROOT
from support import SECRET, WAIT, command, environment, run_main, write_od_config
from unit.turn.test_usernames import COTURN, EXPIRY, HEX, KEY

# the command


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "whois")


def pseudonym_config(folder: Path, **changes: Any) -> Path:
    coturn = {**COTURN, "username": "pseudonym", **changes}
    return write_od_config(folder, webrtc__coturn=coturn)


def browser_username(od_config: Path, user: str) -> str:
    made = build_rtc_configuration(WebRTCConfig.from_file(od_config), user)
    username: str = made["iceServers"][-1]["username"]
    return username


def test_whois_of_what_was_just_minted(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path)
    before = int(time.time())
    username = browser_username(od_config, "alice")
    result = run(username, od_config)
    first, minted, expires = result.out.splitlines()
    assert (result.status, result.err) == (0, "")
    assert first == "user     alice"
    assert re.fullmatch(r"minted   \S{19}Z, (now|\d+ seconds? ago), for a browser .*", minted)
    assert re.fullmatch(r"expires  \S{19}Z, in \d+ minutes.*", expires)
    found = json.loads(run("--json", username, od_config).out)
    assert (found["user"], found["style"], found["expired"]) == ("alice", "userid", False)
    (minting,) = found["minted"]
    assert minting["ttl"] == 600
    assert found["expires_at"] == iso_text(found["expires_at_unix"])
    assert minting["minted_at"] == iso_text(minting["minted_at_unix"])
    assert minting["minted_at_unix"] + 600 == found["expires_at_unix"] == int(username[:10])
    assert before <= int(username.split(":")[0]) - 600 <= time.time()


def test_whois_of_a_desktops_username(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__desktop={"turn": True, "ttl": 86400})
    environ = desktop_environment(WebRTCConfig.from_file(od_config), "alice")
    match = re.match(r"turn://(\d+)%3A(alice):", environ["TURN_SERVER"])
    assert match
    found = json.loads(run("--json", f"{match[1]}:{match[2]}", od_config).out)
    assert [minting["made_for"] for minting in found["minted"]] == ["a desktop"]


@pytest.mark.parametrize("changes", [{}, {"pseudonym_key": KEY}], ids=["secret", "key"])
def test_a_pseudonym_is_one_of_the_users(tmp_path: Path, run: Any, changes: Dict[str, str]) -> None:
    od_config = pseudonym_config(tmp_path, **changes)
    username = browser_username(od_config, "Ürsula O'Neil")
    users = tmp_path / "users"
    users.write_bytes("alice\r\n\r\nÜrsula O'Neil\r\nbob\r\n".encode())
    logged = f"0: : session 1: realm <r> user <{username}>: incoming packet"
    result = run(logged, od_config, "--users", users)
    assert result.status == 0
    assert result.out.startswith("user     Ürsula O'Neil\n")
    users.write_text("alice\n")
    nobody = run(username, od_config, "--users", users)
    assert nobody.status == 1
    assert "none of these userids" in nobody.out
    assert "\nminted   " in nobody.out
    unknown = run(username, od_config)
    assert unknown.status == 0
    assert "list userids to look for in --users FILE" in unknown.out


def test_a_pseudonym_of_before_a_rotation_is_found(tmp_path: Path, run: Any) -> None:
    username = browser_username(pseudonym_config(tmp_path), "alice")
    rotated = ["the-new-secret-of-that-coturn", SECRET]
    od_config = pseudonym_config(tmp_path, coturn_static_auth_secret=rotated)
    (tmp_path / "users").write_text("bob\nalice\n")
    found = json.loads(run("--json", username, od_config, "--users", tmp_path / "users").out)
    assert found["user"] == "alice"
    assert found["pseudonym"] == username.split(":")[1]


def test_userids_can_come_from_stdin(tmp_path: Path) -> None:
    od_config = pseudonym_config(tmp_path)
    line = command("whois", browser_username(od_config, "ürsula"), od_config, "--users", "-")
    settings: Dict[str, Any] = {"capture_output": True, "env": environment(), "timeout": WAIT}
    result = subprocess.run(line, input="\nbob\nürsula\n".encode(), **settings)
    assert result.returncode == 0, result.stderr
    assert result.stdout.decode().startswith("user     ürsula\n")
    closed = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *line], **settings)
    assert closed.returncode == 3
    assert closed.stderr == b"stdin: error: can't be read: it is closed\n"


def test_lines_that_are_no_userids_are_a_warning(tmp_path: Path, run: Any) -> None:
    od_config = pseudonym_config(tmp_path)
    (tmp_path / "users").write_bytes(b"\xff\xfe\nalice\n")
    result = run(browser_username(od_config, "alice"), od_config, "--users", tmp_path / "users")
    assert result.status == 0
    assert "1 line skipped: not UTF-8 text" in result.err


@pytest.mark.parametrize("data", [b"", b"\n \n", b"\xff\xfe\n", bytes(1_000_000)])
def test_a_file_without_a_userid_is_one_error(tmp_path: Path, run: Any, data: bytes) -> None:
    """Nothing was compared, so it is not known whether the username belongs to one of the users."""
    od_config, users = pseudonym_config(tmp_path), tmp_path / "users"
    users.write_bytes(data)
    result = run(browser_username(od_config, "alice"), od_config, "--users", users)
    assert (result.status, result.out) == (3, "")
    assert (
        result.err
        == f"{users}: error: can't be used: it has no userid; write one per line, in UTF-8\n"
    )


def test_a_bare_expiry_is_nobodys(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "username": "timestamp"})
    result = run(EXPIRY, od_config)
    assert result.status == 0
    assert result.out.startswith("user     unknown: the username is a bare expiry")
    assert "\nminted   2023-12-20T15:31:12Z, " in result.out
    assert "\nexpired  2023-12-20T15:41:12Z, " in result.out


def test_a_username_can_not_send_commands_to_the_terminal(tmp_path: Path, run: Any) -> None:
    """Anybody can have coturn log one."""
    od_config = write_od_config(tmp_path)
    result = run(f"user <{EXPIRY}:a\x1b]0;owned\x07\x9b2Jb>: incoming", od_config)
    assert result.status == 0
    assert result.out.splitlines()[0] == r"user     a\x1b]0;owned\x07\x9b2Jb"


def test_what_this_configuration_did_not_mint_is_said(tmp_path: Path, run: Any) -> None:
    result = run(EXPIRY, write_od_config(tmp_path))
    assert "minted   not with this od.config" in result.out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["alice", "od.config"], "this is not a TURN username"),
        (["1703086872", "none.config"], "can't be read: No such file"),
        (["1703086872:" + HEX, "od.config", "--users", "none"], "none: error: can't be read: No"),
        (["1703086872:" + HEX, "od.config", "--users", "."], "can't be read: Is a directory"),
        (["1703086872:" + HEX, "od.config", "--users", "n\0"], "can't be read: not a file name"),
    ],
)
def test_a_fault_is_one_line(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, line: List[str], words: str
) -> None:
    pseudonym_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run(*line)
    assert (result.status, result.out) == (3 if "can't be read" in words else 1, "")
    assert words in result.err
    assert result.err.count("\n") == 1


def test_without_a_coturn_no_username_comes_from_here(tmp_path: Path, run: Any) -> None:
    result = run(EXPIRY, write_od_config(tmp_path, webrtc__coturn=...))
    assert result.status == 1
    assert "webrtc.coturn: there is no coturn server" in result.err


@pytest.mark.parametrize("form", [[], ["-o", "json"], ["-o", "yaml"]], ids=str)
@pytest.mark.parametrize("word", [EXPIRY, f"{EXPIRY}:alice", f"user <{EXPIRY}:alice>: incoming"])
def test_the_username_may_come_first_or_last(
    tmp_path: Path, run: Any, word: str, form: List[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    od_config = write_od_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.time", lambda: 1703086872 + 65 * 60)  # so the age stays
    first = run(*form, word, od_config)
    assert first.status == 0
    for line in ([od_config, word], ["--od-config", od_config, word], [word]):
        assert run(*form, *line)[:2] == first[:2]


def test_of_two_usernames_the_first_is_meant(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_od_config(tmp_path).rename(tmp_path / str(EXPIRY))
    monkeypatch.chdir(tmp_path)
    assert run(f"{EXPIRY}:alice", EXPIRY).out.startswith("user     alice\n")
    assert "can't be read" in run(EXPIRY, f"{EXPIRY}:alice").err


def test_one_word_is_the_username(run: Any) -> None:
    result = run("od.config")
    assert (result.status, result.out) == (1, "")
    assert "this is not a TURN username" in result.err


def test_stdin_has_either_the_od_config_or_the_userids(run: Any) -> None:
    for line in (["-", EXPIRY], [EXPIRY, "-"], [EXPIRY, "--od-config", "-"]):
        result = run(*line, "--users", "-")
        assert result.status == 2
        assert "stdin can't be both OD_CONFIG and --users" in result.err


def test_verbose_says_where_it_looks(tmp_path: Path, run: Any) -> None:
    od_config = pseudonym_config(tmp_path)
    users = tmp_path / "users"
    users.write_text("alice\n")
    result = run("-v", browser_username(od_config, "alice"), od_config, "--users", users)
    assert f"looking for the pseudonym among the userids in {users}\n" in result.err


def test_the_order_is_username_and_od_config(run: Any) -> None:
    result = run("--help")
    assert result.status == 0
    assert re.search(r"usage: abcwebrtc whois .*USERNAME \[OD_CONFIG", result.out, re.DOTALL)
    assert "\nexample: abcwebrtc whois " in result.out


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_whois_shows_neither_keys_nor_secrets(tmp_path: Path, run: Any, form: List[str]) -> None:
    od_config = pseudonym_config(tmp_path, pseudonym_key=KEY)
    (tmp_path / "users").write_text("alice\n")
    result = run(
        *form, browser_username(od_config, "alice"), od_config, "--users", tmp_path / "users"
    )
    assert "alice" in result.out
    assert SECRET not in result.out + result.err
    assert KEY not in result.out + result.err


# the page

PAGE = ROOT / "docs" / "reference" / "whois.md"


def test_the_page_shows_what_whois_prints(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = PAGE.read_text(encoding="utf-8").split("```text\n", 1)[1].split("```", 1)[0]
    line, expected = shown.split("\n", 1)
    secret = "the-static-auth-secret-of-your-coturn"
    coturn = {**COTURN, "coturn_static_auth_secret": secret, "ttl": 3600, "username": "pseudonym"}
    od_config = write_od_config(tmp_path, webrtc__coturn=coturn)
    users = tmp_path / "users"
    users.write_text("bob\nalice\n")
    arguments = shlex.split(line)[3:]
    assert arguments[1:] == ["od.config", "--users", "users"]
    monkeypatch.setattr("time.time", lambda: 1703086872 + 65 * 60)
    assert run(arguments[0], od_config, "--users", users).out == expected
