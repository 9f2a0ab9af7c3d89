"""Compute and simulate what many desktops need of abcwebrtc, coturn and a secret rotation.

    .venv/bin/python benchmarks/scale.py [NAME=VALUE ...]

It first measures the speed of this machine. Everything else is assumed, and you can change each
assumption: desktops=5000 ttl=600
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
import timeit
from typing import Any, Iterator, List, NamedTuple, Tuple

import endpoint
import fleet
import measure

from abcwebrtc import WebRTCConfig, build_rtc_configuration, inject_webrtc

OVERHEAD = 12 + 10 + 8 + 20
"""Bytes of RTP, the SRTP tag, UDP and IPv4 that each packet of sound adds."""
CHANNEL_DATA = 4
"""Bytes that TURN adds between the browser and coturn (RFC 8656, section 12.4)."""


class Assumptions(NamedTuple):
    """What is assumed rather than measured. Times are in seconds."""

    desktops: int = 1_000_000
    login_time: int = 3600
    reloads_per_hour: float = 0.5
    rush_time: int = 600
    utilisation: float = 0.5
    ttl: int = 3600
    desktop_ttl: int = 86_400
    turn_urls: int = 1
    relayed: float = 0.3
    relay_ports: int = fleet.RELAY_PORTS
    opus_bits: int = 64_000
    packets: int = 50
    allocation_lifetime: int = 600
    permission_lifetime: int = 300


MEANING = {
    "desktops": "desktops, all with sound at the same time",
    "login_time": "seconds in which 95 % of them log in, in a bell curve",
    "reloads_per_hour": "page reloads of each user per hour",
    "rush_time": "seconds in which they come back after an outage",
    "utilisation": "planned load of a replica, as a share of its speed",
    "ttl": "ttl of a browser's credential, seconds",
    "desktop_ttl": "ttl of a desktop's credential, seconds",
    "turn_urls": "TURN urls in the answer: a browser opens an allocation on each",
    "relayed": "share of desktops whose sound goes through the relay",
    "relay_ports": "relay ports of one coturn address (default: 49152 to 65535)",
    "opus_bits": "bits per second of Opus (opusenc's default)",
    "packets": "packets per second (frames of 20 ms)",
    "allocation_lifetime": "seconds between renewals of an allocation or a channel",
    "permission_lifetime": "seconds between renewals of a permission",
}


class Measured(NamedTuple):
    """The speed of one replica, in requests a second, and seconds for one call of each function."""

    rate: float
    request_cpu: float
    memory_before: int
    memory_after: int
    bare_grew: int
    requests: int
    build: float
    inject: float


def tables(quick: bool, assumed: Assumptions = Assumptions()) -> Iterator[measure.Table]:  # noqa: B008
    """Measure, compute and simulate."""
    rows: List[Tuple[Any, ...]] = [
        (MEANING[name], shown(value)) for name, value in assumed._asdict().items()
    ]
    yield measure.Table("Assumed", ("what", "value"), rows)
    found = _measure(quick)
    yield measure.Table("Measured in the same run", ("what", "value"), list(_measured_rows(found)))
    title = f"What {shown(assumed.desktops)} desktops need"
    sums = [*requests_sum(assumed, found), *coturn_sum(assumed), *rotation_sum(assumed)]
    yield measure.Table(title, ("what", "sum", "result"), sums)
    yield simulation(assumed, found.rate, quick)
    yield from fleet.tables(quick, assumed.desktops, assumed.turn_urls, assumed.relay_ports)


def shown(value: float) -> str:
    """Return a number as text; whole numbers get thousands separators."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


# what is measured


