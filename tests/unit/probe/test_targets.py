"""Which servers `probe` asks, with which login, and what a desktop's environment says."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, List, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import WebRTCConfig
from abcwebrtc.config.uris import IceURI
from abcwebrtc.desktop.environment import gstreamer_turn
from abcwebrtc.errors import ConfigError, CredentialError, ProbeError
from abcwebrtc.probe.model import TCP, TLS, UDP, Account, Login, Target
from abcwebrtc.probe.targets import config_targets, environment_targets
from abcwebrtc.turn.credentials import TurnCredentials
from support import ENTRIES, SECRET


def targets_of(user: str = "probe", **changes: Any) -> List[Target]:
    entries = {**ENTRIES, **{name.replace("__", "."): changes[name] for name in changes}}
    return config_targets(WebRTCConfig.from_mapping(entries), user)


@pytest.mark.parametrize(
    ("url", "changes", "expected"),
    [
        ("a.example.org", {}, [(UDP, 3478)]),
        ("a.example.org:80", {"transport": ["udp", "tcp"]}, [(UDP, 80), (TCP, 80)]),
        ("a.example.org?transport=tcp", {}, [(TCP, 3478)]),
        ("a.example.org", {"protocol": "turns"}, [(TLS, 5349)]),
        ("a.example.org:3478", {"protocol": "turns", "transport": "tcp"}, [(TLS, 3478)]),
    ],
)
def test_the_transport_and_port_of_a_url(url: str, changes: Any, expected: Any) -> None:
    stun_target, *made = targets_of(
        webrtc__coturn={**ENTRIES["webrtc.coturn"], "url": url, **changes}
    )
    assert [(one.transport, one.port) for one in made] == expected
    assert (stun_target.transport, stun_target.account) == (UDP, None)
    assert all(one.is_turn and not one.unspoken for one in made)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["stun:stun.example.org:3478"]),
        ({"webrtc__desktop": {"stun_server": "stun://turn.example.org:3478"}}, ["stun:turn"]),
        ({"webrtc__desktop": {"stun_server": "stun://other.example.org:3478"}}, ["stun:other"]),
    ],
)
def test_the_server_that_desktops_have_too_is_marked(changes: Any, expected: List[str]) -> None:
    marked = [one.url for one in targets_of(**changes) if one.libnice]
    assert len(marked) == len(expected)
    assert all(url.startswith(part) for url, part in zip(marked, expected))


FLEET = [
    {**ENTRIES["webrtc.coturn"], "url": f"{name}.example.org", **changes}
    for name, changes in (
        ("paris", {"acl": {"permit": ["paris"]}}),
        ("rome", {}),
        ("old", {"drain": True}),
    )
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"paris", "rome"}),
        ({"webrtc__coturn_servers": 1}, {"paris", "rome"}),
        ({"webrtc__desktop": {"turn": True, "acl": {"permit": ["paris"]}}}, {"paris", "rome"}),
        ({"webrtc__coturn": FLEET[1:]}, {"rome"}),
        ({"webrtc__coturn": [FLEET[1], {**FLEET[1], "url": "bari.example.org"}]}, {"rome"}),
        ({"webrtc__desktop": {"turn": False}}, set()),
        ({"webrtc__enable": False}, set()),
    ],
)
def test_what_some_desktop_may_get_is_marked_and_every_server_probed(
    changes: Any, expected: Set[str]
) -> None:
    every = {"webrtc__coturn": FLEET, "webrtc__desktop": {"turn": True}, **changes}
    turns = [one for one in targets_of(**every) if one.is_turn]
    assert {one.host.partition(".")[0] for one in turns if one.desktop} == expected
    assert {one.host for one in turns} == {one["url"] for one in every["webrtc__coturn"]}


def test_turns_over_udp_is_said_to_be_dtls() -> None:
    coturn = {**ENTRIES["webrtc.coturn"], "protocol": "turns", "transport": "udp"}
    (_, made) = targets_of(webrtc__coturn=coturn)
    assert (made.transport, made.unspoken) == (TLS, "dtls")


def test_logins_are_minted_in_the_style_of_the_server_with_every_secret() -> None:
    coturn = {**ENTRIES["webrtc.coturn"], "coturn_static_auth_secret": [SECRET, "other" * 5]}
    (_, made) = targets_of("alice", webrtc__coturn=coturn)
    assert made.account
    assert made.account.mint
    assert (made.account.secrets, made.account.ttl) == (2, 600)
    first, second = made.account.mint(0, 1234567890), made.account.mint(1, 1234567890)
    assert first.username == second.username == "1234567890:alice"
    assert first.password != second.password


def test_a_user_that_no_username_can_hold_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(CredentialError):
        targets_of("a b")


def test_a_static_login_stays_out_of_sight() -> None:
    server = {"urls": ["turn:a", "stun:b"], "username": "alice", "credential": "a-password"}
    made = targets_of(webrtc__rtc_configuration={"iceServers": [server]})
    assert [one.url for one in made[:2]] == ["turn:a", "stun:b"]
    assert made[0].account == Account(static=Login("alice", "a-password"))
    assert made[1].account is None
    assert "alice" not in repr(made)
    assert "a-password" not in repr(made)


def test_the_environment_of_a_desktop() -> None:
    variables = {
        "STUN_SERVER": "stun://[2001:db8::1]:99",
        "TURN_SERVER": "turns://12%3Aa:b%2F@h:3478",
    }
    stun_target, turn_target = environment_targets(variables)
    assert (stun_target.host, stun_target.port) == ("2001:db8::1", 99)
    assert turn_target.account == Account(static=Login("12:a", "b/"), expires_at=12)
    assert turn_target.transport == TCP
    assert turn_target.unspoken == "tls"


@given(
    user=st.text(min_size=1), password=st.text(min_size=1), transport=st.sampled_from([UDP, TCP])
)
def test_a_turn_server_is_read_as_it_was_written(user: str, password: str, transport: str) -> None:
    uri = IceURI("turn", "[2001:db8::1]", 99, transport)
    try:
        text = gstreamer_turn(uri, TurnCredentials(user, password, 1, 1))
    except UnicodeEncodeError:
        return
    (made,) = environment_targets({"TURN_SERVER": text})
    assert made.account
    assert made.account.static == Login(user, password)
    assert (made.uri, made.transport) == (uri, transport)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("STUN_SERVER", "stun:a"),
        ("STUN_SERVER", "turn://u:hidden@h"),
        ("TURN_SERVER", "turn://hidden@h"),
        ("TURN_SERVER", "turn://u:hidden@h:0"),
        ("TURN_SERVER", "turn://u:hidden@"),
        ("TURN_SERVER", "turn://u:hidden@h?x"),
        ("TURN_SERVER", "TURN://u:hidden@h"),
    ],
)
def test_a_variable_that_can_not_be_read_is_named_and_not_shown(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: ") as caught:
        environment_targets({name: text})
    assert "hidden" not in str(caught.value)
    assert caught.value.__context__ is None


@given(text=st.text() | st.text().map("turn://u:p@".__add__) | st.text().map("turn://".__add__))
def test_any_turn_server_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError, ProbeError):
        assert environment_targets({"TURN_SERVER": text})


@pytest.mark.parametrize("variables", [{}, {"STUN_SERVER": "", "TURN_SERVER": ""}])
def test_an_environment_without_servers_is_an_error(variables: Dict[str, str]) -> None:
    with pytest.raises(ProbeError, match="neither STUN_SERVER nor TURN_SERVER"):
        environment_targets(variables)
