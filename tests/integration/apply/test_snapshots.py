"""What ``abcwebrtc apply`` looks like, on terminals and in a pipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import pytest

from abcwebrtc.cli.apply_outcome import Progress
from abcwebrtc.cli.main import main
from integration.apply.conftest import fail, only
from integration.cluster import Server
from integration.kubeconfig import NAME, write_kubeconfig
from support import write_od_config
from support.snapshots import WIDTHS, assert_snapshot, screen, shape

RUNS: Dict[str, Tuple[int, Tuple[str, ...]]] = {
    "dry-run": (0, ("--dry-run",)),
    "done": (0, ()),
    "refused": (3, ()),
    "data": (0, ("-o", "json")),
}


@pytest.mark.parametrize("width", WIDTHS, ids=shape)
@pytest.mark.parametrize("name", RUNS)
def test_apply(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    width: Optional[int],
) -> None:
    expected, options = RUNS[name]
    cluster: Any = server.cluster
    cluster.add_pyos()
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    old = write_od_config(tmp_path, webrtc__coturn=..., mongodburl="mongodb://me:word@db")
    metadata = {"name": NAME, "labels": labels, "resourceVersion": "7"}
    cluster.add_config_map(old.read_text(), metadata=metadata)
    version = cluster.config_map()["metadata"]["resourceVersion"]
    write_od_config(tmp_path)
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.chdir(tmp_path)
    if width is not None:  # how often its line is written over depends on the machine
        monkeypatch.setattr(Progress, "__call__", lambda self, text: None)
    if name == "refused":
        cluster.before = only("PUT", "configmaps", fail(403, "Forbidden"))
    with screen(width) as stream:
        assert main(["apply", *options]) == expected
    text = stream.getvalue().replace(f".{version}.bak", ".7.bak")
    assert_snapshot(f"apply-{name}-{shape(width)}", text.replace(str(tmp_path), "/home/me"))
