"""STUN messages over one socket, and what may come instead of an answer.

The codec is aioice's; its transactions are not used. They drop errors that are
not signed, such as coturn's 400, and wait for half a minute.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, Union

from aioice import stun

from abcwebrtc.probe.messages import COOKIE, Address, answer_to, is_channel_data, relayed_data
from abcwebrtc.probe.model import CONNECT, HANDSHAKE, UDP, Failure, Target

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

    Messages go out and come in whole, over a stream too. Every method raises
    `StepError` for what goes wrong, and `StoppedError` when it is to stop.
    """

    def __init__(self, target: Target, address: str, settings: Settings, port: int = 0) -> None:
        self.target, self.address, self.settings = target, address, settings
        self.port = port or target.port
        self.times: Dict[str, float] = {}
        self._buffer = b""
        self._is_stream = target.transport != UDP
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if self._is_stream else socket.SOCK_DGRAM
        with failing(CONNECT):
            self._socket: Any = socket.socket(family, kind)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    @property
    def local(self) -> str:
        """The address that this machine has on the connection."""
        return str(self._socket.getsockname()[0])

    def connect(self) -> None:
        """Connect the socket, without TLS."""
        with failing(CONNECT), timed(self.times, CONNECT):
            self._socket.settimeout(self.settings.timeout)
            self._socket.connect((self.address, self.port))

    def secure(self, context: ssl.SSLContext) -> None:
        """Begin TLS."""
        with failing(HANDSHAKE), timed(self.times, HANDSHAKE):
            self._socket = context.wrap_socket(
                self._socket, server_hostname=self.target.host.rstrip(".")
            )

    def open(self, context: Optional[ssl.SSLContext]) -> None:
        """Connect, with TLS where there is a context."""
        self.connect()
        if context:
            self.secure(context)

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
        """Return whole messages as they come, until a moment of the monotonic clock."""
        while True:
            data = self._next(until, step)
            if data is None:
                return
            yield data

    def _next(self, until: float, step: str) -> Optional[bytes]:
        while True:
            message = self._cut(step) if self._is_stream else None
            if message:
                return message
            data = self._receive(until, step)
            if data is None:
                return None
            if not self._is_stream and data:
                _check_kind(data, step)
                return data
            self._buffer += data

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
        while True:
            left = until - time.monotonic()
            if self.settings.stop.is_set():
                raise StoppedError
            if left <= 0:
                return None
            try:
                self._socket.settimeout(min(left, SLICE))
                data: bytes = self._socket.recv(65536)
            except socket.timeout:
                continue
            except OSError as error:
                failure = os_failure(step, error)
            else:
                if data or not self._is_stream:
                    return data
                failure = Failure(step, "closed")
            raise StepError(failure)


def _check_kind(data: bytes, step: str) -> None:
    """Raise `StepError` for what is neither STUN nor data of a channel."""
    is_stun = data[0] & 0xC0 == 0 and data[4:8] in (b"", COOKIE[: len(data[4:8])])
    if data[:2] in _TLS_RECORDS:
        raise StepError(Failure(step, "tls-answer"))
    if not is_stun and not is_channel_data(data):
        is_http = data[:5].upper() in (b"HTTP/", b"<HTML", b"<!DOC")
        raise StepError(Failure(step, "http" if is_http else "not-stun"))


@contextlib.contextmanager
def failing(step: str) -> Iterator[None]:
    """Turn the system's exceptions into `StepError`."""
    try:
        yield
        return
    except OSError as error:  # ssl.SSLError is one, and socket.timeout
        failure = os_failure(step, error)
    except ValueError as error:  # a name that TLS can't ask for
        failure = Failure(step, "error", detail=type(error).__name__)
    raise StepError(failure)


@contextlib.contextmanager
def timed(times: Dict[str, float], step: str) -> Iterator[None]:
    """Keep the milliseconds that a step takes, if it comes to its end."""
    start = time.monotonic()
    yield
    times[step] = (time.monotonic() - start) * 1000


def os_failure(step: str, error: OSError) -> Failure:
    """Return what an exception of a socket means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(step, "certificate", error.verify_code, detail=error.verify_message)
    if isinstance(error, socket.timeout):
        return Failure(step, "timeout")
    if isinstance(error, ConnectionRefusedError):
        return Failure(step, "refused")
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        return Failure(step, "closed")
    if isinstance(error, ssl.SSLError):
        return Failure(step, "tls", detail=error.reason or "")
    if error.errno == errno.ETIMEDOUT:
        return Failure(step, "timeout")
    kind = "unreachable" if error.errno in _UNREACHABLE else "error"
    return Failure(step, kind, detail=error.strerror or "")
