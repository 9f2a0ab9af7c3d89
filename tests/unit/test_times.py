"""Moments and durations in words."""

from __future__ import annotations

import re
import time
from typing import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.times import (
    MAX_MOMENT,
    duration_text,
    iso_text,
    parse_moment,
    relative_text,
)

MOMENT = 1767603600


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05T09:00:00Z",
        "2026-01-05T09:00:00",
        "2026-01-05 09:00",
        "2026-01-05T10:00:00+01:00",
        "1767603600",
    ],
)
def test_a_moment_can_be_written_as(text: str) -> None:
    assert parse_moment(text) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        *["", "now", "yesterday", "-5", "1e9", "9" * 30, "٣", "2026-13-05", "12:00", "Z"],
        *["2100-01-01", "1767603600e-9"],
    ],
)
def test_what_is_no_moment_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="write a time such as 2026-01-05T09:00:00Z"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["20260105", "2026", "202601050900", "0"])
def test_a_date_without_hyphens_is_not_taken_for_a_day_in_1970(text: str) -> None:
    """With that as the time of a switch, the old secret could be removed at once."""
    with pytest.raises(ValueError, match="or unix seconds, which have 10 digits"):
        parse_moment(text)


@pytest.fixture
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "XXX-5")  # in POSIX, the sign is that of a way back to UTC
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_from_utc")
def test_the_zone_of_the_machine_does_not_count() -> None:
    assert time.localtime(MOMENT).tm_hour == 14
    assert parse_moment("2026-01-05T09:00:00") == MOMENT
    assert iso_text(MOMENT) == "2026-01-05T09:00:00Z"


@given(st.integers(0, MAX_MOMENT))
def test_what_is_printed_can_be_read(moment: int) -> None:
    assert parse_moment(iso_text(moment)) == moment
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", iso_text(moment))


def test_a_fraction_of_a_second_is_dropped() -> None:
    assert iso_text(MOMENT + 0.99) == "2026-01-05T09:00:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (61, "1 minute 1 second"),
        (3600, "1 hour"),
        (3601, "1 hour 1 second"),
        (86400 + 7200 + 60, "1 day 2 hours"),
        (2 * 86400, "2 days"),
        (3 * 86400 + 3599, "3 days"),
        (-90, "1 minute 30 seconds"),
    ],
)
def test_a_duration_in_words(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (MOMENT + 5, "in 5 seconds"),
        (MOMENT + 1, "in 1 second"),
        (MOMENT + 0.5, "now"),
        (MOMENT - 5, "5 seconds ago"),
    ],
)
def test_a_moment_seen_from_now(moment: float, text: str) -> None:
    assert relative_text(moment, MOMENT + 0.4) == text
