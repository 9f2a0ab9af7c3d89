"""`serve` and clients that know HTTP, TLS and signals too well.

What a flood does is in test_faults_server.py; here each request, connection or
signal is made for one weak place.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import pytest

from integration.faulty import (
    GET,
    HOST,
    RawAnswer,
    connect,
    exchange,
    fetch,
    is_listening,
    read_all,
    read_answer,
    serving,
)
from integration.turn import Certificate
from support import WAIT, ServerProcess, wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tuple[ServerProcess, int]]:
    with serving(tmp_path_factory.mktemp("server")) as (server, port):
        yield server, port
        assert server.stop() == 0
        assert "Traceback" not in server.output


def asking(line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [line, "Host: x", "Connection: close", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def with_form(kind: str, body: bytes, path: str = "/nowhere") -> bytes:
    return asking(f"POST {path} HTTP/1.1", f"Content-Type: {kind}", body=body)


# what used to be a traceback

FAULTS: Dict[str, Tuple[bytes, int]] = {
    "half an IPv6 address": (asking("GET //[ HTTP/1.1"), 400),
    "the same, absolute": (asking("GET http://[ HTTP/1.1"), 400),
    "the same, OPTIONS": (asking("OPTIONS //[ HTTP/1.1"), 400),
    "a version that Python reads as a number": (asking("GET / HTTP/1.-5"), 400),
    "a form without a boundary": (with_form("multipart/form-data", b"abc"), 404),
    "a form with a bad boundary": (with_form("multipart/form-data; boundary=\xff", b"abc"), 404),
    "a form of no charset": (
        with_form("application/x-www-form-urlencoded; charset=foo", b"a=b"),
        404,
    ),
    "a form in UTF-7": (
        with_form("application/x-www-form-urlencoded; charset=utf-7", b"%2b-=%2b%2f"),
        404,
    ),
    "a form where JSON is expected": (
        with_form("multipart/form-data", b"abc", "/API/core/getkeyinfo"),
        415,
    ),
}


@pytest.mark.parametrize(("data", "status"), FAULTS.values(), ids=FAULTS)
def test_nobody_writes_a_traceback_into_the_log(
    server: Tuple[ServerProcess, int], data: bytes, status: int
) -> None:
    """Bad input is the client's fault: 4xx (RFC 9110, section 15.5), in JSON, without a trace."""
    process, port = server
    before = len(process.output)
    answer = RawAnswer(exchange(port, data))
    assert answer.status == status
    assert json.loads(answer.body)["status"] == status
    assert fetch(port).status == 200
    assert "Traceback" not in process.output[before:]


def test_a_form_full_of_files_opens_none(tmp_path: Path) -> None:
    """CherryPy keeps a temporary file for each, also where nobody asked for a form."""
    part = b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nz\r\n"
    body = part * (60_000 // len(part)) + b"--x--\r\n"
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))"
    with serving(tmp_path, before=few) as (server, port):
        kind = "multipart/form-data; boundary=x"
        for path, status in (("/nowhere", 404), ("/API/core/getkeyinfo", 415), ("/API", 404)):
            for _ in range(3):
                answer = RawAnswer(exchange(port, with_form(kind, body, path)))
                assert answer.status == status
        assert server.stop() == 0
        assert "Traceback" not in server.output


# signals


def storm(pid: int, number: int) -> None:
    for _ in range(100_000):
        os.kill(pid, number)


def test_a_storm_of_usr1_ends_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, port):
        wait_for(lambda: "serving on" in server.output)
        assert fetch(port).status == 200
        threads = [
            threading.Thread(target=storm, args=(server.process.pid, signal.SIGUSR1))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answer = RawAnswer(exchange(port, with_form("application/json", b'{"key": ""}', "/login")))
        assert answer.status == 403  # so its threads wait for no lock
        assert server.stop() == 0
        assert "Traceback" not in server.output


def test_usr1_does_not_end_a_stop(tmp_path: Path) -> None:
    """A request that has begun is answered, whatever comes while the stop waits for it."""
    with serving(tmp_path) as (server, port), connect(port) as client:
        wait_for(lambda: "serving on" in server.output)
        client.sendall(GET[:10])
        assert fetch(port).status == 200
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not is_listening(port))
        server.process.send_signal(signal.SIGUSR1)
        client.sendall(GET[10:])
        assert RawAnswer(read_all(client)).status == 200
        assert server.process.wait(WAIT) == 0


