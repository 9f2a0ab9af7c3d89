"""Where ``abcwebrtc apply`` saves the old od.config, how long it keeps it, and where it can't."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from abcwebrtc.cli.main import main
from conftest import missing
from integration.apply.conftest import backup_of, break_pyos, fail, only, way_back
from integration.cluster import Server
from integration.kubeconfig import write_kubeconfig
from support import WAIT, command, environment

# for how long


def test_it_is_removed_when_pyos_is_ready_or_nothing_was_written(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path
) -> None:
    old = cluster.text()
    cluster.before = only("PUT", "configmaps", fail(403, "Forbidden"))
    status, _, err = run()
    assert (status, cluster.text()) == (3, old)
    assert err.endswith(".bak is removed: the cluster has the same od.config\n")
    status, _, err = run()
    assert (status, cluster.text()) == (0, od_config.read_text())
    assert err.endswith(".bak is removed: pyos is ready with the new one\n")
    assert not list(tmp_path.glob("*.bak"))


def test_an_interruption_after_its_removal_names_no_file_that_is_gone(
    cluster: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.unlink

    def unlink(path: Any, **options: Any) -> None:
        real(path, **options)
        if str(path).endswith(".bak"):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "unlink", unlink)
    status, _, err = run()
    assert status == 130
    assert not list(tmp_path.glob("*.bak"))
    assert "to go back" not in err.partition("interrupted; so far: ")[2]
    assert "ConfigMap abcdesktop-config replaced; pyos restarted" in err


def test_without_a_restart_it_is_kept(cluster: Any, run: Any, tmp_path: Path) -> None:
    """Nobody has seen pyos start with the new od.config."""
    old = cluster.text()
    status, _, err = run("--restart", "none")
    assert status == 0
    backup = backup_of(tmp_path)
    assert err.endswith(f"{backup} is kept; remove it when pyos has started with the new one\n")
    assert main(way_back(err)[1:]) == 0
    assert cluster.text() == old


@pytest.mark.parametrize("broken", [False, True])
def test_in_a_folder_that_is_asked_for_it_is_kept(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path, broken: bool
) -> None:
    old = cluster.text()
    if broken:
        break_pyos(od_config)
    (tmp_path / "kept").mkdir()
    options = ["--timeout", "0.5", "--rollback-on-failure"] if broken else []
    status, _, err = run("--backup", tmp_path / "kept", *options)
    assert status == int(broken)
    backup = backup_of(tmp_path / "kept")
    assert (backup.read_text(), stat.S_IMODE(backup.stat().st_mode)) == (old, 0o600)
    assert "is removed" not in err
    assert not list(tmp_path.glob("*.bak"))


@pytest.mark.parametrize("options", [["--dry-run"], ["--restart", "none", "--dry-run"]])
def test_a_dry_run_saves_nothing(cluster: Any, run: Any, tmp_path: Path, options: Any) -> None:
    assert run(*options)[0] == 0
    assert not list(tmp_path.glob("*.bak"))


def test_a_copy_of_kubectl_that_is_taken_away_needs_no_way_back(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path
) -> None:
    text = od_config.read_text()
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "c": "d"}
    metadata = {"name": "abcdesktop-config", "annotations": {**annotations}}
    metadata["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = "old"
    cluster.add_config_map(text, metadata=metadata)
    status, _, err = run()
    assert (status, cluster.writes()) == (0, ["PUT configmaps"])
    assert "to go back" not in err
    assert not list(tmp_path.glob("*.bak"))
    assert cluster.config_map()["metadata"]["annotations"] == {"c": "d"}


# where


def test_what_apply_refuses_can_be_gone_back_to(
    cluster: Any, od_config: Path, run: Any, tmp_path: Path
) -> None:
    """Such as abcdesktop's own example, with its bracket in the first column."""
    old = "\ufeff[global]\r\nwebrtc.coturn: {\n}\nx: (\n'no end"
    cluster.add_config_map(old)
    break_pyos(od_config)
    _, _, err = run("--timeout", "0")
    words = way_back(err)
    assert main(["apply", words[2], *words[4:]]) == 1
    assert main(words[1:]) == 0
    assert cluster.text() == old


@pytest.mark.parametrize("name", ["a b'\"$(x).config", "-x.config", "\x1b[2J\n.config", "\udcff"])
def test_the_command_can_be_pasted_whatever_the_name(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path, name: str
) -> None:
    old = cluster.text()
    folder = tmp_path / "a folder; exit 3"
    folder.mkdir()
    os.rename(od_config, folder / name)
    kubeconfig = write_kubeconfig(tmp_path / "kube config", server.url)
    options = ["--kubeconfig", kubeconfig, "--restart", "none"]
    env = environment(KUBECONFIG="/nowhere")
    line = command("apply", f"./{name}", *options)
    done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    assert main(way_back(done.stderr)[1:]) == 0
    assert cluster.text() == old


