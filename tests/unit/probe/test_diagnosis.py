"""The probe's judgement; `integration/test_probe*` reach real servers."""

from __future__ import annotations

import itertools
from typing import Any, Callable, List, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.probe.diagnosis import diagnose, judge
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    ERROR,
    HANDSHAKE,
    NOTE,
    OK,
    PERMISSION,
    RELAY,
    RESOLVE,
    TCP,
    TLS,
    UDP,
    WARNING,
    Account,
    Failure,
    Login,
    Observation,
    Result,
    SecretSearch,
)
from abcwebrtc.probe.report import as_json
from abcwebrtc.probe.stun_client import StepError
from abcwebrtc.probe.turn_session import investigate, measure_clock
from abcwebrtc.times import MAX_EXPIRY
from support.observations import (
    CASES,
    DAY,
    HERE,
    MINTED,
    NOW,
    POD,
    RELAYED,
    STATIC,
    around,
    seen,
    stun,
)


@pytest.mark.parametrize(("observation", "level", "word", "part"), CASES)
def test_what_is_seen_is_what_is_said(
    observation: Observation, level: str, word: str, part: str
) -> None:
    found = diagnose(observation, around())
    assert Result(observation, found).level == (OK if level == NOTE else level)
    assert [one.word for one in found] == ([word] if word else [])
    for one in found:
        assert part in f"{one.message} | {one.advice} |"
        assert not one.message.endswith(".")
        assert "a-password" not in str(one)


def test_no_answer_in_a_pod_may_be_a_network_policy() -> None:
    (found,) = diagnose(seen(Failure(BINDING, "timeout")), around(POD))
    assert "asked from pod desk" in found.message
    assert "'abcwebrtc networkpolicy'" in found.advice


@pytest.mark.parametrize("realm", ["turn.example.org", "example.org", "Example.org"])
def test_a_realm_that_is_the_hosts_is_not_blamed(realm: str) -> None:
    (found,) = diagnose(seen(stun(401), account=STATIC, realms=[realm]), around())
    assert "realm" not in found.message + found.advice


STEPS = (RESOLVE, CONNECT, HANDSHAKE, BINDING, ALLOCATE, PERMISSION, RELAY)
KINDS = (
    "timeout refused unreachable closed http not-stun tls-answer tls certificate error no-name "
    "no-dns x"
)
SEARCHES = st.builds(
    SecretSearch,
    tried=st.integers(0, 3),
    known=st.none() | st.integers(0, 2),
    clock_ahead=st.none() | st.integers(-9, 9),
)


@given(
    failure=st.builds(Failure, st.sampled_from(STEPS), st.sampled_from(KINDS.split()))
    | st.builds(Failure, st.just(ALLOCATE), st.just("stun"), st.integers(0, 799), st.booleans()),
    account=st.sampled_from([None, STATIC, MINTED]),
    transport=st.sampled_from([UDP, TCP, TLS]),
    spoken=st.sampled_from(["", "stun", "http", "tls"]),
    search=st.none() | SEARCHES,
)
def test_whatever_fails_is_an_error_with_a_message(
    failure: Failure, account: Any, transport: str, spoken: str, search: Any
) -> None:
    one = seen(failure, account=account, transport=transport, spoken=spoken, search=search)
    found = diagnose(one, around())
    assert found
    assert {diagnosis.level for diagnosis in found} == {ERROR}
    assert all(diagnosis.message for diagnosis in found)


def test_errors_come_before_warnings() -> None:
    both = seen(stun(403, PERMISSION), unspoken="tls", **RELAYED)
    assert [one.level for one in diagnose(both, around())] == [ERROR, WARNING]


# after a 401


@given(
    known=st.sets(st.integers(0, 3)),
    count=st.integers(1, 4),
    clock=st.integers(int(NOW) - 10 * DAY, MAX_EXPIRY),
    ttl=st.integers(1, 30 * DAY),
)
def test_a_server_is_seen_through(known: Set[int], count: int, clock: int, ttl: int) -> None:
    """The server accepts these secrets until the expiry has passed on its clock."""

    def accepts(login: Login) -> bool:
        return int(login.password) in known and int(login.username) >= clock

    account = Account(
        mint=lambda position, expiry: Login(str(expiry), str(position)), secrets=count, ttl=ttl
    )
    found = investigate(account, accepts, NOW)
    expected = min((one for one in known if one < count), default=None)
    assert (found.tried, found.known) == (count, expected)
    is_late = expected is not None and clock > int(NOW) + ttl
    assert found.clock_ahead == (clock - int(NOW) if is_late else None)


@given(clock=st.integers(1, MAX_EXPIRY))
def test_a_clock_is_measured_in_few_steps(clock: int) -> None:
    asked: List[int] = []

    def accepts(expiry: int) -> bool:
        asked.append(expiry)
        return expiry >= clock

    assert measure_clock(accepts, 0) == (clock, clock)
    assert len(asked) <= 31


LOST = StepError(Failure(ALLOCATE, "timeout"))


def searched(known: int, secrets: int, clock: int, lost: Callable[[int], bool]) -> SecretSearch:
    """Search at a server that knows one secret; the requests with these numbers are lost."""
    numbers = itertools.count()

    def accepts(login: Login) -> bool:
        if lost(next(numbers)):
            raise LOST
        return int(login.password) == known and int(login.username) >= clock

    account = Account(
        mint=lambda position, expiry: Login(str(expiry), str(position)), secrets=secrets, ttl=3600
    )
    return investigate(account, accepts, NOW)


@given(known=st.integers(0, 3), clock=st.integers(int(NOW), MAX_EXPIRY), unlucky=st.integers(0, 45))
def test_one_unlucky_request_changes_no_diagnosis(known: int, clock: int, unlucky: int) -> None:
    found = searched(known, 3, clock, lambda number: number == unlucky)
    assert found == searched(known, 3, clock, lambda number: False)


@given(known=st.integers(0, 3), clock=st.integers(int(NOW), MAX_EXPIRY), first=st.integers(0, 45))
def test_a_server_that_falls_silent_is_blamed_for_what_was_shown_only(
    known: int, clock: int, first: int
) -> None:
    whole = searched(known, 3, clock, lambda number: False)
    part = searched(known, 3, clock, lambda number: number >= first)
    if part.complete:
        assert part == whole
        return
    said = diagnose(seen(stun(401), search=part), around())
    if part.known is None:
        assert part.clock_ahead is None
        assert [one.word for one in said] == ["login-refused"]
        return
    assert whole.clock_ahead
    assert part.clock_ahead
    assert part.known == whole.known
    assert 3600 < part.clock_ahead <= whole.clock_ahead
    assert ["older-secret"] * (known > 0) + ["clock"] == [one.word for one in said]
    assert "at least" in said[-1].message


def test_a_clock_that_could_not_be_measured_is_none_in_data() -> None:
    search = SecretSearch(1, 0, 3601, complete=False)
    results = judge([seen(stun(401), search=search)], around())
    assert as_json(results, HERE, NOW, failed=True)["results"][0]["clock_ahead"] is None


def test_a_static_login_is_not_investigated() -> None:
    assert investigate(STATIC, lambda login: True, NOW) == SecretSearch()
