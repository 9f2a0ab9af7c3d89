"""Probes one target at one address, step by step."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from dataclasses import replace
from typing import Dict, Optional

from aioice import stun

from abcwebrtc.coturn.certificate import read_certificate
from abcwebrtc.probe.messages import (
    Address,
    address_text,
    error_failure,
    mapped_address,
    request_message,
)
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    HANDSHAKE,
    RELAY,
    RFC3489,
    TCP,
    TLS,
    UDP,
    Account,
    Failure,
    Login,
    Observation,
    Target,
)
from abcwebrtc.probe.paths import between_relays, from_outside
from abcwebrtc.probe.stun_client import (
    PlainSocket,
    Settings,
    StepError,
    StoppedError,
    Wire,
    shows_certificate,
    timed,
    unverified_context,
)
from abcwebrtc.probe.turn_session import (
    UNAUTHORIZED,
    WRONG_CREDENTIALS,
    RedirectError,
    Session,
    accepts,
    investigate,
)
from abcwebrtc.texts import harmless_logger

_LOG = harmless_logger(__name__)
SHORT_TTL = 60
"""Seconds: a server whose clock is ahead refuses a login that expires so soon."""
QUOTA = 486
MAX_REDIRECTS = 4
FREED = 1.2
"""Seconds after which coturn, which checks once a second, has freed an allocation."""


def probe_address(seen: Observation, settings: Settings, server_lock: threading.Lock) -> None:
    """Do every step, and store what is seen in the observation."""
    with contextlib.suppress(StoppedError):
        try:
            _Attempt(seen, settings, server_lock).run()
        except StepError as error:
            seen.failures.append(error.failure)
            failure = error.failure
            what = f"{failure.kind} {failure.error or failure.detail}".strip()
            _LOG.debug("%s at %s: %s failed: %s", seen.target.url, seen.address, failure.step, what)


class _Attempt:
    """The steps of one observation; a failure that ends them is raised as `StepError`."""

    def __init__(self, seen: Observation, settings: Settings, server_lock: threading.Lock) -> None:
        self._seen, self._settings, self._lock = seen, settings, server_lock
        self._context = settings.trust if seen.target.transport == TLS else None
        self._place = (seen.address, seen.target.port)

    def run(self) -> None:
        with self._first_connection() as wire:
            self._seen.local = wire.local
            self._seen.times.update(wire.times)
            self._keep_certificate(wire)
            answered = self._bind(wire)
            if answered and self._seen.target.libnice:
                self._ask_as_libnice()
            account = self._seen.target.account
            if account:
                # Two probes of one server at once could exceed its quota.
                with self._lock:
                    self._allocate(account, wire, answered)

    # the connection

    def _open(self) -> Wire:
        return self._opened(self._context)

    def _opened(self, context: Optional[ssl.SSLContext]) -> Wire:
        address, port = self._place
        return Wire(self._seen.target, address, self._settings, context, port)

    def _first_connection(self) -> Wire:
        """Connect; note a certificate that is not trusted, and go on without verification."""
        try:
            return self._open()
        except StepError as error:
            failure = error.failure
        if failure.kind == "certificate":
            self._seen.failures.append(failure)
            self._context = unverified_context()
            try:
                return self._open()
            except StepError as error:
                failure = error.failure
        if failure.step == HANDSHAKE and "ALERT" not in failure.detail:  # an alert is TLS
            self._seen.spoken = self._answer_without_tls()
        elif "HANDSHAKE_FAILURE" in failure.detail and shows_certificate(self._opened):
            failure = replace(failure, kind="client-certificate")
        raise StepError(failure)

    def _keep_certificate(self, wire: Wire) -> None:
        if self._context is None:
            return
        distrust = next((one for one in self._seen.failures if one.kind == "certificate"), None)
        code, text = (distrust.error, distrust.detail) if distrust else (0, "")
        with contextlib.suppress(ValueError):
            self._seen.certificate = read_certificate(wire.certificates(), code, text)

    def _answer_without_tls(self) -> str:
        """Return ``stun`` or ``http`` if that answers on a TLS port without TLS, else nothing."""
        target, timeout = replace(self._seen.target, transport=TCP), self._settings.second_look
        try:
            with Wire(target, self._seen.address, self._settings) as wire:
                wire.request(request_message(stun.Method.BINDING), BINDING, timeout)
        except StepError as error:
            return error.failure.kind if error.failure.kind == "http" else self._speaks(target)
        return "stun"

    def _speaks_instead(self) -> str:
        """Return ``http`` or ``tls`` if that answers on a stream, else nothing."""
        target = self._seen.target
        found = self._speaks(target)
        if found or target.transport == TLS:
            return found
        try:
            with Wire(target, self._seen.address, self._settings, unverified_context()):
                return "tls"
        except StepError as error:
            return "tls" if "ALERT" in error.failure.detail else ""

    def _speaks(self, target: Target) -> str:
        """Return ``http`` if a stream speaks it, else nothing."""
        context = self._context if target.transport == TLS else None
        try:
            with Wire(target, self._seen.address, self._settings, context) as wire:
                wire.send(b"GET / HTTP/1.0\r\n\r\n", BINDING)
                wire.receive(time.monotonic() + self._settings.second_look, BINDING)
        except StepError as error:
            return "http" if error.failure.kind == "http" else ""
        return ""

    # STUN

    def _bind(self, wire: Wire) -> bool:
        """Ask for the reflexive address, and say whether the server answered.

        A TURN server may have Binding switched off, so silence does not end its probe.
        """
        seen = self._seen
        try:
            with timed(seen.times, BINDING):
                answer = wire.request(request_message(stun.Method.BINDING), BINDING)
        except StepError as error:
            is_stream = seen.target.transport != UDP
            if is_stream and error.failure.kind in ("timeout", "closed"):
                seen.spoken = self._speaks_instead()
            if error.failure.kind != "timeout" or seen.spoken or not seen.target.is_turn:
                raise
            return False
        mapped = mapped_address(answer)
        if mapped:
            seen.reflexive = address_text(mapped)
            return True
        seen.times.pop(BINDING)
        failure = error_failure(BINDING, answer)
        if not seen.target.is_turn:
            raise StepError(failure)
        seen.failures.append(failure)
        return True

    def _ask_as_libnice(self) -> None:
        """Find out whether the server answers a Binding without the magic cookie."""
        seen = self._seen
        with PlainSocket(seen.address, self._settings.stop) as plain:
            try:
                with timed(seen.times, RFC3489):
                    plain.ask_classic(self._place, self._settings.timeout)
                seen.rfc3489 = True
            except StepError as error:
                seen.failures.append(error.failure)
                seen.rfc3489 = False

    # TURN

    def _allocate(self, account: Account, wire: Wire, answered: bool) -> None:
        """Open a relay and send data through it; if that fails, find out why."""
        login = account.login_at(time.time())
        failure = self._use_relay(wire, login, 0 if answered else self._settings.second_look)
        if failure and failure.error == WRONG_CREDENTIALS and not failure.at:
            with self._open() as another:  # from another port, see `accepts`
                failure = self._use_relay(another, login)
        if failure is None:
            self._check_clock(account)
            return
        if not (answered or failure.at) and (failure.step, failure.kind) == (ALLOCATE, "timeout"):
            failure = Failure(BINDING, "timeout")
        if failure.error == UNAUTHORIZED and account.mint:
            self._seen.search = investigate(account, self._accepts, time.time())
        raise StepError(failure)

    def _use_relay(self, wire: Wire, login: Login, timeout: float = 0) -> Optional[Failure]:
        """Return what went wrong, after freeing the allocation.

        `timeout` is the seconds to wait for the first answer.
        """
        seen, session = self._seen, Session(wire, login)
        seen.realms = session.realms
        try:
            with session:
                self._try_allocate(session, seen.times, timeout)
                seen.anonymous = session.anonymous
                seen.relayed = address_text(session.relayed)
                self._use_paths(session, login)
        except RedirectError as error:
            alternate, failure = error.alternate, error.failure
        except StepError as error:
            return self._placed(error.failure)
        else:
            return None
        return self._follow(alternate, failure, login)

    def _follow(self, alternate: Address, failure: Failure, login: Login) -> Optional[Failure]:
        """Go on at the server that a 300 names, as browsers do, but not in a circle."""
        text, redirects = address_text(alternate), self._seen.redirects
        first = address_text((self._seen.address, self._seen.target.port))
        is_known = text in (first, *redirects)
        redirects.append(text)
        self._place = alternate
        if is_known or len(redirects) > MAX_REDIRECTS:
            return self._placed(failure)
        try:
            with self._open() as wire:
                return self._use_relay(wire, login)
        except StepError as error:
            return self._placed(error.failure)

    def _placed(self, failure: Failure) -> Failure:
        """Note at which server a failure happened, if it is not the url's own."""
        is_here = not self._seen.redirects or failure.at
        return failure if is_here else replace(failure, at=self._seen.redirects[-1])

    def _try_allocate(self, session: Session, times: Dict[str, float], timeout: float = 0) -> None:
        """Allocate; at a quota try again, since the previous probe may have filled it."""
        try:
            with timed(times, ALLOCATE):
                session.allocate(timeout)
        except StepError as error:
            if error.failure.error != QUOTA:
                raise
        else:
            return
        if self._settings.stop.wait(FREED):
            raise StoppedError
        with timed(times, ALLOCATE):
            session.allocate()

    def _use_paths(self, first: Session, login: Login) -> None:
        """Send data from relay to relay, and from outside to a relay, both ways."""
        failure: Optional[Failure] = None
        try:
            self._use_two_relays(first, login)
        except StepError as error:
            if error.failure.step != RELAY:
                raise
            failure = error.failure  # first see whether data from outside arrives
        self._seen.outside = from_outside(first, self._seen, self._settings)
        if failure:
            raise StepError(failure)

    def _use_two_relays(self, first: Session, login: Login) -> None:
        """Send data between two relays or, if the server gives no second one, through the first."""
        with contextlib.ExitStack() as stack:
            second = stack.enter_context(Session(stack.enter_context(self._open()), login))
            try:
                self._try_allocate(second, {})
            except StepError as error:
                if error.failure.error == WRONG_CREDENTIALS:  # from another port, see `accepts`
                    second = stack.enter_context(Session(stack.enter_context(self._open()), login))
                    self._try_allocate(second, {})
                elif error.failure.error == QUOTA:
                    self._seen.alone, second = True, first
                else:
                    raise
            between_relays(first, second, self._seen, self._settings)

    # logins

    def _accepts(self, login: Login) -> bool:
        return accepts(self._open, login)

    def _check_clock(self, account: Account) -> None:
        """Find out whether the server's clock is so far ahead that logins expire early."""
        if not account.mint or self._seen.anonymous or account.ttl <= SHORT_TTL:
            return
        short = replace(account, secrets=1, ttl=SHORT_TTL)
        with contextlib.suppress(StepError):
            if not self._accepts(short.login_at(time.time())):
                self._seen.search = investigate(short, self._accepts, time.time())
