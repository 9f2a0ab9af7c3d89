"""Where a TURN server redirects, as `serve` sees it; e2e/test_testpage_outside.py has coturn."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Iterator

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.web import turn_look as turnlook
from abcwebrtc.web.test_page import plain_targets
from abcwebrtc.web.tls_look import look_for_redirect
from support import make_config

V4 = struct.pack("!BBH", 0, 1, 3479) + socket.inet_aton("192.0.2.9")
V6 = struct.pack("!BBH", 0, 2, 443) + socket.inet_pton(socket.AF_INET6, "2001:db8::9")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def answer(asked: bytes, *attributes: bytes, kind: int = 0x0113) -> bytes:
    body = b"".join(attributes)
    return struct.pack("!HH", kind, len(body)) + asked[4:20] + body


@contextlib.contextmanager
def server(*attributes: bytes, ignored: int = 0) -> Iterator[int]:
    """A UDP server that passes over some requests, and then answers one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def run() -> None:
            for _ in range(ignored):
                listening.recvfrom(2048)
            asked, client = listening.recvfrom(2048)
            listening.sendto(answer(asked, *attributes), client)

        thread = threading.Thread(target=run)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("ignored", [0, 1])
def test_a_redirect_is_told(ignored: int) -> None:
    attributes = [attribute(0x8022, b"coturn"), attribute(0x8023, V4)]
    with server(*attributes, ignored=ignored) as port:
        found = look_for_redirect("127.0.0.1", port, "udp")
    assert found
    assert found.word == "redirect"
    assert "redirects to 192.0.2.9:3479 (alternate-server)" in found.message


def test_who_asks_for_a_login_does_not_redirect() -> None:
    with server(attribute(0x0009, struct.pack("!HBB", 0, 4, 1))) as port:
        assert look_for_redirect("127.0.0.1", port, "udp") is None


def test_the_request_is_one_for_a_relay_over_udp() -> None:
    message = stun.parse_message(turnlook.request(turnlook.ALLOCATE, turnlook.REQUESTED_TRANSPORT))
    assert message.message_method == stun.Method.ALLOCATE
    assert message.attributes["REQUESTED-TRANSPORT"] == 17 << 24


ASKED = turnlook.request(turnlook.ALLOCATE)


def test_an_address_of_ipv6_has_brackets() -> None:
    found = turnlook.alternate_server(answer(ASKED, attribute(0x8023, V6)), ASKED)
    assert found == "[2001:db8::9]:443"


@pytest.mark.parametrize(
    "other",
    [
        answer(turnlook.request(turnlook.ALLOCATE), attribute(0x8023, V4)),
        answer(ASKED, attribute(0x8023, V4), kind=0x0101),
        answer(ASKED, attribute(0x8023, V4[:7])),
        answer(ASKED, struct.pack("!HH", 0x8023, 8)),
        b"",
    ],
)
def test_what_is_no_redirect_of_this_request_is_none(other: bytes) -> None:
    assert turnlook.alternate_server(other, ASKED) == ""


@given(st.binary(max_size=80))
def test_no_answer_is_an_exception(data: bytes) -> None:
    turnlook.alternate_server(ASKED[:20] + data, ASKED)
    turnlook.alternate_server(b"\x01\x13\0\0" + ASKED[4:20] + data, ASKED)
    turnlook.alternate_server(data, ASKED)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nobody_there_is_no_redirect(transport: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        assert turnlook.redirect_of("127.0.0.1", port, transport) == ""
    assert turnlook.redirect_of("nowhere.invalid", 3478, transport) == ""


def test_only_configured_servers_are_asked() -> None:
    config = make_config(
        webrtc__rtc_configuration={"iceServers": [{"urls": "stun:a.example"}]},
        webrtc__coturn=[
            {"url": "B.example", "coturn_static_auth_secret": "x" * 20, "ttl": 60},
            {
                "url": "c.example:3479",
                "coturn_static_auth_secret": "x" * 20,
                "ttl": 60,
                "transport": "tcp",
            },
            {
                "url": "d.example",
                "coturn_static_auth_secret": "x" * 20,
                "ttl": 60,
                "protocol": "turns",
            },
        ],
    )
    assert plain_targets(config) == [("b.example", 3478, "udp"), ("c.example", 3479, "tcp")]
