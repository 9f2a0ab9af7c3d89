"""`probe` and the test page say the same about a fault; the page's scripts run in Chromium."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Set, Tuple

import pytest

from abcwebrtc.probe.diagnosis import judge as probe_judge
from abcwebrtc.probe.model import Observation
from causes_page import keys_of, said_by
from e2e.test_testpage_verdict import FAULTS, MORE
from support.agreement import LOOKS, PAIRS, SCENARIOS, Pair
from support.observations import around

pytest_plugins = ["e2e.testpage_fixtures"]

Said = Tuple[str, str, str, str]
"""A level, a word, a message and a cure."""


def by_probe(*seen: Observation) -> Said:
    (one,) = probe_judge(seen, around())[0].diagnoses
    return one.level, one.word, one.message, one.advice


def by_page(diagnose: Any, *results: Dict[str, Any]) -> Said:
    found = diagnose(*results)
    return found["level"], found["word"], found["message"], found["advice"]


def told(text: str) -> str:
    """Return a cure without the page's capital letter and full stop."""
    return (text[:1].lower() + text[1:]).rstrip(".")


def check(one: Said, other: Said, key: str) -> None:
    assert one[:2] == other[:2]
    assert told(one[3]) == told(other[3])
    for _, _, message, cure in (one, other):
        words = {found.partition("/")[0] for found in keys_of(message, cure)}
        assert key.partition("/")[0] in words
        assert not re.search(r"[{}]", message + cure)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one.name for one in SCENARIOS])
def test_the_same_fault_is_the_same_cause(diagnose: Any, scenario: Any) -> None:
    one, other = by_probe(scenario.probe), by_page(diagnose, scenario.page)
    check(one, other, scenario.key)
    assert scenario.key in keys_of(one[2], one[3]) or scenario.key == "redirect"


@pytest.mark.parametrize("pair", PAIRS, ids=[one.name for one in PAIRS])
def test_side_by_side_the_same_is_said(diagnose: Any, pair: Pair) -> None:
    one, other = by_probe(*pair.probe), by_page(diagnose, *pair.page)
    check(one, other, pair.key)
    for message in (one[2], other[2]) if pair.clause else ():
        assert message.endswith(pair.clause or "")


def test_the_page_says_each_of_its_causes_and_fills_it(diagnose: Any) -> None:
    results: List[List[Dict[str, Any]]] = [[result] for result, _ in FAULTS]
    results += [[one.page] for one in SCENARIOS] + [one.page for one in PAIRS]
    results += [[one] for one in LOOKS] + MORE
    found: Set[str] = set()
    for some in results:
        _, _, message, cure = by_page(diagnose, *some)
        assert not re.search(r"[{}]", message + cure)
        found |= keys_of(message, cure)
    missing = set(said_by("page")) - found
    assert missing == set()
