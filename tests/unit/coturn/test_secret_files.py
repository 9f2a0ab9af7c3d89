"""What a secret file keeps when it is replaced: its ACL and its other extended attributes."""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.coturn.secret_files import write_secret_file
from abcwebrtc.errors import ConfigError
from conftest import missing

OLD, NEW = "0123456789abcdef-old", "0123456789abcdef-new"
ACL, DEFAULT_ACL = "system.posix_acl_access", "system.posix_acl_default"
NOBODY_S_ID = 0xFFFFFFFF
OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
READ, READ_WRITE = 4, 6


def acl(*entries: Tuple[int, int, int]) -> bytes:
    """Return an ACL as Linux keeps it: version 2, then a tag, rights and an id for each."""
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
    """Set an extended attribute, or skip the test where the file system has none of its kind."""
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
    write_secret_file(str(file), [Secret(NEW)])
    assert file.read_text() == NEW + "\n"
    assert attributes(file) == before
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_that_is_replaced_keeps_its_acl(file: Path) -> None:
    give(file, ACL, LISTED)
    write_secret_file(str(file), [Secret(NEW)])
    assert file.read_text() == NEW + "\n"
    assert attributes(file)[ACL] == LISTED
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_file_without_an_acl_takes_none_of_its_folder(file: Path, tmp_path: Path) -> None:
    give(tmp_path, DEFAULT_ACL, LISTED)
    (tmp_path / "new").touch()
    assert ACL in attributes(tmp_path / "new")
    write_secret_file(str(file), [Secret(NEW)])
    assert file.read_text() == NEW + "\n"
    assert ACL not in attributes(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_is_its_owner_s_alone_in_a_folder_with_an_acl(tmp_path: Path) -> None:
    give(tmp_path, DEFAULT_ACL, LISTED)
    write_secret_file(str(tmp_path / "new"), [Secret(NEW)])
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
    with pytest.raises(ConfigError, match="secrets: can't be written: Operation not permitted"):
        write_secret_file(str(file), [Secret(NEW)])
    assert file.read_text() == OLD + "\n"
    assert attributes(file)[ACL] == LISTED
    assert os.listdir(file.parent) == ["secrets"]


def test_another_attribute_that_can_not_be_kept_is_left_out(file: Path, refused: List[str]) -> None:
    give(file, "user.a", b"1")
    give(file, "user.b", b"2")
    refused.append("user.a")
    write_secret_file(str(file), [Secret(NEW)])
    assert file.read_text() == NEW + "\n"
    assert "user.a" not in attributes(file)
    assert attributes(file)["user.b"] == b"2"
