"""Sends STUN messages over sockets, and recognises what may come instead of an answer.

The codec is aioice's, but its transactions are not used: they drop unsigned errors, such as
coturn's 400, and wait for half a minute.
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
    Address,
    address_text,
    answer_text,
    answer_to,
    classic_binding,
    is_channel_data,
    is_classic_answer,
    mapped_address,
    other_protocol,
    relayed_data,
    request_message,
    request_name,
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
from abcwebrtc.texts import harmless_logger

RETRANSMIT = 0.5
"""Seconds until a datagram is first sent again; they double each time (RFC 8489, section 6.2.1)."""
SECOND_LOOK = 1.5
"""Seconds to wait for an answer after another request got none."""
SLICE = 0.2
"""Seconds after which a waiting socket checks whether to stop."""
_LOG = harmless_logger(__name__)
_UNREACHABLE = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
    errno.EACCES,
    errno.EPERM,
)


class StepError(Exception):
    """A step failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.kind)
        self.failure = failure


class StoppedError(Exception):
    """The probe was told to stop."""


@dataclass(frozen=True)
class Settings:
    """How to probe: `timeout` is the seconds that a step may take; `stop` ends everything.

    `quick` skips the bursts. `bursts` are the servers that have had theirs: the address, and
    whether it was over UDP.
    """

    timeout: float
    trust: ssl.SSLContext
    stop: threading.Event
    quick: bool = False
    bursts: Set[Tuple[str, bool]] = field(default_factory=set)

    @property
    def second_look(self) -> float:
        """The seconds to wait for an answer after another request got none."""
        return min(self.timeout, SECOND_LOOK)


class Wire:
    """A connection to one address of a target, on the target's port unless `port` is given.

    It uses TLS if there is a `context`. Messages are sent and received whole, even over a stream.
    The constructor and all methods raise `StepError` if something goes wrong, and `StoppedError`
    if the probe is told to stop.
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

    def tell(self, text: str) -> None:
        """Log what is done on the connection; the text holds no part of a login."""
        place = address_text((self.address, self.port))
        _LOG.debug("%s over %s to %s: %s", self.target.url, self.target.transport, place, text)

    def _connect(self, context: Optional[ssl.SSLContext]) -> None:
        with failing(CONNECT), timed(self.times, CONNECT):
            self._socket.settimeout(self.settings.timeout)
            self._socket.connect((self.address, self.port))
        if context:
            with failing(HANDSHAKE), timed(self.times, HANDSHAKE):
                name = self.target.host.rstrip(".")
                self._socket = context.wrap_socket(self._socket, server_hostname=name)
        for step, took in self.times.items() if self._is_stream else ():
            self.tell(f"{step} in {took:.1f} ms")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def local(self) -> str:
        """The address of this machine on the connection."""
        return str(self._socket.getsockname()[0])

    def certificates(self) -> List[bytes]:
        """Return the server's certificates as DER; Python before 3.10 only has the first one."""
        first = self._socket.getpeercert(binary_form=True)
        inner = getattr(self._socket, "_sslobj", None)
        chain = getattr(inner, "get_unverified_chain", lambda: None)() or ()
        found = [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain]
        return found or [first]

    def send(self, data: bytes, step: str) -> None:
        """Send a whole STUN message, or ChannelData with its padding."""
        with failing(step):
            self._socket.settimeout(self.settings.timeout)
            self._socket.sendall(data)

    def request(self, message: stun.Message, step: str, timeout: float = 0) -> stun.Message:
        """Send a request, over UDP repeatedly, and return its answer."""
        name, start = request_name(message), time.monotonic()
        deadline, wait = start + (timeout or self.settings.timeout), RETRANSMIT
        self.tell(name)
        self.send(bytes(message), step)
        while True:
            until = deadline if self._is_stream else min(deadline, time.monotonic() + wait)
            for data in self._messages(until, step):
                answer = answer_to(message, data)
                if answer:
                    took = (time.monotonic() - start) * 1000
                    self.tell(f"{name}: {answer_text(answer)} in {took:.1f} ms")
                    return answer
            if time.monotonic() >= deadline:
                self.tell(f"{name}: no answer")
                raise StepError(Failure(step, "timeout"))
            self.send(bytes(message), step)
            wait *= 2

    def receive(self, until: float, step: str) -> Optional[Tuple[Union[int, Address], bytes]]:
        """Return the next data that comes through a relay, or None if none comes in time.

        The first part is the channel number or the peer's address. `until` is a moment of the
        monotonic clock.
        """
        for data in self._messages(until, step):
            found = relayed_data(data)
            if found:
                return found
        return None

    def _messages(self, until: float, step: str) -> Iterator[bytes]:
        """Yield whole messages as they arrive, until a moment of the monotonic clock."""
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
        """Cut a whole message off the front of what a stream has sent, if there is one."""
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
        """Return some bytes, or None if none arrive in time."""
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
    """Raise `StepError` for data that is neither STUN nor ChannelData."""
    kind = other_protocol(data)
    if kind:
        raise StepError(Failure(step, kind))


class PlainSocket:
    """A UDP socket that is not bound to a peer, like that of a client without TURN.

    Its methods raise `StepError` if something goes wrong, and `StoppedError` if the probe is told
    to stop.
    """

    def __init__(self, like: str, stop: threading.Event) -> None:
        """Open a socket of the same address family as `like`."""
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
        """Return a datagram and its sender, or None if none comes until then (monotonic clock)."""
        for _ in _slices(self._socket, until, self._stop):
            with contextlib.suppress(OSError):  # a timeout, or an ICMP error for an earlier packet
                data, peer = self._socket.recvfrom(65536)
                return data, (peer[0], peer[1])
        return None

    def local_towards(self, peer: Address) -> str:
        """Return the address from which this machine would send to a peer; send nothing."""
        with failing(OUTSIDE), socket.socket(self._socket.family, socket.SOCK_DGRAM) as other:
            other.connect(peer)
            return str(other.getsockname()[0])

    def ask(self, server: Address, timeout: float) -> Address:
        """Return the address from which a STUN server sees this socket."""
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
        """Send a request repeatedly, and yield what arrives until the timeout."""
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
    """Yield until a moment of the monotonic clock, with a short timeout set on the socket.

    Raises `StoppedError` if the probe is told to stop.
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
    """Turn the system's exceptions into a `StepError`."""
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
    """Store the milliseconds that a step takes, if it succeeds."""
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
    """Return whether a server that aborted a handshake had sent its certificate before.

    If so, it accepted everything else, and wants a client certificate. `connect` opens the
    connection again.
    """
    try:
        with connect(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)):  # which trusts nobody
            return False
    except StepError as error:
        return error.failure.kind == "certificate"


def unverified_context() -> ssl.SSLContext:
    """Return a context that accepts any certificate, to look at one that is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
