"""STUN messages over sockets, and what may come instead of an answer.

The codec is aioice's; its transactions are not used. They drop errors that are
not signed, such as coturn's 400, and wait for half a minute.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple, Union

from aioice import stun

from abcwebrtc.probe.messages import (
    COOKIE,
    Address,
    answer_to,
    classic_binding,
    is_channel_data,
    is_classic_answer,
    mapped_address,
    relayed_data,
    request_message,
)
from abcwebrtc.probe.model import (
    BINDING,
    CONNECT,
    HANDSHAKE,
    OUTSIDE,
    RFC3489,
    UDP,
    Failure,
    Target,
)

RETRANSMIT = 0.5
"""Seconds until a datagram is sent again the first time; it doubles (RFC 8489, section 6.2.1)."""
SECOND_LOOK = 1.5
"""Seconds to wait for another answer where there was none."""
SLICE = 0.2
"""Seconds after which a socket that waits looks whether it is to stop."""
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")  # an alert, a handshake
_UNREACHABLE = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EACCES,
    errno.EPERM,
)


class StepError(Exception):
    """A step did not come to its end; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind)
        self.failure = failure


class StoppedError(Exception):
    """The probe is to stop."""


@dataclass(frozen=True)
class Settings:
    """How to reach servers: `timeout` is that of a step in seconds; `stop` ends it all.

    `quick` leaves out the bursts. `bursts` are the servers that had theirs: the address, and
    whether by UDP.
    """

    timeout: float
    trust: ssl.SSLContext
    stop: threading.Event
    quick: bool = False
    bursts: Set[Tuple[str, bool]] = field(default_factory=set)

    @property
    def second_look(self) -> float:
        """The timeout of what is asked after something else had no answer, in seconds."""
        return min(self.timeout, SECOND_LOOK)


