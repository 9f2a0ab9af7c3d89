"""The webrtc.coturn entry."""

from __future__ import annotations

import collections
import os
from types import MappingProxyType

import pytest

from abcwebrtc.coturn import DAY, KEYS, SecretReader, check_ttl, parse_coturn
from abcwebrtc.credentials import MAX_EXPIRY
from abcwebrtc.errors import ConfigError
from abcwebrtc.findings import Findings

NOW = 1_700_000_000
SECRET = "0123456789abcdefghij"
URL = "turn.domain.local:3478"
MINIMAL = {"coturn_static_auth_secret": SECRET, "url": URL}


def parse(value, environ=None, folder="", now=NOW):
    findings = Findings({})
    reader = SecretReader(environ or {}, str(folder))
    servers = parse_coturn(findings, value, ("coturn",), reader, now)
    return servers, list(map(str, findings.errors)), list(map(str, findings.warnings))


def parse_one(given=None, without=(), **kwargs):
    """Parse the minimal server with some of its keys given or left out."""
    server = {**MINIMAL, **(given or {})}
    return parse({key: server[key] for key in server if key not in without}, **kwargs)


def urls_of(given):
    servers, errors, warnings = parse_one(given)
    assert errors == warnings == []
    return servers[0].urls


def values(source):
    return [secret.reveal().decode() for secret in source.current()]


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
        (0, "coturn: must be a dict, or a list of dicts, not a whole number"),
        ("", "coturn: must be a dict, or a list of dicts, not text"),
        ([MINIMAL, "x"], "coturn[1]: must be a dict, not text"),
        ([None], "coturn[0]: must be a dict, not None"),
        ([MINIMAL, [MINIMAL]], "coturn[1]: must be a dict, not a list"),
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
        ("coturn_secret", "did you mean 'coturn_static_auth_secret'?"),
        ("tll", "did you mean 'ttl'?"),
        ("urls", "did you mean 'url'?"),
        ("transports", "did you mean 'transport'?"),
        ("usename", "did you mean 'username'?"),
        ("protocoll", "did you mean 'protocol'?"),
        ("zzz", "the keys are coturn_static_auth_secret, "),
    ],
)
def test_a_misspelt_key_is_an_error_with_the_right_one(key, words):
    _, errors, _ = parse_one({key: "x"})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.{key}: no such key; {words}")


def test_a_key_that_is_no_text_is_an_error():
    assert parse_one({3: "x"})[1][0].startswith("coturn.a whole number: no such key")


GARBAGE = [None, True, 1.5, b"x", {}, {"a": 1}, {"set"}, [None], [[]], [], (), -1]


@pytest.mark.parametrize("value", GARBAGE, ids=repr)
@pytest.mark.parametrize("key", KEYS)
def test_a_value_of_the_wrong_kind_is_an_error_at_its_key_and_never_a_default(key, value):
    # None stands for itself: where it meant "not given", a typo would go unnoticed.
    inline = "coturn_static_auth_secret"
    without = [inline] if key in (inline + "_file", inline + "_env") else []
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


# Protocol and url.


@pytest.mark.parametrize("protocol", ["turn", "turns"])
def test_the_protocol_is_the_scheme(protocol):
    assert urls_of({"protocol": protocol}) == (f"{protocol}:{URL}",)


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("http", "must be 'turn' or 'turns'"),
        ("TURN", "must be 'turn' or 'turns'"),
        ("stun", "must be 'turn' or 'turns'"),
        ("turn:", "must be 'turn' or 'turns'"),
        ("", "must be 'turn' or 'turns'"),
        (["turn"], "must be 'turn' or 'turns'"),
    ],
)
def test_another_protocol_is_an_error(protocol, words):
    _, errors, _ = parse_one({"protocol": protocol})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.protocol: {words}")


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("host", ["host"]),
        ("host:80", ["host:80"]),
        ("host:65535", ["host:65535"]),
        ("10.0.0.1:3478", ["10.0.0.1:3478"]),
        ("[2001:db8::1]", ["[2001:db8::1]"]),
        ("[2001:db8::1]:3478", ["[2001:db8::1]:3478"]),
        ("host?transport=udp", ["host?transport=udp"]),
        ("host:3478?transport=tcp", ["host:3478?transport=tcp"]),
        (["b", "a:80"], ["b", "a:80"]),
        (("b", "a:80"), ["b", "a:80"]),
        (["a", "b", "a"], ["a", "b"]),
        ("turnip:3478", ["turnip:3478"]),
        ("turn.domain.local:3478", ["turn.domain.local:3478"]),
        ("https.domain.local", ["https.domain.local"]),
    ],
)
def test_a_good_url_is_kept(url, urls):
    assert urls_of({"url": url}) == tuple(f"turn:{item}" for item in urls)


