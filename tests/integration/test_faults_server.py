"""`serve` under attack, at its limits of time and number, and with bad tokens.

A good client has to be answered all the while. How long it takes is measured by
benchmarks/faults.py; here it is only that it does.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from conftest import missing, require_program
from integration.faulty import (
    GET,
    HOST,
    RawAnswer,
    connect,
    exchange,
    fetch,
    read_all,
    read_answer,
    rtc_request,
    serving,
)
from integration.turn import Certificate
from support import WAIT, environment, make_token, request, wait_for
from support.attackers import (
    ATTACKS,
    BOMB,
    CHUNK,
    CHUNKED,
    GIB,
    LARGE,
    PIECE,
    SWARM,
    attacking,
    send_without_end,
)
from support.badtokens import bad_tokens
from support.front import nginx_before
from support.memory_limit import memory_limited, shipped_limit
from support.serving import begin_request

PATIENCE = 20
"""The number of requests that the good client sends during each attack."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving(tmp_path_factory.mktemp("server")) as (server, port):
        yield port
        assert server.stop() == 0
        assert "Traceback" not in server.output


@pytest.fixture(scope="module")
def front(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx in front of the server."""
    program, folder = require_program("nginx", "nginx"), tmp_path_factory.mktemp("nginx")
    with nginx_before(program, folder, f"http://{HOST}:{port}") as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture(scope="module")
def tls(
    tmp_path_factory: pytest.TempPathFactory, certificate: Certificate
) -> Iterator[Tuple[int, Any]]:
    """A server with TLS: its port, and a context that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    files = ("--cert", certificate.cert_file, "--key", certificate.key_file)
    with serving(folder, *files) as (_, port):
        yield port, certificate.trust


# attacks

HOLDING = ("slow-headers", "slow-body", "slow-readers", "half-hello", "full-headers", "unread")
"""Attacks that take one thread per client, so nginx has to be in front."""
CROWDING = ("small-posts",)
"""Attacks with more requests than can be answered in time, so nginx has to limit them."""
FILLING = ("whole-posts",)
"""Attacks in which now and then 1,024 requests wait already, so that the next one is refused."""


@pytest.mark.parametrize(
    "name", [name for name, one in ATTACKS.items() if not one.tls and name not in CROWDING]
)
def test_others_are_answered_behind_nginx_during(name: str, front: int) -> None:
    token = make_token()
    with attacking(name, front):
        for _ in range(PATIENCE):
            assert fetch(front, token).status == 200


@pytest.mark.parametrize("name", CROWDING)
def test_others_are_answered_behind_an_nginx_that_limits_during(
    name: str, port: int, tmp_path: Path
) -> None:
    program, token = require_program("nginx", "nginx"), make_token()
    with nginx_before(program, tmp_path, f"http://{HOST}:{port}", limits=True) as url:
        front = int(url.rpartition(":")[2])
        with attacking(name, front, "127.0.0.2"):
            for _ in range(PATIENCE):
                assert fetch(front, token).status == 200


@pytest.mark.parametrize(
    "name",
    [name for name, one in ATTACKS.items() if not one.tls and name not in HOLDING + CROWDING],
)
def test_others_are_answered_during(name: str, port: int) -> None:
    token = make_token()
    with attacking(name, port):
        statuses = [fetch(port, token).status for _ in range(PATIENCE)]
    refused = statuses.count(503) if name in FILLING else 0
    assert statuses.count(200) == PATIENCE - refused > 0


@pytest.mark.parametrize(
    "name", [name for name, one in ATTACKS.items() if one.tls and name not in HOLDING]
)
def test_others_are_answered_over_tls_during(name: str, tls: Tuple[int, Any]) -> None:
    port, context = tls
    with attacking(name, port):
        for _ in range(PATIENCE):
            url = f"https://{HOST}:{port}/API/healthz"
            assert request(url, context=context).status == 200


@pytest.mark.slow("8,000 connections, eight times")
@pytest.mark.parametrize("name", ["whole-posts", "small-posts", "full-headers", "unread"])
@pytest.mark.parametrize("is_front", [False, True], ids=["directly", "behind nginx"])
def test_the_memory_of_the_manifest_is_enough_during(
    name: str, is_front: bool, tmp_path: Path
) -> None:
    """The kernel kills a process that takes more."""
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(memory_limited(shipped_limit()))
        if not group:
            missing("this machine lets nobody make a cgroup")
        server, port = stack.enter_context(serving(tmp_path, prefix=group.prefix))
        if is_front:
            program = require_program("nginx", "nginx")
            url = stack.enter_context(nginx_before(program, tmp_path, f"http://{HOST}:{port}"))
            port = int(url.rpartition(":")[2])
        with attacking(name, port):
            for _ in range(PATIENCE):
                fetch(port)
        assert server.process.poll() is None
        wait_for(lambda: fetch(port).status == 200)


def test_a_group_kills_what_takes_more_than_its_limit() -> None:
    with memory_limited(shipped_limit()) as group:
        if not group:
            missing("this machine lets nobody make a cgroup")
        command = [*group.prefix, sys.executable, "-c", "len(b'x' * (1 << 28))"]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        assert group.peak() >= shipped_limit()


@pytest.mark.parametrize(
    ("head", "piece", "status"),
    [(LARGE, PIECE, 413), (CHUNKED, CHUNK, 411)],
    ids=["1 GiB", "chunked"],
)
def test_a_body_without_end_is_cut_early(port: int, head: bytes, piece: bytes, status: int) -> None:
    sent, answer = send_without_end(port, head, piece)
    assert sent < GIB / 16  # some is on its way in the kernel's buffers
    assert RawAnswer(answer).status in (0, status)  # it may be lost to one who goes on sending
    assert RawAnswer(exchange(port, head)).status == status


REFUSED = {
    "a header of 70,000 bytes": (BOMB, 431),
    "10,000 headers": (SWARM, 431),
    "a request line of 70,000 bytes": (b"GET /" + b"x" * 70_000, 414),
    "a body of 1 GiB": (LARGE, 413),
    "a body of 4,097 bytes": (LARGE.replace(str(GIB).encode(), b"4097"), 413),
    "a length of 5,000 digits": (LARGE.replace(str(GIB).encode(), b"9" * 5000), 400),
    "a chunked body": (CHUNKED, 411),
    "a negative length": (LARGE.replace(str(GIB).encode(), b"-1"), 400),
    "a length that only Python reads": (LARGE.replace(str(GIB).encode(), b"1_0"), 400),
    "two lengths": (LARGE[:-2] + b"Content-Length: 2\r\n\r\n{}", 400),
    "a length and chunks": (LARGE[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", 413),
    "a header without a colon": (GET[:-2] + b"X\r\n\r\n", 400),
    "lines that end in LF": (GET.replace(b"\r", b""), 400),
    "no HTTP": (b"\x16\x03\x01\r\n\r\n", 400),
    "HTTP/9.9": (b"GET / HTTP/9.9\r\n\r\n", 505),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_unread_is_refused_in_json(port: int, data: bytes, status: int) -> None:
    answer = RawAnswer(exchange(port, data))
    assert answer.status == status
    assert answer.is_whole
    assert json.loads(answer.body)["status"] == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["server"] == "abcwebrtc"
    assert answer.headers["connection"] == "close"


def test_a_header_with_an_underscore_is_not_taken_for_one_with_a_hyphen(port: int) -> None:
    data = rtc_request(close=True).replace(b"Content-Type", b"Content_Type")
    assert RawAnswer(exchange(port, data)).status == 415


def test_a_header_that_a_proxy_repeats_counts_once(port: int) -> None:
    data = rtc_request(close=True)
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    twice = data.replace(lines[0], b"\r\n".join([*lines, lines[0]]), 1)
    assert RawAnswer(exchange(port, twice)).status == 200


def test_4_kib_of_body_and_38_kb_of_headers_are_taken(port: int) -> None:
    body = json.dumps({"x": "x" * 4_087}).encode()
    assert len(body) == 4_096
    data = rtc_request(close=True, body=body).replace(b"Host: x", b"Host: x\r\nX: " + b"x" * 38_000)
    assert RawAnswer(exchange(port, data)).status == 200


def test_a_body_that_ends_too_early_is_refused(port: int) -> None:
    with connect(port) as client:
        client.sendall(rtc_request()[:-1])
        client.shutdown(socket.SHUT_WR)
        assert RawAnswer(read_all(client)).status == 400


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    paths = ["/API/healthz", "/API/version", "/API/nowhere"]
    lines = [f"GET {paths[n % 3]} HTTP/1.1\r\nHost: x\r\n\r\n" for n in range(300)]
    last = "GET /API/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    data = exchange(port, ("".join(lines) + last).encode())
    statuses = [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 404] * 100 + [200]
    assert data.count(b'"message": "ok"') == 100


def test_bytes_that_come_one_by_one_make_a_request(port: int) -> None:
    with connect(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in rtc_request(close=True):
            client.sendall(bytes([byte]))
        assert RawAnswer(read_all(client)).status == 200


# times and numbers, made small

IMPATIENT = "import abcwebrtc.web.serve; abcwebrtc.web.serve.TIMEOUT = 5"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server that waits five seconds for its clients: longer than a slow machine needs."""
    with serving(tmp_path_factory.mktemp("impatient"), before=IMPATIENT) as (server, port):
        yield port
        assert "Traceback" not in server.output


def test_a_request_that_does_not_end_gets_408(impatient: int) -> None:
    """Several at once, so that they wait together."""
    with contextlib.ExitStack() as stack:
        clients = []
        for data in (rtc_request()[:-1], rtc_request()[:30], b"G"):
            clients.append(stack.enter_context(connect(impatient)))
            clients[-1].sendall(data)
        answers = [RawAnswer(read_all(client)) for client in clients]
    assert [(answer.status, answer.is_whole) for answer in answers] == [(408, True)] * 3
    assert [json.loads(answer.body)["status"] for answer in answers] == [408] * 3


def test_an_idle_connection_is_closed_without_a_word(impatient: int) -> None:
    with connect(impatient) as silent, connect(impatient) as client:
        client.sendall(GET)
        assert RawAnswer(read_answer(client)).status == 200
        assert client.recv(1) == b""
        assert silent.recv(1) == b""


def test_a_client_that_does_not_read_is_left(impatient: int) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(WAIT)
        client.connect((HOST, impatient))
        with contextlib.suppress(ConnectionError):
            client.sendall(GET * 20_000)  # ends, since the server closes the connection
        assert fetch(impatient).status == 200


FEW = """\
import resource
import abcwebrtc.web.serve
resource.setrlimit(resource.RLIMIT_NOFILE, (96, {hard}))
abcwebrtc.web.serve.TIMEOUT = 3600
"""
"""Few descriptors; nobody is left for having been idle."""


@contextlib.contextmanager
def idle_clients(port: int, number: int) -> Iterator[List[socket.socket]]:
    clients = [connect(port) for _ in range(number)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def test_beyond_the_limit_whoever_has_waited_longest_makes_room(tmp_path: Path) -> None:
    with serving(tmp_path, before=FEW.format(hard=96)) as (server, port):
        with idle_clients(port, 150) as clients:
            assert clients[0].recv(1) == b""
            clients[-1].sendall(GET)
            assert RawAnswer(read_answer(clients[-1])).status == 200
            assert fetch(port).status == 200
        assert fetch(port).status == 200
        assert server.stop() == 0
        assert "Traceback" not in server.output


def test_room_is_made_by_nobody_whose_request_has_come(tmp_path: Path) -> None:
    """The server sees both at once: first a client that needs room, then a request.

    Ten times, since there may be room for one more at the moment.
    """
    with serving(tmp_path, before=FEW.format(hard=96)) as (server, port):
        threads = Path(f"/proc/{server.process.pid}/task")
        with idle_clients(port, 150) as clients:
            for _ in range(10):
                clients.append(connect(port))
                clients[-1].sendall(GET)
                assert RawAnswer(read_answer(clients[-1])).status == 200  # so all were accepted
                oldest = next(one for one in clients if not select.select([one], [], [], 0)[0])
                server.process.send_signal(signal.SIGSTOP)
                stats = [one / "stat" for one in threads.iterdir()]
                wait_for(lambda stats=stats: all(") T " in one.read_text() for one in stats))
                clients.append(connect(port))
                oldest.sendall(GET)
                server.process.send_signal(signal.SIGCONT)
                assert RawAnswer(read_answer(oldest)).status == 200
                clients.append(clients.pop(clients.index(oldest)))  # the youngest now


FULL = """\
import abcwebrtc.web.serve as serve
serve.TIMEOUT, serve.MAX_WAITING = 3600, 5
"""


def test_requests_beyond_those_that_wait_are_refused_at_once(tmp_path: Path) -> None:
    """One thread, held by a client, and five places; the kernel keeps unread data."""
    with serving(tmp_path, "--threads", 1, before=FULL) as (server, port):
        with contextlib.ExitStack() as stack:
            holder = stack.enter_context(begin_request(f"http://{HOST}:{port}"))
            clients = [stack.enter_context(connect(port)) for _ in range(20)]
            for client in clients:
                client.sendall(rtc_request(close=True))
            wait_for(lambda: len(select.select(clients, [], [], 0)[0]) == 15)
            holder.sendall(b"}")
            assert RawAnswer(read_answer(holder)).status == 200
            answers = [RawAnswer(read_all(client)) for client in clients]
        assert sorted(answer.status for answer in answers) == [200] * 5 + [503] * 15
        assert all(answer.is_whole for answer in answers)
        assert fetch(port).status == 200
        assert server.stop() == 0
        assert "Traceback" not in server.output
        refused = [line for line in server.output.splitlines() if "refused with 503" in line]
        assert 1 <= len(refused) < 15  # the log says so, and not for each
        assert " WARNING: too many waiting requests" in refused[0]


def test_the_log_does_not_blame_tls_or_the_server_for_who_went(
    tmp_path: Path, certificate: Certificate
) -> None:
    with serving(tmp_path, "--threads", 1) as (server, port):
        with connect(port) as client:
            client.sendall(GET.replace(b"1.1", b"9.9"))
            assert RawAnswer(read_answer(client)).status == 505
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert fetch(port).status == 200
        assert server.stop() == 0
        assert "TLS" not in server.output
    files = ("--cert", certificate.cert_file, "--key", certificate.key_file)
    with serving(tmp_path, "--threads", 1, *files) as (server, port):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.settimeout(WAIT)
        slow.connect((HOST, port))
        with certificate.trust.wrap_socket(slow, server_hostname=HOST) as client:
            client.sendall(GET * 1000)  # their answers fill all buffers, so it goes during one
        wait_for(lambda: "a client disconnected" in server.output)
        assert server.stop() == 0
        assert "WARNING" not in server.output


def test_who_is_refused_and_stays_holds_no_thread(tmp_path: Path) -> None:
    """Bytes still in transit are read; otherwise a reset would overtake the answer."""
    with serving(tmp_path, "--threads", 1) as (_, port), connect(port) as client:
        client.sendall(LARGE)
        assert RawAnswer(read_answer(client)).status == 413
        client.sendall(b"x" * 1000)
        assert fetch(port).status == 200
        client.sendall(b"x" * 1000)
        assert fetch(port).status == 200


def test_it_takes_the_descriptors_that_it_may_have(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        _, port = stack.enter_context(serving(tmp_path, before=FEW.format(hard=4096)))
        clients = stack.enter_context(idle_clients(port, 200))
        for client in clients:
            client.sendall(GET)
        assert [RawAnswer(read_answer(client)).status for client in clients] == [200] * 200


NEVER_IN_TIME = """\
import abcwebrtc.web.serve as serve
serve.TIMEOUT, serve.SHUTDOWN_SECONDS, serve.MAX_WAITING = 3600, 1, 5
"""


@pytest.mark.parametrize("name", ["slow-headers", "slow-body", "slow-readers", "whole-posts"])
def test_a_stop_waits_for_no_attacker_without_end(name: str, tmp_path: Path) -> None:
    """Only the stop's own limit ends a request here, and the queue of requests is full."""
    with serving(tmp_path, before=NEVER_IN_TIME) as (server, port), attacking(name, port):
        assert server.stop() == 0
        assert "Traceback" not in server.output


def test_the_benchmark_measures_it(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "faults.py"
    command = [sys.executable, str(script), "--quick", "--only", "slow-headers"]
    command += ["--way", "behind nginx"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment())
    assert result.returncode == 0
    (row,) = [line.split() for line in result.stdout.splitlines() if "slow-headers" in line]
    assert len(row) == 10
    assert row[-2] == "0"  # lost


# bad tokens


def test_all_bad_tokens_get_the_same_bytes(port: int) -> None:
    answers: Dict[bytes, List[str]] = {}
    for name, token in bad_tokens().items():
        data = exchange(port, rtc_request(token, close=True))
        lines = [line for line in data.split(b"\r\n") if not line.startswith(b"Date: ")]
        answers.setdefault(b"\r\n".join(lines), []).append(name)
    assert len(answers) == 1, answers
    (answer,) = answers
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert answer.endswith(b'{"status": 401, "message": "Invalid token"}')
