"""Malicious clients, for tests and benchmarks on this machine's loopback.

    python tests/support/attackers.py ATTACK PORT [SOURCE]

runs one of `ATTACKS` until it is killed, for at most two minutes, and prints "ready" once the
attack is under way. SOURCE is the loopback address to connect from. It can't reach other machines.
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
from typing import Any, Callable, Dict, Iterator, NamedTuple, Tuple

HOST = "127.0.0.1"
PATH = "/API/webrtc/coturn_rtcconfiguration"
POST = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
GET = b"GET /API/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LIFETIME = 120.0
GATHERING = 5.0
"""Seconds after which an attack counts as under way, however many clients are connected."""
PAUSE = 0.05
PIECE = b"x" * 65536
GIB = 1 << 30


class Crowd:
    """Many connections; each sends `opening`, then `drip` once a second."""

    def __init__(self, port: int, count: int, opening: bytes, drip: bytes, reads: bool) -> None:
        self.port, self.count, self.reads = port, count, reads
        self.opening, self.drip = opening, drip
        self.unsent: Dict[socket.socket, memoryview] = {}
        """The rest of the opening that each connection still has to send."""
        self.selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Hold the connections forever; reopen those that are closed."""
        said, next_drip, late = False, 0.0, time.monotonic() + GATHERING
        while True:
            self.fill()
            if not said and (len(self.unsent) == self.count or time.monotonic() > late):
                said = True
                print("ready", flush=True)
            if time.monotonic() >= next_drip:
                next_drip = time.monotonic() + 1
                self.send_drip()
            self.go_on(PAUSE)

    def fill(self, at_once: int = 200) -> None:
        for _ in range(min(at_once, self.count - len(self.unsent))):
            try:
                client = connect(self.port, small=not self.reads)
            except OSError:
                return
            client.setblocking(False)
            self.unsent[client] = memoryview(self.opening)
            events = selectors.EVENT_READ if self.reads else 0
            self.selector.register(client, events | selectors.EVENT_WRITE)
            self.send(client)

    def send(self, client: socket.socket) -> None:
        try:
            self.unsent[client] = self.unsent[client][client.send(self.unsent[client]) :]
        except BlockingIOError:
            return
        except OSError:
            self.drop(client)
            return
        if not self.unsent[client]:
            if self.reads:
                self.selector.modify(client, selectors.EVENT_READ)
            else:
                self.selector.unregister(client)

    def send_drip(self) -> None:
        waiting = [client for client, unsent in self.unsent.items() if not unsent]
        for client in waiting if self.drip else ():
            try:
                client.send(self.drip)
            except BlockingIOError:
                continue
            except OSError:
                self.drop(client)

    def go_on(self, seconds: float) -> None:
        """Send what is left to send, and notice closed connections."""
        begin = time.monotonic()
        for key, events in self.selector.select(seconds):
            client: Any = key.fileobj
            if events & selectors.EVENT_WRITE:
                self.send(client)
            elif not self.has_come(client):
                self.drop(client)
        if not self.reads:  # nothing wakes the selector
            time.sleep(max(0.0, begin + seconds - time.monotonic()))

    def has_come(self, client: socket.socket) -> bool:
        try:
            return bool(client.recv(65536))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def drop(self, client: socket.socket) -> None:
        with contextlib.suppress(KeyError):
            self.selector.unregister(client)
        del self.unsent[client]
        client.close()


def connect(port: int, small: bool = False) -> socket.socket:
    client = socket.socket()
    try:
        client.settimeout(2)
        if len(sys.argv) > 3 and sys.argv[0] == __file__:
            client.bind((sys.argv[3], 0))
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