def statuses(data: bytes) -> List[int]:
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def test_what_follows_a_bad_request_is_dropped(server: Tuple[ServerProcess, int]) -> None:
    """RFC 9112, section 2.2: a server that can't tell the end of a request closes."""
    for bad in (GET.replace(b": x", b": x\r\nHost: y"), GET.replace(b"/API", b"//[")):
        assert statuses(exchange(server[1], GET * 3 + bad + GET * 3)) == [200, 200, 200, 400]


# more clients than there is room for

FEW = {
    "limit": "from abcwebrtc.web import serve; serve._connection_limit = lambda most: 3",
    "descriptors": "from abcwebrtc.web import serve; serve._connection_limit = lambda most: 999",
}


@pytest.mark.parametrize("what", FEW)
def test_who_has_asked_is_answered_before_he_makes_room(tmp_path: Path, what: str) -> None:
    """All come at once; otherwise each would be closed, unread, for the next one."""
    with serving(tmp_path, before=FEW[what]) as (server, port), contextlib.ExitStack() as stack:
        pid = server.process.pid
        assert fetch(port).status == 200
        if what == "descriptors":
            few = len(os.listdir(f"/proc/{pid}/fd")) + 2
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, few))
        server.process.send_signal(signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
        clients = [stack.enter_context(connect(port)) for _ in range(60)]
        for client in clients:
            client.sendall(GET)
        server.process.send_signal(signal.SIGCONT)
        assert [RawAnswer(read_answer(client)).status for client in clients] == [200] * 60
        assert server.stop() == 0
        assert "Traceback" not in server.output


# TLS


class TLSServer(NamedTuple):
    """A server with TLS that gives its clients half a second, and a context that trusts it."""

    process: ServerProcess
    port: int
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[TLSServer]:
    folder = tmp_path_factory.mktemp("tls")
    files = ("--cert", certificate.cert_file, "--key", certificate.key_file)
    impatient = "import abcwebrtc.web.serve; abcwebrtc.web.serve.Server.timeout = 0.5"
    with serving(folder, *files, before=impatient) as (server, port):
        yield TLSServer(server, port, certificate.trust)
        assert server.stop() == 0
        assert "Traceback" not in server.output


def test_an_idle_connection_ends_with_a_word_of_tls(tls: TLSServer) -> None:
    """RFC 9112, section 9.8: or the client can't tell it from an attack."""
    _, port, context = tls
    with context.wrap_socket(
        connect(port), server_hostname=HOST, suppress_ragged_eofs=False
    ) as client:
        client.sendall(GET)
        assert RawAnswer(read_answer(client)).status == 200
        assert client.recv(1) == b""


class SlowTLS:
    """TLS of which this sends every byte by itself."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.sock, self.came, self.goes = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.came, self.goes, server_hostname=HOST)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def until_done(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.send()
                data = self.sock.recv(65536)
                self.came.write(data) if data else self.came.write_eof()

    def send(self) -> None:
        for byte in self.goes.read():
            self.sock.sendall(bytes([byte]))


def test_tls_byte_by_byte_and_closed_by_the_client_gets_its_answer(
    tls: TLSServer,
) -> None:
    """RFC 8446, section 6.1: who has said that he sends no more may read on."""
    _, port, context = tls
    with connect(port) as sock:
        slow = SlowTLS(context, sock)
        slow.until_done(slow.tls.do_handshake)
        slow.tls.write(GET)
        with contextlib.suppress(ssl.SSLWantReadError):
            slow.tls.unwrap()
        slow.send()
        answer = b"".join(iter(lambda: read_or_end(slow), b""))
        assert RawAnswer(answer).is_whole


def read_or_end(slow: SlowTLS) -> bytes:
    with contextlib.suppress(ssl.SSLZeroReturnError):
        return bytes(slow.until_done(lambda: slow.tls.read(65536)))
    return b""


@pytest.mark.parametrize("data", [GET, b"\x16\x03\x01\x40\x00", b"\0" * 100, b"\x80\x2e\x01\0\x02"])
def test_what_is_no_tls_is_closed(tls: TLSServer, data: bytes) -> None:
    process, port, context = tls
    before = len(process.output)
    assert b"HTTP" not in exchange(port, data)
    wait_for(lambda: f"INFO: {HOST}: failed at TLS: " in process.output[before:])
    with context.wrap_socket(connect(port), server_hostname=HOST) as client:
        client.sendall(GET)
        assert RawAnswer(read_answer(client)).status == 200


def test_plain_bytes_within_tls_are_no_request(tls: TLSServer) -> None:
    _, port, context = tls
    wrapped = context.wrap_socket(connect(port), server_hostname=HOST)
    with socket.socket(fileno=wrapped.detach()) as plain:
        plain.settimeout(WAIT)
        plain.sendall(GET)
        assert b"HTTP" not in read_all(plain)
