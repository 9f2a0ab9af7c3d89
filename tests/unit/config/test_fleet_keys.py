"""The keys of a fleet with values of the wrong kind: what is said, and never a secret."""

from __future__ import annotations

from typing import Any, List

import pytest

from abcwebrtc.config.coturn import MAX_SERVERS, MAX_WEIGHT, MIN_WEIGHT
from support.configurations import COTURN, errors_of, load, warnings_of
from support.fleets import fleet, server, servers

SECRET = "s3cr3tS3CR3T0123456789abcdef"
WRONG: List[Any] = [None, SECRET, b"a", [SECRET], {SECRET: SECRET}, (), float("nan"), 10**30]


def error_of(key: str, value: Any) -> str:
    (error,) = errors_of({"webrtc.coturn": {**COTURN, key: value}})
    assert SECRET not in error
    start = f"webrtc.coturn.{key}: must be "
    assert error.startswith(start)
    return str(error[len(start) :])


@pytest.mark.parametrize("value", [True, 0, -1, 1.5, "2", MAX_SERVERS + 1, *WRONG[1:]], ids=repr)
def test_a_number_of_servers_is_a_whole_number_of_at_least_one(value: Any) -> None:
    (error,) = errors_of({"webrtc.coturn": COTURN, "webrtc.coturn_servers": value})
    words = f"must be a whole number from 1 to {MAX_SERVERS}, such as 2"
    more = "; write the servers themselves as webrtc.coturn"
    is_list = isinstance(value, (list, tuple, dict))
    assert error == f"webrtc.coturn_servers: {words}{more if is_list else ''}"


def test_numbers_of_servers_that_are_read() -> None:
    for number in (None, 1, MAX_SERVERS):
        mapping = {"webrtc.coturn": COTURN, "webrtc.coturn_servers": number}
        assert load(mapping).coturn_servers == number


@pytest.mark.parametrize("name", ["coturn_server", "coturnservers", "coturnServer"])
def test_a_misspelt_number_of_servers_is_told_from_the_servers(name: str) -> None:
    found = warnings_of({f"webrtc.{name}": 2})
    assert found == [f"webrtc.{name}: no such entry; did you mean 'webrtc.coturn_servers'?"]
    found = warnings_of({f"webrtc.{name}": [COTURN]})
    assert found == [f"webrtc.{name}: no such entry; did you mean 'webrtc.coturn'?"]


@pytest.mark.parametrize(
    "value", ["", "-a", "a b", "a/b", "a:1", "é", "a\n", "x" * 64, 0, True, *WRONG[:1], *WRONG[2:]]
)
def test_a_name_is_a_short_text(value: Any) -> None:
    assert error_of("name", value) == "a short text of letters, digits, '.', '-' and '_'"


def test_a_name_is_given_once_and_is_the_first_url_by_default() -> None:
    entries = [server("a"), server("A"), {**COTURN, "url": ["x", "y"]}]
    assert [one.name for one in fleet(entries).coturn] == ["a", "A", "turn:x"]
    entries.append(server("a", url="z"))
    assert errors_of({"webrtc.coturn": entries}) == [
        "webrtc.coturn[3].name: is the name of an earlier server; write another"
    ]


def test_a_name_of_a_server_that_is_wrong_is_taken_too() -> None:
    wrong = [
        server("a", ttl=0),
        server("a", drain=1),
        {**COTURN, "name": ""},
        {**COTURN, "name": ""},
    ]
    found = errors_of({"webrtc.coturn": wrong})
    words = "is the name of an earlier server; write another"
    assert [text for text in found if words in text] == [f"webrtc.coturn[1].name: {words}"]


@pytest.mark.parametrize("value", [0, -1, MIN_WEIGHT / 2, MAX_WEIGHT + 1, True, "2", *WRONG])
def test_a_weight_is_a_number_within_bounds(value: Any) -> None:
    words = "a number from 0.000001 to 1,000,000, such as 2; "
    assert error_of("weight", value) == (
        f"{words}for a server that nobody new should get, write 'drain': True"
    )


@pytest.mark.parametrize("value", [1, 2, 0.5, MIN_WEIGHT, MAX_WEIGHT])
def test_weights_that_are_read(value: float) -> None:
    (one,) = fleet(servers(1, weight=value), 1).coturn
    assert one.weight == value


@pytest.mark.parametrize("value", [0, 1, "True", *WRONG], ids=repr)
def test_drain_is_true_or_false(value: Any) -> None:
    assert error_of("drain", value).startswith("True or False without quotes, not ")


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("draining", "did you mean 'drain'?"),
        ("disabled", "did you mean 'drain'?"),
        ("wieght", "did you mean 'weight'?"),
        ("Name", "did you mean 'name'?"),
        ("permit", "write 'acl': { 'permit': [ 'all' ] }"),
        ("labels", "write 'acl': { 'permit': [ 'all' ] }"),
    ],
)
def test_another_word_for_a_key_is_an_error_that_says_the_right_one(key: str, right: str) -> None:
    (error,) = errors_of({"webrtc.coturn": {**COTURN, key: SECRET}})
    assert error == f"webrtc.coturn.{key}: no such key; {right}"
