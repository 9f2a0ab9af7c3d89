"""Files that somebody names: only regular files are read, and nothing blocks."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from abcwebrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError
from abcwebrtc.files import open_file, read_file
from abcwebrtc.web.tokens import read_public_keys
from support import WAIT, command, environment, run_main, write_od_config
from support.certificates import ABOVE, CERT
from support.certificates import KEY as PRIVATE_KEY
from support.turnserver_entry import ENTRY, GOOD
from support.users import BOB, MALLORY, acting_as, shared_folder


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """Stop a test that waits: open() of a FIFO blocks forever."""

    def ring(*_: Any) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(int(WAIT))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


KINDS: Dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a link to a FIFO": lambda path: (os.mkfifo(f"{path}.fifo"), path.symlink_to(f"{path}.fifo")),
    "/dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "/dev/null": lambda path: path.symlink_to("/dev/null"),
    "/dev/tty": lambda path: path.symlink_to("/dev/tty"),
    "a pipe of this process": lambda path: path.symlink_to("/dev/stdin"),
}


@pytest.fixture(params=KINDS)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Return a file that is not regular; stdin is a pipe meanwhile, and nobody writes into it."""
    path = tmp_path / "odd"
    KINDS[request.param](path)
    with pipe_as_stdin():
        yield path


@contextlib.contextmanager
def pipe_as_stdin() -> Iterator[int]:
    """Make stdin a pipe, and yield its other end."""
    before = os.dup(0)
    out, into = os.pipe()
    try:
        os.dup2(out, 0)
        yield into
    finally:
        os.dup2(before, 0)
        for descriptor in (before, out, into):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.mark.parametrize("by_user", [False, True])
def test_what_is_no_regular_file_is_refused(odd: Path, by_user: bool) -> None:
    before = {*os.listdir("/proc/self/fd")}
    with pytest.raises(OSError) as caught:
        open_file(str(odd), by_user)
    assert caught.value.strerror == "not a regular file"
    assert {*os.listdir("/proc/self/fd")} <= before


def test_a_socket_and_a_folder_are_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        for name, words in (("socket", "not a regular file"), (".", "Is a directory")):
            with pytest.raises(OSError) as caught:
                open_file(name, by_user=True)
            assert caught.value.strerror == words


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_a_descriptor_is_read_to_its_end_where_the_user_names_it(name: str) -> None:
    with pipe_as_stdin() as into:
        with pytest.raises(OSError, match="not a regular file"):
            read_file(name, 100)
        os.write(into, b"a" * 100)
        os.close(into)
        assert read_file(name, 100, by_user=True) == b"a" * 100


def test_a_descriptor_is_read_up_to_the_limit() -> None:
    with pipe_as_stdin() as into:
        os.write(into, b"a" * 3000)  # and it stays open
        with pytest.raises(OSError) as caught:
            read_file("/dev/stdin", 1024, by_user=True)
    assert (caught.value.errno, caught.value.strerror) == (errno.EFBIG, "larger than 1 KiB")


def test_a_fifo_as_stdin_whose_writer_has_gone_is_at_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    both = os.open(tmp_path / "fifo", os.O_RDWR)
    reading = os.open(tmp_path / "fifo", os.O_RDONLY)
    os.write(both, b"text")
    os.close(both)
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        assert read_file("/dev/stdin", 100, by_user=True) == b"text"
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)


def test_a_descriptor_of_another_process_is_none_of_the_user_s() -> None:
    with pipe_as_stdin():
        for name in (f"/proc/{os.getpid()}/fd/0", "/dev/../dev/stdin", "/dev/fd/0/"):
            with pytest.raises(OSError):
                read_file(name, 100, by_user=True)


# what a configuration names


def test_a_key_of_user_tokens_is_a_regular_file(odd: Path) -> None:
    with pytest.raises(ConfigError, match="the key file can't be read: not a regular file"):
        read_public_keys([str(odd)])


@pytest.mark.parametrize("name", ["coturn_static_auth_secret_file", "pseudonym_key_file"])
def test_a_file_of_secrets_is_a_regular_file(odd: Path, name: str) -> None:
    inline = {"coturn_static_auth_secret": ENTRY["coturn_static_auth_secret"]}
    coturn = {"url": ENTRY["url"], **(inline if name == "pseudonym_key_file" else {})}
    coturn.update({name: str(odd), "username": "pseudonym"})
    with pytest.raises(ConfigError, match="not a regular file"):
        WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": coturn})


@pytest.fixture
def od_config(tmp_path: Path) -> Path:
    return write_od_config(tmp_path, webrtc__coturn={**ENTRY, "protocol": "turns"})


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "c.pem").write_bytes(CERT + ABOVE)
    (tmp_path / "k.pem").write_bytes(PRIVATE_KEY)
    path = tmp_path / "turnserver.conf"
    path.write_text(GOOD.replace("=/c.pem", "=c.pem").replace("=/k.pem", "=k.pem"))
    return path


@pytest.mark.parametrize("option", ["cert", "pkey"])
def test_a_certificate_that_a_conf_names_is_a_regular_file(
    odd: Path, od_config: Path, conf: Path, option: str, capsys: Any, monkeypatch: Any
) -> None:
    """As when root checks what somebody else wrote."""
    monkeypatch.chdir(conf.parent)
    name = f"{option[0]}.pem".replace("p.", "k.")
    conf.write_text(conf.read_text().replace(f"={name}", f"={odd}"))
    result = run_main(capsys, "turnserver-conf", od_config, "--coturn", "4.6", "--check", conf)
    assert result.status == 1
    assert f"error: {option}: " in result.out
    assert "not a regular file" in result.out


