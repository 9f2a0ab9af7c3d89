"""Asks coturn which secrets it accepts, with the TURN client of the probe.

A question is a Refresh: coturn checks the login first, and then finds no allocation to refresh.
So it takes up neither a port nor a quota.
"""

from __future__ import annotations

import functools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Dict, List, Sequence

from abcwebrtc.config.coturn import DAY
from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.rotation import Answer
from abcwebrtc.probe.model import TLS, Failure, Login
from abcwebrtc.probe.runner import resolve_all
from abcwebrtc.probe.stun_client import Settings, StepError, Wire, unverified_context
from abcwebrtc.probe.targets import browser_target
from abcwebrtc.probe.turn_session import CAPACITY, NO_ALLOCATION, UNAUTHORIZED, accepts
from abcwebrtc.turn.credentials import mint_turn_credentials

CHECK_TTL = DAY
"""Seconds, long enough that a difference between the clocks doesn't matter."""
CHECK_USER = "abcwebrtc-rotate-check"
_PARALLEL = 8
_REASONS = {
    "tls": "no TLS on this port",
    "tls-answer": "TLS on this port",
    "refused": "connection refused",
    "closed": "connection closed",
    "http": "a web server on this port",
    "not-stun": "no TURN on this port",
}


@dataclass(frozen=True)
class Question:
    """A login to try at one address of a server; the repr hides it."""

    uri: IceURI
    address: str
    login: Login


def question(uri: IceURI, address: str, secret: Secret, with_user: bool, now: float) -> Question:
    """Return the question of whether the server at `address` knows a secret."""
    user = CHECK_USER if with_user else None
    made = mint_turn_credentials(secret, CHECK_TTL, user, now)
    return Question(uri, address, Login(made.username, made.password))


def addresses_of(uris: Sequence[IceURI], timeout: float) -> Dict[IceURI, List[str]]:
    """Return the addresses of each server; none for a name that does not resolve.

    A name with several addresses may be several coturns, each with its own secrets. IPv6
    addresses are included if this machine has one.
    """
    found = resolve_all([uri.bare_host for uri in uris], timeout, socket.AI_ADDRCONFIG)
    return {uri: found[uri.bare_host][0] for uri in uris}


def ask_all(questions: Sequence[Question], timeout: float) -> List[Answer]:
    """Return the answer to each question; a step of one may take `timeout` seconds."""
    settings = Settings(timeout, unverified_context(), threading.Event())
    with ThreadPoolExecutor(_PARALLEL) as pool:
        try:
            return list(pool.map(functools.partial(_ask, settings), questions))
        finally:
            settings.stop.set()  # after Ctrl-C, some still wait for an answer


def _ask(settings: Settings, asked: Question) -> Answer:
    """Return whether coturn accepts a login.

    Any certificate will do: TURN never sends a password, so nothing secret is sent, and whether
    the certificate is good is another question.
    """
    target = browser_target(asked.uri)
    context = settings.trust if target.transport == TLS else None
    try:
        return Answer(accepts(lambda: Wire(target, asked.address, settings, context), asked.login))
    except StepError as error:
        return Answer(None, reason_of(error.failure, settings.timeout))


def reason_of(failure: Failure, timeout: float) -> str:
    """Say in a few words why there was no answer; `timeout` is in seconds."""
    if failure.kind == "timeout":
        return f"no answer in {timeout:g} s"
    if failure.kind == "stun":
        no_login = failure.error == NO_ALLOCATION  # not signed, or the login would be accepted
        if failure.error == UNAUTHORIZED:
            return "401: it refuses the secret, or its clock is ahead"
        if failure.error == CAPACITY:
            return "508: it has no relay port left"
        return "it asks for no login" if no_login else f"STUN error {failure.error}"
    return _REASONS.get(failure.kind) or failure.detail or "no connection"
