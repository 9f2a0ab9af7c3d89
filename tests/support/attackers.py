"""Clients that mean harm, for tests and benchmarks on this machine's loopback.

    python tests/support/attackers.py ATTACK PORT

runs one of `ATTACKS` until it is killed, for two minutes at most, and prints
"ready" once it is under way. It can't reach another machine.
"""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, NamedTuple, Set, Tuple

HOST = "127.0.0.1"
PATH = "/API/webrtc/coturn_rtcconfiguration"
POST = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
GET = b"GET /API/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LIFETIME = 120.0
GATHERING = 5.0
"""Seconds after which an attack counts as under way, however many are connected."""
PAUSE = 0.05
PIECE = b"x" * 65536
GIB = 1 << 30


class Crowd:
    """Many connections, each of which sends `opening`, and `drip` once a second."""

    def __init__(self, port: int, count: int, opening: bytes, drip: bytes, reads: bool) -> None:
        self.port, self.count, self.reads = port, count, reads
        self.opening, self.drip = opening, drip
        self.open: Set[socket.socket] = set()
        self.selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Hold the connections for ever; one that is closed is opened again."""
        said, next_drip, late = False, 0.0, time.monotonic() + GATHERING
        while True:
            self.fill()
            if not said and (len(self.open) == self.count or time.monotonic() > late):
                said = True
                print("ready", flush=True)
            if time.monotonic() >= next_drip:
                next_drip = time.monotonic() + 1
                self.send_all(self.drip)
            self.drop_closed(PAUSE)

    def fill(self, at_once: int = 200) -> None:
        for _ in range(min(at_once, self.count - len(self.open))):
            try:
                client = connect(self.port, small=not self.reads)
                client.sendall(self.opening)
            except OSError:
                return
            client.setblocking(False)
            self.open.add(client)
            if self.reads:
                self.selector.register(client, selectors.EVENT_READ)

    def send_all(self, data: bytes) -> None:
        for client in list(self.open) if data else ():
            try:
                client.send(data)
            except BlockingIOError:
                continue
            except OSError:
                self.drop(client)

    def drop_closed(self, seconds: float) -> None:
        if not self.reads:
            time.sleep(seconds)
            return
        for key, _ in self.selector.select(seconds):
            client: Any = key.fileobj
            try:
                if client.recv(65536):
                    continue
            except OSError:
                pass
            self.drop(client)

    def drop(self, client: socket.socket) -> None:
        if self.reads:
            self.selector.unregister(client)
        self.open.discard(client)
        client.close()


def connect(port: int, small: bool = False) -> socket.socket:
    client = socket.socket()
    try:
        client.settimeout(2)
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect((HOST, port))
    except OSError:
        client.close()
        raise
    return client


def crowd(
    opening: bytes = b"", drip: bytes = b"", reads: bool = True
) -> Callable[[int, int], None]:
    def run(port: int, count: int) -> None:
        Crowd(port, count, opening, drip, reads).run()

    return run


def send_without_end(port: int, head: bytes, piece: bytes, most: int = GIB) -> Tuple[int, bytes]:
    """Send a body until the server ends it; return how much of it went, and the answer."""
    sent = 0
    with connect(port) as client:
        with contextlib.suppress(OSError):
            client.sendall(head)
            while sent < most:
                sent += client.send(piece)
        answer = b""
        with contextlib.suppress(OSError):
            answer = client.recv(65536)
    return sent, answer


LARGE = POST + f"Content-Length: {GIB}\r\n\r\n".encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n" + PIECE + b"\r\n"
BOMB = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000
SWARM = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 10_000 + b"\r\n"
PIPELINED = 200


def again(action: Callable[[int], Any]) -> Callable[[int, int], None]:
    """Return an attack that does something again and again, in some threads."""

    def work(port: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                action(port)
            time.sleep(PAUSE)

    def run(port: int, count: int) -> None:
        for _ in range(count):
            threading.Thread(target=work, args=(port,), daemon=True).start()
        print("ready", flush=True)
        time.sleep(LIFETIME)

    return run


def send_once(data: bytes) -> Callable[[int], None]:
    def run(port: int) -> None:
        with connect(port) as client:
            client.sendall(data)
            while client.recv(65536):
                pass

    return run


def pipeline(port: int) -> None:
    with connect(port) as client:
        client.sendall(GET * PIPELINED)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < PIPELINED:
            data = client.recv(65536)
            if not data:
                return
            answers += data


class Attack(NamedTuple):
    """What is done, and by how many clients."""

    run: Callable[[int, int], None]
    count: int
    tls: bool = False
    meaning: str = ""


ATTACKS: Dict[str, Attack] = {
    "idle": Attack(crowd(), 10_000, meaning="connections that send nothing"),
    "slow-headers": Attack(
        crowd(POST + b"X: ", b"x"), 500, meaning="a byte of the headers a second"
    ),
    "slow-body": Attack(
        crowd(POST + b"Content-Length: 1000\r\n\r\n", b" "),
        500,
        meaning="a byte of the body a second",
    ),
    "slow-readers": Attack(
        crowd(GET * 300, reads=False), 50, meaning="300 requests each, no answer is read"
    ),
    "large-body": Attack(
        again(lambda port: send_without_end(port, LARGE, PIECE)), 4, meaning="a body of 1 GiB"
    ),
    "chunked-body": Attack(
        again(lambda port: send_without_end(port, CHUNKED, CHUNK)),
        4,
        meaning="a chunked body without end",
    ),
    "header-bomb": Attack(again(send_once(BOMB)), 4, meaning="a header of 70,000 bytes"),
    "header-swarm": Attack(again(send_once(SWARM)), 4, meaning="10,000 headers"),
    "pipelining": Attack(again(pipeline), 4, meaning="200 requests sent at once"),
    "silent-tls": Attack(crowd(), 500, True, "connections without a TLS handshake"),
    "half-hello": Attack(
        crowd(b"\x16\x03\x01\x02\x00\x01", b"\x00"), 500, True, "a byte of the handshake a second"
    ),
}


@contextlib.contextmanager
def attacking(name: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Attack a port of this machine in a process of its own."""
    command = [sys.executable, __file__, name, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n", name
            yield process
        finally:
            process.kill()


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attack = ATTACKS[name]
    threading.Thread(target=attack.run, args=(port, attack.count), daemon=True).start()
    time.sleep(LIFETIME)


if __name__ == "__main__":
    main()
