"""Target: what `abcwebrtc check` costs for an od.config built to be expensive.

It counts calls, bytes and lines rather than time, so that a slow machine finds the same.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tracemalloc
from random import Random
from types import FrameType
from typing import Any
from unittest import mock

from abcwebrtc.cli.main import main
from abcwebrtc.odconfig import ini
from fuzz.common import splice
from fuzz.loader import FILE, FRAGMENTS, prepare
from support.hostile_files import NAMES, START, hostile_file

MAX_LENGTH = 8192
RUNS = 350
MAX_GROWTH = 256 * 1024
"""Less than the reader's own limit, and more than a file of this length needs."""
CALLS, CALLS_FOR_A_BYTE = 60_000, 200
"""Calls of Python and C. A list of dicts with a fault in each takes some 100 for a byte, code that
looks at all preceding tokens for each token more than 1,000 in a file of `MAX_LENGTH`."""
PEAK, PEAK_FOR_A_BYTE = 16 << 20, 500
"""Bytes; the syntax tree of a list of empty dicts takes some 300 bytes per byte of text, and 10 MB
if %(...)s makes the most parts of one value from a few hundred bytes."""
LINES, LINE = 100, 2500
DICTIONARY = FRAGMENTS


def check(data: bytes) -> None:
    """Fail if `check` costs more than the size of the file explains."""
    prepare(data)
    printed = io.StringIO()
    calls, less = [0], mock.patch.object(ini, "MAX_GROWTH", MAX_GROWTH)

    def count(_: FrameType, event: str, called: Any) -> None:
        if event == "call":
            calls[0] += 1
        elif event == "c_call":  # atheris adds calls at each branch
            calls[0] += not str(getattr(called, "__module__", "")).startswith("atheris")

    tracemalloc.start()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), less:
            status = main(["check", FILE])
    finally:
        sys.setprofile(before)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    lines = printed.getvalue().splitlines()
    assert status in (0, 1), status
    assert calls[0] <= CALLS + CALLS_FOR_A_BYTE * len(data), f"{calls[0]} calls"
    assert peak <= PEAK + PEAK_FOR_A_BYTE * len(data), f"{peak} bytes of memory"
    assert len(lines) <= LINES, f"{len(lines)} lines"
    assert max(map(len, lines)) <= LINE, "a long line"


def mutate(data: bytes, random: Random) -> bytes:
    return splice(data, random, FRAGMENTS)


def generate(random: Random) -> bytes:
    """Return one hostile file, or two in a row."""
    size = random.choice((512, 2048, MAX_LENGTH))
    text = hostile_file(random.choice(NAMES), size)
    if random.random() < 0.3:
        text += "\n" + hostile_file(random.choice(NAMES), size).replace(START, "", 1)
    return text.encode()[:MAX_LENGTH]
