"""What counts as lost between two ends that lose packets on demand."""

from __future__ import annotations

import itertools
from typing import Callable, List, Optional, Tuple

import pytest

from abcwebrtc.probe.paths import PACKETS, SIZES, End, burst, by_size, round_trip

Loses = Callable[[int, bytes], bool]
"""Takes the number of a packet, counted from 0, and its payload; says whether it is lost."""


def joined(there: Loses, back: Loses) -> Tuple[End, End]:
    """Return two ends whose packets are lost as the functions say."""
    to_there: List[bytes] = []
    to_here: List[bytes] = []

    def sender(queue: List[bytes], loses: Loses) -> Callable[[bytes], None]:
        count = itertools.count()

        def send(payload: bytes) -> None:
            if not loses(next(count), payload):
                queue.append(payload)

        return send

    def receiver(queue: List[bytes]) -> Callable[[float], Optional[bytes]]:
        return lambda until: queue.pop(0) if queue else None

    here = End(sender(to_there, there), receiver(to_here))
    return here, End(sender(to_here, back), receiver(to_there))


def nothing(number: int, payload: bytes) -> bool:
    return False


def larger_than(size: int) -> Loses:
    return lambda number, payload: len(payload) > size


def first(count: int) -> Loses:
    return lambda number, payload: number < count


def test_a_packet_that_is_lost_at_first_is_sent_again() -> None:
    assert round_trip(*joined(first(1), nothing), 5.0) is not None
    assert round_trip(*joined(nothing, first(1)), 5.0) is not None
    found = by_size(*joined(first(len(SIZES)), first(3)), 1.0)
    assert found == dict.fromkeys(SIZES, True)


def test_all_that_is_lost_is_no_round_trip() -> None:
    assert round_trip(*joined(larger_than(0), nothing), 0.2) is None
    assert round_trip(*joined(nothing, larger_than(0)), 0.2) is None


@pytest.mark.parametrize(
    ("there", "back"), [(larger_than(700), nothing), (nothing, larger_than(700))]
)
def test_what_is_too_large_in_one_direction_is_lost(there: Loses, back: Loses) -> None:
    found = by_size(*joined(there, back), 1.0)
    assert found == {size: size <= 700 for size in SIZES}


def test_one_end_may_be_both() -> None:
    queue: List[bytes] = []
    alone = End(queue.append, lambda until: queue.pop(0) if queue else None)
    assert round_trip(alone, alone, 5.0) is not None
    assert by_size(alone, alone, 1.0) == dict.fromkeys(SIZES, True)
    assert (burst(alone, alone, 1.0).sent, burst(alone, alone, 1.0).lost) == (PACKETS, 0)


def test_a_burst_counts_both_directions_and_the_longest_run() -> None:
    def some(number: int, payload: bytes) -> bool:
        return number in (3, 4, 5, 50)

    found = burst(*joined(some, first(2)), 1.0)
    assert (found.sent, found.lost, found.in_a_row) == (2 * PACKETS, 6, 3)
    assert found.percent == 3.0
