"""STUN_SERVER and TURN_SERVER, as the desktop's webrtcbin reads them."""

from __future__ import annotations

from typing import Any, Dict
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import ConfigError, CredentialError, WebRTCConfig, desktop_environment
from abcwebrtc.config.uris import IceURI
from abcwebrtc.desktop.environment import gstreamer_turn
from abcwebrtc.turn.credentials import TurnCredentials, verify_turn_credentials

SECRET = "a-static-auth-secret-of-coturn"
NOW = 1700000000
COTURN = {"coturn_static_auth_secret": SECRET, "url": "turn.example.org", "transport": "tcp"}
STUN = {"iceServers": [{"urls": "turn:no"}, {"urls": ["turn:t", "stun:a.example.org", "stun:b"]}]}
for _server in STUN["iceServers"]:
    _server.update(username="u", credential="c")  # type: ignore[attr-defined]


def environment(user: Any = None, **entries: Any) -> Dict[str, str]:
    mapping = {"webrtc.enable": True}
    mapping.update({name.replace("__", "."): value for name, value in entries.items()})
    return desktop_environment(WebRTCConfig.from_mapping(mapping, now=NOW), user, NOW)


def errors_of(**entries: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        environment(**entries)
    return str(caught.value)


@pytest.mark.parametrize("envlocal", [None, {"LANG": "C"}, "x"])
def test_there_is_nothing_where_nothing_is_configured(envlocal: Any) -> None:
    assert environment(desktop__envlocal=envlocal) == {}


STUN_SOURCES = [
    ({"webrtc__rtc_configuration": STUN}, "stun://a.example.org:3478"),
    ({"webrtc__desktop": {"stun_server": "stun://d"}}, "stun://d:3478"),
    ({"desktop__envlocal": {"STUN_SERVER": "stun://[2001:db8::1]:99"}}, "stun://[2001:db8::1]:99"),
]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_nearest_source_of_stun_server_wins(count: int) -> None:
    entries: Dict[str, Any] = {}
    for source, _ in STUN_SOURCES[:count]:
        entries.update(source)
    assert environment(**entries) == {"STUN_SERVER": STUN_SOURCES[count - 1][1]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty"),
        ("stun:stun.example.org:3478", "is in the browser's form"),
        ("stuns://stun.example.org", "is stuns"),
        (3478, "must be in GStreamer's form"),
        ("stun://a_b*", "neither a DNS name nor an IP address"),
        ("stun://$HOST:3478", "has a variable or a placeholder in it"),
    ],
)
def test_another_form_of_stun_server_is_an_error_that_shows_the_right_one(
    value: Any, words: str
) -> None:
    text = errors_of(desktop__envlocal={"STUN_SERVER": value})
    assert text.startswith("desktop.envlocal.STUN_SERVER: ")
    assert words in text
    assert "'stun://stun.domain.local:3478'" in text or "has a" in text


def test_turn_server_is_given_only_where_it_is_asked_for() -> None:
    assert environment(webrtc__coturn=COTURN) == {}
    assert environment(webrtc__coturn=COTURN, webrtc__desktop={"turn": False}) == {}
    assert environment(webrtc__desktop={"turn": True}) == {}


def test_a_disabled_configuration_keeps_stun_and_mints_nothing() -> None:
    entries = {"webrtc__coturn": COTURN, "webrtc__desktop": {"turn": True}}
    found = environment(webrtc__enable=False, webrtc__rtc_configuration=STUN, **entries)
    assert list(found) == ["STUN_SERVER"]


def test_turn_server_has_a_credential_of_the_ttl_for_desktops() -> None:
    desktop = {"turn": True, "ttl": 2 * 86400}
    coturn = {**COTURN, "username": "userid"}
    value = environment("a@b/c:d", webrtc__coturn=coturn, webrtc__desktop=desktop)["TURN_SERVER"]
    parts = urlsplit(value)
    username, password = unquote(str(parts.username)), unquote(str(parts.password))
    assert username == f"{NOW + 2 * 86400}:a@b/c:d"
    assert verify_turn_credentials(SECRET, username, password, NOW)
    assert value.endswith("@turn.example.org:3478?transport=tcp")
    assert SECRET not in value


@pytest.mark.parametrize(
    ("coturn", "end"),
    [
        ([{**COTURN, "protocol": "turns", "url": "a"}, COTURN], "turn.example.org:3478"),
        ([{**COTURN, "protocol": "turns", "url": "a"}], "a:5349"),
        ([{**COTURN, "url": ["a", "b"]}], "a:3478"),
    ],
)
def test_a_plain_turn_server_comes_before_a_turns_one(coturn: Any, end: str) -> None:
    value = environment(webrtc__coturn=coturn, webrtc__desktop={"turn": True})["TURN_SERVER"]
    assert value.endswith(f"@{end}?transport=tcp")


def test_a_url_without_a_transport_gives_turn_server_none() -> None:
    coturn = {name: value for name, value in COTURN.items() if name != "transport"}
    value = environment(webrtc__coturn=coturn, webrtc__desktop={"turn": True})["TURN_SERVER"]
    assert value.endswith("@turn.example.org:3478")


def test_a_style_that_needs_a_user_needs_one_here_too() -> None:
    coturn = {**COTURN, "username": "pseudonym"}
    with pytest.raises(CredentialError, match="needs a user"):
        environment(webrtc__coturn=coturn, webrtc__desktop={"turn": True})


@given(st.text(), st.text())
def test_whatever_a_login_is_it_can_be_read_back(username: str, password: str) -> None:
    username, password = (text.encode("utf-8", "replace").decode() for text in (username, password))
    credentials = TurnCredentials(username, password, 1, 1)
    value = gstreamer_turn(IceURI("turn", "h", None, "udp"), credentials)
    login = value[len("turn://") : -len("@h:3478?transport=udp")]
    assert [unquote(part) for part in login.split(":")] == [username, password]
    assert not set(value) & set(" \"'\\!")


WARNINGS = [
    ({"turn": True, "ttl": 3600}, COTURN, "is less than a day"),
    ({"turn": True}, {**COTURN, "protocol": "turns"}, "does not speak TLS"),
    ({"turn": True}, None, "has no server to give"),
    ({"turn": True}, COTURN, ""),
]


@pytest.mark.parametrize(("desktop", "coturn", "words"), WARNINGS)
def test_what_is_unwise_for_a_desktop_is_a_warning(desktop: Any, coturn: Any, words: str) -> None:
    mapping = {"webrtc.desktop": desktop, "webrtc.coturn": coturn}
    warnings = WebRTCConfig.from_mapping(mapping, now=NOW).warnings
    assert len(warnings) == bool(words)
    for warning in warnings:
        assert warning.path.startswith("webrtc.desktop.")
        assert words in warning.message
