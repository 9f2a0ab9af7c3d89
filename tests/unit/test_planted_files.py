"""No secret is written into what another user has planted; all users are real."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator

import pytest

from abcwebrtc.secret_files import others_can_replace, write_beside, write_over
from support.users import BOB, MALLORY, acting_as, shared_folder
from support.waiting import WAIT

SECRET = b"0123456789abcdef0123456789abcdef\n"
ROUNDS, ENOUGH = 50_000, 60
"""Rounds of the race: the most, and how many must end in each way."""


@pytest.fixture
def shared() -> Iterator[Path]:
    with shared_folder() as folder:
        yield folder


@pytest.fixture(params=[0, BOB], ids=["root", "bob"])
def writer(request: pytest.FixtureRequest) -> int:
    """Return the user who writes the secret."""
    return int(request.param)


def write(path: Path, user: int) -> None:
    with acting_as(user):
        write_over(str(path), lambda _: SECRET)


def _own_file(path: Path) -> None:
    path.write_text("of mallory")
    path.chmod(0o666)


def _link_to_own(path: Path) -> None:
    path.with_name("loot").write_text("of mallory")
    path.with_name("loot").chmod(0o666)
    path.symlink_to(path.with_name("loot"))


def _folder_by_link(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to("elsewhere")


PLANTED: Dict[str, Callable[[Path], None]] = {
    "a file": _own_file,
    "a link to a file": _link_to_own,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to a device": lambda path: path.symlink_to("/dev/null"),
    "a FIFO": os.mkfifo,
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_another_user_planted_is_refused(shared: Path, planted: str, writer: int) -> None:
    path = shared / "secret"
    with acting_as(MALLORY):
        PLANTED[planted](path)
    before = {file: file.lstat() for file in shared.iterdir()}
    with pytest.raises(OSError, match=r"belongs to|is a link in a folder|not a regular file"):
        write(path, writer)
    assert {file: file.lstat() for file in shared.iterdir()} == before


def test_it_says_whose_a_file_is_and_what_to_do(shared: Path, writer: int) -> None:
    with acting_as(MALLORY):
        (shared / "secret").touch()
    with pytest.raises(OSError) as caught:
        write(shared / "secret", writer)
    assert caught.value.strerror == (
        "it belongs to the user 54321, not to you; name another file, or run this as the user 54321"
    )


def test_a_file_of_root_s_is_not_another_user_s_to_replace(shared: Path) -> None:
    (shared / "secret").touch()
    (shared / "secret").chmod(0o666)
    with pytest.raises(OSError, match="belongs to root, not to you"):
        write(shared / "secret", BOB)
    assert (shared / "secret").read_bytes() == b""


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_in_a_folder_where_others_rename_all_a_file_is_the_writer_s_alone(
    shared: Path, mode: int
) -> None:
    """As in a pod's `emptyDir`. A group without members here may have members elsewhere."""
    folder = shared / "open"
    folder.mkdir()
    os.chown(folder, 0, MALLORY)
    folder.chmod(mode)
    (folder / "own").mkdir()
    for path in (folder / "secret", folder / "own" / "secret", folder / "own" / ".." / "other"):
        write(path, 0)
        assert others_can_replace(str(path))
        assert (path.lstat().st_uid, stat.S_IMODE(path.lstat().st_mode)) == (0, 0o600)
        write(path, 0)
    (folder / "secret").chmod(0o640)
    with pytest.raises(OSError, match="others can read it, and can write its folder"):
        write(folder / "secret", 0)
    assert not others_can_replace(str(shared / "secret"))


def test_a_group_that_has_the_writer_alone_may_write_the_folder(shared: Path) -> None:
    """As on systems where each user has a group, and a umask of 002."""
    folder = shared / "bob"
    folder.mkdir()
    os.chown(folder, BOB, BOB)
    folder.chmod(0o2775)
    write(folder / "secret", BOB)
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    with acting_as(BOB):
        assert not others_can_replace(str(folder / "secret"))