@pytest.mark.parametrize("name", ["turn", "stun"])
def test_a_host_may_be_named_like_a_scheme(name):
    # A Service of Kubernetes or compose that is called turn: nothing else is meant.
    assert urls_of({"url": f"{name}:3478"}) == (f"turn:{name}:3478",)


@pytest.mark.parametrize("wrap", [lambda url: (url, ""), lambda url: (["good", url], "[1]")])
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("turn:host:3478", "begins with 'turn:'; write host:port alone, the scheme is 'protocol'"),
        ("TURNS:host", "begins with 'TURNS:'; write host:port alone"),
        ("turn://host", "begins with 'turn://'; write host:port alone"),
        ("stun:host", "begins with 'stun:'; write host:port alone"),
        ("https://host/", "begins with 'https://'; write host:port alone"),
        ("http://host", "begins with 'http://'; write host:port alone"),
        ("wss://host", "begins with 'wss://'; write host:port alone"),
        ("host:0", "has a port that is not a number from 1 to 65535"),
        ("host:65536", "has a port that is not a number from 1 to 65535"),
        ("host:port", "has a port that is not a number from 1 to 65535"),
        ("2001:db8::1", "has an IPv6 address without brackets; write '[2001:db8::1]:3478'"),
        ("", "has no host; write host:port"),
        (":3478", "has no host; write host:port"),
        (" host", "neither a DNS name nor an IP address"),
        ("host?transport=tls", "transport=udp or transport=tcp"),
        (3478, "must be text such as 'host:3478', not a whole number"),
        (None, "must be text such as 'host:3478', not None"),
    ],
)
def test_a_bad_url_is_an_error_at_its_place(wrap, url, words):
    value, place = wrap(url)
    _, errors, _ = parse_one({"url": value})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.url{place}: ")
    assert words in errors[0]


@pytest.mark.parametrize("url", ["tcp://host:3478", "coturn://host", "ftp://host"])
def test_any_other_scheme_is_called_one(url):
    _, errors, _ = parse_one({"url": url})
    assert "scheme" in errors[0]
    assert "begins with" not in errors[0], "it may be a secret"


@pytest.mark.parametrize("protocol", ["turn", "turns"])
def test_a_bad_url_is_the_same_error_with_either_protocol(protocol):
    assert len(parse_one({"protocol": protocol, "url": "host:0"})[1]) == 1


@pytest.mark.parametrize("given", [{}, {"url": []}, {"url": ()}])
def test_a_missing_url_is_an_error(given):
    _, errors, _ = parse_one(given, without=() if given else ["url"])
    assert len(errors) == 1
    assert errors[0].startswith("coturn.url: is missing; write 'url': 'host:port'")


# Transports.


@pytest.mark.parametrize(
    ("transport", "url", "urls"),
    [
        ("udp", "a", ["a?transport=udp"]),
        ("tcp", "a:80", ["a:80?transport=tcp"]),
        (["udp", "tcp"], "a", ["a?transport=udp", "a?transport=tcp"]),
        (("tcp", "udp"), "a", ["a?transport=tcp", "a?transport=udp"]),
        (["tcp", "tcp"], "a", ["a?transport=tcp"]),
        (["udp", "tcp"], "a?transport=tcp", ["a?transport=tcp"]),
        ("tcp", ["a", "b?transport=udp"], ["a?transport=tcp", "b?transport=udp"]),
        (["udp", "tcp"], ["a", "a?transport=tcp"], ["a?transport=udp", "a?transport=tcp"]),
    ],
)
def test_a_transport_expands_each_url_that_names_none(transport, url, urls):
    found = urls_of({"transport": transport, "url": url})
    assert found == tuple(f"turn:{item}" for item in urls)


