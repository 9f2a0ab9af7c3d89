"""Writes files that hold secrets: for their owner alone, and whole or not at all.

What is written goes into a temporary file beside it first, and is on the disk before it gets its
name, so neither a reader nor a machine that goes down finds half of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import tempfile
from typing import Iterator, List, Union

_ACL = "system.posix_acl_access"
_OF_CONTENT = ("security.ima", "security.evm")  # signatures of what the file held


def write_new(path: str, data: bytes) -> None:
    """Write a file that is not there yet, which its owner alone can read.

    Raises `FileExistsError` where something is there, a link to nothing as well, and `OSError`
    where the file can't be written.
    """
    with _written(path, data) as temporary:
        try:
            os.link(temporary, path)  # unlike replace, this never takes the place of a file
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links: an empty file keeps the name
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                os.replace(temporary, path)
            except BaseException:
                os.unlink(path)
                raise


def write_beside(start: str, end: str, data: bytes) -> str:
    """Write a new file as `write_new` does, and return its name: the first that is free.

    These are `start` and `end`, such as ``a.bak``, then ``a.2.bak``, and so on.
    """
    for number in ("", *(f".{number}" for number in range(2, 100))):
        with contextlib.suppress(FileExistsError):
            write_new(start + number + end, data)
            return start + number + end
    raise FileExistsError(errno.EEXIST, "there are many of them already")


def write_over(path: str, data: bytes, most: int = 0o777) -> None:
    """Write a file, also in the place of one that is there. Symbolic links are followed.

    A new one is its owner's alone. One that was there keeps its owner, mode and ACL: who could
    read it before can read it after, and nobody else. Other extended attributes are kept where
    that is allowed. `most` is the mode beyond which it keeps none.

    Raises `OSError` where it can't be written, or is no regular file.
    """
    target = path if "\0" in path else os.path.realpath(path)
    with _written(target, data, like=target, most=most) as temporary:
        os.replace(temporary, target)


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep others that hold this lock out of the folder of a file, until the end.

    Two that read, add and replace at the same time would lose what one of them added. A folder
    that can't be read is not locked.
    """
    try:
        descriptor = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        descriptor = -1  # reading or writing the file says what is wrong
    try:
        if descriptor >= 0:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


@contextlib.contextmanager
def _written(path: str, data: bytes, like: str = "", most: int = 0o777) -> Iterator[str]:
    """Yield a temporary file beside `path`, with the data, and with the access of `like`."""
    if "\0" in path:
        raise OSError(errno.EINVAL, "not a file name")
    if like and os.path.exists(like) and not os.path.isfile(like):
        raise OSError(errno.EINVAL, "not a regular file")
    descriptor, temporary = tempfile.mkstemp(prefix=".abcwebrtc-", dir=os.path.dirname(path) or ".")
    try:
        with open(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)  # an ACL of the folder lets nobody in then
            if like and os.path.exists(like):
                _take_access(descriptor, like, most)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _take_access(descriptor: int, target: str, most: int) -> None:
    """Give an open file the owner, mode and ACL of the one that it is to replace."""
    before, own = os.stat(target), os.fstat(descriptor)
    if (before.st_uid, before.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    if sys.platform == "linux":
        names = _attributes(target)
        for name in names:
            if name not in (_ACL, *_OF_CONTENT):
                with contextlib.suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(target, name))
        if _ACL in names:
            os.setxattr(descriptor, _ACL, os.getxattr(target, _ACL))
        elif _ACL in _attributes(descriptor):
            os.removexattr(descriptor, _ACL)  # of the folder, and fchmod would put it in force
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & most)


def _attributes(file: Union[int, str]) -> List[str]:
    try:
        return os.listxattr(file)
    except OSError:  # a file system without any
        return []
