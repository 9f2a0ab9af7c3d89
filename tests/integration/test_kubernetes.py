"""What abcwebrtc does to a cluster, on a real one: `integration.controlplane`."""

from __future__ import annotations

import base64
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
import yaml
from kubernetes.config import new_client_from_config

from abcwebrtc import WebRTCConfig, owned_secret, prepare_pod
from abcwebrtc.cli.main import main
from abcwebrtc.cluster import restart
from abcwebrtc.pyos import create_desktop
from conftest import REFERENCE_PODS, require_program
from integration.controlplane import ControlPlane, Kubelet, client, ready_condition, running
from integration.kubeconfig import BROKEN, KEY, NAME, TOKEN
from support import ENTRIES, SECRET, WAIT, wait_for, write_od_config
from support.desktop_pod import desktop_pod
from unit.cli.test_apply import role
from unit.project.test_docs import ROOT

pytestmark = pytest.mark.slow("a real Kubernetes API server")

OLD_SECRET, LABELS = "the-old-secret-of-coturn", {"run": "pyos-od"}
REPLICAS = 2
PATIENCE = "120"
"""Seconds for pyos to get ready."""
DESKTOP = {
    "webrtc__rtc_configuration": {"iceServers": [{"urls": "stun:192.0.2.1:3478"}]},
    "webrtc__coturn": {**ENTRIES["webrtc.coturn"], "url": "192.0.2.2:3478"},
    "webrtc__desktop": {"turn": True},
    "desktop__pod": {"sound": {"image": "sound:1", "enable": True, "acl": {"permit": ["all"]}}},
}
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("kubernetes")) as plane:
        yield plane