@pytest.mark.parametrize("transport", ["tls", "UDP", "", "udptcp", [], ["udp", "tls"], [["udp"]]])
def test_another_transport_is_an_error(transport):
    _, errors, _ = parse_one({"transport": transport})
    assert errors == ["coturn.transport: must be 'udp', 'tcp' or the list ['udp', 'tcp']"]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"transport": "udp"}, "transport"),
        ({"transport": ["tcp", "udp"]}, "transport"),
        ({"url": "a?transport=udp"}, "url"),
        ({"url": ["b", "a?transport=udp"]}, "url[1]"),
    ],
)
def test_turns_over_udp_is_a_warning(given, place):
    _, errors, warnings = parse_one({"protocol": "turns", **given})
    assert errors == []
    assert len(warnings) == 1
    assert warnings[0].startswith(f"coturn.{place}: is turns over udp")
    assert warnings[0].endswith("use tcp")


@pytest.mark.parametrize(
    "given",
    [
        {"protocol": "turns", "transport": "tcp"},
        {"protocol": "turns", "url": "a?transport=tcp"},
        {"protocol": "turn", "transport": ["udp", "tcp"], "url": "a?transport=udp"},
    ],
)
def test_other_transports_are_no_warning(given):
    assert parse_one(given)[1:] == ([], [])


IN_CHROMIUM = "uses port 53, at which Chromium reaches no server"
IN_FIREFOX = "uses a port that Firefox blocks, and then it throws for the whole rtc_configuration"
LOW = "uses a port under 1024, where Chromium takes TURN at 80 and 443 only, and reports no error"


@pytest.mark.parametrize(("protocol", "usual"), [("turn", 3478), ("turns", 5349)])
@pytest.mark.parametrize(
    ("port", "message"),
    [
        *((53, IN_CHROMIUM), (54, LOW), (81, LOW), (442, LOW), (700, LOW), (1023, LOW)),
        *((1, IN_FIREFOX), (636, IN_FIREFOX), (990, IN_FIREFOX), (5061, IN_FIREFOX)),
    ],
)
def test_a_port_that_a_browser_does_not_use_is_a_warning(protocol, usual, port, message):
    servers, errors, warnings = parse_one({"url": ["b", f"a:{port}"], "protocol": protocol})
    assert (len(servers), errors) == (1, [])
    assert warnings == [f"coturn.url[1]: {message}; the usual one is {usual}"]


@pytest.mark.parametrize("port", [80, 443, 1024, 3478, 5349, 65535])
def test_a_port_that_browsers_use_is_no_warning(port):
    for protocol in ("turn", "turns"):
        assert parse_one({"url": f"a:{port}", "protocol": protocol})[1:] == ([], [])


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]:5349"])
def test_turns_with_an_address_is_a_warning_and_turn_is_not(host):
    message = "is turns with an address, which Firefox passes over; write a name of its certificate"
    servers, errors, warnings = parse_one({"url": [host, "a"], "protocol": "turns"})
    assert (errors, warnings) == ([], [f"coturn.url[0]: {message}"])
    assert len(servers) == 1
    assert parse_one({"url": host})[2] == []


# ttl.


@pytest.mark.parametrize("ttl", [1, 2, 3600, DAY, 24 * 3600])
def test_a_ttl_up_to_a_day_is_kept(ttl):
    servers, errors, warnings = parse_one({"ttl": ttl})
    assert errors == warnings == []
    assert servers[0].ttl == ttl


@pytest.mark.parametrize("ttl", [86401, 10**6])
def test_a_ttl_over_a_day_is_a_warning(ttl):
    servers, errors, warnings = parse_one({"ttl": ttl})
    assert errors == []
    assert warnings == [
        f"coturn.ttl: is {ttl} seconds, more than a day: a leaked credential lasts long"
    ]
    assert servers[0].ttl == ttl


@pytest.mark.parametrize(
    ("ttl", "words"),
    [
        (0, "must be 1 second or more, such as 3600"),
        (-3600, "must be 1 second or more"),
        (True, "must be a whole number of seconds, such as 3600, not a bool"),
        (3600.0, "must be a whole number of seconds, such as 3600, not a number with a point"),
        ("3600", "must be a whole number of seconds, such as 3600, not text"),
        (None, "must be a whole number of seconds, such as 3600, not None"),
        (3600 * 10**6, "leads past 2038-01-19, and coturn refuses a credential that expires"),
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
        (MAX_EXPIRY, False),
    ],
)
def test_the_2038_limit_is_exact(now, good):
    findings = Findings({})
    assert check_ttl(findings, ("ttl",), 3600, now) == (3600 if good else None)
    assert len(findings.errors) == (0 if good else 1)
    assert (parse(MINIMAL, now=now)[0] != ()) is good


