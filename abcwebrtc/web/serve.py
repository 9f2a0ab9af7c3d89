"""``abcwebrtc serve``: the endpoints on cheroot, CherryPy's own server, beside pyos.

A client that has begun a request keeps a thread until the request is answered. Where clients
may be slow or hostile, put nginx in front.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, NamedTuple, Optional, Set

from cheroot.wsgi import Server

from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.texts import harmless_logger
from abcwebrtc.web.connections import TLS, Connection
from abcwebrtc.web.routes import MAX_BODY_BYTES

THREADS = 10
TIMEOUT = 10
"""Seconds for each piece of a request or an answer, and for an idle connection."""
SHUTDOWN_SECONDS = 20
"""How long a stop waits for requests in flight; Kubernetes gives a pod 30 seconds."""
GRACE_SECONDS = 0.5
"""How long a stop still accepts requests, and answers them with ``Connection: close``."""
MAX_DESCRIPTORS = 2048
MAX_WAITING = 1024
"""Requests that may wait for a thread."""
SECONDS_BETWEEN_WARNINGS = 10
BUFFER_BYTES = 16 * 1024
"""The kernel's buffer of a connection in each direction; Linux doubles it."""
_SPARE_DESCRIPTORS = 64
"""For everything that is not a connection: log, secret files, libraries."""
_STOPS = {signal.SIGTERM, signal.SIGINT}
_log = harmless_logger(__name__)


class Listen(NamedTuple):
    """Where to listen: `port` 0 means any free one; `cert` and `key` are PEM files."""

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
    """Serve a WSGI application until SIGTERM or SIGINT, then finish the requests in flight.

    Call `ready` with the base URL once connections are accepted, and `asked` at SIGUSR1,
    once for all SIGUSR1 that have arrived by then. This must run in the main thread, which
    receives the signals.

    Raises `AbcWebRTCError` if the server can't listen, and `ConfigError` if the certificate can't
    be used.
    """
    server = _Server(app, listen)
    signals: "queue.SimpleQueue[int]" = queue.SimpleQueue()
    handlers = {number: signal.getsignal(number) for number in (*_STOPS, signal.SIGUSR1)}
    for number in handlers:  # before the first client comes
        # Not a Python function: the next signal would interrupt it while it holds a lock.
        signal.signal(number, signals.put)  # type: ignore[arg-type]
    # A daemon, like the threads that it starts: one that is stuck can't keep the process alive.
    serving = threading.Thread(target=server.start, name="serve", daemon=True)
    serving.start()
    came: Set[int] = set()
    try:
        while serving.is_alive() and not server.ready:
            serving.join(0.01)
        if server.failure:
            place = f"{listen.host} port {listen.port}"
            raise AbcWebRTCError(f"can't listen on {place}: {server.failure}")
        host, port = server.bind_addr
        scheme = "https" if server.ssl_adapter else "http"
        base_url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
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
        if serving.is_alive():
            server.finish()
        signal.signal(signal.SIGUSR1, handlers[signal.SIGUSR1])
    if not came & _STOPS:
        raise AbcWebRTCError("the server has stopped by itself; see the log above")


class _Server(Server):
    keep_alive_conn_limit: Any = None
    _connections: Any
    failure = ""

    def __init__(self, app: Any, listen: Listen) -> None:
        place = (listen.host, listen.port)
        super().__init__(
            *(place, app, listen.threads, "abcwebrtc"),
            timeout=TIMEOUT,
            accepted_queue_size=MAX_WAITING,
            accepted_queue_timeout=0,
        )
        self.ConnectionClass = Connection
        self.ssl_adapter = TLS(listen.cert, listen.key) if listen.cert and listen.key else None
        self.max_request_body_size = MAX_BODY_BYTES
        self.request_queue_size, self.shutdown_timeout = 1024, SHUTDOWN_SECONDS
        self._most = _most_descriptors()
        self._refused, self._says_next = 0, 0.0

    def start(self) -> None:
        os.environ.pop("LISTEN_PID", None)  # otherwise cheroot uses descriptor 3 as its socket
        try:
            super().start()
        except (OSError, ValueError) as error:  # the IDNA encoding raises a ValueError
            self.failure = str(error).rpartition("] ")[2].rstrip(")")  # the system's words

    def bind(self, family: Any, type: Any, proto: int = 0) -> Any:
        sock = super().bind(family, type, proto)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):  # connections inherit them
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        return sock

    def process_conn(self, conn: Any) -> None:
        """Give a connection to a thread, or refuse it; never wait for a client."""
        if conn.is_evicted:
            conn.close()
        elif conn.last_used is None:  # new: cheroot would let it wait in a thread
            if self._number() < self._most or self._evicts():
                self.put_conn(conn)
            else:
                self._refuse(conn)
        else:
            try:
                self.requests.put(conn)
            except queue.Full:
                self._refuse(conn)

    def _refuse(self, conn: Any) -> None:
        conn.refuse()
        self._refused += 1
        if time.monotonic() >= self._says_next:
            self._says_next = time.monotonic() + SECONDS_BETWEEN_WARNINGS
            _log.warning("too many waiting requests; refused with 503 so far: %d", self._refused)

    def _number(self) -> int:
        """Return an upper bound of the open connections, those in threads included."""
        busy = self.requests.min - self.requests.idle
        return int(len(self._connections._selector) + self.requests.qsize + busy)

    def _evicts(self) -> bool:
        """Close the connection that has been idle longest; say whether there was one."""
        selector = self._connections._selector
        ready = {conn for _, conn in selector.select(0)}  # a request has arrived, or it is evicted
        waiting = (conn for _, conn in selector.connections if conn is not self)
        oldest = next((conn for conn in waiting if conn not in ready), None)
        if oldest:
            oldest.evict()
        return oldest is not None

    def finish(self) -> None:
        self.keep_alive_conn_limit = 0  # so that answers say `Connection: close`
        threading.Event().wait(GRACE_SECONDS)
        stopping = threading.Thread(target=self.stop, daemon=True)
        stopping.start()
        stopping.join(SHUTDOWN_SECONDS)
        if stopping.is_alive():
            _log.warning("stopped before all requests were answered")

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLError):  # cheroot logs a warning with only its number
            level, msg = logging.INFO, f"a client disconnected without ending TLS: {error}"
        is_fault = not isinstance(error, OSError)  # that is a client that left
        _log.log(level, "%s", msg, exc_info=traceback and is_fault)


def _most_descriptors() -> int:
    """Raise this process's descriptor limit to the hard one; return the share of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a system may have an even lower limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return min(MAX_DESCRIPTORS, soft - min(_SPARE_DESCRIPTORS, soft // 4))
