"""Measure the choice of coturn servers: how even it is, what moves, and what it costs.

    .venv/bin/python benchmarks/fleet.py

benchmarks/scale.py ends with the same tables, for the number of desktops that you give it.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
import timeit
from collections import Counter
from typing import Any, Iterator, NamedTuple, Optional, Tuple

import measure
import rtc

from abcwebrtc import WebRTCConfig, build_rtc_configuration
from abcwebrtc.turn.selection import choose

WEIGHTS = (1, 2, 4)
RELAY_PORTS = 65_535 - 49_152 + 1


class Fleet(NamedTuple):
    """`servers` coturns, of which a user gets `number`; their weights are 1, or repeat."""

    servers: int
    number: int
    weights: Tuple[int, ...] = (1,)

    def __str__(self) -> str:
        weights = f", weights {'-'.join(map(str, self.weights))}" if len(self.weights) > 1 else ""
        return f"{self.number} of {self.servers}{weights}"

    def config(self, without: Optional[int] = None, more: int = 0) -> WebRTCConfig:
        """Return a configuration, `without` one of the servers, or with some `more`."""
        mapping = measure.coturn_mapping(self.servers + more, "userid")
        for server, weight in zip(mapping["webrtc.coturn"], itertools.cycle(self.weights)):
            server["weight"] = weight
        if without is not None:
            del mapping["webrtc.coturn"][without]
        return WebRTCConfig.from_mapping({**mapping, "webrtc.coturn_servers": self.number})


FLEETS = (
    *(Fleet(2, 1), Fleet(3, 1), Fleet(10, 1), Fleet(10, 2), Fleet(12, 1, WEIGHTS)),
    *(Fleet(100, 2), Fleet(1000, 2)),
)


def tables(
    quick: bool, desktops: int = 1_000_000, turn_urls: int = 1, relay_ports: int = RELAY_PORTS
) -> Iterator[measure.Table]:
    """Choose for every desktop, before and after a server goes or comes; then time it.

    `turn_urls` is how many urls a server has, and `relay_ports` how many ports an address.
    """
    number = min(desktops, 5_000) if quick else desktops
    title = f"Choosing for {number:,} desktops"
    columns = (
        *("servers", "worst server over its share", "share of one", "moved when it goes"),
        *("share of a new one", "moved when it comes", "allocations of the worst"),
        "relay addresses for them",
    )
    yield measure.Table(
        title, columns, [_row(fleet, number, turn_urls, relay_ports) for fleet in FLEETS]
    )
    title = "build_rtc_configuration of a fleet, in bare HMACs"
    sizes = (Fleet(1, 1), Fleet(10, 2), Fleet(100, 2), Fleet(1000, 2))
    columns = ("servers", "each user", "the first user of a process")
    yield measure.Table(title, columns, [_costs(fleet, quick) for fleet in sizes])


def _row(fleet: Fleet, desktops: int, turn_urls: int, relay_ports: int) -> Tuple[Any, ...]:
    now, gone = fleet.config(), fleet.servers // 2
    weights = {server.name: server.weight for server in now.coturn}
    shares = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    others = fleet.config(without=gone), fleet.config(more=1)
    new = others[1].coturn[-1].weight
    held: "Counter[str]" = Counter()
    moved = [0, 0]
    for user in _users(desktops):
        chosen = _names(now, user)
        held.update(chosen)
        for index, other in enumerate(others):
            moved[index] += len(chosen - _names(other, user))
    places = sum(held.values())
    worst = max(held[name] / places / share for name, share in shares.items())
    allocations = max(held.values()) * turn_urls
    return (
        str(fleet),
        worst,
        _percent(shares[now.coturn[gone].name]),
        _percent(moved[0] / places),
        _percent(new / (new + sum(weights.values()))),
        _percent(moved[1] / places),
        allocations,
        math.ceil(allocations / relay_ports),
    )


def _users(number: int) -> Iterator[str]:
    return (f"user-{index}" for index in range(number))


def _names(config: WebRTCConfig, user: str) -> "set[str]":
    return {server.name for server in choose(config, user).servers}


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _costs(fleet: Fleet, quick: bool) -> Tuple[Any, ...]:
    config = fleet.config()
    start = time.process_time()
    build_rtc_configuration(config, "first")
    first = time.process_time() - start
    users = itertools.cycle(list(_users(20_000)))
    each = measure.ratio(lambda: build_rtc_configuration(config, next(users)), rtc.bare, quick)
    return str(fleet), each, round(first / min(timeit.repeat(rtc.bare, number=1_000)) * 1_000)


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"fleet": tables}))
