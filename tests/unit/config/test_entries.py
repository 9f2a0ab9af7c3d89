"""What is wrong with an entry or unwise in it, and what several are together."""

from __future__ import annotations

import pytest

from abcwebrtc.config.desktop import DesktopSettings
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.uris import IceURI
from abcwebrtc.errors import ConfigError
from abcwebrtc.times import MAX_EXPIRY
from support.configurations import COTURN, LOGIN, NOW, STUN, errors_of, load, warnings_of

# enable.


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("True", "text"),
        ("False", "text"),
        (1, "a whole number"),
        (None, "None"),
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
        {"video": False, "audio": {"echoCancellation": True, "x": [1]}},
        {"audio": {"advanced": [{"echoCancellation": True}], "optional": []}},
    ],
)
def test_constraints_pass_through(value):
    config = load({"webrtc.rtc_constraints": value})
    assert thaw(config.rtc_constraints) == value
    assert config.warnings == ()


BAD_ENTRIES = [
    ("webrtc.rtc_constraints", True, ": must be a dict such as {'video': False, 'audio': True}, "),
    ("webrtc.rtc_constraints", {"audio": "True"}, ".audio: must be True, False, or a dict"),
    ("webrtc.rtc_constraints", {"audio": {"x": b""}}, ".audio: is bytes, which can't be sent"),
    ("webrtc.rtc_constraints", {1: True}, ": has a whole number as a key"),
    ("webrtc.rtc_constraints", {"audio": {"advanced": 5}}, ".audio.advanced: must be a list of"),
    ("webrtc.rtc_constraints", {"video": {"optional": {}}}, ".video.optional: must be a list of"),
    ("webrtc.desktop", True, ": must be a dict such as { 'turn': True }, not a bool"),
    ("webrtc.desktop", {"trun": True}, ".trun: no such key; did you mean 'turn'?"),
    (
        "webrtc.desktop",
        {"zzz": True},
        ": has an unknown key, number 1 of 1; the keys are turn, ttl, stun_server",
    ),
    ("webrtc.desktop", {"labels": ["a"]}, ".labels: no such key; write 'acl': { 'permit': [ '"),
    ("webrtc.desktop", {"turn": 1}, ".turn: must be True or False without quotes, not a whole"),
    ("webrtc.desktop", {"ttl": 0}, ".ttl: must be 1 second or more"),
    (
        "webrtc.desktop",
        {"ttl": MAX_EXPIRY - NOW + 1},
        ".ttl: would make credentials expire after 2038-01-19",
    ),
    ("webrtc.desktop", {"stun_server": "stun:a"}, ".stun_server: is in the browser's form; "),
    ("webrtc.desktop", {"stun_server": "a:3478"}, ".stun_server: must be in GStreamer's form, "),
    ("webrtc.desktop", {"stun_server": "stun://a:0"}, ".stun_server: has a port that is not"),
    ("jwt_token_user", "x", ": must be a dict, not text"),
    ("jwt_token_user", {"jwtuserpublickeyfile": ""}, ".jwtuserpublickeyfile: must be the name of"),
    ("jwt_token_user", {"jwtuserpublickeyfile": []}, ".jwtuserpublickeyfile: must be the name of"),
    ("jwt_token_user", {"jwtuserpublickeyfile": ["a", 7]}, ".jwtuserpublickeyfile: must be the na"),
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
        ({"stun_server": "stun://a"}, DesktopSettings(stun_uri=IceURI("stun", "a"))),
        ({"stun_server": "stun://a:1"}, DesktopSettings(stun_uri=IceURI("stun", "a", 1))),
        ({"stun_server": "stun://[::1]"}, DesktopSettings(stun_uri=IceURI("stun", "[::1]"))),
    ],
)
def test_the_desktop_gets_what_its_entry_says(value, settings):
    assert load({"webrtc.coturn": COTURN, "webrtc.desktop": value}).desktop == settings


MEANT = {
    "webrtc.coturn": "servers turn turnServers static_auth_secret cotrun",
    "webrtc.rtc_configuration": "stun ice_servers rtc rtc_configurations",
    "webrtc.rtc_constraints": "audio rtc_constraint",
    "webrtc.enable": "on enabel",
}


@pytest.mark.parametrize(
    ("name", "right"), [(name, right) for right, names in MEANT.items() for name in names.split()]
)
def test_an_entry_by_another_name_is_a_warning_that_says_the_right_one(name, right):
    assert warnings_of({f"webrtc.{name}": 1}) == [
        f"webrtc.{name}: no such entry; did you mean '{right}'?"
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("turn://desk:Wq7hardly@turn.example.org:3478", "has a password that never expires"),
        ("turns://d:Wq7hardly@[2001:db8::1]:5349?transport=tcp", "has a password that never"),
        ("turn://a%3Ab:Wq7hardly%2F@turn.example.org", "has a password that never expires"),
        ("turn://turn.example.org:3478", "has no user and password, so it gives no relay"),
        ("turn://Wq7hardly@turn.example.org", "has no user and password, so it gives no relay"),
        ("Wq7hardly", "is not in GStreamer's form"),
        ("turn://a:Wq7 hardly@turn.example.org", "is not in GStreamer's form"),
        (["turn://a:Wq7hardly@b"], "is not in GStreamer's form"),
        ("", "is empty, which breaks webrtcbin's pipeline"),
    ],
)
def test_a_turn_server_for_every_container_is_a_warning_that_does_not_show_it(value, words):
    (warning,) = warnings_of({"desktop.envlocal": {"TURN_SERVER": value}})
    assert warning.startswith(f"desktop.envlocal.TURN_SERVER: {words}")
    assert "remove it, and write webrtc.coturn and webrtc.desktop: { 'turn': True }" in warning
    assert "Wq7" not in warning


