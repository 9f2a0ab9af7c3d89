"""Read files that somebody names, up to a limit and without blocking.

In place of a file, somebody may have put a device, or a FIFO that nobody writes into. A
configuration may name one too. So only regular files are read, and descriptors that the user gave
to this process.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import BinaryIO

_DESCRIPTOR = re.compile(r"/dev/stdin|/dev/fd/[0-9]+|/proc/self/fd/[0-9]+")


def names_descriptor(path: str) -> bool:
    """Return whether a path names a descriptor of this process, such as ``/dev/stdin``."""
    return _DESCRIPTOR.fullmatch(path) is not None


def open_file(path: str, by_user: bool = False) -> BinaryIO:
    """Open a regular file for reading.

    If it is named `by_user`, and not in a configuration, it may also be a descriptor of this
    process, as in ``abcwebrtc check <(kubectl get ...)`` and ``/dev/stdin``. That may be a pipe or
    a device, and is read to its end. Raises `OSError` with a ``strerror`` that says what is wrong.
    """
    if "\0" in path:
        raise OSError(errno.EINVAL, "not a file name")
    is_descriptor = by_user and names_descriptor(path)
    if not is_descriptor:
        _refuse_others(os.stat(path))  # since opening a device can have effects

    def opener(path: str, _: int) -> int:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if is_descriptor:
                os.set_blocking(descriptor, True)
            else:
                _refuse_others(os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    # From here on, the stream alone closes the descriptor: an interruption must not do it twice.
    return open(path, "rb", opener=opener)


def read_file(path: str, most: int, by_user: bool = False) -> bytes:
    """Return the content of a file; raise `OSError` as `open_file` does, or if it is larger."""
    with open_file(path, by_user) as stream:
        return read_stream(stream, most)


def read_stream(stream: BinaryIO, most: int) -> bytes:
    """Return the content of a stream; raise `OSError` if it has more bytes than allowed."""
    data = stream.read(most + 1)
    if data is None:  # from a stream that does not block, such as /proc/kmsg
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    if len(data) > most:
        size = f"{most >> 20} MiB" if most >> 20 else f"{most >> 10} KiB"
        raise OSError(errno.EFBIG, f"larger than {size}")
    return data


def _refuse_others(about: os.stat_result) -> None:
    if stat.S_ISDIR(about.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
