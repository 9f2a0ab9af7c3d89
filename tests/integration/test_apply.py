"""``abcwebrtc apply`` with the official client against a Kubernetes API server."""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest
import trustme
import yaml

from conftest import missing, require_program

if sys.version_info < (3, 11):
    missing("kmock, the mock of the Kubernetes API, needs Python 3.11 or later")

import aiohttp.web
import kmock

from abcwebrtc import kube, restart
from abcwebrtc.cli import main
from abcwebrtc.restart import Restart
from integration.cluster import (
    BROKEN,
    CONFIG_MAPS,
    KEY,
    NAME,
    NAMESPACE,
    Server,
    refusal,
    write_kubeconfig,
)
from integration.test_secrets_nowhere import DEBUG_EVERYTHING
from support import ENTRIES, SECRET, WAIT, command, environment, wait_for, write_od_config
from test_apply import PAGE, role
from test_docs import full_example

OLD_SECRET, TOKEN = "the-old-secret-of-coturn", "a-token-of-the-cluster"
NO_ANSWER = "can't reach the cluster at "


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(restart, "INTERVAL", 0.001)
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def cluster(server: Server, tmp_path: Path) -> Any:
    """A cluster with pyos and an od.config of another secret."""
    server.cluster.add_pyos()
    server.cluster.add_config_map(old_text(tmp_path))
    return server.cluster


@pytest.fixture
def od_config(tmp_path: Path) -> Path:
    return write_od_config(tmp_path)


