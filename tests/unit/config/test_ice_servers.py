"""The static rtc_configuration."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, List

import pytest

from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.ice_servers import (
    parse_rtc_configuration,
    public_rtc_configuration,
)
from abcwebrtc.config.problems import Where
from support.coturn_entries import texts

LOGIN = {"username": "fry", "credential": "marked-hush"}


def parse(value):
    static, problems = parse_rtc_configuration(value, Where({})["rtc"])
    return static.frozen, texts(problems, "error"), texts(problems, "warning")


def urls_of(value):
    static, _ = parse_rtc_configuration(value, Where({})["rtc"])
    return [str(uri) for server in static.servers for uri in server.uris]


def parse_server(server):
    return parse({"iceServers": [server]})


@pytest.mark.parametrize("value", [None, {}, {"iceServers": []}, {"iceServers": ()}])
def test_nothing_is_an_empty_list_of_servers(value):
    frozen, errors, warnings = parse(value)
    assert thaw(frozen) == {"iceServers": []}
    assert errors == warnings == []


@pytest.mark.parametrize(
    "server",
    [
        {"urls": "stun:stun.l.google.com:19302"},
        {"urls": ["stun:a", "stun:b:2"]},
        {"urls": "stun:a", "url": "stun:a"},
        {"urls": "stun:a", "vendor": {"x": [1, None]}},
        MappingProxyType({"urls": "stun:a"}),
    ],
)
def test_a_good_stun_server_is_kept_as_it_is(server):
    frozen, errors, warnings = parse_server(server)
    assert errors == warnings == []
    urls = server["urls"]
    expected = {**server, "urls": list(urls) if isinstance(urls, tuple) else urls}
    assert thaw(frozen) == {"iceServers": [expected]}


def test_members_that_are_not_known_pass_through_in_place():
    value = {
        "iceTransportPolicy": "all",
        "iceServers": [{"urls": "stun:a", "x": 1}],
        "bundlePolicy": "max-bundle",
        "iceCandidatePoolSize": 3,
        "vendor": {"deep": [True, None, 1.5]},
    }
    frozen, errors, warnings = parse(value)
    assert thaw(frozen) == value
    assert errors == warnings == []


A_URI = "must be a URI such as 'stun:host:3478', or a list of URIs"
BAD = [
    ("stun:a", "rtc: must be a dict such as {'iceServers': []}, not text"),
    (False, "rtc: must be a dict such as {'iceServers': []}, not a bool"),
    ({"iceServers": None}, "rtc.iceServers: must be a list of dicts, not None"),
    ({"iceServers": {"urls": "stun:a"}}, "rtc.iceServers: must be a list of dicts, not "),
    ({"iceServers": ["stun:a"]}, "rtc.iceServers[0]: must be a dict with 'urls', not text"),
    ({"iceServers": [{"urls": "stun:a"}, None]}, "rtc.iceServers[1]: must be a dict with 'urls'"),
    ({"iceServers": [{}]}, "rtc.iceServers[0]: has no 'urls'"),
    ({"iceServers": [{"urls": ""}]}, f"rtc.iceServers[0].urls: {A_URI}"),
    ({"iceServers": [{"urls": 7}]}, f"rtc.iceServers[0].urls: {A_URI}"),
    ({"hush": b""}, "rtc: is bytes, which can't be sent as JSON"),
]


@pytest.mark.parametrize(("value", "words"), BAD)
def test_a_bad_configuration_is_an_error_that_says_what_to_write(value, words):
    errors = parse(value)[1]
    assert len(errors) == 1
    assert errors[0].startswith(words)


def test_the_old_name_of_urls_works_and_is_a_warning():
    frozen, errors, warnings = parse_server({"url": "stun:a"})
    assert errors == []
    assert warnings == [
        "rtc.iceServers[0].url: is the old name of 'urls', which browsers may drop; write 'urls'"
    ]
    assert urls_of(frozen) == ["stun:a"]
    assert parse_server({"url": "stun:a?x"})[1][0].startswith("rtc.iceServers[0].url: has a '?'")
    assert parse_server({"url": "turn:a"})[1][0].startswith("rtc.iceServers[0]: has a turn URI wi")


BAD_URLS = [  # of which test_uris.py has more
    ("stun.l.google.com:19302", "must begin with stun:, stuns:, turn: or turns:"),
    ("STUNS:a:5349", "is a stuns URI, and Firefox throws on it; write stun"),
    ("turns:a:990", "uses a port that Firefox blocks"),
]


@pytest.mark.parametrize(("url", "words"), BAD_URLS)
def test_a_bad_uri_is_an_error(url, words):
    for urls in (url, ["stun:good", url]):
        (error,) = parse_server({"urls": urls, **LOGIN})[1]
        assert error.startswith("rtc.iceServers[0].urls")
        assert words in error


@pytest.mark.parametrize(("item", "words"), [(None, "not None"), (7, "not a whole number")])
def test_an_item_of_urls_that_is_no_text_is_an_error(item, words):
    errors = parse_server({"urls": ["stun:good", item]})[1]
    assert len(errors) == 1
    assert "urls" in errors[0]
    assert f"must be text such as 'stun:host:3478', {words}" in errors[0]


LOGINS = [
    ({}, "'username'"),
    ({"username": "fry"}, "'credential'"),
    ({"credential": "hush"}, "'username'"),
]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("turns:192.0.2.1:5349", ["Firefox ignores"]),
        ("turn:a:700", ["uses a port under 1024"]),
        ("turns:[2001:db8::1]?transport=udp", ["do not speak", "Firefox ignores"]),
    ],
)
def test_a_static_turn_url_is_looked_at_as_one_of_coturn(url, words):
    _, errors, warnings = parse_server({"urls": url, **LOGIN})
    assert errors == []
    assert len(warnings) == len(words) + 1  # the last is of the password
    assert all(word in warning for word, warning in zip(words, warnings))


@pytest.mark.parametrize("urls", ["turn:a", "turns:a", ["stun:a", "turn:b"]])
@pytest.mark.parametrize(("login", "missing"), LOGINS)
def test_a_turn_server_without_its_login_is_an_error(urls, login, missing):
    errors = parse_server({"urls": urls, **login})[1]
    assert len(errors) == 1
    assert errors[0].startswith(f"rtc.iceServers[0]: has a turn URI without {missing}")
    assert "move your coturn server to webrtc.coturn" in errors[0]
    assert "hush" not in errors[0]


@pytest.mark.parametrize("key", ["username", "credential"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty, so browsers throw"),
        (None, "is None, which browsers convert to a text that no server accepts"),
        ({}, "is a dict, which browsers convert to a text"),
    ],
)
def test_a_login_that_is_no_text_is_an_error(key, value, words):
    (error,) = parse_server({"urls": "turn:a", **LOGIN, key: value})[1]
    assert error.startswith(f"rtc.iceServers[0].{key}: {words}")
    assert "marked-hush" not in error


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("username", 5, "is a whole number, which browsers convert to text; put it in quotes"),
        ("credential", 1.5, "is a number with a point, which browsers convert to text"),
        ("username", "u" * 509, "has 509 bytes, and Chromium then gathers nothing"),
        ("username", "u" + "\xe9" * 254, "has 509 bytes, and Chromium then gathers nothing"),
        ("username", "$TURN_USER", "is a variable or a placeholder, which nothing expands"),
        ("credential", "{{ turn.password }}", "is a variable or a placeholder"),
    ],
)
def test_a_login_that_browsers_take_but_nobody_means_is_a_warning(key, value, words):
    _, errors, warnings = parse_server({"urls": "turn:a", **LOGIN, key: value})
    assert errors == []
    assert warnings[0].startswith(f"rtc.iceServers[0].{key}: {words}")
    assert len(warnings) == 2  # the last is of the password
    assert str(value) not in warnings[0].partition(": ")[2] or value in (5, 1.5, True)


@pytest.mark.parametrize("username", ["u" * 510, "\xe9" * 255])
def test_a_username_that_is_too_long_is_an_error(username):
    (error,) = parse_server({"urls": "turn:a", **LOGIN, "username": username})[1]
    assert "username: is longer than 509 bytes, so browsers throw" in error


@pytest.mark.parametrize("credential", ["p$word", "$ecret", "a{b}c", "<<x", "p" * 5000])
def test_a_password_may_look_like_anything(credential):
    assert len(parse_server({"urls": "turn:a", **LOGIN, "credential": credential})[2]) == 1


@pytest.mark.parametrize("urls", ["stun:a", "turn:a"])
@pytest.mark.parametrize("value", ["token", "oauth", "", None, "Password", 5])
def test_another_type_of_credential_is_an_error(urls, value):
    (error,) = parse_server({"urls": urls, **LOGIN, "credentialType": value})[1]
    assert error.startswith("rtc.iceServers[0].credentialType: must be 'password', or left out")
    assert parse_server({"urls": urls, **LOGIN, "credentialType": "password"})[1] == []


def test_a_blank_at_an_end_is_a_warning():
    frozen, errors, warnings = parse_server({"urls": " stun:a "})
    assert errors == []
    assert warnings == [
        "rtc.iceServers[0].urls: begins or ends with whitespace, which browsers ignore; remove it"
    ]
    assert urls_of(frozen) == ["stun:a"]


@pytest.mark.parametrize("urls", ["turn:a", "turns:a", ["stun:a", "turn:b?transport=udp"]])
def test_a_static_turn_password_is_a_warning_that_does_not_show_it(urls):
    _, errors, warnings = parse_server({"urls": urls, **LOGIN})
    assert errors == []
    assert len(warnings) == 1
    assert warnings[0].startswith("rtc.iceServers[0]: has a TURN password that never expires")
    assert "write the server into webrtc.coturn" in warnings[0]
    assert "marked-hush" not in warnings[0]


WARNINGS = [
    ("stun:a:53", ["uses port 53"]),
    ("stun:127.0.0.1:53", ["uses port 53", "names the machine that uses it"]),
]


@pytest.mark.parametrize("port", [54, 80, 443, 700, 1023])
def test_stun_at_a_low_port_is_no_warning(port):
    assert parse_server({"urls": f"stun:a:{port}"})[1:] == ([], [])


@pytest.mark.parametrize("wrap", [lambda url: url, lambda url: ["stun:good", url]])
@pytest.mark.parametrize(("url", "words"), WARNINGS)
def test_what_is_allowed_but_unwise_is_a_warning_and_passes_through(wrap, url, words):
    urls = wrap(url)
    frozen, errors, warnings = parse_server({"urls": urls})
    assert errors == []
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words):
        assert warning.startswith("rtc.iceServers[0].urls")
        assert word in warning
    assert thaw(frozen)["iceServers"][0]["urls"] == urls


def test_several_faults_are_reported_together():
    value = {
        "iceServers": [{"urls": ["stun:a:0", "turn:b:0"]}, 7, {"urls": "turn:c"}],
        "iceTransportPolicy": "none",
        "x": b"",
    }
    errors = parse(value)[1]
    paths = [error.split(": ")[0] for error in errors]
    assert [path.split(".urls")[0] for path in paths] == [
        "rtc",
        "rtc.iceServers[0]",
        "rtc.iceServers[0]",
        "rtc.iceServers[1]",
        "rtc.iceServers[2]",
        "rtc.iceTransportPolicy",
    ]


def test_the_public_part_has_no_server_with_a_password():
    value = {
        "iceServers": [{"urls": "stun:a"}, {"urls": "turn:b", **LOGIN}, {"urls": "stun:c"}],
        "iceTransportPolicy": "all",
    }
    frozen, _, _ = parse(value)
    public = public_rtc_configuration(frozen)
    assert "marked-hush" not in str(public)
    assert thaw(public) == {
        "iceServers": [{"urls": "stun:a"}, {"urls": "stun:c"}],
        "iceTransportPolicy": "all",
    }
    assert len(frozen["iceServers"]) == 3


def test_what_hides_a_server_is_its_password_and_not_its_username():
    servers = [
        {"urls": "stun:a", "username": "fry"},
        {"urls": "stun:b", "credential": "marked-hush"},
    ]
    frozen, errors, _ = parse({"iceServers": servers})
    assert errors == []
    assert thaw(public_rtc_configuration(frozen))["iceServers"] == [servers[0]]


# Members beside the servers; tests/e2e asks the browsers.


def members(value: Any) -> List[List[str]]:
    _, errors, warnings = parse(value)
    return [errors, warnings]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("bundlePolicy", value) for value in ("balanced", "max-compat", "max-bundle")],
        *[("iceTransportPolicy", value) for value in ("all", "relay")],
        *[("rtcpMuxPolicy", value) for value in ("require", "negotiate")],
        *[("iceCandidatePoolSize", value) for value in (0, 1, 255)],
        *[("certificates", value) for value in ([], ())],
        *[("peerIdentity", value) for value in ("", "a@b", None, 5)],
        *[("sdpSemantics", value) for value in ("plan-b", "x")],
        ("vendor", {"a": [None]}),
    ],
    ids=str,
)
def test_what_browsers_take_is_no_problem(name: str, value: Any) -> None:
    assert members({name: value}) == [[], []]


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("bundlePolicy", "must be 'max-bundle' or 'balanced' or 'max-compat', or left out; browse"),
        ("iceTransportPolicy", "must be 'all' or 'relay', or left out; browsers throw"),
        ("rtcpMuxPolicy", "must be 'require' or 'negotiate', or left out; browsers throw"),
    ],
)
@pytest.mark.parametrize("value", ["max_bundle", "Relay", None, []], ids=str)
def test_an_enumeration_has_its_values_alone(name: str, start: str, value: Any) -> None:
    (error,), warnings = members({name: value})
    assert error.startswith(f"rtc.{name}: {start}")
    assert warnings == []
    assert "max_bundle" not in error


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("iceservers", "iceServers"),
        ("iceServer", "iceServers"),
        ("ice_servers", "iceServers"),
        ("bundlepolicy", "bundlePolicy"),
        ("iceTransportsPolicy", "iceTransportPolicy"),
    ],
)
def test_a_misspelt_member_is_a_warning(name: str, right: str) -> None:
    assert members({name: []}) == [[], [f"rtc.{name}: is ignored; did you mean '{right}'?"]]


def test_a_member_that_differs_in_three_letters_is_told_of() -> None:
    told = "rtc: has a key that is ignored; did you mean 'iceTransportPolicy'?"
    assert members({"iceTransportPolicies": "relay"}) == [[], [told]]


@pytest.mark.parametrize("value", [None, "x", [5]], ids=str)
def test_certificates_can_not_be_written(value: Any) -> None:
    (error,), _ = members({"certificates": value})
    assert error.startswith("rtc.certificates: must be [] or left out")


@pytest.mark.parametrize("value", [256, -1, 1e9, "x", "256", [], "1e3"], ids=str)
def test_a_pool_is_of_0_to_255(value: Any) -> None:
    (error,), _ = members({"iceCandidatePoolSize": value})
    assert error.startswith(
        "rtc.iceCandidatePoolSize: must be a whole number from 0 to 255, such as 0, or left out"
    )


@pytest.mark.parametrize(
    ("value", "number"), [(None, 0), (True, 1), (1.5, 1), ("5", 5), (255.9, 255), (-0.5, 0)]
)
def test_what_browsers_make_a_number_of_is_a_warning(value: Any, number: int) -> None:
    errors, (warning,) = members({"iceCandidatePoolSize": value})
    assert errors == []
    assert warning.endswith(f"which browsers read as {number}; write that")
