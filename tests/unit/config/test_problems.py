"""What is wrong in a configuration, and where it stands."""

from __future__ import annotations

import collections
import types

import pytest

from abcwebrtc.config.problems import (
    Where,
    has_unexpanded,
    is_unexpanded,
    kind,
    misspelt_keys,
    unknown_keys,
)
from abcwebrtc.errors import Problem
from abcwebrtc.odconfig.reader import parse_od_config

TEXT = """[global]
webrtc.coturn: {
  'ttl': 3600,
  'url': 'host',
  }
"""
A = Where({})["a"]


def test_in_a_plain_mapping_a_problem_has_a_path_and_no_file():
    where = Where({})["webrtc.coturn"][1]["ttl"]
    path = "webrtc.coturn[1].ttl"
    assert where.error("wrong") == Problem("wrong", path)
    assert where.warning("unwise") == Problem("unwise", path, level="warning")
    assert where.note("to know") == Problem("to know", path, level="note")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("webrtc.coturn",), 2),
        (("webrtc.coturn", "ttl"), 3),
        (("webrtc.coturn", "url"), 4),
        (("webrtc.coturn", "url", 7), 4),
        (("webrtc.coturn", "missing"), 2),
        (("webrtc.other",), None),
    ],
)
def test_in_an_od_config_a_problem_has_file_and_line(path, line):
    where = Where(parse_od_config(TEXT, "some.config"))
    for key in path:
        where = where[key]
    problem = where.error("wrong")
    assert (problem.file, problem.line) == ("some.config", line)


@pytest.mark.parametrize(
    ("key", "path", "words"),
    [
        ("tll", "a.tll", "did you mean 'ttl'?"),
        ("URL", "a.URL", "did you mean 'url'?"),
        ("IMAGEPULLPOLICY", "a.IMAGEPULLPOLICY", "did you mean 'imagePullPolicy'?"),
        (3, "a.a whole number", "the keys are ttl, url, imagePullPolicy"),
        (None, "a.None", "the keys are ttl, url, imagePullPolicy"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_or_all(key, path, words):
    (error,) = unknown_keys({"ttl": 1, key: 2}, ("ttl", "url", "imagePullPolicy"), A)
    assert (error.path, error.message, error.level) == (path, f"no such key; {words}", "error")


@pytest.mark.parametrize(
    "key",
    [
        *("gR7vQ2nLs9Tz", "ttlgR7vQ2nLs9Tz", "ttl=gR7vQ2nLs9Tz", "urlurlgR7vQ2nLs9Tz", "word"),
        *("\x1b[ttl", "ttl\u202e", "url\n", "ttl ", "--ttl", "t" + "-" * 99 + "tl", "pass\x1bword"),
    ],
)
def test_a_key_that_may_be_a_secret_is_not_shown(key):
    mapping = parse_od_config(f"[global]\nwebrtc.a: {{\n  {key!r}: 1 }}", "x.config")
    where = Where(mapping)["webrtc.a"]
    meant = {"password": "it is made"}
    (error,) = unknown_keys(mapping["webrtc.a"], ("ttl", "url"), where, meant)
    assert (error.path, error.line) == ("webrtc.a", 3)
    assert error.message.startswith("has an unknown key, number 1 of 1; ")
    found = [error, *misspelt_keys(mapping["webrtc.a"], ("ttl", "url"), where)]
    assert {one.path for one in found} == {"webrtc.a"}
    assert not any(key in one.message for one in found)


def test_where_a_key_that_is_not_shown_stands_is_told():
    """Somebody has exchanged the key and the value."""
    entry = {"url": 1, "gR7vQ2nLs9Tz": "coturn_static_auth_secret", "ttl": 2}
    (error,) = unknown_keys(entry, ("url", "ttl"), A)
    assert str(error) == "a: has an unknown key, number 2 of 3; the keys are url, ttl"


@pytest.mark.parametrize(
    "key",
    [
        *("coturn_static_hunter2hunt", "coturn_static_auth_secretQ7x", "coturnsecret7Qx1"),
        *("pseudonym_7Qx", "transp0rt99"),
    ],
)
def test_of_a_key_that_is_like_a_known_one_no_three_letters_are_its_own(key):
    known = ("coturn_static_auth_secret", "pseudonym_key", "transport")
    (error,) = unknown_keys({key: 1}, known, A)
    assert error.path == "a"


@pytest.mark.parametrize("key", ["ttl ", "\x1bttl", "t\u202etl", "t\u200btl"])
def test_a_key_of_somebody_else_that_is_like_a_known_one_is_told_of(key):
    (warning,) = misspelt_keys({key: 1}, ("ttl",), A)
    assert str(warning) == "a: has a key that is ignored; did you mean 'ttl'?"


def test_known_keys_are_no_error():
    assert list(unknown_keys({"url": 1, "ttl": 2}, ("ttl", "url"), A)) == []


WHOLE = """
    $TURN_SECRET ${TURN_SECRET} ${turn.secret:-x} $(secret) $$SECRET {{secret}} {{-.Values.x-}}
    {%raw%} %SECRET% @SECRET@ <secret> <your-static-auth-secret> __SECRET__
""".split()  # noqa: SIM905


@pytest.mark.parametrize("text", [*WHOLE, "{{ a b }}", " $X\n", "<the secret>", "$(cat /x)"])
def test_a_placeholder(text):
    assert is_unexpanded(text)
    assert has_unexpanded(f"{text}:3478")


@pytest.mark.parametrize(
    "text",
    ["", "$", "$ecret", "a$B", "$A-b", "${", "{}", "<>", "<1>", "%d", "@", "{{", "aB$c{D}e", "__"],
)
def test_a_password_is_no_placeholder(text):
    assert not is_unexpanded(text)


@pytest.mark.parametrize("text", ["$host:3478", "turn.$DOMAIN", "a.{{ d }}", "turn.<domain>:3478"])
def test_a_part_of_a_url_may_be_a_placeholder(text):
    assert has_unexpanded(text)
    assert not is_unexpanded(text)


@pytest.mark.parametrize(
    "text", ["turn.example.org:3478", "[2001:db8::1]", "a_b", "__a", "xn--9ca"]
)
def test_a_host_is_no_placeholder(text):
    assert not has_unexpanded(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None"),
        (True, "a bool"),
        (1, "a whole number"),
        (1.5, "a number with a point"),
        ("hush", "text"),
        (b"hush", "bytes"),
        (["hush"], "a list"),
        (("hush",), "a tuple (remove the comma)"),
        (("hush", 1), "a tuple"),
        ((), "a tuple"),
        ("", "an empty text"),
        ({"hush": 1}, "a dict"),
        ({"hush"}, "set"),
        (collections.OrderedDict(), "OrderedDict"),
    ],
)
def test_a_kind_names_the_type_and_never_the_value(value, words):
    assert kind(value) == words


def test_frozen_data_is_called_what_it_was_written_as():
    assert kind(types.MappingProxyType({})) == "a dict"
