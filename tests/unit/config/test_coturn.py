"""The webrtc.coturn entry: its keys, its ttl, its username styles."""

from __future__ import annotations

import collections
from types import MappingProxyType

import pytest

from abcwebrtc.config.coturn import DAY, KEYS, check_ttl
from abcwebrtc.config.coturn_secrets import SECRET_KEY
from abcwebrtc.config.problems import Where
from abcwebrtc.times import MAX_EXPIRY
from support.configurations import SECRET
from support.coturn_entries import MINIMAL, parse, parse_one, values

# No server, one, several.


@pytest.mark.parametrize("value", [None, {}, [], ()])
def test_nothing_means_no_server(value):
    assert parse(value) == ((), [], [])


def test_the_defaults_are_those_of_the_document():
    servers, errors, warnings = parse(MINIMAL)
    assert errors == warnings == []
    (server,) = servers
    assert server.urls == ("turn:turn.domain.local:3478",)
    assert (server.ttl, server.username, server.pseudonym_keys) == (3600, "timestamp", None)
    assert values(server.secrets) == [SECRET]


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_servers_keep_their_order_and_their_own_secrets(kind):
    given = kind([{**MINIMAL, "url": "b"}, {"coturn_static_auth_secret": SECRET * 2, "url": "a"}])
    servers, errors, _ = parse(given)
    assert errors == []
    assert [server.urls for server in servers] == [("turn:b",), ("turn:a",)]
    assert [values(server.secrets) for server in servers] == [[SECRET], [SECRET * 2]]


@pytest.mark.parametrize("kind", [MappingProxyType, collections.OrderedDict])
@pytest.mark.parametrize("wrap", [lambda server: server, lambda server: [server]])
def test_a_server_may_be_any_mapping(kind, wrap):
    servers, errors, _ = parse(wrap(kind(MINIMAL)))
    assert errors == []
    assert servers[0].urls == ("turn:turn.domain.local:3478",)


@pytest.mark.parametrize("kind", [MappingProxyType, collections.OrderedDict])
def test_an_empty_mapping_of_any_kind_means_no_server(kind):
    assert parse(kind({})) == ((), [], [])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("turn:host", "coturn: must be a dict, or a list of dicts, not text"),
        (False, "coturn: must be a dict, or a list of dicts, not a bool"),
        ([MINIMAL, "x"], "coturn[1]: must be a dict, not text"),
        ([None], "coturn[0]: must be a dict, not None"),
        ("", "coturn: must be a dict, or a list of dicts, not an empty text"),
        *(
            (
                names,
                "coturn: has a dict in each key; for several servers write a list, "
                "[ { ... }, { ... } ], and their names as 'name'",
            )
            for names in ({"paris": MINIMAL}, {"paris": MINIMAL, "lyon": {}})
        ),
    ],
)
def test_what_is_no_server_is_an_error(value, words):
    _, errors, _ = parse(value)
    assert errors == [words]


def test_an_empty_dict_in_a_list_is_a_server_without_all_that_it_needs():
    _, errors, _ = parse([MINIMAL, {}])
    assert [error.split(":")[0] for error in errors] == [
        "coturn[1].url",
        "coturn[1].coturn_static_auth_secret",
    ]


# Keys.


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("coturn_static_auth_secrets", "did you mean 'coturn_static_auth_secret'?"),
        ("tll", "did you mean 'ttl'?"),
        ("urls", "did you mean 'url'?"),
        ("tls-port", "put it into the url: 'url': 'host:port'"),
        ("port", "put it into the url: 'url': 'host:port'"),
        ("Host-Name", "put it into the url: 'url': 'host:port'"),
        ("realm", "coturn's own setting; write it in turnserver.conf"),
        ("password", "abcwebrtc mints a login for each user; write coturn's static-auth-secret"),
        ("secret", "did you mean 'coturn_static_auth_secret'?"),
        ("expiry", "did you mean 'ttl', in seconds?"),
        ("tls", "write 'protocol': 'turns' for TLS"),
        ("uris", "did you mean 'url'?"),
        ("stun", "put it into webrtc.rtc_configuration"),
    ],
)
def test_a_misspelt_key_is_an_error_with_the_right_one(key, words):
    _, errors, _ = parse_one({key: "x"})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.{key}: no such key; {words}")


@pytest.mark.parametrize("key", ["Wq7hardly", SECRET_KEY + "Wq7hardly", SECRET_KEY + "=Wq7hardly"])
def test_a_secret_that_stands_for_a_key_is_not_shown(key):
    errors = parse_one({key: "x"})[1]
    assert any("has an unknown key" in error for error in errors)
    assert "Wq7" not in "".join(errors)


def test_a_key_that_is_no_text_is_an_error():
    assert parse_one({3: "x"})[1][0].startswith("coturn.a whole number: no such key")


GARBAGE = [None, True, 1.5, b"x", {}, {"a": 1}, {"set"}, [None], [[]], [], (), -1]
VALID = {"weight": [1.5], "drain": [True], "acl": [{}, {"a": 1}]}


