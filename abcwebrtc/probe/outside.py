"""From a plain UDP socket of this machine to a relay and back, as a peer without TURN sends.

Data between two relays of one server never crosses the server's firewall; this does.
"""

from __future__ import annotations

import os
import time
from typing import List, Optional

from abcwebrtc.probe.messages import OUTSIDE_CHANNEL, Address
from abcwebrtc.probe.model import OUTSIDE, UDP, Observation, PathResult, host_of
from abcwebrtc.probe.packets import (
    SMALL,
    WAITS,
    End,
    arrives,
    by_size,
    plain_end,
    relay_end,
    round_trip,
)
from abcwebrtc.probe.plain_socket import PlainSocket
from abcwebrtc.probe.stun_client import Settings, StepError
from abcwebrtc.probe.turn_session import FORBIDDEN, Session

STUN_PORT = 3478
"""Where the server is asked too, if it is silent at the port of the url."""
UNREACHABLE = "unreachable"


def from_outside(session: Session, seen: Observation, settings: Settings) -> PathResult:
    """Send to the relay of a session and back, and return what came of it."""
    path = PathResult()
    ipv6 = ":" in session.relayed[0]
    try:
        with PlainSocket(ipv6, settings.stop) as plain:
            _Try(path, plain, session, seen, settings).run()
    except StepError as error:
        path.untried = error.failure.kind
    return path


class _Try:
    def __init__(
        self,
        path: PathResult,
        plain: PlainSocket,
        session: Session,
        seen: Observation,
        settings: Settings,
    ) -> None:
        self._path, self._plain, self._session = path, plain, session
        self._seen, self._settings = seen, settings

    def run(self) -> None:
        path = self._path
        if self._is_same_machine():
            path.untried = "same-machine"
            return
        mapped = self._ask_by_udp()
        path.untried = self._permit(mapped)
        if path.untried:
            return
        peer = self._first_packet()
        path.there = peer is not None
        other = peer or mapped
        if other:
            self._both_ways(other)
        if not (mapped or path.back) and self._seen.target.transport != UDP:
            path.untried = "no-udp"  # so it is this network, perhaps, and not the server's

    def _both_ways(self, other: Address) -> None:
        """Send on both ways, where the relay sees this machine at that address."""
        path, session = self._path, self._session
        session.bind(other, OUTSIDE_CHANNEL)
        here, there = plain_end(self._plain, session.relayed), relay_end(session, OUTSIDE_CHANNEL)
        if path.there:
            path.back = any(arrives(there, here, wait) for wait in WAITS)
        else:
            self._punch(here, there)
        if path.works:
            self._measure(here, there)

    def _is_same_machine(self) -> bool:
        """Say whether the server is this machine, so that no firewall is in between."""
        wire, relayed = self._session.wire, self._session.relayed
        is_server = wire.local == wire.address.partition("%")[0]
        return is_server or self._plain.local_towards(relayed) == relayed[0]

    def _ask_by_udp(self) -> Optional[Address]:
        """Return the address that the server sees this socket at, None without an answer."""
        seen, relay = self._seen, self._session.relayed[0]
        server = seen.server if (":" in seen.server) == (":" in relay) else relay
        for port in dict.fromkeys((self._session.wire.port, STUN_PORT)):
            try:
                return self._plain.ask((server, port), self._settings.second_look)
            except StepError:
                continue
        return None

    def _permit(self, mapped: Optional[Address]) -> str:
        """Permit this machine's addresses, and return why none can be, or nothing.

        A NAT may give it another port for each peer, but a permission is for all ports.
        """
        known = [mapped[0]] if mapped else []
        known += [host_of(self._seen.reflexive), self._session.mapped[0]]
        ipv6 = ":" in self._session.relayed[0]
        hosts = [host for host in dict.fromkeys(known) if host and (":" in host) == ipv6]
        permitted: List[str] = []
        reason = "" if hosts else "no-address"
        for host in hosts:
            try:
                self._session.permit((host, 0))
                permitted.append(host)
            except StepError as error:
                if error.failure.kind != "stun":
                    raise
                reason = "forbidden" if error.failure.error == FORBIDDEN else "refused"
        self._path.peer = (permitted or hosts or [""])[0]
        return "" if permitted else reason

    def _first_packet(self) -> Optional[Address]:
        """Send to the relay, and return whom the relay has a packet from, None if it has none."""
        for wait in WAITS:
            payload = os.urandom(SMALL)
            self._plain.send(payload, self._session.relayed)
            until = time.monotonic() + wait
            while True:
                came = self._session.wire.receive(until, OUTSIDE)
                if came is None:
                    break
                source, data = came
                if data == payload and isinstance(source, tuple):
                    return source
        return None

    def _punch(self, here: End, there: End) -> None:
        """Try again with the relay sending first, which opens a firewall that keeps state."""
        path = self._path
        for wait in WAITS[:2]:
            path.back = arrives(there, here, wait) or path.back
            path.there = arrives(here, there, wait) or path.there
            if path.there:
                break
        path.punched = path.there

    def _measure(self, here: End, there: End) -> None:
        took = round_trip(here, there, self._settings.timeout)
        if took is None:
            return
        self._seen.times[OUTSIDE] = took
        self._path.sizes = by_size(here, there, took)
