"""Watches coturn servers in the background, so that users get no dead server."""

from __future__ import annotations

import contextlib
import errno
import functools
import math
import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from aioice import stun

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.uris import IceURI
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.probe.accepted_secrets import reason_of
from abcwebrtc.probe.messages import Address, address_text, request_message
from abcwebrtc.probe.model import BINDING, NO_DNS, TLS, Login
from abcwebrtc.probe.runner import Addresses, resolve_all
from abcwebrtc.probe.steps import MAX_REDIRECTS
from abcwebrtc.probe.stun_client import Settings, StepError, StoppedError, Wire, unverified_context
from abcwebrtc.probe.targets import browser_target
from abcwebrtc.probe.turn_session import RedirectError, Session, from_fresh_ports
from abcwebrtc.texts import harmless_logger
from abcwebrtc.turn.rtc_configuration import server_credentials

FAILURES, SUCCESSES = 3, 2
"""How many in a row leave a server out, and bring it back."""
WATCH_USER = "abcwebrtc-watch"
WATCH_TTL = 60
"""Seconds: the credential is used at once."""
TIMEOUT = 3.0
"""Seconds that a step may take."""
IN_USE, LEFT_OUT, DRAINED = STATES = ("in_use", "left_out", "drained")
_QUOTA = 486
_SHORTAGES = frozenset(map(os.strerror, (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)))
"""What the system says if it has no socket left."""
_JITTER = (0.9, 1.1)
_PARALLEL = 32
_Place = Tuple[IceURI, str]
"""A url of a server, and an address of its name."""
_log = harmless_logger(__name__)


class Liveness:
    """Which servers are dead, as several rounds in a row have shown.

    `left_out` has the names of the dead ones, and `answers` says whether a server lived in the last
    round, as far as that is known. A server is left out after `FAILURES` failures in a row, and is
    back after `SUCCESSES` successes. The last living servers are never left out: if all that are
    left seem dead, whoever watches them is more likely to be cut off, and such a round is not
    treated as a failure. Servers in `drained` are not treated as living, since users get none of
    them anyway. A round in which nothing is learned about a server is ignored for that server.
    """

    def __init__(self, drained: FrozenSet[str] = frozenset()) -> None:
        self.left_out: FrozenSet[str] = frozenset()
        self.answers: Mapping[str, bool] = {}
        self._drained = drained
        self._failures: Dict[str, int] = {}
        self._successes: Dict[str, int] = {}
        self._unknown: Dict[str, int] = {}
        self._blind = 0

    def update(self, results: Mapping[str, Optional[str]]) -> Iterator[str]:
        """Take the results of a round, and yield what changes, as lines for a log.

        `results` say of each server why it seems dead; an empty text means that it lives, and None
        that it could not be asked.
        """
        reasons = {name: reason for name, reason in results.items() if reason is not None}
        self.answers = {name: not reason for name, reason in reasons.items()}
        yield from self._count_unknown(results)
        living = set(reasons) - self.left_out - self._drained
        blind = bool(living) and all(reasons[name] for name in living)
        for name, reason in reasons.items():
            failures = self._failures.get(name, 0)
            self._failures[name] = failures + (not blind) if reason else 0
            self._successes[name] = 0 if reason else self._successes.get(name, 0) + 1
        out: Set[str] = set(self.left_out)
        back = [name for name in reasons if name in out and self._successes[name] >= SUCCESSES]
        out.difference_update(back)
        dead = [name for name in reasons if name not in out and self._failures[name] >= FAILURES]
        self.left_out = frozenset(out.union(dead))
        for name in back:
            is_drained = name in self._drained  # so nobody new gets it in any case
            yield f"{name} answers again, and {'stays drained' if is_drained else 'is back in use'}"
        for name in dead:
            what = "is drained, and seems dead" if name in self._drained else "is left out"
            yield f"{name} {what} after {FAILURES} failures in a row: {reasons[name]}"
        if not living:  # nothing was learned
            return
        before, self._blind = self._blind, self._blind + 1 if blind else 0
        if self._blind == FAILURES:
            why = "; ".join(dict.fromkeys(reasons[name] for name in sorted(living)))
            which = "can be asked" if self._unknown else "is left"
            yield f"every server that {which} seems dead, so all of them stay in use: {why}"
        elif before >= FAILURES and not blind:
            yield "not every server that is left seems dead any more"

    def among(self, names: FrozenSet[str], drained: FrozenSet[str]) -> Liveness:
        """Return what is known of these servers, for another configuration that has them."""
        other, dead = Liveness(drained), self.left_out & names
        if not names - drained - dead:  # the living ones are gone
            return other
        other.left_out, other._blind = dead, self._blind
        other.answers = {name: it for name, it in self.answers.items() if name in names}
        other._failures, other._successes, other._unknown = (
            {name: count for name, count in counts.items() if name in names}
            for counts in (self._failures, self._successes, self._unknown)
        )
        return other

    def _count_unknown(self, results: Mapping[str, Optional[str]]) -> Iterator[str]:
        before = self._unknown
        self._unknown = {name: before.get(name, 0) + 1 for name in results if results[name] is None}
        lost = [name for name, rounds in self._unknown.items() if rounds == FAILURES]
        found = [name for name in before if before[name] >= FAILURES and name not in self._unknown]
        if lost:
            why = "DNS does not answer, or this machine has no socket left"
            yield f"{', '.join(lost)} can't be asked, so nothing changes there: {why}"
        if found:
            yield f"{', '.join(found)} can be asked again"