def test_a_year_2038_error_says_that_the_unit_is_seconds():
    assert "the ttl is in seconds, such as 3600" in parse_one({"ttl": 10**12})[1][0]


# Username styles.


@pytest.mark.parametrize("username", ["timestamp", "userid", "pseudonym"])
def test_the_three_username_styles_are_good(username):
    servers, errors, warnings = parse_one({"username": username})
    assert errors == warnings == []
    assert servers[0].username == username


@pytest.mark.parametrize(
    ("username", "words"),
    [
        ("user", "must be 'timestamp' or 'userid' or 'pseudonym'"),
        ("Timestamp", "must be 'timestamp'"),
        ("", "must be 'timestamp'"),
        (None, "must be 'timestamp'"),
    ],
)
def test_another_username_style_is_an_error(username, words):
    _, errors, _ = parse_one({"username": username})
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.username: {words}")


# Secrets: inline, a list, a file, the environment.


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}-new\n\n{SECRET}-old\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


ENVIRON = {"TURN_SECRET": SECRET, "TWO": f"{SECRET}-new\n{SECRET}-old", "EMPTY": "", "BLANK": " \n"}
NEW_AND_OLD = [SECRET + "-new", SECRET + "-old"]
PLACES = [
    ("", SECRET, [SECRET]),
    ("", NEW_AND_OLD, NEW_AND_OLD),
    ("", tuple(NEW_AND_OLD), NEW_AND_OLD),
    ("_file", "secret", NEW_AND_OLD),
    ("_env", "TURN_SECRET", [SECRET]),
    ("_env", "TWO", NEW_AND_OLD),
]
PSEUDONYM = {"username": "pseudonym"}
NAMES = [("coturn_static_auth_secret", "secrets"), ("pseudonym_key", "pseudonym_keys")]


@pytest.mark.parametrize(("place", "value", "expected"), PLACES)
@pytest.mark.parametrize(("name", "attribute"), NAMES)
def test_a_secret_comes_from_any_place(folder, name, attribute, place, value, expected):
    servers, errors, warnings = parse_one(
        {**PSEUDONYM, name + place: value},
        [name] if place else [],
        environ=ENVIRON,
        folder=folder,
    )
    assert errors == warnings == []
    assert values(getattr(servers[0], attribute)) == expected


