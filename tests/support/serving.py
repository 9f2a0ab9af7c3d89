"""A server for tests to talk to: connections, certificates, and a server that its client stops."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from support import RTC_PATH, WAIT, make_token

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT]


# certificates


class Certificates:
    """A certificate for this machine with its key, and some that don't work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("127.0.0.1", "localhost", "::1")
        key = issued.private_key_pem.bytes()
        files = {
            "cert.pem": b"".join(pem.bytes() for pem in issued.cert_chain_pems),
            "key.pem": key,
            "encrypted.pem": load_pem_private_key(key, None).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"pass phrase"),
            ),
            "other.pem": self.authority.issue_cert("other").private_key_pem.bytes(),
            "broken.pem": key.replace(b"M", b"!"),
            "empty.pem": b"",
        }
        for name, data in files.items():
            (folder / name).write_bytes(data)
        os.mkfifo(folder / "fifo")

    def arguments(self, cert: str = "cert.pem", key: str = "key.pem") -> Tuple[str, ...]:
        return ("--cert", str(self.folder / cert), "--key", str(self.folder / key))

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


# raw connections


def address(base_url: str) -> Tuple[str, int]:
    host, _, port = base_url.partition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def connect(base_url: str) -> socket.socket:
    return socket.create_connection(address(base_url), WAIT)


def is_refused(base_url: str) -> bool:
    try:
        connect(base_url).close()
    except ConnectionError:  # a reset, if it stops listening during the connect
        return True
    return False


def read_all(connection: socket.socket) -> bytes:
    chunks = iter(lambda: connection.recv(65536), b"")
    return b"".join(chunks)


def begin_request(base_url: str) -> socket.socket:
    """Send a request without the end of its body, and wait until a worker handles it."""
    connection = connect(base_url)
    head = (
        f"POST {RTC_PATH} HTTP/1.1\r\nHost: localhost\r\n"
        f"ABCAuthorization: Bearer {make_token()}\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(65536).startswith(b"HTTP/1.1 100")
    connection.sendall(b"{")
    return connection


# `run_server` in the test's own process


def hello(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def stop_after(
    client: Callable[[str], Any], results: List[Any], number: int = signal.SIGTERM
) -> Callable[[str], None]:
    """Return a `ready` that runs a client in a thread, and then sends a signal."""

    def run(base_url: str) -> None:
        try:
            results.append(client(base_url))
        except BaseException as error:
            results.append(error)
        os.kill(os.getpid(), number)

    return lambda base_url: threading.Thread(target=run, args=(base_url,)).start()
