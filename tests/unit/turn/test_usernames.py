"""``abcwebrtc whois``: from a username of coturn's log to its minting, expiry and user."""

from __future__ import annotations

import io
import re
import tracemalloc
from typing import Any, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import WebRTCConfig
from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.turn.credentials import pseudonym
from abcwebrtc.turn.usernames import (
    CLOCK_SKEW,
    MAX_LINE_BYTES,
    UseridReader,
    find_user,
    mintings,
    parse_username,
    pseudonym_keys,
    style_of,
)
from support import ENTRIES, SECRET, make_config

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
        (f"{EXPIRY}:\u5c71\u7530", "\u5c71\u7530"),
        (f"{EXPIRY}:--", "--"),
        (f"{EXPIRY}:", None),
        (f"{EXPIRY}:alice>", "alice>"),
        (f"  <{EXPIRY}:alice>:\n", "alice"),
        (f"'{EXPIRY}:alice',", "alice"),
        (f"`{EXPIRY}`", None),
        (f"{EXPIRY}:{HEX}>:", HEX),
        (f"0: : session 1: realm <r> user <{EXPIRY}:a>b>: incoming packet", "a>b"),
        (f"9: (7): INFO: session 1: new, realm=<r>, username=<{EXPIRY}>, lifetime=600", None),
        (f"0: : closed (2nd stage), user <{EXPIRY}:alice> realm <r> origin <>", "alice"),
    ],
)
def test_a_username_is_found_in(text: str, name: Optional[str]) -> None:
    assert parse_username(text) == (EXPIRY, name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a TURN username"),
        ("alice", "not a TURN username"),
        ("0: : session 1: realm <r> user <>: incoming packet", "not a TURN username"),
        (f"{EXPIRY}:alice smith", "not a TURN username"),
        ("-5:alice", "not a TURN username"),
        ("١٢٣٤", "not a TURN username"),
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


def test_the_ttl_of_a_policy_is_a_possibility_for_every_style_that_is_minted() -> None:
    one = config("userid", webrtc__policies=[{"acl": {"permit": ["staff"]}, "ttl": 90}])
    assert ttls(f"{EXPIRY}:alice", one) == [(90, "a browser"), (600, "a browser")]
    assert ttls(str(EXPIRY), one) == []


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


def test_no_key_is_compared_with_all_others(monkeypatch):
    """Of 256 servers with 32 keys each, that would be 33 million comparisons."""
    coturn = [
        {"url": "a", "coturn_static_auth_secret": [f"{SECRET}-{n}-{m}" for m in range(16)]}
        for n in range(9)
    ]
    config = make_config(webrtc__coturn=[*coturn, *coturn])

    def compared(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(Secret, "__eq__", compared)
    assert len(pseudonym_keys(config)) == 9 * 16


@pytest.mark.parametrize("user", ["ürsula", "o'neil\\ a\tb", "x" * 600, "bob "])
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
        (b"alice\r\n\r\n  \r\nbob\r\n", ["alice", "bob"]),
        (b"\xef\xbb\xbfalice\n", ["alice"]),
        ("ürsula\n日本\n".encode(), ["ürsula", "日本"]),
        (b" a b \n", [" a b "]),
        (b"\xff\nbob\n", ["bob"]),
        (b"\x7fELF\0\0\nbob\n", ["bob"]),
        (b"x" * MAX_LINE_BYTES + b"\nbob\n", ["bob"]),
        (b"x" * 3 * MAX_LINE_BYTES, []),
        (b"x" * (MAX_LINE_BYTES - 1) + b"\nbob", ["x" * (MAX_LINE_BYTES - 1), "bob"]),
    ],
)
def test_userids_are_read_from_lines(data: bytes, users: List[str]) -> None:
    assert read(data) == users


@pytest.mark.parametrize(
    ("data", "number"),
    [
        (b"\xff\n\xfe\nbob\n", 2),
        (b"a\0\n\0bob\nbob\n", 2),
        (b"x" * 3 * MAX_LINE_BYTES + b"\nbob\n", 1),
        (b"bob\n", 0),
    ],
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
