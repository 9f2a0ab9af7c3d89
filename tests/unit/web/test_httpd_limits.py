"""What the server does at the limits of memory, connections and descriptors, and who has to go."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
from typing import Any, Dict, Iterator, List

import pytest

import abcwebrtc.web.httpd.loop
import abcwebrtc.web.serve
from abcwebrtc.web.httpd.connection import Connection, Crowd
from abcwebrtc.web.httpd.listener import Listener
from support import WAIT, wait_for
from support.httpd_server import GET, body, connect, read_all, send, serve, statuses

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
    assert gone in (["a1", "a2", "b1", "a3", "b2"], ["a1", "b1", "a2", "b2", "a3"])


def test_one_that_has_been_served_is_the_last_again(members: Dict[str, Connection]) -> None:
    crowd = Crowd()
    for name in ("a1", "a2", "a1"):
        crowd.add(members[name])
    assert crowd.first_to_go() is members["a2"]
    crowd.remove(members["b1"])  # which is not in
    crowd.remove(members["a2"])
    crowd.remove(members["a1"])
    assert crowd.first_to_go() is None


# limits


def test_too_many_connections_close_the_one_that_waits_longest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(abcwebrtc.web.serve, "_connection_limit", lambda most: 3)

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
    monkeypatch.setattr(abcwebrtc.web.httpd.loop, "MAX_BUFFERED_BYTES", 100_000)

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
    monkeypatch.setattr(abcwebrtc.web.httpd.loop, "Listener", FailingListener)
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
    monkeypatch.setattr(abcwebrtc.web.httpd.loop, "Listener", UnwatchedListener)

    def client(port: int) -> bytes:
        monkeypatch.setattr(UnwatchedListener, "failures", 2)
        wait_for(lambda: UnwatchedListener.failures == 0)
        return send(GET)(port)

    assert statuses(serve(client)) == [200]


@pytest.mark.parametrize(("soft", "most"), [(64, 48), (96, 72), (256, 192), (1024, 960)])
def test_few_descriptors_are_for_connections_all_the_same(
    soft: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abcwebrtc.web.serve.resource, "getrlimit", lambda _: (soft, soft))
    assert abcwebrtc.web.serve._connection_limit(4096) == most


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
