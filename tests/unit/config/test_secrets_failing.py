"""A file of secrets that can't be read: an error at the start, and the last good secret later."""

from __future__ import annotations

import logging
import os
import pickle
import stat

import pytest

import abcwebrtc.config.secret_sources
from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, FileSecrets
from abcwebrtc.errors import ConfigError
from support.followed_files import (
    BREAKING,
    MARK,
    Clock,
    break_by_a_pipe,
    first_file,
    refused_paths,
    replace,
    values,
)


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Take a file that has just changed for complete."""
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


def test_a_file_that_may_not_be_read_is_an_error(file, refuse_to_open):
    refuse_to_open.add(str(file))
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
