"""The typed configuration, from a mapping and from a file."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pickle
import pprint
import textwrap
import time
import traceback
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import build_rtc_configuration
from abcwebrtc.config import DesktopSettings, WebRTCConfig
from abcwebrtc.coturn import KEYS as COTURN_KEYS
from abcwebrtc.credentials import MAX_EXPIRY
from abcwebrtc.errors import ConfigError
from abcwebrtc.plain import thaw

NOW = 1_700_000_000
SECRET = "0123456789abcdefghij"
COTURN = {"coturn_static_auth_secret": SECRET, "url": "turn.domain.local:3478"}
STUN = {"iceServers": [{"urls": "stun:stun.l.google.com:19302"}]}
LOGIN = {"username": "fry", "credential": "hush"}

DOCUMENT = """
[global]
webrtc.enable:True
webrtc.rtc_configuration:{ 'iceServers':[ {'urls':'stun:stun.l.google.com:19302'} ] }
webrtc.coturn: { 
  'coturn_static_auth_secret': 'CHANGEME', 
  'ttl':3600,
  'protocol': 'turns',
  'url': 'turn.domain.local:3478' }
desktop.envlocal :  { 
  'STUN_SERVER': 'stun://stun.l.google.com:19302',
}
"""  # noqa: W291, as the document has it


def load(mapping, environ=None, now=NOW, folder=""):
    return WebRTCConfig.from_mapping(mapping, environ or {}, now, str(folder))


def errors_of(mapping, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load(mapping, **kwargs)
    return list(map(str, caught.value.problems))


def warnings_of(mapping):
    return list(map(str, load(mapping).warnings))


@pytest.fixture
def write(tmp_path):
    """Write an od.config, and return its name."""

    def write_text(text):
        path = tmp_path / "od.config"
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write_text


# What is valid.


def test_the_configuration_of_the_document_works_as_it_is(write):
    config = WebRTCConfig.from_file(write(DOCUMENT), {}, NOW)
    assert config.enable is True
    assert list(map(str, config.uris)) == [
        "stun:stun.l.google.com:19302",
        "turns:turn.domain.local:3478",
    ]
    (server,) = config.coturn
    assert (server.ttl, server.username) == (3600, "timestamp")
    assert thaw(config.rtc_configuration) == STUN
    # Its last line, a bracket that is not indented, is what pyos would not forgive.
    assert [(warning.path, warning.line) for warning in config.warnings] == [
        ("", 12),
        ("webrtc.coturn.coturn_static_auth_secret", 6),
    ]


def test_without_any_entry_webrtc_is_off():
    config = load({})
    assert config.enable is False
    assert config.coturn == config.warnings == ()
    assert config.uris == []
    assert thaw(config.rtc_configuration) == {"iceServers": []}
    assert thaw(config.rtc_constraints) == {"video": False, "audio": False}
    assert config.desktop == DesktopSettings(turn=False, ttl=86400, stun_server=None)
    assert config.user_token_key_file is None


VALID = {
    "STUN only": ({"webrtc.rtc_configuration": STUN}, ["stun:stun.l.google.com:19302"]),
    "coturn only": ({"webrtc.coturn": COTURN}, ["turn:turn.domain.local:3478"]),
    "coturn None": ({"webrtc.coturn": None}, []),
    "coturn {}": ({"webrtc.coturn": {}}, []),
    "coturn []": ({"webrtc.coturn": []}, []),
    "rtc_configuration None": ({"webrtc.rtc_configuration": None}, []),
    "rtc_configuration {}": ({"webrtc.rtc_configuration": {}}, []),
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
    "desktop {}": ({"webrtc.desktop": {}}, []),
    "turn for the desktop": (
        {"webrtc.coturn": COTURN, "webrtc.desktop": {"turn": True}},
        ["turn:turn.domain.local:3478"],
    ),
    "constraints None": ({"webrtc.rtc_constraints": None}, []),
    "token entry without a key file": ({"jwt_token_user": {"exp": 360}}, []),
    "token entry None": ({"jwt_token_user": None}, []),
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


def gconfig():
    """Something like pyos's settings.gconfig: a plain dict with all of od.config."""
    return {
        "server.socket_port": 8000,
        "tools.sessions.on": False,
        "namespace": "abcdesktop",
        "auth.prelogin_url": "/API/auth/prelogin",
        "authmanagers": {"external": {"providers": {"google": {"client_secret": "x" * 20}}}},
        "jwt_token_user": {
            "exp": 360,
            "jwtuserprivatekeyfile": "/config.usersigning/private.pem",
            "jwtuserpublickeyfile": "/config.usersigning/public.pem",
        },
        "desktop.envlocal": {"STUN_SERVER": "stun://stun.domain.local:3478"},
        "desktop.pod": {"sound": {"enable": True, "image": "x", "acl": {"permit": ["all"]}}},
        "desktop.webhookencodeparams": True,
        "webrtc.enable": True,
        "webrtc.rtc_configuration": copy.deepcopy(STUN),
        "webrtc.coturn": copy.deepcopy(COTURN),
        "webrtc.rtc_constraints": {"video": False, "audio": True},
        "function": print,
        7: {"a": [{}]},
    }


