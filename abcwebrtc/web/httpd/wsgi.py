"""One whole request in, one whole answer out: cheroot without its sockets and threads."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from http import HTTPStatus
from typing import Any, Callable, NamedTuple, Tuple

from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server

from abcwebrtc.web.httpd.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_NAME = "abcwebrtc"
_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """The bytes of an answer, and whether the connection may stay open after it."""

    data: bytes
    keep: bool


class Responder:
    """Has a WSGI application answer requests, from any thread."""

    def __init__(self, app: Any, address: Tuple[str, int], tls: bool) -> None:
        self._server = _Server(address, app, 1, _NAME)
        self._server.ssl_adapter = self if tls else None  # the scheme depends on it
        self._environ = {"wsgi.url_scheme": "https", "HTTPS": "on"} if tls else {}

    def answer(
        self, request: bytes, client: Tuple[str, int], may_stay: Callable[[], bool]
    ) -> Answer:
        """Return the answer to a complete request of the client at this address.

        `may_stay` is asked when the application is done; without it the answer says
        that the connection ends.
        """
        connection = _Connection(self._server, request, _memory_file)
        connection.may_stay = may_stay  # type: ignore[method-assign]
        connection.remote_addr, connection.remote_port = client
        connection.ssl_env = self._environ
        keep = bool(connection.communicate())  # type: ignore[no-untyped-call]
        data = connection.wfile.getvalue()
        # The loop has said it where it was needed, before the body came.
        return Answer(data[len(CONTINUE) :] if data.startswith(CONTINUE) else data, keep)


def error_answer(status: int, message: str) -> bytes:
    """Return an error in the shape that those of the application have."""
    body = json.dumps({"status": status, "message": message}).encode("ascii")
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        f"Server: {_NAME}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _memory_file(request: bytes, mode: str, size: int) -> io.BytesIO:
    return io.BytesIO(request if "r" in mode else b"")


class _Request(HTTPRequest):
    """A request whose errors are JSON; what cheroot can't read is one."""

    def read_request_line(self) -> bool:
        """Read the first line; one of a target that Python can't split is refused."""
        with contextlib.suppress(ValueError):
            return bool(super().read_request_line())  # type: ignore[no-untyped-call]
        self.simple_response(400, "The target of the request is not a path")
        return False

    def read_request_headers(self) -> bool:
        """Read the headers, and tell from them whether the connection may stay open.

        WSGI writes ``-`` as ``_``, so that of two names which differ in that one would
        pass for the other; those with ``_`` are left out, as nginx does.
        """
        if not super().read_request_headers():  # type: ignore[no-untyped-call]
            return False
        self.inheaders = {name: self.inheaders[name] for name in self.inheaders if b"_" not in name}
        # cheroot knows each option in one case, and by itself only.
        listed = self.inheaders.get(b"Connection", b"").lower().split(b",")
        options = {option.strip() for option in listed}
        stays = self.response_protocol == "HTTP/1.1" or b"keep-alive" in options
        self.close_connection = b"close" in options or not stays
        return True

    def send_headers(self) -> None:
        """Write the headers, which say whether the connection may stay open."""
        if not self.conn.may_stay():
            self.close_connection = True
        super().send_headers()

    def simple_response(self, status: Any, msg: str = "") -> None:
        """Write an error; the connection ends after each of them."""
        number = int(str(status)[:3])
        message = msg or HTTPStatus(number).phrase
        _log.info("%s: refused with %d: %s", self.conn.remote_addr, number, message)
        self.close_connection = True
        self.conn.wfile.write(error_answer(number, message))


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request

    @staticmethod
    def may_stay() -> bool:
        """Say whether the connection may stay open."""
        return True


class _Server(Server):
    """What cheroot's requests ask their server for. It is never started."""

    max_request_header_size = MAX_HEAD_BYTES
    max_request_body_size = MAX_BODY_BYTES
    software = _NAME
    can_add_keepalive_connection = True

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log what cheroot has to say."""
        _log.log(level, "%s", msg, exc_info=traceback)
