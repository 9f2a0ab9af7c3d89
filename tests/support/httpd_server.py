"""The project's HTTP server in the test's own process, and its clients."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import Any, Callable, Dict, List, Optional

from abcwebrtc.web.httpd.framing import Head, read_head
from abcwebrtc.web.serve import Listen, run_server
from support import WAIT

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def head_of(data: bytes) -> Optional[Head]:
    return read_head(bytearray(data))


def with_headers(*lines: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def without_host(*lines: str) -> bytes:
    return with_headers(*lines).replace(b"Host: x\r\n", b"")


# a server in this process


def hello(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
    body = environ["wsgi.input"].read() or b"hello"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def port_of(base_url: str) -> int:
    return int(base_url.rpartition(":")[2])


def serve(client: Callable[[int], Any], app: Any = hello) -> Any:
    """Run a server while a client does something, and return what the client did."""
    results: List[Any] = []

    def ready(base_url: str) -> None:
        def run() -> None:
            try:
                results.append(client(port_of(base_url)))
            except BaseException as error:
                results.append(error)
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=run).start()

    run_server(app, Listen("127.0.0.1", 0), ready)
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT)


def read_all(client: socket.socket) -> bytes:
    with contextlib.suppress(ConnectionError):
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""


def send(data: bytes, then_close: bool = True) -> Callable[[int], bytes]:
    def run(port: int) -> bytes:
        with connect(port) as client:
            with contextlib.suppress(OSError):
                client.sendall(data)
                if then_close:
                    client.shutdown(socket.SHUT_WR)
            return read_all(client)

    return run


def statuses(data: bytes) -> List[int]:
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def body(text: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
