"""Findings: what is wrong in a configuration, and where."""

from __future__ import annotations

import collections
import types

import pytest

from abcwebrtc.config.problems import Findings, kind, suggestion
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import parse_od_config

TEXT = """[global]
webrtc.coturn: {
  'ttl': 3600,
  'url': 'host',
  }
"""


def test_in_a_plain_mapping_a_finding_has_a_path_and_no_file():
    findings = Findings({})
    findings.error(("webrtc.coturn", 1, "ttl"), "wrong")
    findings.warn(("webrtc.enable",), "unwise")
    assert findings.errors == [Problem("wrong", "webrtc.coturn[1].ttl")]
    assert findings.warnings == [Problem("unwise", "webrtc.enable", level="warning")]


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
def test_in_an_od_config_a_finding_has_file_and_line(path, line):
    findings = Findings(parse_od_config(TEXT, "some.config"))
    findings.error(path, "wrong")
    assert (findings.errors[0].file, findings.errors[0].line) == ("some.config", line)


def test_the_warnings_of_the_file_come_first_and_stay_as_they_are():
    config = parse_od_config(TEXT, "some.config")
    config.warnings = (Problem("of the file", level="warning"),)
    findings = Findings(config)
    findings.warn(("a",), "later")
    assert [problem.message for problem in findings.warnings] == ["of the file", "later"]
    assert len(config.warnings) == 1


def test_a_note_is_no_warning():
    findings = Findings({})
    findings.note(("webrtc.enable",), "is good to know")
    assert findings.notes == [Problem("is good to know", "webrtc.enable", level="note")]
    assert findings.warnings == findings.errors == []


def test_the_notes_of_the_file_are_notes():
    config = parse_od_config(TEXT, "some.config")
    config.warnings = (Problem("to know", level="note"), Problem("unwise", level="warning"))
    findings = Findings(config)
    assert [problem.message for problem in findings.notes] == ["to know"]
    assert [problem.message for problem in findings.warnings] == ["unwise"]


def test_an_attempt_returns_what_the_action_returns():
    findings = Findings({})
    assert findings.attempt(("a",), lambda: 7) == 7
    assert findings.errors == []


def test_an_attempt_notes_every_problem_at_its_own_path():
    def fail():
        raise ConfigError(Problem("one"), Problem("two", "elsewhere", "secret.txt"))

    findings = Findings({})
    assert findings.attempt(("a", "b"), fail) is None
    assert list(map(str, findings.errors)) == ["a.b: one", "a.b: two"]


def test_an_attempt_lets_a_bug_through():
    with pytest.raises(ZeroDivisionError):
        Findings({}).attempt(("a",), lambda: 1 // 0)


@pytest.mark.parametrize(
    ("key", "path", "words"),
    [
        ("tll", "a.tll", "did you mean 'ttl'?"),
        ("URL", "a.URL", "did you mean 'url'?"),
        (3, "a.a whole number", "the keys are ttl, url"),
        (None, "a.None", "the keys are ttl, url"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_or_all(key, path, words):
    findings = Findings({})
    findings.unknown_keys(("a",), {"ttl": 1, key: 2}, ("ttl", "url"))
    assert [problem.path for problem in findings.errors] == [path]
    assert findings.errors[0].message == f"no such key; {words}"


@pytest.mark.parametrize(
    "key", ["gR7vQ2nLs9Tz", "ttlgR7vQ2nLs9Tz", "ttl=gR7vQ2nLs9Tz", "urlurlgR7vQ2nLs9Tz", "word"]
)
def test_a_key_that_may_be_a_secret_is_not_shown(key):
    mapping = parse_od_config(f"[global]\nwebrtc.a: {{\n  {key!r}: 1 }}", "x.config")
    findings = Findings(mapping)
    findings.unknown_keys(("webrtc.a",), mapping["webrtc.a"], ("ttl", "url"))
    findings.misspelt_keys(("webrtc.a",), mapping["webrtc.a"], ("ttl", "url"))
    assert findings.warnings == []
    (error,) = findings.errors
    assert (error.path, error.line) == ("webrtc.a", 3)
    assert error.message.startswith("has a key that is not known; ")
    assert key not in str(error)


def test_known_keys_are_no_error():
    findings = Findings({})
    findings.unknown_keys(("a",), {"url": 1, "ttl": 2}, ("ttl", "url"))
    assert findings.errors == []


def test_a_suggestion_is_the_nearest_key_alone():
    assert suggestion("coturn_secret", ("coturn_static_auth_secret", "ttl")) == (
        "did you mean 'coturn_static_auth_secret'?"
    )
    assert suggestion("zzz", ("ttl", "url")) == "the keys are ttl, url"


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
        (("hush",), "a tuple"),
        ({"hush": 1}, "a dict"),
        ({"hush"}, "set"),
        (collections.OrderedDict(), "OrderedDict"),
    ],
)
def test_a_kind_names_the_type_and_never_the_value(value, words):
    assert kind(value) == words


def test_frozen_data_is_called_what_it_was_written_as():
    assert kind(types.MappingProxyType({})) == "a dict"


@pytest.mark.parametrize(
    ("key", "near"), [("TTL", "ttl"), ("URL", "url"), ("IMAGEPULLPOLICY", "imagePullPolicy")]
)
def test_a_key_in_another_case_is_near(key, near):
    assert suggestion(key, ("ttl", "url", "imagePullPolicy")) == f"did you mean '{near}'?"
