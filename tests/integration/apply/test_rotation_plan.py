"""``abcwebrtc rotate plan`` for a secret in od.config: its commands bring it into the cluster."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from abcwebrtc.cli.main import main
from integration.cluster import Server
from integration.kubeconfig import write_kubeconfig
from support import ENTRIES, SECRET, write_od_config

NEW = "the-secret-from-today-on"


def test_the_plan_s_commands_put_each_od_config_into_the_cluster(
    cluster: Any,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", server.url)))

    def write(*secrets: str) -> Path:
        coturn = {**ENTRIES["webrtc.coturn"], "coturn_static_auth_secret": list(secrets)}
        return write_od_config(tmp_path, webrtc__coturn=coturn)

    od_config = write(SECRET)
    assert main(["rotate", "plan", "--json", str(od_config)]) == 0
    steps = json.loads(capsys.readouterr().out)["groups"][0]["steps"]
    for name, secrets in (("switch", [NEW, SECRET]), ("clean", [NEW])):
        write(*secrets)
        ((line,),) = [step["commands"] for step in steps if step["name"] == name]
        assert main(shlex.split(line)[1:]) == 0
        assert cluster.text() == od_config.read_text()
        out, err = capsys.readouterr()
        assert NEW not in out + err
    assert cluster.writes() == ["PUT configmaps", "PATCH deployments"] * 2
