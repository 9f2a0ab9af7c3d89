"""``abcwebrtc apply`` with the official client against a Kubernetes API server."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Callable, List

import kmock
import pytest

from abcwebrtc.cli.main import main
from abcwebrtc.cluster import api as kube
from conftest import ROOT
from integration.apply.conftest import (
    OLD_SECRET,
    TOKEN,
    backup_of,
    break_pyos,
    kubectl,
    old_text,
)
from integration.cluster import CONFIG_MAPS, Server, is_dry, refusal
from integration.hidden import DEBUG_EVERYTHING
from integration.kubeconfig import KEY, NAME, NAMESPACE, write_kubeconfig
from support import ENTRIES, SECRET, WAIT, command, environment, write_od_config
from unit.cli.test_apply import role
from unit.project.test_docs import full_example

# what it does


@pytest.mark.parametrize("present", [True, False])
def test_it_does_what_the_commands_of_the_documentation_do(
    server: Server, od_config: Path, run: Any, tmp_path: Path, present: bool
) -> None:
    cluster = server.cluster
    cluster.add_pyos()
    if present:
        cluster.add_config_map("[global]\n", data={KEY: "[global]\n"})
    assert run("--restart", "delete")[0] == 0
    ours = copy.deepcopy(cluster.config_map())
    pods = {pod["metadata"]["uid"] for pod in cluster.pods()}
    if present:
        cluster.add_config_map("[global]\n", data={KEY: "[global]\n"})
    else:
        cluster.objects[CONFIG_MAPS, NAMESPACE, NAME].delete()
    options = ["-n", NAMESPACE, "--kubeconfig", str(tmp_path / "kubeconfig")]
    source = ["create", "configmap", NAME, f"--from-file={od_config}", "-o", "yaml"]
    manifest = kubectl([*source, "--dry-run=client"], tmp_path)
    verb = "replace" if present else "create"
    kubectl([verb, "--validate=false", "-f", "-", *options], tmp_path, manifest)
    theirs = cluster.config_map()
    assert {**theirs, "metadata": 0} == {**ours, "metadata": 0}
    kubectl(["delete", "pods", "-l", "run=pyos-od", "--wait=false", *options], tmp_path)
    assert not pods & {pod["metadata"]["uid"] for pod in cluster.pods()}


def test_what_it_prints_can_be_given_to_kubectl(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path, capsys: Any
) -> None:
    assert main(["configmap", str(od_config)]) == 0
    manifest = capsys.readouterr().out
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    options = ["-n", NAMESPACE, "--kubeconfig", str(kubeconfig)]
    kubectl(["replace", "--validate=false", "-f", "-", *options], tmp_path, manifest)
    assert cluster.text() == od_config.read_text()


def test_it_replaces_restarts_and_waits(cluster: Any, od_config: Path, run: Any) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    saved = f"{od_config}.{cluster.config_map()['metadata']['resourceVersion']}.bak"
    status, out, err = run()
    assert (status, cluster.text()) == (0, od_config.read_text())
    assert cluster.writes() == ["PUT configmaps", "PATCH deployments"]
    assert len(cluster.pods()) == 1
    assert not before & {pod["metadata"]["uid"] for pod in cluster.pods()}
    lines = out.splitlines()
    assert lines[0] == f"ConfigMap {NAME} in namespace {NAMESPACE}: {KEY} changes"
    assert lines[-3:] == [f"ConfigMap {NAME} replaced", "pyos restarted (rollout)", "pyos is ready"]
    assert lines[1:-3] == [
        "--- in the cluster",
        f"+++ {od_config}",
        " webrtc.coturn.coturn_static_auth_secret: (changed)",
    ]
    assert err.splitlines() == [
        "note: anyone who may read the ConfigMap can read the static auth secret in it; to keep "
        "it in a Secret, use coturn_static_auth_secret_file",
        f"the od.config of the cluster is saved in {saved}",
        f"to go back: abcwebrtc apply {saved} --unchecked --restart rollout "
        f"--kubeconfig {od_config.parent}/kubeconfig --context test",
        "waiting for the rollout to begin",
        "0 of 1 new pods are created",
        "1 of 1 new pods are ready, 1 old still to end",
        "1 of 1 new pods are ready",
        f"{saved} is removed: pyos is ready with the new one",
    ]


def test_everything_else_in_the_configmap_is_kept(
    server: Server, od_config: Path, run: Any
) -> None:
    server.cluster.add_pyos()
    metadata = {"name": NAME, "labels": {"a": "b"}, "annotations": {"c": "d"}}
    binary = {"logo": "AAAA"}
    unknown = {"newInKubernetes2": {"x": 1}}
    data = {"other": "kept"}
    server.cluster.add_config_map("", metadata=metadata, data=data, binaryData=binary, **unknown)
    assert run()[0] == 0
    made = server.cluster.config_map()
    assert made["data"] == {"other": "kept", KEY: od_config.read_text()}
    assert made["binaryData"] == binary
    assert made["newInKubernetes2"] == {"x": 1}
    assert {key: made["metadata"][key] for key in metadata} == metadata


def test_a_missing_configmap_is_created(server: Server, od_config: Path, run: Any) -> None:
    server.cluster.add_pyos()
    status, out, _ = run("--name", "another", "--key", "od.conf")
    assert status == 0
    assert server.cluster.writes() == ["POST configmaps", "PATCH deployments"]
    made = server.cluster.objects[CONFIG_MAPS, NAMESPACE, "another"].raw
    assert made["data"] == {"od.conf": od_config.read_text()}
    assert made["apiVersion"] == "v1"
    assert out.startswith(f"ConfigMap another in namespace {NAMESPACE}: a new one\n--- ")
    assert "ConfigMap another created\n" in out


def test_without_a_change_nothing_is_restarted(cluster: Any, od_config: Path, run: Any) -> None:
    cluster.add_config_map(od_config.read_text())
    status, out, _ = run()
    assert (status, cluster.writes()) == (0, [])
    assert out == f"ConfigMap {NAME} in namespace {NAMESPACE}: {KEY} has not changed\n"


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("\n", "\r\n"), str.rstrip], ids=["CRLF", "the last"]
)
def test_a_change_that_no_line_shows_is_said(
    cluster: Any, od_config: Path, run: Any, change: Callable[[str], str]
) -> None:
    cluster.add_config_map(change(od_config.read_text()))
    status, out, _ = run("--restart", "none")
    assert (status, cluster.text()) == (0, od_config.read_text())
    assert out.splitlines()[:2] == [
        f"ConfigMap {NAME} in namespace {NAMESPACE}: {KEY} changes",
        "only comments or whitespace differ, no entry does",
    ]


@pytest.mark.parametrize("mode", ["rollout", "delete"])
def test_a_restart_that_is_asked_for_comes_without_a_change(
    cluster: Any, od_config: Path, run: Any, mode: str
) -> None:
    cluster.add_config_map(od_config.read_text())
    status, out, _ = run("--restart", mode)
    assert status == 0
    assert cluster.writes() == [{"rollout": "PATCH deployments", "delete": "DELETE pods"}[mode]]
    assert out.endswith("pyos is ready\n")


@pytest.mark.parametrize("replicas", [1, 3])
def test_restart_by_deleting_the_pods(
    server: Server, run: Any, tmp_path: Path, replicas: int
) -> None:
    cluster = server.cluster
    cluster.add_pyos(replicas)
    cluster.add_config_map(old_text(tmp_path))
    write_od_config(tmp_path)
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    status, out, err = run("--restart", "delete")
    assert status == 0
    assert cluster.writes() == ["PUT configmaps"] + replicas * ["DELETE pods"]
    after = {pod["metadata"]["uid"] for pod in cluster.pods()}
    assert len(after) == replicas
    assert not before & after
    assert err.splitlines()[-2] == f"{replicas} of {replicas} new pods are ready"
    assert err.splitlines()[3] == f"0 of {replicas} new pods are ready"
    assert out.endswith("pyos restarted (delete)\npyos is ready\n")


def test_restart_none(cluster: Any, od_config: Path, run: Any) -> None:
    status, out, _ = run("--restart", "none")
    assert (status, cluster.writes()) == (0, ["PUT configmaps"])
    assert cluster.text() == od_config.read_text()
    assert out.endswith("pyos is not restarted; it reads od.config when it starts\n")


def test_pods_of_others_are_left_alone(cluster: Any, run: Any) -> None:
    assert run("--restart", "delete")[0] == 0
    assert not cluster.objects["v1/pods", NAMESPACE, "mongodb"].deleted


def test_a_rollout_is_the_one_of_kubectl(cluster: Any, run: Any, tmp_path: Path) -> None:
    assert run()[0] == 0
    made = cluster.deployment()["spec"]["template"]["metadata"]["annotations"]
    (sent,) = [item.data for item in cluster.seen if is_patch(item)]
    cluster.seen.clear()
    cluster.add_pyos()  # kubectl does not restart twice within a second
    line = ["rollout", "restart", "deployment", "pyos-od", "-n", NAMESPACE]
    kubectl([*line, "--kubeconfig", str(tmp_path / "kubeconfig")], tmp_path)
    (theirs,) = [item.data for item in cluster.seen if is_patch(item)]
    time_of = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z|[+-]\d\d:\d\d)")
    assert time_of.sub("TIME", json.dumps(sent)) == time_of.sub("TIME", json.dumps(theirs))
    assert "TIME" in time_of.sub("TIME", json.dumps(sent))
    assert list(made) == ["kubectl.kubernetes.io/restartedAt"]


def test_two_restarts_within_one_second_are_two(
    cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kubectl's are not: it refuses the second one."""
    for moment in (1700000000_000001000, 1700000000_000002000):
        monkeypatch.setattr("abcwebrtc.cluster.restart.time.time_ns", lambda now=moment: now)
        generation = cluster.deployment()["metadata"]["generation"]
        assert run("--restart", "rollout")[0] == 0
        assert cluster.deployment()["metadata"]["generation"] == generation + 1
        made = cluster.deployment()["spec"]["template"]["metadata"]["annotations"]
    assert made == {"kubectl.kubernetes.io/restartedAt": "2023-11-14T22:13:20.000002Z"}