class Watcher:
    """Asks every coturn server of a configuration, every `seconds`, whether it lives.

    A server lives if it gives an allocation at one of its urls, over one of the url's addresses,
    for a credential that users would get; the allocation is freed at once. Redirects are followed,
    as browsers do. If a server does not answer a Binding, that is no fault, since coturn can have
    it switched off. Nor is a full quota (486), which may be that of the watcher's own user. A
    server whose relay ports are used up (508) seems dead. Certificates are not checked: browsers
    may trust what this machine does not. A round waits for silent servers, a few times `timeout`.

    If DNS does not answer, or this machine has no socket left, a server is treated neither as dead
    nor as living.

    A thread does this, and no thread survives a fork: start the watcher in the process that answers
    requests. `before` is a watcher that has been stopped. The new one goes on from what that knows,
    when the next round is due: servers of the same name are treated as the same.
    """

    def __init__(
        self,
        config: WebRTCConfig,
        seconds: float,
        timeout: float = TIMEOUT,
        before: Optional[Watcher] = None,
    ) -> None:
        self._servers = config.coturn
        names = frozenset(one.name for one in config.coturn)
        drained = frozenset(one.name for one in config.coturn if one.drain)
        known = Liveness() if before is None else before._liveness
        self._liveness: Liveness = known.among(names, drained)
        self.seconds = seconds
        self._asked: float = -math.inf if before is None else before._asked
        self._settings = Settings(timeout, unverified_context(), threading.Event())
        self._thread = threading.Thread(target=self._watch, name="abcwebrtc-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; wait until allocations are freed, which takes a moment."""
        self._settings.stop.set()
        if self._thread.ident:
            self._thread.join(2 * self._settings.timeout)

    def left_out(self) -> FrozenSet[str]:
        """Return the names of the servers that are dead."""
        return self._liveness.left_out

    def answers(self) -> Mapping[str, bool]:
        """Return whether each server lived when it was last asked, as far as that is known."""
        return self._liveness.answers

    def _watch(self) -> None:
        if not self._servers:
            _log.warning("there is no coturn server to watch: webrtc.coturn has none")
            return
        names = ", ".join(server.name for server in self._servers)
        told = False
        _log.info("watching coturn every %g s: %s", self.seconds, names)
        while not self._settings.stop.wait(self._pause()):
            try:
                self._round()
                if told:
                    _log.warning("the coturn servers are watched again")
                told = False
            except StoppedError:
                return
            except Exception as error:  # whatever it is, the next round may work
                self._liveness.answers = {}
                if not told:
                    ours = isinstance(error, AbcWebRTCError)
                    why = error if ours else type(error).__name__
                    _log.error("can't watch the coturn servers: %s", why, exc_info=not ours)
                told = True
            self._asked = time.monotonic()

    def _pause(self) -> float:
        """Return the seconds until the next round, so that no two follow each other at once.

        Replicas that started together must not all ask at the same moment.
        """
        due = self._asked + self.seconds * random.uniform(*_JITTER)  # noqa: S311
        return max(0, due - time.monotonic())

    def _round(self) -> None:
        uris = [uri for server in self._servers for uri in server.uris]
        hosts = [uri.bare_host for uri in uris]
        found = resolve_all(hosts, self._settings.timeout, socket.AI_ADDRCONFIG)
        places = [_places(server, found) for server in self._servers]
        ask = functools.partial(_why_dead, settings=self._settings)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            reasons = list(pool.map(ask, self._servers, [some[:1] for some in places]))
            # The others at once: a silent one takes seconds, and the round is for all servers.
            others = [
                (number, [place])
                for number, reason in enumerate(reasons)
                for place in places[number][1:]
                if reason != ""
            ]
            asked = [self._servers[number] for number, _ in others]
            answers = pool.map(ask, asked, [place for _, place in others])
            for (number, _), reason in zip(others, answers):
                both = reasons[number], reason
                reasons[number] = "" if "" in both else None if None in both else reason
        if self._settings.stop.is_set():
            raise StoppedError
        results: Dict[str, Optional[str]] = {}
        for server, reason in zip(self._servers, reasons):  # two may have the same first url
            result = reason if not reason or _is_resolved(server, found) else None
            both = results.get(server.name, ""), result
            results[server.name] = max(both, key=lambda one: (bool(one), one is None))
        for line in self._liveness.update(results):
            _log.warning("coturn: %s", line)


def states_of(servers: Sequence[CoturnServer], left_out: FrozenSet[str]) -> Dict[str, str]:
    """Return the state of each server by name, one of `STATES`."""
    return {
        one.name: DRAINED if one.drain else LEFT_OUT if one.name in left_out else IN_USE
        for one in servers
    }


def _why_dead(server: CoturnServer, places: Sequence[_Place], settings: Settings) -> Optional[str]:
    """Return why a server seems dead at some places, or an empty text if it lives.

    Return None if this machine is too short of something to ask.
    """
    reason = "its name does not resolve"
    for uri, address in places:
        if settings.stop.is_set():
            raise StoppedError
        try:
            made = server_credentials(server, WATCH_USER, ttl=WATCH_TTL)
            _allocate(uri, address, Login(made.username, made.password), settings)
            return ""
        except StepError as error:
            failure = error.failure
            if failure.error == _QUOTA:
                return ""
            if failure.detail in _SHORTAGES:
                return None
            reason = f"{uri} at {failure.at or address}: {reason_of(failure, settings.timeout)}"
        except AbcWebRTCError as error:  # the secret can't be read
            return str(error)
    return reason


def _places(server: CoturnServer, found: Mapping[str, Addresses]) -> List[_Place]:
    return [(uri, address) for uri in server.uris for address in found[uri.bare_host][0]]


def _is_resolved(server: CoturnServer, found: Mapping[str, Addresses]) -> bool:
    """Return whether DNS has answered for all of a server's names."""
    failures = (found[uri.bare_host][2] for uri in server.uris)
    return not any(failure and failure.kind in NO_DNS for failure in failures)


def _allocate(uri: IceURI, address: str, login: Login, settings: Settings) -> None:
    """Ask for a Binding and an allocation; raise `StepError` if there is no allocation."""
    target = browser_target(uri)
    context = settings.trust if target.transport == TLS else None

    def allocate(wire: Wire) -> None:
        with contextlib.suppress(StepError):
            wire.request(request_message(stun.Method.BINDING), BINDING, settings.second_look)
        with Session(wire, login) as session:
            session.allocate()

    place: Address = (address, target.port)
    for redirects in range(1 + MAX_REDIRECTS):
        host, port = place
        try:
            from_fresh_ports(
                functools.partial(Wire, target, host, settings, context, port), allocate
            )
            return
        except RedirectError as error:
            place, failure = error.alternate, error.failure
        except StepError as error:
            at = address_text(place) if redirects else ""
            raise StepError(replace(error.failure, at=at)) from None
    raise StepError(replace(failure, at=address_text(place)))
