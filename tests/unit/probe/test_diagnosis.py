"""The probe's judgement; `integration/test_probe*` reach real servers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.config.uris import IceURI
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
    LoginFindings,
    Observation,
    PathResult,
    Result,
    Target,
)
from abcwebrtc.probe.secret_search import investigate, measure_clock
from abcwebrtc.probe.targets import environment_targets
from abcwebrtc.times import MAX_EXPIRY
from support.observations import (
    CASES,
    DAY,
    MINTED,
    NOW,
    PEER,
    POD,
    RELAYED,
    STATIC,
    WAY,
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
    "timeout refused unreachable closed http not-stun tls-answer tls certificate error no-name x"
)
FINDINGS = st.builds(
    LoginFindings,
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
    login=st.none() | FINDINGS,
)
def test_whatever_fails_is_an_error_with_a_message(
    failure: Failure, account: Any, transport: str, spoken: str, login: Any
) -> None:
    one = seen(failure, account=account, transport=transport, spoken=spoken, login=login)
    found = diagnose(one, around())
    assert found
    assert {diagnosis.level for diagnosis in found} == {ERROR}
    assert all(diagnosis.message for diagnosis in found)


def test_errors_come_before_warnings() -> None:
    both = seen(stun(403, PERMISSION), note="a note", **RELAYED)
    assert [one.level for one in diagnose(both, around())] == [ERROR, WARNING]


# together


def test_the_other_family_makes_an_unreachable_one_a_warning() -> None:
    six = seen(Failure(CONNECT, "unreachable"), address="2001:db8::1")
    four = seen(reflexive="192.0.2.7:9")
    first, second = judge([six, four], around())
    assert (first.level, second.level) == (WARNING, OK)
    assert "over IPv4 the same url works" in first.diagnoses[0].message
    assert judge([six], around())[0].level == ERROR
    refused = seen(Failure(BINDING, "refused"), address="2001:db8::1")
    assert judge([refused, four], around())[0].level == ERROR
    other = seen(reflexive="192.0.2.7:9", transport=TCP)
    assert judge([six, other], around())[0].level == ERROR


def test_no_answer_over_udp_says_that_tcp_has_one() -> None:
    silent, other = seen(Failure(BINDING, "timeout")), seen(transport=TCP, reflexive="192.0.2.7:9")
    first, _ = judge([silent, other], around())
    assert first.diagnoses[0].message.endswith("; the same host works on TCP port 3478")
    first, _ = judge([silent, seen(reflexive="192.0.2.7:9")], around())
    assert "the same host" not in first.diagnoses[0].message


def test_an_answer_at_another_port_is_not_taken_for_one_of_the_same_server() -> None:
    silent = seen(Failure(BINDING, "timeout"))
    target = Target(IceURI("turns", "turn.example.org", 5349), TLS, MINTED)
    first, _ = judge([silent, Observation(target, "192.0.2.1", reflexive="192.0.2.7:9")], around())
    assert first.diagnoses[0].message.endswith("; the same host works on TLS port 5349")


def test_a_relay_that_is_reached_tells_that_only_a_part_of_the_ports_is_shut() -> None:
    shut = seen(relayed="192.0.2.1:5", outside=PathResult(peer=PEER))
    reached = seen(transport=TCP, relayed="192.0.2.1:6", outside=WAY)
    part = "; data to its relay 192.0.2.1:6 does arrive, so a part of the ports is shut"
    assert part in judge([shut, reached], around())[0].diagnoses[0].message
    for other in (
        replace(reached, relayed="192.0.2.2:6"),
        replace(reached, outside=replace(WAY, punched=True)),
        replace(reached, outside=PathResult(untried="no-udp")),
    ):
        said = judge([shut, other], around())
        assert not any("a part of" in one.message for two in said for one in two.diagnoses)


def test_one_of_the_transports_of_webrtcbin_is_enough() -> None:
    made = environment_targets({"TURN_SERVER": "turn://u:p@192.0.2.1:3478"})
    silent = Observation(made[0], "192.0.2.1", failures=[Failure(BINDING, "refused")])
    works = Observation(made[1], "192.0.2.1", reflexive="192.0.2.7:9")
    first, second = judge([silent, works], around())
    assert (first.level, second.level) == (WARNING, OK)
    works.failures.append(Failure(BINDING, "closed"))
    assert {one.level for one in judge([silent, works], around())} == {ERROR}


# after a 401


@given(
    known=st.sets(st.integers(0, 3)),
    count=st.integers(1, 4),
    clock=st.integers(int(NOW) - 10 * DAY, MAX_EXPIRY),
    ttl=st.integers(1, 30 * DAY),
)
def test_a_server_is_seen_through(known: Set[int], count: int, clock: int, ttl: int) -> None:
    """The server takes these secrets, until the expiry has passed on its clock."""

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

    assert measure_clock(accepts, 0) == clock
    assert len(asked) <= 31


def test_a_static_login_is_not_investigated() -> None:
    assert investigate(STATIC, lambda login: True, NOW) == LoginFindings()