def is_patch(request: Any) -> bool:
    return request.method.value == "PATCH" and not is_dry(request)


@pytest.mark.parametrize("mode", ["rollout", "delete", "none"])
@pytest.mark.parametrize("present", [True, False])
def test_a_dry_run_writes_nothing(
    server: Server, tmp_path: Path, run: Any, mode: str, present: bool
) -> None:
    cluster = server.cluster
    cluster.add_pyos()
    if present:
        cluster.add_config_map(old_text(tmp_path))
        write_od_config(tmp_path)
    before = (copy.deepcopy(cluster.config_map()), cluster.pods(), cluster.deployment()["spec"])
    status, out, _ = run("--dry-run", "--restart", mode)
    after = (cluster.config_map(), cluster.pods(), cluster.deployment()["spec"])
    assert (status, after) == (0, before)
    assert cluster.writes() == []
    restarts = {"rollout": ["PATCH deployments"], "delete": ["DELETE pods"], "none": []}[mode]
    assert cluster.dry_runs() == [*restarts, "PUT configmaps" if present else "POST configmaps"]
    assert f"dry run: ConfigMap {NAME} would be {'replaced' if present else 'created'}" in out
    assert ("pyos would be restarted" in out) == (mode != "none")
    assert not list(tmp_path.glob("*.bak"))


