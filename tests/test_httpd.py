"""The HTTP server of `serve`: where requests end, whom it leaves, and what it survives."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import selectors
import signal
import socket
import ssl
import sys
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import abcwebrtc.httpd.loop
import abcwebrtc.serve
from abcwebrtc.httpd.connection import Connection, Crowd
from abcwebrtc.httpd.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES, Head, RefusedError, read_head
from abcwebrtc.httpd.listener import Listener
from abcwebrtc.httpd.loop import Server
from abcwebrtc.lossy import LossyStream, lossy_output
from abcwebrtc.serve import Listen, run_server
from support import WAIT, wait_for

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def head_of(data: bytes) -> Optional[Head]:
    return read_head(bytearray(data))


def with_headers(*lines: str) -> bytes:
    return "\r\n".join(["POST / HTTP/1.1", "Host: x", *lines, "", ""]).encode()


def without_host(*lines: str) -> bytes:
    return with_headers(*lines).replace(b"Host: x\r\n", b"")


# where a request ends


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length: 12"], 12),
        (["content-LENGTH:12 "], 12),
        (["Content-Length: 0012"], 12),
        (["Content-Length: 12", "Content-Length: 12"], 12),
        ([f"Content-Length: {MAX_BODY_BYTES}"], MAX_BODY_BYTES),
    ],
)
def test_a_request_is_as_long_as_its_headers_say(lines: List[str], body: int) -> None:
    data = with_headers(*lines)
    assert head_of(data + b"GET / HTTP/1.1\r\n\r\n") == Head(len(data) + body, False)


@given(st.integers(0, len(GET) - 1))
def test_headers_that_are_not_complete_say_nothing(length: int) -> None:
    assert head_of(GET[:length]) is None


@given(st.lists(st.integers(0, len(GET)), max_size=10))
def test_it_does_not_matter_how_the_bytes_arrive(cuts: List[int]) -> None:
    data, searched, found = bytearray(), 0, None
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(GET)]):
        data += GET[start:end]
        found = found or read_head(data, searched)
        searched = len(data)
    assert found == Head(len(GET), False)


@pytest.mark.parametrize(
    ("lines", "expects"),
    [
        (["Expect: 100-continue"], True),
        (["Expect: 100-Continue"], True),
        (["Expect: something"], False),
    ],
)
def test_a_client_may_wait_for_100_continue(lines: List[str], expects: bool) -> None:
    found = head_of(with_headers(*lines))
    assert found
    assert found.expects is expects


def test_nobody_waits_for_100_continue_in_http_1_0() -> None:
    found = head_of(with_headers("Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert found
    assert not found.expects


REFUSED = [
    (b"x" * (MAX_HEAD_BYTES + 1), 414),
    (b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, 431),
    (with_headers("X: " + "x" * MAX_HEAD_BYTES), 431),
    (with_headers(*["X: x"] * 100), 431),
    (with_headers("Transfer-Encoding: chunked"), 411),
    (with_headers("Transfer-Encoding: identity", "Content-Length: 3"), 411),
    (with_headers(f"Content-Length: {MAX_BODY_BYTES + 1}"), 413),
    (with_headers("Content-Length: " + "9" * 5000), 413),
    (with_headers("Content-Length: -1"), 400),
    (with_headers("Content-Length: +1"), 400),
    (with_headers("Content-Length: 1_0"), 400),
    (with_headers("Content-Length: 0x10"), 400),
    (with_headers("Content-Length: \u0661"), 400),
    (with_headers("Content-Length:"), 400),
    (with_headers("Content-Length: 1, 1"), 400),
    (with_headers("Content-Length: 1", "Content-Length: 2"), 400),
    (with_headers("Content-Length : 1"), 400),
    (with_headers("X: x", " folded"), 400),
    (with_headers("X: x", "\tfolded"), 400),
    # RFC 9112, section 2.2, and RFC 9110, section 5.5: a CR alone, and other controls
    (with_headers("X: x\rTransfer-Encoding: chunked"), 400),
    (with_headers("X: x\0"), 400),
    (with_headers("X: x\x1b[31m"), 400),
    (with_headers("X: x\nContent-Length: 3"), 400),
    (with_headers("Content-Length: \x0b3"), 400),
    # RFC 9110, section 5.6.2: a name is a token
    (with_headers(": x"), 400),
    (with_headers("no colon"), 400),
    (with_headers("X\xff: x"), 400),
    (with_headers("X(: x"), 400),
    # RFC 9112, section 3.2: one Host, and a valid one
    (with_headers("Host: y"), 400),
    (with_headers("Host: x"), 400),
    (b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: user@x\r\n\r\n", 400),
    # RFC 9112, section 3
    *[
        (line + b"\r\nHost: x\r\n\r\n", 400)
        for line in (
            *(b" GET / HTTP/1.1", b"GET  / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET\t/\tHTTP/1.1"),
            *(b"GET / HTTP/1.-5", b"GET / HTTP/+1.1", b"GET / HTTP/01.01", b"GET / HTTP/1. 1"),
            *(b"GET /", b"GET / x HTTP/1.1", b"G<T / HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET"),
        )
    ],
    (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\n\nX: x\r\n\r\n", 400),
]


@pytest.mark.parametrize(("data", "status"), REFUSED, ids=lambda value: repr(value)[-30:])
def test_what_is_too_large_or_not_clear_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(RefusedError) as caught:
        head_of(data)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "host", ["x", "", "desktop.domain.local:8080", "[::1]:80", "[fe80::1%25lo]", "192.0.2.1", "a_b"]
)
def test_a_host_may_be_any_name_or_address_with_a_port(host: str) -> None:
    """RFC 3986, section 3.2.2; RFC 9110, section 7.2 allows an empty one."""
    data = without_host(f"Host: {host}")
    assert head_of(data) == Head(len(data), False)


def test_text_of_a_header_may_have_tabs_and_bytes_over_127() -> None:
    """RFC 9110, section 5.5."""
    data = with_headers("X:\ta\tb\xe9\t", "X:")
    assert head_of(data) == Head(len(data), False)


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_a_head_are_refused_or_say_nothing(start: bytes, end: bytes) -> None:
    data = start + b"\r\n\r\n" + end
    with contextlib.suppress(RefusedError):
        found = head_of(data)
        assert found
        assert found.length >= data.index(b"\r\n\r\n") + 4


# who goes first


def connection(address: str) -> Connection:
    return Connection(socket.socket(), (address, 0), 0)


@pytest.fixture
def members() -> Iterator[Dict[str, Connection]]:
    made = {name: connection(name[0]) for name in ("a1", "b1", "a2", "a3", "b2")}
    yield made
    for member in made.values():
        member.sock.close()


def test_the_one_that_waits_longest_of_the_largest_group_goes(
    members: Dict[str, Connection],
) -> None:
    crowd = Crowd()
    for member in members.values():
        crowd.add(member)
    gone = []
    while crowd.first_to_go():
        first: Any = crowd.first_to_go()
        gone.append(next(name for name in members if members[name] is first))
        crowd.remove(first)
    assert gone == ["a1", "a2", "b1", "a3", "b2"] or gone == ["a1", "b1", "a2", "b2", "a3"]
    assert gone[0] == "a1"


def test_one_that_has_been_served_is_the_last_again(members: Dict[str, Connection]) -> None:
    crowd = Crowd()
    for name in ("a1", "a2", "a1"):
        crowd.add(members[name])
    assert crowd.first_to_go() is members["a2"]
    crowd.remove(members["b1"])  # which is not in
    crowd.remove(members["a2"])
    crowd.remove(members["a1"])
    assert crowd.first_to_go() is None


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

    monkeypatch.setattr(abcwebrtc.httpd.loop.Responder, "answer", broken)
    assert statuses(serve(send(GET))) == [500]
    assert "a request met a fault of the server" in caplog.text


def test_a_request_that_is_not_done_in_time_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(abcwebrtc.serve, "SHUTDOWN_SECONDS", 0.2)
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


# limits


def test_too_many_connections_close_the_one_that_waits_longest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(abcwebrtc.serve, "_connection_limit", lambda most: 3)

    def client(port: int) -> List[bytes]:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(port)) for _ in range(5)]
            first = [read_all(client) for client in clients[:2]]
            clients[-1].sendall(GET)
            return [*first, clients[-1].recv(15)]

    assert serve(client) == [b"", b"", b"HTTP/1.1 200 OK"]
    assert caplog.text.count("those that wait longest go") == 1


def test_requests_that_are_not_complete_share_a_limit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(abcwebrtc.httpd.loop, "MAX_BUFFERED_BYTES", 100_000)

    def client(port: int) -> List[int]:
        with connect(port) as first, connect(port) as second:
            for one in (first, second):
                one.sendall(body(bytes(60_000))[:-1])
            with selectors.DefaultSelector() as selector:
                for one in (first, second):
                    selector.register(one, selectors.EVENT_READ)
                dropped = [key.fileobj for key, _ in selector.select(WAIT)]
            left = second if dropped == [first] else first
            left.sendall(b"x")
            left.shutdown(socket.SHUT_WR)
            return [len(dropped), *statuses(read_all(left))]

    assert serve(client) == [1, 200]
    assert "the largest is dropped" in caplog.text


class FailingListener(Listener):
    """A listener for which the system has no descriptors at first."""

    failures = 0

    def accept(self) -> Any:
        if FailingListener.failures > 0:
            FailingListener.failures -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


@pytest.mark.parametrize("failures", [1, 3])
def test_without_descriptors_it_waits_and_accepts_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failures: int
) -> None:
    monkeypatch.setattr(abcwebrtc.httpd.loop, "Listener", FailingListener)
    monkeypatch.setattr(FailingListener, "failures", failures)
    assert statuses(serve(send(GET))) == [200]
    assert FailingListener.failures == 0
    assert caplog.text.count("can't accept a connection: Too many open files") == 1


class UnwatchedListener(Listener):
    """A listener whose selector has no room for it at times."""

    failures = 0

    def watch(self, on: bool) -> None:
        if UnwatchedListener.failures > 0:
            UnwatchedListener.failures -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().watch(on)


def test_a_selector_without_room_for_the_listener_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(abcwebrtc.httpd.loop, "Listener", UnwatchedListener)

    def client(port: int) -> bytes:
        monkeypatch.setattr(UnwatchedListener, "failures", 2)
        wait_for(lambda: UnwatchedListener.failures == 0)
        return send(GET)(port)

    assert statuses(serve(client)) == [200]


@pytest.mark.parametrize(("soft", "most"), [(64, 48), (96, 72), (256, 192), (1024, 960)])
def test_few_descriptors_are_for_connections_all_the_same(
    soft: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abcwebrtc.serve.resource, "getrlimit", lambda _: (soft, soft))
    assert abcwebrtc.serve._connection_limit(4096) == most


def test_a_listener_gives_what_is_there_and_passes_over_what_has_gone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock, selectors.DefaultSelector() as selector:
        listener = Listener(sock, None, selector, "data")
        assert listener.accept() is None
        with connect(sock.getsockname()[1]):
            assert [key.data for key, _ in selector.select(WAIT)] == ["data"]
            accepted = wait_for(listener.accept)
            accepted[0].close()
            assert accepted[1][0] == "127.0.0.1"
        listener.watch(False)
        assert not selector.get_map()
        listener.close()
        assert not listener.is_open


# output that gets lost


class FullStream(io.StringIO):
    error = errno.ENOSPC

    def write(self, text: str) -> int:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().write(text)

    def flush(self) -> None:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EAGAIN])
def test_what_is_not_taken_is_lost_and_the_rest_is_not(error: int) -> None:
    full = FullStream()
    full.error = error
    stream = LossyStream(full)
    assert stream.write("lost") == 4
    stream.flush()
    full.error = 0
    stream.write("kept")
    assert full.getvalue() == "kept"
    assert stream.getvalue() == "kept"  # it has all that the stream has


def test_another_error_is_not_passed_over() -> None:
    full = FullStream()
    full.error = errno.EPIPE
    with pytest.raises(BrokenPipeError):
        LossyStream(full).write("x")


def test_output_is_lossy_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        with lossy_output():
            assert isinstance(sys.stdout, LossyStream)
            print("x")
        assert sys.stdout is file
