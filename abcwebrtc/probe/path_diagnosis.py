"""Says what redirects mean, and what relays can reach, without contacting anything."""

from __future__ import annotations

import ipaddress
from typing import Iterator, List

from abcwebrtc.probe.causes import CLAUSES, clause, said
from abcwebrtc.probe.model import (
    ALLOCATE,
    CONNECT,
    HANDSHAKE,
    LOSS,
    OPUS,
    RELAY,
    Burst,
    Circumstances,
    Diagnosis,
    Failure,
    Observation,
    PathResult,
    host_of,
)

HEAVY_LOSS = 20.0
"""Percent: with so much loss, sound can't be understood."""
IN_A_ROW, RUNS = 4, 6
"""A rate limit drops all packets until a second ends: a few long runs in two seconds and two
directions. A busy network drops a packet here and there."""


def after_redirect(failure: Failure, own: List[Diagnosis]) -> List[Diagnosis]:
    """Return what a failure means at a server to which a 300 led.

    `own` is what the same failure means at the url's own server.
    """
    if failure.error == 300:
        return [said("redirect/circle", next=failure.at)]
    why = f"redirect-{failure.kind}"
    is_late = failure.step not in (ALLOCATE, CONNECT, HANDSHAKE)
    if why not in CLAUSES or (failure.kind == "timeout" and is_late):
        what = clause("redirected", next=failure.at)
        return [Diagnosis(one.level, one.word, what + one.message, one.advice) for one in own]
    return [said("redirect/dead", next=failure.at, why=CLAUSES[why])]


def path_diagnoses(seen: Observation, around: Circumstances) -> Iterator[Diagnosis]:
    """Yield diagnoses of the paths to a server and its relays."""
    if seen.redirects and not any(one.at for one in seen.failures):
        yield said("redirect/works", next=seen.redirects[-1])
    elsewhere = list(_relay_elsewhere(seen)) if seen.relayed else []
    yield from elsewhere
    lost = not (seen.outside and seen.outside.there)
    is_said = any(one.step == RELAY for one in seen.failures) or (elsewhere and lost)
    if seen.outside and not is_said:
        yield from _outside(seen, seen.outside, around)
    yield from _packets(seen)


# where the relay is


def _relay_elsewhere(seen: Observation) -> Iterator[Diagnosis]:
    """Find a public server that gives relays which others may not reach.

    Data between two of its relays arrives all the same, since coturn treats its external-ip, even
    a wrong one, as itself.
    """
    server, relay = seen.server.partition("%")[0], host_of(seen.relayed)
    here, there = ipaddress.ip_address(server), ipaddress.ip_address(relay)
    if here.is_global and not there.is_global:
        yield said("private-relay", server=server, relay=relay)
    elif here.is_global and here.version == there.version and here != there:
        was_tried = seen.outside and not seen.outside.untried
        if not was_tried:
            yield said("other-relay", server=server, relay=relay)


# from outside


def _outside(seen: Observation, path: PathResult, around: Circumstances) -> Iterator[Diagnosis]:
    if path.untried:
        key = f"untried-{path.untried}"
        why = clause(key if key in CLAUSES else "untried", peer=path.peer)
        yield said("outside-untried", why=why)
        return
    if not path.there:
        cause = "outside-untried/pod" if around.place.pod else "relay-ports"
    elif not path.back:
        cause = "relay-back"
    elif path.punched:
        cause = "relay-ports/punched"
    else:
        return
    yield said(cause, relay=seen.relayed, place=around.place, peer=path.peer)


# sizes and loss


def _packets(seen: Observation) -> Iterator[Diagnosis]:
    between, outside = seen.between or PathResult(), seen.outside or PathResult()
    burst = between.burst
    if burst and burst.percent >= LOSS and between.sizes.get(OPUS, False):
        yield _loss(burst)
        if burst.percent >= HEAVY_LOSS:
            return  # that also explains lost large packets
    if between.too_large or between.gaps:
        yield _by_size(between, clause("ends-server"))
    elif outside.too_large or outside.gaps:
        yield _by_size(outside, clause("ends-outside", relay=seen.relayed))


def _loss(burst: Burst) -> Diagnosis:
    percent = f"{burst.percent:.0f}"
    loss = clause("loss", lost=burst.lost, sent=burst.sent, percent=percent)
    is_limit = burst.in_a_row >= max(IN_A_ROW, burst.lost / RUNS)
    variant = {
        (True, True): "/rate",
        (True, False): "",
        (False, True): "/little-rate",
        (False, False): "/little",
    }[burst.percent >= HEAVY_LOSS, is_limit]
    return said(f"packet-loss{variant}", loss=loss, row=burst.in_a_row)


def _by_size(path: PathResult, ends: str) -> Diagnosis:
    if not path.too_large:
        return said("packet-size/some", ends=ends, sizes=" and ".join(map(str, path.gaps)))
    key = "packet-size" if path.largest else "packet-size/all"
    return said(key, ends=ends, largest=path.largest, lost=path.too_large)