class Wire:
    """A connection to one address of a target, at another `port` than its own where one is given.

    It has TLS where there is a `context`. Messages go out and come in whole, over a stream too.
    All, the constructor as well, raises `StepError` for what goes wrong, and `StoppedError` when
    it is to stop.
    """

    def __init__(
        self,
        target: Target,
        address: str,
        settings: Settings,
        context: Optional[ssl.SSLContext] = None,
        port: int = 0,
    ) -> None:
        self.target, self.address, self.settings = target, address, settings
        self.port = port or target.port
        self.times: Dict[str, float] = {}
        self._buffer = b""
        self._is_stream = target.transport != UDP
        kind = socket.SOCK_STREAM if self._is_stream else socket.SOCK_DGRAM
        with failing(CONNECT):
            self._socket: Any = socket.socket(_family(address), kind)
        try:
            self._connect(context)
        except BaseException:
            self._socket.close()
            raise

    def _connect(self, context: Optional[ssl.SSLContext]) -> None:
        with failing(CONNECT), timed(self.times, CONNECT):
            self._socket.settimeout(self.settings.timeout)
            self._socket.connect((self.address, self.port))
        if context:
            with failing(HANDSHAKE), timed(self.times, HANDSHAKE):
                name = self.target.host.rstrip(".")
                self._socket = context.wrap_socket(self._socket, server_hostname=name)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def local(self) -> str:
        """The address that this machine has on the connection."""
        return str(self._socket.getsockname()[0])

    def certificates(self) -> List[bytes]:
        """Return the certificates that the server sent, DER; Python before 3.10 gives the first."""
        first = self._socket.getpeercert(binary_form=True)
        inner = getattr(self._socket, "_sslobj", None)
        chain = getattr(inner, "get_unverified_chain", lambda: None)() or ()
        found = [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain]
        return found or [first]

    def send(self, data: bytes, step: str) -> None:
        """Send a whole STUN message, or channel data that is padded already."""
        with failing(step):
            self._socket.settimeout(self.settings.timeout)
            self._socket.sendall(data)

    def request(self, message: stun.Message, step: str, timeout: float = 0) -> stun.Message:
        """Send a request, over UDP again and again, and return its answer."""
        deadline = time.monotonic() + (timeout or self.settings.timeout)
        wait = RETRANSMIT
        self.send(bytes(message), step)
        while True:
            until = deadline if self._is_stream else min(deadline, time.monotonic() + wait)
            for data in self._messages(until, step):
                answer = answer_to(message, data)
                if answer:
                    return answer
            if time.monotonic() >= deadline:
                raise StepError(Failure(step, "timeout"))
            self.send(bytes(message), step)
            wait *= 2

    def receive(self, until: float, step: str) -> Optional[Tuple[Union[int, Address], bytes]]:
        """Return the next data that comes through a relay, None when none comes in time.

        The first part is the number of its channel, or the address of the peer; `until`
        is a moment of the monotonic clock.
        """
        for data in self._messages(until, step):
            found = relayed_data(data)
            if found:
                return found
        return None

    def _messages(self, until: float, step: str) -> Iterator[bytes]:
        """Yield whole messages as they come, until a moment of the monotonic clock."""
        while True:
            message = self._cut(step) if self._is_stream else None
            if message:
                yield message
                continue
            data = self._receive(until, step)
            if data is None:
                return
            if self._is_stream:
                self._buffer += data
            elif data:
                _check_kind(data, step)
                yield data

    def _cut(self, step: str) -> Optional[bytes]:
        """Take a whole message out of what a stream gave."""
        if len(self._buffer) < 4:
            return None
        _check_kind(self._buffer, step)
        (length,) = struct.unpack("!H", self._buffer[2:4])
        length += stun.padding_length(length)
        length += 4 if is_channel_data(self._buffer) else 20
        if len(self._buffer) < length:
            return None
        message, self._buffer = self._buffer[:length], self._buffer[length:]
        return message

    def _receive(self, until: float, step: str) -> Optional[bytes]:
        """Return some bytes, None when none came by then."""
        for _ in _slices(self._socket, until, self.settings.stop):
            try:
                data: bytes = self._socket.recv(65536)
            except socket.timeout:
                continue
            except OSError as error:
                failure = _os_failure(step, error)
            else:
                if data or not self._is_stream:
                    return data
                failure = Failure(step, "closed")
            raise StepError(failure)
        return None


def _check_kind(data: bytes, step: str) -> None:
    """Raise `StepError` for what is neither STUN nor data of a channel."""
    is_stun = data[0] & 0xC0 == 0 and data[4:8] in (b"", COOKIE[: len(data[4:8])])
    if data[:2] in _TLS_RECORDS:
        raise StepError(Failure(step, "tls-answer"))
    if not is_stun and not is_channel_data(data):
        is_http = data[:5].upper() in (b"HTTP/", b"<HTML", b"<!DOC")
        raise StepError(Failure(step, "http" if is_http else "not-stun"))


