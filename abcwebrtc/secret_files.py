"""Write files that hold secrets: readable only for their owner, complete or not at all.

In a folder that others can write, somebody may have planted a file, a link or a FIFO in place of
the secret's file. So every folder on the way is opened from the one above it, and what was checked
is what is used. The content goes into a temporary file first, and is on the disk before the file
gets its name: no reader and no crash ever finds half of it.

Every function raises `OSError` with a ``strerror`` that says what is wrong and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import secrets
import stat
import time
from dataclasses import dataclass
from typing import BinaryIO, Callable, Iterator, List, Optional, Tuple

LOCK_SECONDS = 10.0
"""How long to wait for another process that writes the same file."""
REPLACEABLE = "others can write its folder, and put a file of theirs there; chmod go-w the folder"
"""The warning if `others_can_replace` a file."""
_ACL = "system.posix_acl_access"
_OF_CONTENT = ("security.ima", "security.evm")  # signatures of what the file held
_MAX_LINKS = 40  # as many as Linux follows
_MAX_TURNS = 100


def write_new(path: str, data: bytes) -> None:
    """Write a new file that only its owner can read.

    When this returns, the file and its name are on the disk. Raises `FileExistsError` if the name
    exists, even as a dangling link, and `OSError` if the file can't be written.
    """
    with _place(path, follows=False) as place:
        place.create(data)


def write_beside(start: str, end: str, data: bytes) -> str:
    """Write a new file as `write_new` does, with the first free name, and return that name.

    The names are made of `start` and `end`, such as ``a.bak``, then ``a.2.bak``, and so on.
    """
    for number in ("", *(f".{number}" for number in range(2, 100))):
        with contextlib.suppress(FileExistsError):
            write_new(start + number + end, data)
            return start + number + end
    raise FileExistsError(errno.EEXIST, "there are too many of them already")


def write_over(
    path: str, change: Callable[[Optional[BinaryIO]], bytes], most: int = 0o777
) -> Optional[int]:
    """Write a new file or replace an existing one, and return the mode of the existing one.

    `change` gets the existing file, or None, and returns the new content. If it raises, nothing
    changes. It may be called again if another process was faster, so that two processes that add to
    a file lose nothing. A new file can be read only by its owner. An existing one keeps its group,
    mode and ACL: the same users can read it as before. Other extended attributes are kept if that
    is allowed. No mode bits beyond `most` are kept.

    Symbolic links are followed if nobody else can write their folder. Raises `OSError` for what
    somebody else may have planted: another user's file, a file with two names, one that is not
    regular, or one that others can read in a folder that they can write.
    """
    for _ in range(_MAX_TURNS):
        with _place(path, follows=True) as place:
            before = place.open()
            if before is None:
                with contextlib.suppress(FileExistsError):
                    place.create(change(None))
                    return None
                continue
            with open(before, "rb") as stream:
                _lock(before)
                if place.has(before):
                    place.refuse_links(before)
                    return place.replace(change(stream), before, most)
    raise OSError(errno.EAGAIN, "another process keeps changing it; try again later")


def others_can_replace(path: str) -> bool:
    """Return whether somebody else can replace a file by another one, as in an `emptyDir`.

    They can if they can write a folder on the way that is not sticky. They still can't read the
    file.
    """
    with _place(path, follows=True) as place:
        return place.is_open


def others_can_write(descriptor: int) -> bool:
    """Return whether somebody besides its owner and root can write an open file."""
    return _others_can_write(descriptor, os.fstat(descriptor))


@dataclass
class _Place:
    """A name in an open folder.

    `is_shared` says that others can create something there, `is_open` that they can also replace
    what is not theirs, or move the folder away.
    """

    folder: int
    name: str
    is_shared: bool
    is_open: bool

    def open(self) -> Optional[int]:
        """Return the existing file, open for reading, or None."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:  # a look before, since to open a device can do something
            self._refuse(os.stat(self.name, dir_fd=self.folder, follow_symlinks=False))
            descriptor = os.open(self.name, flags, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        try:
            self._refuse(os.fstat(descriptor))
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def has(self, descriptor: int) -> bool:
        """Return whether an open file still has this name."""
        try:
            now = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(now, os.fstat(descriptor))

    def refuse_links(self, descriptor: int) -> None:
        """Raise `OSError` for an open file with another name; lock it first.

        A file that is being created is locked as long as it has two names.
        """
        if os.fstat(descriptor).st_nlink > 1:
            message = "it has another name, a hard link; name another file, or delete it first"
            raise OSError(errno.EPERM, message)

    def create(self, data: bytes) -> None:
        """Write the file; raise `FileExistsError` if its name exists."""
        folder, name = self.folder, self.name
        ends = {"src_dir_fd": folder, "dst_dir_fd": folder}
        with self._written(data) as temporary:
            try:  # unlike replace, this never takes the place of a file
                os.link(temporary, name, follow_symlinks=False, **ends)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links: an empty file keeps the name
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                os.close(os.open(name, flags, 0o600, dir_fd=folder))
            try:
                os.replace(temporary, name, **ends)
                with contextlib.suppress(FileNotFoundError):  # of two links to one, both stay
                    os.unlink(temporary, dir_fd=folder)
                self._sync()
            except BaseException:
                os.unlink(name, dir_fd=folder)
                raise

    def replace(self, data: bytes, before: int, most: int) -> int:
        """Replace an open file, and return its mode."""
        mode = stat.S_IMODE(os.fstat(before).st_mode)
        with self._written(data, before, most) as temporary:
            os.replace(temporary, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        self._sync()
        return mode

    def _refuse(self, about: os.stat_result) -> None:
        """Raise `OSError` for a file that is not safe for a secret."""
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "not a regular file; name another one")
        if about.st_uid != os.geteuid():
            user = _user(about.st_uid)
            message = f"it belongs to {user}, not to you; name another file, or run this as {user}"
            raise OSError(errno.EPERM, message)
        if self.is_shared and about.st_mode & 0o077:
            message = (
                "others can read it, and can write its folder; chmod 600 it, or name another file"
            )
            raise OSError(errno.EPERM, message)

    @contextlib.contextmanager
    def _written(self, data: bytes, like: int = -1, most: int = 0) -> Iterator[str]:
        """Yield the name of a temporary file with the data, and with the access of `like`.

        It is locked until the end, so whoever opens it by its final name waits while it has two.
        """
        temporary = f".abcwebrtc-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(temporary, flags, 0o600, dir_fd=self.folder)
            with open(descriptor, "wb") as stream:
                os.fchmod(descriptor, 0o600)  # an ACL of the folder lets nobody in then
                if like >= 0:
                    _take_access(descriptor, like, most)
                stream.write(data)
                stream.flush()
                os.fsync(descriptor)
                _lock(descriptor)
                yield temporary
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self.folder)

    def _sync(self) -> None:
        """Flush the name to the disk."""
        try:
            folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.folder)
        except PermissionError:  # a folder that can be written and not read
            return
        try:
            os.fsync(folder)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that has no such thing
                raise
        finally:
            os.close(folder)


