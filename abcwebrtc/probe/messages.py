"""STUN and TURN messages as bytes: aioice's codec, and what it lacks. Nothing here has a socket.

Up to 0.9, the newest version for Python 3.8, aioice reads neither ALTERNATE-SERVER nor DATA. Its
ChannelData is part of its own client, and it can't write a Binding without the magic cookie.
"""

from __future__ import annotations

import contextlib
import struct
from typing import Any, Iterator, Mapping, Optional, Tuple, Union

from aioice import stun

from abcwebrtc.probe.model import Failure

Address = Tuple[str, int]
"""An IP address and a port."""

CHANNEL, OUTSIDE_CHANNEL = 0x4000, 0x4001
"""The first two channel numbers (RFC 8656, section 12)."""
_CHANNELS = [struct.pack("!H", one) for one in (CHANNEL, OUTSIDE_CHANNEL)]
ALTERNATE_SERVER = "ALTERNATE-SERVER"
"""The server to which a 300 redirects (RFC 8489, section 14.15)."""
COOKIE = struct.pack("!I", stun.COOKIE)
_HEADER = 20
_ALTERNATE, _XOR_PEER, _DATA = 0x8023, 0x0012, 0x0013
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
"""How an alert and a handshake begin."""
_DATA_INDICATION = struct.pack("!H", stun.Method.DATA | stun.Class.INDICATION)


def request_message(method: stun.Method, attributes: Mapping[str, Any] = {}) -> stun.Message:
    """Return a request with these attributes."""
    return stun.Message(method, stun.Class.REQUEST, attributes=dict(attributes))


def answer_to(message: stun.Message, data: bytes) -> Optional[stun.Message]:
    """Return data as the answer to a request, or None if it is not one."""
    answer = _parsed(data)
    if answer is None or answer.transaction_id != message.transaction_id:
        return None
    alternate = dict(_attributes(data)).get(_ALTERNATE, b"")
    with contextlib.suppress(ValueError):
        answer.attributes[ALTERNATE_SERVER] = stun.unpack_address(alternate)
    return answer


def mapped_address(answer: stun.Message) -> Optional[Address]:
    """Return the address from which the server sees the client, or None if it does not say."""
    found = answer.attributes
    mapped: Optional[Address] = found.get("XOR-MAPPED-ADDRESS") or found.get("MAPPED-ADDRESS")
    return mapped if answer.message_class == stun.Class.RESPONSE else None


def error_failure(step: str, answer: stun.Message) -> Failure:
    """Return the failure for an error response, or for an answer that lacks something."""
    code = answer.attributes.get("ERROR-CODE", (0, ""))[0]
    if not code:
        return Failure(step, "not-stun")
    return Failure(step, "stun", code, "MESSAGE-INTEGRITY" in answer.attributes)


def request_name(message: stun.Message) -> str:
    """Return the name of a request as RFCs have it, and whether it has a login: ``Allocate``."""
    name = "".join(map(str.capitalize, message.message_method.name.split("_")))
    return f"{name} with a login" if "MESSAGE-INTEGRITY" in message.attributes else name


def answer_text(answer: stun.Message) -> str:
    """Return what an answer says: its error code, or the addresses in it."""
    found = answer.attributes
    if answer.message_class != stun.Class.RESPONSE:
        return f"error {found.get('ERROR-CODE', (0,))[0]}"
    names = {"relay": "XOR-RELAYED-ADDRESS", "you are": "XOR-MAPPED-ADDRESS"}
    said = [f"{what} {address_text(found[name])}" for what, name in names.items() if name in found]
    return ", ".join(said) or "success"


def address_text(address: Address) -> str:
    """Return ``192.0.2.1:49160``, or ``[2001:db8::1]:49160`` for IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parsed(data: bytes) -> Optional[stun.Message]:
    try:
        return stun.parse_message(data)
    except (ValueError, KeyError, IndexError, struct.error):
        return None


def _attributes(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield the type and value of each attribute of a STUN message."""
    position = _HEADER
    while position + 4 <= len(data):
        kind, length = struct.unpack("!HH", data[position : position + 4])
        position += 4
        yield kind, data[position : position + length]
        position += length + stun.padding_length(length)


def other_protocol(data: bytes) -> str:
    """Return what data is that is neither STUN nor ChannelData, as the kind of a failure."""
    if data[:2] in _TLS_RECORDS:
        return "tls-answer"
    is_stun = data[0] & 0xC0 == 0 and data[4:8] in (b"", COOKIE[: len(data[4:8])])
    if is_stun or is_channel_data(data):
        return ""
    return "http" if data[:5].upper() in (b"HTTP/", b"<HTML", b"<!DOC") else "not-stun"


# data through a relay


def is_channel_data(data: bytes) -> bool:
    """Return whether data begins like ChannelData of one of our channels."""
    return data[:2] in _CHANNELS


def channel_data(payload: bytes, channel: int = CHANNEL) -> bytes:
    """Return a ChannelData message, padded for streams (RFC 8656, section 12.4)."""
    padding = bytes(stun.padding_length(len(payload)))
    return struct.pack("!HH", channel, len(payload)) + payload + padding


def relayed_data(data: bytes) -> Optional[Tuple[Union[int, Address], bytes]]:
    """Return the channel, or else the peer, of data that came through a relay, and its payload."""
    if is_channel_data(data):
        channel, length = struct.unpack("!HH", data[:4]) if len(data) >= 4 else (0, 0)
        return channel, data[4 : 4 + length]
    if data[:2] != _DATA_INDICATION or data[4:8] != COOKIE:
        return None
    found = dict(_attributes(data))
    with contextlib.suppress(KeyError, ValueError, IndexError):
        return stun.unpack_xor_address(found[_XOR_PEER], data[8:_HEADER]), found[_DATA]
    return None


# RFC 3489


def classic_binding(transaction: bytes) -> bytes:
    """Return a Binding request without the magic cookie, for 16 bytes of a transaction id.

    libnice up to 0.1.22 sends this to a STUN server.
    """
    return struct.pack("!HH", stun.Method.BINDING, 0) + transaction


def is_classic_answer(transaction: bytes, data: bytes) -> bool:
    """Return whether data answers a `classic_binding`, with an address in it."""
    answer = _parsed(data)  # aioice does not look at the cookie
    if answer is None or data[4:_HEADER] != transaction:
        return False
    return mapped_address(answer) is not None
