"""`serve` and clients that know HTTP, TLS and signals too well.

What a flood does is in test_faults_server.py; here each request, connection or
signal is made for one weak place.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

import pytest

from integration.faulty import (
    GET,
    HOST,
    RawAnswer,
    connect,
    exchange,
    fetch,
    read_all,
    read_answer,
    serving,
)
from integration.turn import Certificate
from support import WAIT, ServerProcess, listens, wait_for


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
    """Bad input is the client's fault: 4xx (RFC 9110, 15.5), in JSON, without a traceback."""
    process, port = server
    before = len(process.output)
    answer = RawAnswer(exchange(port, data))
    assert answer.status == status
    assert json.loads(answer.body)["status"] == status
    assert fetch(port).status == 200
    assert "Traceback" not in process.output[before:]


def test_a_form_full_of_files_opens_none(tmp_path: Path) -> None:
    """CherryPy keeps a temporary file for each, even if no handler wants a form."""
    part = b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nz\r\n"
    body = part * (4_000 // len(part)) + b"--x--\r\n"
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
    """A request that has begun is answered, whatever arrives while the stop waits for it."""
    with serving(tmp_path) as (server, port), connect(port) as client:
        wait_for(lambda: "serving on" in server.output)
        client.sendall(GET[:10])
        assert fetch(port).status == 200
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not listens(HOST, port))
        server.process.send_signal(signal.SIGUSR1)
        client.sendall(GET[10:])
        assert RawAnswer(read_all(client)).status == 200
        assert server.process.wait(WAIT) == 0


def statuses(data: bytes) -> List[int]:
    return [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]


def test_what_follows_a_bad_request_is_dropped(server: Tuple[ServerProcess, int]) -> None:
    """RFC 9112, 2.2: a server that can't find the end of a request closes the connection."""
    for bad in (GET.replace(b": x", b": x\r\nContent-Length: x"), GET.replace(b"/API", b"//[")):
        assert statuses(exchange(server[1], GET * 3 + bad + GET * 3)) == [200, 200, 200, 400]


# TLS


class TLSServer(NamedTuple):
    """A TLS server that waits five seconds for its clients, and a context that trusts it."""

    process: ServerProcess
    port: int
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[TLSServer]:
    folder = tmp_path_factory.mktemp("tls")
    files = ("--cert", certificate.cert_file, "--key", certificate.key_file)
    impatient = "import abcwebrtc.web.serve; abcwebrtc.web.serve.TIMEOUT = 5"
    with serving(folder, *files, before=impatient) as (server, port):
        yield TLSServer(server, port, certificate.trust)
        assert server.stop() == 0
        assert "Traceback" not in server.output


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
