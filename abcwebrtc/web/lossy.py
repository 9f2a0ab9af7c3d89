"""Output that gets lost where there is no room for it, so that a server outlives its log."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import Any, Iterator, TextIO

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN)
"""What a full disk says, and a full pipe that does not wait."""


class LossyStream:
    """A text stream whose writes do nothing where there is no room for them.

    When there is room again, what is written then comes through.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or lose it."""
        with _full_disk_passed_over():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        with _full_disk_passed_over():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def lossy_output() -> Iterator[None]:
    """Make stdout and stderr lossy for a while; what could not be written is forgotten.

    Otherwise Python fails with it once more at exit.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (LossyStream(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            _forget_rest(stream)


@contextlib.contextmanager
def _full_disk_passed_over() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise


def _forget_rest(stream: TextIO) -> None:
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
