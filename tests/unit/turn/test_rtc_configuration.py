"""The rtc_configuration that a browser gets."""

from __future__ import annotations

import copy
import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import desktop_environment
from abcwebrtc.errors import CredentialError, WebRTCDisabledError
from abcwebrtc.turn.credentials import mint_turn_credentials, pseudonym, verify_turn_credentials
from abcwebrtc.turn.rtc_configuration import build_rtc_configuration, server_credentials
from support import spoil, wait_for
from support.configurations import COTURN, NOW, SECRET, STUN

OTHER = "other-0123456789abcdef"


def load(coturn=None, static=None, enable=True, **kwargs):
    mapping = {
        "webrtc.enable": enable,
        "webrtc.coturn": coturn,
        "webrtc.rtc_configuration": static,
    }
    return WebRTCConfig.from_mapping(mapping, kwargs.pop("environ", {}), NOW, **kwargs)


def build(coturn=None, static=None, user=None, now=NOW):
    return build_rtc_configuration(load(coturn, static), user, now)


# The document's example.


def test_the_document_s_configuration_gives_the_document_s_answer():
    coturn = {
        "coturn_static_auth_secret": "CHANGEME",
        "ttl": 3600,
        "protocol": "turns",
        "url": "turn.domain.local:3478",
    }
    made = mint_turn_credentials("CHANGEME", 3600, now=1703083272)
    assert build(coturn, STUN, "fry", 1703083272) == {
        "iceServers": [
            {"urls": "stun:stun.l.google.com:19302"},
            {
                "urls": "turns:turn.domain.local:3478",
                "username": "1703086872",
                "credential": made.password,
            },
        ]
    }


# Urls and order.


@pytest.mark.parametrize(
    ("given", "urls"),
    [
        ({"url": "a"}, "turn:a"),
        ({"url": ["a", "a"]}, "turn:a"),
        (
            {"url": "a", "transport": ["udp", "tcp"]},
            ["turn:a?transport=udp", "turn:a?transport=tcp"],
        ),
    ],
)
def test_one_url_is_a_string_and_several_are_a_list(given, urls):
    (server,) = build({**COTURN, **given})["iceServers"]
    assert server["urls"] == urls
    assert list(server) == ["urls", "username", "credential"]


def test_each_server_has_one_entry_after_the_static_ones_in_order():
    coturn = [
        {**COTURN, "url": ["c", "a"], "ttl": 60},
        {"coturn_static_auth_secret": OTHER, "url": "b", "ttl": 7},
    ]
    servers = build(coturn, STUN)["iceServers"]
    assert [server["urls"] for server in servers] == [
        "stun:stun.l.google.com:19302",
        ["turn:c", "turn:a"],
        "turn:b",
    ]
    assert [server["username"] for server in servers[1:]] == [str(NOW + 60), str(NOW + 7)]
    for server, secret in zip(servers[1:], (SECRET, OTHER)):
        assert verify_turn_credentials(secret, server["username"], server["credential"], NOW)


# Usernames.


@pytest.mark.parametrize(
    ("style", "name"),
    [("timestamp", ""), ("userid", ":fry"), ("pseudonym", ":" + pseudonym(SECRET, "fry"))],
)
def test_each_username_style(style, name):
    (server,) = build({**COTURN, "username": style, "ttl": 60}, user="fry")["iceServers"]
    assert server["username"] == f"{NOW + 60}{name}"
    assert verify_turn_credentials(SECRET, server["username"], server["credential"], NOW)


@pytest.mark.parametrize("style", ["userid", "pseudonym"])
def test_a_style_that_needs_a_user_is_an_error_without_one(style):
    with pytest.raises(CredentialError, match=f"'{style}' needs a user: add --user NAME"):
        build({**COTURN, "username": style})


@pytest.mark.parametrize("style", ["userid", "pseudonym"])
def test_an_empty_user_is_an_error(style):
    with pytest.raises(CredentialError, match="the userid is empty"):
        build({**COTURN, "username": style}, user="")


