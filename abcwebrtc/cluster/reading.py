"""Reads what an API server, or whatever answers in its place, sends: up to a limit.

A small compressed answer can be gigabytes of text. So urllib3 decompresses nothing here.
"""

from __future__ import annotations

import time
import zlib
from typing import Any, Iterator

LIMIT = 8 * 2**20
"""Bytes of an object, or of a list. A ConfigMap holds 1 MiB, whose ``<`` are six bytes in JSON."""
LOG_LIMIT = 2**20
"""Bytes of the last lines of a log."""
_PIECE = 2**16


class AnswerError(Exception):
    """An answer that can't be used; its text says why."""


def read_answer(answer: Any, limit: int, seconds: float) -> bytes:
    """Return the body of an answer of urllib3, which has not been read yet.

    It may be compressed by gzip, though nobody asks for that. Raises `AnswerError` where it is
    longer than `limit` bytes, as it was sent or as it is then, or takes longer than `seconds`,
    and what urllib3 raises where the connection ends before it does.
    """
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise AnswerError("it is compressed, which nobody has asked for")
    body, taken = bytearray(), 0
    decoder = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    for piece in _pieces(answer, time.monotonic() + seconds):
        taken += len(piece)
        try:
            body += decoder.decompress(piece, limit + 1 - len(body)) if decoder else piece
        except zlib.error:
            raise AnswerError("it is no valid gzip") from None
        if max(taken, len(body)) > limit:
            raise AnswerError(f"it is longer than {limit / 2**20:.0f} MiB")
    if decoder and not decoder.eof:
        raise AnswerError("it ends too early")
    return bytes(body)


def _pieces(answer: Any, end: float) -> Iterator[bytes]:
    """Yield what comes, as it comes; a server that sends a byte now and then is cut off."""
    read = answer.read1 if hasattr(answer, "read1") else answer.read  # before urllib3 2.2
    while True:
        piece = read(_PIECE, decode_content=False)
        if not piece:
            return
        yield piece
        if time.monotonic() > end:
            raise AnswerError("it takes too long")
