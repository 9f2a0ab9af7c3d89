"""Exceptions and the problems that they carry."""

from __future__ import annotations

import copy
import pickle

import pytest

import abcwebrtc
from abcwebrtc import errors
from abcwebrtc.errors import (
    AbcWebRTCError,
    ConfigError,
    CredentialError,
    Problem,
    TokenError,
    WebRTCDisabledError,
    format_path,
)

EVERY = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, BaseException)
]


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("wrong"), "wrong"),
        (Problem("wrong", "a.b"), "a.b: wrong"),
        (Problem("wrong", "a.b", "od.config"), "od.config: a.b: wrong"),
        (Problem("wrong", "a.b", "od.config", 399), "od.config:399: a.b: wrong"),
        (Problem("wrong", "", "od.config", 3), "od.config:3: wrong"),
        (Problem("wrong", "a.b", None, 3), "a.b: wrong"),
    ],
)
def test_a_problem_reads_as_place_path_and_message(problem, text):
    assert str(problem) == text


HOSTILE = "\x1b]0;owned\x07\n\u202e\udcff"
SHOWN = r"\x1b]0;owned\x07\n\u202e\udcff"


def test_the_text_of_a_problem_is_one_line_that_moves_no_cursor():
    problem = Problem(f"is {HOSTILE}", HOSTILE, HOSTILE, 3)
    assert str(problem) == f"{SHOWN}:3: {SHOWN}: is {SHOWN}"
    assert str(ConfigError(problem, problem)) == f"{problem}\n{problem}"
    assert problem.as_dict()["file"] == HOSTILE  # programs get it as it is


def test_the_text_of_a_problem_is_not_of_any_length():
    assert len(str(Problem("a" * 10**6, "b" * 10**6))) < 3000


@pytest.mark.parametrize("kind", EVERY)
def test_the_text_of_an_exception_is_one_line_that_moves_no_cursor(kind):
    if not issubclass(kind, errors.ProblemsError):
        assert str(kind(f"can't: {HOSTILE}")) == f"can't: {SHOWN}"
        assert len(str(kind("a" * 10**6))) < 3000


@pytest.mark.parametrize(
    ("problem", "place"),
    [
        (Problem("x"), ""),
        (Problem("x", "a.b", None, 3), ""),
        (Problem("x", "a.b", "od.config"), "od.config"),
        (Problem("x", "a.b", "od.config", 399), "od.config:399"),
    ],
)
def test_the_place_of_a_problem_is_the_file_and_the_line(problem, place):
    assert problem.place == place


def test_a_problem_is_frozen_and_hashable():
    with pytest.raises(AttributeError):
        Problem("wrong").message = "right"
    assert len({Problem("wrong"), Problem("wrong")}) == 1


def test_a_problem_is_plain_data():
    problem = Problem("wrong", "a.b", "od.config", 3, "warning")
    assert problem.as_dict() == {
        "level": "warning",
        "file": "od.config",
        "line": 3,
        "path": "a.b",
        "message": "wrong",
    }
    assert Problem("wrong").as_dict() == {
        "level": "error",
        "file": None,
        "line": None,
        "path": "",
        "message": "wrong",
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("webrtc.coturn",), "webrtc.coturn"),
        (("webrtc.coturn", "ttl"), "webrtc.coturn.ttl"),
        (("webrtc.coturn", 1, "ttl"), "webrtc.coturn[1].ttl"),
        (("webrtc.coturn", 0, "url", 12), "webrtc.coturn[0].url[12]"),
    ],
)
def test_a_key_path_reads_as_in_python(path, text):
    assert format_path(path) == text


def test_a_config_error_has_one_line_for_each_problem():
    error = ConfigError(Problem("first", "a"), Problem("second", "b"), warnings=(Problem("w"),))
    assert str(error) == "a: first\nb: second"
    assert [problem.path for problem in error.problems] == ["a", "b"]
    assert [problem.message for problem in error.warnings] == ["w"]


def test_a_config_error_without_warnings_has_none():
    assert ConfigError(Problem("first")).warnings == ()


@pytest.mark.parametrize("clone", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_a_config_error_survives_a_copy(clone):
    error = ConfigError(Problem("first", "a", "f", 1), warnings=(Problem("w"),))
    other = clone(error)
    assert (other.problems, other.warnings) == (error.problems, error.warnings)
    assert str(other) == str(error)


@pytest.mark.parametrize("clone", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
@pytest.mark.parametrize("kind", EVERY)
def test_every_exception_survives_a_copy(kind, clone):
    error = kind() if kind is WebRTCDisabledError else kind("what is wrong")
    other = clone(error)
    assert (type(other), str(other), vars(other)) == (kind, str(error), vars(error))


@pytest.mark.parametrize("kind", [*EVERY, TokenError])
def test_every_exception_has_the_one_root(kind):
    assert issubclass(kind, AbcWebRTCError)


@pytest.mark.parametrize("kind", [ConfigError, CredentialError, WebRTCDisabledError])
def test_wrong_input_is_a_value_error_too(kind):
    assert issubclass(kind, ValueError)


def test_disabled_is_a_credential_error():
    assert issubclass(WebRTCDisabledError, CredentialError)


@pytest.mark.parametrize("kind", EVERY)
def test_no_exception_has_a_code_that_pyos_would_take_for_an_http_status(kind):
    assert not hasattr(kind, "code")
    assert not hasattr(kind(), "code")


def test_every_public_name_is_there():
    assert all(hasattr(abcwebrtc, name) for name in abcwebrtc.__all__)
    assert abcwebrtc.__version__
