"""``abcwebrtc whois``: from a username of coturn's log to its minting, expiry and user."""

from __future__ import annotations

import functools
import io
import json
import re
import shlex
import subprocess
import time
import tracemalloc
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import WebRTCConfig, build_rtc_configuration
from abcwebrtc.credentials import pseudonym
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.manifests import desktop_environment
from abcwebrtc.secrets import Secret
from abcwebrtc.whois import (
    CLOCK_SKEW,
    MAX_LINE_BYTES,
    UseridReader,
    find_user,
    mintings,
    parse_username,
    pseudonym_keys,
    style_of,
)
from support import (
    ENTRIES,
    SECRET,
    WAIT,
    command,
    environment,
    make_config,
    run_main,
    write_od_config,
)

COTURN = ENTRIES["webrtc.coturn"]
EXPIRY = 1703086872
KEY = "a-random-text-of-its-own-that-stays"
HEX = "5d0e" * 8


# the username


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"{EXPIRY}", None),
        (f"{EXPIRY}:alice", "alice"),
        (f"{EXPIRY}:a:b", "a:b"),
        (f"{EXPIRY}:ürsula@x", "ürsula@x"),
        (f"{EXPIRY}:\u00e9", "\u00e9"),
        (f"{EXPIRY}:\u5c71\u7530", "\u5c71\u7530"),
        (f"{EXPIRY}:--", "--"),
        (f"{EXPIRY}:", None),
        (f"{EXPIRY}:alice>", "alice>"),
        (f"  <{EXPIRY}:alice>:\n", "alice"),
        (f"'{EXPIRY}:alice',", "alice"),
        (f'"{EXPIRY}:alice"', "alice"),
        (f"`{EXPIRY}`", None),
        (f"{EXPIRY}>,", None),
        (f"{EXPIRY}:{HEX}>:", HEX),
        (f"user <{EXPIRY}:alice>", "alice"),
        (f"0: : session 1: realm <r> user <{EXPIRY}:a>b>: incoming packet", "a>b"),
        (f"9: (7): INFO: session 1: new, realm=<r>, username=<{EXPIRY}>, lifetime=600", None),
        (f"0: : closed (2nd stage), user <{EXPIRY}:alice> realm <r> origin <>", "alice"),
        (f"0: : ERROR: check_stun_auth: Cannot find credentials of user <{EXPIRY}:al>", "al"),
    ],
)
def test_a_username_is_found_in(text: str, name: Optional[str]) -> None:
    assert parse_username(text) == (EXPIRY, name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no TURN username"),
        ("alice", "no TURN username"),
        ("<>", "no TURN username"),
        ("0: : session 1: realm <r> user <>: incoming packet", "no TURN username"),
        (f"{EXPIRY} alice", "no TURN username"),
        (f"{EXPIRY}:alice smith", "no TURN username"),
        ("-5:alice", "no TURN username"),
        ("١٢٣٤", "no TURN username"),
        (f"{EXPIRY}000:alice", "in seconds, not milliseconds"),
        ("2147483648", "after 2038-01-19"),
        ("9" * 5000, "after 2038-01-19"),
        (f"user <{EXPIRY}:>: x", "nothing after the colon"),
    ],
)
def test_what_is_no_username_is_said_so(text: str, words: str) -> None:
    with pytest.raises(AbcWebRTCError, match=words) as caught:
        parse_username(text)
    assert "alice smith" not in str(caught.value)


USERIDS = st.text(min_size=1, max_size=40).filter(
    lambda text: not re.search(r"[\s\x00-\x20\x7f-\x9f'\"\\]", text)
)


@given(st.integers(1, 2**31 - 1), USERIDS)
def test_every_username_is_found_in_coturns_log(expiry: int, user: str) -> None:
    line = f"0: : session 01: realm <turn.local> user <{expiry}:{user}>: incoming packet"
    assert parse_username(line) == (expiry, user)
    assert parse_username(f"{expiry}:{user}").expires_at == expiry


@given(st.text())
def test_any_text_is_a_username_or_an_error(text: str) -> None:
    try:
        found = parse_username(text)
    except AbcWebRTCError:
        return
    assert 0 <= found.expires_at < 2**31


# how it was minted


def config(*styles: str, **changes: Any) -> WebRTCConfig:
    coturn = [
        {**COTURN, "username": style, "ttl": 600 * number, "url": f"turn{number}.local"}
        for number, style in enumerate(styles, 1)
    ]
    return make_config(webrtc__coturn=coturn, **changes)


DESKTOP = {"webrtc__desktop": {"turn": True, "ttl": 86400}}


