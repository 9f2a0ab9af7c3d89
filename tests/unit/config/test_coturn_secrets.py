"""Where the secrets of webrtc.coturn come from, and which are bad or unwise."""

from __future__ import annotations

import os

import pytest

from abcwebrtc.config.problems import Where
from abcwebrtc.config.secret_sources import SecretReader
from support.configurations import SECRET
from support.coturn_entries import MINIMAL, parse, parse_one, values

# Secrets: inline, a list, a file, the environment.


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").write_text(f"{SECRET}-new\n\n{SECRET}-old\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


ENVIRON = {
    "TURN_SECRET": SECRET,
    "TWO": f"{SECRET}-new\n{SECRET}-old",
    "EMPTY": "",
    "BLANK": " \n",
    "OF_COTURN": "static-auth-secret=hush",
}
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
    ("", [], "is an empty list; write at least one secret"),
    ("", 12345678, "must be text in quotes, not a whole number"),
    ("", b"hush-hush", "must be text in quotes, not bytes"),
    ("", "hush\nhush", "has a control character, which turnserver.conf can't hold"),
    ("", "hush\x1fhush", "has a control character"),
    ("", "hush\ud800", "is not valid Unicode text"),
    ("_file", "", "must be the name of a file or variable, as text"),
    ("_file", "hush", "the secret can't be read: No such file"),
    ("_file", "empty", "the file holds no secret: it is empty"),
    ("_file", ".", "the secret can't be read: not a regular file"),
    ("_file", "a\0b", "the secret can't be read: not a file name"),
    ("_env", "", "must be the name of a file or variable, as text"),
    (
        "_env",
        "OF_COTURN",
        "the variable can't be used: it has a line of an od.config, a turnserver",
    ),
    ("_env", "UNSET", "the environment has no such variable, or it is empty; set it"),
    ("_env", "EMPTY", "the environment has no such variable, or it is empty; set it"),
]

OF_KEYS = {
    "is empty; write coturn's static-auth-secret": "is empty; write a random text",
    "has a control character, which turnserver.conf can't hold": "has a control character; remove",
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


def test_a_variable_that_no_environment_can_have_is_an_error():
    given = {"coturn_static_auth_secret_env": "a\ud800b"}
    (error,) = parse_one(given, ["coturn_static_auth_secret"], environ=os.environ)[1]
    assert "the environment has no such variable" in error


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
        f"coturn.{name}{refused}: is given as well as '{name}{kept}'; keep one of them",
    ]


@pytest.mark.parametrize("second", ["secret", "./secret", "absolute"])
def test_two_servers_that_name_one_file_share_one_reader(folder, second):
    second = str(folder / "secret") if second == "absolute" else second
    given = [{"url": "a", "coturn_static_auth_secret_file": name} for name in ("secret", second)]
    servers, errors, _ = parse(given, folder=folder)
    assert errors == []
    assert servers[0].secrets is servers[1].secrets


# Unwise secrets.

PLACEHOLDER = "is a placeholder that anybody can guess; make a random one"
SHORT = "is shorter than 16 characters; make a random one"
TRIMMED = "begins or ends with characters that turnserver.conf drops unless it is quoted"
UNEXPANDED = (
    "is a variable or a placeholder, which nothing expands in od.config; write the secret itself, "
    "or add _file or _env to the key and name a file or variable"
)
UNWISE = [
    ("CHANGEME", [PLACEHOLDER]),
    ("your-secret-goes-here", [PLACEHOLDER]),
    ("<static-auth-secret>", [UNEXPANDED]),
    ("$TURN_SECRET", [UNEXPANDED]),
    ("{{ .Values.turn.secret }}", [UNEXPANDED]),
    ("a-long-$ecret-of-{}-and-<>-and-$HOME", []),
    ("the-static-auth-secret-of-your-coturn", [PLACEHOLDER]),
    ("an-example-of-a-secret", [PLACEHOLDER]),
    ("Secret", [PLACEHOLDER]),
    ("north", [PLACEHOLDER]),
    ("0123456789abcde", [SHORT]),
    ("0123456789abcdef", []),
    ("u7<Rk2w9Qz>0pLx4Vn", []),
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
    assert warnings == [f"coturn.{name}[2]: is listed twice; keep one of them"]


def test_the_same_secret_twice_in_a_file_is_a_warning(folder):
    (folder / "twice").write_text(f"{SECRET}\n\n{SECRET}\n")
    given = {"coturn_static_auth_secret_file": "twice"}
    _, errors, warnings = parse_one(given, ["coturn_static_auth_secret"], folder=folder)
    assert errors == []
    assert warnings == ["coturn.coturn_static_auth_secret_file: is listed twice; keep one of them"]


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
    source, _ = SecretReader({"RAW": "caf\udce9"}, "").from_environment("RAW", Where({}))
    assert source.current()[0].reveal() == b"caf\xe9"


def test_the_reader_of_a_missing_file_is_an_error_each_time(tmp_path):
    reader = SecretReader({}, str(tmp_path))
    for _ in range(2):
        source, (problem,) = reader.from_file("missing", Where({})["a"])
        assert source is None
        assert str(problem) == "a: the secret can't be read: No such file or directory"


def test_a_server_is_frozen_and_hides_its_secrets():
    (server,), _, _ = parse({**MINIMAL, "pseudonym_key": SECRET * 2})
    assert SECRET not in repr(server)
    assert SECRET not in str(vars(server))
    with pytest.raises(AttributeError):
        server.ttl = 1
