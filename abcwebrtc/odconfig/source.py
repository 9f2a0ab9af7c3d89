"""Where the text of an od.config comes from: a file, or a stream such as standard input."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import BinaryIO, Optional, Union

from abcwebrtc.errors import Problem, UnreadableError
from abcwebrtc.files import names_descriptor, read_file, read_stream

MAX_BYTES = 1024 * 1024
"""od.config is a key of a ConfigMap, and Kubernetes holds those to 1 MiB."""

PathLike = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class OdConfigStream:
    """An od.config that is read from a stream, such as standard input, instead of a file.

    Messages call it `name`. Relative files that it names start in `folder`. `stream` is None for
    a standard input that is closed.
    """

    stream: Optional[BinaryIO]
    name: str = "stdin"
    folder: str = "."


Source = Union[PathLike, OdConfigStream]
"""What an od.config is read from."""


def source_name(source: Source) -> str:
    """Return what messages call a source: the name of a file as it was given."""
    return source.name if isinstance(source, OdConfigStream) else os.fsdecode(source)


def source_folder(source: Source) -> str:
    """Return the folder that relative file names in a source are resolved against.

    For stdin and a pipe of the shell it is the current one: nothing is beside ``/dev/stdin``.
    """
    if isinstance(source, OdConfigStream):
        return os.path.abspath(source.folder)
    name = os.fsdecode(source)
    return os.getcwd() if names_descriptor(name) else os.path.dirname(os.path.abspath(name))


def read_source(source: Source) -> bytes:
    """Return the content of a source; raise `UnreadableError` where it can't be read."""
    try:
        if not isinstance(source, OdConfigStream):
            return read_file(os.fsdecode(source), MAX_BYTES, by_user=True)
        if source.stream is not None:
            return read_stream(source.stream, MAX_BYTES)
        message = "can't be read: it is closed"
    except OSError as error:
        message = f"can't be read: {error.strerror}"
        if error.errno == errno.EFBIG:
            message += ", which no ConfigMap can hold, so it is not an od.config"
    raise UnreadableError(Problem(message, "", source_name(source)))
