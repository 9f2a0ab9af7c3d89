"""``abcwebrtc serve``: the endpoints on cheroot, CherryPy's own server, beside pyos.

A client that has begun a request keeps one of its threads until the request is answered,
so where clients may be slow or hostile, nginx has to stand in front.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
from typing import Any, Callable, NamedTuple, Optional, Set

from cheroot.wsgi import Server

from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem
from abcwebrtc.web.connections import TLS, Connection, connection_limit
from abcwebrtc.web.routes import MAX_BODY_BYTES

THREADS = 10
TIMEOUT = 10
"""Seconds for each piece of a request or an answer, and for a connection without a request."""
SHUTDOWN_SECONDS = 20
"""How long a stop waits for the requests in flight; Kubernetes gives a pod 30 seconds."""
GRACE_SECONDS = 0.5
"""How long a stop goes on to take requests, whose answers say that the connection ends."""
_STOPS = {signal.SIGTERM, signal.SIGINT}
_log = logging.getLogger(__name__)


class Listen(NamedTuple):
    """Where to listen: `port` 0 takes a free one, `cert` and `key` are PEM files."""

    host: str
    port: int
    cert: Optional[str] = None
    key: Optional[str] = None
    threads: int = THREADS


def run_server(
    app: Any,
    listen: Listen,
    ready: Callable[[str], None],
    asked: Callable[[str], None] = lambda base_url: None,
) -> None:
    """Serve a WSGI application until SIGTERM or SIGINT, then finish what is in flight.

    `ready` is called with the base URL once connections are accepted, and `asked` at
    SIGUSR1, once for all that have come by then. It has to run in the main thread,
    where signals arrive.

    Raises `ConfigError` when it can't listen, or the certificate can't be used.
    """
    tls = TLS(listen.cert, listen.key) if listen.cert and listen.key else None
    listener = _listening_socket(listen.host, listen.port)
    host, port = listener.getsockname()[:2]
    base_url = f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"
    server = _Server(app, listener, tls, listen.threads)
    signals: "queue.SimpleQueue[int]" = queue.SimpleQueue()
    handlers = {number: signal.getsignal(number) for number in (*_STOPS, signal.SIGUSR1)}
    for number in handlers:
        # Not a function in Python: the next signal would interrupt it, while it has a lock.
        signal.signal(number, signals.put)  # type: ignore[arg-type]
    # A daemon, and so are the threads that it starts: one that is stuck keeps no process.
    serving = threading.Thread(target=server.start, name="serve", daemon=True)
    serving.start()
    came: Set[int] = set()
    try:
        while serving.is_alive() and not server.ready:
            serving.join(0.01)
        ready(base_url)
        while serving.is_alive() and not came & _STOPS:
            if signal.SIGUSR1 in came:
                asked(base_url)
            came = set()
            with contextlib.suppress(queue.Empty):
                came.add(signals.get(timeout=0.5))
            while not signals.empty():
                came.add(signals.get())
    finally:
        for number in _STOPS:
            signal.signal(number, handlers[number])  # a second signal ends the wait
        server.finish()
        listener.close()
        signal.signal(signal.SIGUSR1, handlers[signal.SIGUSR1])
    if not came & _STOPS:
        raise AbcWebRTCError("the server ended by itself; the log above says why")


class _Server(Server):
    def __init__(self, app: Any, listener: socket.socket, tls: Optional[TLS], threads: int):
        super().__init__(listener.getsockname()[:2], app, threads, "abcwebrtc", timeout=TIMEOUT)
        self.ssl_adapter, self.ConnectionClass = tls, Connection
        self.max_request_header_size, self.max_request_body_size = 64 * 1024, MAX_BODY_BYTES
        self.request_queue_size, self.shutdown_timeout = 1024, SHUTDOWN_SECONDS
        self.connections: Set[Connection] = set()
        os.environ.pop("LISTEN_PID", None)  # or cheroot takes descriptor 3 for its socket
        self._listener, self._most, self._ends = listener, connection_limit(), False

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:
        self.socket = self._listener
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # headers, then a body
        return self._listener

    @property
    def can_add_keepalive_connection(self) -> bool:
        return bool(self.ready) and not self._ends

    def process_conn(self, conn: Any) -> None:
        if len(self.connections) > self._most:
            conn.close()
        elif conn.last_used is None:  # new: cheroot itself would give it a thread to wait in
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    def finish(self) -> None:
        self._ends = True
        threading.Event().wait(GRACE_SECONDS)
        stopping = threading.Thread(target=self.stop, daemon=True)
        stopping.start()
        stopping.join(SHUTDOWN_SECONDS)
        if stopping.is_alive():
            _log.warning("%d connections were not answered in time", len(self.connections))

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        is_fault = not isinstance(sys.exc_info()[1], OSError)  # and no client that went
        _log.log(level, "%s", msg, exc_info=traceback and is_fault)


def _listening_socket(host: str, port: int) -> socket.socket:
    reason = "write 0.0.0.0 or :: for all addresses"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found if host else ():
            both = address[0] == "::"  # IPv4 as well, whatever the system's default is
            try:
                return socket.create_server(address, family=family, dualstack_ipv6=both)
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
    except (OSError, ValueError) as error:  # one of the IDNA encoding
        reason = getattr(error, "strerror", None) or "not a host name"
    raise ConfigError(Problem(f"can't listen on {host} port {port}: {reason}"))