@pytest.fixture
def run(server: Server, tmp_path: Path, od_config: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs the command, and gives its status and what it printed."""
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)

    def call(*options: object) -> Tuple[int, str, str]:
        line = ["apply", od_config, "--kubeconfig", kubeconfig, *options]
        status = main(list(map(str, line)))
        out, err = capsys.readouterr()
        for secret in (SECRET, OLD_SECRET, TOKEN):
            assert secret not in out + err
        return status, out, err

    return call


def old_text(folder: Path) -> str:
    return write_od_config(folder).read_text().replace(SECRET, OLD_SECRET)


def only(method: str, resource: str, act: Callable[..., None], times: int = 1) -> Any:
    """Return a hook that does something at the first requests of a kind, dry runs not counted."""
    left = [times]

    def hook(request: Any) -> None:
        dry = "dryRun" in request.params
        wanted = (request.method.value, request.resource.plural) == (method, resource)
        if wanted and not dry and left[0]:
            left[0] -= 1
            act(request)

    return hook


def after_restart(cluster: Any, hook: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a hook that does something only when pyos is restarted already."""

    def act(request: Any) -> None:
        if "PATCH deployments" in cluster.writes():
            hook(request)

    return act


def fail(*arguments: Any) -> Callable[[Any], None]:
    def act(request: Any) -> None:
        raise refusal(*arguments)

    return act


def break_pyos(od_config: Path) -> None:
    """Make the od.config one that pyos does not start with."""
    od_config.write_text(f"{od_config.read_text()}# {BROKEN}\n")


def kubectl(arguments: List[str], folder: Path, text: str = "") -> str:
    """Run the real kubectl, and return what it prints."""
    program = require_program("kubectl", "kubernetes-client")
    env = {**os.environ, "HOME": str(folder)}
    line = [program, *arguments]
    done = subprocess.run(line, input=text, capture_output=True, text=True, env=env, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    return done.stdout


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
    status, out, err = run()
    assert (status, cluster.text()) == (0, od_config.read_text())
    assert cluster.writes() == ["PUT configmaps", "PATCH deployments"]
    assert len(cluster.pods()) == 1
    assert not before & {pod["metadata"]["uid"] for pod in cluster.pods()}
    lines = out.splitlines()
    assert lines[0] == f"ConfigMap {NAME} in namespace {NAMESPACE}: {KEY} changes"
    assert lines[-3:] == [f"ConfigMap {NAME} replaced", "pyos restarted (rollout)", "pyos is ready"]
    changed = [line for line in lines[1:-3] if line[0] in "+-" and "coturn" in line]
    assert [line[0] for line in changed] == ["-", "+"]
    assert "'coturn_static_auth_secret': '***1'" in changed[0]
    assert "'coturn_static_auth_secret': '***2'" in changed[1]
    assert err.splitlines() == [
        "note: whoever may read the ConfigMap can read the static auth secret in it; "
        "coturn_static_auth_secret_file keeps it in a Secret",
        "waiting for the rollout to begin",
        "0 of 1 new pods are made",
        "1 of 1 new pods are ready, 1 old to end",
        "1 of 1 new pods are ready",
    ]


def test_everything_else_in_the_configmap_is_kept(
    server: Server, od_config: Path, run: Any
) -> None:
    server.cluster.add_pyos()
    metadata = {"name": NAME, "labels": {"a": "b"}, "annotations": {"c": "d"}}
    binary = {"logo": "AAAA", KEY: "AAAA"}
    unknown = {"newInKubernetes2": {"x": 1}}
    data = {"other": "kept"}
    server.cluster.add_config_map("", metadata=metadata, data=data, binaryData=binary, **unknown)
    assert run()[0] == 0
    made = server.cluster.config_map()
    assert made["data"] == {"other": "kept", KEY: od_config.read_text()}
    assert made["binaryData"] == {"logo": "AAAA"}
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
    assert out == f"ConfigMap {NAME} in namespace {NAMESPACE}: {KEY} is the same already\n"


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
        "only the ends of lines differ",
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
    assert err.splitlines()[-1] == f"{replicas} of {replicas} new pods are ready"
    assert err.splitlines()[1] == f"0 of {replicas} new pods are ready"
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
    time_of = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
    assert time_of.sub("TIME", json.dumps(sent)) == time_of.sub("TIME", json.dumps(theirs))
    assert "TIME" in time_of.sub("TIME", json.dumps(sent))
    assert list(made) == ["kubectl.kubernetes.io/restartedAt"]


def is_patch(request: Any) -> bool:
    return request.method.value == "PATCH" and "dryRun" not in request.params


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
    assert err == (
        f"{od_config}:4: warning: webrtc.coturn.coturn_static_auth_secret_file: names a secret "
        "that can't be read here; it has to be there where pyos runs\n"
    )


def test_an_od_config_from_a_pipe_is_read_once(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    line = command("apply", "/dev/stdin", "--kubeconfig", kubeconfig, "--restart", "none")
    text = od_config.read_bytes()
    done = subprocess.run(line, input=text, capture_output=True, env=environment(), timeout=WAIT)
    assert (done.returncode, cluster.text()) == (0, text.decode())


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


# conflicts


def test_a_conflict_is_retried_and_the_change_of_the_other_kept(
    cluster: Any, od_config: Path, run: Any
) -> None:
    def change(request: Any) -> None:
        cluster.add_config_map(old, data={KEY: old, "other": "changed"})

    old = cluster.text()
    cluster.before = only("PUT", "configmaps", change, times=2)
    assert run()[0] == 0
    assert cluster.config_map()["data"] == {KEY: od_config.read_text(), "other": "changed"}
    assert cluster.writes() == 3 * ["PUT configmaps"] + ["PATCH deployments"]


def test_an_od_config_that_another_has_changed_is_not_overwritten(cluster: Any, run: Any) -> None:
    def change(request: Any) -> None:
        cluster.add_config_map("[global]\n")

    cluster.before = only("PUT", "configmaps", change)
    status, _, err = run("--rollback-on-failure")
    assert (status, cluster.text()) == (1, "[global]\n")
    assert f"error: somebody else has changed {KEY} in the ConfigMap {NAME} just now; " in err
    assert err.endswith("failed; until then: nothing was changed\n")


def test_a_conflict_without_an_end_is_an_error(cluster: Any, run: Any) -> None:
    cluster.before = only("PUT", "configmaps", fail(409, "Conflict"), times=99)
    status, _, err = run()
    assert status == 1
    assert cluster.writes() == 5 * ["PUT configmaps"]
    assert f"error: can't update ConfigMap {NAME} in namespace {NAMESPACE} (409): " in err


def test_a_configmap_that_appears_meanwhile_is_replaced(
    server: Server, od_config: Path, run: Any
) -> None:
    cluster = server.cluster
    cluster.add_pyos()
    text = od_config.read_text()
    act = lambda request: cluster.add_config_map(text)  # noqa: E731
    cluster.before = only("POST", "configmaps", act)
    assert run()[0] == 0
    assert cluster.config_map()["data"] == {KEY: text, "other": "kept"}


# what a cluster refuses

RULES = [
    ("GET", "configmaps", "get", "rollout", []),
    ("PUT", "configmaps", "update", "rollout", []),
    ("POST", "configmaps", "create", "rollout", []),
    ("PATCH", "deployments", "patch", "rollout", []),
    ("GET", "deployments", "get", "rollout", []),
    ("GET", "pods", "list", "delete", []),
    ("DELETE", "pods", "delete", "delete", []),
]


@pytest.mark.parametrize(("method", "resource", "verb", "mode", "done"), RULES)
def test_a_missing_permission_is_named_with_the_rule_that_gives_it(
    cluster: Any,
    run: Any,
    method: str,
    resource: str,
    verb: str,
    mode: str,
    done: List[str],
) -> None:
    def hook(request: Any) -> None:
        if (request.method.value, request.resource.plural) == (method, resource):
            raise refusal(403, "Forbidden", f"User cannot, because of {SECRET}")

    if method == "POST":
        cluster.objects[CONFIG_MAPS, NAMESPACE, NAME].delete()
    cluster.before = hook
    status, _, err = run("--restart", mode)
    lines = err.splitlines()
    message = next(line for line in lines if line.startswith("error: "))
    group = "apps" if resource == "deployments" else ""
    assert status == 1
    assert message.startswith(f"error: you are not allowed to {verb} ")
    assert message.endswith(
        f'(403); a Role needs the rule apiGroups: ["{group}"], resources: ["{resource}"], '
        f'verbs: ["{verb}"]'
    )
    assert [line for line in cluster.writes() if line != f"{method} {resource}"] == done
    assert ("to go back: " in err) == bool(done)


def test_what_rollout_needs_is_not_the_pods(cluster: Any, run: Any) -> None:
    """Pods are looked at to say more of a failure, and no failure of their own."""
    cluster.before = only("GET", "pods", fail(403), times=99)
    assert run()[0] == 0


SERVER_ERRORS = [
    (401, "Unauthorized", {}, "does not accept your credentials (401): log in again"),
    (404, "NotFound", {"kind": "namespaces"}, "there is no namespace abcdesktop; create it"),
    (413, "RequestEntityTooLarge", {}, "(413): it is too large"),
    (422, "Invalid", {"causes": [{"field": "data[od.config]", "message": SECRET}]},
     "(422): the cluster refuses its data[od.config]\n"),
    (422, "Invalid", {"causes": [{"field": f"x {SECRET}"}]}, "(422): the cluster refuses what it"),
    (429, "TooManyRequests", {}, "the API server answers 429 TooManyRequests\n"),
    (500, f"x {SECRET}", {}, "the API server answers 500\n"),
    (503, "ServiceUnavailable", {}, "the API server answers 503 ServiceUnavailable\n"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "reason", "details", "message"), SERVER_ERRORS)
def test_what_the_server_answers_becomes_one_clear_line_without_values(
    server: Server, run: Any, status: int, reason: str, details: Any, message: str
) -> None:
    server.cluster.add_pyos()
    text = f"it is wrong: {SECRET}"
    server.cluster.before = only("POST", "configmaps", fail(status, reason, text, details))
    result, _, err = run("--restart", "none")
    assert result == 1
    assert sum(line.startswith("error: ") for line in err.splitlines()) == 1
    assert message in err
    unknown = status >= 429 and status != 422
    done = "the ConfigMap abcdesktop-config may have been written, or may not"
    assert f"failed; until then: {done if unknown else 'nothing was changed'}\n" in err
    assert ("to go back: kubectl delete configmap" in err) == unknown


STRANGE = [b"<html>", b"[]", b'"x"', b"\xff", b"[" * 100_000, b"{}", b'{"metadata": {}}']
STRANGE += [b'{"metadata": 1}', b'{"metadata": {"name": "x"}, "data": 1}']


@pytest.mark.parametrize("body", STRANGE)
@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_that_is_no_object_is_an_error(
    cluster: Any, run: Any, body: bytes, status: int
) -> None:
    async def handle(request: Any) -> Any:
        return aiohttp.web.Response(body=body, status=status)

    object.__setattr__(cluster, "_handle", handle)
    result, _, err = run()
    assert result == 1
    assert re.fullmatch(
        r"note: .*\nerror: http://127.* does not answer as a Kubernetes API server does\n", err
    )


def test_a_redirect_is_not_followed(cluster: Any, run: Any) -> None:
    """It would take the token along."""
    cluster.before = only("GET", "configmaps", fail(302, "Found"))
    status, _, err = run()
    assert status == 1
    assert "the API server answers 302 Found" in err
    assert len(cluster.seen) == 1


@pytest.mark.parametrize("mode", ["rollout", "delete"])
def test_a_webhook_that_can_not_try_is_no_obstacle(cluster: Any, run: Any, mode: str) -> None:
    def hook(request: Any) -> None:
        if "dryRun" in request.params:
            raise refusal(400, "BadRequest", "admission webhook does not support dry run")

    cluster.before = hook
    status, out, _ = run("--restart", mode)
    assert status == 0
    assert out.endswith("pyos is ready\n")


def test_an_immutable_configmap_is_not_tried(cluster: Any, run: Any, tmp_path: Path) -> None:
    cluster.add_config_map("[global]\n", immutable=True)
    status, _, err = run()
    assert (status, cluster.writes()) == (1, [])
    assert "is immutable; delete it, and apply again" in err
    assert err.endswith("failed; until then: nothing was changed\n")
    assert not list(tmp_path.glob("*.bak"))


def test_a_paused_deployment_is_not_restarted(cluster: Any, run: Any) -> None:
    cluster.deployment()["spec"]["paused"] = True
    status, _, err = run()
    assert (status, cluster.writes()) == (1, [])
    assert "the Deployment pyos-od is paused; kubectl rollout resume deployment pyos-od" in err


def test_a_pyos_that_is_scaled_to_nothing_is_not_said_to_be_ready(server: Server, run: Any) -> None:
    server.cluster.add_pyos(replicas=0)
    server.cluster.add_config_map("[global]\n")
    status, _, err = run()
    assert (status, server.cluster.writes()) == (1, [])
    assert err.endswith(
        "error: the Deployment pyos-od has 0 replicas, so nothing would start; "
        f"kubectl -n {NAMESPACE} scale deployment pyos-od --replicas=1 changes that, "
        "or choose --restart none\n"
    )
    assert run("--restart", "none")[0] == 0


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        (
            "rollout",
            f"there is no Deployment pyos-od in namespace {NAMESPACE} (404); choose another "
            "--namespace, or --restart none, and restart pyos yourself\n",
        ),
        ("delete", f"there is no pod run=pyos-od in namespace {NAMESPACE} to restart; "),
    ],
)
def test_without_pyos_nothing_is_written(server: Server, run: Any, mode: str, message: str) -> None:
    status, _, err = run("--restart", mode)
    assert (status, server.cluster.writes()) == (1, [])
    assert message in err
    assert run("--restart", "none")[0] == 0
    assert server.cluster.writes() == ["POST configmaps"]


# pods that never get ready


def way_back(err: str) -> List[str]:
    """Return the command that goes back, as a shell reads it."""
    (line,) = [line for line in err.splitlines() if line.startswith("to go back: ")]
    return shlex.split(line.partition(": ")[2])


def backup_of(folder: Path) -> Path:
    (found,) = folder.glob("*.bak")
    return found


@pytest.mark.parametrize("mode", ["rollout", "delete"])
def test_pods_that_never_get_ready(
    cluster: Any, od_config: Path, run: Any, mode: str, tmp_path: Path
) -> None:
    old = cluster.text()
    break_pyos(od_config)
    cluster.log = f"starting\nConfig error, value: {{ 'x': '{SECRET}' }}\n\n"
    status, out, err = run("--restart", mode, "--timeout", "1.5")
    assert status == 1
    assert cluster.text() == od_config.read_text()
    assert f"pyos restarted ({mode})" in out
    assert "pyos is ready" not in out
    lines = err.splitlines()
    error = next(line for line in lines if line.startswith("error: "))
    assert re.fullmatch(
        r"error: pyos is not ready after 1\.5 s: .*; pod pyos-od-\d+: CrashLoopBackOff, "
        "its container pyos ended with 3",
        error,
    )
    number = lines.index(error)
    assert lines[number + 1].startswith("the last line that it has logged: Config error, value: {")
    assert lines[number + 2] == (
        f"failed; until then: ConfigMap {NAME} replaced; pyos restarted ({mode})"
    )
    backup = backup_of(tmp_path)
    assert backup.read_text() == old
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert lines[number + 3].startswith(f"to go back: abcwebrtc apply {backup} --restart {mode} ")


def test_what_pyos_logs_can_not_send_commands_to_the_terminal(
    cluster: Any, od_config: Path, run: Any
) -> None:
    """Who logs in can have pyos log almost anything, and another may have written the old text."""
    cluster.add_config_map("[global]\n# \x1b[2Jgone\x9b1A\n")
    cluster.log = "login of \x1b[1A\x1b[Kpyos is ready\n"
    break_pyos(od_config)
    _, out, err = run("--timeout", "0.1")
    assert r"-# \x1b[2Jgone\x9b1A" in out.splitlines()
    line = r"the last line that it has logged: login of \x1b[1A\x1b[Kpyos is ready"
    assert line in err.split("\n")


def test_the_way_back_works(cluster: Any, od_config: Path, run: Any, tmp_path: Path) -> None:
    old = cluster.text()
    break_pyos(od_config)
    _, _, err = run("--timeout", "0.1")
    words = way_back(err)
    assert words[0] == "abcwebrtc"
    assert main(words[1:]) == 0
    assert cluster.text() == old


def test_every_way_back_has_a_file_of_its_own(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path
) -> None:
    version = cluster.config_map()["metadata"]["resourceVersion"]
    theirs = tmp_path / f"od.config.{version}.bak"
    theirs.write_text("of another cluster")
    break_pyos(od_config)
    _, _, err = run("--timeout", "0")
    assert theirs.read_text() == "of another cluster"
    assert f"apply {tmp_path}/od.config.{version}.2.bak " in err


def test_where_the_folder_is_full_the_way_back_is_a_temporary_file(
    cluster: Any, od_config: Path, run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = cluster.text()
    break_pyos(od_config)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    real_open = os.open

    def full(path: Any, *arguments: Any, **options: Any) -> int:
        descriptor = real_open(path, *arguments, **options)
        if not str(path).endswith(".bak") or Path(path).parent != tmp_path:
            return descriptor
        os.close(descriptor)
        return real_open("/dev/full", os.O_WRONLY)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        _, _, err = run("--timeout", "0")
    assert not list(tmp_path.glob("*.bak"))
    backup = backup_of(tmp_path / "temporary")
    assert (backup.read_text(), stat.S_IMODE(backup.stat().st_mode)) == (old, 0o600)
    assert way_back(err)[2] == str(backup)


def test_a_way_back_that_can_not_be_saved_is_said(
    cluster: Any, od_config: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_pyos(od_config)

    def full(*arguments: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        status, _, err = run("--timeout", "0")
    assert status == 1
    assert "to go back" not in err
    assert re.search(r"can't be saved as .*\.bak: No space left on device\n$", err)


@pytest.mark.parametrize("mode", ["rollout", "delete"])
def test_rollback_on_failure(
    cluster: Any, od_config: Path, run: Any, mode: str, tmp_path: Path
) -> None:
    before = copy.deepcopy(cluster.config_map())
    break_pyos(od_config)
    status, _, err = run("--restart", mode, "--timeout", "1.5", "--rollback-on-failure")
    assert status == 1
    after = cluster.config_map()
    assert after["data"] == before["data"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert all(pod["status"]["conditions"][0]["status"] == "True" for pod in cluster.pods())
    restarted = {"rollout": "PATCH deployments", "delete": "DELETE pods"}[mode]
    assert cluster.writes() == 2 * ["PUT configmaps", restarted]
    assert f"rolled back: ConfigMap {NAME} put back\n" in err
    assert err.endswith("rolled back: pyos is ready, with the old od.config\n")
    assert not list(tmp_path.glob("*.bak"))


def test_rollback_deletes_what_was_created(server: Server, od_config: Path, run: Any) -> None:
    server.cluster.add_pyos()
    break_pyos(od_config)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert (status, server.cluster.config_map()) == (1, None)
    assert f"rolled back: ConfigMap {NAME} deleted\n" in err


def test_what_was_created_can_be_deleted(server: Server, od_config: Path, run: Any) -> None:
    server.cluster.add_pyos()
    break_pyos(od_config)
    _, _, err = run("--timeout", "0.1")
    words = way_back(err)
    assert words[:4] == ["kubectl", "delete", "configmap", NAME]
    kubectl(words[1:], od_config.parent)
    assert server.cluster.config_map() is None


def test_a_key_that_was_added_can_be_removed(server: Server, od_config: Path, run: Any) -> None:
    server.cluster.add_pyos()
    server.cluster.add_config_map("", data={"other": "x"})
    break_pyos(od_config)
    _, _, err = run("--timeout", "0.1")
    words = way_back(err)
    assert words[:5] == ["kubectl", "patch", "configmap", NAME, "--type=json"]
    kubectl(words[1:], od_config.parent)
    assert server.cluster.config_map()["data"] == {"other": "x"}


def test_rollback_leaves_alone_what_another_has_written_since(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path
) -> None:
    old = cluster.text()
    break_pyos(od_config)
    theirs = f"[global]\n# {BROKEN}, too\n"
    act = lambda request: cluster.add_config_map(theirs)  # noqa: E731
    cluster.before = only("PATCH", "deployments", act)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert (status, cluster.text()) == (1, theirs)
    assert f"can't update ConfigMap {NAME} in namespace {NAMESPACE} (409): it has changed" in err
    assert "rolled back" not in err
    assert backup_of(tmp_path).read_text() == old


def test_a_rollback_of_a_restart_that_was_refused_restarts_nothing(
    cluster: Any, run: Any, tmp_path: Path
) -> None:
    old = cluster.text()
    cluster.before = only("PATCH", "deployments", fail(403), times=99)
    status, _, err = run("--rollback-on-failure")
    assert (status, cluster.text()) == (1, old)
    assert err.endswith(f"rolled back: ConfigMap {NAME} put back\n")
    assert cluster.writes() == ["PUT configmaps", "PATCH deployments", "PUT configmaps"]


def test_a_restart_that_stops_half_way_is_said_and_undone(
    server: Server, od_config: Path, run: Any, tmp_path: Path
) -> None:
    server.cluster.add_pyos(2)
    server.cluster.add_config_map("[global]\n")
    fails = fail(500, "InternalError")
    seen: List[Any] = []

    def second(request: Any) -> None:
        seen.append(request)
        if len(seen) == 2:
            fails(request)

    server.cluster.before = only("DELETE", "pods", second, times=2)
    status, _, err = run("--restart", "delete", "--rollback-on-failure")
    assert (status, server.cluster.text()) == (1, "[global]\n")
    assert (
        f"failed; until then: ConfigMap {NAME} replaced; "
        "some pods of pyos may have been restarted\n"
    ) in err
    assert err.endswith("rolled back: pyos is ready, with the old od.config\n")
    assert server.cluster.writes().count("DELETE pods") == 4


def test_a_rollback_that_fails_is_said(cluster: Any, od_config: Path, run: Any) -> None:
    old = cluster.text()
    break_pyos(od_config)

    def hook(request: Any) -> None:
        if cluster.writes().count("PATCH deployments") == 2:
            raise refusal(403, "Forbidden")

    cluster.before = hook
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert (status, cluster.text()) == (1, old)
    assert err.splitlines()[-2] == f"rolled back: ConfigMap {NAME} put back"
    assert err.splitlines()[-1].startswith("error: you are not allowed to patch Deployment")


@pytest.mark.parametrize("restarts", [0, 1])
def test_ctrl_c_in_a_rollback_says_how_to_go_on(
    cluster: Any,
    od_config: Path,
    run: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    restarts: int,
) -> None:
    old = cluster.text()
    break_pyos(od_config)
    name = ["put_back", "Restart.start"][restarts]

    def interrupt(*arguments: Any) -> None:
        if restarts == 0 or cluster.text() == old:
            raise KeyboardInterrupt
        real(*arguments)

    real = Restart.start
    monkeypatch.setattr(f"abcwebrtc.commands.apply.{name}", interrupt)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert status == 130
    if restarts:
        assert not list(tmp_path.glob("*.bak"))
        assert "interrupted; pyos may not be restarted with the old od.config\n" in err
        words = way_back(err)
        assert words[:5] == ["kubectl", "rollout", "restart", "deployment", "pyos-od"]
        kubectl(words[1:], tmp_path)
        assert cluster.writes().count("PATCH deployments") == 2
    else:
        assert backup_of(tmp_path).read_text() == old
        assert "interrupted; the ConfigMap may be the old one, or the new one\n" in err
        assert way_back(err)[:2] == ["abcwebrtc", "apply"]


def test_a_deployment_that_goes_away_ends_the_waiting(cluster: Any, run: Any) -> None:
    def delete(request: Any) -> None:
        cluster.objects["apps/v1/deployments", NAMESPACE, "pyos-od"].delete()

    cluster.before = after_restart(cluster, only("GET", "deployments", delete))
    status, _, err = run()
    assert status == 1
    assert "error: the Deployment pyos-od was deleted meanwhile\n" in err


def test_a_progress_deadline_ends_the_waiting(cluster: Any, run: Any) -> None:
    def exceed(request: Any) -> None:
        deployment = cluster.deployment()
        if deployment["status"]["updatedReplicas"] == 0:
            reason = {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}
            deployment["status"]["conditions"] = [reason]

    cluster.before = exceed
    status, _, err = run()
    assert status == 1
    assert "error: pyos did not get ready within its progressDeadlineSeconds" in err


def test_a_hiccup_of_the_server_does_not_end_the_waiting(cluster: Any, run: Any) -> None:
    fails = only("GET", "deployments", fail(503, "ServiceUnavailable"), times=3)
    cluster.before = after_restart(cluster, fails)
    status, out, err = run()
    assert status == 0
    assert out.endswith("pyos is ready\n")
    assert "can't get Deployment pyos-od in namespace abcdesktop: the API server answers" in err


def test_on_a_terminal_progress_stays_in_one_line(
    cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    status, _, err = run()
    assert status == 0
    (line,) = [line for line in err.split("\n") if "new pods" in line]
    assert line.split("\r\033[K")[-1] == "1 of 1 new pods are ready"


# Ctrl-C, and other signals

SIGNALS = [(True, "SIGINT"), (False, "SIGINT"), (True, "SIGTERM"), (True, "SIGHUP")]


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """Let processes heed Ctrl-C, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_ctrl_c")
@pytest.mark.parametrize(("replaced", "name"), SIGNALS)
def test_ctrl_c_says_what_was_done(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path, replaced: bool, name: str
) -> None:
    """As do the end of a CI job, and of the connection to this machine."""
    old = cluster.text()
    break_pyos(od_config)
    if not replaced:
        cluster.before = only("PUT", "configmaps", lambda request: time.sleep(3))
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), text=True
    )
    last = "PATCH deployments" if replaced else "PUT configmaps"
    wait_for(lambda: last in cluster.writes() or process.poll() is not None)
    time.sleep(0.2)  # so that it waits for the answer, or for pods
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=WAIT)
    assert process.returncode == 130
    done = (
        f"ConfigMap {NAME} replaced; pyos restarted (rollout)"
        if replaced
        else f"the ConfigMap {NAME} may have been written, or may not"
    )
    assert f"interrupted; until then: {done}\n" in err
    assert "Traceback" not in err
    assert backup_of(tmp_path).read_text() == old


# the cluster, and how it is found


def header(request: Any, name: str) -> str:
    (value,) = [request.headers[key] for key in request.headers if key.lower() == name]
    return str(value)


def test_kubeconfig_comes_from_the_environment(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several files the first that is there counts, and files that are missing don't."""
    file = write_kubeconfig(tmp_path / "mine", server.url)
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing:{file}")
    assert main(["apply", str(od_config), "--restart", "none"]) == 0
    assert cluster.text() == od_config.read_text()


def test_the_context_chooses(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = write_kubeconfig(tmp_path / "wrong", "http://127.0.0.1:1")
    both = yaml.safe_load(wrong.read_text())
    both["contexts"].append({"name": "right", "context": {"cluster": "right", "user": "u"}})
    both["clusters"].append({"name": "right", "cluster": {"server": server.url}})
    wrong.write_text(yaml.safe_dump(both))
    line = ["apply", str(od_config), "--kubeconfig", str(wrong), "--restart", "none"]
    assert main(line) == 1
    assert main([*line, "--context", "right"]) == 0
    assert cluster.text() == od_config.read_text()


def test_the_token_goes_to_the_server(cluster: Any, run: Any) -> None:
    assert run("--restart", "none")[0] == 0
    assert {header(request, "authorization") for request in cluster.seen} == {f"Bearer {TOKEN}"}


def test_the_namespace_is_the_one_that_is_asked_for(cluster: Any, run: Any) -> None:
    status, _, err = run("--namespace", "another")
    assert status == 1
    assert "there is no Deployment pyos-od in namespace another (404)" in err
    assert {request.namespace for request in cluster.seen} == {"another"}


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tuple[Server, trustme.CA]]:
    monkeypatch.setattr(restart, "INTERVAL", 0.001)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = Server(context)
    yield server, authority
    server.stop()


def test_tls_with_the_authority_of_the_kubeconfig(
    tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path
) -> None:
    server, authority = tls
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    options = {"certificate-authority": str(tmp_path / "ca.pem")}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, **options)
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert server.cluster.text() == od_config.read_text()


def test_insecure_skip_tls_verify_is_heeded_without_a_warning(
    tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path, capfd: Any
) -> None:
    options = {"insecure-skip-tls-verify": True}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", tls[0].url, **options)
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert "arning" not in capfd.readouterr().err


def test_in_a_pod_the_service_account_is_used(
    tls: Tuple[Server, trustme.CA],
    od_config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kubernetes.config import incluster_config

    server, authority = tls
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main(["apply", str(od_config), "--restart", "none"]) == 0
    assert server.cluster.text() == od_config.read_text()
    assert header(server.cluster.seen[0], "authorization").lower() == f"bearer {TOKEN}"


def test_a_pod_without_a_service_account_is_one_error(
    od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main(["apply", str(od_config)]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        "error: can't use the service account of this pod: Service token file does not exist."
    ]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def bad_kubeconfigs(folder: Path, tls_url: str) -> Dict[str, Tuple[Any, str]]:
    """Return kubeconfigs with what the error has to say of each."""
    good = yaml.safe_load(write_kubeconfig(folder / "k", tls_url).read_text())
    refused = f"http://127.0.0.1:{closed_port()}"

    def server(url: str) -> Any:
        changed = copy.deepcopy(good)
        changed["clusters"][0]["cluster"]["server"] = url
        return changed

    def user(**content: Any) -> Any:
        return {**good, "users": [{"name": "u", "user": content}]}

    unusable = f"can't use the kubeconfig {folder}/bad: "
    return {
        "refused": (server(refused), f"{NO_ANSWER}{refused}: connection refused; is it running"),
        "name": (server("http://nowhere.invalid"), f"{NO_ANSWER}http://nowhere.invalid: "),
        "password": (
            server(refused.replace("//", f"//me:{SECRET}@")),
            f"{NO_ANSWER}{refused}: connection refused",
        ),
        "url": (server("http://[::1"), ""),
        "tls": (good, f"{NO_ANSWER}{tls_url}: TLS failed: "),
        "no tls": (server(tls_url.replace("https", "http")), ""),
        "empty": ("", unusable),
        "no yaml": (f"users: [\n{SECRET}: {{", f"{unusable}it is not valid ("),
        "a text": (SECRET, unusable),
        "a list": ([SECRET], unusable),
        "certificate": (user(**{"client-certificate-data": SECRET}), unusable),
        "no file": (user(**{"client-certificate": "/nowhere", "client-key": "/nowhere"}), unusable),
        "no user": ({**good, "users": []}, ""),
        "no clusters": ({**good, "clusters": None}, unusable),
        "no context": ({**good, "contexts": []}, unusable),
    }


@pytest.mark.parametrize("name", sorted(bad_kubeconfigs(Path("/tmp"), "https://127.0.0.1")))
def test_a_kubeconfig_that_leads_nowhere_is_one_error(
    name: str, tls: Tuple[Server, trustme.CA], od_config: Path, tmp_path: Path, capsys: Any
) -> None:
    content, message = bad_kubeconfigs(tmp_path, tls[0].url)[name]
    file = tmp_path / "bad"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    assert main(["apply", str(od_config), "--kubeconfig", str(file)]) == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 2, err
    assert lines[1].startswith("error: " + message)
    assert SECRET not in err


def test_a_plugin_gives_the_token(
    server: Server, od_config: Path, tmp_path: Path, capfd: Any
) -> None:
    """As those of the large clouds do."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    text = json.dumps({**answer, "status": {"token": TOKEN}})
    plugin = {"apiVersion": answer["apiVersion"], "command": "echo", "args": [text]}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    content = yaml.safe_load(kubeconfig.read_text())
    content["users"] = [{"name": "u", "user": {"exec": {**plugin, "interactiveMode": "Never"}}}]
    kubeconfig.write_text(yaml.safe_dump(content))
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert header(server.cluster.seen[0], "authorization") == f"Bearer {TOKEN}"
    assert TOKEN not in "".join(capfd.readouterr())


PLUGINS = {
    "exit status": ("sh", ["-c", f"echo {SECRET} >&2; exit 3"], "exec: process returned 3; "),
    "not there": ("/nowhere/plugin", [], "No such file or directory; "),
    "no JSON": ("echo", [SECRET], "it gives no credentials; "),
    "no token": (
        "echo",
        ['{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}'],
        "it gives no credentials; ",
    ),
}


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_fails_is_the_error(
    server: Server, od_config: Path, tmp_path: Path, name: str
) -> None:
    """Without credentials, the server would only say that nobody in particular may do nothing."""
    program, arguments, message = PLUGINS[name]
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": program}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    content = yaml.safe_load(kubeconfig.read_text())
    plugin.update(args=arguments, interactiveMode="Never")
    content["users"] = [{"name": "u", "user": {"exec": plugin}}]
    kubeconfig.write_text(yaml.safe_dump(content))
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=WAIT)
    assert (done.returncode, server.cluster.seen) == (1, [])
    assert done.stderr.splitlines()[1:] == [
        f"error: can't use the kubeconfig {kubeconfig}: its plugin for credentials failed: "
        f"{message}kubectl --kubeconfig {kubeconfig} get pods says more"
    ]


def test_a_plugin_that_fails_later_on_is_waited_for(
    cluster: Any, od_config: Path, tmp_path: Path, server: Server
) -> None:
    """Its token ends while pyos is waited for, and it can't get another one yet."""
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    status = {"token": TOKEN, "expirationTimestamp": "2020-01-01T00:00:00Z"}
    (tmp_path / "answer").write_text(json.dumps({**answer, "status": status}))
    script = f"cd {tmp_path}; rm fail 2>/dev/null && echo {SECRET} >&2 && exit 3; cat answer"
    cluster.before = only("PATCH", "deployments", lambda _: (tmp_path / "fail").touch())
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    content = yaml.safe_load(kubeconfig.read_text())
    plugin = {"apiVersion": answer["apiVersion"], "command": "sh", "args": ["-c", script]}
    content["users"] = [{"name": "u", "user": {"exec": {**plugin, "interactiveMode": "Never"}}}]
    kubeconfig.write_text(yaml.safe_dump(content))
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=WAIT)
    assert done.returncode == 0, done.stderr
    assert f"the credentials for {server.url} can't be renewed: exec: process returned 3\n" in (
        done.stderr
    )
    assert SECRET not in done.stderr


def test_a_context_that_is_not_there_is_named(run: Any, cluster: Any) -> None:
    status, _, err = run("--context", "production")
    assert status == 1
    assert "error: can't use the kubeconfig " in err
    assert err.endswith(": it has no context production\n")


@pytest.mark.parametrize("options", [[], ["--context", "x"]])
def test_no_kubeconfig_is_one_error(
    od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, options: Any
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
    assert main(["apply", str(od_config), *options]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == [
        f"error: there is no kubeconfig {tmp_path}/missing; name one with --kubeconfig or "
        "KUBECONFIG, or run this in a pod with a service account"
    ]


def test_a_server_that_does_not_answer(
    cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "REQUEST_TIMEOUT", 0.2)
    cluster.before = only("GET", "configmaps", lambda request: time.sleep(1))
    status, _, err = run()
    assert status == 1
    assert re.search(r"error: can't reach the cluster at http://127.*: there was no answer", err)


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
    options = ["--restart", mode, "--timeout", "1.5", "--rollback-on-failure"]
    status, _, err = run(*options)
    assert status == 1
    assert "rolled back: pyos is ready" in err
    assert "the last line that it has logged: started" in err
    od_config.write_text(text)
    assert run("--restart", mode)[0] == 0
    assert refused == []
    assert run("--name", "another")[0] == 1
    assert refused == ["get configmaps"]


def test_the_output_on_the_page_is_real(
    server: Server, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    text = full_example()
    server.cluster.add_pyos()
    server.cluster.add_config_map(text.replace("the-static-auth-secret", "the-oldest-secret"))
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
