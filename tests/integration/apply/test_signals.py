"""Ctrl-C and other signals while ``abcwebrtc apply`` waits."""

from __future__ import annotations

import base64
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Tuple

import pytest
import trustme
import yaml

from integration.apply.conftest import backup_of, break_pyos, is_waiting, only
from integration.cluster import Server
from integration.kubeconfig import NAME, write_kubeconfig
from support import WAIT, command, environment, wait_for

STAGES = {
    "PUT configmaps": f"the ConfigMap {NAME} may or may not have been written",
    "PATCH deployments": f"ConfigMap {NAME} replaced; some pods of pyos may have been restarted",
    "wait": f"ConfigMap {NAME} replaced; pyos restarted (rollout)",
}
"""The request during which the signal comes, and what the message says was done by then."""
SIGNALS = [*((stage, "SIGINT") for stage in STAGES), ("wait", "SIGTERM"), ("wait", "SIGHUP")]


@pytest.mark.parametrize(("stage", "name"), SIGNALS)
def test_ctrl_c_says_what_was_done(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path, stage: str, name: str
) -> None:
    """So do the end of a CI job and the end of the connection to this machine."""
    old = cluster.text()
    break_pyos(od_config)
    ended = threading.Event()
    if stage != "wait":
        cluster.before = only(*stage.split(), act=lambda request: ended.wait(WAIT))
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )

    def is_there() -> bool:
        return is_waiting(cluster) if stage == "wait" else stage in cluster.writes()

    wait_for(lambda: is_there() or process.poll() is not None)
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=WAIT)
    ended.set()
    assert process.returncode == 130
    assert f"interrupted; so far: {STAGES[stage]}\n" in err
    assert "Traceback" not in err
    assert backup_of(tmp_path).read_text() == old


def test_sigterm_leaves_no_file_with_a_key(
    tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path
) -> None:
    """While it runs, the client writes keys from the kubeconfig into files."""
    server, authority = tls
    (tmp_path / "temporary").mkdir()
    mine = authority.issue_cert("me@example.org")
    key, chain = mine.private_key_pem.bytes(), mine.cert_chain_pems[0].bytes()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = {"certificate-authority": str(tmp_path / "ca.pem")}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, **options)
    content = yaml.safe_load(kubeconfig.read_text())
    data = {"client-certificate-data": chain, "client-key-data": key}
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    content["users"][0]["user"] = encoded
    kubeconfig.write_text(yaml.safe_dump(content))
    ended = threading.Event()
    server.cluster.before = only("GET", "configmaps", lambda request: ended.wait(WAIT))
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    env = environment(TMPDIR=str(tmp_path / "temporary"))
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, env=env) as process:
        wait_for(lambda: server.cluster.seen or process.poll() is not None)
        files = list((tmp_path / "temporary").iterdir())
        assert key in [file.read_bytes() for file in files]
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 130
    ended.set()
    assert not list((tmp_path / "temporary").iterdir())
