"""``abcwebrtc apply`` with -o json, -q, -v, and an od.config from a pipe."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
import yaml

from abcwebrtc.cluster import api as kube
from integration.apply.conftest import backup_of, break_pyos, fail, is_waiting, only, way_back
from integration.cluster import Server
from integration.kubeconfig import KEY, NAME, NAMESPACE, TOKEN, write_kubeconfig
from support import SECRET, WAIT, command, environment, wait_for

KEYS = ["ok", "dry_run", "context", "namespace", "configmap", "key", "written", "difference"]
KEYS += ["restart", "ready", "backup", "way_back", "errors", "warnings", "notes"]


@pytest.fixture
def data(run: Any) -> Any:
    """Return a function that runs the command with --json, and gives its status, data, stderr."""

    def call(*options: object) -> Tuple[int, Dict[str, Any], str]:
        status, out, err = run(*options, "--json")
        found = json.loads(out)
        assert list(found) == KEYS
        assert found["ok"] == (status == 0)
        return status, found, err

    return call


def messages(found: Dict[str, Any], level: str) -> List[str]:
    return [one["message"] for one in found[level]]


def test_what_was_done_is_data(cluster: Any, data: Any, tmp_path: Path) -> None:
    status, found, err = data()
    assert (status, cluster.writes()) == (0, ["PUT configmaps", "PATCH deployments"])
    assert found["context"] == "test"
    assert (found["namespace"], found["configmap"], found["key"]) == (NAMESPACE, NAME, KEY)
    assert (found["dry_run"], found["written"], found["restart"]) == (False, "replaced", "rollout")
    assert (found["ready"], found["backup"], found["way_back"]) == (True, None, None)
    assert found["difference"] == [" webrtc.coturn.coturn_static_auth_secret: (changed)"]
    assert len(found["notes"]) == 1
    assert not found["warnings"]
    saved, back, *progress, removed = err.splitlines()
    assert saved.startswith("the od.config of the cluster is saved in ")
    assert back.startswith("to go back: abcwebrtc apply ")
    assert "1 of 1 new pods are ready" in progress
    assert removed.endswith(" is removed: pyos is ready with the new one")


def test_yaml_is_the_same_data(cluster: Any, run: Any) -> None:
    options = ("--dry-run", "-o")
    assert yaml.safe_load(run(*options, "yaml")[1]) == json.loads(run(*options, "json")[1])


def test_a_dry_run_says_what_would_be_written(cluster: Any, data: Any) -> None:
    _, found, err = data("--dry-run")
    assert (found["dry_run"], found["written"], found["ready"]) == (True, "replaced", None)
    assert (found["way_back"], err, cluster.writes()) == (None, "", [])


def test_a_new_one_is_created(server: Server, data: Any) -> None:
    server.cluster.add_pyos()
    _, found, _ = data()
    assert (found["written"], found["backup"]) == ("created", None)
    assert found["way_back"].startswith(f"kubectl delete configmap {NAME} -n {NAMESPACE} ")


def test_nothing_to_do_is_unchanged(cluster: Any, od_config: Path, data: Any) -> None:
    cluster.add_config_map(od_config.read_text())
    _, found, err = data()
    assert (found["written"], found["restart"], found["difference"]) == ("unchanged", "none", [])
    assert (found["ready"], err) == (None, "")


def test_without_a_restart_the_way_back_is_there(cluster: Any, data: Any, tmp_path: Path) -> None:
    _, found, err = data("--restart", "none")
    assert (found["ready"], found["backup"]) == (None, str(backup_of(tmp_path)))
    assert found["way_back"] == err.split("to go back: ")[1].splitlines()[0]


def test_pyos_that_is_not_ready_is_exit_1(
    cluster: Any, od_config: Path, data: Any, tmp_path: Path
) -> None:
    break_pyos(od_config)
    status, found, err = data("--timeout", "0.1")
    assert (status, found["written"], found["ready"]) == (1, "replaced", False)
    assert messages(found, "errors")[0].startswith("pyos is not ready after 0.1 s: ")
    assert "kubectl logs pyos-od-" in messages(found, "notes")[-1]
    assert found["backup"] == str(backup_of(tmp_path))
    assert found["way_back"].split() == way_back(err)
    assert err.count("to go back: ") == 2


def test_a_rollback_is_data(cluster: Any, od_config: Path, data: Any) -> None:
    break_pyos(od_config)
    status, found, err = data("--timeout", "0.5", "--rollback-on-failure")
    assert (status, found["written"], found["ready"]) == (1, "restored", True)
    assert (found["backup"], found["way_back"]) == (None, None)
    assert f"rolled back: ConfigMap {NAME} restored\n" in err


def test_a_refusal_is_exit_3(cluster: Any, data: Any) -> None:
    cluster.before = only("PUT", "configmaps", fail(403, "Forbidden"))
    status, found, _ = data()
    assert (status, found["written"], found["ready"]) == (3, "unchanged", None)
    assert messages(found, "errors")[0].startswith("you are not allowed to update ConfigMap")
    assert (found["backup"], found["way_back"]) == (None, None)


def test_an_od_config_with_an_error_is_exit_1(cluster: Any, od_config: Path, data: Any) -> None:
    od_config.write_text(f"{od_config.read_text()}webrtc.enable: 1\n")
    status, found, err = data()
    assert (status, found["written"], err) == (1, "unchanged", "")
    assert found["errors"][0]["file"] == str(od_config)
    assert cluster.seen == []


def test_no_cluster_is_exit_3(cluster: Any, data: Any) -> None:
    status, found, _ = data("--context", "production")
    assert status == 3
    assert found["context"] == "production"
    assert messages(found, "errors")[0].endswith(": it has no context production")


def test_an_interruption_is_data(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path
) -> None:
    break_pyos(od_config)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    line = command("apply", od_config, "--kubeconfig", kubeconfig, "--json")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(line, env=environment(), **pipes)
    wait_for(lambda: is_waiting(cluster) or process.poll() is not None)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=WAIT)
    found = json.loads(out)
    assert (process.returncode, found["ok"], found["written"]) == (130, False, "replaced")
    done = f"ConfigMap {NAME} replaced; pyos restarted (rollout)"
    assert messages(found, "errors") == [f"interrupted; so far: {done}"]
    assert found["backup"] == str(backup_of(tmp_path))
    assert found["way_back"].split() == way_back(err)


# how much is said


def test_quiet_keeps_what_must_not_be_lost(cluster: Any, run: Any) -> None:
    status, out, err = run("-q")
    assert (status, out.splitlines()[-1]) == (0, "pyos is ready")
    saved, back, removed = err.splitlines()
    assert saved.startswith("the od.config of the cluster is saved in ")
    assert back.startswith("to go back: abcwebrtc apply ")
    assert removed.endswith(" is removed: pyos is ready with the new one")


def test_verbose_names_each_request_and_nothing_in_it(
    cluster: Any, od_config: Path, run: Any
) -> None:
    status, _, err = run("-v")
    asked = re.findall(r"^([A-Z]+ /\S+(?: \(dry run\))?): (\d+) in \d+ ms$", err, re.MULTILINE)
    root = f"/api/v1/namespaces/{NAMESPACE}"
    deployment = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/pyos-od"
    assert status == 0
    assert asked[:6] == [
        (f"GET {root}/configmaps/{NAME}", "200"),
        (f"GET {deployment}", "200"),
        (f"PATCH {deployment} (dry run)", "200"),
        (f"PUT {root}/configmaps/{NAME}", "200"),
        (f"GET {root}/pods", "200"),
        (f"PATCH {deployment}", "200"),
    ]
    assert len(asked) == len(cluster.seen)
    assert err.splitlines()[0] == f"reading od.config from {od_config}"
    assert TOKEN not in err
    assert SECRET not in err


def test_verbose_says_that_there_was_no_answer(
    cluster: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(kube, "REQUEST_TIMEOUT", 0.2)
    cluster.before = only("GET", "configmaps", lambda request: given_up.wait(WAIT))
    status, _, err = run("-v")
    given_up.set()
    assert status == 3
    assert re.search(r"^GET /api/v1/\S+: no answer in \d+ ms$", err, re.MULTILINE)


# from a pipe


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_an_od_config_from_stdin_is_applied(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path, name: str
) -> None:
    old, text = cluster.text(), od_config.read_text()
    break_pyos(od_config)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    (tmp_path / "here").mkdir()
    line = command("apply", name, "--kubeconfig", kubeconfig, "--restart", "none")
    done = subprocess.run(
        line,
        cwd=tmp_path / "here",
        input=text,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=WAIT,
    )
    assert (done.returncode, cluster.text()) == (0, text), done.stderr
    assert "\n+++ stdin\n" in done.stdout
    backup = backup_of(tmp_path / "here")
    assert backup.read_text() == old
    assert way_back(done.stderr)[2] == str(backup)


def test_nothing_is_written_if_nobody_reads_what_would_change(
    cluster: Any, server: Server, od_config: Path, tmp_path: Path
) -> None:
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    reading, writing = os.pipe()
    os.close(reading)
    line = command("apply", od_config, "--kubeconfig", kubeconfig)
    done = subprocess.run(
        line, stdout=writing, stderr=subprocess.PIPE, env=environment(), timeout=WAIT
    )
    os.close(writing)
    assert (done.returncode, cluster.writes()) == (3, [])
    assert b"Traceback" not in done.stderr
