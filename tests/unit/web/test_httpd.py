"""The HTTP server of `serve`: what it answers, whom it leaves, and what it survives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

import abcwebrtc.web.httpd.loop
import abcwebrtc.web.serve
from abcwebrtc.web.httpd.connection import Connection
from abcwebrtc.web.httpd.loop import Server
from abcwebrtc.web.serve import Listen, run_server
from support import WAIT
from support.httpd_server import (
    GET,
    body,
    connect,
    hello,
    read_all,
    send,
    serve,
    statuses,
    with_headers,
)
from unit.web.test_framing import REFUSED


def test_pipelined_requests_each_get_their_own_body_back() -> None:
    data = serve(send(b"\r\n\r\n" + body(b"one") + body(b"two") + GET))
    assert statuses(data) == [200, 200, 200]
    assert data.index(b"\r\n\r\none") < data.index(b"\r\n\r\ntwo") < data.index(b"\r\n\r\nhello")


@pytest.mark.parametrize(("data", "status"), REFUSED, ids=lambda value: repr(value)[-30:])
def test_a_refusal_is_json_and_ends_the_connection(data: bytes, status: int) -> None:
    answer = serve(send(data + GET, then_close=False))
    assert statuses(answer) == [status]
    head, _, content = answer.partition(b"\r\n\r\n")
    assert json.loads(content.decode())["status"] == status
    assert b"Content-Length: %d\r\n" % len(content) in head
    assert b"Cache-Control: no-store\r\n" in head


@pytest.mark.parametrize("data", [GET[:-1], body(b"body")[:-1]])
def test_half_a_request_is_refused_when_the_client_ends_it(data: bytes) -> None:
    assert statuses(serve(send(data))) == [400]


@pytest.mark.parametrize("data", [b"", b"\r\n", GET + b"\r\n"])
def test_no_request_gets_no_answer(data: bytes) -> None:
    assert statuses(serve(send(data))) == [200] * data.count(b"GET")


@pytest.mark.parametrize(
    ("data", "expected"),
    [(GET[:-1], [408]), (b"", []), (GET, [200]), (GET * 2 + b"G", [200, 200, 408])],
)
def test_time_runs_out(data: bytes, expected: List[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "timeout", 0.1)
    assert statuses(serve(send(data, then_close=False))) == expected


STAYS = {
    ("HTTP/1.1", ""): True,
    ("HTTP/1.1", "keep-alive"): True,
    ("HTTP/1.1", "close"): False,
    ("HTTP/1.1", "Close"): False,
    ("HTTP/1.1", "keep-alive, CLOSE"): False,
    ("HTTP/1.1", "x\r\nConnection: close"): False,
    ("HTTP/1.1", "closed"): True,
    ("HTTP/1.0", ""): False,
    ("HTTP/1.0", "keep-alive"): True,
    ("HTTP/1.0", "x, Keep-Alive"): True,
    ("HTTP/1.0", "keep-alive, close"): False,
}


@pytest.mark.parametrize(("version", "option"), STAYS, ids=repr)
def test_a_connection_stays_open_as_the_client_says(version: str, option: str) -> None:
    """RFC 9112, sections 9.3 and 9.6; options have no case (RFC 9110, section 7.6.1)."""
    data = f"GET / {version}\r\nHost: x\r\nConnection: {option}\r\n\r\n".encode()
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = serve(send(data + last))
    assert statuses(answers) == ([200, 200] if STAYS[version, option] else [200])
    assert answers.count(b"Connection: close") <= 1


def test_names_that_wsgi_can_not_tell_apart_are_left_out() -> None:
    def show(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        start_response("200 OK", [])
        found = [environ.get(name, "") for name in ("HTTP_X_Y", "CONTENT_LENGTH", "HTTP_X")]
        return ["|".join(found).encode()]

    data = with_headers("X-Y: good", "X_Y: bad", "Content_Length: 3", "X: x", "Connection: close")
    assert b"good||x" in serve(send(data), show)


def test_blank_lines_do_not_gain_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "timeout", 0.3)

    def client(port: int) -> bytes:
        end = time.monotonic() + WAIT
        with connect(port) as drip, contextlib.suppress(ConnectionError):
            drip.settimeout(0.02)
            while time.monotonic() < end:
                for byte in (b"\r", b"\n"):
                    drip.sendall(byte)
                    with contextlib.suppress(socket.timeout):
                        return drip.recv(1)
            pytest.fail("it was let drip on")
        return b""

    assert serve(client) in (b"", b"H")  # with half a blank line, it gets 408


class Sent(bytearray):
    """Bytes that can be watched going."""


def test_what_was_sent_is_not_kept() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        one = Connection(ours, ("a", 0), 0)
        data = Sent(b"an answer")
        gone = weakref.ref(data)
        one.reply(data, True)
        del data
        assert one.send()
        assert gone() is None
        assert theirs.recv(100) == b"an answer"


class ShortSocket(socket.socket):
    """A socket whose buffer has room for three bytes more."""

    def send(self, data: Any, flags: int = 0) -> int:
        return super().send(data[:3], flags)


class StuckTLS(socket.socket):
    """A socket whose TLS holds a record that nobody takes."""

    def send(self, data: Any, flags: int = 0) -> int:
        raise ssl.SSLWantWriteError


@pytest.mark.parametrize("kind", [ShortSocket, StuckTLS])
def test_half_of_a_100_continue_ends_the_connection(kind: Any) -> None:
    """What is sent next would be taken for the rest of it."""
    ours, theirs = socket.socketpair()
    with theirs, kind(fileno=ours.detach()) as short:
        one = Connection(short, ("a", 0), 0)
        with pytest.raises((ConnectionAbortedError, ssl.SSLWantWriteError)):
            one.hint(b"HTTP/1.1 100 Continue")


def test_a_100_continue_that_finds_no_room_is_left_out() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        Connection(ours, ("a", 0), 0).hint(b"HTTP/1.1 100 Continue")


def test_100_continue_is_said_once() -> None:
    def client(port: int) -> Tuple[bytes, bytes]:
        with connect(port) as client:
            client.sendall(body(b"x")[:-1].replace(b"Host", b"Expect: 100-continue\r\nHost"))
            first = client.recv(65536)
            client.sendall(b"x")
            client.shutdown(socket.SHUT_WR)
            return first, read_all(client)

    first, rest = serve(client)
    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert statuses(rest) == [200]


def test_a_client_that_goes_without_its_answer_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = threading.Event()

    def waiting(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        if environ["PATH_INFO"] == "/wait":
            gone.wait(WAIT)
        return hello(environ, start_response)

    def client(port: int) -> bytes:
        with connect(port) as rude:
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            rude.sendall(GET.replace(b" / ", b" /wait "))
        gone.set()
        return send(GET)(port)

    assert statuses(serve(client, waiting)) == [200]
    assert caplog.records == []


def test_a_client_that_reads_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "timeout", 0.3)

    def large(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        start_response("200 OK", [("Content-Length", str(1 << 25))])
        return [bytes(1 << 25)]

    def client(port: int) -> int:
        with connect(port) as slow:
            slow.sendall(GET)
            first = slow.recv(1)
            threading.Event().wait(1)
            return len(first + read_all(slow))

    assert 0 < serve(client, large) < 1 << 25


def test_a_client_that_reads_slowly_gets_all() -> None:
    def large(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        start_response("200 OK", [("Content-Length", str(1 << 24))])
        return [bytes(1 << 24)]

    assert serve(send(GET), large).endswith(bytes(1 << 24))


def test_a_fault_of_the_application_is_500_and_the_server_goes_on() -> None:
    def broken(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        raise ValueError("the marked fault")

    data = serve(lambda port: send(GET)(port) + send(GET)(port), broken)
    assert statuses(data) == [500, 500]
    assert b"marked" not in data


class Breaking:
    """A WSGI answer that breaks off in its middle."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield b"some"
        raise ValueError("the marked fault")

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("length", [[("Content-Length", "9")], []], ids=["length", "chunks"])
def test_an_answer_that_breaks_off_ends_the_connection(length: List[Tuple[str, str]]) -> None:
    """RFC 9112, section 8: so that the client can tell; PEP 3333: and it is closed."""
    answers = []

    def broken(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Breaking:
        start_response("200 OK", length)
        answers.append(Breaking())
        return answers[-1]

    data = serve(send(GET * 2, then_close=False), broken)
    assert statuses(data) == [200]
    assert data.count(b"some") == 1
    assert not data.endswith(b"0\r\n\r\n")
    assert [answer.closed for answer in answers] == [1]


def test_a_fault_of_the_server_ends_one_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, calls = Server._go_on, []

    def faulty(self: Server, connection: Connection) -> None:
        calls.append(connection)
        if len(calls) == 1:
            raise ValueError("the marked fault")
        real(self, connection)

    monkeypatch.setattr(Server, "_go_on", faulty)
    data = serve(lambda port: send(GET)(port) + send(GET)(port))
    assert statuses(data) == [200]
    assert "a connection ended by a fault of the server" in caplog.text


def test_a_fault_of_the_responder_is_500(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> None:
        raise ValueError("the marked fault")

    monkeypatch.setattr(abcwebrtc.web.httpd.loop.Responder, "answer", broken)
    assert statuses(serve(send(GET))) == [500]
    assert "a request met a fault of the server" in caplog.text


def test_a_request_that_is_not_done_in_time_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(abcwebrtc.web.serve, "SHUTDOWN_SECONDS", 0.2)
    begun, done = threading.Event(), threading.Event()

    def stuck(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        begun.set()
        done.wait(WAIT)
        return hello(environ, start_response)

    clients = []

    def client(port: int) -> None:
        clients.append(connect(port))
        clients[0].sendall(GET)
        begun.wait(WAIT)

    serve(client, stuck)
    done.set()
    clients[0].close()
    assert "1 requests were not answered in time" in caplog.text


def test_signals_do_not_interrupt_what_they_ask_for() -> None:
    """It would wait without end for a lock that it has itself, as of a print."""
    calls: List[str] = []

    def asked(base_url: str) -> None:
        calls.append("begins")
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        calls.append("ends")
        if len(calls) == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGUSR1)
    run_server(hello, Listen("127.0.0.1", 0), asked, asked)
    assert calls == ["begins", "ends"] * 3
    assert signal.getsignal(signal.SIGUSR1) is before
