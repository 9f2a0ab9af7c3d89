"""Secrets: hidden values, and the places that they come from."""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools
import json
import logging
import os
import pickle
import pprint
import stat
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import abcwebrtc.secrets
from abcwebrtc.errors import ConfigError, CredentialError
from abcwebrtc.secrets import (
    MAX_FILE_BYTES,
    STAT_INTERVAL,
    FileSecrets,
    FixedSecrets,
    Secret,
    split_secrets,
)
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


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take a file that has just changed for complete; see the tests of half a file."""
    monkeypatch.setattr(abcwebrtc.secrets, "SETTLE_SECONDS", 0)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "turn.secret"
    path.write_bytes(b"first\n")
    return path


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


def values(source):
    return [secret.reveal() for secret in source.current()]


def replace(path, data):
    """Replace a file by another one in a single step."""
    other = path.with_name("new")
    other.write_bytes(data)
    os.replace(str(other), str(path))


# A secret shows itself nowhere.

SHOWING = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "format with !r": "{!r}".format,
    "percent": lambda secret: f"{secret!s} {secret!a}",
    "inside a list": lambda secret: str([secret]),
    "pprint": pprint.pformat,
    "json": lambda secret: json.dumps({"secret": secret}, default=str),
    "copy": lambda secret: repr(copy.copy(secret)),
    "deepcopy": lambda secret: repr(copy.deepcopy([secret])),
}


@pytest.mark.parametrize("show", SHOWING.values(), ids=SHOWING.keys())
@pytest.mark.parametrize("value", [MARK, MARK.encode()])
def test_a_secret_hides_its_value(show, value):
    shown = show(Secret(value))
    assert "<Secret: hidden>" in shown
    assert MARK not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: [s], lambda s: FixedSecrets((s,))])
def test_a_secret_can_not_be_pickled(protocol, wrap):
    with pytest.raises(TypeError, match="a Secret can't be pickled"):
        pickle.dumps(wrap(Secret(MARK)), protocol)


def test_a_secret_has_no_dict_to_look_into():
    with pytest.raises(TypeError):
        vars(Secret(MARK))
    with pytest.raises(AttributeError):
        Secret(MARK).note = 1


def test_a_copied_secret_still_signs():
    secret = copy.deepcopy(copy.copy(Secret(MARK)))
    assert secret.hmac_sha1(b"x") == hmac.new(MARK.encode(), b"x", "sha1").digest()


def test_secrets_are_equal_when_their_values_are():
    assert Secret("north") == Secret(b"north")
    assert Secret("north") != Secret("south")
    assert Secret("north") != "north"
    assert (Secret("north") == "north") is False


def test_secrets_are_compared_in_constant_time(monkeypatch):
    pairs = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: pairs.append(pair) or True)
    assert Secret("north") == Secret("south")
    assert pairs == [(b"north", b"south")]


def test_a_secret_has_no_hash_that_would_tell_its_value():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(MARK))


@pytest.mark.parametrize("empty", ["", b""])
def test_an_empty_secret_is_refused(empty):
    with pytest.raises(CredentialError, match="the secret is empty"):
        Secret(empty)


@pytest.mark.parametrize("wrong", [3600, [110], 1.5, True])
def test_a_secret_that_is_no_text_is_refused(wrong):
    # bytes(3600) is 3,600 zero bytes: swapped arguments would mint with those.
    with pytest.raises((CredentialError, TypeError)):
        Secret(wrong)


def test_a_secret_that_is_not_unicode_is_refused_without_showing_it():
    with pytest.raises((CredentialError, UnicodeError)) as caught:
        Secret(MARK + "\ud800")
    assert MARK not in repr(caught.value)
    assert isinstance(caught.value, CredentialError)


# The keyed hashes.


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=200), st.binary(max_size=600))
def test_the_keyed_hashes_equal_those_of_hmac(key, message):
    secret = Secret(key)
    assert secret.hmac_sha1(message) == hmac.new(key, message, hashlib.sha1).digest()
    assert secret.hmac_sha256(message) == hmac.new(key, message, hashlib.sha256).digest()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 128, 200])
def test_a_key_of_any_length_signs_as_hmac_does(length):
    key = bytes(range(1, length + 1))
    assert Secret(key).hmac_sha1(b"m") == hmac.new(key, b"m", hashlib.sha1).digest()


def test_a_secret_signs_again_and_again_alike():
    secret = Secret("north")
    assert secret.hmac_sha1(b"a") == secret.hmac_sha1(b"a") != secret.hmac_sha1(b"b")


def test_text_signs_as_its_utf_8():
    assert Secret("été").reveal() == b"\xc3\xa9t\xc3\xa9"
    assert Secret("été").hmac_sha1(b"") == Secret("été".encode()).hmac_sha1(b"")


# What a file holds.


@pytest.mark.parametrize(
    ("data", "secrets"),
    [
        (b"", []),
        (b"\n \t\r\n\n", []),
        (b"one", [b"one"]),
        (b"one\n", [b"one"]),
        (b"  one \r\ntwo\r\n", [b"one", b"two"]),
        (b"\n\nnew\n\nold\n\n", [b"new", b"old"]),
        (b"in side\n", [b"in side"]),
        (b"\xff\xfe raw\n", [b"\xff\xfe raw"]),
    ],
)
def test_a_file_holds_one_secret_a_line_newest_first(data, secrets):
    assert [secret.reveal() for secret in split_secrets(data)] == secrets


def test_fixed_secrets_stay_as_they_are():
    secrets = (Secret("new"), Secret("old"))
    assert FixedSecrets(secrets).current() is secrets


def test_only_fixed_secrets_equal_fixed_secrets(file):
    fixed = FixedSecrets((Secret("first"),))
    assert fixed == FixedSecrets((Secret("first"),))
    assert fixed != FileSecrets(str(file))
    assert fixed != FixedSecrets((Secret("second"),))


# A file that can't be used at the start is an error.


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


def test_a_file_that_may_not_be_read_is_an_error(file, refuse_to_open):
    refuse_to_open.add(str(file))
    with pytest.raises(ConfigError, match="can't be read: Permission denied"):
        FileSecrets(str(file))


def test_a_file_of_64_kib_is_not_too_large(file):
    file.write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(values(FileSecrets(str(file)))[0]) == MAX_FILE_BYTES == 65536


@pytest.fixture
def refuse_to_open(monkeypatch):
    """The paths that os.open() refuses, since root may read every file."""
    refused = set()
    real = os.open

    def guarded(path, *args, **kwargs):
        if path in refused:
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", guarded)
    return refused


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
    monkeypatch.setattr(abcwebrtc.secrets, "SETTLE_SECONDS", 3600)


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
    monkeypatch.setattr(abcwebrtc.secrets, "SETTLE_SECONDS", 0.05)
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
    caplog.clear()

    os.rename(str(file), str(tmp_path / "away")) if os.path.lexists(str(file)) else None
    file.write_bytes(b"second\n")
    for _ in range(3):
        clock.tick()
        assert values(source) == [b"second"]
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "can be read again" in caplog.text
    assert str(file) in caplog.text


def test_an_unreadable_file_keeps_the_secret_and_recovers(file, clock, caplog, refuse_to_open):
    caplog.set_level(logging.INFO)
    source = FileSecrets(str(file), clock)
    replace(file, b"second\n")
    refuse_to_open.add(str(file))
    for _ in range(3):
        clock.tick()
        assert values(source) == [b"first"]
    assert caplog.text.count("Permission denied") == 1
    refuse_to_open.clear()
    clock.tick()
    assert values(source) == [b"second"]
    assert caplog.text.count("can be read again") == 1


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


def test_no_log_shows_a_secret(file, clock, caplog):
    caplog.set_level(logging.DEBUG)
    file.write_text(MARK)
    source = FileSecrets(str(file), clock)
    for data in (b"", MARK.encode() + b"\n2", b" ", MARK.encode()):
        replace(file, data)
        clock.tick()
        source.current()
    assert len(caplog.records) == 4
    assert MARK not in caplog.text


def test_a_reader_does_not_show_its_secrets(file, clock):
    file.write_text(MARK)
    source = FileSecrets(str(file), clock)
    assert MARK not in repr(source) + str(vars(source))
    with pytest.raises(TypeError):
        pickle.dumps(source)


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
        break_by_a_pipe(file)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapping)
    clock.tick()
    assert values(source) == [b"first"]


def test_the_default_clock_never_goes_back(file):
    import time

    assert FileSecrets(str(file))._clock is time.monotonic


def test_a_process_forked_while_a_thread_looks_still_follows_the_file(file):
    """A web server forks its workers; a lock that is held then is never free in the child."""
    code = """if True:
        import os, sys
        from abcwebrtc.secrets import FileSecrets

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
