"""``abcwebrtc serve``: the endpoints on a server of their own, beside pyos."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import resource
import signal
import socket
import threading
from dataclasses import dataclass
from typing import Any, Callable, NamedTuple, Optional, Set

from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem
from abcwebrtc.web.httpd.loop import MAX_CONNECTIONS, MAX_TLS_CONNECTIONS, Server
from abcwebrtc.web.server_certificate import ServerCertificate

_STOPS = {signal.SIGTERM, signal.SIGINT}
_BACKLOG = 1024
_SPARE_DESCRIPTORS = 64
"""For what is no connection: log, secret files, the libraries. Where there are few
descriptors, it is a quarter of them."""
SHUTDOWN_SECONDS = 20
"""How long a stop waits for the requests in flight, within the 30 seconds that
Kubernetes gives a pod."""


@dataclass(frozen=True)
class Listen:
    """Where to listen: `port` 0 takes a free one, `cert` and `key` are PEM files."""

    host: str
    port: int
    cert: Optional[str] = None
    key: Optional[str] = None


def is_loopback(host: str) -> bool:
    """Say whether a host is an address, or a name of addresses, of this machine only."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host or None, None)}
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(address.split("%")[0]).is_loopback for address in found)


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
    tls = ServerCertificate(listen.cert, listen.key) if listen.cert and listen.key else None
    with _listening_socket(listen) as listener:
        base_url = _base_url(listener, listen)
        limit = _connection_limit(MAX_TLS_CONNECTIONS if tls else MAX_CONNECTIONS)
        server = Server(app, listener, tls.wrap if tls else None, limit)
        actions = _Actions(
            lambda: ready(base_url), lambda: asked(base_url), tls.refresh if tls else lambda: None
        )
        _run_until_signal(server, actions)


class _Actions(NamedTuple):
    """What the main thread does while the server serves."""

    ready: Callable[[], None]
    asked: Callable[[], None]
    always: Callable[[], None]
    """Twice a second, or more often."""


def _run_until_signal(server: Server, actions: _Actions) -> None:
    signals: "queue.SimpleQueue[int]" = queue.SimpleQueue()
    handlers = {number: signal.getsignal(number) for number in (*_STOPS, signal.SIGUSR1)}
    for number in handlers:
        # Not a function in Python: the next signal would interrupt it, while it has a lock.
        signal.signal(number, signals.put)  # type: ignore[arg-type]
    worker = threading.Thread(target=server.run, name="serve", daemon=True)
    worker.start()
    came: Set[int] = set()
    try:
        actions.ready()
        while worker.is_alive() and not came & _STOPS:
            if signal.SIGUSR1 in came:
                actions.asked()
            actions.always()
            came = _wait_for_signals(signals)
    finally:
        for number in _STOPS:
            signal.signal(number, handlers[number])  # a second signal ends the wait
        server.stop(SHUTDOWN_SECONDS)
        worker.join()
        signal.signal(signal.SIGUSR1, handlers[signal.SIGUSR1])
    if not came & _STOPS:
        raise AbcWebRTCError("the server ended by itself; the log above says why")


def _wait_for_signals(signals: "queue.SimpleQueue[int]") -> Set[int]:
    """Return the signals that have come, after half a second if there are none."""
    came: Set[int] = set()
    with contextlib.suppress(queue.Empty):
        came.add(signals.get(timeout=0.5))
        while True:
            came.add(signals.get_nowait())
    return came


def _connection_limit(most: int) -> int:
    """Allow this process all descriptors that it may have; return what is for connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):  # a system may have a lower limit still
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if soft == resource.RLIM_INFINITY:
        return most
    return max(1, min(most, soft - min(_SPARE_DESCRIPTORS, soft // 4)))


def _listening_socket(listen: Listen) -> socket.socket:
    reason = "write 0.0.0.0 or :: for all addresses"
    try:
        found = socket.getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in found if listen.host else ():
            try:
                return _bind(socket.socket(family, kind, protocol), address)
            except OSError as error:
                reason = error.strerror or str(error)
    except OSError as error:
        reason = error.strerror or str(error)
    except ValueError:  # of the IDNA encoding
        reason = "not a host name"
    raise ConfigError(Problem(f"can't listen on {listen.host} port {listen.port}: {reason}"))


def _bind(listener: socket.socket, address: Any) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address[0] == "::":  # IPv4 as well, whatever the system's default is
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _base_url(listener: socket.socket, listen: Listen) -> str:
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if listen.cert else 'http'}://{name}:{port}"
