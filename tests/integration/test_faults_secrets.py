"""A running `serve` whose secret file breaks: the last good secret stays in use.

The process runs without the right to read every file, which root has.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import pytest

from abcwebrtc.turn.credentials import mint_turn_credentials
from integration.faulty import credential, fetch, serving
from support import (
    ENTRIES,
    WAIT,
    ServerProcess,
    command,
    environment,
    make_token,
    wait_for,
    write_od_config,
)

FIRST, SECOND = "the-first-secret-of-coturn", "the-second-secret-of-coturn"
UNPRIVILEGED = """
import ctypes
version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
assert ctypes.CDLL(None).capset(version_3, (ctypes.c_uint32 * 6)()) == 0
"""
FASTER = """
import abcwebrtc.config.secret_sources
abcwebrtc.config.secret_sources.STAT_INTERVAL = abcwebrtc.config.secret_sources.SETTLE_SECONDS = 0.1
"""
UNSETTLED = """
import abcwebrtc.config.secret_sources as sources
sources.STAT_INTERVAL, sources.SETTLE_SECONDS = 0, 3600
"""
"""Each request looks at the file, which is whole when two of them find it the same."""
SERVE_FIRST = """
import sys
from abcwebrtc.cli.main import main
assert main(["serve", sys.argv[2], "--port", "0"]) == 1
"""


class Serving:
    """A running server, and the file that its secret is in."""

    def __init__(self, server: ServerProcess, port: int, file: Path) -> None:
        self.server, self.port, self.file = server, port, file
        self.token = make_token()

    def secret_in_use(self) -> str:
        """Return which secret the server mints with."""
        minted = credential(fetch(self.port, self.token))
        expiry, _, user = minted["username"].partition(":")
        for secret in (FIRST, SECOND):
            again = mint_turn_credentials(secret, int(expiry), user, now=0)
            if (again.username, again.password) == (minted["username"], minted["credential"]):
                return secret
        raise AssertionError("minted with neither")

    def lines(self, word: str) -> List[str]:
        return [line for line in self.server.output.splitlines() if word in line]

    def write(self, secret: str) -> None:
        """Put a secret where the file was, as an operator does to repair it."""
        remove(self.file)
        new = self.file.with_name("new")
        new.write_text(secret + "\n")
        os.replace(new, self.file)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    elif os.path.lexists(path):
        path.unlink()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("secrets")
    file = folder / "turn.secret"
    file.write_text(FIRST + "\n")
    with serving(folder, before=UNPRIVILEGED + FASTER, entries=entries()) as (server, port):
        yield Serving(server, port, file)
        assert server.stop() == 0
        assert "Traceback" not in server.output
        assert FIRST not in server.output
        assert SECOND not in server.output


def entries() -> Dict[str, object]:
    entry = dict(ENTRIES["webrtc.coturn"])
    del entry["coturn_static_auth_secret"]
    return {"webrtc__coturn": {**entry, "coturn_static_auth_secret_file": "turn.secret"}}


def vanish(path: Path) -> None:
    path.unlink()


def become_empty(path: Path) -> None:
    path.write_bytes(b"")


def become_blank(path: Path) -> None:
    path.write_bytes(b" \n\n")


def become_unreadable(path: Path) -> None:
    path.chmod(0)


def become_a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def become_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def become_a_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nothing")


def become_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_huge(path: Path) -> None:
    with open(path, "wb") as stream:
        stream.truncate(1 << 40)


def get_a_byte_order_mark(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + SECOND.encode())


def get_control_characters(path: Path) -> None:
    path.write_bytes(SECOND.encode() + b"\x00\x00")


def become_many(path: Path) -> None:
    path.write_text("".join(f"{SECOND}-{number}\n" for number in range(17)))


FAULTS: Dict[str, Tuple[Callable[[Path], None], str]] = {
    "vanishes": (vanish, "No such file or directory"),
    "is empty": (become_empty, "the file holds no secret: it is empty"),
    "is blank": (become_blank, "the file holds no secret: it is empty"),
    "is unreadable": (become_unreadable, "Permission denied"),
    "is a directory": (become_a_directory, "not a regular file"),
    "is a symlink loop": (become_a_loop, "Too many levels of symbolic links"),
    "is a symlink to nothing": (become_a_link_to_nothing, "No such file or directory"),
    "is a FIFO": (become_a_pipe, "not a regular file"),
    "is many": (become_many, "has 17 secrets, more than the 16 that are read"),
    "is a terabyte": (become_huge, "larger than 64 KiB"),
    "has a byte order mark": (get_a_byte_order_mark, "byte order mark"),
    "has control characters": (get_control_characters, "control characters"),
}


@pytest.mark.parametrize(("spoil", "reason"), FAULTS.values(), ids=FAULTS)
def test_the_last_good_secret_stays_in_use_and_it_recovers_by_itself(
    running: Serving, spoil: Callable[[Path], None], reason: str
) -> None:
    running.write(FIRST)
    wait_for(lambda: running.secret_in_use() == FIRST)
    said = len(running.lines("stays in use"))
    over = len(running.lines("can be read again"))
    spoil(running.file)
    wait_for(lambda: running.secret_in_use() != FIRST or len(running.lines("stays in use")) > said)
    for _ in range(20):
        assert running.secret_in_use() == FIRST
    (line,) = running.lines("stays in use")[said:]
    assert " WARNING: " in line
    assert f"{running.file}: " in line
    assert reason in line

    running.write(SECOND)
    wait_for(lambda: running.secret_in_use() == SECOND)
    (line,) = running.lines("can be read again")[over:]
    assert " INFO: " in line
    assert len(running.lines("stays in use")) == said + 1


def test_a_secret_that_is_written_in_pieces_is_used_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "turn.secret"
    file.write_text(FIRST + "\n")
    with serving(tmp_path, before=UNSETTLED, entries=entries()) as (server, port):
        running = Serving(server, port, file)
        with open(file, "wb", buffering=0) as stream:
            for start in range(0, len(SECOND), 9):
                stream.write(SECOND[start : start + 9].encode())
                assert running.secret_in_use() == FIRST
        wait_for(lambda: running.secret_in_use() == SECOND)
        assert running.lines("turn.secret") == []


@pytest.mark.parametrize(("spoil", "reason"), FAULTS.values(), ids=FAULTS)
def test_without_a_last_good_secret_it_is_an_error(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    file = tmp_path / "turn.secret"
    file.write_text(FIRST)
    spoil(file)
    od_config = write_od_config(tmp_path, **entries())
    line = command("mint", od_config, before=UNPRIVILEGED + SERVE_FIRST)
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=WAIT)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert said.count(reason) == 2
    assert not [word for word in ("Traceback", FIRST, SECOND) if word in said]
