"""Kill ``abcwebrtc apply`` at each step; what it has printed by then restores the cluster."""

from __future__ import annotations

import copy
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import pytest

from integration.apply.conftest import OLD_SECRET, break_pyos
from integration.cluster import Server, is_dry, refusal
from integration.kubeconfig import BROKEN, NAME, TOKEN, write_kubeconfig
from support import SECRET, WAIT, command, environment, wait_for

OLD = f"""[global]\r
# \t\u2028 caf\u00e9 \U0001f3a7\x85
webrtc.enable: True
webrtc.coturn: {{ 'coturn_static_auth_secret': '{OLD_SECRET}',
  'url': 'turn.example.org' }}
desktop.envlocal: {{
}}
mongodburl: 'mongodb://me:pass/word@db'  # no end of the line"""
"""It has text that is easily lost, and a bracket in the first column, which `apply` refuses."""
METADATA = {"name": NAME, "labels": {"a": "b"}, "annotations": {"c": "d\n'\"e"}}


class Step(NamedTuple):
    """The request that the signal interrupts: its kind and number, done or not, in which run."""

    method: str
    plural: str
    number: int = 1
    is_done: bool = False
    is_dry: bool = False
    options: Tuple[str, ...] = ()


BACK = ("--timeout", "0", "--rollback-on-failure")
STEPS: Dict[str, Step] = {
    "before it is saved": Step("PATCH", "deployments", is_dry=True),
    "the PUT is not done": Step("PUT", "configmaps"),
    "the PUT is done": Step("PUT", "configmaps", is_done=True),
    "the restart is not done": Step("PATCH", "deployments"),
    "the restart is done": Step("PATCH", "deployments", is_done=True),
    "half of the pods": Step("DELETE", "pods", 2, options=("--restart", "delete")),
    "waiting": Step("GET", "deployments", 5),
    "the roll back is not done": Step("PUT", "configmaps", 2, options=BACK),
    "the roll back is done": Step("PUT", "configmaps", 2, is_done=True, options=BACK),
    "its restart is not done": Step("PATCH", "deployments", 2, options=BACK),
    "its restart is done": Step("PATCH", "deployments", 2, is_done=True, options=BACK),
}
SIGNALS = {"KILL": ["KILL"], "QUIT": ["QUIT"], "TERM": ["TERM"], "twice": ["INT", "INT"]}
GRID = [
    pytest.param(
        name, step, marks=[pytest.mark.slow("each signal at each step")] * (name != "KILL")
    )
    for name in SIGNALS
    for step in STEPS
]


def send_at(
    cluster: Any, step: Step, process: Callable[[], "subprocess.Popen[str]"], signals: List[str]
) -> None:
    """Send the signals when the request of a step arrives; answer only after `apply` has ended."""
    handle, count = cluster._handle, [0]

    async def handled(request: Any) -> Any:
        path = (request.method.value, request.resource and request.resource.plural)
        if path == (step.method, step.plural) and is_dry(request) == step.is_dry:
            count[0] += 1
            if count[0] == step.number:
                answer = await handle(request) if step.is_done else None
                for name in signals:
                    process().send_signal(signal.Signals[f"SIG{name}"])
                    time.sleep(0.01)
                process().wait(WAIT)
                if answer is None:
                    raise refusal(503)
                return answer
        return await handle(request)

    object.__setattr__(cluster, "_handle", handled)


@pytest.fixture
def killed(server: Server, od_config: Path, tmp_path: Path) -> Any:
    """Return a function that kills `apply` and returns what it had printed on stderr."""
    cluster = server.cluster
    cluster.add_pyos(2)
    cluster.add_config_map(OLD, metadata=METADATA)
    write_kubeconfig(tmp_path / "kubeconfig", server.url)
    break_pyos(od_config)

    def kill(step: Step, signals: List[str], before: str = "") -> str:
        line = command("apply", "od.config", *step.options, before=before)
        made: List["subprocess.Popen[str]"] = []
        send_at(cluster, step, lambda: wait_for(lambda: made)[0], signals)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        made.append(subprocess.Popen(line, cwd=tmp_path, env=own_environment(tmp_path), **pipes))
        out, err = made[0].communicate(timeout=WAIT)
        ends = {"KILL": [-signal.SIGKILL], "INT": [130, -signal.SIGINT]}  # the second, as it ends
        assert made[0].returncode in ends.get(signals[0], [130]), err
        assert "Traceback" not in err
        for secret in (SECRET, OLD_SECRET, TOKEN, "pass/word"):
            assert secret not in out + err
        return err

    return kill


