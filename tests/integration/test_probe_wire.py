"""The probe's sockets against servers that answer in odd ways."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import Any, Callable, Iterator, List

import pytest
from aioice import stun
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.config.uris import IceURI
from abcwebrtc.probe.messages import channel_data, request_message
from abcwebrtc.probe.model import BINDING, TCP, UDP, Failure, Observation, Target
from abcwebrtc.probe.steps import probe_address
from abcwebrtc.probe.stun_client import Settings, StepError, StoppedError, Wire
from integration.turn import LOOPBACK

Answer = Callable[[bytes], List[bytes]]
"""Takes a request, and returns what is sent back, piece by piece."""


@contextlib.contextmanager
def server(transport: str, answer: Answer) -> Iterator[int]:
    """Answer one request, keep the connection open, and yield the port."""
    kind = socket.SOCK_DGRAM if transport == UDP else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.bind((LOOPBACK, 0))
        serve = _serve_datagrams if transport == UDP else _serve_stream
        if transport == TCP:
            listening.listen()
        over = threading.Event()
        thread = threading.Thread(target=serve, args=(listening, answer, over))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


def _serve_datagrams(listening: socket.socket, answer: Answer, over: threading.Event) -> None:
    data, client = listening.recvfrom(4096)
    for piece in answer(data):
        listening.sendto(piece, client)


def _serve_stream(listening: socket.socket, answer: Answer, over: threading.Event) -> None:
    client, _ = listening.accept()
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = answer(client.recv(4096))
        for piece in pieces:
            client.sendall(piece)
        if pieces:
            over.wait()


def some_settings(timeout: float = 5.0) -> Settings:
    return Settings(timeout, ssl.create_default_context(), threading.Event())


@contextlib.contextmanager
def wire_to(port: int, transport: str, timeout: float = 5.0) -> Iterator[Wire]:
    target = Target(IceURI("stun", LOOPBACK, port), transport)
    with Wire(target, LOOPBACK, some_settings(timeout)) as wire:
        yield wire


def ask(transport: str, answer: Answer, timeout: float = 5.0) -> stun.Message:
    with server(transport, answer) as port, wire_to(port, transport, timeout) as wire:
        return wire.request(request_message(stun.Method.BINDING), BINDING)


def response(request: bytes, **attributes: Any) -> bytes:
    found = stun.parse_message(request)
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return bytes(
        stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, found.transaction_id, named)
    )


def good(request: bytes) -> bytes:
    return response(request, XOR_MAPPED_ADDRESS=("192.0.2.1", 5))


@given(cuts=st.lists(st.integers(1, 40), max_size=6))
@settings(max_examples=25)
def test_a_stream_may_come_in_any_pieces(cuts: List[int]) -> None:
    def answer(request: bytes) -> List[bytes]:
        whole = channel_data(b"before") + good(request)
        edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
        return [whole[start:end] for start, end in zip(edges, edges[1:])]

    assert ask(TCP, answer).attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.1", 5)


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\x01\x01\x00\x00",
        b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
        b"\x01\x11\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x09\x00\x04\x00\x00\x04\x00",
        b"\x01\x01\x00\x05\x21\x12\xa4\x42" + bytes(12),
        channel_data(b"x"),
    ],
    ids=["empty", "short", "another transaction", "another error", "odd length", "channel"],
)
def test_datagrams_that_are_no_answer_are_passed_over(before: bytes) -> None:
    found = ask(UDP, lambda request: [before, good(request)])
    assert found.attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.1", 5)


def test_an_answer_with_an_attribute_that_is_broken_is_none() -> None:
    def answer(request: bytes) -> List[bytes]:
        broken = struct.pack("!HH", 0x0020, 2) + b"ab\0\0"  # half an XOR-MAPPED-ADDRESS
        head = good(request)
        return [head[:2] + struct.pack("!H", 8) + head[4:20] + broken, good(request)]

    assert ask(UDP, answer).attributes["XOR-MAPPED-ADDRESS"] == ("192.0.2.1", 5)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "http"),
        (b"<html><body>", "http"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not-stun"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls-answer"),
        (b"\xff" * 30, "not-stun"),
    ],
)
@pytest.mark.parametrize("transport", [UDP, TCP])
def test_what_is_not_stun_is_told(transport: str, data: bytes, kind: str) -> None:
    with pytest.raises(StepError) as caught:
        ask(transport, lambda request: [data])
    assert (caught.value.failure.step, caught.value.failure.kind) == (BINDING, kind)


def test_an_answer_without_an_address_is_not_of_stun() -> None:
    seen = Observation(Target(IceURI("stun", LOOPBACK, 1), UDP), LOOPBACK)
    with server(UDP, lambda request: [response(request)]) as port:
        seen.target = Target(IceURI("stun", LOOPBACK, port), UDP)
        probe_address(seen, some_settings(), threading.Lock())
    assert seen.failures == [Failure(BINDING, "not-stun")]


def test_a_stream_that_ends() -> None:
    with pytest.raises(StepError) as caught:
        ask(TCP, lambda request: [])
    assert caught.value.failure.kind == "closed"


@pytest.mark.parametrize("transport", [UDP, TCP])
def test_half_an_answer_is_none(transport: str) -> None:
    with pytest.raises(StepError) as caught:
        ask(transport, lambda request: [good(request)[:24]], timeout=0.3)
    assert caught.value.failure.kind == "timeout"


@pytest.mark.parametrize("transport", [UDP, TCP])
def test_a_probe_that_is_to_stop_waits_no_longer(transport: str) -> None:
    with server(transport, lambda request: [b"\x01"]) as port, wire_to(port, transport, 60) as wire:
        threading.Timer(0.1, wire.settings.stop.set).start()
        with pytest.raises(StoppedError):
            wire.request(request_message(stun.Method.BINDING), BINDING)


def test_a_datagram_is_sent_again() -> None:
    asked: List[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((LOOPBACK, 0))

        def serve() -> None:
            for _ in range(2):
                data, client = listening.recvfrom(4096)
                asked.append(data)
            listening.sendto(good(data), client)

        thread = threading.Thread(target=serve)
        thread.start()
        with wire_to(listening.getsockname()[1], UDP) as wire:
            assert wire.request(request_message(stun.Method.BINDING), BINDING)
        thread.join()
    assert len(asked) == 2
    assert asked[0] == asked[1]