def _measure(quick: bool) -> Measured:
    config = WebRTCConfig.from_mapping(measure.coturn_mapping(1, "userid"))
    pods = WebRTCConfig.from_file(measure.TESTS / "data" / "od.config")
    sys.path.append(str(measure.TESTS))
    from support.desktop_pod import desktop_pod

    pod = desktop_pod()
    calls = 100 if quick else 2_000
    build = _once(lambda: build_rtc_configuration(config, "alice"), calls * 10)
    inject = _once(lambda: inject_webrtc(pod, pods, "alice"), calls)
    with endpoint.servers() as (ours, bare, wrk):
        for server in (ours, bare):
            wrk(server, 64, 1)  # warms up: one-time work happens now
        before, bare_before = ours.resident_kib(), bare.resident_kib()
        samples = [wrk(ours, 64, 1 if quick else 3) for _ in range(1 if quick else 5)]
        after = ours.resident_kib()
        wrk(bare, 64, 1 if quick else 15)
        bare_grew = bare.resident_kib() - bare_before
    rate = statistics.median(sample.rate for sample in samples)
    cpu = statistics.median(sample.cpu for sample in samples)
    requests = sum(sample.requests for sample in samples)
    return Measured(rate, cpu, before, after, bare_grew, requests, build, inject)


def _once(function: Any, calls: int) -> float:
    """Return the processor time of one call, in seconds."""
    return min(timeit.repeat(function, number=calls, repeat=5, timer=time.process_time)) / calls


def _measured_rows(found: Measured) -> Iterator[Tuple[str, str]]:
    yield (
        "requests/s of one replica, with 64 connections and wrk on the same machine",
        shown(found.rate),
    )
    yield "its processor time for one request, ms", shown(found.request_cpu * 1e3)
    yield (
        f"its memory before these {shown(found.requests)} requests, MiB",
        shown(found.memory_before / 1024),
    )
    yield "its memory after them, MiB", shown(found.memory_after / 1024)
    yield (
        "growth of a bare handler's memory in the same time, MiB",
        shown(found.bare_grew / 1024),
    )
    yield "processor time of build_rtc_configuration, us", shown(found.build * 1e6)
    yield "processor time of inject_webrtc, us", shown(found.inject * 1e6)


# the sum


def busiest(desktops: float, within: float) -> float:
    """Return the arrivals in the busiest second, if 95 % arrive `within` seconds.

    They arrive in a bell curve; four standard deviations of it hold 95 %.
    """
    return desktops / (within / 4 * math.sqrt(2 * math.pi))


def requests_sum(assumed: Assumptions, found: Measured) -> Iterator[Tuple[str, str, str]]:
    """Yield what abcwebrtc has to serve."""
    n, within = assumed.desktops, assumed.login_time
    logins = busiest(n, within)
    reloads = n * assumed.reloads_per_hour / 3600
    peak, rush = logins + reloads, busiest(n, assumed.rush_time)
    share = f"{assumed.utilisation} x {shown(found.rate)}"
    yield (
        "logins in the busiest second",
        f"{shown(n)} / ({within} / 4 x sqrt(2 pi))",
        shown(logins),
    )
    reload_sum = f"{shown(n)} x {assumed.reloads_per_hour} / 3600"
    yield "page reloads a second, in addition", reload_sum, shown(reloads)
    yield "requests a second", f"{shown(logins)} + {shown(reloads)}", shown(peak)
    yield "replicas for them", f"{shown(peak)} / ({share})", shown(_replicas(peak, assumed, found))
    cores = peak * found.request_cpu
    yield "processors for them", f"{shown(peak)} x {found.request_cpu * 1e3:.3g} ms", shown(cores)
    yield "requests a second in a rush", f"as above, in {assumed.rush_time} s", shown(rush)
    yield "replicas for it", f"{shown(rush)} / ({share})", shown(_replicas(rush, assumed, found))
    work = f"{shown(logins)} x {found.inject * 1e6:.0f} us"
    yield "processors of pyos for inject_webrtc", work, shown(logins * found.inject)
    yield "memory of a replica for each user", "nothing is kept", "0"


def _replicas(rate: float, assumed: Assumptions, found: Measured) -> int:
    return math.ceil(rate / (assumed.utilisation * found.rate))


