"""Ctrl-C and other signals while ``abcwebrtc apply`` waits."""

from __future__ import annotations

import base64
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Tuple

import pytest
import trustme
import yaml

from integration.apply.conftest import backup_of, break_pyos, only
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
    if stage != "wait":
        cluster.before = only(*stage.split(), act=lambda request: time.sleep(3))
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    last = "PATCH deployments" if stage == "wait" else stage
    wait_for(lambda: last in cluster.writes() or process.poll() is not None)
    time.sleep(0.2)  # so that it waits for the answer, or for pods
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=WAIT)
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
    server.cluster.before = only("GET", "configmaps", lambda request: time.sleep(2))
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    env = environment(TMPDIR=str(tmp_path / "temporary"))
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, env=env) as process:
        wait_for(lambda: server.cluster.seen or process.poll() is not None)
        files = list((tmp_path / "temporary").iterdir())
        assert key in [file.read_bytes() for file in files]
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 130
    assert not list((tmp_path / "temporary").iterdir())
