"""The table of causes is complete, each cause is reached, and the page in docs is up to date."""

from __future__ import annotations

import re
from typing import Set

import pytest

from abcwebrtc.probe import causes
from abcwebrtc.probe.diagnosis import diagnose
from causes_page import PAGE, keys_of, page, said_by
from support.agreement import SCENARIOS
from support.observations import CASES, POD, around


def test_the_page_is_the_table() -> None:
    """python tests/causes_page.py writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("key", causes.CAUSES)
def test_a_cause_has_all_that_it_needs(key: str) -> None:
    one = dict(causes.CAUSES[key])
    assert one.pop("by") in ("probe", "page", "both")
    assert one.pop("level", "warning") in ("warning", "note")
    message, cure = one.pop("message"), one.pop("cure")
    assert one == {}
    assert message
    assert cure or key.startswith("other-protocol/")
    assert not message.endswith(".")
    assert not cure.endswith(".")
    names = set(re.findall(r"\{(.*?)\}", message + cure))
    assert all(re.fullmatch(r"[a-z]+", name) for name in names)
    made = causes.said(key, **dict.fromkeys(names, "seen"))
    assert not re.search(r"[{}]", made.message + made.advice)
    assert made.word == key.partition("/")[0]
    for name in names:
        with pytest.raises(KeyError):
            causes.said(key, **dict.fromkeys(names - {name}, "seen"))


def test_the_probe_says_each_of_its_causes_and_fills_it() -> None:
    seen = [one for one, *_ in CASES] + [one for _, one, _, _ in SCENARIOS if one]
    found: Set[str] = set()
    for place in (around(), around(POD)):
        for one in seen:
            for said in diagnose(one, place):
                assert not re.search(r"[{}]", said.message + said.advice)
                keys = keys_of(said.message, said.advice)
                assert not keys or said.word in {key.partition("/")[0] for key in keys}
                found |= keys
    missing = set(said_by("probe")) - found - TOGETHER
    assert missing == set()


TOGETHER = {"no-binding", "desktop-turn", "desktop-turn/fleet", "desktop-stun", "stun-held-up"}
"""What only several results together say: see test_comparison.py."""


def test_the_lists_name_words_that_are_there() -> None:
    words = {key.partition("/")[0] for key in causes.CAUSES}
    assert words >= causes.UNANSWERED | causes.ELSEWHERE_TOO


def test_a_fact_is_put_in_as_it_is() -> None:
    made = causes.said("no-name", host="{host}.example", detail="")
    assert made.message == "the name {host}.example does not resolve"
