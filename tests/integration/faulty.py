"""``abcwebrtc serve`` in bad conditions, and clients that write raw bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from integration.turn import free_ports
from support import (
    RTC_PATH,
    WAIT,
    ServerProcess,
    command,
    environment,
    listens,
    make_token,
    wait_for,
    write_od_config,
)

HOST = "127.0.0.1"
GET = b"GET /API/healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), WAIT)


@contextlib.contextmanager
def serving(
    folder: Path,
    *arguments: object,
    before: str = "",
    prefix: Sequence[str] = (),
    env: Mapping[str, str] = {},
    entries: Mapping[str, Any] = {},
    **streams: Any,
) -> Iterator[Tuple[ServerProcess, int]]:
    """Run ``abcwebrtc serve``, and yield it with its port.

    `streams` are those of Popen; the log is a file in `folder` by default.
    """
    (port,) = free_ports(1)
    od_config = write_od_config(folder, **entries)
    line = command("serve", od_config, "--port", port, *arguments, before=before)
    log = folder / "log"
    with open(log, "wb") as stream:
        streams = {"stdout": stream, "stderr": stream, **streams}
        process = subprocess.Popen(
            [*prefix, *line], stdin=subprocess.DEVNULL, env=environment(**env), **streams
        )
    server = ServerProcess(process, log)
    try:
        wait_for(lambda: process.poll() is not None or listens(HOST, port))
        assert process.poll() is None, server.output
        yield server, port
    finally:
        print(server.output[-4000:])
        if process.poll() is None:
            process.kill()
        process.wait(WAIT)


def read_all(client: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionError):
        for chunk in iter(lambda: client.recv(65536), b""):
            data += chunk
    return data


def exchange(port: int, data: bytes) -> bytes:
    """Send bytes, and return what the server sends until it closes the connection."""
    with connect(port) as client:
        with contextlib.suppress(ConnectionError):  # it may be refused before all is sent
            client.sendall(data)
        return read_all(client)


class RawAnswer:
    """An answer in bytes: its status, its headers and its body."""

    def __init__(self, data: bytes) -> None:
        head, self.end, self.body = data.partition(b"\r\n\r\n")
        self.status_line, *lines = head.decode("latin-1").split("\r\n")
        self.headers = dict(line.lower().split(": ", 1) for line in lines)
        self.status = int(self.status_line.split()[1]) if self.end else 0

    @property
    def is_whole(self) -> bool:
        length = self.headers.get("content-length", "-1")
        return bool(self.end) and len(self.body) == int(length)


def rtc_request(token: str = "", close: bool = False, body: bytes = b"{}") -> bytes:
    head = (
        f"POST {RTC_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"ABCAuthorization: Bearer {token or make_token()}\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + (b"Connection: close\r\n" if close else b"") + b"\r\n" + body


def fetch(port: int, token: str = "") -> RawAnswer:
    """Fetch an rtc_configuration on a new connection."""
    return RawAnswer(exchange(port, rtc_request(token, close=True)))


def credential(answer: RawAnswer) -> Dict[str, str]:
    """Return the TURN server of an answer, with its username and credential."""
    assert answer.status == 200, answer.body
    servers: List[Dict[str, str]] = json.loads(answer.body)["result"]["iceServers"]
    return servers[1]


def read_answer(client: socket.socket) -> bytes:
    """Read one answer that has a length, or what the server sends before it closes."""
    data = b""
    while not (data and RawAnswer(data).is_whole):
        chunk = client.recv(65536)
        if not chunk:
            break
        data += chunk
    return data
