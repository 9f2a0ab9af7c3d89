"""The official client leaves the key of a kubeconfig where SECURITY.md says."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
import trustme
import yaml

from support import WAIT, command, environment, write_od_config

KEY = b"PRIVATE KEY-----"
ISSUED = trustme.CA().issue_cert("operator")


def data(pem: Any) -> str:
    return base64.b64encode(pem.bytes()).decode()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that accepts a connection and says nothing."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(WAIT)
        yield server


def kubeconfig(folder: Path, port: int, user: Dict[str, Any]) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def left_after(
    sent: signal.Signals, folder: Path, server: socket.socket, user: Dict[str, Any]
) -> List[Path]:
    """Return the files in TMPDIR after a signal ended `apply` during a request to the cluster."""
    temporary = folder / "tmp"
    temporary.mkdir()
    config = kubeconfig(folder, server.getsockname()[1], user)
    process = subprocess.Popen(
        command("apply", write_od_config(folder), "--kubeconfig", config),
        env=environment(TMPDIR=str(temporary)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with server.accept()[0]:
            process.send_signal(sent)
            process.wait(WAIT)
    finally:
        process.kill()
        process.wait(WAIT)
    return sorted(temporary.iterdir())


def with_keys(paths: List[Path]) -> List[Path]:
    return [path for path in paths if KEY in path.read_bytes()]


def in_the_kubeconfig(folder: Path) -> Dict[str, Any]:
    cert, key = (data(pem) for pem in (ISSUED.cert_chain_pems[0], ISSUED.private_key_pem))
    return {"client-certificate-data": cert, "client-key-data": key}


def of_a_plugin(folder: Path) -> Dict[str, Any]:
    pems = (ISSUED.cert_chain_pems[0], ISSUED.private_key_pem)
    cert, key = (pem.bytes().decode() for pem in pems)
    version = "client.authentication.k8s.io/v1"
    status = {"clientCertificateData": cert, "clientKeyData": key}
    answer = folder / "answer.json"
    content = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    answer.write_text(json.dumps(content))
    line = {"command": "cat", "args": [str(answer)], "interactiveMode": "Never"}
    return {"exec": {"apiVersion": version, **line}}


@pytest.mark.parametrize("user", [in_the_kubeconfig, of_a_plugin])
def test_sigkill_leaves_the_key_for_its_owner_alone(
    user: Callable[[Path], Dict[str, Any]], tmp_path: Path, silent: socket.socket
) -> None:
    left = left_after(signal.SIGKILL, tmp_path, silent, user(tmp_path))
    (key,) = with_keys(left)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert re.fullmatch("tmp\\w{8}", key.name)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_other_signals_leave_nothing(
    sent: signal.Signals, tmp_path: Path, silent: socket.socket
) -> None:
    assert left_after(sent, tmp_path, silent, in_the_kubeconfig(tmp_path)) == []


def test_a_key_in_a_file_of_its_own_is_not_copied(tmp_path: Path, silent: socket.socket) -> None:
    ISSUED.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    ISSUED.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    names = {"client-certificate": "cert.pem", "client-key": "key.pem"}
    files = {entry: str(tmp_path / name) for entry, name in names.items()}
    assert left_after(signal.SIGKILL, tmp_path, silent, files) == []
