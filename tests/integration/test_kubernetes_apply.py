"""``abcwebrtc apply`` on a real API server: kubectl's copies, and users who are not logged in."""

# ruff: noqa: F811, for fixtures that are imported

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.api import connect
from abcwebrtc.cluster.configmap import LAST_APPLIED
from abcwebrtc.cluster.restart import ROLLOUT, Restart
from integration.controlplane import ControlPlane
from integration.kubeconfig import BROKEN, KEY, NAME
from integration.test_kubernetes import (  # noqa: F401
    OLD_SECRET,
    REPLICAS,
    Pyos,
    apply,
    kubectl,
    od_config,
    plane,
    pyos,
)
from support import SECRET, WAIT, command, environment, wait_for

pytestmark = pytest.mark.slow("a real Kubernetes API server")

AS_IT_WAS = f"[global]\r\n# \t\u2028 caf\u00e9\nx: '{OLD_SECRET}'\ndesktop.envlocal: {{\n}}"
"""It has text that is easily lost, and a bracket in the first column, which `apply` refuses."""


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
        ({}, "(403 for system:anonymous): the kubeconfig has no credentials for this user"),
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
    assert main([*line, "-n", pyos.namespace]) == 3
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


END_AT = """
import os, sys
from abcwebrtc.cli import output

def print_and_end(text, **options):
    print(text, **options)
    if text.startswith({0!r}):
        (options.get("file") or sys.stdout).flush()
        os.kill(os.getpid(), 9)

output.print = print_and_end
"""
"""The command ends itself with a line that starts so: a test might do it only much later."""


@pytest.mark.parametrize(
    "moment",
    ["to go back: ", "ConfigMap abcdesktop-config replaced", "pyos restarted", "rolled back: Conf"],
)
def test_after_kill_9_what_was_printed_restores_the_cluster(
    plane: ControlPlane, pyos: Pyos, od_config: Path, tmp_path: Path, moment: str
) -> None:
    core = plane.core
    annotations = {"metadata": {"annotations": {"c": "d"}}, "data": {KEY: AS_IT_WAS}}
    core.patch_namespaced_config_map(NAME, pyos.namespace, annotations)
    od_config.write_text(f"{od_config.read_text()}# {BROKEN}\n")
    options = ["--kubeconfig", plane.user, "-n", pyos.namespace, "--rollback-on-failure"]
    line = command("apply", od_config, *options, "--timeout", "1", before=END_AT.format(moment))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = environment(PATH=path)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    ended = subprocess.run(line, env=env, timeout=WAIT, **pipes)
    printed = ended.stdout
    assert ended.returncode == -signal.SIGKILL, printed
    assert OLD_SECRET not in printed
    (words,) = {text for text in printed.splitlines() if text.startswith("to go back: ")}
    paste = ["bash", "-c", words.partition(": ")[2]]
    done = subprocess.run(paste, cwd="/", env=env, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    found = core.read_namespaced_config_map(NAME, pyos.namespace)
    assert found.data == {KEY: AS_IT_WAS, "other": "kept"}
    assert found.metadata.annotations == {"c": "d"}
    wait_for(lambda: len(pyos.ready()) == REPLICAS, WAIT)


def test_two_restarts_within_one_second_are_two(plane: ControlPlane, pyos: Pyos) -> None:
    line = ["get", "deployment", "pyos-od", "-n", pyos.namespace, "-o", "jsonpath={..generation}"]
    cluster = connect(str(plane.user), namespace=pyos.namespace)
    before = int(kubectl(plane, *line).split()[0])
    for _ in range(3):
        Restart(cluster, ROLLOUT, lambda _: None).start()
    assert int(kubectl(plane, *line).split()[0]) == before + 3
    time.sleep(1)  # kubectl itself refuses a second one within a second of its own
    kubectl(plane, "rollout", "restart", "deployment", "pyos-od", "-n", pyos.namespace)
    assert int(kubectl(plane, *line).split()[0]) == before + 4