@pytest.mark.parametrize("kind", [dict, MappingProxyType])
def test_the_mapping_of_pyos_works_and_stays_as_it_is(kind):
    mapping = gconfig()
    config = load(kind(mapping))
    assert config.warnings == ()
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


def test_a_name_of_bytes_is_shown_as_text():
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_file(b"/nowhere/od.config")
    assert str(caught.value) == "/nowhere/od.config: can't be read: No such file or directory"


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


# enable.


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("True", "text"),
        ("False", "text"),
        ("", "text"),
        (1, "a whole number"),
        (0, "a whole number"),
        (None, "None"),
        ([], "a list"),
        ([True], "a list"),
    ],
)
def test_enable_must_be_a_real_bool(value, words):
    assert errors_of({"webrtc.enable": value}) == [
        f"webrtc.enable: must be True or False without quotes, not {words}"
    ]


# webrtc.rtc_constraints, webrtc.desktop, jwt_token_user.


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"audio": True},
        {"video": False, "audio": {"echoCancellation": True, "x": [1]}},
        {"audio": True, "peerIdentity": "x"},
    ],
)
def test_constraints_pass_through(value):
    config = load({"webrtc.rtc_constraints": value})
    assert thaw(config.rtc_constraints) == value
    assert config.warnings == ()


BAD_ENTRIES = [
    ("webrtc.rtc_constraints", True, ": must be a dict such as {'video': False, 'audio': True}, "),
    ("webrtc.rtc_constraints", [], ": must be a dict such as"),
    ("webrtc.rtc_constraints", {"audio": "True"}, ".audio: must be True, False, or a dict"),
    ("webrtc.rtc_constraints", {"video": 0}, ".video: must be True, False, or a dict"),
    ("webrtc.rtc_constraints", {"audio": None}, ".audio: must be True, False, or a dict"),
    ("webrtc.rtc_constraints", {"audio": {"x": b""}}, ".audio.x: is bytes, which can't be sent"),
    ("webrtc.rtc_constraints", {1: True}, ": has a whole number as a key"),
    ("webrtc.desktop", True, ": must be a dict, not a bool"),
    ("webrtc.desktop", [], ": must be a dict, not a list"),
    ("webrtc.desktop", {"trun": True}, ".trun: no such key; did you mean 'turn'?"),
    ("webrtc.desktop", {"zzz": True}, ".zzz: no such key; the keys are turn, ttl, stun_server"),
    ("webrtc.desktop", {"turn": 1}, ".turn: must be True or False without quotes, not a whole"),
    ("webrtc.desktop", {"turn": None}, ".turn: must be True or False without quotes, not None"),
    ("webrtc.desktop", {"ttl": 0}, ".ttl: must be 1 second or more"),
    ("webrtc.desktop", {"ttl": "1"}, ".ttl: must be a whole number of seconds"),
    ("webrtc.desktop", {"ttl": None}, ".ttl: must be a whole number of seconds"),
    ("webrtc.desktop", {"ttl": False}, ".ttl: must be a whole number of seconds"),
    ("webrtc.desktop", {"ttl": MAX_EXPIRY - NOW + 1}, ".ttl: leads past 2038-01-19"),
    ("webrtc.desktop", {"stun_server": "stun:a"}, ".stun_server: is in the browser's form; "),
    ("webrtc.desktop", {"stun_server": "a:3478"}, ".stun_server: must be in GStreamer's form, "),
    ("webrtc.desktop", {"stun_server": 7}, ".stun_server: must be in GStreamer's form, such as"),
    ("webrtc.desktop", {"stun_server": "stun://"}, ".stun_server: has no host"),
    ("webrtc.desktop", {"stun_server": "stun://a:0"}, ".stun_server: has a port that is not"),
    ("webrtc.desktop", {"stun_server": "stun://::1"}, ".stun_server: has an IPv6 address without"),
    ("webrtc.desktop", {"stun_server": "stun://a?x"}, ".stun_server: has a '?'"),
    ("jwt_token_user", "x", ": must be a dict, not text"),
    ("jwt_token_user", {"jwtuserpublickeyfile": ""}, ".jwtuserpublickeyfile: must be the name of"),
    ("jwt_token_user", {"jwtuserpublickeyfile": 7}, ".jwtuserpublickeyfile: must be the name of"),
]


