"""The typed configuration of a mapping: what is valid, and that only ConfigError comes out."""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import build_rtc_configuration
from abcwebrtc.config.coturn import KEYS as COTURN_KEYS
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.webrtc import DesktopSettings, WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import parse_od_config
from abcwebrtc.times import MAX_EXPIRY
from support.configurations import COTURN, NOW, SECRET, STUN, gconfig, load

# What is valid.


def test_without_any_entry_webrtc_is_off():
    config = load({})
    assert config.enable is False
    assert config.coturn == config.warnings == ()
    assert config.uris == []
    assert thaw(config.rtc_configuration) == {"iceServers": []}
    assert thaw(config.rtc_constraints) == {"video": False, "audio": False}
    assert config.desktop == DesktopSettings(turn=False, ttl=86400, stun_uri=None)
    assert config.user_token_key_files == ()
    assert config.user_token_key_file is None


def test_a_configuration_takes_its_members_in_the_order_they_were_always_in():
    names = [member.name for member in dataclasses.fields(WebRTCConfig)]
    assert names[:6] == [
        *("enable", "coturn", "rtc_configuration", "rtc_constraints", "desktop", "sound"),
    ]
    assert names[6:10] == ["user_token_key_files", "warnings", "notes", "release"]


VALID = {
    "STUN only": ({"webrtc.rtc_configuration": STUN}, ["stun:stun.l.google.com:19302"]),
    "coturn only": ({"webrtc.coturn": COTURN}, ["turn:turn.domain.local:3478"]),
    "coturn {}": ({"webrtc.coturn": {}}, []),
    "rtc_configuration None": ({"webrtc.rtc_configuration": None}, []),
    "static before coturn": (
        {"webrtc.coturn": [COTURN, {**COTURN, "url": "b"}], "webrtc.rtc_configuration": STUN},
        ["stun:stun.l.google.com:19302", "turn:turn.domain.local:3478", "turn:b"],
    ),
    "relay with coturn": (
        {"webrtc.coturn": COTURN, "webrtc.rtc_configuration": {"iceTransportPolicy": "relay"}},
        ["turn:turn.domain.local:3478"],
    ),
    "four urls": (
        {"webrtc.coturn": {**COTURN, "url": ["a", "b", "c"]}, "webrtc.rtc_configuration": STUN},
        ["stun:stun.l.google.com:19302", "turn:a", "turn:b", "turn:c"],
    ),
    "desktop None": ({"webrtc.desktop": None}, []),
    "turn for the desktop": (
        {"webrtc.coturn": COTURN, "webrtc.desktop": {"turn": True}},
        ["turn:turn.domain.local:3478"],
    ),
    "constraints None": ({"webrtc.rtc_constraints": None}, []),
    "token entry without a key file": ({"jwt_token_user": {"exp": 360}}, []),
    "token key file None": ({"jwt_token_user": {"jwtuserpublickeyfile": None}}, []),
    "keys that are no text": ({1: 2, None: 3}, []),
}


@pytest.mark.parametrize(("mapping", "uris"), VALID.values(), ids=VALID.keys())
@pytest.mark.parametrize("enable", [True, False])
def test_a_valid_configuration_has_no_warning(mapping, uris, enable):
    config = load({"webrtc.enable": enable, **mapping})
    assert config.enable is enable
    assert list(map(str, config.uris)) == uris
    expected = ["webrtc.enable"] if enable and not uris else []
    assert [warning.path for warning in config.warnings] == expected


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
def test_the_mapping_of_pyos_works_and_stays_as_it_is(kind):
    mapping = gconfig()
    config = load(kind(mapping))
    assert config.warnings == ()
    assert config.user_token_key_files == ("/config.usersigning/public.pem",)
    assert config.user_token_key_file == "/config.usersigning/public.pem"
    assert thaw(config.rtc_constraints) == {"video": False, "audio": True}
    assert mapping == gconfig()
    assert list(mapping) == list(gconfig())


def test_a_later_change_of_the_mapping_does_not_reach_the_configuration():
    mapping = gconfig()
    config = load(mapping)
    before = build_rtc_configuration(config, now=NOW)
    mapping["webrtc.rtc_configuration"]["iceServers"][0]["urls"] = "stun:other"
    mapping["webrtc.rtc_configuration"]["iceServers"].append({"urls": "stun:more"})
    mapping["webrtc.rtc_constraints"]["audio"] = False
    mapping["webrtc.coturn"].clear()
    assert build_rtc_configuration(config, now=NOW) == before
    assert config.rtc_constraints["audio"] is True
    assert str(config.uris[0]) == "stun:stun.l.google.com:19302"