@pytest.mark.parametrize("user", ["Philip J. Fry", "it's", "u" * 498])
def test_a_user_that_coturn_can_not_take_is_an_error_but_has_a_pseudonym(user):
    with pytest.raises(CredentialError, match="userid"):
        build({**COTURN, "username": "userid"}, user=user)
    (server,) = build({**COTURN, "username": "pseudonym"}, user=user)["iceServers"]
    assert user not in server["username"]
    (server,) = build(COTURN, user=user)["iceServers"]
    assert server["username"] == str(NOW + 3600)


def name_of(secrets, user="fry", **keys):
    given = {**COTURN, "coturn_static_auth_secret": secrets, "username": "pseudonym", **keys}
    (server,) = build(given, user=user)["iceServers"]
    return server["username"].split(":")[1]


def test_a_pseudonym_survives_a_rotation_with_a_key_of_its_own():
    before = name_of([SECRET], pseudonym_key=OTHER)
    assert before == name_of([SECRET * 2, SECRET], pseudonym_key=OTHER) == pseudonym(OTHER, "fry")
    assert before == name_of([SECRET * 2], pseudonym_key=[OTHER, SECRET])


def test_a_pseudonym_changes_with_the_secret_without_a_key_of_its_own():
    assert name_of([SECRET]) != name_of([SECRET * 2, SECRET])
    assert name_of([SECRET]) == name_of([SECRET, SECRET * 2])


def test_a_pseudonym_is_stable_over_time_and_differs_between_users():
    assert name_of(SECRET) == name_of(SECRET)
    assert len({name_of(SECRET, user) for user in ("fry", "leela", "Fry", "fry ")}) == 4


def test_the_key_of_the_pseudonyms_signs_nothing():
    given = {**COTURN, "username": "pseudonym", "pseudonym_key": OTHER}
    (server,) = build(given, user="fry")["iceServers"]
    assert verify_turn_credentials(SECRET, server["username"], server["credential"], NOW)
    assert not verify_turn_credentials(OTHER, server["username"], server["credential"], NOW)


# Secrets and time.


def test_a_secret_file_is_followed_while_the_configuration_lives(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRET)
    config = load({"url": "a", "coturn_static_auth_secret_file": str(file)})

    def signed_by(secret):
        (server,) = build_rtc_configuration(config, now=NOW)["iceServers"]
        return verify_turn_credentials(secret, server["username"], server["credential"], NOW)

    assert signed_by(SECRET)
    (tmp_path / "new").write_text(f"{OTHER}\n{SECRET}")
    (tmp_path / "new").rename(file)
    wait_for(lambda: signed_by(OTHER))


def test_now_is_the_clock_by_default():
    config = load([COTURN, {**COTURN, "url": "b"}])
    before = int(time.time())
    usernames = [s["username"] for s in build_rtc_configuration(config)["iceServers"]]
    assert before + 3600 <= int(usernames[0]) <= int(time.time()) + 3600
    assert usernames[0] == usernames[1]


def test_the_clock_may_stand_at_zero():
    (server,) = build(COTURN, now=0)["iceServers"]
    assert server["username"] == "3600"


def test_an_expiry_after_2038_is_an_error_at_the_request_too():
    assert build(COTURN, now=2**31 - 1 - 3600)
    with pytest.raises(CredentialError, match="after 2038-01-19"):
        build(COTURN, now=2**31 - 3600)


@pytest.mark.parametrize("coturn", [None, COTURN, {**COTURN, "username": "userid"}])
def test_disabled_webrtc_mints_nothing(coturn):
    config = load(coturn, STUN, enable=False)
    with pytest.raises(WebRTCDisabledError, match=r"webrtc\.enable is False; set webrtc\.enable"):
        build_rtc_configuration(config, now=NOW)


# Credentials of one server.


