"""Where the text of an od.config comes from: a file, or a stream such as standard input."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import BinaryIO, List, Optional, Tuple, Union

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
    if isinstance(source, OdConfigStream):
        return source.name
    name = os.fsdecode(source)
    return "stdin" if name == "/dev/stdin" else name


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
        closed = error.errno == errno.ENOENT and source_name(source) == "stdin"
        message = f"can't be read: {'it is closed' if closed else error.strerror}"
        if error.errno == errno.EFBIG:
            message += ", which no ConfigMap can hold, so it is not an od.config"
    raise UnreadableError(Problem(message, "", source_name(source)))


def decoded(data: bytes, file: str) -> Tuple[str, List[Problem]]:
    """Return the text of an od.config as far as it can be read, and what is wrong with it."""
    if data.startswith(b"\xef\xbb\xbf"):
        message = "begins with a byte order mark, which pyos refuses; save the file without it"
        text, others = decoded(data[3:], file)
        return text, [Problem(message, "", file, 1), *others]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:2]:  # as Windows saves it
        mark = "utf-16" if data[0] in b"\xff\xfe" else "utf-16-le" if data[0] else "utf-16-be"
        text = data.decode(mark, "replace")
        return text, [Problem("is UTF-16; save the file as UTF-8", "", file, 1)]
    text = data.decode("utf-8", "replace")
    if "\ufffd" not in text:
        return text, []
    lines = enumerate(re.split(rb"\r\n?|\n", data), start=1)
    message = "not UTF-8 text; save the file as UTF-8"
    return text, [Problem(message, "", file, number) for number, line in lines if _is_bad(line)]


def _is_bad(line: bytes) -> bool:
    try:
        line.decode("utf-8")
        return False
    except UnicodeDecodeError:
        return True
