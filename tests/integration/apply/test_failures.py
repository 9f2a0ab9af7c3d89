"""``abcwebrtc apply`` when pyos does not get ready: the ways back."""

from __future__ import annotations

import copy
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any, List

import pytest

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.restart import Restart
from integration.apply.conftest import (
    after_restart,
    backup_of,
    break_pyos,
    fail,
    kubectl,
    only,
    way_back,
)
from integration.cluster import Server, refusal
from integration.kubeconfig import BROKEN, NAME, NAMESPACE
from support import SECRET


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
        "its container pyos exited with 3",
        error,
    )
    number = lines.index(error)
    log = rf"kubectl logs pyos-od-\d+ -c pyos -n {NAMESPACE} --kubeconfig \S+ --context test"
    assert re.fullmatch(
        f"for details, see its log, which may hold a secret: {log}", lines[number + 1]
    )
    assert lines[number + 2] == (
        f"failed; so far: ConfigMap {NAME} replaced; pyos restarted ({mode})"
    )
    backup = backup_of(tmp_path)
    assert backup.read_text() == old
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert lines[number + 3].startswith(
        f"to go back: abcwebrtc apply {backup} --unchecked --restart {mode} "
    )


def test_pods_are_deleted_in_the_middle_of_a_rollout(cluster: Any, run: Any) -> None:
    """There are more pods than the Deployment asks for, as when new ones don't get ready."""
    cluster._add_pod(ready=False)
    status, out, err = run("--restart", "delete", "--timeout", "5")
    assert (status, out.endswith("pyos is ready\n")) == (0, True), err
    assert cluster.writes() == ["PUT configmaps", "DELETE pods", "DELETE pods"]
    assert "1 of 1 new pods are ready" in err


def test_what_pyos_logs_is_shown_where_it_is_asked_for(
    cluster: Any, od_config: Path, run: Any
) -> None:
    """A user who logs in can make pyos log almost anything, even terminal commands."""
    cluster.log = "starting\nlogin of \x1b[1A\x1b[Kpyos is ready\n\n"
    break_pyos(od_config)
    _, _, err = run("--timeout", "0.1", "--pod-log")
    warning = "warning: pyos's log may hold a secret from od.config\n"
    line = r"the last line of its log: login of \x1b[1A\x1b[Kpyos is ready"
    assert f"{warning}{line}\n" in err
    assert "kubectl logs" not in err


