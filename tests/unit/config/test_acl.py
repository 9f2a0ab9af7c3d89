"""Access lists by label."""

from __future__ import annotations

from typing import Any, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.config.acl import Acl, parse_acl
from abcwebrtc.config.problems import Where

NAMES = ("all", "a", "b", "c")
LISTS = st.lists(st.sampled_from(NAMES), max_size=4).map(tuple)
LABELS = [set(), {"a"}, {"b"}, {"c"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"}, {"d"}, {"all"}]
SECRET = "s3cr3tS3CR3T0123456789abcdef"


def pyos_permits(labels: Set[str], permit: Any, deny: Any) -> bool:
    """Return what pyos's isAuthorized says, in its own steps."""
    if any(name == "all" or name in labels for name in deny):
        return False
    return any(name == "all" or name in labels for name in permit)


@given(permit=LISTS, deny=LISTS)
def test_it_permits_whom_pyos_permits(permit: Any, deny: Any) -> None:
    acl = Acl(permit, deny)
    found = [acl.permits(labels) for labels in LABELS]
    assert found == [pyos_permits(labels, permit, deny) for labels in LABELS]
    assert acl.permits_nobody is not any(found)
    assert acl.permits_everybody is all(found)
    assert set(acl.labels) == {*permit, *deny} - {"all"}
    assert len(set(acl.labels)) == len(acl.labels)


@given(permit=LISTS, deny=LISTS, labels=st.sets(st.text(max_size=3)))
def test_labels_that_it_does_not_name_change_nothing(permit: Any, deny: Any, labels: Any) -> None:
    acl = Acl(permit, deny)
    assert acl.permits(labels) is acl.permits(set(labels) & set(acl.labels))


@pytest.mark.parametrize(
    ("value", "acl"),
    [
        ({}, Acl()),
        ({"permit": ["all"]}, Acl(("all",))),
        ({"permit": ("a", "b"), "deny": ["c"]}, Acl(("a", "b"), ("c",))),
        ({"permit": None, "deny": None}, Acl()),
    ],
    ids=str,
)
def test_what_is_read(value: Any, acl: Acl) -> None:
    assert parse_acl({"acl": value}, Where({})["x"]) == (acl, [])


def test_without_an_acl_there_is_none() -> None:
    assert parse_acl({"permit": ["a"]}, Where({})["x"]) == (None, [])


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "all", b"all", ["all"], (), {"a"}], ids=str)
def test_anything_but_a_dict_is_an_error(value: Any) -> None:
    acl, (problem,) = parse_acl({"acl": value}, Where({})["x"])
    assert acl is None
    assert str(problem).startswith("x.acl: must be a dict such as { 'permit': [ 'all' ] }, not ")


@pytest.mark.parametrize("key", ["permit", "deny"])
@pytest.mark.parametrize(
    "value",
    [SECRET, 7, True, [SECRET, 7], [None], [[SECRET]], {SECRET: 1}, b"a", {SECRET}],
    ids=str,
)
def test_labels_that_are_no_list_of_texts_are_an_error_that_shows_none(
    key: str, value: Any
) -> None:
    acl, (problem,) = parse_acl({"acl": {key: value}}, Where({})["x"])
    assert acl is None
    assert str(problem) == f"x.acl.{key}: must be a list of label names, such as [ 'all' ]"


@pytest.mark.parametrize("key", ["permit", "deny"])
@pytest.mark.parametrize("value", ["", 0, False, 0.0, {}, b"", set()], ids=repr)
def test_something_empty_that_is_no_list_is_a_warning(key: str, value: Any) -> None:
    acl, (problem,) = parse_acl({"acl": {key: value}}, Where({})["x"])
    assert acl == Acl()
    words = "is taken as an empty list; write a list of label names, or remove it"
    assert (problem.level, str(problem)) == ("warning", f"x.acl.{key}: {words}")


def test_both_lists_are_looked_at() -> None:
    acl, problems = parse_acl({"acl": {"permit": "a", "deny": "b"}}, Where({})["x"])
    assert acl is None
    assert [problem.path for problem in problems] == ["x.acl.permit", "x.acl.deny"]


def test_an_unknown_key_is_a_warning_that_shows_only_misspelt_ones() -> None:
    given = {"permits": ["a"], "Deny": ["b"], SECRET: 1, 7: 8, "allow": ["c"]}
    acl, problems = parse_acl({"acl": given}, Where({})["x"])
    assert acl == Acl()
    words = "has an unknown key, number {} of 5, that is ignored; the keys are permit, deny"
    assert [str(problem) for problem in problems] == [
        "x.acl.permits: is ignored; did you mean 'permit'?",
        "x.acl.Deny: is ignored; did you mean 'deny'?",
        *(f"x.acl: {words.format(number)}" for number in (3, 4, 5)),
    ]
    assert {problem.level for problem in problems} == {"warning"}