@pytest.mark.parametrize(("key", "value", "words"), BAD_ENTRIES)
def test_a_bad_entry_is_an_error_at_its_key_path(key, value, words):
    errors = errors_of({key: value})
    assert len(errors) == 1
    assert errors[0].startswith(key + words)


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        ({"turn": True}, DesktopSettings(turn=True)),
        ({"turn": False, "ttl": 1}, DesktopSettings(ttl=1)),
        ({"ttl": MAX_EXPIRY - NOW}, DesktopSettings(ttl=MAX_EXPIRY - NOW)),
        ({"stun_server": None}, DesktopSettings()),
        ({"stun_server": "stun://a"}, DesktopSettings(stun_server="stun://a:3478")),
        ({"stun_server": "stun://a:1"}, DesktopSettings(stun_server="stun://a:1")),
        ({"stun_server": "stun://[::1]"}, DesktopSettings(stun_server="stun://[::1]:3478")),
    ],
)
def test_the_desktop_gets_what_its_entry_says(value, settings):
    assert load({"webrtc.coturn": COTURN, "webrtc.desktop": value}).desktop == settings


def test_a_key_file_starts_in_the_folder_unless_it_is_absolute(tmp_path, write):
    def key_file(name):
        mapping = {"jwt_token_user": {"jwtuserpublickeyfile": name}}
        return load(mapping, folder=tmp_path).user_token_key_file

    assert key_file("public.pem") == str(tmp_path / "public.pem")
    assert key_file("/keys/public.pem") == "/keys/public.pem"
    path = write("[global]\njwt_token_user: {'jwtuserpublickeyfile': 'public.pem'}\n")
    assert WebRTCConfig.from_file(path).user_token_key_file == str(tmp_path / "public.pem")


# Several problems; lines.


def test_the_problems_of_all_entries_are_reported_together_with_the_warnings():
    mapping = {
        "webrtc.enable": "True",
        "webrtc.enabled": True,
        "webrtc.coturn": [{**COTURN, "ttl": 0}, {**COTURN, "protocol": "http"}],
        "webrtc.rtc_configuration": {"iceServers": [{"urls": "stuns:a"}, {}]},
        "webrtc.rtc_constraints": 7,
        "webrtc.desktop": {"turn": "yes", "ttl": -1},
        "jwt_token_user": [],
    }
    with pytest.raises(ConfigError) as caught:
        load(mapping)
    assert [problem.path for problem in caught.value.problems] == [
        "webrtc.enable",
        "webrtc.coturn[0].ttl",
        "webrtc.coturn[1].protocol",
        "webrtc.rtc_configuration.iceServers[1]",
        "webrtc.rtc_constraints",
        "webrtc.desktop.turn",
        "webrtc.desktop.ttl",
        "jwt_token_user",
    ]
    assert all(problem.level == "error" for problem in caught.value.problems)
    assert [problem.level for problem in caught.value.warnings] == ["warning"] * 2
    assert [problem.path for problem in caught.value.warnings] == [
        "webrtc.enabled",
        "webrtc.rtc_configuration.iceServers[0].urls",
    ]
    assert str(caught.value).count("\n") == 7


