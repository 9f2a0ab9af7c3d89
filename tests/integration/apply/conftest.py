"""A Kubernetes API server with pyos for the tests of ``abcwebrtc apply``, and what they share."""

from __future__ import annotations

import os
import shlex
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest
import trustme

from abcwebrtc.cli.main import main
from abcwebrtc.cluster import certainty, restart
from conftest import require_program
from integration.kubeconfig import BROKEN, TOKEN, write_kubeconfig
from support import SECRET, WAIT, write_od_config

if sys.version_info >= (3, 11):
    from integration.cluster import Server, is_dry, refusal
else:  # kmock, the mock of the Kubernetes API, is not made for it
    collect_ignore_glob = ["test_*.py"]

OLD_SECRET = "the-old-secret-of-coturn"
NO_ANSWER = "can't reach the cluster at "


class Clock:
    """The clock of the wait for pyos, in this process: only the wait's own sleep takes time.

    So `--timeout` is a number of looks, one every 0.05 s, whatever the machine does meanwhile.
    """

    time_ns = staticmethod(time.time_ns)

    def __init__(self) -> None:
        self._passed = 0.0

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        self._passed += seconds


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "time", Clock())
    monkeypatch.setattr(restart, "INTERVAL", 0.05)
    monkeypatch.setattr(certainty, "PAUSE", 0.001)


@pytest.fixture
def server() -> Iterator[Server]:
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
        dry = is_dry(request)
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


def is_waiting(cluster: Any) -> bool:
    """Return whether somebody has restarted pyos, knows that, and looks whether it is ready."""
    asked = [f"{one.method.value} {one.resource.plural}" for one in cluster.seen if not is_dry(one)]
    _, _, then = "\n".join(asked).partition("PATCH deployments\n")
    return "GET deployments" in then


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


def way_back(err: str) -> List[str]:
    """Return the command that goes back, as a shell reads it: the last one that is printed."""
    *_, line = [line for line in err.splitlines() if line.startswith("to go back: ")]
    return shlex.split(line.partition(": ")[2])


def backup_of(folder: Path) -> Path:
    (found,) = folder.glob("*.bak")
    return found


def header(request: Any, name: str) -> str:
    (value,) = [request.headers[key] for key in request.headers if key.lower() == name]
    return str(value)


@pytest.fixture
def tls() -> Iterator[Tuple[Server, trustme.CA]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = Server(context)
    yield server, authority
    server.stop()
