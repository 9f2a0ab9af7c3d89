"""A file of secrets that changes, breaks or is refused, and a clock that the test moves."""

from __future__ import annotations

import os

from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, STAT_INTERVAL

MARK = "marked-0123456789-hush"


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time

    def tick(self, seconds=STAT_INTERVAL):
        self.time += seconds


def first_file(folder):
    path = folder / "turn.secret"
    path.write_bytes(b"first\n")
    return path


def values(source):
    return [secret.reveal() for secret in source.current()]


def replace(path, data):
    """Replace a file by another one in a single step."""
    other = path.with_name("new")
    other.write_bytes(data)
    os.replace(str(other), str(path))


def break_by_removal(path):
    path.unlink()


def break_by_emptiness(path):
    path.write_bytes(b" \n\n")


def break_by_a_directory(path):
    path.unlink()
    path.mkdir()


def break_by_size(path):
    path.write_bytes(b"x" * (MAX_FILE_BYTES + 1))


def break_by_a_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def break_by_a_pipe(path):
    path.unlink()
    os.mkfifo(str(path))


def break_by_a_byte_order_mark(path):
    path.write_bytes(b"\xef\xbb\xbf" + MARK.encode())


def break_by_utf_16(path):
    path.write_bytes(MARK.encode("utf-16"))


def break_by_zeros(path):  # what a crash leaves of a file on some file systems
    path.write_bytes(MARK.encode() + b"\0" * 512)


def break_by_an_escape(path):
    path.write_bytes(b"\x1b[A" + MARK.encode())


def break_by_a_folder_on_the_way(path):
    path.unlink()
    path.symlink_to("/dev/null/secret")


BREAKING = [
    (break_by_removal, "can't be read: No such file"),
    (break_by_emptiness, "holds no secret: it is empty"),
    (break_by_a_directory, "can't be read: not a regular file"),
    (break_by_size, "can't be read: larger than 64 KiB"),
    (break_by_a_loop, "can't be read: Too many levels"),
    (break_by_a_pipe, "can't be read: not a regular file"),
    (break_by_a_byte_order_mark, "begins with a byte order mark; save it as plain text"),
    (break_by_utf_16, "begins with a byte order mark"),
    (break_by_zeros, "control characters; it has to be plain text"),
    (break_by_an_escape, "control characters"),
    (break_by_a_folder_on_the_way, "can't be read: Not a directory"),
]


def refused_paths(monkeypatch):
    """The paths that os.open() refuses, since root may read every file."""
    refused = set()
    real = os.open

    def guarded(path, *args, **kwargs):
        if path in refused:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    return refused