@pytest.mark.parametrize("name", ["root", "empty"])
def test_a_group_without_others_may_write_the_folder(
    shared: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like /usr/local on some systems, whose group staff has no members."""
    folder = shared / "local"
    folder.mkdir()
    group = 0 if name == "root" else MALLORY
    os.chown(folder, 0, group)
    folder.chmod(0o2775)
    if name == "empty":
        found = grp.struct_group(("empty", "x", MALLORY, []))
        monkeypatch.setattr(grp, "getgrgid", lambda _: found)
    write(folder / "secret", 0)
    assert (folder / "secret").read_bytes() == SECRET
    assert not others_can_replace(str(folder / "secret"))


@pytest.mark.parametrize("planted", PLANTED)
def test_a_file_beside_is_a_new_one(shared: Path, planted: str, writer: int) -> None:
    """Like the backup of `apply`, which needs a free name."""
    with acting_as(MALLORY):
        PLANTED[planted](shared / "a.bak")
        os.mkfifo(shared / "a.2.bak")
    with acting_as(writer):
        assert write_beside(str(shared / "a"), ".bak", SECRET) == str(shared / "a.3.bak")
    about = (shared / "a.3.bak").lstat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (writer, 0o600)
    assert [file.name for file in shared.iterdir() if _holds(file)] == ["a.3.bak"]


def test_a_group_that_has_the_folder_s_owner_alone_may_write_it(shared: Path) -> None:
    """As when root writes, by sudo or in a container, into the folder of a user with umask 002."""
    folder = shared / "bob"
    folder.mkdir()
    os.chown(folder, BOB, BOB)
    folder.chmod(0o775)
    write(folder / "secret", 0)
    assert os.listdir(folder) == ["secret"]
    assert not others_can_replace(str(folder / "secret"))
    os.chown(folder, BOB, MALLORY)
    assert others_can_replace(str(folder / "secret"))


def test_a_group_without_a_name_that_the_writer_is_in_may_write_the_folder(shared: Path) -> None:
    """Like a pod's fsGroup for its volumes."""
    folder = shared / "volume"
    folder.mkdir()
    os.chown(folder, 0, MALLORY)
    folder.chmod(0o2775)
    groups = os.getgroups()
    os.setgroups([MALLORY])
    try:
        os.seteuid(BOB)
        write_over(str(folder / "secret"), lambda _: SECRET)
        assert not others_can_replace(str(folder / "secret"))
    finally:
        os.seteuid(0)
        os.setgroups(groups)
    assert os.listdir(folder) == ["secret"]


@pytest.mark.parametrize("deep", [False, True])
def test_a_link_on_the_way_that_another_user_made_is_refused(
    shared: Path, writer: int, deep: bool
) -> None:
    target = shared / "target"
    target.mkdir()
    os.chown(target, writer, writer)
    with acting_as(MALLORY):
        (shared / "theirs").mkdir()
        (shared / "theirs" / "way").symlink_to(target)
        (shared / "way").symlink_to(target)
    way = shared / "theirs" / "way" if deep else shared / "way"
    with pytest.raises(OSError, match="way is a link in a folder that others can write"):
        write(way / "secret", writer)
    assert os.listdir(target) == []


def test_links_in_folders_of_the_writer_and_of_root_are_followed(shared: Path, writer: int) -> None:
    own, link = shared / "own", shared.parent / "way"
    own.mkdir()
    os.chown(own, writer, writer)
    link.symlink_to("shared/own")
    with acting_as(writer):
        (own / "secret").symlink_to("../own/./real")
    write(link / "secret", writer)
    write(link / "secret", writer)
    assert (own / "secret").is_symlink()
    assert (own / "real").read_bytes() == SECRET
    assert sorted(os.listdir(own)) == ["real", "secret"]


def test_a_hard_link_is_refused(shared: Path, writer: int) -> None:
    """Its other name would keep the old content, or lead a reader elsewhere."""
    own = shared / "own"
    own.mkdir()
    os.chown(own, writer, writer)
    with acting_as(writer):
        (own / "first").write_text("before")
        os.link(own / "first", own / "secret")
    with pytest.raises(OSError, match="another name, a hard link; name another file, or delete"):
        write(own / "secret", writer)
    assert (own / "first").read_text() == "before"


def test_a_readable_file_in_a_shared_folder_is_refused(shared: Path, writer: int) -> None:
    with acting_as(writer):
        (shared / "secret").touch()
        (shared / "secret").chmod(0o644)
    with pytest.raises(OSError, match="others can read it, and can write its folder; chmod 600 it"):
        write(shared / "secret", writer)
    (shared / "secret").chmod(0o600)
    write(shared / "secret", writer)
    assert (shared / "secret").read_bytes() == SECRET


def test_root_writes_a_new_file_into_another_user_s_folder(shared: Path) -> None:
    """As with sudo at home."""
    with acting_as(BOB):
        (shared / "home").mkdir(0o755)
    for _ in range(2):
        write(shared / "home" / "secret", 0)
    about = (shared / "home" / "secret").stat()
    assert (about.st_uid, stat.S_IMODE(about.st_mode)) == (0, 0o600)


def test_root_replaces_a_file_that_coturn_may_read(shared: Path) -> None:
    """Like /etc/turnserver.conf on Debian."""
    etc = shared.parent / "etc"
    etc.mkdir(0o755)
    conf = etc / "turnserver.conf"
    conf.touch()
    os.chown(conf, 0, BOB)
    conf.chmod(0o640)
    write(conf, 0)
    about = conf.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (0, BOB, 0o640)
    assert conf.read_bytes() == SECRET


ATTACK = """
import os, sys
from contextlib import suppress
shared, number, secret = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
os.setgroups([]); os.setgid(number); os.setuid(number)
os.chdir(shared)
os.umask(0)
os.mkdir("theirs")
open("loot", "w").close()
print("ready", flush=True)
PLANTS = (
    lambda: os.symlink(shared + "/loot", "next"),
    lambda: os.link("loot", "next"),
    lambda: os.mkfifo("next", 0o666),
    lambda: open("next", "w").close(),
)
turn = 0
while True:
    turn += 1
    for place in ("secret", "theirs/secret"):
        with suppress(OSError):
            PLANTS[turn % 4]()
            os.rename("next", place)
        for file in (place, "loot") * (turn % 16):
            with suppress(OSError):
                with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
                    if secret in stream.read():
                        os.write(1, b"stolen")
                        sys.exit()
        for file in (place, "next"):
            with suppress(OSError):
                os.unlink(file)
    with suppress(OSError):
        os.rename("theirs", "moved")
        os.symlink(shared, "theirs")
        os.unlink("theirs")
        os.rename("moved", "theirs")
"""


def test_in_a_race_the_other_user_never_gets_the_secret(shared: Path, writer: int) -> None:
    """The other user plants links, hard links, FIFOs and files, swaps the folder, and reads."""
    line = [sys.executable, "-c", ATTACK, shared, str(MALLORY), SECRET.decode().strip()]
    written = refused = 0
    with subprocess.Popen(line, stdout=subprocess.PIPE) as attacker:
        try:
            assert attacker.stdout
            assert attacker.stdout.readline() == b"ready\n"
            for number in range(ROUNDS):
                place = shared / ("secret" if number % 2 else "theirs/secret")
                try:
                    write(place, writer)
                    with acting_as(writer):
                        place.unlink()
                    written += 1
                except OSError:
                    refused += 1
                if min(written, refused) >= ENOUGH:
                    break
        finally:
            attacker.kill()
            stolen, _ = attacker.communicate(timeout=WAIT)
    assert stolen == b""
    assert min(written, refused) >= ENOUGH
    holders = [file for file in shared.rglob("*") if _holds(file)]
    assert all(file.stat().st_uid == writer for file in holders)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in holders)


def _holds(file: Path) -> bool:
    return stat.S_ISREG(file.lstat().st_mode) and SECRET in file.read_bytes()
