"""What `rotate check` asks, and what is not an answer; tests/integration asks a real coturn."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Iterator, List, Optional

import pytest

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.rotation import Answer
from abcwebrtc.probe.accepted_secrets import addresses_of, ask_all, question
from support import WAIT

NOW = 1767603600
LOOPBACK = "127.0.0.1"
SECRET = "a-secret-of-coturn"


def test_a_question_shows_neither_the_secret_nor_the_login() -> None:
    one = question(IceURI("turn", "turn.domain.local"), "192.0.2.1", Secret(SECRET), True, NOW)
    assert one.login.password
    assert one.login.password not in repr(one)
    assert SECRET not in repr(one)


def test_an_ipv6_address_is_looked_up_without_its_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in is the resolver, since the real one finds IPv6 only on a machine that has it."""

    def only(host: str, port: Optional[int], *_: Any, **__: Any) -> List[Any]:
        if host == "2001:db8::1":
            return [(socket.AF_INET6, socket.SOCK_DGRAM, 17, "", (host, port, 0, 0))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", only)
    uri = IceURI("turn", "[2001:db8::1]")
    assert addresses_of([uri], WAIT) == {uri: ["2001:db8::1"]}


def test_ipv6_counts_only_where_the_machine_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such an address would never answer. The stand-in is a machine without IPv6."""

    def without_ipv6(host: str, port: Optional[int], flags: int = 0, **_: Any) -> List[Any]:
        found = ["192.0.2.1"] if flags & socket.AI_ADDRCONFIG else ["192.0.2.1", "2001:db8::1"]
        return [(socket.AF_UNSPEC, socket.SOCK_DGRAM, 17, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", without_ipv6)
    uri = IceURI("turn", "turn.domain.local")
    assert addresses_of([uri], WAIT) == {uri: ["192.0.2.1"]}


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 64 + ".invalid"])
def test_a_name_that_does_not_resolve_has_no_address(host: str) -> None:
    uri = IceURI("turn", host)
    assert addresses_of([uri], WAIT) == {uri: []}


@contextlib.contextmanager
def saying(data: bytes) -> Iterator[int]:
    """Listen on a port where one client gets these bytes, and then the end of the stream."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(data)

    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(WAIT)
        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("scheme", "said", "reason"),
    [
        ("turn", b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server on this port"),
        ("turn", b"\x15\x03\x03\x00\x02\x02\x0a", "TLS on this port"),
        ("turn", b"SSH-2.0-OpenSSH_9.2\r\n", "no TURN on this port"),
        ("turn", b"", "connection closed"),
        ("turns", b"HTTP/1.1 400 Bad Request\r\n\r\n", "no TLS on this port"),
    ],
)
def test_what_is_no_turn_server_is_called_what_it_is(scheme: str, said: bytes, reason: str) -> None:
    with saying(said) as port:
        uri = IceURI(scheme, LOOPBACK, port, "tcp")
        answers = ask_all([question(uri, LOOPBACK, Secret(SECRET), False, NOW)], WAIT)
    assert answers == [Answer(None, reason)]
