"""An hour of credentials for 100,000 users: all accepted, all different, and nothing grows.

The hour is that of `benchmarks/load.py`.
"""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path
from typing import Any, List

import pytest

from abcwebrtc import build_rtc_configuration, mint_turn_credentials
from integration.conftest import SECRET
from integration.turn import Turnserver

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import load

pytestmark = pytest.mark.slow("load")

STYLES = ("timestamp", "userid", "pseudonym")
ASKED = {"timestamp": 200, "userid": 1600, "pseudonym": 200}
"""2,000 in all."""


@functools.lru_cache(maxsize=None)
def hour_of(style: str) -> load.Hour:
    config = load.make_config(style, SECRET)
    return load.simulate(config, load.USERS, ASKED[style], time.time())


@pytest.mark.parametrize("style", STYLES)
def test_every_credential_is_verified(style: str) -> None:
    hour = hour_of(style)
    assert hour.minted == hour.verified == load.USERS == 100_000


@pytest.mark.parametrize("style", ["userid", "pseudonym"])
def test_no_two_users_are_alike(style: str) -> None:
    assert hour_of(style).different == load.USERS


def test_with_timestamps_those_of_one_second_are_alike() -> None:
    assert load.SECONDS <= hour_of("timestamp").different <= load.SECONDS + 1


@pytest.mark.parametrize("style", STYLES)
def test_neither_memory_nor_open_files_grow(style: str) -> None:
    hour = hour_of(style)
    assert len(hour.footprints) == load.PARTS
    assert hour.is_flat, hour.growth()


@pytest.mark.parametrize("style", STYLES)
def test_coturn_accepts_the_sample(style: str, turnserver: Turnserver) -> None:
    sample = hour_of(style).sample
    assert len(sample) == ASKED[style]
    assert load.refused(turnserver.port, sample) == 0


def test_the_sample_would_show_what_coturn_refuses(turnserver: Turnserver) -> None:
    wrong = mint_turn_credentials("another secret", 600, "alice")
    sample = [(wrong.username, wrong.password), *hour_of("userid").sample[:3]]
    assert load.refused(turnserver.port, sample) == 1


def leaks_a_text(held: List[Any]) -> None:
    held.append(str(len(held)) * 10)


def leaks_a_file(held: List[Any]) -> None:
    if not held or len(held) % 500:
        held.append(None)
    else:
        held.append(open("/dev/null", "rb"))  # noqa: SIM115


def leaks_nothing(held: List[Any]) -> None:
    pass


@pytest.mark.parametrize(
    ("leak", "is_flat"), [(leaks_nothing, True), (leaks_a_text, False), (leaks_a_file, False)]
)
def test_a_leak_would_be_seen(leak: Any, is_flat: bool) -> None:
    held: List[Any] = []

    def build(*arguments: Any) -> Any:
        leak(held)
        return build_rtc_configuration(*arguments)

    hour = load.simulate(load.make_config("userid"), 2_000, 1, time.time(), build)
    for item in held:
        if hasattr(item, "close"):
            item.close()
    assert hour.is_flat == is_flat
    if leak is leaks_a_file:
        assert hour.growth().descriptors > 0


def test_what_is_not_verified_would_be_seen() -> None:
    config = load.make_config("userid")

    def build(config: Any, user: str, now: float) -> Any:
        return build_rtc_configuration(config, user, now - 7200 if user == "user-7" else now)

    assert load.simulate(config, 100, 1, time.time(), build).verified == 99