@pytest.mark.parametrize("wrong", [None, 3, "od.config", b"od.config", [], object()])
def test_what_is_no_mapping_is_a_type_error_that_names_from_file(wrong):
    with pytest.raises(TypeError, match=r"mapping must be a dict, not .*; from_file reads a file"):
        WebRTCConfig.from_mapping(wrong)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -1, "soon"])
def test_a_now_that_is_no_unix_time_is_refused(now):
    with pytest.raises(ValueError, match="now must be a number of unix seconds"):
        WebRTCConfig.from_mapping(gconfig(), now=now)


def test_configurations_of_the_same_entries_are_equal(tmp_path):
    (tmp_path / "secret").write_text("0123456789abcdefghij")
    of_file = {"coturn_static_auth_secret_file": "secret", "url": "h"}

    def made(**changes):
        mapping = {**gconfig(), **changes}
        return WebRTCConfig.from_mapping(mapping, {}, NOW, folder=str(tmp_path))

    assert made() == made()
    assert made(**{"webrtc.coturn": of_file}) == made(**{"webrtc.coturn": of_file})
    other = {**COTURN, "coturn_static_auth_secret": "another-0123456789"}
    assert made() != made(**{"webrtc.coturn": other})
    assert made() != made(**{"webrtc.coturn": of_file})
    assert made() != made(**{"webrtc.enable": False})


def test_a_copy_of_a_configuration_mints_alike():
    config = load(gconfig())
    for copied in (copy.copy(config), copy.deepcopy({"webrtc": config})["webrtc"]):
        assert copied == config
        made = build_rtc_configuration(copied, now=NOW)
        assert made == build_rtc_configuration(config, now=NOW)


def test_the_configuration_is_frozen():
    config = load(gconfig())
    for change in (
        lambda: setattr(config, "enable", False),
        lambda: setattr(config.desktop, "ttl", 1),
        lambda: setattr(config.coturn[0], "ttl", 1),
        lambda: config.rtc_configuration.update(x=1),
        lambda: config.rtc_constraints.update(x=1),
        lambda: config.rtc_configuration["iceServers"].append({}),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()


# Nothing else than ConfigError comes out, whatever goes in.

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10**12)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=3)
    | st.sampled_from(["turn", "udp", "host:3478", "stun:host", "turn:host?x", "relay", SECRET]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*COTURN_KEYS, "urls", "username", "credential", "iceServers", "turn", "audio", 1]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)
ENTRIES = ["webrtc.enable", "webrtc.coturn", "webrtc.rtc_configuration", "webrtc.rtc_constraints"]
ENTRIES += ["webrtc.desktop", "jwt_token_user", "webrtc.x"]


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(ENTRIES), VALUES, max_size=4))
def test_any_mapping_is_a_configuration_or_a_config_error_and_stays_as_it_is(mapping):
    before = repr(mapping)
    try:
        config = load(mapping, folder="/nonexistent")
    except ConfigError as error:
        text = str(error)
    else:
        text = json.dumps(thaw(config.rtc_configuration))
    assert text
    assert repr(mapping) == before


# The environment and the clock by default.


def test_the_environment_is_that_of_the_process_by_default(monkeypatch):
    monkeypatch.setenv("ABCWEBRTC_TEST_SECRET", SECRET)
    coturn = {"url": "a", "coturn_static_auth_secret_env": "ABCWEBRTC_TEST_SECRET"}
    config = WebRTCConfig.from_mapping({"webrtc.coturn": coturn})
    assert config.coturn[0].secrets.current()[0].reveal() == SECRET.encode()
    with pytest.raises(ConfigError, match="the environment has no such variable"):
        WebRTCConfig.from_mapping({"webrtc.coturn": coturn}, environ={})


def test_now_is_the_clock_by_default():
    left = MAX_EXPIRY - int(time.time())
    WebRTCConfig.from_mapping({"webrtc.coturn": {**COTURN, "ttl": left - 60}})
    with pytest.raises(ConfigError, match="would make credentials expire after 2038-01-19"):
        WebRTCConfig.from_mapping({"webrtc.coturn": {**COTURN, "ttl": left + 60}})


def test_the_clock_may_stand_at_zero():
    load({"webrtc.coturn": {**COTURN, "ttl": MAX_EXPIRY}}, now=0)


def test_what_is_said_of_the_file_comes_first_and_a_note_is_no_warning():
    mapping = parse_od_config("[global]\nwebrtc.enable: False\nwebrtc.enabel: True\n", "x.config")
    mapping.warnings = (Problem("unwise", level="warning"), Problem("to know", level="note"))
    config = load(mapping)
    assert [warning.message for warning in config.warnings[:1]] == ["unwise"]
    assert [str(warning) for warning in config.warnings[1:]] == [
        "x.config:3: webrtc.enabel: no such entry; did you mean 'webrtc.enable'?"
    ]
    assert [note.message for note in config.notes] == ["to know"]
