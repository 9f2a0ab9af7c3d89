"""The one thread that reads and writes for all clients, and what it allows them.

Times are those of a clock that never goes back, so a change of the wall clock
ends no connection and keeps none.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import math
import selectors
import socket
import ssl
import time
from typing import Any, Deque, Dict, Optional, Tuple

from abcwebrtc.web.httpd.connection import Connection, Crowd, State
from abcwebrtc.web.httpd.framing import RefusedError
from abcwebrtc.web.httpd.listener import Listener, Secure
from abcwebrtc.web.httpd.workers import Workers
from abcwebrtc.web.httpd.wsgi import CONTINUE, Answer, Responder, error_answer

THREADS = 10
PIPELINE_THREADS = 2
"""For requests that were sent before the answer to the one before: who sends many
at once waits for himself, and not the others for him."""
MAX_CONNECTIONS = 16_384
MAX_TLS_CONNECTIONS = 4096
"""In TLS each takes some 50 KiB, in clear one."""
MAX_BUFFERED_BYTES = 64 * 1024 * 1024
"""What all requests that are not complete may hold."""
GRACE_SECONDS = 0.5
"""How long a stop leaves a connection open that has no request, for one that is
on its way: it is answered, and told that the connection ends."""
LINGER_SECONDS = 2.0
MAX_DISCARDED_BYTES = 4 * 1024 * 1024

_TICK = 0.5
_ACCEPT_AT_ONCE, _ACCEPTS_AT_STOP = 64, 16
_SELDOM = 60.0
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_LISTENER, _WAKE = object(), object()

_log = logging.getLogger(__name__)


class Server:
    """Serves a WSGI application on a listening socket.

    A client has `timeout` seconds for each step: its TLS handshake and the first byte
    of a request, the whole of each request from that byte on, a pause between two,
    and taking the answer. When there are more than `limit` connections, the
    one goes that has waited longest, of the address that has most.
    """

    timeout = 10.0

    def __init__(
        self,
        app: Any,
        listener: socket.socket,
        secure: Optional[Secure] = None,
        limit: int = MAX_CONNECTIONS,
    ) -> None:
        self.limit = limit
        self._responder = Responder(app, listener.getsockname()[:2], secure is not None)
        self._workers = Workers(THREADS, self._fail)
        self._pipeline_workers = Workers(PIPELINE_THREADS, self._fail)
        self._answers: Deque[Tuple[Connection, Answer]] = collections.deque()
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._listener = Listener(listener, secure, self._selector, _LISTENER)
        self._selector.register(self._woken, _READ, _WAKE)
        self._connections: Dict[Connection, None] = {}
        self._crowd = Crowd()
        self._buffered = 0
        self._next_sweep = self._next_complaint = 0.0
        self._failed = False
        self._stop_at: Optional[float] = None

    def run(self) -> None:
        """Serve until `stop` is called and done."""
        self._workers.start()
        self._pipeline_workers.start()
        try:
            while not self._failed and not self._is_over():
                self._turn()
        finally:
            self._workers.stop()
            self._pipeline_workers.stop()
            self._close_all()

    def stop(self, seconds: float) -> None:
        """Take no more connections, and end when all that began is answered.

        It takes `seconds` at most. It may be called from any thread.
        """
        self._stop_at = time.monotonic() + seconds
        self._wake()

    def _fail(self) -> None:
        self._failed = True
        self._wake()

    def _is_over(self) -> bool:
        if self._stop_at is None:
            return False
        if self._listener.is_open:
            self._begin_stop()
        return not self._connections or time.monotonic() >= self._stop_at

    def _begin_stop(self) -> None:
        for _ in range(_ACCEPTS_AT_STOP):  # what the kernel has taken for us
            if not self._accept():
                break
        self._listener.close()
        grace = time.monotonic() + GRACE_SECONDS
        for connection in self._connections:
            if connection.is_idle:
                connection.deadline = min(connection.deadline, grace)

    def _turn(self) -> None:
        for key, _ in self._selector.select(_TICK):
            if key.data is _WAKE:
                self._take_answers()
            elif key.data is _LISTENER:
                self._accept()
            else:
                self._guard(key.data)
        if time.monotonic() >= self._next_sweep:
            self._sweep()

    def _guard(self, connection: Connection) -> None:
        """Go on with a connection, whose faults end it and nothing else."""
        before = connection.state
        try:
            self._go_on(connection)
            return
        except OSError as error:
            of_tls = isinstance(error, ssl.SSLError) and before is not State.LINGERING
            if of_tls or before is State.SHAKING_HANDS:
                _log.info("%s: failed at TLS: %s", connection.client[0], error)
        except Exception:
            _log.exception("a connection ended by a fault of the server")
        self._close(connection)

    def _go_on(self, connection: Connection) -> None:
        if connection.state is State.SHAKING_HANDS:
            self._shake_hands(connection)
        elif connection.state is State.READING:
            self._read(connection)
        elif connection.state is State.SENDING:
            self._send(connection)
        elif connection.state is State.LINGERING:
            self._discard(connection)

    # connections that come

    def _accept(self) -> bool:
        """Accept some connections, and say whether there may be more."""
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                accepted = self._listener.accept()
            except OSError as error:
                self._complain("can't accept a connection: %s", error.strerror)
                return self._make_room()
            if accepted is None:
                return False
            number = len(self._connections)
            if number >= self.limit:
                self._complain("there are %d connections; those that wait longest go", number)
            room = number < self.limit or self._make_room()
            self._add(*accepted)
            if not room:
                return False
        return True

    def _make_room(self) -> bool:
        """Close a connection, or accept none until one is closed."""
        if self._evict():
            return True
        self._listener.watch(False)
        return False

    def _listen_again(self) -> None:
        with contextlib.suppress(OSError):  # the system watches no more descriptors
            self._listener.watch(True)

    def _add(self, sock: socket.socket, client: Tuple[str, int]) -> None:
        connection = Connection(sock, client, time.monotonic() + self.timeout)
        self._connections[connection] = None
        self._crowd.add(connection)
        try:
            self._watch(connection, _READ)
        except OSError:  # the system watches no more descriptors
            self._close(connection)

    def _complain(self, message: str, *values: Any) -> None:
        """Log a warning, once a minute at most."""
        now = time.monotonic()
        if now >= self._next_complaint:
            self._next_complaint = now + _SELDOM
            _log.warning(message, *values)

    def _evict(self) -> bool:
        """Close the connection that is to go first, unless its request has just come."""
        for connection in iter(self._crowd.first_to_go, None):
            if connection.state is State.READING:
                self._guard(connection)
            if connection.state is not State.WORKING:
                self._close(connection)
                return True
        return False

    # a request, from its first byte to its answer

    def _shake_hands(self, connection: Connection) -> None:
        assert isinstance(connection.sock, ssl.SSLSocket)  # noqa: S101, for the type checker
        try:
            connection.sock.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(connection, _READ)
        except ssl.SSLWantWriteError:
            self._watch(connection, _WRITE)
        else:
            connection.state = State.READING
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        had_begun = connection.has_begun
        connection.receive()
        if connection.has_begun and not had_begun:
            connection.deadline = time.monotonic() + self.timeout
        self._next_request(connection)
        if self._buffered > MAX_BUFFERED_BYTES:
            self._drop_largest()

    def _drop_largest(self) -> None:
        largest = max(self._crowd, key=lambda one: one.held, default=None)
        if largest:
            message = "requests that are not complete hold %d bytes; the largest is dropped"
            self._complain(message, self._buffered)
            self._close(largest)

    def _next_request(self, connection: Connection, pipelined: bool = False) -> None:
        try:
            head = connection.next_head()
        except RefusedError as refused:
            self._refuse(connection, refused)
            return
        if head and len(connection.received) >= head.length:
            workers = self._pipeline_workers if pipelined else self._workers
            self._work(connection, connection.take_request(head.length), workers)
        elif connection.ended and connection.received:
            self._refuse(connection, RefusedError(400, "The request ends too early"))
        elif connection.ended:
            self._close(connection)
        else:
            if head and head.expects and not connection.continued:
                connection.continued = True
                connection.hint(CONTINUE)
            self._watch(connection, _READ)
        self._count(connection)

    def _refuse(self, connection: Connection, refused: RefusedError) -> None:
        _log.info("%s: refused with %d: %s", connection.client[0], refused.status, refused)
        connection.received.clear()
        self._count(connection)
        self._give(connection, Answer(error_answer(refused.status, refused.message), False))
        self._send(connection)

    def _work(self, connection: Connection, request: bytes, workers: Workers) -> None:
        connection.state = State.WORKING
        connection.deadline = math.inf
        self._crowd.remove(connection)
        self._watch(connection, 0)
        workers.put(lambda: self._answer(connection, request))

    def _answer(self, connection: Connection, request: bytes) -> None:
        """Have the application answer; this is run by a worker."""

        def may_stay() -> bool:
            return self._stop_at is None or bool(connection.received)

        try:
            answer = self._responder.answer(request, connection.client, may_stay)
        except Exception:
            _log.exception("a request met a fault of the server")
            answer = Answer(error_answer(500, "Internal Server Error"), False)
        self._answers.append((connection, answer))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # awake already, or gone
            self._waker.send(b"\0")

    def _take_answers(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        while self._answers:
            connection, answer = self._answers.popleft()
            self._crowd.add(connection)
            self._give(connection, answer)
            self._guard(connection)
        self._listen_again()

    def _give(self, connection: Connection, answer: Answer) -> None:
        connection.state = State.SENDING
        connection.reply(answer.data, answer.keep)
        connection.deadline = time.monotonic() + self.timeout

    def _send(self, connection: Connection) -> None:
        if not connection.send():
            self._watch(connection, _WRITE)
        elif connection.keep:
            connection.state = State.READING
            last = self._stop_at is not None and connection.is_idle
            connection.deadline = time.monotonic() + (GRACE_SECONDS if last else self.timeout)
            self._next_request(connection, pipelined=True)
        else:
            self._linger(connection)

    # connections that go

    def _linger(self, connection: Connection) -> None:
        connection.close_our_side()
        self._count(connection)
        if connection.ended:
            self._close(connection)
            return
        connection.state = State.LINGERING
        connection.deadline = time.monotonic() + LINGER_SECONDS
        self._watch(connection, _READ)

    def _discard(self, connection: Connection) -> None:
        connection.discard()
        if connection.ended:
            self._close(connection)
        elif connection.discarded > MAX_DISCARDED_BYTES:
            self._watch(connection, 0)  # the client is left to wait for its deadline

    def _sweep(self) -> None:
        now = time.monotonic()
        self._next_sweep = now + _TICK
        self._listen_again()
        for connection in [one for one in self._connections if one.deadline <= now]:
            if connection.state is State.READING and connection.received:
                with contextlib.suppress(OSError):
                    self._refuse(connection, RefusedError(408, "The request took too long"))
                    continue
            if connection.state is State.SHAKING_HANDS:
                _log.info("%s: failed at TLS: it took too long", connection.client[0])
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        if connection.state is State.CLOSED:
            return
        self._watch(connection, 0)
        if connection.state is State.READING:
            connection.say_goodbye()
        connection.state = State.CLOSED
        connection.received.clear()
        self._count(connection)
        self._crowd.remove(connection)
        self._connections.pop(connection, None)
        connection.sock.close()
        self._listen_again()

    def _close_all(self) -> None:
        busy = sum(one.state is State.WORKING for one in self._connections)
        if busy:
            _log.warning("%d requests were not answered in time", busy)
        for connection in list(self._connections):
            self._close(connection)
        if self._listener.is_open:
            self._listener.close()
        self._selector.close()
        self._waker.close()
        self._woken.close()

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.watched:
            return
        if not connection.watched:
            self._selector.register(connection.sock, events, connection)
        elif events:
            self._selector.modify(connection.sock, events, connection)
        else:
            self._selector.unregister(connection.sock)
        connection.watched = events

    def _count(self, connection: Connection) -> None:
        """Keep the sum of what all connections hold."""
        self._buffered += len(connection.received) - connection.held
        connection.held = len(connection.received)
