"""The answer of an API server is read up to a limit, compressed or not."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Dict, Tuple

import pytest

from abcwebrtc.cluster.reading import AnswerError, read_answer

LIMIT = 2**20


class Answer:
    """The parts of a urllib3 response that are used."""

    def __init__(self, body: bytes, encoding: str = "", piece: int = 2**16) -> None:
        self.headers: Dict[str, str] = {"Content-Encoding": encoding} if encoding else {}
        self.read_bytes = 0
        self._body, self._piece = body, piece

    def read1(self, amount: int, decode_content: bool) -> bytes:
        assert decode_content is False
        taken = self._body[self.read_bytes : self.read_bytes + min(amount, self._piece)]
        self.read_bytes += len(taken)
        return taken


@pytest.mark.parametrize("size", [0, 1, LIMIT])
@pytest.mark.parametrize("piece", [7919, 2**16])
@pytest.mark.parametrize("encoding", ["", "identity", "gzip", "GZIP"])
def test_what_fits_is_read_to_its_end(size: int, piece: int, encoding: str) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    sent = gzip.compress(body) if encoding.lower() == "gzip" else body
    assert read_answer(Answer(sent, encoding, piece), LIMIT, 60) == body


THICK = gzip.compress(bytes(64 * LIMIT), 9)
BAD: Dict[str, Tuple[bytes, str, int, str]] = {
    "long": (bytes(64 * LIMIT), "", 2**16, "it is longer than 1 MiB"),
    "bomb": (THICK, "gzip", 2**16, "it is longer than 1 MiB"),
    "slow bomb": (THICK, "gzip", 100, "it is longer than 1 MiB"),
    "twice": (gzip.compress(THICK), "gzip, gzip", 2**16, "it is compressed, although unc"),
    "deflate": (zlib.compress(b"{}"), "deflate", 2**16, "it is compressed, although unc"),
    "none": (b"{}", "gzip", 2**16, "it is not valid gzip"),
    "half": (gzip.compress(b"{}")[:-4], "gzip", 2**16, "it ends too early"),
    "behind it": (gzip.compress(b"{}") + bytes(9 * LIMIT), "gzip", 2**16, "it is longer"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_is_refused_before_it_is_read(name: str) -> None:
    body, encoding, piece, message = BAD[name]
    answer = Answer(body, encoding, piece)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError, match=f"^{message}"):
            read_answer(answer, LIMIT, 60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.read_bytes <= LIMIT + 2**16
    assert peak < 4 * LIMIT


def test_a_server_that_goes_on_for_ever_is_cut_off() -> None:
    answer = Answer(b"{" * 100, piece=1)
    with pytest.raises(AnswerError, match="it takes too long"):
        read_answer(answer, LIMIT, -1)
    assert answer.read_bytes == 1