def test_no_turn_server_is_no_warning():
    assert warnings_of({"desktop.envlocal": {"TURN_SERVER": None, "LANG": "C"}}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STUN_SERVER", "stun://{{ host }}:3478"),
        ("STUN_SERVER", "{{ stun }}"),
        ("TURN_SERVER", "{{ turn }}"),
        ("TURN_SERVER", "turn://{{ userid }}:{{ turn_password }}@turn.example.org:3478"),
    ],
)
def test_a_template_of_pyos_is_left_unchecked(name, value):
    config = load({"desktop.envlocal": {name: value}})
    (note,) = config.notes
    assert note.path == f"desktop.envlocal.{name}"
    assert config.desktop.stun_server is None
    assert config.warnings == ()


def test_a_fixed_password_beside_a_template_is_a_warning():
    value = "turn://{{ userid }}:Wq7hardly@{{ host }}:3478"
    (warning,) = warnings_of({"desktop.envlocal": {"TURN_SERVER": value}})
    assert "has a password that never expires" in warning
    assert "Wq7" not in warning


STUN_PLACES = [("desktop.envlocal", "STUN_SERVER"), ("webrtc.desktop", "stun_server")]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("0.0.0.0", "is an address to listen on"),
        ("224.0.0.1", "is a multicast or broadcast address"),
        ("169.254.1.1", "is a link-local address"),
        ("localhost", "names the desktop itself"),
        ("[::1]", "names the desktop itself"),
    ],
)
@pytest.mark.parametrize(("key", "name"), STUN_PLACES)
def test_a_stun_server_that_no_desktop_reaches_is_a_warning(key, name, host, words):
    (warning,) = warnings_of({key: {name: f"stun://{host}:3478"}})
    assert warning.startswith(f"{key}.{name}: {words}")


@pytest.mark.parametrize("host", ["stun.ns.svc", "stun.ns.svc.cluster.local", "10.1.2.3"])
@pytest.mark.parametrize(("key", "name"), STUN_PLACES)
def test_a_desktop_reaches_what_is_inside_the_cluster(key, name, host):
    assert warnings_of({key: {name: f"stun://{host}:3478"}}) == []


@pytest.mark.parametrize("value", ["x", [], 5, True])
def test_variables_that_pyos_passes_over_are_a_warning(value):
    (warning,) = warnings_of({"desktop.envlocal": value})
    assert warning.startswith("desktop.envlocal: must be a dict, not ")


def test_a_ttl_of_desktops_in_milliseconds_is_said():
    (warning,) = warnings_of({"webrtc.desktop": {"ttl": 86400000}})
    assert warning.startswith(
        "webrtc.desktop.ttl: looks like milliseconds, but the ttl is in seconds"
    )
    assert warning.endswith("write 86400")


# Several problems.


def test_the_problems_of_all_entries_are_reported_together_with_the_warnings():
    mapping = {
        "webrtc.enable": "True",
        "webrtc.enabled": True,
        "webrtc.coturn": [{**COTURN, "ttl": 0}, {**COTURN, "protocol": "http"}],
        "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:a:53"}, {}]},
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


# Warnings of what is unwise only together.

FIVE = {**COTURN, "url": ["a", "b", "c", "d", "e"]}
RELAY = {"iceTransportPolicy": "relay"}
STATIC_TURN = {"urls": "turn:a", **LOGIN}
TOGETHER = [
    (
        {"webrtc.enable": True},
        "webrtc.enable: is True, but there is no STUN or TURN server, so there is sound only ",
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
        {"webrtc.rtc_configuration": {"iceServers": [STATIC_TURN], **RELAY}},
        "webrtc.rtc_configuration.iceServers[0]: has a TURN password that never expires",
    ),
    ({"webrtc.": 1}, "an unknown entry may be meant for WebRTC; the keys are "),
    ({"webrtc.user_name": 1}, "webrtc.user_name: no such entry; the keys are webrtc.enable, "),
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
    ],
)
def test_an_entry_that_is_written_otherwise_is_a_warning(key, meant):
    assert warnings_of({key: 1}) == [f"{key}: no such entry; did you mean '{meant}'?"]


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("webrtc.desktop { 'turn'", "a ':' is missing after 'webrtc.desktop'"),
        ("webrtc.coturn[ {'url'", "a ':' is missing after 'webrtc.coturn'"),
        (" webrtc . desktop", "did you mean 'webrtc.desktop'?"),
        ("webrtc.\x1b[2Jttl", "the keys are webrtc.enable, "),
        ("webrtc.gR7vQ2nLs9Tz", "the keys are webrtc.enable, "),
        ("webrtc." + "a" * 100, "the keys are webrtc.enable, "),
    ],
)
def test_an_entry_that_may_be_anything_is_a_warning_that_does_not_show_it(key, right):
    (warning,) = warnings_of({key: 1})
    assert warning.startswith(f"an unknown entry may be meant for WebRTC; {right}")
    assert key not in warning


@pytest.mark.parametrize("key", ["webrtc", "webrtcx.enable", "desktop.webrtc.x"])
def test_other_entries_are_no_affair_of_ours(key):
    assert warnings_of({key: 1}) == []