LINES = [
    ("webrtc.enable: 1  # HERE", "webrtc.enable"),
    ("webrtc.coturn: {\n  'url': 'a',\n  'ttl': 0,  # HERE", "webrtc.coturn.ttl"),
    ("webrtc.coturn: {\n  'url': 'http://a',  # HERE", "webrtc.coturn.url"),
    ("webrtc.coturn: {\n  'url': [\n    'a',\n    'b:0',  # HERE\n    ],", "webrtc.coturn.url[1]"),
    ("webrtc.coturn: {  # HERE", "webrtc.coturn.url"),
    ("webrtc.coturn: {\n  'url': 'a',\n  'tll': 1,  # HERE", "webrtc.coturn.tll"),
    (
        "webrtc.rtc_configuration: {\n  'iceServers': [\n    {'urls': 'stun:a'},\n"
        "    {'urls': 'stun://a'},  # HERE\n    ],\n  }",
        "webrtc.rtc_configuration.iceServers[1].urls",
    ),
    (
        "webrtc.rtc_configuration: {\n  'iceServers': [{\n    'urls': [\n      'stun:a',\n"
        "      'stun://b',  # HERE\n      ]}],\n  }",
        "webrtc.rtc_configuration.iceServers[0].urls[1]",
    ),
    (
        "webrtc.rtc_configuration: {\n  'iceTransportPolicy': 'none',  # HERE\n  }",
        "webrtc.rtc_configuration.iceTransportPolicy",
    ),
    ("webrtc.desktop: {\n\n  'turn': 1,  # HERE\n  }", "webrtc.desktop.turn"),
    ("webrtc.rtc_constraints: {\n  'audio': 1,  # HERE\n  }", "webrtc.rtc_constraints.audio"),
    (
        "jwt_token_user: {\n  'jwtuserpublickeyfile': 1,  # HERE\n  }",
        "jwt_token_user.jwtuserpublickeyfile",
    ),
]
REST = f"\n  'coturn_static_auth_secret': '{SECRET}'}}"


@pytest.mark.parametrize(("entry", "path"), LINES)
def test_an_error_in_a_file_has_file_line_and_key_path(write, entry, path):
    text = "# a comment\n[global]\n\nother: 1\n" + entry
    text += REST if entry.startswith("webrtc.coturn") else ""
    file = write(text + "\n")
    line = text[: text.index("# HERE")].count("\n") + 1
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_file(file, {}, NOW)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.path) == (file, line, path)
    assert str(problem).startswith(f"{file}:{line}: {path}: ")


def test_a_warning_in_a_file_has_file_line_and_key_path(write):
    file = write(
        """\
        [global]
        webrtc.enabel: True
        webrtc.coturn: {
          'url': 'a:53',
          'coturn_static_auth_secret': [
             '0123456789abcdefghij',
             'CHANGEME'],
          }
        webrtc.rtc_configuration: {
          'iceServers': [
            {'urls': 'stuns:a'}]}
        """
    )
    config = WebRTCConfig.from_file(file, {}, NOW)
    assert {warning.file for warning in config.warnings} == {file}
    assert [(warning.line, warning.path) for warning in config.warnings] == [
        (2, "webrtc.enabel"),
        (4, "webrtc.coturn.url"),
        (7, "webrtc.coturn.coturn_static_auth_secret[1]"),
        (11, "webrtc.rtc_configuration.iceServers[0].urls"),
    ]


def test_a_file_that_is_no_od_config_is_a_config_error(write, tmp_path):
    with pytest.raises(ConfigError, match="no \\[global\\] section"):
        WebRTCConfig.from_file(write("[other]\n"))
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        WebRTCConfig.from_file(tmp_path / "missing")


# Warnings of what is unwise only together.

