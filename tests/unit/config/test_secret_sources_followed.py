"""A file of secrets is read again when it changes; one that can't be read changes nothing."""

from __future__ import annotations

import itertools
import logging
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import abcwebrtc.config.secret_sources
from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, STAT_INTERVAL, FileSecrets
from abcwebrtc.errors import ConfigError
from support import WAIT, environment

MARK = "marked-0123456789-hush"


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time

    def tick(self, seconds=STAT_INTERVAL):
        self.time += seconds


def values(source):
    return [secret.reveal() for secret in source.current()]


def replace(path, data):
    """Replace a file by another one in a single step."""
    other = path.with_name("new")
    other.write_bytes(data)
    os.replace(str(other), str(path))


def write(data):
    return lambda path: path.write_bytes(data)


def instead(make):
    return lambda path: (path.unlink(), make(path))


BREAKING = [
    (Path.unlink, "can't be read: No such file"),
    (write(b" \n\n"), "holds no secret: it is empty"),
    (write(b"\n".join([MARK.encode()] * 17)), "has 17 secrets, more than the 16 that are read"),
    (instead(Path.mkdir), "can't be read: not a regular file"),
    (write(b"x" * (MAX_FILE_BYTES + 1)), "can't be read: larger than 64 KiB"),
    (instead(lambda path: path.symlink_to(path.name)), "can't be read: Too many levels"),
    (instead(os.mkfifo), "can't be read: not a regular file"),
    (
        write(b"\xef\xbb\xbf" + MARK.encode()),
        "begins with a byte order mark; save it as plain",
    ),
    (write(MARK.encode("utf-16")), "begins with a byte order mark"),
    # what a crash leaves of a file on some file systems
    (write(MARK.encode() + b"\0" * 512), "control characters; save it as plain text"),
    (write(b"\x1b[A" + MARK.encode()), "control characters"),
    (
        write(b"static-auth-secret=" + MARK.encode()),
        "has a line of an od.config, a turnserver.conf",
    ),
    (instead(lambda path: path.symlink_to("/dev/null/secret")), "can't be read: Not a directory"),
]


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take a file that has just changed for complete; see the tests of half a file."""
    monkeypatch.setattr(abcwebrtc.config.secret_sources, "SETTLE_SECONDS", 0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "turn.secret"
    path.write_bytes(b"first\n")
    return path


@pytest.fixture
def refused(monkeypatch):
    """The paths that os.open() refuses, since root may read every file."""
    paths = set()
    real = os.open

    def guarded(path, *args, **kwargs):
        if path in paths:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    return paths


@pytest.fixture
def stats(monkeypatch):
    """The paths that os.stat was really called with."""
    calls = []
    real = os.stat

    def counting(path, *args, **kwargs):
        calls.append(path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", counting)
    return calls


# A file is read again when it changes.


@pytest.mark.parametrize("change", [Path.write_bytes, replace])
def test_a_changed_file_is_read_again_at_the_next_look_and_nothing_is_logged(
    file, clock, change, caplog
):
    caplog.set_level(logging.DEBUG)
    source = FileSecrets(str(file), clock)
    change(file, b"second\nfirst\n")
    clock.tick(STAT_INTERVAL - 0.001)
    assert values(source) == [b"first"]
    clock.tick(0.001)
    assert values(source) == [b"second", b"first"]
    assert caplog.records == []


def test_a_change_of_the_same_size_and_time_is_seen(file, clock):
    source = FileSecrets(str(file), clock)
    before = file.stat()
    replace(file, b"other\n")
    os.utime(str(file), ns=(before.st_atime_ns, before.st_mtime_ns))
    clock.tick()
    assert values(source) == [b"other"]


def test_an_unchanged_file_is_not_read_again(file, clock, refused, caplog):
    source = FileSecrets(str(file), clock)
    refused.add(str(file))
    clock.tick()
    assert values(source) == [b"first"]
    assert caplog.records == []


@pytest.mark.parametrize("spoil", [lambda _: None, Path.unlink], ids=["there", "gone"])
def test_a_file_is_looked_at_twice_a_second_at_most(file, clock, stats, spoil):
    source = FileSecrets(str(file), clock)
    spoil(file)
    for _ in range(32):
        source.current()
        source.current()
        clock.tick(0.125)
    assert stats.count(str(file)) == 8


class LateLock:
    """A lock that another thread takes and gives back first."""

    def __init__(self, source):
        self.source = source
        self.lock = threading.Lock()

    def acquire(self, blocking=True):
        self.source._lock = self.lock
        self.source.current()
        return self.lock.acquire(blocking=blocking)

    def release(self):
        self.lock.release()


def test_two_threads_at_the_same_moment_look_once(file, clock, stats):
    source = FileSecrets(str(file), clock)
    clock.tick()
    source._lock = LateLock(source)
    source.current()
    assert len(stats) == 2


def test_a_thread_does_not_wait_for_another_one_that_reads(file, clock):
    source = FileSecrets(str(file), clock)
    replace(file, b"second\n")
    clock.tick()
    with source._lock:
        assert values(source) == [b"first"]
    assert values(source) == [b"second"]


@pytest.mark.parametrize("when", ["before it is opened", "after it is opened"])
def test_a_change_while_the_file_is_read_is_seen_at_the_next_look(
    file, clock, monkeypatch, when, caplog
):
    source = FileSecrets(str(file), clock)
    replace(file, b"second\n")
    real = os.open

    def slow(path, *args, **kwargs):
        monkeypatch.setattr(os, "open", real)
        if when == "before it is opened":
            replace(file, b"third\n")
        descriptor = real(path, *args, **kwargs)
        if when == "after it is opened":
            file.write_bytes(b"third, longer\n")
        return descriptor

    monkeypatch.setattr(os, "open", slow)
    clock.tick()
    assert values(source) == [b"first"]
    clock.tick()
    assert values(source)[0].startswith(b"third")
    assert caplog.records == []


# A file that is half written keeps the last good secret until it is whole.


@pytest.fixture
def unsettled(monkeypatch):
    monkeypatch.setattr(abcwebrtc.config.secret_sources, "SETTLE_SECONDS", 3600)


@pytest.mark.usefixtures("unsettled")
def test_half_a_file_is_not_used_and_nothing_is_logged(file, clock, caplog):
    source = FileSecrets(str(file), clock)
    for part in (b"", b"sec", b"second\nfi", b"second\nfirst\n"):
        file.write_bytes(part)
        clock.tick()
        assert values(source) == [b"first"]
    clock.tick()
    assert values(source) == [b"second", b"first"]
    assert caplog.records == []


@pytest.mark.usefixtures("unsettled")
def test_a_file_that_stays_empty_is_said_at_the_second_look(file, clock, caplog):
    source = FileSecrets(str(file), clock)
    file.write_bytes(b"")
    for expected in (0, 1, 1, 1):
        clock.tick()
        assert values(source) == [b"first"]
        assert len(caplog.records) == expected


def test_a_file_that_has_been_there_for_a_while_is_taken_at_the_first_look(
    file, clock, monkeypatch
):
    # Where nobody asked for hours, the first to ask gets what the file holds.
    monkeypatch.setattr(abcwebrtc.config.secret_sources, "SETTLE_SECONDS", 0.05)
    source = FileSecrets(str(file), clock)
    replace(file, b"second\n")
    time.sleep(0.1)
    clock.tick()
    assert values(source) == [b"second"]


@pytest.mark.parametrize("jump", [-86400, 86400])
def test_a_jump_of_the_wall_clock_takes_one_more_look_at_most(file, clock, monkeypatch, jump):
    source = FileSecrets(str(file), clock)
    now = time.time() + jump
    monkeypatch.setattr(time, "time", lambda: now)
    replace(file, b"second\n")
    clock.tick()
    source.current()
    clock.tick()
    assert values(source) == [b"second"]


# A file that can't be used at the start is an error.


@pytest.mark.parametrize(("spoil", "words"), BREAKING)
def test_a_file_without_a_secret_is_an_error_at_the_start(file, spoil, words):
    spoil(file)
    with pytest.raises(ConfigError, match=words) as caught:
        FileSecrets(str(file))
    assert caught.value.problems[0].file == str(file)
    assert MARK not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_name_that_no_file_can_have_is_an_error(name):
    with pytest.raises(ConfigError, match="not a file name"):
        FileSecrets(name)


def test_a_file_that_may_not_be_read_is_an_error(file, refused):
    refused.add(str(file))
    with pytest.raises(ConfigError, match="can't be read: Permission denied"):
        FileSecrets(str(file))


def test_a_file_of_64_kib_is_not_too_large(file):
    file.write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(values(FileSecrets(str(file)))[0]) == MAX_FILE_BYTES == 65536


# A file that fails later keeps the last good secret.


@pytest.mark.parametrize(("spoil", "words"), BREAKING)
def test_a_failing_file_keeps_the_secret_logs_once_and_recovers(
    file, clock, caplog, spoil, words, tmp_path
):
    caplog.set_level(logging.DEBUG)
    source = FileSecrets(str(file), clock)
    spoil(file)
    for _ in range(3):
        clock.tick()
        assert values(source) == [b"first"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert words in caplog.text
    assert "last good secret" in caplog.text
    assert str(file) in caplog.text
    assert MARK not in caplog.text
    caplog.clear()

    os.rename(str(file), str(tmp_path / "away")) if os.path.lexists(str(file)) else None
    file.write_bytes(b"second\n")
    for _ in range(3):
        clock.tick()
        assert values(source) == [b"second"]
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "can be read again" in caplog.text
    assert str(file) in caplog.text


def test_a_file_that_comes_back_unchanged_is_well_again(file, clock, caplog, tmp_path):
    caplog.set_level(logging.INFO)
    source = FileSecrets(str(file), clock)
    for _ in range(2):
        os.rename(str(file), str(tmp_path / "away"))
        clock.tick()
        assert values(source) == [b"first"]
        os.rename(str(tmp_path / "away"), str(file))
        clock.tick()
        assert values(source) == [b"first"]
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"] * 2


def test_the_file_need_not_be_private(file):
    # A mounted Secret is world-readable in its volume; that is Kubernetes's affair.
    file.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    assert values(FileSecrets(str(file))) == [b"first"]


def test_a_pipe_that_takes_the_place_of_the_file_keeps_nobody_waiting(file, clock, monkeypatch):
    source = FileSecrets(str(file), clock)
    replace(file, b"second\n")
    real = os.open

    def swapping(path, *args, **kwargs):
        monkeypatch.setattr(os, "open", real)
        file.unlink()
        os.mkfifo(file)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapping)
    clock.tick()
    assert values(source) == [b"first"]


# Threads and processes.


def test_threads_never_see_anything_but_whole_secrets(file):
    data = [b"first\n", b"second\nfirst\n", b"", b"third\n"]
    known = {tuple(item.split()) for item in data if item}
    ticks = itertools.count(0, 2)  # every look is due
    source = FileSecrets(str(file), lambda: next(ticks))
    seen, failures, done = set(), [], threading.Event()
    start = threading.Barrier(5)

    def hammer():
        try:
            start.wait()
            while not done.is_set():
                seen.add(tuple(secret.reveal() for secret in source.current()))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        start.wait()
        for number in range(300):
            replace(file, data[number % len(data)])
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert failures == []
    assert seen <= known
    assert values(source) == [b"third"]


def test_a_process_forked_while_a_thread_looks_still_follows_the_file(file):
    """A web server forks its workers; a lock that is held then is never free in the child."""
    code = """if True:
        import os, sys
        from abcwebrtc.config.secret_sources import FileSecrets

        path, ticks = sys.argv[1], iter(range(99))
        reader = FileSecrets(path, clock=lambda: float(next(ticks)))
        reader._lock.acquire()
        if os.fork() == 0:
            with open(path, "w") as stream:
                stream.write("the-new-one")
            reader.current()  # the second look finds it as the first did
            os._exit(reader.current()[0].reveal() != b"the-new-one")
        sys.exit(os.wait()[1] != 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], env=environment(), timeout=WAIT, check=False
    )
    assert done.returncode == 0