@contextlib.contextmanager
def _place(path: str, follows: bool) -> Iterator[_Place]:
    """Yield the place that a path leads to; the last name may be a link only if it `follows`."""
    if not path or "\0" in path:
        raise OSError(errno.EINVAL, "not a file name")
    way = _Way(path)
    try:
        name = way.go(follows)
        yield _Place(way.folder, name, way.is_shared, way.is_open)
    finally:
        os.close(way.folder)


class _Way:
    """The way to a file, with the open folder that it has reached so far."""

    def __init__(self, path: str) -> None:
        self._todo: List[str] = path.split("/")[::-1]
        self._links = 0
        start = "/" if path.startswith("/") else "."
        self.folder = os.open(start, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._path = start
        self.is_shared = self.is_open = False

    def go(self, follows: bool) -> str:
        """Go to the last folder, and return the name in it; raise `OSError` for an unsafe way."""
        self._look_around()
        while True:
            name = self._todo.pop() or "."
            if self._todo and name == ".":
                continue
            try:
                found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
            except FileNotFoundError:
                if self._todo:
                    raise
                return name
            is_link = stat.S_ISLNK(os.fstat(found).st_mode)
            if not self._todo and not (is_link and follows):
                os.close(found)
                return name
            if is_link:
                try:
                    self._follow(found, name)
                finally:
                    os.close(found)
            else:
                self._enter(found, os.path.join(self._path, name))

    def _follow(self, link: int, name: str) -> None:
        if self.is_shared:
            place = os.path.join(self._path, name)
            message = f"{place} is a link in a folder that others can write; name what it leads to"
            raise OSError(errno.EPERM, message)
        self._links += 1
        if self._links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink("", dir_fd=link)
        self._todo += target.split("/")[::-1]
        if target.startswith("/"):
            self._enter(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), "/")

    def _enter(self, folder: int, path: str) -> None:
        before = self.folder
        self.folder, self._path = folder, path
        os.close(before)  # last: after an interruption, `self.folder` is still to be closed, once
        self._look_around()

    def _look_around(self) -> None:
        """Check who else can write the folder, and whether they can rename what is not theirs."""
        about = os.fstat(self.folder)
        if not stat.S_ISDIR(about.st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        is_written = _others_can_write(self.folder, about)
        self.is_shared = is_written or about.st_uid not in (0, os.geteuid())
        self.is_open |= is_written and not about.st_mode & stat.S_ISVTX


def _others_can_write(descriptor: int, about: os.stat_result) -> bool:
    """Return whether the mode lets others than the owner write: everybody, or others in the group.

    With an ACL, the group's mode stands for all whom the ACL names.
    """
    if about.st_mode & stat.S_IWOTH:
        return True
    if not about.st_mode & stat.S_IWGRP:
        return False
    return _ACL in _attributes(descriptor) or _has_others(about.st_gid, about.st_uid)


def _has_others(group: int, owner: int) -> bool:
    """Return whether a group has members besides the caller, root, and the owner of the file.

    On many systems each user has a private group that may write all of the user's files.
    """
    if group == 0:
        return False
    found = [user.pw_uid for user in pwd.getpwall() if user.pw_gid == group]
    try:
        members = grp.getgrgid(group).gr_mem
    except KeyError:  # as in a container, whose groups have no names; one of a user has its number
        members = []
        if group not in (owner, os.getegid(), *os.getgroups()):
            return True
    for name in members:
        with contextlib.suppress(KeyError):
            found.append(pwd.getpwnam(name).pw_uid)
    return any(user not in (0, os.geteuid(), owner) for user in found)


def _user(number: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"the user {number}"


def _lock(descriptor: int) -> None:
    """Lock the file against other writers until it is closed.

    Two writers that read, add and replace at the same time would lose what one of them added.
    Anybody who can read the file can hold its lock, so the wait is limited.
    """
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                message = "another process has locked it; fuser shows which"
                raise OSError(errno.EAGAIN, message) from None
        except OSError:  # some network file systems have no locks
            return
        time.sleep(0.02)


def _take_access(descriptor: int, before: int, most: int) -> None:
    """Give an open file the group, mode and ACL of the one that it replaces."""
    old, own = os.fstat(before), os.fstat(descriptor)
    if old.st_gid != own.st_gid:
        os.fchown(descriptor, -1, old.st_gid)
    names = _attributes(before)
    for name in names:
        if name not in (_ACL, *_OF_CONTENT):
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(before, name))
    if _ACL in names:
        os.setxattr(descriptor, _ACL, os.getxattr(before, _ACL))
    elif _ACL in _attributes(descriptor):
        os.removexattr(descriptor, _ACL)  # of the folder, and fchmod would put it in force
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & most)


def _attributes(descriptor: int) -> Tuple[str, ...]:
    """Return the names of the extended attributes of an open file, also of one opened by O_PATH."""
    for file in (descriptor, f"/proc/self/fd/{descriptor}"):
        with contextlib.suppress(OSError):
            return tuple(os.listxattr(file))
    return ()  # a file system without any
