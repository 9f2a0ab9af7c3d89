"""Mint an hour of credentials, and show that all are accepted and that nothing grows.

    .venv/bin/python benchmarks/load.py

In a simulated hour, 100,000 users ask for a credential; this is repeated for each username style.
Every credential is verified, and a sample of each style opens an allocation on a real coturn
(Debian: apt-get install coturn).
"""

from __future__ import annotations

import array
import base64
import contextlib
import gc
import os
import random
import shutil
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import measure

from abcwebrtc import WebRTCConfig, build_rtc_configuration, verify_turn_credentials
from abcwebrtc.config.coturn import USERNAME_STYLES

sys.path.append(str(measure.TESTS))

USERS, SAMPLE = 100_000, 2_000
SECONDS = 3600
PARTS = 10
"""Memory is measured after each part of the hour."""
MARGIN_TRACED, MARGIN_RESIDENT = 64 * 1024, 4 * 1024 * 1024
"""Bytes that Python's objects, and the whole process, may grow by and still count as flat.
One byte per user would exceed the first."""
PASSWORD = 20
"""Bytes of an HMAC-SHA1."""

Build = Callable[[WebRTCConfig, str, float], Dict[str, Any]]
Credentials = Tuple[str, str]


class Footprint(NamedTuple):
    """What the process holds: bytes of Python's objects, bytes in total, open files."""

    traced: int
    resident: int
    descriptors: int


class Hour(NamedTuple):
    """The result of an hour: how many credentials were minted, verified and different."""

    minted: int
    verified: int
    different: int
    sample: List[Credentials]
    footprints: List[Footprint]

    def growth(self) -> Footprint:
        """Return by how much each figure exceeded its value after the first part, at most."""
        first = self.footprints[0]
        columns = zip(*self.footprints[1:])
        return Footprint(*(max(column) - before for column, before in zip(columns, first)))

    @property
    def is_flat(self) -> bool:
        """Whether the growth is within the margins; an additional open file never is."""
        growth = self.growth()
        within = growth.traced <= MARGIN_TRACED and growth.resident <= MARGIN_RESIDENT
        return within and growth.descriptors <= 0


def make_config(style: str, secret: str = measure.SECRET) -> WebRTCConfig:
    """Return the documented configuration with a username style."""
    mapping = measure.coturn_mapping(1, style)
    mapping["webrtc.coturn"][0]["coturn_static_auth_secret"] = secret
    return WebRTCConfig.from_mapping(mapping)


def simulate(
    config: WebRTCConfig,
    users: int,
    sample: int,
    start: float,
    build: Build = build_rtc_configuration,
) -> Hour:
    """Let users ask at even intervals during the hour from `start` (unix seconds).

    The memory for counting different credentials, and for the sample, is allocated before the hour
    begins.
    """
    chosen = array.array("b", bytes(users))
    for number in random.sample(range(users), sample):
        chosen[number] = 1
    passwords, kept = bytearray(PASSWORD * users), bytearray(1024 * sample)
    verified = taken = 0
    footprints: List[Footprint] = []
    tracemalloc.start()
    for number in range(users):
        now = start + SECONDS * number / users
        server = build(config, f"user-{number}", now)["iceServers"][-1]
        username, password = server["username"], server["credential"]
        verified += verify_turn_credentials(
            config.coturn[0].secrets.current(), username, password, now
        )
        passwords[PASSWORD * number : PASSWORD * (number + 1)] = base64.b64decode(password)
        if chosen[number]:
            line = f"{username} {password}".encode().ljust(1024)
            kept[1024 * taken : 1024 * (taken + 1)] = line
            taken += 1
        if (number + 1) % (users // PARTS) == 0:
            footprints.append(_footprint())
    tracemalloc.stop()
    different = len({bytes(passwords[at : at + 20]) for at in range(0, len(passwords), 20)})
    found = [kept[at : at + 1024].decode().split() for at in range(0, len(kept), 1024)]
    pairs = [(username, password) for username, password in found]
    return Hour(users, verified, different, pairs, footprints)


def _footprint() -> Footprint:
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))
    return Footprint(tracemalloc.get_traced_memory()[0], measure.resident_kib() * 1024, descriptors)


def refused(port: int, sample: List[Credentials]) -> int:
    """Open an allocation on coturn with each credential, and return how many it refuses."""
    from integration.turn import raw_refusal

    return sum(raw_refusal(port, username, password) is not None for username, password in sample)


def tables(quick: bool) -> Iterator[measure.Table]:
    """Run an hour for each username style."""
    users, sample = (2_000, 20) if quick else (USERS, SAMPLE)
    start = time.time()
    hours = {style: simulate(make_config(style), users, sample, start) for style in USERNAME_STYLES}
    columns = ("username style", "minted", "verified", "different")
    grown = ("objects grew, bytes", "process grew, KiB", "files grew")
    rows = [(style, *hour[:3], *_growth(hour)) for style, hour in hours.items()]
    yield measure.Table(f"{users:,} users in one hour", (*columns, *grown), rows)
    with _coturn() as port:
        asked = [(style, sample, sample - refused(port, hours[style].sample)) for style in hours]
    yield measure.Table(
        "A sample against a real coturn", ("username style", "asked", "accepted"), asked
    )


def _growth(hour: Hour) -> Tuple[int, int, int]:
    growth = hour.growth()
    return growth.traced, growth.resident // 1024, growth.descriptors


@contextlib.contextmanager
def _coturn() -> Iterator[int]:
    """Run a coturn that knows `measure.SECRET`, and yield its port."""
    program = shutil.which("turnserver", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise measure.NotPossibleError("turnserver is not installed; apt-get install coturn")
    try:
        from integration.turn import Turnserver, make_certificate
    except ImportError as error:  # such as on Python 3.8
        raise measure.NotPossibleError(f"{error}; pip install '.[test]'") from None

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Turnserver(program, folder, make_certificate(folder), [measure.SECRET])
        try:
            server.wait_until_ready()
            yield server.port
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"load": tables}))
