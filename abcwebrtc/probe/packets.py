"""Packets between two ends: a round trip, one of each size, and a burst at Opus's rate.

UDP loses packets, so each is sent several times before it counts as lost.
"""

from __future__ import annotations

import os
import struct
import time
from typing import Callable, Dict, List, Optional, Set

from abcwebrtc.probe.messages import CHANNEL, Address
from abcwebrtc.probe.model import RELAY, Burst
from abcwebrtc.probe.plain_socket import PlainSocket
from abcwebrtc.probe.turn_session import Session

SMALL = 16
SIZES = (SMALL, 182, 400, 600, 800, 1000, 1200)
"""Bytes of UDP payload: 182 are an Opus packet of 64 kb/s with SRTP (RFC 3711) around it, and 1,200
the most that browsers put into a record of the DTLS handshake."""
WRAPPING = 40
"""More bytes, which the largest gets: a handshake goes in Data indications, and these packets in
ChannelData. Chromium's makes 1,272 bytes of IPv4."""
OPUS, INTERVAL, PACKETS = 182, 0.02, 100
"""The bytes and seconds of a burst's packets, and how many there are in each direction: two
seconds, so that a whole one is in it of those by which coturn counts max-bps."""
WAITS = (0.5, 1.0, 1.0, 1.0)
"""Seconds to wait for a packet, of each time that it is sent."""
ROUND_TRIPS = 3.0
"""A wait is at least so many round trips."""

Send = Callable[[bytes], None]
Receive = Callable[[float], Optional[bytes]]


class End:
    """One of two ends that packets go between."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self.send, self.receive = send, receive

    def drain(self, wanted: Set[bytes], until: float) -> None:
        """Take what comes out of `wanted`, until that is empty or a moment of monotonic time."""
        while wanted:
            came = self.receive(until)
            if came is None:
                return
            wanted.discard(came)


def relay_end(session: Session, channel: int = CHANNEL) -> End:
    """Return the end that sends and receives by a channel of a relay."""

    def receive(until: float) -> Optional[bytes]:
        while True:
            came = session.wire.receive(until, RELAY)
            if came is None or came[0] == channel:
                return None if came is None else came[1]

    return End(lambda payload: session.send(payload, channel), receive)


def plain_end(plain: PlainSocket, peer: Address) -> End:
    """Return the end that sends to a peer, and takes what comes from there."""

    def receive(until: float) -> Optional[bytes]:
        while True:
            came = plain.receive(until)
            if came is None or came[1] == peer:
                return None if came is None else came[0]

    return End(lambda payload: plain.send(payload, peer), receive)


def arrives(here: End, there: End, wait: float, size: int = SMALL) -> bool:
    """Say whether a packet of some bytes arrives within some seconds."""
    wanted = {os.urandom(size)}
    for payload in wanted:
        here.send(payload)
    there.drain(wanted, time.monotonic() + wait)
    return not wanted


def round_trip(here: End, there: End, timeout: float) -> Optional[float]:
    """Return the milliseconds there and back, None where nothing comes back in time.

    Where both are the same end, it is the way from it to itself.
    """
    deadline, waits = time.monotonic() + timeout, iter(WAITS)
    while time.monotonic() < deadline:
        start = time.monotonic()
        wait = min(next(waits, WAITS[-1]), deadline - start)
        if arrives(here, there, wait) and (here is there or arrives(there, here, wait)):
            return (time.monotonic() - start) * 1000
    return None


def by_size(here: End, there: End, rtt: float) -> Dict[int, bool]:
    """Return for each of `SIZES` whether a packet so large comes through, there and back.

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
    """Send a packet of each size, and return those that arrive."""
    payloads = {size: os.urandom(size + WRAPPING * (size == SIZES[-1])) for size in sizes}
    for payload in payloads.values():
        here.send(payload)
    missing = set(payloads.values())
    there.drain(missing, time.monotonic() + wait)
    return [size for size, payload in payloads.items() if payload not in missing]


def burst(here: End, there: End, rtt: float) -> Burst:
    """Send packets as two Opus streams do, one in each direction, and count what is lost.

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
    """Return how many were lost one after another, at the most."""
    longest = run = 0
    for payload in payloads:
        run = run + 1 if payload in missing else 0
        longest = max(longest, run)
    return longest
