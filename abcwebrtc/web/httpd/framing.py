"""Where a request ends, in the bytes of a connection, and which ones are not read at all.

What a request says is for cheroot to tell, once it is complete. Here is only
what its length depends on, taken more strictly than RFC 9112 asks for: where two
readers could differ, the request is refused.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, NoReturn, Optional

from abcwebrtc.errors import AbcWebRTCError

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
"""A header costs the application many times the bytes that it has."""
MAX_BODY_BYTES = 64 * 1024
"""As much as `abcwebrtc.web.rest` takes of JSON."""

_END = b"\r\n\r\n"
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, section 5.6.2
_REQUEST_LINE = re.compile(_TOKEN + rb" [!-~]+ HTTP/[0-9]\.[0-9]")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):([^\x00-\x08\x0a-\x1f\x7f]*)")
_HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*")  # RFC 3986, section 3.2.2, and a port


class RefusedError(AbcWebRTCError):
    """A request that is answered with an error before it is read."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Head(NamedTuple):
    """What is known of a request whose headers have arrived."""

    length: int
    """The bytes that it has, its headers and its body."""
    expects: bool
    """Whether the client waits for "100 Continue" before it sends the body."""


def read_head(data: bytearray, searched: int = 0) -> Optional[Head]:
    """Return what the headers of the first request say; None until they are complete.

    The first `searched` bytes were without an end the last time.

    Raises `RefusedError` for a request that is too large, or of no clear length.
    """
    end = _end_of_head(data, max(0, searched - len(_END) + 1))
    if end < 0:
        return None
    request_line, *lines = bytes(data[:end]).split(b"\r\n")
    if len(lines) > MAX_HEADERS:
        raise RefusedError(431, f"There are more than {MAX_HEADERS} headers")
    if not _REQUEST_LINE.fullmatch(request_line):
        raise RefusedError(400, "The first line is not a method, a target and a version of HTTP")
    headers = _headers(lines)
    _check_host(headers.get(b"host", []))
    if b"transfer-encoding" in headers:
        raise RefusedError(411, "Length Required")
    expects = headers.get(b"expect", [b""])[-1].lower() == b"100-continue"
    length = end + len(_END) + _body_length(headers)
    return Head(length, expects and request_line.endswith(b"HTTP/1.1"))


def _end_of_head(data: bytearray, start: int) -> int:
    """Return where the headers end, or -1 while they don't."""
    end = data.find(_END, start)
    upto = end if end >= 0 else len(data)
    if data.find(b"\n\n", start, upto) >= 0:
        raise RefusedError(400, "Lines have to end in CR LF")
    if upto > MAX_HEAD_BYTES:
        _refuse_large_head(data)
    return end


def _refuse_large_head(data: bytearray) -> NoReturn:
    if data.find(b"\n", 0, MAX_HEAD_BYTES) < 0:
        raise RefusedError(414, "The request line is longer than 64 KiB")
    raise RefusedError(431, "The headers are larger than 64 KiB")


def _headers(lines: List[bytes]) -> Dict[bytes, List[bytes]]:
    found: Dict[bytes, List[bytes]] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)  # not a line that goes on the one before it
        if not match:
            raise RefusedError(400, "A header is not a name, a colon and text, on one line")
        found.setdefault(match[1].lower(), []).append(match[2].strip(b" \t"))
    return found


def _check_host(values: List[bytes]) -> None:
    if len(values) > 1 or not all(map(_HOST.fullmatch, values)):
        raise RefusedError(400, "Host is not one name or address, with a port at most")


def _body_length(headers: Dict[bytes, List[bytes]]) -> int:
    values = headers.get(b"content-length", [b"0"])
    if len(set(values)) > 1:
        raise RefusedError(400, "There are several Content-Length")
    if not values[0].isdigit():
        raise RefusedError(400, "Content-Length is not a number")
    if len(values[0]) > len(str(MAX_BODY_BYTES)) or int(values[0]) > MAX_BODY_BYTES:
        raise RefusedError(413, "The body is larger than 64 KiB")
    return int(values[0])
