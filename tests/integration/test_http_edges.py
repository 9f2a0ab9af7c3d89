"""Requests that only a real server meets: hardly HTTP, or too large."""

from __future__ import annotations

import contextlib
import http.client
import socket
from typing import Dict, Iterator, Tuple
from urllib.parse import urlsplit

import pytest

from integration.endpoint import Endpoint
from support import ENTRIES, RTC_PATH, WAIT, ServerProcess, bearer, request


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = tmp_path_factory.mktemp("edges")
    with Endpoint.running(folder, ENTRIES["webrtc.coturn"]) as endpoint:
        yield endpoint


def send(endpoint: Endpoint, head: str, body: bytes = b"") -> http.client.HTTPResponse:
    """Send the bytes of a request, and return the answer, already read."""
    place = urlsplit(endpoint.server.base_url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=WAIT)
    connection.connect()
    with contextlib.suppress(OSError):  # it may be refused before all is sent
        connection.sock.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
    answer = http.client.HTTPResponse(connection.sock)
    answer.begin()
    answer.text = answer.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return answer


def exchange(server: ServerProcess, head: str, body: bytes) -> bytes:
    """Send the bytes of a request, and return everything until the connection closes."""
    place = urlsplit(server.base_url)
    with socket.create_connection((place.hostname, place.port), WAIT) as client:
        client.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        data = b""
        with contextlib.suppress(ConnectionError):
            for piece in iter(lambda: client.recv(65536), b""):
                data += piece
    return data


POST = f"POST {RTC_PATH} HTTP/1.1\nHost: x\nContent-Type: application/json\n"
REFUSED: Dict[str, Tuple[str, bytes, int]] = {
    "no Host": ("GET /API/healthz HTTP/1.1", b"", 400),
    "a body of 100 KiB": (POST + "Content-Length: 102400", b"x" * 102400, 413),
    "a chunked body": (POST + "Transfer-Encoding: chunked", b"2\r\n{}\r\n0\r\n\r\n", 411),
    "a negative length": (POST + "Content-Length: -2", b"", 400),
    "a body that is not UTF-8": (POST + "Content-Length: 2", b"\xff\xfe", 400),
    "4,000 brackets": (POST + "Content-Length: 4000", b"[" * 4000, 400),
    "a parameter named self": (
        "GET /API/webrtc/turn?service=turn&self=1 HTTP/1.1\nHost: x",
        b"",
        401,
    ),
    "a parameter that is not UTF-8": ("GET /API/healthz?x=%ff HTTP/1.1\nHost: x", b"", 404),
    "an unknown parameter": ("GET /API/healthz?x=1 HTTP/1.1\nHost: x", b"", 404),
    "a path of 2,000 segments": ("GET /API" + "/a" * 2_000 + " HTTP/1.1\nHost: x", b"", 404),
    "a path of 31,000 segments": ("GET /API" + "/a" * 31_000 + " HTTP/1.1\nHost: x", b"", 414),
    "a query of 1,025 bytes": (
        f"GET /API/webrtc/turn?service=turn&x={'x' * 1_010} HTTP/1.1\nHost: x",
        b"",
        414,
    ),
    "two hosts": ("GET /API/healthz HTTP/1.1\nHost: x\nHost: y", b"", 400),
    "a blank in a name": ("GET /API/healthz HTTP/1.1\nHost : x", b"", 400),
    "a value in two lines": ("GET /API/healthz HTTP/1.1\nHost: x\nX: a\n b", b"", 400),
    "a second line without a first": ("GET /API/healthz HTTP/1.1\n x\nHost: x", b"", 400),
    "a version that is almost one": ("GET /API/healthz HTTP/+1.1\nHost: x", b"", 400),
    "101 headers": ("GET /API/healthz HTTP/1.1\nHost: x" + "\nX: x" * 100, b"", 431),
    "a Content-Type of 513 bytes": (POST + f"Content-Type: {'x' * 513}", b"", 431),
    "an unknown path": ("GET /API/<b>&amp; HTTP/1.1\nHost: x", b"", 404),
    "another method": (f"BREW {RTC_PATH} HTTP/1.1\nHost: x", b"", 405),
}


@pytest.mark.parametrize(("head", "body", "status"), REFUSED.values(), ids=REFUSED)
def test_refused_as_json_is(head: str, body: bytes, status: int, endpoint: Endpoint) -> None:
    before = len(endpoint.server.output)
    answer = send(endpoint, head + "\nConnection: close", body)
    print(endpoint.server.output[before:])
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "abcwebrtc"
    assert "Traceback" not in endpoint.server.output[before:]


def test_a_body_of_2_mib_is_refused_in_the_same_shape(endpoint: Endpoint) -> None:
    answer = send(endpoint, POST + "Content-Length: 2097152", b"x" * 2097152)
    assert answer.status == 413
    assert answer.headers["Content-Type"] == "application/json"


def test_a_chunked_body_is_not_taken_for_the_next_request(endpoint: Endpoint) -> None:
    chunk = b"GET /API/healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk)
    data = exchange(endpoint.server, POST + "Transfer-Encoding: chunked", body)
    assert data.count(b"HTTP/1.1 ") == 1
    assert data.startswith(b"HTTP/1.1 411 ")


def test_the_server_answers_after_all_of_that(endpoint: Endpoint) -> None:
    answer = request(endpoint.server.base_url + RTC_PATH, {}, bearer())
    assert answer.status == 200
