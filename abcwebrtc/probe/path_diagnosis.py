"""What it means where a server redirects, and how its STUN and relays reach others.

Nothing is contacted.
"""

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
"""Percent: with so much no sound is heard that can be understood."""
IN_A_ROW, RUNS = 4, 6
"""Who limits a rate drops all packets until a second ends, so in two seconds and two directions few
runs of many; a busy network drops one here and there."""


def after_redirect(failure: Failure, own: List[Diagnosis]) -> List[Diagnosis]:
    """Return what a failure at the server means that a 300 led to.

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
    """Yield what is to be known of the ways to a server and its relays."""
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
    """Say where a public server gives relays that others may not reach.

    Data between two of its relays arrives all the same: coturn takes its external-ip,
    also a wrong one, for itself.
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
            return  # large packets are lost of that too
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
