"""Measure whether many users cost more than one: time per user, and memory that stays.

    .venv/bin/python benchmarks/users.py

It calls `build_rtc_configuration` for different users. The baseline is the bare HMAC of the same
user's name.
"""

from __future__ import annotations

import array
import base64
import gc
import hmac
import statistics
import sys
import time
from typing import Any, Callable, Iterator, List, Tuple

import measure

from abcwebrtc import WebRTCConfig, build_rtc_configuration

KEY = measure.SECRET.encode()
MOMENT = 1_703_086_872
COLUMNS = ("different users", "calls", "ratio", "memory blocks added", "RSS added, KiB")


def tables(quick: bool) -> Iterator[measure.Table]:
    """Measure one user, some users and many users."""
    numbers = (1, 100, 10_000) if quick else (1, 1_000, 1_000_000)
    calls = 10_000 if quick else 1_000_000
    config = WebRTCConfig.from_mapping(measure.coturn_mapping(1, "userid"))

    def ours(user: str) -> Any:
        return build_rtc_configuration(config, user)

    rows = [(f"{users:,}", *run(ours, users, calls)) for users in numbers]
    yield measure.Table("Different users, against the bare HMAC of each", COLUMNS, rows)


def bare(user: str) -> None:
    """Compute the password of a user's TURN credential."""
    base64.b64encode(hmac.digest(KEY, f"{MOMENT}:{user}".encode(), "sha1"))


def run(
    function: Callable[[str], Any], users: int, calls: int, chunk: int = 2_000
) -> Tuple[int, float, int, int]:
    """Call a function for users in turn, and return calls, ratio, and the blocks and KiB added.

    Blocks are Python's own count of allocated blocks. They are counted from the second chunk on,
    when all one-time allocations are done.
    """
    ratios = array.array("d", bytes(8 * (calls // chunk)))  # allocated now, not while it measures
    blocks = resident = 0
    for first in range(0, calls, chunk):
        names = [f"user-{number % users}" for number in range(first, first + chunk)]
        ratios[first // chunk] = _time(function, names) / _time(bare, names)
        del names
        if first == chunk:
            gc.collect()
            blocks, resident = sys.getallocatedblocks(), measure.resident_kib()
    gc.collect()
    more = sys.getallocatedblocks() - blocks
    return calls, statistics.median(ratios), more, measure.resident_kib() - resident


def _time(function: Callable[[str], Any], names: List[str]) -> float:
    start = time.perf_counter()
    for name in names:
        function(name)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"users": tables}))