def test_what_another_has_written_can_not_send_commands_to_the_terminal(
    cluster: Any, run: Any
) -> None:
    cluster.add_config_map("[global]\n# \x1b[2Jgone\x9b1A\n\x1b[2J: '\x1b[2J'\n")
    _, out, _ = run("--restart", "none")
    assert "-line 3: (not shown)" in out.splitlines()
    assert "\x1b" not in out
    assert "gone" not in out


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

    def full(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        descriptor = real_open(path, flags, *arguments, **options)
        made = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if not flags & os.O_CREAT or made.parent != tmp_path:
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


def test_where_the_old_one_can_not_be_saved_nothing_is_written(
    cluster: Any, od_config: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")

    real_open = os.open

    def full(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return real_open(path, flags, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        status, _, err = run()
    assert (status, cluster.writes()) == (3, [])
    assert "to go back" not in err
    assert re.search(
        r"\nerror: nothing was written to the cluster, since its old od\.config can't be saved\. "
        r"Tried: \S+/od\.config\.\d+\.bak \(No space left on device\), "
        r"/nowhere/od\.config\.\d+\.bak \(\D+\)\. Name another folder with --backup FOLDER\n$",
        err,
    )


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
    assert f"rolled back: ConfigMap {NAME} restored\n" in err
    assert "rolled back: pyos is ready, with the old od.config\n" in err
    assert not list(tmp_path.glob("*.bak"))


def test_rollback_deletes_what_was_created(server: Server, od_config: Path, run: Any) -> None:
    server.cluster.add_pyos()
    break_pyos(od_config)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert (status, server.cluster.config_map()) == (1, None)
    assert f"rolled back: ConfigMap {NAME} deleted\n" in err


def test_rollback_deletes_nothing_that_another_has_changed_since(
    server: Server, od_config: Path, run: Any
) -> None:
    """It is still the created object, but no longer with the written content."""
    server.cluster.add_pyos()
    break_pyos(od_config)
    theirs = f"[global]\n# {BROKEN}, too\n"

    def change(request: Any) -> None:
        metadata = dict(server.cluster.config_map()["metadata"])
        server.cluster.add_config_map(theirs, metadata=metadata)

    server.cluster.before = only("PATCH", "deployments", change)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert (status, server.cluster.text()) == (1, theirs)
    assert f"can't delete ConfigMap {NAME} in namespace {NAMESPACE} (409): it has changed" in err
    assert "rolled back" not in err


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
    assert (status, cluster.text()) == (3, old)
    assert f"rolled back: ConfigMap {NAME} restored\n" in err
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
    assert (status, server.cluster.text()) == (3, "[global]\n")
    assert (
        f"failed; so far: ConfigMap {NAME} replaced; some pods of pyos may have been restarted\n"
    ) in err
    assert "rolled back: pyos is ready, with the old od.config\n" in err
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
    assert err.splitlines()[-3] == f"rolled back: ConfigMap {NAME} restored"
    assert err.splitlines()[-2].startswith("error: you are not allowed to patch Deployment")


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

    def interrupt(*arguments: Any, **options: Any) -> None:
        if restarts == 0 or cluster.text() == old:
            raise KeyboardInterrupt
        real(*arguments)

    real = Restart.start
    monkeypatch.setattr(f"abcwebrtc.cluster.change.{name}", interrupt)
    status, _, err = run("--timeout", "0.1", "--rollback-on-failure")
    assert status == 130
    if restarts:
        assert not list(tmp_path.glob("*.bak"))
        assert "interrupted; pyos may not be restarted with the old od.config\n" in err
        words = way_back(err)
        assert words[:5] == ["kubectl", "rollout", "restart", "deployment", "pyos-od"]
        cluster.add_pyos()  # kubectl does not restart twice within a second
        kubectl(words[1:], tmp_path)
        assert cluster.writes().count("PATCH deployments") == 2
    else:
        assert backup_of(tmp_path).read_text() == old
        assert "interrupted; the ConfigMap may be the old one or the new one\n" in err
        assert way_back(err)[:2] == ["abcwebrtc", "apply"]


def test_a_deployment_that_goes_away_ends_the_waiting(cluster: Any, run: Any) -> None:
    def delete(request: Any) -> None:
        cluster.objects["apps/v1/deployments", NAMESPACE, "pyos-od"].delete()

    cluster.before = after_restart(cluster, only("GET", "deployments", delete))
    status, _, err = run()
    assert status == 1
    assert "error: somebody deleted the Deployment pyos-od\n" in err


def test_a_progress_deadline_ends_the_waiting(cluster: Any, run: Any) -> None:
    def exceed(request: Any) -> None:
        deployment = cluster.deployment()
        if deployment["status"]["updatedReplicas"] == 0:
            reason = {"type": "Progressing", "reason": "ProgressDeadlineExceeded"}
            deployment["status"]["conditions"] = [reason]

    cluster.before = exceed
    status, _, err = run()
    assert status == 1
    assert "error: pyos did not become ready within the Deployment's progressDeadlineSeconds" in err


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
    status, out, err = run()
    assert status == 0
    assert out.splitlines()[-3:] == [
        *(f"ConfigMap {NAME} replaced", "pyos restarted (rollout)", "pyos is ready")
    ]
    assert "1 of 1 new pods are ready" in err
    removed = err.rpartition("\033[2K")[2]  # what is there when the line is left
    assert removed.endswith(".bak is removed: pyos is ready with the new one\n")
    assert "new pods" not in removed