@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_the_wrong_kind_is_an_error_at_its_key_and_never_a_default(key):
    # None stands for itself: where it meant "not given", a typo would go unnoticed.
    inline = "coturn_static_auth_secret"
    without = [inline] if key in (inline + "_file", inline + "_env") else []
    for value in (one for one in GARBAGE if one not in VALID.get(key, [])):
        servers, errors, _ = parse_one({key: value}, without)
        assert servers == ()
        assert any(error.startswith((f"coturn.{key}:", f"coturn.{key}[")) for error in errors)


def test_several_faults_in_several_servers_are_reported_together():
    given = [
        {"url": "http://a", "ttl": 0, "protocol": "stun", "username": "x", "tll": 1},
        {**MINIMAL, "url": ["a:0", "b", "c:0"], "transport": "sctp"},
    ]
    servers, errors, _ = parse(given)
    assert servers == ()
    assert sorted(error.split(": ")[0] for error in errors) == [
        "coturn[0].coturn_static_auth_secret",
        "coturn[0].protocol",
        "coturn[0].tll",
        "coturn[0].ttl",
        "coturn[0].url",
        "coturn[0].username",
        "coturn[1].transport",
        "coturn[1].url[0]",
        "coturn[1].url[2]",
    ]


# ttl.


@pytest.mark.parametrize("ttl", [1, 2, 3600, DAY, 24 * 3600])
def test_a_ttl_up_to_a_day_is_kept(ttl):
    servers, errors, warnings = parse_one({"ttl": ttl})
    assert errors == warnings == []
    assert servers[0].ttl == ttl


@pytest.mark.parametrize("ttl", [300000, 3600000, 86400000])
def test_a_ttl_that_is_plainly_milliseconds_is_said(ttl):
    servers, errors, warnings = parse_one({"ttl": ttl})
    assert errors == []
    assert warnings == [
        f"coturn.ttl: looks like milliseconds, but the ttl is in seconds: write {ttl // 1000}"
    ]
    assert servers[0].ttl == ttl


@pytest.mark.parametrize("ttl", [3600000.0, "3600000", " 3600000 ", "3600000.0"])
def test_milliseconds_in_another_form_are_said_too(ttl):
    (error,) = parse_one({"ttl": ttl})[1]
    assert error.startswith("coturn.ttl: must be a whole number of seconds, such as 3600, not ")
    assert error.endswith("; it looks like milliseconds: write 3600")


@pytest.mark.parametrize(
    "ttl", [3600.0, "3600", "86400", "x", "", "1e999", float("inf"), "9" * 5000, [10**5000]]
)
def test_no_other_text_or_number_is_called_milliseconds(ttl):
    (error,) = parse_one({"ttl": ttl})[1]
    assert "millisecond" not in error


def test_milliseconds_past_2038_are_said():
    (error,) = parse_one({"ttl": 3600 * 10**6})[1]
    assert error.endswith("the ttl is in seconds, not in milliseconds: 3600000")


@pytest.mark.parametrize("days", [2, 7, 30, 90, 365])
def test_days_in_seconds_are_no_milliseconds(days):
    (warning,) = parse_one({"ttl": days * DAY})[2]
    assert "more than a day" in warning


@pytest.mark.parametrize("ttl", [86401, 10**6])
def test_a_ttl_over_a_day_is_a_warning(ttl):
    servers, errors, warnings = parse_one({"ttl": ttl})
    assert errors == []
    assert warnings == [
        f"coturn.ttl: is {ttl} seconds, more than a day: a leaked credential works that long"
    ]
    assert servers[0].ttl == ttl


@pytest.mark.parametrize(
    ("ttl", "words"),
    [
        (0, "must be 1 second or more, such as 3600"),
        (True, "must be a whole number of seconds, such as 3600, not a bool"),
        (3600.0, "must be a whole number of seconds, such as 3600, not a number with a point"),
        ("3600", "must be a whole number of seconds, such as 3600, not text"),
        (3600 * 10**6, "would make credentials expire after 2038-01-19, which coturn refuses"),
    ],
)
def test_a_bad_ttl_is_an_error(ttl, words):
    servers, errors, warnings = parse_one({"ttl": ttl})
    assert servers == ()
    assert warnings == []
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.ttl: {words}")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_ttl_of_5000_digits_is_an_error(sign):
    # Python refuses to write such a number, also into a message.
    assert len(parse_one({"ttl": sign * 10**5000})[1]) == 1


@pytest.mark.parametrize(
    ("now", "good"),
    [
        (MAX_EXPIRY - 3600, True),
        (MAX_EXPIRY - 3600 + 0.9, True),
        (MAX_EXPIRY - 3600 + 1, False),
    ],
)
def test_the_2038_limit_is_exact(now, good):
    assert len(list(check_ttl(3600, Where({})["ttl"], now))) == (0 if good else 1)
    assert (parse(MINIMAL, now=now)[0] != ()) is good


# Username styles.


@pytest.mark.parametrize("username", ["timestamp", "userid", "pseudonym"])
def test_the_three_username_styles_are_good(username):
    servers, errors, warnings = parse_one({"username": username})
    assert errors == warnings == []
    assert servers[0].username == username


@pytest.mark.parametrize("username", ["user", "Timestamp", "", None])
def test_another_username_style_is_an_error(username):
    (error,) = parse_one({"username": username})[1]
    assert error.startswith("coturn.username: must be 'timestamp' or 'userid' or 'pseudonym'")
