"""What comes through between two ends: two relays, or a relay and a plain socket outside.

Each way is tried with a round trip, one packet of each size, and a burst at Opus's rate. UDP
loses packets, so each is sent several times before it counts as lost. Data between two relays of
one server never crosses the server's firewall; that from outside does.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Set

from abcwebrtc.probe.messages import CHANNEL, OUTSIDE_CHANNEL, Address
from abcwebrtc.probe.model import (
    LOSS,
    OPUS,
    OUTSIDE,
    RELAY,
    UDP,
    Burst,
    Failure,
    Observation,
    PathResult,
    host_of,
)
from abcwebrtc.probe.stun_client import PlainSocket, Settings, StepError
from abcwebrtc.probe.turn_session import FORBIDDEN, Session

SMALL = 16
SIZES = (SMALL, OPUS, 400, 600, 800, 1000, 1200)
"""Bytes of UDP payload; browsers put up to 1,200 into a record of the DTLS handshake."""
WRAPPING = 40
"""Bytes that are added to the largest packet: a handshake travels in Data indications, which have
more overhead than ChannelData. Chromium's makes 1,272 bytes of IPv4."""
INTERVAL, PACKETS = 0.02, 100
"""The seconds between packets of a burst, and their number in each direction. A burst lasts two
seconds, so it covers a whole one of the seconds in which coturn counts max-bps."""
WAITS = (0.5, 1.0, 1.0, 1.0)
"""Seconds to wait for a packet after each time that it is sent."""
ROUND_TRIPS = 3.0
"""A wait lasts at least this many round trips."""
STUN_PORT = 3478
"""The port to try if the server is silent on the url's port."""


class End(NamedTuple):
    """One of two ends that packets go between."""

    send: Callable[[bytes], None]
    receive: Callable[[float], Optional[bytes]]

    def drain(self, wanted: Set[bytes], until: float) -> None:
        """Remove what arrives from `wanted`, until it is empty or a moment of monotonic time."""
        while wanted:
            came = self.receive(until)
            if came is None:
                return
            wanted.discard(came)


def relay_end(session: Session, channel: int = CHANNEL) -> End:
    """Return an end that sends and receives over a channel of a relay."""

    def receive(until: float) -> Optional[bytes]:
        while True:
            came = session.wire.receive(until, RELAY)
            if came is None or came[0] == channel:
                return None if came is None else came[1]

    return End(lambda payload: session.send(payload, channel), receive)


def plain_end(plain: PlainSocket, peer: Address) -> End:
    """Return an end that sends to a peer and receives from it."""

    def receive(until: float) -> Optional[bytes]:
        while True:
            came = plain.receive(until)
            if came is None or came[1] == peer:
                return None if came is None else came[0]

    return End(lambda payload: plain.send(payload, peer), receive)


# packets


def arrives(here: End, there: End, wait: float) -> bool:
    """Return whether a small packet arrives within some seconds."""
    payload = os.urandom(SMALL)
    here.send(payload)
    wanted = {payload}
    there.drain(wanted, time.monotonic() + wait)
    return not wanted


def round_trip(here: End, there: End, timeout: float) -> Optional[float]:
    """Return the milliseconds there and back, or None if nothing comes back in time.

    If both are the same end, this is the way from it to itself.
    """
    deadline, waits = time.monotonic() + timeout, iter(WAITS)
    while time.monotonic() < deadline:
        start = time.monotonic()
        wait = min(next(waits, WAITS[-1]), deadline - start)
        if arrives(here, there, wait) and (here is there or arrives(there, here, wait)):
            return (time.monotonic() - start) * 1000
    return None


def by_size(here: End, there: End, rtt: float) -> Dict[int, bool]:
    """Return for each of `SIZES` whether a packet of that size comes through there and back.

    `rtt` is the milliseconds of a round trip.
    """
    found = dict.fromkeys(SIZES, False)
    for wait in WAITS:
        missing = [size for size, passed in found.items() if not passed]
        if not missing:
            break
        wait = max(wait, ROUND_TRIPS * rtt / 1000)
        arrived = _volley(here, there, missing, wait)
        if here is not there:
            arrived = _volley(there, here, arrived, wait)
        found.update(dict.fromkeys(arrived, True))
    return found


def _volley(here: End, there: End, sizes: List[int], wait: float) -> List[int]:
    """Send a packet of each size, and return the sizes that arrive."""
    payloads = {size: os.urandom(size + WRAPPING * (size == SIZES[-1])) for size in sizes}
    for payload in payloads.values():
        here.send(payload)
    missing = set(payloads.values())
    there.drain(missing, time.monotonic() + wait)
    return [size for size, payload in payloads.items() if payload not in missing]


def burst(here: End, there: End, rtt: float) -> Burst:
    """Send packets like two Opus streams, one in each direction, and count the lost ones.

    `rtt` is the milliseconds of a round trip.
    """
    ways = [(here, there)] if here is there else [(here, there), (there, here)]
    sent = [_numbered() for _ in ways]
    missing = [set(payloads) for payloads in sent]
    start = time.monotonic()
    for index in range(PACKETS):
        for (source, _), payloads in zip(ways, sent):
            source.send(payloads[index])
        for part, ((_, target), wanted) in enumerate(zip(ways, missing), 1):
            target.drain(wanted, start + (index + part / len(ways)) * INTERVAL)
    end = time.monotonic() + max(WAITS[0], ROUND_TRIPS * rtt / 1000)
    for (_, target), wanted in zip(ways, missing):
        target.drain(wanted, end)
    longest = max(_longest(payloads, wanted) for payloads, wanted in zip(sent, missing))
    return Burst(PACKETS * len(ways), sum(map(len, missing)), longest)


