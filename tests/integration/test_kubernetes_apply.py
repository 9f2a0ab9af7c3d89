"""``abcwebrtc apply`` on a real API server: kubectl's copies, and who is not logged in."""

# ruff: noqa: F811, for fixtures that are imported

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.configmap import LAST_APPLIED
from integration.controlplane import ControlPlane
from integration.kubeconfig import KEY, NAME
from integration.test_kubernetes import (  # noqa: F401
    OLD_SECRET,
    Pyos,
    apply,
    kubectl,
    od_config,
    plane,
    pyos,
)
from support import SECRET

pytestmark = pytest.mark.slow("a real Kubernetes API server")


def applied_by_kubectl(plane: ControlPlane, namespace: str, data: Dict[str, str]) -> str:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}
    return kubectl(plane, "apply", "-n", namespace, "-f", "-", text=json.dumps(manifest))


def test_no_copy_of_an_old_secret_stays_and_kubectl_goes_on(
    plane: ControlPlane,
    apply: Any,
    pyos: Pyos,
    od_config: Path,
) -> None:
    old = pyos.data()[KEY]
    applied_by_kubectl(plane, pyos.namespace, {KEY: old, "other": "kept"})
    config_map = plane.core.read_namespaced_config_map(NAME, pyos.namespace)
    assert OLD_SECRET in config_map.metadata.annotations[LAST_APPLIED]
    status, _, err = apply("--restart", "none")
    assert status == 0, err
    config_map = plane.core.read_namespaced_config_map(NAME, pyos.namespace)
    assert OLD_SECRET not in json.dumps(plane.api_client.sanitize_for_serialization(config_map))
    assert not config_map.metadata.annotations
    assert pyos.data() == {KEY: od_config.read_text(), "other": "kept"}
    newer = od_config.read_text().replace(SECRET, "one-more-secret-of-coturn")
    applied_by_kubectl(plane, pyos.namespace, {KEY: newer})
    assert pyos.data() == {KEY: newer, "other": "kept"}  # kubectl knows no more that it made both
    applied_by_kubectl(plane, pyos.namespace, {KEY: newer, "third": "made"})
    applied_by_kubectl(plane, pyos.namespace, {KEY: newer})
    assert pyos.data() == {KEY: newer, "other": "kept"}  # and knows it again


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({}, "(403 for system:anonymous): no credentials were sent, since there are none"),
        ({"token": "of-another-cluster"}, "does not accept your credentials (401): log in again"),
    ],
)
def test_who_is_not_logged_in_is_told(
    plane: ControlPlane,
    pyos: Pyos,
    od_config: Path,
    tmp_path: Path,
    capsys: Any,
    user: Any,
    words: str,
) -> None:
    content = yaml.safe_load(Path(plane.user).read_text())
    content["users"] = [{"name": content["users"][0]["name"], "user": user}]
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(content))
    line = ["apply", str(od_config), "--kubeconfig", str(tmp_path / "kubeconfig")]
    assert main([*line, "-n", pyos.namespace]) == 1
    assert words in capsys.readouterr().err


def test_who_manages_the_key_is_warned_of_until_it_is_ours(
    plane: ControlPlane,
    apply: Any,
    pyos: Pyos,
    od_config: Path,
) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}}
    text = json.dumps({**manifest, "data": {KEY: "[global]\n# of Git\n"}})
    options = ["--server-side", "--force-conflicts", "--field-manager", "argocd-controller"]
    kubectl(plane, "apply", "-n", pyos.namespace, *options, "-f", "-", text=text)
    warning = f"warning: Argo CD owns the ConfigMap {NAME}: its next sync"
    assert warning in apply("--restart", "none", "--dry-run")[2]
    status, _, err = apply("--restart", "none")
    assert (status, warning in err) == (0, True)
    od_config.write_text(f"{od_config.read_text()}# more\n")
    status, _, err = apply("--restart", "none")
    assert (status, "Argo CD" in err) == (0, False)
