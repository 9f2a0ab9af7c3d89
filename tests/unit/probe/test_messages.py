"""STUN messages that aioice can't read: without the cookie, and the address in a 300."""

from __future__ import annotations

import os
import struct
from typing import Optional, Tuple

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.probe.messages import (
    ALTERNATE_SERVER,
    answer_to,
    channel_data,
    classic_binding,
    is_classic_answer,
    relayed_data,
    request_message,
)

TRANSACTION = bytes(range(1, 17))
V4 = b"\0\x01\x12\x34\xc0\0\x02\x07"  # 192.0.2.7:4660
V6 = b"\0\x02\x12\x34\x20\x01\x0d\xb8" + bytes(11) + b"\x09"


def answer(*attributes: "tuple[int, bytes]", transaction: bytes = TRANSACTION) -> bytes:
    body = b"".join(struct.pack("!HH", kind, len(value)) + value for kind, value in attributes)
    return struct.pack("!HH", 0x0101, len(body)) + transaction + body


def test_a_request_without_the_cookie() -> None:
    request = classic_binding(TRANSACTION)
    assert request == b"\0\x01\0\0" + TRANSACTION
    assert len(request) == 20


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (answer((0x0001, V4)), True),
        (answer((0x8022, b"none"), (0x0001, V6)), True),
        (answer((0x0020, V4)), True),
        (answer((0x0001, V4), transaction=os.urandom(16)), False),
        (b"\x01\x11" + answer((0x0001, V4))[2:], False),
        (answer(), False),
        (answer((0x0001, V4[:5])), False),
        (answer((0x0001, V4))[:30], False),
        (b"", False),
    ],
)
def test_an_answer_without_the_cookie(data: bytes, expected: bool) -> None:
    assert is_classic_answer(TRANSACTION, data) is expected


@given(st.binary(max_size=80))
def test_any_bytes_are_an_answer_or_none(tail: bytes) -> None:
    data = answer() + tail
    is_classic_answer(TRANSACTION, data)
    relayed_data(tail)
    message = stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST, TRANSACTION[4:])
    answer_to(message, struct.pack("!HHI", 0x0113, len(tail), stun.COOKIE) + TRANSACTION[4:] + tail)


@pytest.mark.parametrize(("value", "host"), [(V4, "192.0.2.7"), (V6, "2001:db8::9")])
def test_where_a_300_leads_to(value: bytes, host: str) -> None:
    request = request_message(stun.Method.ALLOCATE)
    code = struct.pack("!HHHBB", 0x0009, 4, 0, 3, 0)
    body = code + struct.pack("!HH", 0x8023, len(value)) + value
    head = struct.pack("!HHI", 0x0113, len(body), stun.COOKIE) + request.transaction_id
    found = answer_to(request, head + body)
    assert found
    assert found.attributes[ALTERNATE_SERVER] == (host, 4660)
    assert found.attributes["ERROR-CODE"][0] == 300


def data_indication(peer: Optional[Tuple[str, int]], payload: Optional[bytes]) -> bytes:
    """Return what a TURN server sends without a bound channel; aioice 0.9 can't make it."""
    attributes = {} if peer is None else {"XOR-PEER-ADDRESS": peer}
    message = bytes(stun.Message(stun.Method.DATA, stun.Class.INDICATION, attributes=attributes))
    if payload is None:
        return message
    attribute = struct.pack("!HH", 0x0013, len(payload)) + payload + bytes(-len(payload) % 4)
    length = len(message) - 20 + len(attribute)
    return message[:2] + struct.pack("!H", length) + message[4:] + attribute


def test_data_through_a_relay() -> None:
    assert relayed_data(channel_data(b"abc")) == (0x4000, b"abc")
    assert relayed_data(channel_data(b"abc", 0x4001)) == (0x4001, b"abc")
    assert relayed_data(data_indication(("192.0.2.7", 5), b"abc")) == (("192.0.2.7", 5), b"abc")
    assert relayed_data(data_indication(("2001:db8::7", 5), b"")) == (("2001:db8::7", 5), b"")
    assert relayed_data(data_indication(("192.0.2.7", 5), None)) is None
    assert relayed_data(data_indication(None, b"abc")) is None
    assert relayed_data(classic_binding(TRANSACTION)) is None
