"""How many users each server gets: its share of the weight, as far as chance allows.

Userids and servers are always the same here, so a test passes always or never.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Dict, List, Sequence

import pytest

from abcwebrtc.turn.selection import FEW, SLOTS, choose
from support.fleets import fleet, names, server

USERS = [f"user-{number}@example.org" for number in range(20_000)]
SIGMAS = 4.5
"""Of as many shares as are looked at here, chance takes none further from its mean."""


def spread(share: float, users: int) -> float:
    """Return how far from its mean a share may be.

    Users are spread over the slots, and the slots over the servers; both are draws.
    """
    return SIGMAS * math.sqrt(share * (1 - share) * (1 / users + 1 / SLOTS))


def weighted(weights: Sequence[float], start: str = "turn") -> List[Dict[str, object]]:
    entries = (server(f"{start}-{index}", weight=weight) for index, weight in enumerate(weights))
    return list(entries)


FLEETS = [
    [1.0, 1],
    [1.0, 3],
    [0.001, 0.001, 0.002],
    [1.0] * FEW,
    [float(index + 1) for index in range(FEW)],
    [1.0] * (FEW + 1),
    [1.0, 2, 5] * 10,
    [1.0] * 100,
]


@pytest.mark.parametrize("start", ["turn", "Paris", "a.b_c"])
@pytest.mark.parametrize("weights", FLEETS, ids=lambda weights: f"{len(weights)}-{weights[-1]:g}")
def test_each_server_gets_its_share_of_the_weight(weights: List[float], start: str) -> None:
    config = fleet(weighted(weights, start), 1)
    found = Counter(choose(config, user).servers[0].name for user in USERS)
    for one in config.coturn:
        share = one.weight / sum(weights)
        assert abs(found[one.name] / len(USERS) - share) < spread(share, len(USERS)), one.name


@pytest.mark.parametrize("weights", [[1.0, 2, 3, 4], [1.0] * (FEW + 4)], ids=len)
def test_the_second_server_is_drawn_by_weight_from_the_others(weights: List[float]) -> None:
    config = fleet(weighted(weights), 2)
    pairs = Counter(tuple(names(choose(config, user).servers)) for user in USERS)
    for first in config.coturn[:5]:
        number = sum(pairs[first.name, other.name] for other in config.coturn)
        for second in config.coturn:
            if second is first:
                assert (first.name, first.name) not in pairs
                continue
            share = second.weight / (sum(weights) - first.weight)
            slots = number / len(USERS) * SLOTS  # that have the first one
            allowed = SIGMAS * math.sqrt(share * (1 - share) * (1 / number + 1 / slots))
            assert abs(pairs[first.name, second.name] / number - share) < allowed


def test_the_users_of_a_server_that_goes_are_spread_over_all_others() -> None:
    config = fleet(weighted([1.0] * 10), 1)
    gone = config.coturn[3].name
    before = {user: choose(config, user).servers[0].name for user in USERS}
    moved = [user for user in USERS if before[user] == gone]
    after = Counter(choose(config, user, left_out=[gone]).servers[0].name for user in moved)
    assert len(after) == 9
    slots = len(moved) / len(USERS) * SLOTS
    allowed = SIGMAS * math.sqrt(1 / 9 * 8 / 9 * (1 / len(moved) + 1 / slots))
    for number in after.values():
        assert abs(number / len(moved) - 1 / 9) < allowed


@pytest.mark.parametrize("size", [3, FEW + 3])
def test_users_who_are_not_known_are_spread_evenly(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import random
    import secrets

    monkeypatch.setattr(secrets, "randbelow", random.Random(1).randrange)
    config = fleet(weighted([1.0] * size), 1)
    found = Counter(choose(config).servers[0].name for _ in USERS)
    for one in config.coturn:
        assert abs(found[one.name] / len(USERS) - 1 / size) < spread(1 / size, len(USERS))


def test_an_unknown_user_gets_another_choice_each_time() -> None:
    config = fleet(weighted([1.0] * 5), 1)
    assert len({choose(config).servers[0].name for _ in range(200)}) > 1


@pytest.mark.parametrize("heavy", [2, 1_000_000])
def test_a_heavy_server_among_a_thousand_light_ones(heavy: float) -> None:
    config = fleet(weighted([heavy] + [1.0] * 999), 2)
    chosen = [choose(config, user).servers for user in USERS[:3000]]
    found = sum(servers[0] is config.coturn[0] for servers in chosen) / len(chosen)
    share = heavy / (heavy + 999)
    assert abs(found - share) <= spread(share, len(chosen))
    assert len({servers[1].name for servers in chosen}) > 800