def ttls(text: str, one: WebRTCConfig, now: float = EXPIRY) -> List[Any]:
    username = parse_username(text)
    found = mintings(username, style_of(username, one), one, now)
    assert all(minting.minted_at + minting.ttl == username.expires_at for minting in found)
    return [(minting.ttl, minting.made_for) for minting in found]


def test_it_was_minted_a_ttl_before_its_expiry() -> None:
    assert ttls(f"{EXPIRY}:alice", config("userid")) == [(600, "a browser")]


def test_each_ttl_of_its_style_is_a_possibility() -> None:
    one = config("userid", "timestamp", "userid", **DESKTOP)
    browsers = [(600, "a browser"), (1800, "a browser")]
    assert ttls(f"{EXPIRY}:alice", one) == [*browsers, (86400, "a desktop")]
    assert ttls(f"{EXPIRY}", one) == [(1200, "a browser")]


def test_a_ttl_that_both_have_is_one_possibility() -> None:
    one = config("userid", webrtc__desktop={"turn": True, "ttl": 600})
    assert ttls(f"{EXPIRY}:alice", one) == [(600, "a browser or a desktop")]


def test_a_minting_in_the_future_is_none() -> None:
    one = config("userid", **DESKTOP)
    now = EXPIRY - 3600
    assert ttls(f"{EXPIRY}:alice", one, now) == [(86400, "a desktop")]
    assert len(ttls(f"{EXPIRY}:alice", one, EXPIRY - 600 - CLOCK_SKEW)) == 2


def test_a_style_that_the_configuration_does_not_have_was_minted_by_another() -> None:
    assert ttls(f"{EXPIRY}", config("userid")) == []


def test_a_desktop_without_turn_mints_nothing() -> None:
    one = config("userid", webrtc__desktop={"turn": False, "ttl": 86400})
    assert ttls(f"{EXPIRY}:alice", one) == [(600, "a browser")]


@pytest.mark.parametrize(
    ("styles", "style"),
    [
        (["pseudonym"], "pseudonym"),
        (["userid", "pseudonym"], "pseudonym"),
        (["timestamp"], "pseudonym"),
        (["userid"], "userid"),
    ],
)
def test_hex_digits_are_a_pseudonym_or_a_userid(styles: List[str], style: str) -> None:
    assert style_of(parse_username(f"{EXPIRY}:{HEX}"), config(*styles)) == style


# whose pseudonym it is


def test_every_key_and_secret_is_tried_the_likely_ones_first() -> None:
    plain = {**COTURN, "coturn_static_auth_secret": "a-secret-of-a-server-without"}
    own = {
        **COTURN,
        "coturn_static_auth_secret": [SECRET, "the-older-secret-of-that"],
        "username": "pseudonym",
        "pseudonym_key": KEY,
    }
    keys = pseudonym_keys(make_config(webrtc__coturn=[plain, own, own]))
    texts = [KEY, SECRET, "the-older-secret-of-that", "a-secret-of-a-server-without"]
    assert keys == [Secret(text) for text in texts]


@pytest.mark.parametrize("user", ["alice", "ürsula", "a b\tc", "o'neil\\", "x" * 600, "bob "])
def test_the_user_of_a_pseudonym_is_found(user: str) -> None:
    name = pseudonym(KEY, user)
    users = ["somebody", user, "else"]
    assert find_user(name, [Secret(SECRET), Secret(KEY)], users) == user
    assert find_user(name, [Secret(SECRET)], users) is None
    assert find_user(name, [Secret(KEY)], ["somebody"]) is None


def test_blanks_around_a_userid_do_not_hide_it() -> None:
    assert find_user(pseudonym(KEY, "bob"), [Secret(KEY)], ["  bob "]) == "bob"


def read(data: bytes) -> List[str]:
    return list(UseridReader(io.BytesIO(data)))


@pytest.mark.parametrize(
    ("data", "users"),
    [
        (b"", []),
        (b"alice\nbob", ["alice", "bob"]),
        (b"alice\r\n\r\n  \r\nbob\r\n", ["alice", "bob"]),
        (b"\xef\xbb\xbfalice\n", ["alice"]),
        ("ürsula\n日本\n".encode(), ["ürsula", "日本"]),
        (b" a b \n", [" a b "]),
        (b"\xff\nbob\n", ["bob"]),
        (b"x" * MAX_LINE_BYTES + b"\nbob\n", ["bob"]),
        (b"x" * 3 * MAX_LINE_BYTES, []),
        (b"x" * (MAX_LINE_BYTES - 1) + b"\nbob", ["x" * (MAX_LINE_BYTES - 1), "bob"]),
    ],
)
def test_userids_are_read_from_lines(data: bytes, users: List[str]) -> None:
    assert read(data) == users


