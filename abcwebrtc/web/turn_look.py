"""Where a TURN server sends its clients, since a browser doesn't say that it was sent on.

A redirect (300, alternate-server) comes before any login, and a browser follows it in silence.
"""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import struct
from typing import Optional

COOKIE = 0x2112A442
BINDING, ALLOCATE = 0x0001, 0x0003
REQUESTED_TRANSPORT = struct.pack("!HHI", 0x0019, 4, 17 << 24)
"""UDP (RFC 8656, section 18.7)."""
SECONDS, TRIES = 0.7, 3
_ALLOCATE_ERROR, _ALTERNATE_SERVER = 0x0113, 0x8023


def request(method: int, attributes: bytes = b"") -> bytes:
    """Return a STUN request (RFC 8489, section 5).

    `probe` has aioice for that, which is an extra; `serve` does without it.
    """
    header = struct.pack("!HHI", method, len(attributes), COOKIE)
    return header + secrets.token_bytes(12) + attributes


def redirect_of(host: str, port: int, transport: str) -> str:
    """Return ``address:port`` to which a TURN server redirects, or nothing.

    It is asked for an Allocate without a login, over ``udp`` or ``tcp``, so that nothing is
    allocated.
    """
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    asked = request(ALLOCATE, REQUESTED_TRANSPORT)
    with contextlib.suppress(OSError, UnicodeError):
        family, _, _, _, place = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind) as connection:
            connection.settimeout(SECONDS)
            connection.connect(place)
            return alternate_server(_answer(connection, asked), asked)
    return ""


def _answer(connection: socket.socket, asked: bytes) -> bytes:
    for _ in range(TRIES):
        connection.sendall(asked)
        with contextlib.suppress(socket.timeout):
            return connection.recv(2048)
        if connection.type == socket.SOCK_STREAM:
            break
    return b""


def alternate_server(answer: bytes, asked: bytes) -> str:
    """Return the ALTERNATE-SERVER of the answer to a request (RFC 8489, section 14.15)."""
    if answer[:2] != struct.pack("!H", _ALLOCATE_ERROR) or answer[4:20] != asked[4:20]:
        return ""
    at = 20
    while at + 4 <= len(answer):
        kind, length = struct.unpack("!HH", answer[at : at + 4])
        if kind == _ALTERNATE_SERVER:
            return _place(answer[at + 4 : at + 4 + length]) or ""
        at += 4 + length + -length % 4
    return ""


def _place(value: bytes) -> Optional[str]:
    """Return what a MAPPED-ADDRESS, whose form this has, says."""
    if len(value) not in (8, 20):
        return None
    (port,) = struct.unpack("!H", value[2:4])
    address = ipaddress.ip_address(value[4:])
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
