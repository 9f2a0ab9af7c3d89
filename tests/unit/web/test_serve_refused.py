"""What keeps `serve` from starting."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, List, Tuple

import pytest

import abcwebrtc.web.serve
from abcwebrtc.cli.main import main
from abcwebrtc.web.serve import Listen, run_server
from support import WAIT, command, environment, private_pem, rsa_key, run_command, write_od_config
from support.certificates import issue
from support.serving import Certificates

pytestmark = pytest.mark.usefixtures("log_screen")


def check_refused(result: Any, status: int, *words: str) -> None:
    assert result.returncode == status, result.stderr
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``abcwebrtc serve``, which has to refuse, in this process, since that is faster."""

    def run(*arguments: object) -> Any:
        line = ["serve", *map(str, arguments)]
        try:
            status = main(line)
        except SystemExit as error:
            status = error.code
        return subprocess.CompletedProcess(line, status, *capfd.readouterr())

    def start(app: Any, listen: Listen, *_: Any) -> None:  # a failing test would never end
        run_server(app, listen, lambda url: os.kill(os.getpid(), signal.SIGTERM))

    monkeypatch.setattr(abcwebrtc.web.serve, "run_server", start)
    return run


@pytest.mark.parametrize(
    ("entry", "status", "words"),
    [
        (..., 1, ["od.config: error: jwt_token_user.jwtuserpublickeyfile: no public key"]),
        ({}, 1, ["no public key to verify user tokens; write", ", as for pyos"]),
        (
            {"jwtuserpublickeyfile": "missing.pem"},
            3,
            ["/missing.pem: error: jwt_token_user.jwtuserpublickeyfile: ", "No such file"],
        ),
        ({"jwtuserpublickeyfile": "private.pem"}, 1, ["private.pem", "but a private one"]),
        ({"jwtuserpublickeyfile": "od.config"}, 1, ["od.config", "is not a PEM public key"]),
        ({"jwtuserpublickeyfile": "."}, 3, ["the key file can't be read: Is a directory"]),
        ({"jwtuserpublickeyfile": 1}, 1, ["jwt_token_user.jwtuserpublickeyfile", "PEM file"]),
    ],
    ids=str,
)
def test_it_does_not_start_without_a_key_for_tokens(
    tmp_path: Path, refused: Any, entry: Any, status: int, words: List[str]
) -> None:
    (tmp_path / "private.pem").write_bytes(private_pem())
    result = refused(write_od_config(tmp_path, jwt_token_user=entry))
    check_refused(result, status, *words)


@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("missing.pem", "key.pem", ["missing.pem: error: can't be read: No such file"]),
        ("cert.pem", "missing.pem", ["missing.pem: error: can't be read: No such file"]),
        ("cert.pem", "", ["can't be read: Is a directory"]),
        ("cert.pem", "fifo", ["fifo: error: can't be read: not a regular file"]),
        ("empty.pem", "key.pem", ["empty.pem: error: holds no certificate in PEM form"]),
        ("key.pem", "key.pem", ["key.pem: error: holds no certificate in PEM form"]),
        ("cert.pem", "cert.pem", ["cert.pem: error: holds no private key in PEM form"]),
        ("cert.pem", "broken.pem", ["broken.pem: error: the key can't be read"]),
        (
            "cert.pem",
            "other.pem",
            ["other.pem: error: is not the key of the certificate", "KEY_VALUES_MISMATCH"],
        ),
    ],
)
def test_it_does_not_start_with_a_certificate_that_does_not_work(
    tmp_path: Path, refused: Any, certificates: Certificates, cert: str, key: str, words: List[str]
) -> None:
    result = refused(write_od_config(tmp_path), *certificates.arguments(cert, key))
    status = 3 if "error: can't be read: " in words[0] or "can't be read: Is" in words[0] else 1
    check_refused(result, status, *words)
    assert "they are not PEM" not in result.stderr  # once is enough


