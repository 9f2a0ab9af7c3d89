"""Read the answer of an API server, or of whatever answers in its place, up to a limit.

A small compressed answer can expand to gigabytes, so urllib3 does not decompress it here.
"""

from __future__ import annotations

import time
import zlib
from typing import Any, Iterator

LIMIT = 8 * 2**20
"""Bytes of an object or a list. A ConfigMap holds up to 1 MiB; each ``<`` is 6 bytes in JSON."""
LOG_LIMIT = 2**20
"""Bytes of the last lines of a log."""
_PIECE = 2**16


class AnswerError(Exception):
    """An answer that can't be used; its text says why."""


def read_answer(answer: Any, limit: int, seconds: float) -> bytes:
    """Return the body of a urllib3 response that has not been read yet.

    It may be compressed with gzip, although we never ask for that. Raises `AnswerError` if it is
    longer than `limit` bytes, compressed or not, or takes longer than `seconds`, and whatever
    urllib3 raises if the connection ends early.
    """
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise AnswerError("it is compressed, although uncompressed data was requested")
    body, taken = bytearray(), 0
    decoder = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    for piece in _pieces(answer, time.monotonic() + seconds):
        taken += len(piece)
        try:
            body += decoder.decompress(piece, limit + 1 - len(body)) if decoder else piece
        except zlib.error:
            raise AnswerError("it is not valid gzip") from None
        if max(taken, len(body)) > limit:
            raise AnswerError(f"it is longer than {limit / 2**20:.0f} MiB")
    if decoder and not decoder.eof:
        raise AnswerError("it ends too early")
    return bytes(body)


def _pieces(answer: Any, end: float) -> Iterator[bytes]:
    """Yield the data as it arrives; cut off a server that sends a byte now and then."""
    read = answer.read1 if hasattr(answer, "read1") else answer.read  # before urllib3 2.2
    while True:
        piece = read(_PIECE, decode_content=False)
        if not piece:
            return
        yield piece
        if time.monotonic() > end:
            raise AnswerError("it takes too long")