def own_environment(folder: Path) -> Dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return environment(KUBECONFIG=str(folder / "kubeconfig"), PATH=path)


def state(cluster: Any) -> Any:
    found = copy.deepcopy(cluster.config_map())
    del found["metadata"]["resourceVersion"]
    return found


def paste_way_back(err: str, folder: Path) -> None:
    """Run each printed command that goes back in a shell; they are all the same."""
    lines = [line for line in err.splitlines() if line.startswith("to go back: abcwebrtc ")]
    for line in dict.fromkeys(lines):
        words = line[len("to go back: ") :]
        env = own_environment(folder)
        done = subprocess.run(
            ["bash", "-c", words], cwd="/", env=env, capture_output=True, text=True, timeout=WAIT
        )
        assert done.returncode == 0, done.stderr
        for secret in (SECRET, OLD_SECRET, "pass/word"):
            assert secret not in done.stdout + done.stderr
    assert len(set(lines)) <= 1


@pytest.mark.parametrize(("name", "step"), GRID)
def test_what_was_printed_by_then_restores_the_cluster(
    server: Server, killed: Any, tmp_path: Path, name: str, step: str
) -> None:
    cluster = server.cluster
    before = state(cluster)
    err = killed(STEPS[step], SIGNALS[name])
    is_saved = step != "before it is saved"
    assert ("to go back: abcwebrtc " in err) == is_saved
    files = list(tmp_path.glob("*.bak"))
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files)
    assert all(file.read_bytes() == OLD.encode() for file in files)
    if files or not is_saved:
        paste_way_back(err, tmp_path)
    elif len(SIGNALS[name]) == 1:  # else the second may come before it is said
        assert f"{tmp_path}/od.config." in err.rpartition(" is removed: the cluster has the sam")[0]
    assert state(cluster) == before
    if is_saved and files:
        assert [pod["status"]["conditions"][0]["status"] for pod in cluster.pods()] == 2 * ["True"]


@pytest.mark.parametrize("call", ["fsync", "link", "unlink"])
def test_kill_while_it_is_saved_leaves_all_as_it_was(
    server: Server, killed: Any, tmp_path: Path, call: str
) -> None:
    """Every file that exists is complete, and only its owner can read it."""
    before = state(server.cluster)
    kill = f"import os\nos.{call} = lambda *a, **k: os.kill(os.getpid(), 9)"
    err = killed(Step("PUT", "configmaps"), ["KILL"], before=kill)
    assert "to go back" not in err
    assert server.cluster.writes() == []
    assert state(server.cluster) == before
    for file in (*tmp_path.glob("*.bak"), *tmp_path.glob(".abcwebrtc-*")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_bytes() == OLD.encode()


def test_it_is_saved_and_said_before_anything_is_written(
    server: Server, killed: Any, tmp_path: Path
) -> None:
    """They are also on the disk: first the file, then its name."""
    trace = (
        "import os\nsync, link = os.fsync, os.link\n"
        "say = lambda text: os.write(2, (text + '\\n').encode())\n"
        "os.fsync = lambda fd: (say('sync ' + os.readlink(f'/proc/self/fd/{fd}')), sync(fd))[1]\n"
        "os.link = lambda *a, **k: (say('link'), link(*a, **k))[1]\n"
    )
    err = killed(Step("PUT", "configmaps"), ["KILL"], before=trace)
    lines = [line.split(".abcwebrtc-")[0].split(" saved ")[0] for line in err.splitlines()[1:]]
    assert lines[:4] == [
        f"sync {tmp_path}/",
        "link",
        f"sync {tmp_path}",
        "the od.config of the cluster is",
    ]
    assert lines[4].startswith("to go back: abcwebrtc apply ")
    assert BROKEN not in server.cluster.text()