def coturn_sum(assumed: Assumptions) -> Iterator[Tuple[str, str, str]]:
    """Yield what coturn has to serve."""
    n = assumed.desktops
    allocations = n * assumed.turn_urls
    addresses = math.ceil(allocations / assumed.relay_ports)
    ports = f"{shown(allocations)} / {shown(assumed.relay_ports)}"
    yield "coturn: allocations", f"{shown(n)} x {assumed.turn_urls}", shown(allocations)
    yield "coturn: relay addresses", ports, shown(addresses)
    wire = assumed.opus_bits + assumed.packets * OVERHEAD * 8
    channel = wire + assumed.packets * CHANNEL_DATA * 8
    bits = f"{shown(assumed.opus_bits)} + {assumed.packets} x {OVERHEAD} x 8"
    yield "coturn: kbit/s from one desktop", bits, shown(wire / 1e3)
    channel_sum = f"the same + {assumed.packets} x {CHANNEL_DATA} x 8"
    yield "coturn: kbit/s to its browser", channel_sum, shown(channel / 1e3)
    relayed = n * assumed.relayed
    share = f"{shown(n)} x {assumed.relayed}"
    yield "coturn: Gbit/s in", f"{share} x {wire / 1e3:.0f} k", shown(relayed * wire / 1e9)
    yield "coturn: Gbit/s out", f"{share} x {channel / 1e3:.0f} k", shown(relayed * channel / 1e9)
    renewals = allocations / assumed.allocation_lifetime + relayed * (
        1 / assumed.allocation_lifetime + 1 / assumed.permission_lifetime
    )
    life = assumed.allocation_lifetime, assumed.permission_lifetime
    text = f"{shown(allocations)} / {life[0]} + {shown(relayed)} x (1 / {life[0]} + 1 / {life[1]})"
    yield "coturn: renewals a second", text, shown(renewals)


def rotation_sum(assumed: Assumptions) -> Iterator[Tuple[str, str, str]]:
    """Yield what a change of the secret costs."""
    longest = max(assumed.ttl, assumed.desktop_ttl)
    hours = shown(longest / 3600)
    yield "rotation: seconds with both secrets, browsers", "the ttl", shown(assumed.ttl)
    text = f"max({assumed.ttl}, {assumed.desktop_ttl})"
    yield "rotation: hours with both, where desktops get TURN", text, hours
    yield "rotation: more requests to abcwebrtc", "nobody has to ask again", "0"
    yield "rotation: HMACs that coturn computes for a login", "one for each secret", "2 at most"


# the simulation


def simulation(assumed: Assumptions, rate: float, quick: bool) -> measure.Table:
    """Let desktops arrive at random and wait in the queue of a replica."""
    rows = []
    for within in (assumed.login_time, assumed.rush_time):
        enough = math.ceil(busiest(assumed.desktops, within) / (assumed.utilisation * rate))
        for replicas in sorted({1, 2, enough}):
            waits, longest = _queue(assumed.desktops // replicas, within, rate, quick)
            rows.append((shown(within), str(replicas), *map(_wait_text, waits), shown(longest)))
    columns = ("arrive within, s", "replicas", "median wait", "p99 wait", "longest queue")
    return measure.Table(f"{shown(assumed.desktops)} desktops, simulated", columns, rows)


def _queue(number: int, within: float, rate: float, quick: bool) -> Tuple[Tuple[float, float], int]:
    """Return the median and the 99th percentile of the wait, and the longest queue.

    A quick simulation uses every hundredth desktop, and a replica that is a hundred times slower.
    """
    thin = 100 if quick else 1
    number, service = max(2, number // thin), thin / rate
    chance = random.Random(number)  # the same crowd each time
    arrivals = sorted(chance.gauss(0, within / 4) for _ in range(number))
    waits, free = [], arrivals[0]
    for arrival in arrivals:
        start = max(arrival, free)
        waits.append(start - arrival)
        free = start + service
    waits.sort()
    return (waits[number // 2], waits[number * 99 // 100]), round(waits[-1] / service * thin)


def _wait_text(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


def assumptions(arguments: List[str]) -> Assumptions:
    """Return the assumptions, changed by NAME=VALUE arguments."""
    changed = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name not in Assumptions._fields:
            raise SystemExit(f"no assumption {name!r}; use {', '.join(Assumptions._fields)}")
        changed[name] = type(Assumptions._field_defaults[name])(value)
    return Assumptions()._replace(**changed)


if __name__ == "__main__":
    given = assumptions([argument for argument in sys.argv[1:] if "=" in argument])
    rest = [argument for argument in sys.argv[1:] if "=" not in argument]
    sys.exit(measure.main(__doc__, {"scale": lambda quick: tables(quick, given)}, rest))
