"""STUN and TURN messages as bytes: aioice's codec, and what it does not read. No socket."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any, Dict, Iterator, Optional, Tuple, Union

from aioice import stun

from abcwebrtc.probe.model import Failure

Address = Tuple[str, int]
"""An IP address and a port."""

CHANNEL, OUTSIDE_CHANNEL = 0x4000, 0x4001
"""Those that are bound, the first that there are (RFC 8656, section 12)."""
_CHANNELS = [struct.pack("!H", one) for one in (CHANNEL, OUTSIDE_CHANNEL)]
ALTERNATE_SERVER = "ALTERNATE-SERVER"
"""Where a 300 sends a client (RFC 8489, section 14.15), which aioice does not read."""
COOKIE = struct.pack("!I", stun.COOKIE)
_HEADER, _ERROR_CLASS = 20, 0x0110
_MAPPED, _ALTERNATE = 0x0001, 0x8023
_XOR_MAPPED = (0x0020, 0x8020)  # the second is that of drafts, which coturn gave for long
_BINDING_REQUEST, _BINDING_RESPONSE = 0x0001, 0x0101
_DATA_INDICATION, _XOR_PEER, _DATA = 0x0017, 0x0012, 0x0013


def request_message(method: stun.Method, **attributes: Any) -> stun.Message:
    """Return a request; attributes are named with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return stun.Message(method, stun.Class.REQUEST, attributes=named)


def answer_to(message: stun.Message, data: bytes) -> Optional[stun.Message]:
    """Return the answer that data is to a request, None where it is none."""
    try:
        answer = stun.parse_message(data)
    except (ValueError, KeyError, struct.error):
        return None
    if answer.transaction_id != message.transaction_id:
        return None
    for kind, value in _attributes(data):
        if kind == _ALTERNATE:
            answer.attributes[ALTERNATE_SERVER] = _address(value)
    return answer


def error_failure(step: str, answer: stun.Message) -> Failure:
    """Return the failure that an error response is, or an answer without what it must hold."""
    code = answer.attributes.get("ERROR-CODE", (0, ""))[0]
    if not code:
        return Failure(step, "not-stun")
    return Failure(step, "stun", code, "MESSAGE-INTEGRITY" in answer.attributes)


def address_text(address: Address) -> str:
    """Return ``192.0.2.1:49160``, or with brackets for IPv6."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# data through a relay


def is_channel_data(data: bytes) -> bool:
    """Say whether data begins as ChannelData of a channel that is bound here."""
    return data[:2] in _CHANNELS


def channel_data(payload: bytes, channel: int = CHANNEL) -> bytes:
    """Return a ChannelData message, padded for streams (RFC 8656, section 12.4)."""
    padding = bytes(stun.padding_length(len(payload)))
    return struct.pack("!HH", channel, len(payload)) + payload + padding


def relayed_data(data: bytes) -> Optional[Tuple[Union[int, Address], bytes]]:
    """Return by which channel, or else from whom, data came through a relay, and its payload."""
    if is_channel_data(data):
        channel, length = struct.unpack("!HH", data[:4]) if len(data) >= 4 else (0, 0)
        return channel, data[4 : 4 + length]
    if data[:2] != struct.pack("!H", _DATA_INDICATION) or data[4:8] != COOKIE:
        return None
    found = dict(_attributes(data))  # aioice 0.9, the newest for Python 3.8, has no DATA
    if _DATA not in found:
        return None
    peer = _address(_unmasked(found.get(_XOR_PEER, b""), data[4:_HEADER]))
    return None if peer is None else (peer, found[_DATA])


# as RFC 3489 has it


def classic_binding(transaction: bytes) -> bytes:
    """Return a Binding request without the magic cookie, for 16 bytes of a transaction id.

    libnice up to 0.1.22 sends this to a STUN server.
    """
    return struct.pack("!HH", _BINDING_REQUEST, 0) + transaction


def classic_answer(transaction: bytes, data: bytes) -> Optional[Address]:
    """Return the address in the answer to a `classic_binding`, None where it is none."""
    if data[:2] != struct.pack("!H", _BINDING_RESPONSE) or data[4:_HEADER] != transaction:
        return None
    found: Dict[int, bytes] = dict(_attributes(data))
    for kind in _XOR_MAPPED:
        if kind in found:
            found.setdefault(_MAPPED, _unmasked(found[kind], transaction))
    return _address(found.get(_MAPPED, b""))


def _attributes(data: bytes) -> Iterator[Tuple[int, bytes]]:
    """Yield type and value of each attribute of a STUN message."""
    position = _HEADER
    while position + 4 <= len(data):
        kind, length = struct.unpack("!HH", data[position : position + 4])
        position += 4
        yield kind, data[position : position + length]
        position += length + stun.padding_length(length)


def _unmasked(value: bytes, transaction: bytes) -> bytes:
    """Undo the XOR of an address, whose key begins with the first two bytes of the id."""
    key = transaction[:2] + transaction
    return value[:2] + bytes(one ^ mask for one, mask in zip(value[2:], key))


def _address(value: bytes) -> Optional[Address]:
    """Return the address in an attribute, None where there is none."""
    if len(value) not in (8, 20):
        return None
    return str(ipaddress.ip_address(value[4:])), struct.unpack("!H", value[2:4])[0]
