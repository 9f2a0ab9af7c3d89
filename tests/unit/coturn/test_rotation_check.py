"""The questions of ``rotate check``, and its report."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

import pytest

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.coturn.rotation import (
    MIXED,
    NO_ANSWER,
    NOT_GIVEN,
    OVERLAP,
    RETIRED,
    Answer,
)
from abcwebrtc.coturn.rotation_check import (
    UNRESOLVED,
    Report,
    all_work,
    candidates,
    rows_of,
    what_to_ask,
)
from abcwebrtc.times import iso_text
from support.rotation_groups import AT, NEW, OLD, entry, make_groups, report


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
    assert found.as_dict()["remove_at_unix"] == (None if since is None else since + 3901)
    text = "\n".join(found.lines(200))
    assert ("remove the older secret from coturn; this has been safe since" in text) is goes_on
    assert ("give it with --since TIME" in text) is (since is None)


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
        *("longest_ttl", "margin", "switched_at", "switched_at_unix", "switched_by"),
        *("remove_at", "remove_at_unix", "servers"),
    ]
    assert (found.as_dict()["meaning"], found.as_dict()["advice"]) == (
        OVERLAP.meaning,
        OVERLAP.advice,
    )
    assert OVERLAP.meaning in "\n".join(found.lines(200))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_report_fits_the_width(width: int) -> None:
    found = report(entry(NEW, OLD), {NEW: True, OLD: True}, since=AT)
    assert max(map(len, found.lines(width))) <= width


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
    ("accepted", "works"),
    [([True, True], True), ([True, False], False), ([True, None], None), ([None, False], False)],
)
def test_calls_work_if_every_coturn_accepts_them(
    accepted: List[Optional[bool]], works: Optional[bool]
) -> None:
    assert all_work([report(entry(OLD), {OLD: one}) for one in accepted]) is works
