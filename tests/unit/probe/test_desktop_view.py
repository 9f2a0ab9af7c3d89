"""What a probe says of the one STUN and the one TURN server that desktops have."""

from __future__ import annotations

from typing import Any, List, Tuple

import pytest

from abcwebrtc.config.uris import IceURI
from abcwebrtc.probe.desktop_view import (
    desktop_json,
    desktop_summary,
    judged_for_desktops,
    with_desktops,
)
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import (
    BINDING,
    ERROR,
    OK,
    TCP,
    TLS,
    UDP,
    WARNING,
    Failure,
    Observation,
    Result,
    Target,
)
from abcwebrtc.probe.targets import browser_target, environment_targets
from support.observations import MINTED, around

DEAD = Failure(BINDING, "refused")


def target(scheme: str, host: str, port: int = 3478) -> Target:
    return browser_target(IceURI(scheme, host, port), MINTED)


BROWSERS = [target("stun", "a"), target("stun", "b"), target("turn", "a"), target("turn", "b")]
DESKTOP = {"STUN_SERVER": "stun://a:3478", "TURN_SERVER": "turn://u:p@a:3478"}


def judged(*dead: Tuple[str, str, str]) -> List[Result]:
    """Judge all, of which those of a scheme, host and transport are dead."""
    seen = []
    for one in with_desktops(BROWSERS, environment_targets(DESKTOP)):
        is_dead = (one.uri.scheme, one.host, one.transport) in dead
        failures = [DEAD] if is_dead else []
        seen.append(Observation(one, f"192.0.2.{ord(one.host)}", failures=failures))
    return judged_for_desktops(judge(seen, around()))


def words(results: List[Result]) -> Any:
    return {word for result in results for word in (one.word for one in result.diagnoses)}


def test_a_dead_first_server_is_silence_for_desktops_though_browsers_have_another() -> None:
    results = judged(("turn", "a", UDP), ("turn", "a", TCP))
    (found,) = [one for one in results[2].diagnoses if one.word == "desktop-turn"]
    assert found.level == ERROR
    assert "turn:a:3478, which does not work, is the only TURN_SERVER" in found.message
    assert found.message.endswith("that they have, while turn:b:3478 works for browsers")
    assert desktop_json(results) == {
        "stun_server": {"url": "stun:a:3478", "ok": True},
        "turn_server": {"url": "turn:a:3478", "ok": False},
    }
    assert desktop_summary(results).endswith("what fails: TURN_SERVER turn:a:3478")


def test_a_dead_stun_server_is_one_for_desktops() -> None:
    results = judged(("stun", "a", UDP))
    assert [one.word for one in results[0].diagnoses] == ["refused", "desktop-stun"]
    assert "while stun:b:3478 works for browsers" in results[0].diagnoses[1].message
    assert "STUN_SERVER stun:a:3478" in desktop_summary(results)


def test_another_transport_is_enough_for_a_desktop() -> None:
    results = judged(("turn", "a", TCP))
    assert "desktop-turn" not in words(results)
    assert {one.level for one in results} == {OK, WARNING}
    assert desktop_summary(results) == ""
    assert "desktop-turn" not in words(judged(("turn", "a", UDP)))


@pytest.mark.parametrize("dead", [(), (("turn", "b", UDP), ("stun", "b", UDP))])
def test_what_only_browsers_have_is_none_of_desktops(dead: Any) -> None:
    results = judged(*dead)
    assert not words(results) & {"desktop-turn", "desktop-stun"}
    assert desktop_summary(results) == ""


def test_without_a_variable_there_is_nothing_to_say() -> None:
    results = judge([Observation(one, "192.0.2.1", failures=[DEAD]) for one in BROWSERS], around())
    assert judged_for_desktops(results) == results
    assert desktop_json(results) == {"stun_server": None, "turn_server": None}


def test_what_desktops_alone_have_is_probed_for_them() -> None:
    wanted = environment_targets({"TURN_SERVER": "turns://u:p@a:3478", "STUN_SERVER": "stun://c:1"})
    found = with_desktops([target("turns", "a")], wanted)
    assert [(one.url, one.transport, one.desktop) for one in found] == [
        ("turns:a:3478", TLS, False),
        ("stun:c:1", UDP, True),
        ("turns:a:3478", TCP, True),
    ]
