"""One client: its socket, what has come of its next request, and what it has to get."""

from __future__ import annotations

import contextlib
import enum
import re
import socket
import ssl
from typing import Dict, Iterator, Optional, Tuple

from abcwebrtc.web.httpd.framing import Head, read_head

_CHUNK = 64 * 1024
_BLANK_LINES = re.compile(rb"(?:\r\n)+")
_NOTHING = memoryview(b"")
_NOT_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class State(enum.Enum):
    """What a connection is at."""

    SHAKING_HANDS = enum.auto()
    READING = enum.auto()
    WORKING = enum.auto()
    SENDING = enum.auto()
    LINGERING = enum.auto()
    """Our side is closed; what the client still sends is thrown away, since a
    close with bytes unread would take the answer from it."""
    CLOSED = enum.auto()


class Connection:
    """A client's connection; its methods never wait."""

    __slots__ = (
        *("client", "continued", "deadline", "discarded", "ended", "held", "keep", "received"),
        *("sock", "state", "watched", "_head", "_searched", "_to_send"),
    )

    def __init__(self, sock: socket.socket, client: Tuple[str, int], deadline: float) -> None:
        self.sock = sock
        self.client = client
        self.deadline = deadline
        tls = isinstance(sock, ssl.SSLSocket)
        self.state = State.SHAKING_HANDS if tls else State.READING
        self.received = bytearray()
        self.held = 0
        """How many of these bytes the loop has counted."""
        self.ended = False
        """Whether the client has closed its side."""
        self.continued = False
        self.keep = True
        self.discarded = 0
        self.watched = 0
        self._head: Optional[Head] = None
        self._searched = 0
        self._to_send = _NOTHING

    @property
    def has_begun(self) -> bool:
        """Whether a request has; a blank line does not begin one, nor half of it."""
        return bool(self.received) and self.received != b"\r"

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has come."""
        return self.state in (State.SHAKING_HANDS, State.READING) and not self.has_begun

    def receive(self) -> None:
        """Take what has arrived."""
        data = self._receive_some()
        # What OpenSSL has decrypted already, the selector can't see.
        while data and isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            data = self._receive_some()
        self._skip_blank_lines()

    def _skip_blank_lines(self) -> None:
        """Drop those before a request (RFC 9112, section 2.2)."""
        found = _BLANK_LINES.match(self.received)
        if found:
            del self.received[: found.end()]

    def _receive_some(self) -> bytes:
        try:
            data = self.sock.recv(_CHUNK)
        except _NOT_YET:
            return b""
        self.received += data
        self.ended = not data
        return data

    def next_head(self) -> Optional[Head]:
        """Return what the headers of the next request say, once they are complete.

        Raises `RefusedError` for a request that is not to be read.
        """
        if self._head is None:
            self._head = read_head(self.received, self._searched)
            self._searched = len(self.received)
        return self._head

    def take_request(self, length: int) -> bytes:
        """Remove the first request from what was received, and return it."""
        request = bytes(self.received[:length])
        del self.received[:length]
        self._head, self._searched, self.continued = None, 0, False
        self._skip_blank_lines()
        return request

    def reply(self, data: bytes, keep: bool) -> None:
        """Have these bytes sent, and the connection closed after them unless `keep`."""
        self._to_send, self.keep = memoryview(data), keep

    def send(self) -> bool:
        """Send what the client will take now, and say whether it was all."""
        while self._to_send:
            try:
                sent = self.sock.send(self._to_send)
            except _NOT_YET:
                return False
            self._to_send = self._to_send[sent:]
        self._to_send = _NOTHING  # an empty view keeps all of what it is a view of
        return True

    def hint(self, data: bytes) -> None:
        """Send a few bytes that matter little, if they can be sent now.

        Raises `OSError` when a part of them is under way: what is sent next would be
        taken for the rest, by TLS as well, which has the whole record already.
        """
        with contextlib.suppress(BlockingIOError, InterruptedError):
            if self.sock.send(data) < len(data):
                raise ConnectionAbortedError

    def say_goodbye(self) -> None:
        """Have TLS tell the client that nothing is missing (RFC 9112, section 9.8)."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()

    def close_our_side(self) -> None:
        """Tell the client that no more will come."""
        self.received.clear()
        self.say_goodbye()
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def discard(self) -> None:
        """Throw away what has arrived."""
        try:
            # Not by way of TLS, which is over, and would make an error of it.
            data = socket.socket.recv(self.sock, _CHUNK)
        except _NOT_YET:
            return
        self.discarded += len(data)
        self.ended = not data


class Crowd:
    """Connections that wait for their client, in order, by its address."""

    def __init__(self) -> None:
        self._by_address: Dict[str, Dict[Connection, None]] = {}

    def add(self, connection: Connection) -> None:
        """Put a connection behind those of its address that wait already."""
        self.remove(connection)
        self._by_address.setdefault(connection.client[0], {})[connection] = None

    def remove(self, connection: Connection) -> None:
        """Take a connection out, if it is in."""
        same = self._by_address.get(connection.client[0], {})
        same.pop(connection, None)
        if not same:
            self._by_address.pop(connection.client[0], None)

    def __iter__(self) -> Iterator[Connection]:
        for same in self._by_address.values():
            yield from same

    def first_to_go(self) -> Optional[Connection]:
        """Return the one that has waited longest, of the address that has most."""
        if not self._by_address:
            return None
        most = max(self._by_address.values(), key=lambda same: len(same))
        return next(iter(most))
