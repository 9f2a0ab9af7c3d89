"""Exceptions and the problems that they carry."""

from __future__ import annotations

import copy
import pickle

import pytest

import abcwebrtc
from abcwebrtc import errors
from abcwebrtc.errors import (
    MAX_ALIKE,
    MAX_OF_A_KIND,
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
        "more": 0,
    }
    assert Problem("wrong").as_dict() == {
        "level": "error",
        "file": None,
        "line": None,
        "path": "",
        "message": "wrong",
        "more": 0,
    }


def alike(number, path="a[{}].b"):
    return [Problem(f"is '{n}', wrong", path.format(n), "f", n) for n in range(number)]


def test_problems_of_one_kind_are_capped_and_counted():
    *first, last = errors.Problems(alike(1000))
    assert first == alike(MAX_ALIKE - 1)
    assert str(last) == "f:4: a[4].b: is '4', wrong (and 995 more like this)"
    assert last.as_dict()["more"] == 995


@pytest.mark.parametrize(
    "other",
    [
        Problem("is wrong", "a[7].b"),
        Problem("is '7', wrong", "a[7].c"),
        Problem("is '7', wrong", "a[7].b", level="warning"),
    ],
)
def test_no_problem_hides_one_of_another_kind(other):
    assert other in list(errors.Problems([*alike(1000), other, *alike(1000)]))


def test_one_message_at_any_number_of_paths_is_capped_too():
    found = list(errors.Problems(alike(1000, path="a.k{}")))
    assert len(found) == MAX_OF_A_KIND
    assert found[-1].more == 1000 - MAX_OF_A_KIND


def test_what_was_capped_is_counted_on():
    once = list(errors.Problems(alike(1000)))
    assert list(errors.Problems(once)) == once
    assert list(errors.Problems([*once, *once]))[-1].more == 2000 - MAX_ALIKE
    assert list(errors.Problems(alike(MAX_ALIKE))) == alike(MAX_ALIKE)


@pytest.mark.parametrize("error", [ConfigError, errors.ManifestError])
def test_the_problems_of_an_exception_are_capped(error):
    assert str(error(*alike(1000))).splitlines() == list(map(str, errors.Problems(alike(1000))))


def test_what_is_beside_the_problems_of_an_exception_is_capped():
    error = ConfigError(Problem("a"), warnings=(*alike(99),), notes=(*alike(99),))
    assert len(error.warnings) == len(error.notes) == MAX_ALIKE


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
    what = Problem("what is wrong") if issubclass(kind, errors.ProblemsError) else "what is wrong"
    error = kind() if kind is WebRTCDisabledError else kind(what)
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
