"""Files with secrets: complete or absent, private to their owner, with their attributes kept."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Tuple

import pytest

from abcwebrtc import secret_files
from abcwebrtc.secret_files import write_new
from conftest import missing

OLD, NEW = "0123456789abcdef-old", "0123456789abcdef-new"
DATA = f"{NEW}\n".encode()
ACL, DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"
NOBODY_S_ID = 0xFFFFFFFF
OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
READ, READ_WRITE = 4, 6


def write_over(path: str, data: bytes) -> None:
    secret_files.write_over(path, lambda _: data)


def acl(*entries: Tuple[int, int, int]) -> bytes:
    """Return an ACL as Linux stores it: version 2, then a tag, rights and an id for each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


# the owning group may do nothing, though the mode says 0640: its middle is the mask
LISTED = acl(
    (OWNER, READ_WRITE, NOBODY_S_ID),
    (USER, READ, 12345),
    (GROUP, 0, NOBODY_S_ID),
    (MASK, READ, NOBODY_S_ID),
    (OTHER, 0, NOBODY_S_ID),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    made.write_text(OLD + "\n")
    made.chmod(0o640)
    return made


def give(path: Path, name: str, value: bytes) -> None:
    """Set an extended attribute, or skip the test if the file system does not support it."""
    try:
        os.setxattr(path, name, value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        missing(f"this file system has no {name}; set TMPDIR to a folder on another one")


def attributes(path: Path) -> Dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def test_a_file_that_is_replaced_keeps_its_extended_attributes(file: Path) -> None:
    give(file, "user.made-by", b"an operator")
    before = attributes(file)
    write_over(str(file), DATA)
    assert file.read_text() == NEW + "\n"
    assert attributes(file) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_that_is_replaced_keeps_its_acl(file: Path) -> None:
    give(file, ACL, LISTED)
    write_over(str(file), DATA)
    assert file.read_text() == NEW + "\n"
    assert attributes(file)[ACL] == LISTED
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_without_an_acl_takes_none_of_its_folder(file: Path, tmp_path: Path) -> None:
    give(tmp_path, DEFAULT_ACL, LISTED)
    (tmp_path / "new").touch()
    assert ACL in attributes(tmp_path / "new")
    write_over(str(file), DATA)
    assert file.read_text() == NEW + "\n"
    assert ACL not in attributes(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_is_its_owner_s_alone_in_a_folder_with_an_acl(tmp_path: Path) -> None:
    give(tmp_path, DEFAULT_ACL, LISTED)
    write_over(str(tmp_path / "new"), DATA)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600  # the mask lets nobody in


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """Return a list of attributes that can't be set."""
    names: List[str] = []
    real = os.setxattr

    def setxattr(path: Any, name: str, *rest: Any) -> None:
        if name in names:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        real(path, name, *rest)

    monkeypatch.setattr(os, "setxattr", setxattr)
    return names


def test_a_file_whose_acl_can_not_be_kept_is_left_as_it_is(file: Path, refused: List[str]) -> None:
    give(file, ACL, LISTED)
    refused.append(ACL)
    with pytest.raises(PermissionError):
        write_over(str(file), DATA)
    assert file.read_text() == OLD + "\n"
    assert attributes(file)[ACL] == LISTED
    assert os.listdir(file.parent) == ["secrets"]


def test_another_attribute_that_can_not_be_kept_is_left_out(file: Path, refused: List[str]) -> None:
    give(file, "user.a", b"1")
    give(file, "user.b", b"2")
    refused.append("user.a")
    write_over(str(file), DATA)
    assert file.read_text() == NEW + "\n"
    assert "user.a" not in attributes(file)
    assert attributes(file)["user.b"] == b"2"


def test_a_file_keeps_a_group_that_is_not_the_writers(tmp_path: Path) -> None:
    """As when pyos's group may read root's file."""
    file = tmp_path / "secrets"
    file.write_text(OLD)
    group = 23456 if os.geteuid() == 0 else [os.getgid(), *os.getgroups()][-1]
    os.chown(file, -1, group)
    write_over(str(file), DATA)
    assert (file.stat().st_uid, file.stat().st_gid) == (os.geteuid(), group)


def test_no_reader_sees_half_a_file(tmp_path: Path) -> None:
    """The inode changes, so whoever has the old one open reads that to its end."""
    file = tmp_path / "secrets"
    file.write_text(OLD)
    with open(file) as stream:
        write_over(str(file), DATA)
        assert stream.read() == OLD
    assert file.read_text() == NEW + "\n"
    assert os.listdir(tmp_path) == ["secrets"]


def test_who_writes_a_file_of_secrets_holds_its_lock(file: Path) -> None:
    def change(before: Optional[BinaryIO]) -> bytes:
        with open(file) as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return DATA

    secret_files.write_over(str(file), change)
    with open(file) as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_is_not_waited_for_without_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody who can read a file can hold its lock."""
    monkeypatch.setattr(secret_files, "LOCK_SECONDS", 0)
    with open(file) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another process has locked it"):
            write_over(str(file), DATA)
    assert file.read_text() == OLD + "\n"


def test_the_lock_of_a_folder_keeps_nobody_waiting(file: Path) -> None:
    with open_folder(file.parent) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        write_over(str(file), DATA)
    assert file.read_text() == NEW + "\n"


def test_of_several_that_make_a_file_at_the_same_time_none_fails(tmp_path: Path) -> None:
    """A file that is being created has two names for a moment, as with a hard link."""
    paths = [tmp_path / str(number) for number in range(100)]

    def add(line: bytes) -> None:
        for path in paths:
            secret_files.write_over(str(path), lambda old: (old.read() if old else b"") + line)

    lines = [b"a", b"b", b"c"]
    with ThreadPoolExecutor(len(lines)) as threads:
        for each in [threads.submit(add, line) for line in lines]:
            each.result()
    assert {bytes(sorted(path.read_bytes())) for path in paths} == {b"abc"}


def test_what_another_wrote_meanwhile_is_not_lost(file: Path) -> None:
    """It has the file open, but when it gets the lock, the name is another file's."""
    seen: List[bytes] = []

    def change(before: Optional[BinaryIO]) -> bytes:
        assert before
        seen.append(before.read())
        return DATA + seen[-1]

    real = secret_files._lock

    def lock(descriptor: int) -> None:
        if not seen:
            other = file.with_name("other")
            other.write_text("of another\n")
            other.rename(file)
            secret_files._lock = real
        real(descriptor)

    secret_files._lock = lock
    try:
        secret_files.write_over(str(file), change)
    finally:
        secret_files._lock = real
    assert file.read_bytes() == DATA + b"of another\n"


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# a file that is not there yet


@pytest.fixture(params=["hard links", "none"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write on a file system with hard links, and on one without."""

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param == "none":
        monkeypatch.setattr(os, "link", refused)


def test_a_new_file_is_its_owner_s_alone(links: None, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_new(str(tmp_path / "new"), DATA)
    finally:
        os.umask(before)
    assert (tmp_path / "new").read_bytes() == DATA
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_a_new_file_takes_nobody_s_place(links: None, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "theirs"
    if kind == "file":
        path.write_text("theirs")
    else:
        path.symlink_to("nothing")
    with pytest.raises(FileExistsError):
        write_new(str(path), DATA)
    assert os.listdir(tmp_path) == ["theirs"]
    assert path.is_symlink() or path.read_text() == "theirs"


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_file_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(os, broken, full)
    for write in (write_new, write_over):
        with pytest.raises(OSError, match="No space left on device"):
            write(str(tmp_path / "new"), DATA)
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "broken"), KeyboardInterrupt()], ids=repr)
def test_a_new_file_whose_name_can_not_be_kept_is_not_there(
    links: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """Nobody would know that it exists, with a secret in it."""
    real = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise failure
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    with pytest.raises(type(failure)):
        write_new(str(tmp_path / "new"), DATA)
    assert os.listdir(tmp_path) == []


def test_ctrl_c_on_the_way_to_a_file_stays_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not "Bad file descriptor", from closing a folder twice."""
    real = os.close

    def interrupted(descriptor: int) -> None:
        monkeypatch.undo()
        real(descriptor)
        raise KeyboardInterrupt

    before = {*os.listdir("/proc/self/fd")}
    monkeypatch.setattr(os, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_new(str(tmp_path / "new"), DATA)
    assert {*os.listdir("/proc/self/fd")} <= before
    assert os.listdir(tmp_path) == []


def test_ctrl_c_as_a_file_is_created_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def interrupted(path: str, flags: int, *arguments: Any, **options: Any) -> int:
        descriptor = real(path, flags, *arguments, **options)
        if not flags & os.O_CREAT:
            return descriptor
        os.close(descriptor)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    for write in (write_new, write_over):
        with pytest.raises(KeyboardInterrupt):
            write(str(tmp_path / "new"), DATA)
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["none/new", "nul\0", "folder"], ids=repr)
def test_what_is_no_place_for_a_file_is_an_oserror(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    for write in (write_new, write_over):
        with pytest.raises(OSError):
            write(str(tmp_path / name), DATA)
    assert os.listdir(tmp_path) == ["folder"]
