"""cheroot's requests, connections and TLS, extended for `abcwebrtc.web.serve`."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from typing import Any, Dict, Tuple

from cheroot.errors import FatalSSLAlert, MaxSizeExceeded
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter

from abcwebrtc.coturn.certificate import CERT, check_certificate
from abcwebrtc.errors import ConfigError, Problem, UnreadableError
from abcwebrtc.files import read_file
from abcwebrtc.texts import harmless_logger
from abcwebrtc.web.routes import json_error

MAX_LINE_BYTES = 4 * 1024
"""Limit of the request line: three times the longest path with its query."""
MAX_HEADER_BYTES = 40 * 1024
"""Limit of the request line and headers; by default nginx lets 32 KiB through, and adds some."""
MAX_HEADERS = 100
MAX_PIECES = 2
MAX_PEM_BYTES = 1024 * 1024
"""No chain of certificates is larger than this."""
_PIECE = 64 * 1024
_NAME = re.compile(rb"[\w!#$%&'*+.^`|~-]+")
_ONCE = (b"Content-Length", b"Host")
_log = harmless_logger(__name__)


def _read_headers(rfile: Any, headers: Dict[bytes, bytes]) -> None:
    """Read the headers of a request (RFC 9112, section 5).

    cheroot's own reader accepts any number of headers, names with blanks, and values that
    continue in the next line.
    """
    for _ in range(MAX_HEADERS + 1):
        line: bytes = rfile.readline()
        if line == b"\r\n":
            return
        name, _, value = line.partition(b":")
        if not (line.endswith(b"\r\n") and _NAME.fullmatch(name)):
            raise ValueError("A header is not a name, a colon and a value in one line")
        name, value = name.title(), value.strip()
        before = headers.get(name, value)
        if before != value:
            if name in _ONCE:
                raise ValueError(f"{name.decode()} is given twice")
            value = before + b", " + value
        if b"_" not in name:  # WSGI can't tell it from `-`
            headers[name] = value
    raise MaxSizeExceeded


class Request(HTTPRequest):
    """A request with limits and an unambiguous length, whose errors are JSON."""

    header_reader = staticmethod(_read_headers)

    def read_request_line(self) -> bool:
        """Read the first line; a target that Python can't split is the client's error."""
        self.rfile.maxlen = MAX_LINE_BYTES
        try:
            if not super().read_request_line():  # type: ignore[no-untyped-call]
                return False
        except ValueError:
            self.simple_response("400 Bad Request", "The target of the request is not a path")
            return False
        if self.request_protocol not in (b"HTTP/1.0", b"HTTP/1.1"):  # cheroot accepts HTTP/+1.01
            self.simple_response("400 Bad Request", "Malformed Request-Line: bad version")
            return False
        return True

    def read_request_headers(self) -> bool:
        """Read the headers; if the length is ambiguous, the body could pass for a request."""
        self.rfile.maxlen = MAX_HEADER_BYTES
        try:
            if not super().read_request_headers():  # type: ignore[no-untyped-call]
                return False
        except MaxSizeExceeded:
            limits = f"{MAX_HEADERS} headers, or {MAX_HEADER_BYTES} bytes of them"
            self.simple_response("431", f"There are more than {limits}")
            return False
        if b"Transfer-Encoding" in self.inheaders:
            self.simple_response("411 Length Required")
        elif not self.inheaders.get(b"Content-Length", b"0").isdigit():
            self.simple_response("400 Bad Request", "Content-Length is not a number")
        else:
            return True
        return False

    def simple_response(self, status: Any, msg: str = "") -> None:
        """Write an error, after which the connection is closed."""
        line, data = _refusal(int(str(status)[:3]), msg)
        _log.info("%s: refused with %s: %s", self.conn.remote_addr, line, msg)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.conn.wfile.write(data)
            if line[:3] != "408":
                self.conn.socket.shutdown(socket.SHUT_WR)
                self.conn.pieces_left = MAX_PIECES


class Connection(HTTPConnection):
    """A connection that never blocks the others, neither in its handshake nor after an error."""

    RequestHandlerClass = Request
    pieces_left = 0
    """How many pieces to read after an error; otherwise a reset would overtake the answer."""
    is_evicted = False

    def communicate(self) -> bool:
        """Answer a request, after the TLS handshake if that is still pending."""
        if self.pieces_left:
            self.pieces_left -= 1
            piece = b""
            with contextlib.suppress(OSError):  # the client may be gone
                has_data = self.rfile.has_data()
                piece = self.rfile.read1(_PIECE) if has_data else self.socket.recv(_PIECE)
            return bool(piece) and self.pieces_left > 0
        try:
            if self.server.ssl_adapter:
                self.socket.do_handshake()
        except OSError as error:
            _log.info("%s: failed at TLS: %s", self.remote_addr, error)
            return False
        goes_on = super().communicate()  # type: ignore[no-untyped-call]
        return bool(goes_on or self.pieces_left)

    def refuse(self) -> None:
        """Answer that the server is full, and close without waiting for the client."""
        with contextlib.suppress(OSError):
            self.socket.settimeout(0)
            if not self.server.ssl_adapter:
                self.socket.send(_refusal(503, "Too many requests wait")[1])
                self.socket.recv(_PIECE)  # otherwise a reset would overtake the answer
        self.close()

    def evict(self) -> None:
        """Make the server close this idle connection the next time it polls."""
        self.is_evicted = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


def _refusal(status: int, message: str) -> Tuple[str, bytes]:
    """Return the status line and the whole answer for an error that closes the connection."""
    line, headers, body = json_error(status, message)
    lines = [f"HTTP/1.1 {line}", *map(": ".join, headers), "Connection: close", "", ""]
    return line, "\r\n".join(lines).encode("ascii") + body


class TLS(BuiltinSSLAdapter):
    """A certificate chain and its key, from PEM files that are read once.

    Raises `UnreadableError` if a file can't be read, `ConfigError` if its content can't be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        # The base class's own connects to itself, and may ask a terminal for a pass phrase.
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2  # the default is the system's
        # Renegotiation lets a client make the server compute without end.
        self.context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
        pem = [_content(file) for file in (cert, key)]
        try:
            self.context.load_cert_chain(cert, key, password="")
            return
        except ssl.SSLError as error:
            reason = error.reason  # None if the file is not PEM
        found = check_certificate(pem[0], pem[1], None, (), time.time())
        wrong = [
            Problem(problem.message, "", cert if problem.path == CERT else key)
            for problem in found
            if problem.level == "error"
        ]
        if reason or not wrong:
            words = reason or "they are not PEM"
            words += "; RSA needs 2048 bits" if "KEY_TOO_SMALL" in words else ""
            wrong.append(Problem(f"OpenSSL can't use them: {words}", "", f"{cert}, {key}"))
        raise ConfigError(*wrong)

    def wrap(self, sock: socket.socket) -> Tuple[ssl.SSLSocket, Dict[str, str]]:
        """Return the server's side of a connection.

        The handshake is left to the connection's own thread; otherwise a silent client
        would block the one thread that accepts connections.
        """
        try:
            tls = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        except OSError as error:
            raise FatalSSLAlert(*error.args) from error
        return tls, {"wsgi.url_scheme": "https", "HTTPS": "on"}


def _content(file: str) -> bytes:
    try:
        return read_file(file, MAX_PEM_BYTES)
    except OSError as error:
        reason = error.strerror
    raise UnreadableError(Problem(f"can't be read: {reason}", "", file))