def test_a_ttl_of_the_caller_replaces_that_of_the_server():
    (server,) = load({**COTURN, "ttl": 60}).coturn
    assert server_credentials(server, now=NOW).expires_at == NOW + 60
    made = server_credentials(server, now=NOW, ttl=7)
    assert (made.ttl, made.username) == (7, str(NOW + 7))


@pytest.mark.parametrize("ttl", [0, -1])
def test_a_bad_ttl_of_the_caller_is_an_error_and_not_the_server_s(ttl):
    (server,) = load(COTURN).coturn
    with pytest.raises(CredentialError, match="ttl must be a whole number"):
        server_credentials(server, now=NOW, ttl=ttl)


# The result is the caller's own.

MEMBERS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
STATIC_SERVERS = st.fixed_dictionaries(
    {"urls": st.sampled_from(["stun:a", ["stun:a"], ["stun:a", "stun:b:2"]])},
    optional={"vendor": MEMBERS},
)
STATICS = st.fixed_dictionaries(
    {},
    optional={
        "iceServers": st.lists(STATIC_SERVERS, max_size=3),
        "iceTransportPolicy": st.sampled_from(["all", "relay"]),
        "vendor": MEMBERS,
        "bundlePolicy": st.just("balanced"),
    },
).map(copy.deepcopy)
COTURNS = st.lists(
    st.fixed_dictionaries(
        {
            "coturn_static_auth_secret": st.sampled_from([SECRET, [OTHER, SECRET]]),
            "url": st.sampled_from(["a", ["a"], ["a", "b"]]),
        },
        optional={
            "ttl": st.integers(1, 10**6),
            "transport": st.sampled_from(["udp", ["udp", "tcp"]]),
            "username": st.sampled_from(["timestamp", "userid", "pseudonym"]),
        },
    ),
    max_size=3,
).map(copy.deepcopy)  # what is sampled would be shared, and is spoilt below


@settings(max_examples=100)
@given(COTURNS, STATICS)
def test_a_merge_changes_nothing_and_shares_nothing(coturn, static):
    given = copy.deepcopy((coturn, static))
    config = load(coturn, static)
    first = build_rtc_configuration(config, "fry", NOW)
    expected = json.dumps(first)
    assert (coturn, static) == given

    for value in (first, coturn, static, thaw(config.rtc_configuration)):
        spoil(value)
    second = build_rtc_configuration(config, "fry", NOW)
    assert json.dumps(second) == expected
    spoil(second)
    assert json.dumps(build_rtc_configuration(config, "fry", NOW)) == expected


@settings(max_examples=100)
@given(COTURNS, STATICS)
def test_a_merge_is_the_static_part_and_one_verifiable_entry_a_server(coturn, static):
    result = build(coturn, static, "fry")
    servers = result.pop("iceServers")
    before = static.get("iceServers", [])
    assert result == {key: static[key] for key in static if key != "iceServers"}
    assert servers[: len(before)] == before
    assert len(servers) == len(before) + len(coturn)
    for server, given_server in itertools.zip_longest(servers[len(before) :], coturn):
        secrets = given_server["coturn_static_auth_secret"]
        newest = secrets[0] if isinstance(secrets, list) else secrets
        assert verify_turn_credentials(newest, server["username"], server["credential"], NOW)


@pytest.mark.parametrize("wrong", [None, {"webrtc.enable": True}, "od.config", WebRTCConfig])
@pytest.mark.parametrize("use", [build_rtc_configuration, desktop_environment])
def test_what_is_no_configuration_is_a_type_error_that_says_what_makes_one(use, wrong):
    with pytest.raises(TypeError, match=r"config must be a WebRTCConfig, not .*from_mapping"):
        use(wrong, "fry")


@pytest.mark.parametrize("style", ["userid", "pseudonym"])
@pytest.mark.parametrize("user", [7, b"fry"])
def test_a_user_that_is_no_text_is_a_type_error(style, user):
    with pytest.raises(TypeError, match="user must be text"):
        build({**COTURN, "username": style}, user=user)