def _numbered() -> List[bytes]:
    token = os.urandom(OPUS - 4)
    return [struct.pack("!I", number) + token for number in range(PACKETS)]


def _longest(payloads: List[bytes], missing: Set[bytes]) -> int:
    """Return the length of the longest run of lost packets."""
    longest = run = 0
    for payload in payloads:
        run = run + 1 if payload in missing else 0
        longest = max(longest, run)
    return longest


# from relay to relay


def between_relays(first: Session, second: Session, seen: Observation, settings: Settings) -> None:
    """Send data between two relays, or from one to itself, and store what comes through.

    A server gets one burst over UDP and one over TCP or TLS. Raises `StepError` if nothing comes
    through.
    """
    first.bind(second.relayed)
    here = there = relay_end(first)
    if second is not first:
        second.bind(first.relayed)
        there = relay_end(second)
    path = seen.between = PathResult()
    took = round_trip(here, there, settings.timeout)
    if took is None:
        raise StepError(Failure(RELAY, "timeout"))
    seen.times[RELAY] = took
    first.wire.tell(f"data from relay to relay and back in {took:.1f} ms")
    path.there = path.back = True
    key = (seen.server, seen.target.transport == UDP)
    if not settings.quick and key not in settings.bursts:
        settings.bursts.add(key)
        path.burst = burst(here, there, took)
        if path.burst.percent >= LOSS:  # it may have been a bad moment
            path.burst = min(path.burst, burst(here, there, took), key=lambda one: one.lost)
        first.wire.tell(f"burst: {path.burst.lost} of {path.burst.sent} packets lost")
    path.sizes = by_size(here, there, took)
    first.wire.tell(f"packets of up to {path.largest} bytes from relay to relay and back")


# from outside


def from_outside(session: Session, seen: Observation, settings: Settings) -> PathResult:
    """Send data from a plain socket to a session's relay and back; return what came through."""
    path = PathResult()
    try:
        with PlainSocket(session.relayed[0], settings.stop) as plain:
            _try_outside(path, plain, session, seen, settings)
    except StepError as error:
        path.untried = error.failure.kind
    came = f"not tried ({path.untried})" if path.untried else "arrives" if path.there else "lost"
    session.wire.tell(f"data from outside to the relay: {came}")
    return path


def _try_outside(
    path: PathResult, plain: PlainSocket, session: Session, seen: Observation, settings: Settings
) -> None:
    if _is_same_machine(plain, session):
        path.untried = "same-machine"
        return
    mapped = _address_by_udp(plain, session, seen, settings)
    path.untried = _permit(path, session, seen, mapped)
    if path.untried:
        return
    peer = _first_packet(plain, session)
    path.there = peer is not None
    other = peer or mapped
    if other:
        session.bind(other, OUTSIDE_CHANNEL)
        here, there = plain_end(plain, session.relayed), relay_end(session, OUTSIDE_CHANNEL)
        if path.there:
            path.back = any(arrives(there, here, wait) for wait in WAITS)
        else:
            _punch(path, here, there)
        took = round_trip(here, there, settings.timeout) if path.works else None
        if took is not None:
            seen.times[OUTSIDE] = took
            path.sizes = by_size(here, there, took)
    if not (mapped or path.back) and seen.target.transport != UDP:
        path.untried = "no-udp"  # perhaps this network blocks it, and not the server's


def _is_same_machine(plain: PlainSocket, session: Session) -> bool:
    """Return whether the server is this machine, with no firewall in between."""
    wire, relayed = session.wire, session.relayed
    is_server = wire.local == wire.address.partition("%")[0]
    return is_server or plain.local_towards(relayed) == relayed[0]


def _address_by_udp(
    plain: PlainSocket, session: Session, seen: Observation, settings: Settings
) -> Optional[Address]:
    """Return the address from which the server sees the socket, or None without an answer."""
    relay = session.relayed[0]
    server = seen.server if (":" in seen.server) == (":" in relay) else relay
    for port in dict.fromkeys((session.wire.port, STUN_PORT)):
        try:
            return plain.ask((server, port), settings.second_look)
        except StepError:
            continue
    return None


def _permit(
    path: PathResult, session: Session, seen: Observation, mapped: Optional[Address]
) -> str:
    """Permit this machine's addresses; return why none could be permitted, or nothing.

    A NAT may use another port for each peer, but a permission is for all ports.
    """
    known = [mapped[0] if mapped else "", host_of(seen.reflexive), session.mapped[0]]
    ipv6 = ":" in session.relayed[0]
    hosts = [host for host in dict.fromkeys(known) if host and (":" in host) == ipv6]
    permitted: List[str] = []
    reason = "" if hosts else "no-address"
    for host in hosts:
        try:
            session.permit((host, 0))
            permitted.append(host)
        except StepError as error:
            if error.failure.kind != "stun":
                raise
            reason = "forbidden" if error.failure.error == FORBIDDEN else "refused"
    path.peer = (permitted or hosts or [""])[0]
    return "" if permitted else reason


def _first_packet(plain: PlainSocket, session: Session) -> Optional[Address]:
    """Send to the relay; return the peer from which the packet reaches it, or None."""
    for wait in WAITS:
        payload = os.urandom(SMALL)
        plain.send(payload, session.relayed)
        until = time.monotonic() + wait
        came = session.wire.receive(until, OUTSIDE)
        while came:
            source, data = came
            if data == payload and isinstance(source, tuple):
                return source
            came = session.wire.receive(until, OUTSIDE)
    return None


def _punch(path: PathResult, here: End, there: End) -> None:
    """Try again after the relay sends first, which opens a stateful firewall."""
    for wait in WAITS[:2]:
        path.back = arrives(there, here, wait) or path.back
        path.there = arrives(here, there, wait) or path.there
        if path.there:
            break
    path.punched = path.there