def test_root_checks_what_another_user_wrote(capsys: Any, conf: Path, od_config: Path) -> None:
    """They can put anything in its place; it is neither run nor waited for."""
    with shared_folder() as shared:
        theirs = shared / "turnserver.conf"
        for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
            with acting_as(MALLORY):
                make(theirs)
            line = ["turnserver-conf", od_config, "--check", theirs]
            result = run_main(capsys, *line)
            assert result.status == 3
            assert f"{theirs}: error: can't be read: not a regular file\n" in result.err
            theirs.unlink()


# what the command line names


LINES: Dict[str, List[str]] = {
    "od.config": ["check", "ODD"],
    "od.config of mint": ["mint", "ODD", "--user", "u"],
    "manifest": ["pod", "OD_CONFIG", "ODD"],
    "users": ["whois", f"1703086872:{'0' * 32}", "OD_CONFIG", "--users", "ODD"],
    "secret": ["rotate", "new-secret", "--from", "ODD"],
    "secrets to keep": ["rotate", "new-secret", "--keep", "ODD"],
    "new secret": ["rotate", "check", "OD_CONFIG", "--new", "ODD"],
    "authority": ["probe", "OD_CONFIG", "--ca", "ODD"],
    "kubeconfig": ["apply", "OD_CONFIG", "--kubeconfig", "ODD"],
    "conf": ["turnserver-conf", "OD_CONFIG", "--check", "ODD"],
    "certificate": ["turnserver-conf", "OD_CONFIG", "--check", "CONF", "--cert", "ODD"],
    "certificate of serve": ["serve", "OD_CONFIG", "--cert", "ODD", "--key", "KEY"],
    "key of serve": ["serve", "OD_CONFIG", "--cert", "CERT", "--key", "ODD"],
}


@pytest.mark.parametrize("what", LINES)
def test_a_file_that_is_named_is_a_regular_one(
    odd: Path, od_config: Path, conf: Path, what: str, capsys: Any
) -> None:
    if what == "users":
        write_od_config(conf.parent, webrtc__coturn={**ENTRY, "username": "pseudonym"})
    names = {"ODD": odd, "OD_CONFIG": od_config, "CONF": conf}
    names.update(CERT=conf.with_name("c.pem"), KEY=conf.with_name("k.pem"))
    result = run_main(capsys, *(names.get(word, word) for word in LINES[what]))
    assert result.status == 3
    assert "not a regular file" in result.out + result.err


def test_a_token_that_a_kubeconfig_names_is_a_regular_file(
    odd: Path, od_config: Path, tmp_path: Path, capsys: Any
) -> None:
    user = {"name": "u", "user": {"tokenFile": odd.name}}
    kubeconfig = {"users": [{"name": "none", "user": {"tokenFile": "missing"}}, user]}
    kubeconfig["contexts"] = [{"name": "c", "context": {"cluster": "c", "user": "u"}}]
    kubeconfig["clusters"] = [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}]
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps({**kubeconfig, "current-context": "c"}))
    result = run_main(capsys, "apply", od_config, "--kubeconfig", file)
    assert result.status == 3
    assert f"can't use the kubeconfig {file}: not a regular file" in result.err
    odd.unlink()
    odd.write_text("token")
    assert (
        "can't reach the cluster" in run_main(capsys, "apply", od_config, "--kubeconfig", file).err
    )


def test_a_kubeconfig_is_read_up_to_a_limit(od_config: Path, tmp_path: Path, capsys: Any) -> None:
    with open(tmp_path / "kubeconfig", "wb") as stream:
        stream.truncate(2**40)
    result = run_main(capsys, "apply", od_config, "--kubeconfig", tmp_path / "kubeconfig")
    assert result.err.endswith("kubeconfig: larger than 8 MiB\n")


SUBSTITUTED: Dict[str, str] = {
    "check": '"$@" check <(cat od.config)',
    "check of a conf": (
        '"$@" turnserver-conf <(cat od.config) --coturn 4.6 --check <(cat turnserver.conf) '
        "--cert <(cat c.pem k.pem) | tee /dev/stderr | grep -q '^1 error'"  # it has expired
    ),
    "secret": '"$@" rotate new-secret --from <(echo secret) --keep <(echo secret)',
    "pod": '"$@" pod od.config <(echo "{}") || test $? = 1',
}


@pytest.mark.parametrize("what", SUBSTITUTED)
def test_a_process_substitution_is_read(od_config: Path, conf: Path, what: str) -> None:
    result = subprocess.run(
        ["bash", "-c", SUBSTITUTED[what], "bash", *command()],
        cwd=conf.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "can't be read" not in result.stdout + result.stderr


def test_ctrl_c_while_a_file_is_opened_stays_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not "Bad file descriptor", from closing once more what has been closed."""

    def interrupted(*arguments: Any, **options: Any) -> None:
        open(*arguments, **options).close()  # as Python does with what nobody holds yet
        raise KeyboardInterrupt

    monkeypatch.setattr("abcwebrtc.files.open", interrupted, raising=False)
    (tmp_path / "file").touch()
    before = {*os.listdir("/proc/self/fd")}
    with pytest.raises(KeyboardInterrupt):
        open_file(str(tmp_path / "file"))
    assert {*os.listdir("/proc/self/fd")} <= before


def test_who_may_read_nothing_is_told(capsys: Any) -> None:
    with shared_folder() as shared:
        (shared / "od.config").touch(0o600)
        with acting_as(BOB):
            result = run_main(capsys, "check", shared / "od.config")
        assert "can't be read: Permission denied" in result.err