def test_the_command_can_be_pasted_in_another_folder(
    cluster: Any,
    od_config: Path,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = cluster.text()
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    monkeypatch.chdir(tmp_path)
    options = ["--kubeconfig", "kubeconfig", "--restart", "none"]
    assert main(["apply", "od.config", *options]) == 0
    assert cluster.text() == od_config.read_text()
    monkeypatch.chdir("/")
    assert main(way_back(capsys.readouterr().err)[1:]) == 0
    assert cluster.text() == old


def test_the_command_goes_to_the_same_cluster_in_another_shell(
    cluster: Any,
    od_config: Path,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It works without this shell's KUBECONFIG, and if the current context has changed."""
    old = cluster.text()
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url, context="a b")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "missing:kubeconfig")
    assert main(["apply", "od.config", "--restart", "none"]) == 0
    words = way_back(capsys.readouterr().err)
    content = yaml.safe_load(kubeconfig.read_text())
    content["contexts"].append({"name": "other", "context": {"cluster": "d", "user": "u"}})
    content["clusters"].append({"name": "d", "cluster": {"server": "http://127.0.0.1:1"}})
    kubeconfig.write_text(yaml.safe_dump({**content, "current-context": "other"}))
    monkeypatch.chdir("/")
    monkeypatch.delenv("KUBECONFIG")
    assert main(words[1:]) == 0
    assert cluster.text() == old


def test_a_configuration_from_stdin_has_its_way_back_in_the_current_folder(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path
) -> None:
    """It is not in /dev, where root could write into memory."""
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    for name in ("/dev/stdin", "/dev/fd/0"):
        line = command("apply", name, "--unchecked", "--kubeconfig", kubeconfig)
        with open(od_config) as stdin:
            pipes = {"stdin": stdin, "stderr": subprocess.PIPE, "text": True}
            env = environment()
            done = subprocess.run(line, cwd=tmp_path, env=env, timeout=WAIT, **pipes)
        assert done.returncode == 0, done.stderr
        assert re.search(
            rf" is saved in {re.escape(str(tmp_path))}/od\.config\.\d+\.bak\n", done.stderr
        )
        cluster.add_config_map("[global]\n# another\n")


def test_a_folder_that_is_not_there_is_named_and_nothing_written(
    cluster: Any, run: Any, tmp_path: Path
) -> None:
    """The user named it, so `apply` uses no other."""
    status, _, err = run("--backup", tmp_path / "missing")
    assert (status, cluster.writes()) == (3, [])
    assert re.search(
        r"error: nothing was written to the cluster, since its old od\.config can't be saved\. "
        r"Tried: \S+/missing/od\.config\.\d+\.bak \(No such file or directory\)\. ",
        err,
    )
    assert not list(tmp_path.glob("*.bak"))


def test_on_a_disk_that_is_full_nothing_is_written(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path
) -> None:
    """On a real file system, in its own mount namespace."""
    unshare = shutil.which("unshare") or missing("unshare is not there; apt-get install util-linux")
    made = [unshare, "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    probe = [*made, "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if subprocess.run(probe, check=False).returncode:
        missing("no file system can be mounted here")
    (tmp_path / "disk").mkdir()
    (tmp_path / "room").mkdir()
    old, new = cluster.text() + "# much\n" * 4000, od_config.read_text()
    cluster.add_config_map(old)
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    script = (
        "mount -t tmpfs -o size=64k none disk && cp od.config disk/ && "
        'head -c 40000 /dev/zero >disk/filler; "$@"; status=$?; ls -A disk >&2; exit $status'
    )

    def run(*options: object) -> "subprocess.CompletedProcess[str]":
        line = command("apply", "disk/od.config", "--kubeconfig", "kubeconfig", *options)
        env = environment(TMPDIR=str(tmp_path / "disk"))
        return subprocess.run(
            [*made, "sh", "-c", script, "sh", *line],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )

    done = run()
    assert (done.returncode, cluster.writes(), cluster.text()) == (3, [], old)
    assert done.stderr.count(".bak (No space left on device)") == 2
    assert done.stderr.endswith("filler\nod.config\n")  # and no half of a file
    done = run("--backup", "room")
    assert (done.returncode, cluster.text()) == (0, new), done.stderr
    assert backup_of(tmp_path / "room").read_text() == old


def test_where_stderr_is_full_it_is_done_and_undone_nevertheless(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path
) -> None:
    old = cluster.text()
    break_pyos(od_config)
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
    options = ["--kubeconfig", kubeconfig, "--timeout", "1", "--pod-log", "--rollback-on-failure"]
    with open("/dev/full", "w") as full:
        line = command("apply", od_config, "--unchecked", *options)
        done = subprocess.run(line, stderr=full, env=environment(), timeout=WAIT)
    assert done.returncode == 1
    assert cluster.text() == old
    assert cluster.writes() == 2 * ["PUT configmaps", "PATCH deployments"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[global]\n\xff", "it is not UTF-8 text"),
        (b" " * (2**20 + 1), "larger than 1 MiB"),
        (None, "No such"),
    ],
)
def test_what_is_no_text_of_a_config_map_is_refused_unchecked_too(
    cluster: Any, od_config: Path, run: Any, data: Any, reason: str
) -> None:
    od_config.unlink() if data is None else od_config.write_bytes(data)
    status, out, err = run("--unchecked")
    assert (status, out, cluster.seen) == (3, "", [])
    assert err.startswith(f"{od_config}: error: can't be read: {reason}")