def test_a_key_that_is_too_weak_is_called_so(tmp_path: Path, refused: Any) -> None:
    weak, file = rsa_key("short", 1024), tmp_path / "weak.pem"
    file.write_bytes(private_pem(weak) + issue("localhost", key=weak))
    result = refused(write_od_config(tmp_path), "--cert", file, "--key", file)
    check_refused(result, 1, "weak.pem: error: OpenSSL can't use them: ", "RSA needs 2048 bits")


def test_it_does_not_start_with_an_encrypted_key(
    tmp_path: Path, certificates: Certificates
) -> None:
    arguments = certificates.arguments(key="encrypted.pem")
    result = run_command("serve", write_od_config(tmp_path), *arguments)
    check_refused(result, 1, "encrypted.pem: error: ", "give one without a pass phrase")


def test_it_never_asks_a_terminal_for_a_pass_phrase(
    tmp_path: Path, certificates: Certificates
) -> None:
    arguments = certificates.arguments(key="encrypted.pem")
    status, shown = run_on_a_terminal("serve", write_od_config(tmp_path), "--port", 0, *arguments)
    assert status == 1
    assert "give one without a pass phrase" in shown
    assert "Enter" not in shown


def run_on_a_terminal(*arguments: object) -> Tuple[int, str]:
    """Run abcwebrtc on a terminal on which nobody types."""
    take_terminal = (
        "import fcntl, os, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    python, *rest = command(*arguments)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [python, "-c", take_terminal, *rest],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        return process.wait(WAIT), read_terminal(ours)
    finally:
        process.kill()
        process.wait(WAIT)
        os.close(ours)


def read_terminal(terminal: int) -> str:
    """Return what was written; reading fails once the other side is closed."""
    data = b""
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], WAIT)[0]:
            chunk = os.read(terminal, 65536)
            if not chunk:
                break
            data += chunk
    return data.decode()


def test_it_does_not_start_on_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run_command("serve", write_od_config(tmp_path), "--port", port)
    words = (f"error: can't listen on 127.0.0.1 port {port}: ", "Address already in use")
    check_refused(result, 3, *words)


# In a process of their own: cheroot leaves sockets to the garbage collector.
@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "x" * 300, "["])
def test_it_does_not_start_on_a_host_that_is_not_this_one(tmp_path: Path, host: str) -> None:
    result = run_command("serve", write_od_config(tmp_path), "--host", host)
    check_refused(result, 3, f"error: can't listen on {host}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cert", "cert.pem"], ["--cert and --key go together"]),
        (["--key", "key.pem"], ["--cert and --key go together"]),
        (["--port", "65536"], ["--port", "from 0 to 65535"]),
        (["--port", "-1"], ["--port"]),
        (["--port", "http"], ["--port", "from 0 to 65535"]),
        (["--port", "9" * 5000], ["--port"]),
        (["--insecure-no-auth", "--host", "0.0.0.0"], ["--insecure-no-auth", "loopback only"]),
        (["--insecure-no-auth", "--host", "::"], ["loopback only"]),
        (["--threads", "0"], ["--threads", "from 1 to 256"]),
        (["--threads", "many"], ["--threads", "from 1 to 256"]),
        (["--host", ""], ["--host: is empty"]),
        (["--insecure-no-auth", "--host", ""], ["--host: is empty"]),
        (["--insecure-no-auth", "--host", "0"], ["loopback only"]),
        (["--insecure-no-auth", "--host", "192.0.2.1"], ["loopback only"]),
        (["--insecure-no-auth", "--host", "no.such.host.invalid"], ["loopback only"]),
    ],
    ids=lambda arguments: " ".join(arguments)[:50],
)
def test_a_wrong_command_line_is_exit_2(
    tmp_path: Path, refused: Any, arguments: List[str], words: List[str]
) -> None:
    result = refused(write_od_config(tmp_path), *arguments)
    check_refused(result, 2, "abcwebrtc serve: error: ", *words)
    assert result.stderr.endswith("\nRun 'abcwebrtc help serve' for usage.\n")
    assert result.stderr.count("\n") == 2


def test_a_broken_od_config_is_said_with_its_line(tmp_path: Path, refused: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable="yes")
    check_refused(refused(od_config), 1, f"{od_config}:2: error: webrtc.enable: must be True")
