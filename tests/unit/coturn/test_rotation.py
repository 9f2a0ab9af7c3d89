"""Groups of entries, the overlap, the steps of a rotation, and the report about one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

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
    Answer,
    Step,
    find_step,
    least_advanced,
)
from abcwebrtc.coturn.rotation_check import (
    UNRESOLVED,
    Report,
    candidates,
    rows_of,
    what_to_ask,
    worst_status,
)
from abcwebrtc.times import iso_text
from support.rotation_groups import AT, DESKTOP, NEW, OLD, OTHER, entry, make_groups, report

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


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
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
    places = [group.places[0].as_dict() for group in make_groups(coturn, tmp_path)]
    assert places == [
        {"kind": "inline", "name": ""},
        {"kind": "file", "name": str(tmp_path / "file")},
        {"kind": "environment", "name": "TURN_SECRET"},
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
    """Return what coturn may accept of the secrets, each with the step that this is."""
    some: List[Any] = [(), (True,), (False,), (None,), (True, False)]
    cases = itertools.product((True, False, None), some, some)
    return [(case, find_step(*case)) for case in cases]


# the report


@pytest.mark.parametrize(
    ("since", "now", "goes_on"),
    [
        (None, AT, False),
        (AT, AT, False),
        (AT, AT + 3900, False),
        (AT, AT + 3901, True),
        (AT - 3901, AT, True),
    ],
)
def test_the_old_one_may_go_when_the_overlap_is_over(
    since: Optional[float], now: float, goes_on: bool
) -> None:
    found = report(entry(NEW, OLD), {NEW: True, OLD: True}, since=since, now=now)
    assert found.step is OVERLAP
    assert found.goes_on is goes_on
    expected = None if since is None else iso_text(since + 3901)
    assert found.as_dict()["remove_at"] == expected
    text = "\n".join(found.lines())
    assert ("the older one may go from coturn: since" in text) is goes_on
    assert ("give --since TIME" in text) is (since is None)


@pytest.mark.parametrize(
    ("step", "goes_on"),
    [
        (report(entry(OLD), {OLD: True}), True),
        (report(entry(NEW, OLD), {NEW: True, OLD: False}), True),
        (report(entry(OLD), {OLD: True, NEW: True}, new=NEW), True),
        (report(entry(OLD), {OLD: True, NEW: False}, new=NEW), False),
        (report(entry(NEW, OLD), {NEW: False, OLD: True}), False),
    ],
    ids=lambda value: value.step.name if isinstance(value, Report) else str(value),
)
def test_the_next_step_may_be_done(step: Report, goes_on: bool) -> None:
    assert step.goes_on is goes_on
    assert step.as_dict()["go_on"] is goes_on


def test_entries_that_mint_with_different_secrets_keep_the_old_one() -> None:
    coturn = [entry(NEW, OLD, url="a.local"), entry(OLD, url="b.local")]
    found = report(coturn, {NEW: True, OLD: True}, since=0)
    assert found.step is MIXED
    assert not found.goes_on


def test_entries_stay_mixed_when_coturn_has_forgotten_what_they_shared() -> None:
    coturn = [entry(NEW, OLD, url="a.local"), entry("another-secret-of-today", OLD, url="b.local")]
    found = report(coturn, {NEW: True, "another-secret-of-today": True, OLD: False})
    assert [row.step for row in found.rows] == [RETIRED, RETIRED]
    assert found.step is MIXED
    assert not found.goes_on


def test_the_json_of_a_report_says_what_the_text_says() -> None:
    found = report(entry(NEW, OLD), {NEW: True, OLD: True}, since=AT)
    assert list(found.as_dict()) == [
        *("paths", "step", "works", "go_on", "meaning", "advice"),
        *("longest_ttl", "margin", "switched_at", "switched_by", "remove_at", "servers"),
    ]
    assert (found.as_dict()["meaning"], found.as_dict()["advice"]) == (
        OVERLAP.meaning,
        OVERLAP.advice,
    )
    assert OVERLAP.meaning in "\n".join(found.lines())


def test_a_name_that_does_not_resolve_is_no_answer() -> None:
    (group,) = make_groups(entry(OLD))
    (uri,) = group.servers[0].uris
    (asked,) = what_to_ask([group], {uri: []}, None)
    assert asked.address is None
    (rows,) = rows_of(1, [(asked, UNRESOLVED)])
    found = Report(group, rows, None, 300, AT)
    assert found.step is NO_ANSWER
    assert "not known (the name does not resolve)" in "\n".join(found.lines())


def test_every_address_of_a_name_is_a_row_of_its_own() -> None:
    (group,) = make_groups(entry(NEW, OLD))
    (uri,) = group.servers[0].uris
    addresses = {uri: ["192.0.2.1", "192.0.2.2"]}
    asked = what_to_ask([group], addresses, None)
    accepted = [Answer(one.shown == "192.0.2.1" or one.candidate.position == 2) for one in asked]
    (rows,) = rows_of(1, zip(asked, accepted))
    assert [(row.address, row.step) for row in rows] == [
        ("192.0.2.1", OVERLAP),
        ("192.0.2.2", NOT_GIVEN),
    ]


@pytest.mark.parametrize(
    ("configured", "new", "roles"),
    [
        ((OLD,), None, [("minting", 1)]),
        ((NEW, OLD), None, [("minting", 1), ("older", 2)]),
        ((OLD,), NEW, [("minting", 1), ("new", None)]),
        ((NEW, OLD), NEW, [("minting", 1), ("older", 2)]),
        ((OLD, NEW), NEW, [("minting", 1), ("new", None)]),
    ],
)
def test_a_secret_is_asked_about_once(
    configured: Tuple[str, ...], new: Optional[str], roles: List[Any]
) -> None:
    (group,) = make_groups(entry(*configured))
    found = candidates(group.servers[0], Secret(new) if new else None)
    assert [(one.role, one.position) for one in found] == roles


@pytest.mark.parametrize(
    ("accepted", "status"),
    [([True, True], 0), ([True, False], 1), ([True, None], 1), ([None, False], 1)],
)
def test_the_worst_report_gives_the_exit_status(
    accepted: List[Optional[bool]], status: int
) -> None:
    reports = [report(entry(OLD), {OLD: one}) for one in accepted]
    assert worst_status(reports, 0, 3, 1) == status
    waiting = report(entry(OLD), {OLD: True, NEW: False}, new=NEW)
    assert worst_status([*reports, waiting], 0, 3, 1) == (status or 3)
