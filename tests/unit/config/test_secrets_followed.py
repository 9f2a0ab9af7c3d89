"""A file of secrets is read again when it changes, and not before it is whole."""

from __future__ import annotations

import itertools
import logging
import os
import subprocess
import sys
import threading
import time

import pytest

import abcwebrtc.config.secret_sources
from abcwebrtc.config.secret_sources import STAT_INTERVAL, FileSecrets
from support import WAIT, environment
from support.followed_files import Clock, first_file, refused_paths, replace, values


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take a file that has just changed for complete; see the tests of half a file."""
    monkeypatch.setattr(abcwebrtc.config.secret_sources, "SETTLE_SECONDS", 0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    return first_file(tmp_path)


@pytest.fixture
def refuse_to_open(monkeypatch):
    return refused_paths(monkeypatch)


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


def change_in_place(path):
    path.write_bytes(b"second\nfirst\n")


def change_by_replacement(path):
    replace(path, b"second\nfirst\n")


@pytest.mark.parametrize("change", [change_in_place, change_by_replacement])
def test_a_changed_file_is_read_again_at_the_next_look_and_nothing_is_logged(
    file, clock, change, caplog
):
    caplog.set_level(logging.DEBUG)
    source = FileSecrets(str(file), clock)
    change(file)
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


def test_an_unchanged_file_is_not_read_again(file, clock, refuse_to_open, caplog):
    source = FileSecrets(str(file), clock)
    refuse_to_open.add(str(file))
    clock.tick()
    assert values(source) == [b"first"]
    assert caplog.records == []


def kubernetes_volume(folder):
    """Mount a Secret as the kubelet does."""
    (folder / "..2024_01").mkdir()
    (folder / "..2024_01" / "secret").write_bytes(b"first\n")
    (folder / "..data").symlink_to("..2024_01")
    (folder / "secret").symlink_to("..data/secret")
    return folder / "secret"


def kubernetes_update(folder, version, data):
    """Update a mounted Secret as the kubelet does."""
    (folder / version).mkdir()
    (folder / version / "secret").write_bytes(data)
    (folder / "..data_tmp").symlink_to(version)
    os.rename(str(folder / "..data_tmp"), str(folder / "..data"))


def test_the_symlink_swap_of_kubernetes_is_seen(tmp_path, clock):
    path = kubernetes_volume(tmp_path)
    source = FileSecrets(str(path), clock)
    assert values(source) == [b"first"]
    for number, data in enumerate([b"other\n", b"newer\nother\n", b"newer\n"]):
        kubernetes_update(tmp_path, f"..2024_1{number}", data)
        clock.tick()
        assert values(source) == data.split()


def test_a_file_is_looked_at_twice_a_second_at_most(file, clock, stats):
    source = FileSecrets(str(file), clock)
    assert stats == [str(file)]
    for _ in range(100):
        source.current()
        clock.tick(0.0625)
    source.current()
    assert len(stats) == 1 + int(100 * 0.0625 / 0.5)


def test_a_failing_file_is_looked_at_twice_a_second_at_most(file, clock, stats):
    source = FileSecrets(str(file), clock)
    file.unlink()
    for _ in range(32):
        source.current()
        clock.tick(0.125)
    assert stats.count(str(file)) == 8


def test_no_time_passes_no_look(file, clock, stats):
    source = FileSecrets(str(file), clock)
    for _ in range(100):
        source.current()
    assert len(stats) == 1


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


def test_the_default_clock_never_goes_back(file):
    import time

    assert FileSecrets(str(file))._clock is time.monotonic


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
