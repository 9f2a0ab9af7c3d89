"""What results say together, and about the one STUN and one TURN server that desktops have."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Sequence, Set, Tuple

from abcwebrtc.config.uris import IceURI
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import (
    BINDING,
    CONNECT,
    ERROR,
    OK,
    TCP,
    TLS,
    UDP,
    WARNING,
    Failure,
    Observation,
    PathResult,
    Result,
    Target,
)
from abcwebrtc.probe.report import as_json, summary
from abcwebrtc.probe.targets import browser_target, environment_targets, with_desktops
from support.observations import HERE, MINTED, NOW, PEER, WAY, around, seen


def test_the_other_family_makes_an_unreachable_one_a_warning() -> None:
    six = seen(Failure(CONNECT, "unreachable"), address="2001:db8::1")
    four = seen(reflexive="192.0.2.7:9")
    first, second = judge([six, four], around())
    assert (first.level, second.level) == (WARNING, OK)
    assert "the same url works over IPv4" in first.diagnoses[0].message
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
    part = "; data to its relay 192.0.2.1:6 does arrive, so only some of the ports are blocked"
    assert part in judge([shut, reached], around())[0].diagnoses[0].message
    for other in (
        replace(reached, relayed="192.0.2.2:6"),
        replace(reached, outside=replace(WAY, punched=True)),
        replace(reached, outside=PathResult(untried="no-udp")),
    ):
        said = judge([shut, other], around())
        assert not any("only some of" in one.message for two in said for one in two.diagnoses)


def test_one_of_the_transports_of_webrtcbin_is_enough() -> None:
    made = environment_targets({"TURN_SERVER": "turn://u:p@192.0.2.1:3478"})
    silent = Observation(made[0], "192.0.2.1", failures=[Failure(BINDING, "refused")])
    works = Observation(made[1], "192.0.2.1", reflexive="192.0.2.7:9")
    first, second = judge([silent, works], around())
    assert (first.level, second.level) == (WARNING, OK)
    works.failures.append(Failure(BINDING, "closed"))
    assert {one.level for one in judge([silent, works], around())} == {ERROR}


# what desktops depend on

DEAD = Failure(BINDING, "refused")


def target(scheme: str, host: str) -> Target:
    return browser_target(IceURI(scheme, host, 3478), MINTED)


BROWSERS = [target("stun", "a"), target("stun", "b"), target("turn", "a"), target("turn", "b")]
DESKTOP = {"STUN_SERVER": "stun://a:3478", "TURN_SERVER": "turn://u:p@a:3478"}


def judged(*dead: Tuple[str, str, str], also: Sequence[Target] = ()) -> List[Result]:
    """Judge all targets; those of a scheme, host and transport are dead."""
    made = []
    for one in with_desktops(BROWSERS, [*environment_targets(DESKTOP), *also]):
        is_dead = (one.uri.scheme, one.host, one.transport) in dead
        failures = [DEAD] if is_dead else []
        made.append(Observation(one, f"192.0.2.{ord(one.host)}", failures=failures))
    return judge(made, around())


def words(results: List[Result]) -> Set[str]:
    return {one.word for result in results for one in result.diagnoses}


def test_a_dead_first_server_is_silence_for_desktops_though_browsers_have_another() -> None:
    results = judged(("turn", "a", UDP), ("turn", "a", TCP))
    (found,) = [one for one in results[2].diagnoses if one.word == "desktop-turn"]
    assert found.level == ERROR
    assert "their only TURN_SERVER is turn:a:3478, which does not work" in found.message
    assert found.message.endswith("which does not work, while turn:b:3478 works for browsers")
    assert as_json(results, HERE, NOW, failed=True)["desktop"] == {
        "stun_server": {"url": "stun:a:3478", "ok": True},
        "turn_server": {"url": "turn:a:3478", "ok": False},
        "turn_servers": [{"url": "turn:a:3478", "ok": False}],
    }
    assert summary(results, HERE).endswith("not working for desktops: TURN_SERVER turn:a:3478")


def test_each_server_of_a_fleet_is_that_of_some_desktops() -> None:
    fleet = environment_targets({"TURN_SERVER": "turn://u:p@b:3478"})
    results = judged(("turn", "b", UDP), ("turn", "b", TCP), also=fleet)
    (found,) = [one for one in results[3].diagnoses if "desktop" in one.word]
    assert (found.word, found.level) == ("desktop-turn", ERROR)
    assert found.message.startswith("some desktops")
    assert "the only TURN_SERVER that they get is turn:b:3478, which does not work" in found.message
    assert summary(results, HERE).endswith("not working for desktops: TURN_SERVER turn:b:3478")
    works, dead = {"url": "turn:a:3478", "ok": True}, {"url": "turn:b:3478", "ok": False}
    desktop = as_json(results, HERE, NOW, failed=True)["desktop"]
    assert (desktop["turn_server"], desktop["turn_servers"]) == (dead, [works, dead])
    desktop = as_json(judged(also=fleet), HERE, NOW, failed=False)["desktop"]
    assert desktop["turn_server"] == works


def test_a_dead_stun_server_is_one_for_desktops() -> None:
    results = judged(("stun", "a", UDP))
    assert [one.word for one in results[0].diagnoses] == ["refused", "desktop-stun"]
    assert "while stun:b:3478 works for browsers" in results[0].diagnoses[1].message
    assert "STUN_SERVER stun:a:3478" in summary(results, HERE)


def test_a_turn_server_that_fails_over_udp_holds_up_a_desktops_stun_server() -> None:
    results = judged(("turn", "a", UDP), ("turn", "a", TCP))
    (found,) = [one for one in results[2].diagnoses if one.word == "stun-held-up"]
    assert (found.level, results[0].level) == (ERROR, OK)
    assert "from STUN_SERVER stun:a:3478 either, although that works" in found.message
    assert "while turn:a:3478 fails over UDP" in found.message
    both_dead = judged(("turn", "a", UDP), ("turn", "a", TCP), ("stun", "a", UDP))
    assert "stun-held-up" not in words(both_dead)


def test_an_allocation_or_tcp_alone_holds_up_nothing() -> None:
    over_tcp = environment_targets({**DESKTOP, "TURN_SERVER": "turn://u:p@a:3478?transport=tcp"})
    stun, turn = (Observation(one, "192.0.2.97") for one in over_tcp)
    turn.failures.append(DEAD)
    assert "stun-held-up" not in words(judge([stun, turn], around()))
    udp = Observation(environment_targets(DESKTOP)[1], "192.0.2.97", failures=[DEAD])
    assert "stun-held-up" in words(judge([stun, udp], around()))
    udp.relayed = "192.0.2.97:50000"
    assert "stun-held-up" not in words(judge([stun, udp], around()))


def test_another_transport_is_enough_for_a_desktop() -> None:
    results = judged(("turn", "a", TCP))
    assert "desktop-turn" not in words(results)
    assert {one.level for one in results} == {OK, WARNING}
    assert "desktops" not in summary(results, HERE)
    assert "desktop-turn" not in words(judged(("turn", "a", UDP)))


def test_what_only_browsers_have_is_none_of_desktops() -> None:
    results = judged(("turn", "b", UDP), ("stun", "b", UDP))
    assert words(results) == {"refused"}
    assert "desktops" not in summary(results, HERE)


def test_without_a_variable_there_is_nothing_to_say() -> None:
    failed = [Observation(one, "192.0.2.1", failures=[DEAD]) for one in BROWSERS[1:]]
    results = judge([Observation(BROWSERS[0], "192.0.2.1"), *failed], around())
    assert words(results) == {"refused"}
    desktop = as_json(results, HERE, NOW, failed=True)["desktop"]
    assert desktop == {"stun_server": None, "turn_server": None, "turn_servers": []}


def test_what_desktops_alone_have_is_probed_for_them() -> None:
    wanted = environment_targets({"TURN_SERVER": "turns://u:p@a:3478", "STUN_SERVER": "stun://c:1"})
    found = with_desktops([target("turns", "a")], wanted)
    assert [(one.url, one.transport, one.desktop) for one in found] == [
        ("turns:a:3478", TLS, False),
        ("stun:c:1", UDP, True),
        ("turns:a:3478", TCP, True),
    ]
