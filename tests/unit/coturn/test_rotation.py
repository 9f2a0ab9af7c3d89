"""Groups of entries, the overlap, and the steps of a rotation."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.coturn.rotation import (
    ANNOUNCE,
    MIXED,
    NO_ANSWER,
    NOT_GIVEN,
    OVERLAP,
    READY,
    RETIRED,
    SETTLED,
    STEPS,
    SWITCH_NOW,
    WRONG,
    Place,
    Step,
    find_step,
    least_advanced,
)
from support.rotation_groups import AT, DESKTOP, NEW, OLD, OTHER, entry, make_groups

# groups


def test_a_dict_is_one_group_without_an_index() -> None:
    (group,) = make_groups(entry(OLD))
    assert group.paths == ("webrtc.coturn",)
    assert group.secrets == (Secret(OLD),)


def test_entries_that_share_a_secret_are_one_group() -> None:
    coturn = [
        entry(NEW, OLD, url="a.local", ttl=60),
        entry(OTHER, url="b.local"),
        entry(OLD, url="c.local", ttl=90),
    ]
    first, second = make_groups(coturn)
    assert first.paths == ("webrtc.coturn[0]", "webrtc.coturn[2]")
    assert first.urls == ("turn:a.local", "turn:c.local")
    assert first.secrets == (Secret(NEW), Secret(OLD))
    assert (first.browser_ttl, first.is_mixed) == (90, True)
    assert (second.paths, second.is_mixed) == (("webrtc.coturn[1]",), False)


def test_an_entry_can_join_two_groups() -> None:
    coturn = [entry("a" * 20), entry("b" * 20), entry("a" * 20, "b" * 20), entry("c" * 20)]
    assert [group.indexes for group in make_groups(coturn)] == [(0, 1, 2), (3,)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (0, 2, 1, 3), (2, 0, 3, 1)])
def test_a_chain_of_shared_secrets_is_one_group_in_any_order(order: Tuple[int, ...]) -> None:
    letters = ["ab", "bc", "cd", "de"]
    coturn = [entry(*(letter * 20 for letter in letters[index])) for index in order]
    assert [group.indexes for group in make_groups(coturn)] == [(0, 1, 2, 3)]


def test_the_place_of_a_secret_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(OTHER)
    key = "coturn_static_auth_secret"
    coturn = [
        entry("inline-secret-of-this-one"),
        entry(**{key: ..., key + "_file": "file"}),
        entry(**{key: ..., key + "_env": "TURN_SECRET"}),
    ]
    places = [group.places[0] for group in make_groups(coturn, tmp_path)]
    assert places == [
        Place("inline", ""),
        Place("file", str(tmp_path / "file")),
        Place("environment", "TURN_SECRET"),
    ]


# the overlap


@pytest.mark.parametrize(
    ("changes", "ttls"),
    [
        ({}, [3600, 60]),
        ({"webrtc.desktop": DESKTOP}, [86400, 60]),
        ({"webrtc.desktop": {**DESKTOP, "turn": False}}, [3600, 60]),
        ({"webrtc.desktop": {"turn": True, "ttl": 600}}, [3600, 60]),
        ({"webrtc.desktop": DESKTOP, "webrtc.enable": False}, [3600, 60]),
    ],
)
def test_the_longest_ttl_is_the_browsers_or_the_desktops(
    changes: Dict[str, Any], ttls: List[int]
) -> None:
    coturn = [entry(OLD, ttl=3600), entry(OTHER, ttl=60)]
    assert [group.longest_ttl for group in make_groups(coturn, **changes)] == ttls


def test_the_desktops_ttl_counts_for_the_server_that_desktops_get() -> None:
    """A turn url comes before a turns one, so it is the second entry here."""
    coturn = [entry(OLD, protocol="turns"), entry(OTHER)]
    found = make_groups(coturn, **{"webrtc.desktop": DESKTOP})
    assert [group.desktop_ttl for group in found] == [None, 86400]


def test_the_ttl_of_a_policy_counts_for_browsers() -> None:
    coturn = [entry(OLD, ttl=3600), entry(OTHER, ttl=60)]
    policies = [{"acl": {"permit": ["staff"]}, "ttl": 7200}, {"iceTransportPolicy": "relay"}]
    found = make_groups(coturn, **{"webrtc.policies": policies})
    assert [group.browser_ttl for group in found] == [7200, 7200]
    assert [group.removal(AT, 0) for group in found] == [AT + 7201, AT + 7201]
    found = make_groups(coturn, **{"webrtc.policies": [{"ttl": 900}]})
    assert [group.browser_ttl for group in found] == [3600, 900]


def test_every_server_of_a_fleet_may_be_the_desktops_a_drained_one_too() -> None:
    coturn = [entry(secret, ttl=60) for secret in (OLD, OTHER)] + [entry(NEW, ttl=60, drain=True)]
    changes = {"webrtc.desktop": DESKTOP, "webrtc.coturn_servers": 1}
    assert [group.longest_ttl for group in make_groups(coturn, **changes)] == [86400] * 3


def test_the_old_secret_goes_a_second_after_its_last_credential_and_the_margin() -> None:
    (group,) = make_groups(entry(OLD, ttl=600))
    assert group.removal(AT, 0) == AT + 601
    assert group.removal(AT, 30) == AT + 631


# the step

STEP_OF = {
    ((True,), (), ()): SETTLED,
    ((False,), (), ()): WRONG,
    ((None,), (), ()): NO_ANSWER,
    ((True,), (True,), ()): OVERLAP,
    ((True,), (False,), ()): RETIRED,
    ((False,), (True,), ()): NOT_GIVEN,
    ((True,), (None,), ()): NO_ANSWER,
    ((True,), (), (True,)): READY,
    ((True,), (), (False,)): ANNOUNCE,
    ((False,), (), (True,)): SWITCH_NOW,
    ((False,), (True,), (False,)): NOT_GIVEN,
    ((True,), (), (None,)): NO_ANSWER,
    ((True,), (True,), (True,)): READY,
}


@pytest.mark.parametrize(("answers", "step"), STEP_OF.items(), ids=str)
def test_the_step_follows_from_what_coturn_accepts(answers: Any, step: Step) -> None:
    (minting,), older, new = answers
    assert find_step(minting, older, new) is step


def test_works_says_whether_the_minting_secret_is_accepted() -> None:
    options_of = ([], [True], [False])
    for minting, older, new in itertools.product([True, False], options_of, options_of):
        assert find_step(minting, older, new).works is minting


def test_of_several_servers_the_least_advanced_one_counts() -> None:
    assert least_advanced([SETTLED, OVERLAP, RETIRED]) is OVERLAP
    assert least_advanced([READY, ANNOUNCE]) is ANNOUNCE
    assert least_advanced([NO_ANSWER, WRONG, READY]) is WRONG
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert {*STEPS} >= {step for _, step in every_step()} | {MIXED}


def every_step() -> List[Tuple[Any, Any]]:
    """Return every combination of accepted secrets, each with its step."""
    some: List[Any] = [(), (True,), (False,), (None,), (True, False)]
    cases = itertools.product((True, False, None), some, some)
    return [(case, find_step(*case)) for case in cases]