class PlainSocket:
    """A UDP socket that is bound to no peer, as of somebody who sends to a relay without TURN.

    Its methods raise `StepError` for what goes wrong, and `StoppedError` when it is to stop.
    """

    def __init__(self, like: str, stop: threading.Event) -> None:
        """`like` is an address of the family that is wanted."""
        self._stop = stop
        with failing(CONNECT):
            self._socket = socket.socket(_family(like), socket.SOCK_DGRAM)

    def __enter__(self) -> PlainSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes, peer: Address, step: str = OUTSIDE) -> None:
        """Send a datagram."""
        with failing(step):
            self._socket.sendto(data, peer)

    def receive(self, until: float) -> Optional[Tuple[bytes, Address]]:
        """Return a datagram and who sent it, None when none came until then (monotonic clock)."""
        for _ in _slices(self._socket, until, self._stop):
            with contextlib.suppress(OSError):  # nothing came, or an ICMP error of what was sent
                data, peer = self._socket.recvfrom(65536)
                return data, (peer[0], peer[1])
        return None

    def local_towards(self, peer: Address) -> str:
        """Return the address of this machine from which it sends to a peer; nothing is sent."""
        with failing(OUTSIDE), socket.socket(self._socket.family, socket.SOCK_DGRAM) as other:
            other.connect(peer)
            return str(other.getsockname()[0])

    def ask(self, server: Address, timeout: float) -> Address:
        """Return the address that a STUN server sees this socket at."""
        message = request_message(stun.Method.BINDING)
        for data in self._answers(bytes(message), server, timeout, BINDING):
            answer = answer_to(message, data)
            mapped = mapped_address(answer) if answer else None
            if mapped:
                return mapped
        raise StepError(Failure(BINDING, "timeout"))

    def ask_classic(self, server: Address, timeout: float) -> None:
        """Ask a STUN server without the magic cookie (RFC 3489), as libnice does."""
        transaction = os.urandom(16)
        for data in self._answers(classic_binding(transaction), server, timeout, RFC3489):
            if is_classic_answer(transaction, data):
                return
        raise StepError(Failure(RFC3489, "timeout"))

    def _answers(
        self, message: bytes, server: Address, timeout: float, step: str
    ) -> Iterator[bytes]:
        """Send a request again and again, and yield what comes, until the time is over."""
        end, wait = time.monotonic() + timeout, RETRANSMIT
        while time.monotonic() < end:
            self.send(message, server, step)
            until = min(end, time.monotonic() + wait)
            came = self.receive(until)
            while came:
                yield came[0]
                came = self.receive(until)
            wait *= 2


def _slices(waiting: socket.socket, until: float, stop: threading.Event) -> Iterator[None]:
    """Yield until a moment of the monotonic clock, with a short timeout for the socket each time.

    Raises `StoppedError` when it is to stop.
    """
    while not stop.is_set():
        left = until - time.monotonic()
        if left <= 0:
            return
        waiting.settimeout(min(left, SLICE))
        yield
    raise StoppedError


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# what goes wrong


@contextlib.contextmanager
def failing(step: str) -> Iterator[None]:
    """Turn the system's exceptions into `StepError`."""
    try:
        yield
        return
    except OSError as error:  # ssl.SSLError is one, and socket.timeout
        failure = _os_failure(step, error)
    except ValueError as error:  # a name that TLS can't ask for
        failure = Failure(step, "error", detail=type(error).__name__)
    raise StepError(failure)


@contextlib.contextmanager
def timed(times: Dict[str, float], step: str) -> Iterator[None]:
    """Keep the milliseconds that a step takes, if it comes to its end."""
    start = time.monotonic()
    yield
    times[step] = (time.monotonic() - start) * 1000


def _os_failure(step: str, error: OSError) -> Failure:
    """Return what an exception of a socket means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(step, "certificate", error.verify_code, detail=error.verify_message)
    if isinstance(error, socket.timeout) or error.errno == errno.ETIMEDOUT:
        return Failure(step, "timeout")
    if isinstance(error, ConnectionRefusedError):
        return Failure(step, "refused")
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        return Failure(step, "closed")
    if isinstance(error, ssl.SSLError):
        return Failure(step, "tls", detail=error.reason or "")
    kind = "unreachable" if error.errno in _UNREACHABLE else "error"
    return Failure(step, kind, detail=error.strerror or "")


def shows_certificate(connect: Callable[[ssl.SSLContext], Wire]) -> bool:
    """Say whether a server that broke a handshake off came to its certificate before.

    Then it was content with the rest, and misses a certificate of the client. `connect`
    makes the connection once more.
    """
    try:
        with connect(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):  # which trusts nobody
            return False
    except StepError as error:
        return error.failure.kind == "certificate"


def unverified_context() -> ssl.SSLContext:
    """Return a context that takes any certificate, to look at one that is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