def test_a_secret_file_may_have_an_absolute_name(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    servers, errors, _ = parse_one(
        {"coturn_static_auth_secret_file": str(folder / "secret")},
        ["coturn_static_auth_secret"],
        folder=elsewhere,
    )
    assert errors == []
    assert values(servers[0].secrets) == NEW_AND_OLD


BAD_SECRETS = [
    ("", "", "is empty; write coturn's static-auth-secret"),
    ("", " \t", "is empty; write coturn's static-auth-secret"),
    ("", [], "is an empty list; write at least one secret"),
    ("", 12345678, "must be text in quotes, not a whole number"),
    ("", None, "must be text in quotes, not None"),
    ("", b"hush-hush", "must be text in quotes, not bytes"),
    ("", "hush\nhush", "has a control character, which turnserver.conf can't hold"),
    ("", "hush\x7f", "has a control character"),
    ("", "\0hush", "has a control character"),
    ("", "hush\x1fhush", "has a control character"),
    ("", "hush\ud800", "is not valid Unicode text"),
    ("_file", "", "must be the name of a file or variable, as text"),
    ("_file", 7, "must be the name of a file or variable, as text"),
    ("_file", ["secret"], "must be the name of a file or variable, as text"),
    ("_file", "missing", "the secret can't be read: No such file"),
    ("_file", "empty", "the file holds no secret: it is empty"),
    ("_file", ".", "the secret can't be read: not a regular file"),
    ("_file", "a\0b", "the secret can't be read: not a file name"),
    ("_env", "", "must be the name of a file or variable, as text"),
    ("_env", None, "must be the name of a file or variable, as text"),
    ("_env", "UNSET", "the environment has no such variable, or it is empty; set it"),
    ("_env", "EMPTY", "the environment has no such variable, or it is empty; set it"),
    ("_env", "BLANK", "the environment has no such variable, or it is empty; set it"),
]


OF_KEYS = {
    "is empty; write coturn's static-auth-secret": "is empty; write a random text",
    "has a control character, which turnserver.conf can't hold": "has a control character; take",
}
"""A pseudonym key never goes to coturn."""


@pytest.mark.parametrize(("place", "value", "words"), BAD_SECRETS)
@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_a_bad_secret_is_an_error_that_does_not_show_it(folder, name, place, value, words):
    servers, errors, _ = parse_one(
        {name + place: value}, [name] if place else [], environ=ENVIRON, folder=folder
    )
    assert servers == ()
    assert len(errors) == 1
    assert errors[0].startswith(f"coturn.{name}{place}: ")
    assert (words if name != "pseudonym_key" else OF_KEYS.get(words, words)) in errors[0]
    assert "hush" not in errors[0]


@pytest.mark.parametrize("name", ["a\ud800b", "\0"])
def test_a_variable_that_can_not_exist_is_an_error(name):
    _, errors, _ = parse_one(
        {"coturn_static_auth_secret_env": name}, ["coturn_static_auth_secret"], environ=os.environ
    )
    assert len(errors) == 1


def test_an_error_of_a_secret_file_does_not_show_the_name_which_may_be_a_secret(folder):
    _, errors, _ = parse_one(
        {"coturn_static_auth_secret_file": "missing"}, ["coturn_static_auth_secret"], folder=folder
    )
    assert "can't be read" in errors[0]
    assert "missing" not in errors[0]


@pytest.mark.parametrize(
    ("item", "words"), [("", "is empty"), (7, "must be text"), ("a\nb", "control character")]
)
def test_a_bad_secret_in_a_list_is_an_error_at_its_place(item, words):
    _, errors, _ = parse_one({"coturn_static_auth_secret": [SECRET, item]})
    assert len(errors) == 1
    assert errors[0].startswith("coturn.coturn_static_auth_secret[1]: ")
    assert words in errors[0]


def test_a_missing_secret_is_an_error():
    _, errors, _ = parse_one(without=["coturn_static_auth_secret"])
    assert errors == [
        "coturn.coturn_static_auth_secret: is missing; write coturn's static-auth-secret here, "
        "or use coturn_static_auth_secret_file"
    ]


@pytest.mark.parametrize(
    ("places", "kept", "refused"),
    [
        (("", "_file"), "", "_file"),
        (("_env", ""), "", "_env"),
        (("_env", "_file"), "_file", "_env"),
    ],
)
@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_two_places_for_one_secret_are_an_error(folder, name, places, kept, refused):
    given = {name + place: {"": SECRET, "_file": "secret"}.get(place, "TWO") for place in places}
    _, errors, _ = parse_one(given, [] if "" in places else [name], environ=ENVIRON, folder=folder)
    assert errors == [
        f"coturn.{name}{refused}: stands beside '{name}{kept}'; keep one of them",
    ]


@pytest.mark.parametrize("second", ["secret", "./secret", "absolute"])
def test_two_servers_that_name_one_file_share_one_reader(folder, second):
    second = str(folder / "secret") if second == "absolute" else second
    given = [{"url": "a", "coturn_static_auth_secret_file": name} for name in ("secret", second)]
    servers, errors, _ = parse(given, folder=folder)
    assert errors == []
    assert servers[0].secrets is servers[1].secrets


def test_two_files_have_two_readers(folder):
    (folder / "other").write_text(SECRET)
    given = [{"url": "a", "coturn_static_auth_secret_file": name} for name in ("secret", "other")]
    servers, _, _ = parse(given, folder=folder)
    assert servers[0].secrets is not servers[1].secrets
    assert values(servers[1].secrets) == [SECRET]


# Unwise secrets.

PLACEHOLDER = "is a placeholder that anybody can guess; make a random one"
SHORT = "is shorter than 16 characters; make a random one"
TRIMMED = "begins or ends with what turnserver.conf drops unless it is quoted"
UNWISE = [
    ("CHANGEME", [PLACEHOLDER]),
    ("change-me", [PLACEHOLDER]),
    ("please_change_me_before_use", [PLACEHOLDER]),
    ("your-secret-goes-here", [PLACEHOLDER]),
    ("mysupersecretsecret", [PLACEHOLDER]),
    ("<static-auth-secret>", [PLACEHOLDER]),
    ("placeholder-placeholder", [PLACEHOLDER]),
    ("the-static-auth-secret-of-your-coturn", [PLACEHOLDER]),
    ("an-example-of-a-secret", [PLACEHOLDER]),
    ("Secret", [PLACEHOLDER]),
    ("password", [PLACEHOLDER]),
    ("static-auth-secret", [PLACEHOLDER]),
    ("north", [PLACEHOLDER]),
    ("0123456789abcde", [SHORT]),
    ("x", [SHORT]),
    ("0123456789abcdef", []),
    ("northnorthnorthnorth", []),
    ("é" * 16, []),
    (" 0123456789abcdef", [TRIMMED]),
    ("0123456789abcdef ", [TRIMMED]),
    ("=0123456789abcdef", [TRIMMED]),
    ("0123456789abcdef=", []),
    ('"0123456789abcdef"', [TRIMMED]),
    ("'0123456789abcdef'", [TRIMMED]),
    (" x", [SHORT, TRIMMED]),
]


@pytest.mark.parametrize(("secret", "warnings"), UNWISE)
@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_an_unwise_secret_is_a_warning_that_does_not_show_it(name, secret, warnings):
    servers, errors, found = parse_one({**PSEUDONYM, name: secret})
    assert errors == []
    assert len(servers) == 1
    if name == "pseudonym_key":  # which no turnserver.conf has to hold
        warnings = [warning for warning in warnings if warning != TRIMMED]
    assert found == [f"coturn.{name}: {warning}" for warning in warnings]


@pytest.mark.parametrize("name", [name for name, _ in NAMES])
def test_the_same_secret_twice_is_a_warning(name):
    other = SECRET[::-1]
    _, errors, warnings = parse_one({**PSEUDONYM, name: [SECRET, other, SECRET]})
    assert errors == []
    assert warnings == [f"coturn.{name}[2]: is given twice; keep one of them"]


def test_the_same_secret_twice_in_a_file_is_a_warning(folder):
    (folder / "twice").write_text(f"{SECRET}\n\n{SECRET}\n")
    given = {"coturn_static_auth_secret_file": "twice"}
    _, errors, warnings = parse_one(given, ["coturn_static_auth_secret"], folder=folder)
    assert errors == []
    assert warnings == ["coturn.coturn_static_auth_secret_file: is given twice; keep one of them"]


def test_a_pseudonym_key_without_pseudonyms_is_a_warning():
    _, errors, warnings = parse_one({"pseudonym_key": "a-key-of-its-own-for-pseudonyms"})
    assert errors == []
    assert warnings == ["coturn.username: is 'timestamp', so the pseudonym key is not used"]


@pytest.mark.parametrize(("place", "value"), [("_file", "secret"), ("_env", "TURN_SECRET")])
def test_an_unwise_secret_from_elsewhere_is_a_warning_too(folder, place, value):
    (folder / "secret").write_text("CHANGEME")
    name = "coturn_static_auth_secret"
    _, errors, warnings = parse_one(
        {name + place: value}, [name], environ={"TURN_SECRET": "CHANGEME"}, folder=folder
    )
    assert errors == []
    assert warnings == [f"coturn.{name}{place}: {PLACEHOLDER}"]


def test_an_unwise_secret_in_a_list_is_a_warning_at_its_place():
    _, _, warnings = parse_one({"coturn_static_auth_secret": [SECRET, "CHANGEME"]})
    assert warnings == [f"coturn.coturn_static_auth_secret[1]: {PLACEHOLDER}"]


# The reader.


def test_a_variable_may_hold_what_is_not_utf_8():
    source = SecretReader({"RAW": "caf\udce9"}, "").from_environment("RAW")
    assert source.current()[0].reveal() == b"caf\xe9"


def test_the_reader_of_a_missing_file_is_an_error_each_time(tmp_path):
    reader = SecretReader({}, str(tmp_path))
    for _ in range(2):
        with pytest.raises(ConfigError, match="No such file"):
            reader.from_file("missing")


def test_a_server_is_frozen_and_hides_its_secrets():
    (server,), _, _ = parse({**MINIMAL, "pseudonym_key": SECRET * 2})
    assert SECRET not in repr(server)
    assert SECRET not in str(vars(server))
    with pytest.raises(AttributeError):
        server.ttl = 1


def test_a_random_secret_that_holds_angle_brackets_is_no_placeholder():
    _, errors, warnings = parse_one({"coturn_static_auth_secret": "u7<Rk2w9Qz>0pLx4Vn"})
    assert errors == warnings == []
