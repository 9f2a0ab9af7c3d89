"""An od.config comes from a file or a stream; one that can't be read is not a finding."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from abcwebrtc.config.checked_file import check_file
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError, UnreadableError
from abcwebrtc.odconfig.reader import load_od_config
from abcwebrtc.odconfig.source import MAX_BYTES, OdConfigStream
from support.users import BOB, acting_as, shared_folder

READERS = [load_od_config, WebRTCConfig.from_file, check_file]
TEXT = (
    "[global]\n"
    "webrtc.coturn: { 'url': 'turn.example.org', 'coturn_static_auth_secret_file': 's' }\n"
)


def stream(text: str, folder: str = ".") -> OdConfigStream:
    return OdConfigStream(io.BytesIO(text.encode()), folder=folder)


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_cannot_be_read_is_told_from_one_that_is_wrong(read, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    for path in (tmp_path / "missing", tmp_path, large):
        with pytest.raises(UnreadableError) as caught:
            read(path)
        assert caught.value.problems[0].file == str(path)
        assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize("read", READERS)
def test_a_file_of_somebody_else_cannot_be_read(read) -> None:
    with shared_folder() as folder:
        path = folder / "od.config"
        path.write_text(TEXT)
        path.chmod(0)
        with acting_as(BOB), pytest.raises(UnreadableError, match="Permission denied"):
            read(path)


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf[global]\n", b"[global]\na: '\xff'\n"])
def test_a_file_that_is_not_utf_8_was_read_and_is_wrong(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "od.config"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_od_config(path)
    assert not isinstance(caught.value, UnreadableError)
    assert check_file(path).problems[0].line == data.count(b"\n", 0, data.find(b"\xff") + 1) + 1


def test_a_secret_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "od.config"
    path.write_text(TEXT)
    (note,) = check_file(path).of_level("note")
    assert (note.line, note.path) == (2, "webrtc.coturn.coturn_static_auth_secret_file")
    with pytest.raises(ConfigError) as caught:
        WebRTCConfig.from_file(path)
    assert not isinstance(caught.value, UnreadableError)


@pytest.mark.parametrize("read", READERS)
def test_messages_about_a_stream_have_its_name(read) -> None:
    source = stream("[global]\nwebrtc.enable: yes\n")
    if read is check_file:
        problem = read(source).problems[0]
    else:
        with pytest.raises(ConfigError) as caught:
            read(source)
        problem = caught.value.problems[0]
    assert problem.place == "stdin:2"


def test_files_that_a_stream_names_start_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").write_text("x" * 32)
    with monkeypatch.context() as changed:
        changed.chdir(tmp_path)
        assert len(WebRTCConfig.from_file(stream(TEXT)).coturn) == 1
        assert check_file(stream(TEXT)).problems == ()
        assert load_od_config(stream(TEXT)).folder == str(tmp_path)
    assert len(WebRTCConfig.from_file(stream(TEXT, str(tmp_path))).coturn) == 1


def test_files_that_a_pipe_of_the_shell_names_start_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s").write_text("x" * 32)
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.write(writing, TEXT.encode())
    os.close(writing)
    try:
        assert len(WebRTCConfig.from_file(f"/dev/fd/{reading}").coturn) == 1
    finally:
        os.close(reading)


@pytest.mark.parametrize("read", READERS)
def test_a_closed_standard_input_cannot_be_read(read) -> None:
    with pytest.raises(UnreadableError, match=r"^stdin: can't be read: it is closed$"):
        read(OdConfigStream(None))


@pytest.mark.parametrize("read", READERS)
def test_a_stream_is_read_up_to_the_size_of_a_config_map(read) -> None:
    with pytest.raises(UnreadableError, match=r"^stdin: can't be read: larger than 1 MiB"):
        read(stream("#" * (MAX_BYTES + 1)))


def test_a_dash_is_the_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as changed:
        changed.chdir(tmp_path)
        with pytest.raises(UnreadableError, match=r"^-: can't be read: No such file"):
            load_od_config("-")