FIVE = {**COTURN, "url": ["a", "b", "c", "d", "e"]}
RELAY = {"iceTransportPolicy": "relay"}
STATIC_TURN = {"urls": "turn:a", **LOGIN}
TOGETHER = [
    (
        {"webrtc.enable": True},
        "webrtc.enable: is True, but there is no STUN and no TURN server, so there is sound only ",
    ),
    (
        {"webrtc.rtc_configuration": RELAY},
        "webrtc.rtc_configuration.iceTransportPolicy: is 'relay', but there is no TURN server: ",
    ),
    (
        {"webrtc.rtc_configuration": {**RELAY, **STUN}, "webrtc.coturn": {}},
        "webrtc.rtc_configuration.iceTransportPolicy: is 'relay', but there is no TURN server: ",
    ),
    ({"webrtc.coturn": FIVE}, "webrtc.coturn: browsers get 5 urls; more than 4 make them slow"),
    (
        {
            "webrtc.coturn": {**COTURN, "url": ["a", "b"], "transport": ["udp", "tcp"]},
            "webrtc.rtc_configuration": STUN,
        },
        "webrtc.coturn: browsers get 5 urls; more than 4 make them slow",
    ),
    (
        {"webrtc.rtc_configuration": {"iceServers": [{"urls": ["stun:a"] * 3}] * 2}},
        "webrtc.rtc_configuration: browsers get 6 urls; more than 4 make them slow",
    ),
    (
        {"webrtc.desktop": {"turn": True}},
        "webrtc.desktop.turn: is True, but webrtc.coturn has no server to give",
    ),
    (
        {"webrtc.rtc_configuration": {"iceServers": [STATIC_TURN]}},
        "webrtc.rtc_configuration.iceServers[0]: has a TURN password that never expires",
    ),
    (
        {"webrtc.rtc_configuration": {"iceServers": [STATIC_TURN], **RELAY}},
        "webrtc.rtc_configuration.iceServers[0]: has a TURN password that never expires",
    ),
    ({"webrtc.turn": {}}, "webrtc.turn: no such entry; did you mean 'webrtc."),
    (
        {"webrtc.rtc_configurations": STUN},
        "webrtc.rtc_configurations: no such entry; did you mean 'webrtc.rtc_configuration'?",
    ),
    ({"webrtc.": 1}, "webrtc.: no such entry; "),
]


@pytest.mark.parametrize(("mapping", "words"), TOGETHER)
def test_what_is_unwise_is_one_warning_kept_on_the_object(mapping, words):
    warnings = warnings_of(mapping)
    assert len(warnings) == 1
    assert warnings[0].startswith(words)
    assert all(warning.level == "warning" for warning in load(mapping).warnings)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("Webrtc.enable", "webrtc.enable"),
        ("webrtc_coturn", "webrtc.coturn"),
        ("WEBRTC-RTC-Configuration", "webrtc.rtc_configuration"),
        (" webrtc . desktop", "webrtc.desktop"),
    ],
)
def test_an_entry_that_is_written_otherwise_is_a_warning(key, meant):
    assert warnings_of({key: 1}) == [f"{key}: no such entry; did you mean '{meant}'?"]


@pytest.mark.parametrize("key", ["webrtc", "webrtcx.enable", "desktop.webrtc.x"])
def test_other_entries_are_no_affair_of_ours(key):
    assert warnings_of({key: 1}) == []


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


# The environment, the clock and files by default.


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
    with pytest.raises(ConfigError, match="leads past 2038-01-19"):
        WebRTCConfig.from_mapping({"webrtc.coturn": {**COTURN, "ttl": left + 60}})


def test_the_clock_may_stand_at_zero():
    load({"webrtc.coturn": {**COTURN, "ttl": MAX_EXPIRY}}, now=0)


@pytest.mark.parametrize("as_path", [str, lambda path: path, os.fsencode])
def test_a_file_that_od_config_names_starts_in_its_folder(write, tmp_path, monkeypatch, as_path):
    (tmp_path / "turn.secret").write_text(SECRET)
    write(
        "[global]\nwebrtc.coturn: {'url': 'a', 'coturn_static_auth_secret_file': 'turn.secret'}\n"
    )
    config = WebRTCConfig.from_file(as_path(tmp_path / "od.config"))
    assert config.coturn[0].secrets.current()[0].reveal() == SECRET.encode()
    monkeypatch.chdir(tmp_path)
    assert WebRTCConfig.from_file("od.config").coturn[0].secrets.path == str(
        tmp_path / "turn.secret"
    )


def test_a_relative_file_outlives_a_change_of_the_working_directory(tmp_path, monkeypatch):
    # CherryPy's Daemonizer does chdir("/") after the configuration is read.
    (tmp_path / "turn.secret").write_text(SECRET)
    (tmp_path / "public.pem").write_text("key")
    monkeypatch.chdir(tmp_path)
    mapping = {
        "webrtc.coturn": {"url": "a", "coturn_static_auth_secret_file": "turn.secret"},
        "jwt_token_user": {"jwtuserpublickeyfile": "public.pem"},
    }
    config = load(mapping)
    monkeypatch.chdir("/")
    assert os.path.exists(config.coturn[0].secrets.path)
    assert os.path.exists(config.user_token_key_file)