@pytest.mark.parametrize(
    ("data", "number"),
    [(b"\xff\n\xfe\nbob\n", 2), (b"x" * 3 * MAX_LINE_BYTES + b"\nbob\n", 1), (b"bob\n", 0)],
)
def test_lines_that_are_passed_over_are_counted(data: bytes, number: int) -> None:
    reader = UseridReader(io.BytesIO(data))
    assert list(reader)[-1:] == ["bob"]
    assert reader.skipped == number


class Endless(io.RawIOBase):
    """Ten million bytes, in lines or in one."""

    def __init__(self, line: bytes) -> None:
        self._line, self._left = line, 10_000_000 // len(line)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            return 0
        self._left -= 1
        buffer[: len(self._line)] = self._line
        return len(self._line)


@pytest.mark.parametrize("line", [b"somebody" * 100 + b"\n", b"x" * 1000])
def test_a_large_file_takes_no_more_memory_than_a_small_one(line: bytes) -> None:
    stream = io.BufferedReader(Endless(line))
    tracemalloc.start()
    for _ in UseridReader(stream):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


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
    assert re.fullmatch(r"minted   .{19} UTC, (now|\d+ seconds? ago), for a browser .*", minted)
    assert re.fullmatch(r"expires  .{19} UTC, in \d+ minutes.*", expires)
    found = json.loads(run("--json", username, od_config).out)
    assert (found["user"], found["style"], found["expired"]) == ("alice", "userid", False)
    assert found["minted"][0]["ttl"] == 600
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
    assert "give userids with --users FILE" in unknown.out


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
    assert closed.returncode == 1
    assert closed.stderr == b"stdin: error: can't be read: it is closed\n"


def test_lines_that_are_no_userids_are_a_warning(tmp_path: Path, run: Any) -> None:
    od_config = pseudonym_config(tmp_path)
    (tmp_path / "users").write_bytes(b"\xff\xfe\nalice\n")
    result = run(browser_username(od_config, "alice"), od_config, "--users", tmp_path / "users")
    assert result.status == 0
    assert "passed over 1 line that" in result.err


def test_a_bare_expiry_is_nobodys(tmp_path: Path, run: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn={**COTURN, "username": "timestamp"})
    result = run(EXPIRY, od_config)
    assert result.status == 0
    assert result.out.startswith("user     not known: the username is a bare expiry")
    assert "\nminted   2023-12-20 15:31:12 UTC, " in result.out
    assert "\nexpired  2023-12-20 15:41:12 UTC, " in result.out


def test_a_username_can_not_send_commands_to_the_terminal(tmp_path: Path, run: Any) -> None:
    """Anybody can have coturn log one."""
    od_config = write_od_config(tmp_path)
    result = run(f"user <{EXPIRY}:a\x1b]0;owned\x07\x9b2Jb>: incoming", od_config)
    assert result.status == 0
    assert result.out.splitlines()[0] == r"user     a\x1b]0;owned\x07\x9b2Jb"


def test_what_this_configuration_did_not_mint_is_said(tmp_path: Path, run: Any) -> None:
    result = run(EXPIRY, write_od_config(tmp_path))
    assert "minted   not by this od.config" in result.out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["alice", "od.config"], "this is no TURN username"),
        (["1703086872", "none.config"], "can't be read: No such file"),
        (["1703086872:" + HEX, "od.config", "--users", "none"], "none: error: can't be read: No"),
        (["1703086872:" + HEX, "od.config", "--users", "."], "can't be read: Is a directory"),
        (["1703086872:" + HEX, "od.config", "--users", "n\0"], "can't be read: not a file name"),
    ],
)
def test_a_fault_is_exit_1_with_one_line(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, line: List[str], words: str
) -> None:
    pseudonym_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = run(*line)
    assert (result.status, result.out) == (1, "")
    assert words in result.err
    assert result.err.count("\n") == 1


def test_without_a_coturn_no_username_comes_from_here(tmp_path: Path, run: Any) -> None:
    result = run(EXPIRY, write_od_config(tmp_path, webrtc__coturn=...))
    assert result.status == 1
    assert "webrtc.coturn: there is no coturn server" in result.err


def test_the_order_is_username_and_od_config(run: Any) -> None:
    result = run("--help")
    assert result.status == 0
    assert re.search(r"usage: abcwebrtc whois .*USERNAME OD_CONFIG", result.out, re.DOTALL)
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

PAGE = Path(__file__).resolve().parent.parent / "docs" / "whois.md"


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
