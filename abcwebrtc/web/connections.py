"""The requests, connections and TLS of `abcwebrtc.web.serve`: cheroot's, in what it lacks."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import socket
import ssl
import stat
from typing import Any, Dict, Tuple

from cheroot.errors import FatalSSLAlert
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter

from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.web.routes import json_error

MAX_CONNECTIONS = 16_384
_SPARE_DESCRIPTORS = 64
"""For what is no connection: log, secret files, the libraries."""
_log = logging.getLogger(__name__)


def connection_limit() -> int:
    """Allow this process all descriptors that it may have; return how many connections it takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a system may have a lower limit still
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    known = soft if soft != resource.RLIM_INFINITY else 2 * MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, known - min(_SPARE_DESCRIPTORS, known // 4))


class Request(HTTPRequest):
    """A request whose body has a clear length, and whose errors are JSON."""

    def read_request_line(self) -> bool:
        """Read the first line; a target that Python can't split is no fault of the server."""
        try:
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]
        except ValueError:
            self.simple_response("400 Bad Request", "The target of the request is not a path")
            return False

    def read_request_headers(self) -> bool:
        """Read the headers; without a clear length the body could pass for a request."""
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        # WSGI takes `_` for `-`. cheroot's reader that drops such names does not work.
        self.inheaders = {name: self.inheaders[name] for name in self.inheaders if b"_" not in name}
        if b"Transfer-Encoding" in self.inheaders:
            self.simple_response("411 Length Required")
        elif not self.inheaders.get(b"Content-Length", b"0").isdigit():
            self.simple_response("400 Bad Request", "Content-Length is not a number")
        else:
            return True
        return False

    def simple_response(self, status: Any, msg: str = "") -> None:
        """Write an error; the connection ends after each of them."""
        line, headers, body = json_error(int(str(status)[:3]), msg)
        _log.info("%s: refused with %s: %s", self.conn.remote_addr, line, msg)
        lines = [f"HTTP/1.1 {line}", *map(": ".join, headers), "Connection: close", "", ""]
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.conn.wfile.write("\r\n".join(lines).encode("ascii") + body)
            if line[:3] in ("411", "413"):  # or a reset, for what is unread, overtakes the answer
                self.conn.socket.shutdown(socket.SHUT_WR)
                self.conn.socket.settimeout(0.2)
                for _ in range(64):
                    if not self.conn.socket.recv(65536):
                        break


class Connection(HTTPConnection):
    """A connection that its server counts."""

    RequestHandlerClass = Request

    def __init__(self, server: Any, *arguments: Any) -> None:
        super().__init__(server, *arguments)
        server.connections.add(self)

    def communicate(self) -> bool:
        """Answer a request, after the TLS handshake where that is still to come."""
        try:
            if self.server.ssl_adapter:
                self.socket.do_handshake()
        except OSError as error:
            _log.info("%s: failed at TLS: %s", self.remote_addr, error)
            return False
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close it, and count it no more."""
        self.server.connections.discard(self)
        super().close()


class TLS(BuiltinSSLAdapter):
    """A certificate chain and its key, from PEM files that are read once.

    Raises `ConfigError` for files that can't be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        # That of the base connects to itself, and may ask a terminal for a pass phrase.
        self.context = _tls_context(cert, key)

    def wrap(self, sock: socket.socket) -> Tuple[ssl.SSLSocket, Dict[str, str]]:
        """Return the server's side of a connection.

        The handshake is left to the connection's own thread, or a client that is silent
        would keep the one thread that accepts connections.
        """
        try:
            tls = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            raise FatalSSLAlert(*error.args) from error
        return tls, {"wsgi.url_scheme": "https", "HTTPS": "on"}


def _tls_context(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # the default depends on the system
    # A client could have the server compute without end.
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    place = f"{cert}, {key}"
    try:
        for file in (cert, key):
            reason = _why_unreadable(file)
            if reason:
                raise ConfigError(Problem(reason, "", file))
        context.load_cert_chain(cert, key, password=_no_pass_phrase)
        return context
    except _EncryptedKeyError:
        reason = "the key is encrypted; give one without a pass phrase"
    except ssl.SSLError as error:
        reason = "certificate and key are not a pair of PEM files"
        if "TOO_SMALL" in (error.reason or "") or "TOO_WEAK" in (error.reason or ""):
            reason = "this system's OpenSSL takes the key for too weak; RSA needs 2048 bits"
    raise ConfigError(Problem(reason, "", place))


def _why_unreadable(file: str) -> str:
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return "is not a regular file"  # to open a FIFO can take for ever
        with open(file, "rb"):
            return ""
    except (OSError, ValueError) as error:
        return f"can't be read: {getattr(error, 'strerror', error)}"


class _EncryptedKeyError(Exception):
    pass


def _no_pass_phrase() -> str:
    raise _EncryptedKeyError