class Pyos:
    """A namespace with pyos, its od.config, and a user with the Role of the page configmap.md."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.namespace = f"abcdesktop-{next(_NUMBERS)}"
        self._core = plane.core
        self._apps = client.AppsV1Api(plane.api_client)
        self._access = client.RbacAuthorizationV1Api(plane.api_client)
        self._core.create_namespace({"metadata": {"name": self.namespace}})
        self.allow(role()["rules"])
        self._bind_user()
        wait_for(lambda: self.is_allowed("patch", "deployments"), WAIT)
        text = write_od_config(folder).read_text().replace(SECRET, OLD_SECRET)
        config_map = {"metadata": {"name": NAME}, "data": {KEY: text, "other": "kept"}}
        self._core.create_namespaced_config_map(self.namespace, config_map)
        self._apps.create_namespaced_deployment(self.namespace, deployment())
        wait_for(lambda: len(self.ready()) == REPLICAS, WAIT)

    def _bind_user(self) -> None:
        group = "rbac.authorization.k8s.io"
        binding = {
            "metadata": {"name": "apply"},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "apply"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "somebody"}],
        }
        self._access.create_namespaced_role_binding(self.namespace, binding)

    def allow(self, rules: List[Dict[str, Any]]) -> None:
        """Allow the user only this."""
        made = {"metadata": {"name": "apply"}, "rules": rules}
        self._access.replace_namespaced_role("apply", self.namespace, made)  # or makes it

    def is_allowed(self, verb: str, resource: str) -> bool:
        """Return whether the API server would let the user do this; a new Role takes a moment."""
        names = {"configmaps": NAME, "deployments": "pyos-od"}
        asked = {"verb": verb, "resource": resource, "name": names.get(resource, "")}
        asked["group"] = "apps" if resource == "deployments" else ""
        attributes = {**asked, "namespace": self.namespace}
        review = {"spec": {"user": "somebody", "resourceAttributes": attributes}}
        api = client.AuthorizationV1Api(self._core.api_client)
        return bool(api.create_subject_access_review(review).status.allowed)

    def data(self) -> Dict[str, str]:
        found = self._core.read_namespaced_config_map(NAME, self.namespace).data
        return dict(found)

    def ready(self) -> List[str]:
        """Return the uids of the pods of pyos that are ready."""
        return [
            pod.metadata.uid
            for pod in self._core.list_namespaced_pod(self.namespace, label_selector="run").items
            if ready_condition(pod) == "True" and not pod.metadata.deletion_timestamp
        ]

    def written(self) -> List[Tuple[Any, ...]]:
        """Return what changes if somebody writes, but not if a controller only reads."""
        config_map = self._core.read_namespaced_config_map(NAME, self.namespace)
        deployment = self._apps.read_namespaced_deployment("pyos-od", self.namespace)
        pods = self._core.list_namespaced_pod(self.namespace).items
        return [
            (config_map.metadata.resource_version, deployment.metadata.generation),
            *sorted((pod.metadata.uid, str(pod.metadata.deletion_timestamp)) for pod in pods),
        ]


def deployment() -> Dict[str, Any]:
    volume = {"name": "config", "configMap": {"name": NAME}}
    containers = [{"name": "pyos", "image": "pyos:1"}]
    spec = {"containers": containers, "volumes": [volume]}
    template = {"metadata": {"labels": LABELS}, "spec": spec}
    selector = {"matchLabels": LABELS}
    return {
        "metadata": {"name": "pyos-od"},
        "spec": {"replicas": REPLICAS, "selector": selector, "template": template},
    }


@pytest.fixture
def pyos(plane: ControlPlane, tmp_path: Path) -> Pyos:
    return Pyos(plane, tmp_path)


@pytest.fixture
def od_config(tmp_path: Path, pyos: Pyos) -> Path:
    return write_od_config(tmp_path)


@pytest.fixture
def apply(
    plane: ControlPlane,
    pyos: Pyos,
    od_config: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Tuple[int, str, str]]:
    """Return a function that runs the command as the user, and returns its status and output."""
    monkeypatch.setattr(restart, "INTERVAL", 0.1)

    def call(*options: str) -> Tuple[int, str, str]:
        fixed = ["--kubeconfig", plane.user, "-n", pyos.namespace]
        fixed += [] if "--timeout" in options else ["--timeout", PATIENCE]
        status = main(list(map(str, ["apply", od_config, *fixed, *options])))
        out, err = capsys.readouterr()
        for secret in (SECRET, OLD_SECRET, TOKEN):
            assert secret not in out + err
        return status, out, err

    return call


def kubectl(plane: ControlPlane, *arguments: str, text: str = "") -> str:
    """Run kubectl as the administrator, and return what it prints."""
    line = [require_program("kubectl", "kubernetes-client"), "--kubeconfig", str(plane.admin)]
    env = {**os.environ, "HOME": str(plane.admin.parent)}
    done = subprocess.run(
        [*line, *arguments], input=text, capture_output=True, text=True, env=env, timeout=WAIT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_kubelet_outlives_what_fails(plane: ControlPlane, tmp_path: Path) -> None:
    """One busy moment of the API server must not cost all tests behind it."""
    somebody = client.CoreV1Api(new_client_from_config(str(plane.user)))
    (tmp_path / "kubelet.log").touch()
    kubelet = Kubelet(somebody, tmp_path)
    kubelet.start()
    wait_for(lambda: (tmp_path / "kubelet.log").read_text().count("403") > 1, WAIT)
    assert kubelet.is_alive()
    kubelet.stop()


# apply


@pytest.mark.parametrize("mode", ["rollout", "delete"])
def test_a_change_is_applied_and_pyos_restarted(
    apply: Any, pyos: Pyos, od_config: Path, mode: str
) -> None:
    before = pyos.ready()
    status, out, err = apply("--restart", mode)
    assert (status, out[-14:]) == (0, "pyos is ready\n"), err
    assert f"{REPLICAS} of {REPLICAS} new pods are ready" in err
    assert pyos.data() == {KEY: od_config.read_text(), "other": "kept"}
    assert len(pyos.ready()) == REPLICAS
    assert not set(before) & set(pyos.ready())
    assert "has not changed" in apply("--restart", mode)[1]


@pytest.mark.parametrize("mode", ["rollout", "delete", "none"])
def test_a_dry_run_writes_nothing(apply: Any, pyos: Pyos, mode: str) -> None:
    before = pyos.written()
    status, out, err = apply("--restart", mode, "--dry-run")
    assert (status, "would be replaced" in out) == (0, True), err
    assert pyos.written() == before


def test_a_new_config_map_is_made(plane: ControlPlane, apply: Any, pyos: Pyos) -> None:
    plane.core.delete_namespaced_config_map(NAME, pyos.namespace)
    status, out, err = apply()
    assert (status, f"ConfigMap {NAME} created" in out) == (0, True), err
    assert list(pyos.data()) == [KEY]


def test_what_pyos_does_not_start_with_is_rolled_back(
    apply: Any, pyos: Pyos, od_config: Path
) -> None:
    before = pyos.data()
    od_config.write_text(f"{od_config.read_text()}# {BROKEN}\n")
    status, out, err = apply("--rollback-on-failure", "--timeout", "20")
    assert status == 1
    assert "CrashLoopBackOff" in err
    assert "rolled back: pyos is ready, with the old od.config" in out + err
    assert pyos.data() == before
    assert len(pyos.ready()) == REPLICAS


@pytest.mark.parametrize(
    ("resource", "verb"), [("configmaps", "update"), ("deployments", "patch"), ("pods", "delete")]
)
def test_without_a_permission_nothing_is_done(
    apply: Any, pyos: Pyos, resource: str, verb: str
) -> None:
    pyos.allow(rules_without(resource, verb))
    wait_for(lambda: not pyos.is_allowed(verb, resource), WAIT)
    before = pyos.written()
    status, out, err = apply("--restart", "delete" if resource == "pods" else "rollout")
    assert (status, "403" in err, resource in err, verb in err) == (3, True, True, True), err
    assert "replaced" not in out
    assert pyos.written() == before


def rules_without(resource: str, verb: str) -> List[Dict[str, Any]]:
    """Return the rules of that Role, without a verb of theirs."""
    rules: List[Dict[str, Any]] = role()["rules"]
    return [
        {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}
        if resource in rule["resources"]
        else rule
        for rule in rules
    ]


# pods


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_a_pod_with_its_secret_is_taken_as_it_is_printed(
    plane: ControlPlane, pyos: Pyos, tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Any
) -> None:
    od_config = write_od_config(tmp_path, **DESKTOP)
    manifest = {"apiVersion": "v1", "kind": "Pod", **desktop_pod(sound=False)}
    manifest["metadata"]["namespace"] = pyos.namespace
    (tmp_path / "pod").write_text(write(manifest))
    line = ["pod", str(od_config), str(tmp_path / "pod"), "--user", "alice", "--secret"]
    assert main(line) == 0
    options = ["-f", "-", "--dry-run=server", "-o", "json"]
    made = json.loads(kubectl(plane, "apply", *options, text=capsys.readouterr().out))["items"]
    assert [one["kind"] for one in made] == ["Secret", "Pod"]
    names = [one["name"] for one in made[1]["spec"]["containers"]]
    assert [name[0] for name in names].count("s") == 1


def create_as_the_page_says(core: Any, desktop: Any, namespace: str) -> None:
    """Create a pod and its Secret with the library alone, as in docs/reference/pods.md."""
    core.create_namespaced_secret(namespace, desktop.secret)
    pod = core.create_namespaced_pod(namespace, desktop.pod)
    owned = owned_secret(desktop.secret, pod)
    core.replace_namespaced_secret(owned["metadata"]["name"], namespace, owned)


@pytest.mark.parametrize("create", [create_as_the_page_says, create_desktop])
def test_a_secret_goes_with_its_pod(
    plane: ControlPlane, pyos: Pyos, tmp_path: Path, create: Callable[..., Any]
) -> None:
    desktop = prepared(tmp_path, "desktop")
    create(plane.core, desktop, pyos.namespace)
    assert secrets(plane, pyos, desktop)
    plane.core.delete_namespaced_pod("desktop", pyos.namespace)
    wait_for(lambda: not secrets(plane, pyos, desktop), WAIT)


def test_a_pod_that_is_refused_leaves_no_secret(
    plane: ControlPlane, pyos: Pyos, tmp_path: Path
) -> None:
    desktop = prepared(tmp_path, "desktop")
    del desktop.pod["spec"]["containers"][0]["image"]
    with pytest.raises(client.ApiException, match="image"):
        create_desktop(plane.core, desktop, pyos.namespace)
    assert not secrets(plane, pyos, desktop)


def test_a_secret_that_is_refused_costs_turn_and_not_the_desktop(
    plane: ControlPlane, pyos: Pyos, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pyos.allow([{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}])
    wait_for(lambda: pyos.is_allowed("create", "pods"), WAIT)
    desktop = prepared(tmp_path, "desktop")
    somebody = client.CoreV1Api(new_client_from_config(str(plane.user)))
    create_desktop(somebody, desktop, pyos.namespace)
    made = plane.core.read_namespaced_pod("desktop", pyos.namespace).spec.containers
    variables = {one.name[0]: [entry.name for entry in one.env or []] for one in made}
    assert "STUN_SERVER" in variables["s"]
    assert "TURN_SERVER" not in variables["s"]
    assert not secrets(plane, pyos, desktop)
    assert "no TURN server for this desktop: the Secret webrtc-desktop can't be" in caplog.text


def prepared(folder: Path, name: str) -> Any:
    config = WebRTCConfig.from_file(write_od_config(folder, **DESKTOP))
    containers = [{"name": "x-desktop", "image": "desktop:1"}]
    return prepare_pod(
        {"metadata": {"name": name}, "spec": {"containers": containers}}, config, "a"
    )


def secrets(plane: ControlPlane, pyos: Pyos, desktop: Any) -> List[Any]:
    selector = f"metadata.name={desktop.secret['metadata']['name']}"
    found = plane.core.list_namespaced_secret(pyos.namespace, field_selector=selector)
    return list(found.items)


@pytest.mark.parametrize("file", [None, *REFERENCE_PODS], ids=lambda f: f.name if f else "own")
def test_a_pod_as_pyos_posts_it_is_taken_with_what_is_added(
    plane: ControlPlane, pyos: Pyos, tmp_path: Path, file: Optional[Path]
) -> None:
    manifest = json.loads(file.read_text()) if file else desktop_pod()
    manifest["metadata"].pop("namespace", None)
    config = WebRTCConfig.from_file(write_od_config(tmp_path, **DESKTOP))
    prepared = prepare_pod(manifest, config, "alice")
    made = plane.core.create_namespaced_pod(pyos.namespace, prepared.pod, dry_run="All")
    assert len(made.spec.containers) == len(prepared.pod["spec"]["containers"])


# policies, and what the examples ship


def test_the_network_policy_is_taken_as_it_is_printed(
    plane: ControlPlane, pyos: Pyos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    od_config = write_od_config(tmp_path, **DESKTOP)
    assert main(["networkpolicy", str(od_config), "-n", pyos.namespace, "--dns"]) == 0
    printed = capsys.readouterr().out
    line = ("apply", "-f", "-", "-o", "json")
    made = json.loads(kubectl(plane, *line, text=printed))
    assert made["spec"] == yaml.safe_load(printed)["spec"]


def test_the_manifests_beside_pyos_are_taken(plane: ControlPlane, pyos: Pyos) -> None:
    files = sorted((ROOT / "examples" / "03-beside-pyos").glob("*.yaml"))
    documents = [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]
    known = [one for one in documents if one["kind"] != "PodDisruptionBudget"]  # v1 is of 1.21
    text = yaml.safe_dump_all(known)
    line = ["apply", "-n", pyos.namespace, "--dry-run=server", "-f", "-", "-o", "name"]
    taken = kubectl(plane, *line, text=text).split()
    assert len(taken) == len(known) == len(documents) - 1


def test_the_secret_beside_pyos_is_changed_as_the_page_says(
    plane: ControlPlane, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "how-to" / "beside-pyos.md").read_text()
    script = page.partition("## Changing the secret")[2].split("```text\n")[1].split("```")[0]
    old = {"static-auth-secret": OLD_SECRET, "pseudonym-key": "stays-as-it-is"}
    plane.core.create_namespace({"metadata": {"name": "abcdesktop"}})
    secret = {"metadata": {"name": "abcwebrtc-turn"}, "stringData": old}
    plane.core.create_namespaced_secret("abcdesktop", secret)
    require_program("kubectl", "kubernetes-client")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "KUBECONFIG": str(plane.admin), "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=env, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    found = plane.core.read_namespaced_secret("abcwebrtc-turn", "abcdesktop").data
    assert base64.b64decode(found["pseudonym-key"]).decode() == old["pseudonym-key"]
    first, second = base64.b64decode(found["static-auth-secret"]).decode().splitlines()
    assert (len(first) > len(OLD_SECRET), second) == (True, OLD_SECRET)
    assert OLD_SECRET.encode() not in done.stderr
