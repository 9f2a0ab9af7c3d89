"""What all tests share."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, List, NoReturn, Optional

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pyos_host.apiserver import ApiServer
    from support import Result
    from support.serving import Certificates

NO_CLOCK = [HealthCheck.too_slow]
"""Hypothesis's checks of time: no test here fails because a machine is slow."""
ONE_FIXTURE = [*NO_CLOCK, HealthCheck.function_scoped_fixture]
"""For tests whose fixtures may be shared by all inputs."""
settings.register_profile("patient", deadline=None, suppress_health_check=NO_CLOCK)
settings.load_profile("patient")

# A shell starts background jobs with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP.
# Programs that a test interrupts would inherit that. They don't inherit handlers, so the tests
# themselves can survive a hangup, as nohup intends.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)

# GNU readline, which pytest loads, or a shell may have set a terminal width, and the commands
# under test would fit their tables to it.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)


def missing(what: str) -> NoReturn:
    """Skip a test because something is not installed; in CI, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must not skip: {what}", pytrace=False)
    pytest.skip(what, allow_module_level=True)


ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
"""Where real files of abcdesktop may be; they belong to others, so they are not in the checkout."""
REFERENCES = sorted(SHARED.glob("od.config.*"))
"""Real od.config files, if any; tests use them as well as the project's own."""
REFERENCE_PODS = sorted(SHARED.glob("pyos-*-desktop-pod.json"))
"""Pods that pyos posted, with the sound container; used in the same way."""

CASES = sorted(file.parent for file in SHARED.parent.glob("cases/*/case.json"))
"""Small inputs that people reported, each in a folder with the expected results."""
if not CASES:
    collect_ignore = ["unit/project/test_cases.py"]
NEWEST_TURNSERVER = ROOT / "build" / "coturn" / "turnserver"
"""From Debian unstable, beside the installed one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that tests/run.py uses to leave slow tests to --all."""
    parser.addoption("--no-slow", action="store_true", help="skip tests that are marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Skip slow tests if they are not wanted, with the reason in their mark."""
    if config.getoption("--no-slow"):
        for item in items:
            for mark in item.iter_markers("slow"):
                item.add_marker(pytest.mark.skip(reason=f"slow: {mark.args[0]}: --all"))


def require_program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test and say how to install it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        missing(f"{name} is not installed; apt-get install {package}")
    return path


def pytest_make_parametrize_id(val: object, argname: str) -> Optional[str]:
    """Name bytes by their position: random ones would give each parallel process other ids."""
    return argname if isinstance(val, bytes) else None


def newest_turnserver() -> str:
    """Return the path of the newest coturn, or skip the test and say how to get it."""
    if not NEWEST_TURNSERVER.exists():
        missing("the newest coturn is not unpacked; python3 tests/unpack_coturn.py")
    return str(NEWEST_TURNSERVER)


@pytest.fixture
def ipv6_loopback() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        missing("this machine has no ::1; set net.ipv6.conf.lo.disable_ipv6=0")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> "Certificates":
    from support.serving import Certificates

    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def log_screen() -> Iterator[None]:
    """Restore what `serve` sets in CherryPy for the whole process."""
    import cherrypy

    before = cherrypy.log.screen
    yield
    cherrypy.log.screen = before


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> "Callable[..., Result]":
    """Return a function that runs ``abcwebrtc`` in this process."""
    from support import run_main

    return functools.partial(run_main, capsys)


@pytest.fixture
def api() -> Iterator["ApiServer"]:
    """What a miniature pyos uses as Kubernetes."""
    from pyos_host.apiserver import running_api_server

    with running_api_server() as server:
        yield server
