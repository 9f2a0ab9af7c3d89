"""What this machine sees of the configured servers, since a browser doesn't say why one fails.

Chromium reports an untrusted certificate, a closed port, and a web server on coturn's port
with the same words. It also follows a redirect (300, alternate-server) silently.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any, Deque, Dict, Optional, Tuple

from aioice import stun, turn

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.coturn.certificate import read_certificate
from abcwebrtc.probe.causes import in_brackets, said
from abcwebrtc.probe.diagnosis import diagnose
from abcwebrtc.probe.messages import ALTERNATE_SERVER, address_text, request_message
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    OK,
    TLS,
    UDP,
    Circumstances,
    Diagnosis,
    Failure,
    Observation,
    Place,
    Target,
)
from abcwebrtc.probe.runner import lookup_failure
from abcwebrtc.probe.stun_client import (
    Settings,
    StepError,
    Wire,
    shows_certificate,
    unverified_context,
)
from abcwebrtc.texts import harmless_logger

TRUSTED = Diagnosis(OK, "trusted", "TLS works, and the certificate is trusted")
SECONDS = 5.0
"""Timeout of one step of a look."""
REDIRECT_SECONDS = 2.0
KEPT_SECONDS = 30.0
"""How long results are kept before servers are looked at again."""
THREADS = 16
"""How many servers are looked at in parallel."""
_HERE = "abcwebrtc serve"
_BOTH = f"this browser, and from {_HERE}"
"""By the time of a look, a browser has already failed."""
_log = harmless_logger(__name__)


class Looks:
    """Looks at the configured servers, and at no others: what TLS shows, and which ones redirect.

    There is one look at a time, in the background, however many requests ask for one. So no
    request waits for the DNS or a connection. The threads are daemons; otherwise the process
    could not exit before the DNS has answered.
    """

    def __init__(self, config: WebRTCConfig) -> None:
        self._targets = targets(config)
        self._lock = threading.Lock()
        self._seen: Dict[str, Dict[str, str]] = {}
        self._left = 0
        self._kept_until = 0.0

    def told(self) -> Dict[str, Any]:
        """Return at once what has been seen so far, and begin a new look if that is too old.

        ``seen`` has what was seen at each ``host:port`` with TLS, and the servers that
        redirect, as ``udp:host:port`` and ``tcp:host:port``. While ``looking`` is true, more
        is to come: ask again.
        """
        with self._lock:
            if self._targets and not self._left and time.monotonic() >= self._kept_until:
                self._begin()
            return {"looking": self._left > 0, "seen": dict(self._seen)}

    def _begin(self) -> None:
        self._seen = {}
        waiting = deque(self._targets.items())
        for _ in range(min(THREADS, len(waiting))):
            threading.Thread(target=self._work, args=(waiting,), name="look", daemon=True).start()
            self._left = len(self._targets)  # only now: starting a thread may fail

    def _work(self, waiting: Deque[Tuple[str, Target]]) -> None:
        while True:
            try:
                place, target = waiting.popleft()
            except IndexError:
                return
            found = None
            try:
                found = look(target)
            except Exception:  # otherwise this look would never end, and no other could begin
                _log.exception("the look at %s failed", place)
            with self._lock:
                if found:
                    self._seen[place] = found.as_dict()
                self._left -= 1
                self._kept_until = time.monotonic() + KEPT_SECONDS


def targets(config: WebRTCConfig) -> Dict[str, Target]:
    """Return each server with TLS and each TURN server without, by the page's name for it."""
    found: Dict[str, Target] = {}
    for uri in config.uris:
        transport = TLS if uri.scheme in ("stuns", "turns") else uri.transport or UDP
        if uri.scheme != "stun":
            target = Target(replace(uri, host=uri.host.lower()), transport)
            place = f"{target.host}:{target.port}"
            found.setdefault(place if transport == TLS else f"{transport}:{place}", target)
    return found


def look(
    target: Target, timeout: float = SECONDS, trust: Optional[ssl.SSLContext] = None
) -> Optional[Diagnosis]:
    """Return what a server shows; None for one without TLS that doesn't redirect.

    `timeout` limits each step, in seconds. `trust` has the authorities, by default the
    system's.
    """
    settings = Settings(timeout, trust or ssl.create_default_context(), threading.Event())
    looking = _look_at_tls if target.transport == TLS else _look_for_redirect
    return looking(target, settings)


def _look_at_tls(target: Target, settings: Settings) -> Diagnosis:
    """Do a TLS handshake with a server, try STUN and TURN, and return what that shows."""
    seen = Observation(target, address=target.host)  # a browser knows no other address
    try:
        with _opened(target, settings, settings.trust) as wire:
            seen.times.update(wire.times)
            _ask(wire)
        return TRUSTED
    except StepError as error:
        failure = error.failure
    except (socket.gaierror, UnicodeError) as error:
        failure = replace(lookup_failure(error), detail=f"asked from {_HERE}")
    if failure.step == CONNECT and failure.kind != "refused":
        where = f"{target.host}, TCP port {target.port}"
        if failure.kind == "timeout":
            return said("no-answer", where=where, within="", place=_BOTH)
        detail = in_brackets(failure.detail)
        return said("unreachable/serve", where=where, place=_BOTH, detail=detail)
    if failure.kind == "certificate":
        with contextlib.suppress(StepError, OSError, ValueError):
            with _opened(target, settings, unverified_context()) as wire:
                found = wire.certificates()
            seen.certificate = read_certificate(found, failure.error, failure.detail)
    elif "HANDSHAKE_FAILURE" in failure.detail:
        with contextlib.suppress(OSError):  # the name does not resolve any more
            if shows_certificate(functools.partial(_opened, target, settings)):
                failure = replace(failure, kind="client-certificate")
    seen.failures.append(failure)
    return diagnose(seen, Circumstances(Place(_HERE), time.time(), settings.timeout))[0]


def _opened(target: Target, settings: Settings, context: Optional[ssl.SSLContext]) -> Wire:
    """Return a connection to the first address of the server that accepts one."""
    kind = socket.SOCK_DGRAM if target.transport == UDP else socket.SOCK_STREAM
    failure = Failure(CONNECT, "error")
    for *_, place in socket.getaddrinfo(target.host, target.port, type=kind):
        try:
            return Wire(target, str(place[0]), settings, context)
        except StepError as error:
            failure = error.failure
        if failure.step != CONNECT:
            break
    raise StepError(failure)


def _ask(wire: Wire) -> None:
    """Send a Binding, then an Allocate: coturn can have either of them turned off.

    Without a login, nothing is allocated.
    """
    try:
        wire.request(request_message(stun.Method.BINDING), BINDING, wire.settings.second_look)
        return
    except StepError as error:
        if error.failure.kind != "timeout":
            raise
    wire.request(_allocate(), BINDING)


def _allocate() -> stun.Message:
    attributes = {"REQUESTED-TRANSPORT": turn.UDP_TRANSPORT}
    return request_message(stun.Method.ALLOCATE, attributes)


def _look_for_redirect(target: Target, settings: Settings) -> Optional[Diagnosis]:
    """Return where a TURN server redirects its clients before any login, or None."""
    with contextlib.suppress(StepError, OSError, UnicodeError):
        with _opened(target, settings, None) as wire:
            answer = wire.request(_allocate(), ALLOCATE, min(settings.timeout, REDIRECT_SECONDS))
        alternate = answer.attributes.get(ALTERNATE_SERVER)
        if answer.message_class == stun.Class.ERROR and alternate:
            return said("redirect/unanswered", next=address_text(alternate))
    return None