def send_without_end(port: int, head: bytes, piece: bytes) -> Tuple[int, bytes]:
    """Send a body until the server stops it; return how much was sent, and the answer."""
    sent = 0
    with connect(port) as client:
        with contextlib.suppress(OSError):
            client.sendall(head)
            while sent < GIB:
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
BODY = 127 * 1024
WHOLE = POST + f"Content-Length: {BODY}\r\n\r\n".encode() + b"x" * BODY
FULL = POST + b"X: " + b"x" * 39_000
"""Headers up to their limit, without an end."""
OPEN_FILE = b"GET /testpage/style.css HTTP/1.1\r\nHost: x\r\n\r\n"
"""The request with the largest answer that anybody gets."""


def _get(path: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: x", *headers, b"Connection: close"]
    return b"\r\n".join([*lines, b"", b""])


def _post(*headers: bytes, body: bytes = b"{}") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return POST + b"\r\n".join([length, *headers, b"Connection: close", b"", body])


NUMBERED = [b"a%d=1" % number for number in range(7_500)]
COSTLY: Dict[str, bytes] = {
    "path-segments": _get(b"/API/webrtc" + b"/a" * 3_900),
    "long-path": _get(b"/API" + b"/a" * 31_000),
    "known-path": _get(b"/API" + b"/" * 240 + b"healthz"),
    "full-line": _get(b"/API/" + b"%2f" * 1_350),
    "cookie-octal": _post(b'Cookie: a="' + rb"\1" * 12_000 + b'"'),
    "many-cookies": _post(b"Cookie: " + b"; ".join(NUMBERED[:4_000])),
    "our-cookies": _post(b"Cookie: " + b"; ".join([b"abcwebrtc_operator=" + b"x" * 65] * 440)),
    "encoded-words": _post(b"User-Agent: " + b"=?utf-8?q?a?= " * 2_700),
    "many-parameters": _get(b"/API/webrtc/turn?service=turn&" + b"&".join(NUMBERED[:7_000])),
    "full-query": _get(b"/API/webrtc/turn?service=turn" + b"&x" * 497),
    "content-type": POST + _post(b"Content-Type: " + b',"' * 15_000)[len(POST) :],
    "full-type": _post(b"Content-Type: application/json" + b',"' * 240),
    "accept": _post(b"Accept: " + b"a/b;q=0.1," * 3_800),
    "full-headers": _post(*([b"X: " + b"x" * 385] * 94)),
    "many-headers": _post(*([b"X:"] * 7_500)),
    "full-token": _post(b"ABCAuthorization: Bearer " + b"a" * 38_000),
    "dotted-token": _post(b"ABCAuthorization: Bearer " + b"." * 38_000),
    "full-body": _post(body=b'{"x":' + b"[" * 4_000),
}
"""Single requests built to be expensive, by what they are full of."""


def again(action: Callable[[int], Any]) -> Callable[[int, int], None]:
    """Return an attack that repeats an action in several threads."""

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
    """What the clients do, and how many there are."""

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
    "whole-posts": Attack(crowd(WHOLE), 8_000, meaning="a whole body of 127 KiB"),
    "small-posts": Attack(crowd(_post()), 8_000, meaning="a request without a token"),
    "full-headers": Attack(crowd(FULL), 8_000, meaning="39 KB of headers, without an end"),
    "unread": Attack(
        crowd(OPEN_FILE, OPEN_FILE, reads=False),
        8_000,
        meaning="a request a second, no answer read",
    ),
    **{
        name: Attack(again(send_once(COSTLY[name])), 4, meaning=f"the request {name} below")
        for name in ("path-segments", "cookie-octal", "encoded-words", "content-type")
    },
    "silent-tls": Attack(crowd(), 500, True, "connections without a TLS handshake"),
    "half-hello": Attack(
        crowd(b"\x16\x03\x01\x02\x00\x01", b"\x00"), 500, True, "a byte of the handshake a second"
    ),
}

FLOODS = ("small-posts", "pipelining", "slow-readers")
"""Attacks by the number of requests; each costs as much as a good one."""


@contextlib.contextmanager
def attacking(name: str, port: int, source: str = HOST) -> Iterator["subprocess.Popen[bytes]"]:
    """Attack a port of this machine from another process."""
    command = [sys.executable, __file__, name, str(port), source]
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