# Nothing shows a secret.

MARK = "marked-hush-0123456789"


@pytest.fixture
def marked(tmp_path):
    """A configuration that has secrets from everywhere, and a static TURN password."""
    (tmp_path / "turn.secret").write_text(f"{MARK}-file\n")
    mapping = {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": {
            "iceServers": [{"urls": "turn:a", "username": "fry", "credential": MARK}],
        },
        "webrtc.coturn": [
            {"url": "a", "coturn_static_auth_secret": MARK},
            {"url": "a", "coturn_static_auth_secret": [MARK, f"{MARK}-old"]},
            {"url": "a", "coturn_static_auth_secret_file": "turn.secret"},
            {"url": "a", "coturn_static_auth_secret_env": "TURN", "pseudonym_key": f"{MARK}-key"},
        ],
    }
    return load(mapping, environ={"TURN": f"{MARK}-env"}, folder=tmp_path)


def attempt(action):
    """Return what an action shows, be it a traceback."""
    try:
        return str(action())
    except (TypeError, AttributeError, pickle.PicklingError):
        return traceback.format_exc()


def pickled(thing):
    return [
        attempt(lambda protocol=protocol: pickle.dumps(thing, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ]


SHOWING = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "pprint": pprint.pformat,
    "json": lambda thing: json.dumps(thing, default=str),
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickled,
    "hash": hash,
    "comparison": lambda thing: thing < 0,
}
PARTS = {
    "config": lambda config: config,
    "servers": lambda config: config.coturn,
    "inline server": lambda config: config.coturn[0],
    "list server": lambda config: config.coturn[1],
    "file server": lambda config: config.coturn[2],
    "environment server": lambda config: config.coturn[3],
    "inline secrets": lambda config: config.coturn[0].secrets,
    "file secrets": lambda config: config.coturn[2].secrets,
    "current secrets": lambda config: config.coturn[1].secrets.current(),
    "warnings": lambda config: config.warnings,
    "desktop": lambda config: config.desktop,
}


@pytest.mark.parametrize("show", SHOWING.values(), ids=SHOWING.keys())
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_nothing_shows_a_secret(marked, part, show):
    assert MARK not in attempt(lambda: show(part(marked)))


def test_the_marked_configuration_really_has_its_secrets(marked):
    shown = json.dumps(build_rtc_configuration(marked, "fry", NOW))
    assert shown.count(MARK) == 1
    found = [s.reveal().decode() for c in marked.coturn for s in c.secrets.current()]
    assert found == [MARK, MARK, f"{MARK}-old", f"{MARK}-file", f"{MARK}-env"]


BROKEN = [
    {"coturn_static_auth_secret": f"{MARK}\n"},
    {"coturn_static_auth_secret": MARK.encode()},
    {"coturn_static_auth_secret": [MARK, 7]},
    {"coturn_static_auth_secret": {MARK: MARK}},
    {"coturn_static_auth_secret": f"{MARK}\ud800"},
    {"coturn_static_auth_secret": MARK, "coturn_static_auth_secret_file": "x"},
    {"coturn_static_auth_secret": MARK, "ttl": 0},
    {"coturn_static_auth_secret": MARK, "url": f"fry:{MARK}@host"},
    {"coturn_static_auth_secret": MARK, "url": f"turn:fry:{MARK}@host"},
    {"coturn_static_auth_secret": MARK, "url": [f"host?{MARK}"]},
    {"coturn_static_auth_secret": MARK, "pseudonym_key": ["", MARK]},
]


@pytest.mark.parametrize("coturn", BROKEN)
def test_no_error_and_no_traceback_shows_a_secret(coturn):
    mapping = {
        "webrtc.coturn": {"url": "a", **coturn},
        "webrtc.rtc_configuration": {
            "iceServers": [{"urls": "turn:a", "username": 7, "credential": MARK}]
        },
    }
    with pytest.raises(ConfigError) as caught:
        load(mapping)
    error = caught.value
    shown = [str(error), repr(error), repr(error.args), repr(error.warnings), repr(vars(error))]
    shown += traceback.format_exception(type(error), error, error.__traceback__)
    assert len(error.problems) >= 2
    assert error.__context__ is None
    assert MARK not in "\n".join(shown)
