"""cheroot's requests, connections and TLS, with what `abcwebrtc.web.serve` needs beyond them."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from typing import Any, Dict, Tuple

from cheroot.errors import FatalSSLAlert
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter

from abcwebrtc.coturn.certificate import CERT, check_certificate
from abcwebrtc.errors import ConfigError, Problem, why_unread
from abcwebrtc.texts import harmless_logger
from abcwebrtc.web.routes import json_error

_log = harmless_logger(__name__)


class _Headers(Dict[bytes, bytes]):
    """Headers by name, as cheroot reads them one after another."""

    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name == b"Content-Length" and self.get(name, value) != value:
            raise ValueError("Content-Length is there twice")
        # WSGI takes `_` for `-`. cheroot's reader that drops such names does not work.
        if b"_" not in name:
            super().__setitem__(name, value)


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
        self.inheaders = _Headers()
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
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
    """A connection whose TLS handshake keeps no other waiting."""

    RequestHandlerClass = Request

    def communicate(self) -> bool:
        """Answer a request, after the TLS handshake where that is still to come."""
        try:
            if self.server.ssl_adapter:
                self.socket.do_handshake()
        except OSError as error:
            _log.info("%s: failed at TLS: %s", self.remote_addr, error)
            return False
        return bool(super().communicate())  # type: ignore[no-untyped-call]


class TLS(BuiltinSSLAdapter):
    """A certificate chain and its key, from PEM files that are read once.

    Raises `ConfigError` for files that can't be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        # That of the base connects to itself, and may ask a terminal for a pass phrase.
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # the default is the system's
        # A client could have the server compute without end.
        self.context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
        pem = [_content(file) for file in (cert, key)]
        try:
            self.context.load_cert_chain(cert, key, password="")
            return
        except ssl.SSLError as error:
            reason = error.reason  # none for what is no PEM
        found = check_certificate(pem[0], pem[1], None, (), time.time())
        wrong = [
            Problem(problem.message, "", cert if problem.path == CERT else key)
            for problem in found
            if problem.level == "error"
        ]
        if reason or not wrong:
            words = reason or "not in the PEM that it reads"
            words += "; RSA needs 2048 bits" if "KEY_TOO_SMALL" in words else ""
            wrong.append(Problem(f"OpenSSL can't use them: {words}", "", f"{cert}, {key}"))
        raise ConfigError(*wrong)

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


def _content(file: str) -> bytes:
    try:
        if os.path.exists(file) and not os.path.isfile(file):
            reason = "is not a regular file"  # to open a FIFO can take for ever
        else:
            with open(file, "rb") as stream:
                return stream.read()
    except (OSError, ValueError) as error:
        reason = f"can't be read: {why_unread(error)}"
    raise ConfigError(Problem(reason, "", file))
