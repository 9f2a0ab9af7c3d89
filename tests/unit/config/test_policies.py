"""The policies by label: what is read, what is wrong, and which are never used."""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.config.acl import Acl
from abcwebrtc.config.coturn import DAY
from abcwebrtc.config.policies import MAX_POLICIES, Policy, parse_policies
from abcwebrtc.config.problems import Where
from support.configurations import NOW

SECRET = "s3cr3tS3CR3T0123456789abcdef"
GUESTS = {"permit": ["guests"]}


def parse(value: Any) -> Any:
    policies, problems = parse_policies(value, Where({})["policies"], NOW)
    return policies, [f"{problem.level}: {problem}" for problem in problems]


def messages(value: Any) -> List[str]:
    found: List[str] = parse(value)[1]
    return found


def test_what_is_read() -> None:
    value = [{"acl": GUESTS, "iceTransportPolicy": "relay", "ttl": 900}, {"ttl": DAY}]
    assert parse(value) == ((Policy(Acl(("guests",)), "relay", 900), Policy(None, None, DAY)), [])
    assert parse(tuple(value[:1]))[0][0].permits(["guests"])
    assert parse(None) == parse([]) == ((), [])


@pytest.mark.parametrize("value", [0, True, "relay", {}, {"acl": GUESTS}, b"", {1}], ids=str)
def test_anything_but_a_list_is_an_error(value: Any) -> None:
    (error,) = messages(value)
    assert error.startswith("error: policies: must be a list such as [ { 'acl': ")
    assert parse(value)[0] == ()


@pytest.mark.parametrize("value", [0, None, "relay", [], [{}], b""], ids=str)
def test_a_policy_that_is_no_dict_is_an_error(value: Any) -> None:
    assert messages([{"ttl": 900}, value])[-1].startswith("error: policies[1]: must be a dict, not")


@pytest.mark.parametrize("value", [None, "Relay", "", True, SECRET, ["relay"], {}, {"a"}], ids=str)
def test_another_transport_policy_is_an_error(value: Any) -> None:
    wrong = messages([{"acl": GUESTS, "iceTransportPolicy": value}])
    assert wrong == ["error: policies[0].iceTransportPolicy: must be 'relay' or 'all'"]


@pytest.mark.parametrize(
    ("ttl", "start"),
    [
        (None, "error: policies[0].ttl: must be a whole number of seconds"),
        (True, "error: policies[0].ttl: must be a whole number of seconds"),
        (1.5, "error: policies[0].ttl: must be a whole number of seconds"),
        ("900", "error: policies[0].ttl: must be a whole number of seconds"),
        ([900], "error: policies[0].ttl: must be a whole number of seconds"),
        (0, "error: policies[0].ttl: must be 1 second or more"),
        (-1, "error: policies[0].ttl: must be 1 second or more"),
        (10**12, "error: policies[0].ttl: would make credentials expire after 2038-01-19"),
        (3_600_000, "warning: policies[0].ttl: looks like milliseconds"),
        (DAY + 1, "warning: policies[0].ttl: is 86401 seconds, more than a day"),
    ],
    ids=str,
)
def test_a_ttl_is_checked_like_that_of_a_server(ttl: Any, start: str) -> None:
    (message,) = messages([{"acl": GUESTS, "ttl": ttl}])
    assert message.startswith(start)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("TTL", "policies[0].TTL: no such key; did you mean 'ttl'?"),
        ("iceTransportPolcy", "policies[0].iceTransportPolcy: no such key; did you mean"),
        ("permit", "policies[0].permit: no such key; write 'acl': { 'permit': [ 'all' ] }"),
        ("relay", "policies[0]: has an unknown key, number 2 of 2; the keys are acl, "),
        (SECRET, "policies[0]: has an unknown key, number 2 of 2; the keys are acl, "),
        (7, "policies[0].a whole number: no such key"),
    ],
)
def test_an_unknown_key_is_an_error_that_shows_no_secret(key: Any, words: str) -> None:
    (error,) = messages([{"ttl": 900, key: SECRET}])
    assert error.startswith(f"error: {words}")
    assert SECRET not in error


def test_all_policies_are_looked_at_and_so_many_are_read() -> None:
    wrong = messages([{"ttl": 0}, {"acl": 1}, {"x": 1}])
    assert [text.split(":")[1].strip() for text in wrong] == [
        "policies[0].ttl",
        "policies[1].acl",
        "policies[2]",
    ]
    many = [{"acl": {"permit": [str(number)]}, "ttl": 900} for number in range(MAX_POLICIES)]
    assert len(parse(many)[0]) == MAX_POLICIES
    assert parse([*many, {}]) == (
        (),
        ["error: policies: has 257 items, more than the 256 that are read; write fewer policies"],
    )


# policies without an effect


NEVER = "is never used: policies[0] already applies to all of its users"


@pytest.mark.parametrize(
    ("acls", "words"),
    [
        ([GUESTS, GUESTS], NEVER),
        ([{"permit": ["guests", "x"]}, GUESTS], NEVER),
        ([{"permit": ["all"], "deny": ["x"]}, {"permit": ["y"], "deny": ["x"]}], NEVER),
        ([{"permit": ["all"], "deny": ["x"]}, {"permit": ["y"]}], ""),
        ([GUESTS, {"permit": ["guests", "x"]}], ""),
        ([{"permit": ["guests"], "deny": ["x"]}, GUESTS], ""),
        ([GUESTS, {"permit": ["all"]}], ""),
        ([{"permit": ["all"]}, GUESTS], "is for everybody, so the policies after it are never"),
        ([{"permit": ["all"]}] * 3, "is for everybody, so the policies after it are never"),
        ([{}, GUESTS], "permits nobody, so the policy is never used"),
        ([GUESTS, {"permit": ["x"], "deny": ["all"]}], "permits nobody, so the policy is never"),
    ],
    ids=str,
)
def test_a_policy_that_is_never_used_is_a_warning(acls: Sequence[Any], words: str) -> None:
    found = messages([{"acl": acl, "ttl": 900} for acl in acls])
    assert len(found) == bool(words)
    for text in found:
        assert text.startswith("warning: policies[")
        assert words in text


NAMES = st.lists(st.sampled_from(["all", "a", "b", "c"]), max_size=3)
ACLS = st.fixed_dictionaries({"permit": NAMES, "deny": NAMES})


@given(acls=st.lists(ACLS, min_size=2, max_size=4))
def test_what_is_called_never_used_is_never_used(acls: List[Dict[str, Any]]) -> None:
    policies, problems = parse([{"acl": acl, "ttl": 900} for acl in acls])
    for index in range(len(acls)):
        if any(f" policies[{index}]: is never used" in text for text in problems):
            for size in range(4):
                for labels in itertools.combinations("abc", size):
                    first = [one for one in policies if one.permits(labels)][:1]
                    assert first != [policies[index]] or policies[index] in policies[:index]


def test_a_last_policy_that_says_nothing_is_a_warning_and_one_before_is_an_exception() -> None:
    nothing = "warning: policies[0]: changes nothing; write 'iceTransportPolicy', 'ttl' or both, "
    assert messages([{}]) == [f"{nothing}or remove it"]
    assert messages([{"acl": GUESTS}]) == [f"{nothing}or remove it"]
    assert messages([{"acl": {"permit": ["staff"]}}, {"ttl": 900}]) == []
