"""``abcwebrtc serve``: the endpoints on a server of their own, beside pyos."""

from __future__ import annotations

import ipaddress
import logging
import re
import signal
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem

_log = logging.getLogger(__name__)

THREADS = 10
MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024
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


def run_server(app: Any, listen: Listen, ready: Callable[[str], None]) -> None:
    """Serve a WSGI application until SIGTERM or SIGINT, then finish what is in flight.

    `ready` is called with the base URL once connections are accepted. It has to
    run in the main thread, where signals arrive.

    Raises `ConfigError` when it can't listen, or the certificate can't be used.
    """
    server = _prepare(app, listen)
    stop = threading.Event()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in handlers:
        signal.signal(number, lambda *_: stop.set())
    worker = threading.Thread(target=server.serve, name="serve", daemon=True)
    worker.start()
    try:
        ready(_base_url(server, listen))
        while worker.is_alive() and not stop.wait(0.5):
            pass
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # a second signal ends the wait
        server.stop()
    if not stop.is_set():
        raise AbcWebRTCError("the server ended by itself; the log above says why")


def _prepare(app: Any, listen: Listen) -> Server:
    if listen.cert and listen.key:
        _check_certificate(listen.cert, listen.key)
    try:
        server = Server((listen.host, listen.port), app, THREADS, "abcwebrtc")
        server.max_request_header_size = MAX_HEADER_BYTES
        server.max_request_body_size = MAX_BODY_BYTES
        server.shutdown_timeout = SHUTDOWN_SECONDS
        if listen.cert and listen.key:
            server.ssl_adapter = _TLSAdapter(listen.cert, listen.key)
        server.prepare()
        return server
    except (OSError, ValueError) as error:
        # cheroot puts the error of the socket into the text of its own.
        reason = re.sub(r".*\[Errno -?\d+\] (.*?)\)?$", r"\1", str(error))
    raise ConfigError(Problem(f"can't listen on {listen.host} port {listen.port}: {reason}"))


class _TLSSocket(ssl.SSLSocket):
    """A TLS connection that shakes hands at its first read.

    A client that fails at TLS (plain HTTP, no trust in the certificate, or
    silence) is taken for one that has gone: it is no fault of the server that
    would be worth cheroot's traceback.
    """

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """Read into a buffer; 0 bytes are the end of the connection."""
        try:
            if self.version() is None:
                self._shake_hands()
            return super().recv_into(*args, **kwargs)
        except ssl.SSLError as error:
            _log.info("a client failed at TLS: %s", error)
            return 0

    def _shake_hands(self) -> None:
        try:
            self.do_handshake()
        except ssl.SSLError:
            raise
        except OSError as error:  # a timeout is one, and so is a reset
            raise ssl.SSLError(str(error)) from None


class _TLSAdapter(BuiltinSSLAdapter):
    """TLS whose handshake is left to the thread that serves the connection.

    cheroot does it where it accepts, so a client that never begins one keeps
    all others waiting.
    """

    def __init__(self, cert: str, key: str) -> None:
        super().__init__(cert, key)
        self.context.sslsocket_class = _TLSSocket

    def wrap(self, sock: socket.socket) -> Tuple[ssl.SSLSocket, Dict[str, str]]:
        """Return the socket, which shakes hands when it is first read."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


def _check_certificate(cert: str, key: str) -> None:
    """Refuse a certificate before it is served: cheroot would ask for a pass phrase."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for file in (cert, key):
        try:
            with open(file, "rb"):
                continue
        except OSError as error:
            reason = f"can't be read: {error.strerror}"
        raise ConfigError(Problem(reason, "", file))
    try:
        context.load_cert_chain(cert, key, password=_no_pass_phrase)
        return
    except _EncryptedKeyError:
        reason = "the key is encrypted; give one without a pass phrase"
    except ssl.SSLError:
        reason = "certificate and key are not a pair of PEM files"
    raise ConfigError(Problem(reason, "", f"{cert}, {key}"))


class _EncryptedKeyError(Exception):
    pass


def _no_pass_phrase() -> str:
    raise _EncryptedKeyError


def _base_url(server: Server, listen: Listen) -> str:
    host, port = server.bind_addr[:2]
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if listen.cert else 'http'}://{name}:{port}"
