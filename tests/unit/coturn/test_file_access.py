"""Whether a user can read a file: as the kernel decides, by modes and ACLs."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
from pathlib import Path
from typing import List, Tuple

import pytest

from abcwebrtc.coturn.file_access import blocked, unreadable
from conftest import missing, require_program
from unit.test_secret_files import ACL, acl, give

NOBODY = "nobody"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that everybody can enter, as long as they can enter all folders above it."""
    for place in (tmp_path, *tmp_path.parents):
        if not os.stat(place).st_mode & 1:
            if os.geteuid() != 0 and os.stat(place).st_uid != os.geteuid():
                missing(f"{place} is shut")
            os.chmod(place, os.stat(place).st_mode | 1)
    return tmp_path


@pytest.fixture
def key(folder: Path) -> Path:
    path = folder / "key.pem"
    path.write_text("key")
    return path


def really_reads(path: Path) -> bool:
    """Ask the kernel."""
    runuser = require_program("runuser", "util-linux")
    command = [runuser, "-u", NOBODY, "--", "cat", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


OWNER, USER, GROUP_OBJ, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NO_ID = 0xFFFFFFFF


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o004, 0o440, 0o000])
def test_a_mode_decides_as_the_kernel_does(key: Path, mode: int) -> None:
    key.chmod(mode)
    assert (blocked(str(key), NOBODY) is None) is bool(mode & 4)
    if os.geteuid() == 0:
        assert really_reads(key) is bool(mode & 4)


HERE = pwd.getpwnam(NOBODY)
ANOTHER = pwd.getpwnam("daemon")


@pytest.mark.parametrize(
    ("users", "groups", "mask", "other"),
    [
        ([(4, HERE.pw_uid)], [], 4, 0),
        ([(0, HERE.pw_uid)], [], 4, 4),
        ([(4, HERE.pw_uid)], [], 0, 0),
        ([], [(4, HERE.pw_gid)], 4, 0),
        ([], [(0, HERE.pw_gid)], 4, 4),
        ([], [(4, HERE.pw_gid)], 0, 4),
        ([(4, ANOTHER.pw_uid)], [], 4, 0),
        ([(0, ANOTHER.pw_uid)], [(0, ANOTHER.pw_gid)], 4, 4),
    ],
)
def test_an_acl_decides_as_the_kernel_does(
    key: Path,
    users: List[Tuple[int, int]],
    groups: List[Tuple[int, int]],
    mask: int,
    other: int,
) -> None:
    if os.geteuid() != 0:
        missing("only root can ask as somebody else")
    entries = [(OWNER, 6, NO_ID), *((USER, right, owner) for right, owner in users)]
    entries += [(GROUP_OBJ, 0, NO_ID), *((GROUP, right, owner) for right, owner in groups)]
    give(key, ACL, acl(*entries, (MASK, mask, NO_ID), (OTHER, other, NO_ID)))
    assert (blocked(str(key), NOBODY) is None) is really_reads(key)


def test_the_cure_is_said(key: Path) -> None:
    key.chmod(0o600)
    assert blocked(str(key), NOBODY) == f"chgrp nobody {key} and chmod 640 {key}"
    inner = key.parent / "inner"
    inner.mkdir()
    other = inner / "key.pem"
    other.write_text("key")
    other.chmod(0o644)
    inner.chmod(0o700)
    found = blocked(str(other), NOBODY)
    assert found == (
        f"it can't enter the folder {inner}; chmod o+x {inner}, or keep the file elsewhere"
    )


def test_a_link_is_followed(key: Path) -> None:
    link = key.parent / "link.pem"
    link.symlink_to(key)
    key.chmod(0o600)
    assert str(key) in (blocked(str(link), NOBODY) or "")


def test_the_way_to_a_link_counts_too(key: Path) -> None:
    key.chmod(0o644)
    live = key.parent / "live"
    live.mkdir()
    (live / "link.pem").symlink_to(key)
    live.chmod(0o700)
    assert f"can't enter the folder {live};" in (blocked(str(live / "link.pem"), NOBODY) or "")
    if os.geteuid() == 0:
        assert not really_reads(live / "link.pem")


def test_what_debians_unit_hides_is_told(key: Path) -> None:
    key.chmod(0o644)
    if not str(key).startswith("/tmp/"):
        missing("the folder for tests is not in /tmp")
    assert "the unit hides /tmp/ from coturn" in (unreadable(str(key), NOBODY) or "")
    assert unreadable(str(key), "no-such-user") is None
    assert unreadable("/tmp/no-such-file.pem", NOBODY) is None
    assert unreadable("/etc/passwd", NOBODY) is None


def test_its_owner_reads_what_it_may(key: Path) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    key.chmod(0o600)
    assert blocked(str(key), me) is None


def test_what_is_not_here_is_not_judged(key: Path) -> None:
    key.chmod(0o600)
    assert blocked(str(key), "no-such-user") is None
    assert blocked(str(key.parent / "missing.pem"), NOBODY) is None
    assert blocked(str(key.parent), NOBODY) is None
    assert blocked("a\0b", NOBODY) is None


def test_a_cure_can_be_copied_whatever_the_name_is(folder: Path) -> None:
    path = folder / "a; touch b.pem"
    path.write_text("key")
    path.chmod(0o600)
    cure = blocked(str(path), NOBODY)
    assert cure is not None
    assert shlex.split(cure) == ["chgrp", NOBODY, str(path), "and", "chmod", "640", str(path)]
