"""A TURN session on one connection, and the search for a login that the server accepts."""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Callable, Dict, List, Tuple, TypeVar

from aioice import stun, turn

from abcwebrtc.probe.messages import (
    ALTERNATE_SERVER,
    CHANNEL,
    Address,
    channel_data,
    error_failure,
    request_message,
)
from abcwebrtc.probe.model import (
    ALLOCATE,
    PERMISSION,
    RELAY,
    Account,
    Failure,
    Login,
    SecretSearch,
)
from abcwebrtc.probe.stun_client import StepError, StoppedError, Wire
from abcwebrtc.times import MAX_EXPIRY

T = TypeVar("T")
LIFETIME = 60
"""Seconds for which an allocation is requested; coturn gives at least 600."""
REDIRECT, UNAUTHORIZED, FORBIDDEN, NO_ALLOCATION, STALE_NONCE = 300, 401, 403, 437, 438
WRONG_CREDENTIALS, CAPACITY = 441, 508
_MOST_WIRES = 5
"""How many local ports to try; that even two in a row are known is rare."""
FREE_TIMEOUT = 1.0
"""Seconds that freeing an allocation may take."""


class RedirectError(StepError):
    """The server redirects its clients to another one; `alternate` is that one's address."""

    def __init__(self, failure: Failure, alternate: Address) -> None:
        super().__init__(failure)
        self.alternate = alternate


class Session:
    """TURN on one connection, with a long-term credential (RFC 8489, section 9.2).

    As a context manager, it frees its allocation at the end. `mapped` is the address from which
    the server sees the connection, empty if it does not say so. `anonymous` means that the
    server asked for no login. `realms` are those that the server named.
    """

    def __init__(self, wire: Wire, login: Login) -> None:
        self.wire = wire
        self.relayed: Address = ("", 0)
        self.mapped: Address = ("", 0)
        self.anonymous = False
        self.realms: List[str] = []
        self._login = login
        self._attributes: Dict[str, Any] = {}
        self._key = b""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        """Free the allocation, even if the probe is told to stop."""
        if self.relayed[0]:
            message = self._message(stun.Method.REFRESH, {"LIFETIME": 0})
            with contextlib.suppress(StepError, StoppedError):
                self.wire.request(message, ALLOCATE, FREE_TIMEOUT)

    def allocate(self, challenge_timeout: float = 0) -> None:
        """Open a relay, and set `relayed` to its address."""
        fixed = {"LIFETIME": LIFETIME, "REQUESTED-TRANSPORT": turn.UDP_TRANSPORT}
        answer = self._ask(stun.Method.ALLOCATE, fixed, ALLOCATE, challenge_timeout)
        relayed = answer.attributes.get("XOR-RELAYED-ADDRESS")
        if not relayed:
            raise StepError(Failure(ALLOCATE, "not-stun"))
        self.relayed = relayed
        self.mapped = answer.attributes.get("XOR-MAPPED-ADDRESS", self.mapped)
        self.anonymous = not self._key

    def is_accepted(self) -> bool:
        """Return whether the server accepts the login; allocate nothing.

        This sends a Refresh: coturn checks the login first, and then finds no allocation to
        refresh, which is a 437. An unsigned 437 means that the server asked for no login, and
        is raised like any other failure.
        """
        try:
            self._ask(stun.Method.REFRESH, {"LIFETIME": 0}, ALLOCATE)
        except StepError as error:
            if error.failure.error == UNAUTHORIZED:
                return False
            if error.failure.kind == "stun" and error.failure.signed:
                return True
            raise
        return True

    def permit(self, peer: Address) -> None:
        """Permit a peer to send from any port."""
        self._ask(stun.Method.CREATE_PERMISSION, {"XOR-PEER-ADDRESS": peer}, PERMISSION)

    def bind(self, peer: Address, channel: int = CHANNEL) -> None:
        """Bind a channel to a peer, which also permits the peer to send."""
        attributes = {"CHANNEL-NUMBER": channel, "XOR-PEER-ADDRESS": peer}
        self._ask(stun.Method.CHANNEL_BIND, attributes, PERMISSION)

    def send(self, payload: bytes, channel: int = CHANNEL) -> None:
        """Send data to the peer of a channel."""
        self.wire.send(channel_data(payload, channel), RELAY)

    def _ask(
        self, method: stun.Method, attributes: Dict[str, Any], step: str, timeout: float = 0
    ) -> stun.Message:
        """Send a request; answer a challenge, and then a stale nonce, once."""
        answer = self._request(method, attributes, step, timeout)
        was_signed = bool(self._key)
        if self._take_challenge(answer, was_signed):
            answer = self._request(method, attributes, step)
            if not was_signed and answer.attributes.get("ERROR-CODE", (0,))[0] == STALE_NONCE:
                self._take_challenge(answer, True)
                answer = self._request(method, attributes, step)
        if answer.message_class == stun.Class.RESPONSE:
            return answer
        failure, alternate = error_failure(step, answer), answer.attributes.get(ALTERNATE_SERVER)
        if failure.error == REDIRECT and alternate:
            raise RedirectError(failure, alternate)
        raise StepError(failure)

    def _request(
        self, method: stun.Method, attributes: Dict[str, Any], step: str, timeout: float = 0
    ) -> stun.Message:
        answer = self.wire.request(self._message(method, attributes), step, timeout)
        realm = answer.attributes.get("REALM")
        if realm and realm not in self.realms:
            self.realms.append(realm)
        return answer

    def _take_challenge(self, answer: stun.Message, was_signed: bool) -> bool:
        """Store the realm and nonce of a 401 or 438, and say whether to ask again."""
        code = answer.attributes.get("ERROR-CODE", (0,))[0]
        wanted = STALE_NONCE if was_signed else UNAUTHORIZED
        if code != wanted or "NONCE" not in answer.attributes:
            return False
        realm = answer.attributes.get("REALM", self._attributes.get("REALM"))
        if realm is None:
            return False
        login = self._login
        self._attributes = {
            "USERNAME": login.username,
            "REALM": realm,
            "NONCE": answer.attributes["NONCE"],
        }
        self._key = turn.make_integrity_key(login.username, realm, login.password)
        return True

    def _message(self, method: stun.Method, attributes: Dict[str, Any]) -> stun.Message:
        message = request_message(method, {**attributes, **self._attributes})
        if self._key:
            message.add_message_integrity(self._key)
        return message