def test_an_error_in_the_od_config_stops_it_before_anything_is_asked(
    cluster: Any, od_config: Path, run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    write_od_config(od_config.parent, webrtc__enable=1)
    status, out, err = run()
    main(["check", str(od_config)])
    assert (status, out, cluster.seen) == (1, "", [])
    assert err == capsys.readouterr().out.splitlines()[0] + "\n"


def test_warnings_are_shown_and_a_secret_may_be_where_pyos_runs(
    cluster: Any, od_config: Path, run: Any
) -> None:
    coturn = {**ENTRIES["webrtc.coturn"], "coturn_static_auth_secret_file": "/run/nowhere"}
    del coturn["coturn_static_auth_secret"]
    write_od_config(od_config.parent, webrtc__coturn=coturn)
    status, _, err = run("--restart", "none")
    assert status == 0
    assert err.startswith(
        f"{od_config}:4: note: webrtc.coturn.coturn_static_auth_secret_file: the secret's file "
        "can't be read on this machine: No such file or directory; it is not checked, and must "
        "be there where pyos runs\n"
    )


def test_an_od_config_from_a_pipe_is_read_once(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    line = command("apply", "/dev/stdin", "--kubeconfig", kubeconfig, "--restart", "none")
    text = od_config.read_bytes()
    old, env = cluster.text(), environment()
    done = subprocess.run(
        line, input=text, capture_output=True, env=env, timeout=WAIT, cwd=tmp_path
    )
    assert (done.returncode, cluster.text()) == (0, text.decode())
    assert backup_of(tmp_path).read_text() == old


@pytest.mark.parametrize("broken", [False, True])
def test_it_is_finished_where_nobody_reads_what_it_prints(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path, broken: bool
) -> None:
    old = cluster.text()
    if broken:
        break_pyos(od_config)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    timeout = "1" if broken else WAIT
    options = ["--kubeconfig", kubeconfig, "--timeout", timeout, "--rollback-on-failure"]
    read, write = os.pipe()
    process = subprocess.Popen(
        command("apply", od_config, *options),
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    os.close(write)
    printed = b""
    while b"replaced\n" not in printed:
        part = os.read(read, 1000)
        assert part, process.communicate(timeout=WAIT)
        printed += part
    os.close(read)
    _, err = process.communicate(timeout=WAIT)
    assert process.returncode == int(broken), err
    assert cluster.text() == (old if broken else od_config.read_text())
    assert cluster.writes() == (1 + broken) * ["PUT configmaps", "PATCH deployments"]
    assert b"Traceback" not in err


# the page


def role_hook(refused: List[str]) -> Callable[[Any], None]:
    """Return a hook that allows what the Role of the page allows."""
    rules = role()["rules"]

    def allowed(request: Any, verb: str) -> bool:
        resource = request.resource.plural
        resource += f"/{request.subresource}" if request.subresource else ""
        return any(
            request.resource.group in rule["apiGroups"]
            and resource in rule["resources"]
            and verb in rule["verbs"]
            and request.name in rule.get("resourceNames", [request.name])
            for rule in rules
        )

    def hook(request: Any) -> None:
        verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
        verb = verbs.get(request.method.value, "get" if request.name else "list")
        if not allowed(request, verb):
            refused.append(f"{verb} {request.resource.plural}")
            raise refusal(403, "Forbidden")

    return hook


@pytest.mark.parametrize("mode", ["rollout", "delete"])
@pytest.mark.parametrize("present", [True, False])
def test_the_role_of_the_page_is_enough(
    server: Server, od_config: Path, run: Any, mode: str, present: bool
) -> None:
    refused: List[str] = []
    cluster = server.cluster
    cluster.before = role_hook(refused)
    cluster.add_pyos()
    if present:
        cluster.add_config_map("[global]\n")
    assert run("--dry-run", "--restart", mode)[0] == 0
    text = od_config.read_text()
    break_pyos(od_config)
    options = ["--restart", mode, "--timeout", "1.5", "--rollback-on-failure", "--pod-log"]
    status, _, err = run(*options)
    assert status == 1
    assert "rolled back: pyos is ready" in err
    assert "the last line of its log: started" in err
    od_config.write_text(text)
    assert run("--restart", mode)[0] == 0
    assert refused == []
    assert run("--name", "another")[0] == 3
    assert refused == ["get configmaps"]


def test_the_output_on_the_page_is_real(
    server: Server, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "how-to" / "apply.md").read_text(encoding="utf-8")
    shown = page.split("\n$ abcwebrtc apply od.config\n", 1)[1].split("```", 1)[0]
    text = full_example()
    server.cluster.add_pyos()
    old = text.replace("the-static-auth-secret", "the-oldest-secret").replace("3600", "86400")
    server.cluster.add_config_map(old)
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.chdir(tmp_path)
    Path("od.config").write_text(text)
    assert main(["apply", "od.config"]) == 0
    assert capsys.readouterr().out == shown


# secrets


def test_no_secret_is_in_the_log_of_any_library(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path
) -> None:
    break_pyos(od_config)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    options = ["--kubeconfig", kubeconfig, "--timeout", "3", "--rollback-on-failure"]
    line = command("apply", od_config, *options, before=DEBUG_EVERYTHING)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=WAIT)
    assert done.returncode == 1
    assert "debug logging is on" in done.stderr
    assert "DEBUG:urllib3" in done.stderr
    for secret in (SECRET, OLD_SECRET, TOKEN):
        assert secret not in done.stdout + done.stderr


def test_a_cluster_shows_nothing_in_its_repr() -> None:
    from kubernetes.client import Configuration

    configuration = Configuration()
    configuration.api_key["authorization"] = TOKEN
    assert TOKEN not in repr(kube.Cluster(configuration, NAMESPACE))


def test_kmock_is_what_answers(cluster: Any) -> None:
    assert isinstance(cluster, kmock.KubernetesEmulator)