# after a 401


def accepts(open_wire: Callable[[], Wire], login: Login) -> bool:
    """Return whether the server accepts a login; see `Session.is_accepted`."""
    return from_fresh_ports(open_wire, lambda wire: Session(wire, login).is_accepted())


def from_fresh_ports(open_wire: Callable[[], Wire], use: Callable[[Wire], T]) -> T:
    """Return what `use` makes of a connection, and close that.

    Over UDP, the system may pick a local port that an earlier login had. For coturn that login's
    session goes on, and another username gets a 441 (RFC 8656, section 7.2), which says nothing
    about the new login. So it is tried again from another port; the first one is kept open until
    then.
    """
    with contextlib.ExitStack() as wires:
        for _ in range(_MOST_WIRES):
            try:
                return use(wires.enter_context(open_wire()))
            except StepError as error:
                if error.failure.error != WRONG_CREDENTIALS:
                    raise
                failure = error.failure
    raise StepError(failure)


def investigate(account: Account, accepts: Callable[[Login], bool], now: float) -> SecretSearch:
    """Try every secret with the configured ttl, then with the latest possible expiry.

    `accepts` asks the server whether it accepts a login. If it accepts a secret only with the
    late expiry, its clock is ahead, and is measured. `now` is in unix seconds. A question that
    fails is asked once more. If that fails too, the search ends, and keeps what it has shown.
    """
    mint, expiry = account.mint, int(now) + account.ttl
    if mint is None:
        return SecretSearch()
    ask, positions = functools.partial(_asked_again, accepts), range(account.secrets)
    try:
        known = next((one for one in positions if ask(mint(one, expiry))), None)
        if known is not None:
            return SecretSearch(account.secrets, known)
        known = next((one for one in positions if ask(mint(one, MAX_EXPIRY))), None)
    except StepError:
        return SecretSearch(account.secrets, complete=False)
    if known is None:
        return SecretSearch(account.secrets)
    late = functools.partial(mint, known)
    earliest, latest = measure_clock(lambda moment: ask(late(moment)), expiry)
    ahead = round(earliest - now)
    return SecretSearch(account.secrets, known, ahead, complete=earliest == latest)


def _asked_again(accepts: Callable[[Login], bool], login: Login) -> bool:
    """Ask about a login, and once more if that fails: among some thirty, one may be unlucky."""
    with contextlib.suppress(StepError):
        return accepts(login)
    return accepts(login)


def measure_clock(accepts_expiry: Callable[[int], bool], refused: int) -> Tuple[int, int]:
    """Return the earliest and the latest that the server's clock may be, in unix seconds.

    They are the same, to the second, unless a request fails, which ends the search. The server
    accepts a login until it expires, so the earliest expiry that it accepts is its present time.
    It is known to accept `MAX_EXPIRY`, and to refuse `refused`.
    """
    accepted = MAX_EXPIRY
    with contextlib.suppress(StepError):
        while accepted - refused > 1:
            middle = (accepted + refused) // 2
            if accepts_expiry(middle):
                accepted = middle
            else:
                refused = middle
    return refused + 1, accepted
