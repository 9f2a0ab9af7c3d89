"""Fixtures of the probe's tests: `pytest_plugins` of a module names this one."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import pytest

from integration import netns
from integration.probing import Probe, Report, prober
from support import WAIT, command, environment


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    """Return a function that runs the probe on some servers."""
    return prober(tmp_path)


@pytest.fixture
def inside(network: netns.Network, probe: Probe) -> Probe:
    """The same, from the desktop's network."""

    def run(*arguments: object, **changes: str) -> "subprocess.CompletedProcess[str]":
        return network.desktop.run(
            *command(*arguments), check=False, env=environment(**changes), timeout=WAIT
        )

    return functools.partial(probe, runner=run)


@pytest.fixture
def inside_pod(inside: "functools.partial[Report]") -> Probe:
    """The same, as in a pod."""
    run = inside.keywords["runner"]
    return functools.partial(
        inside, runner=functools.partial(run, KUBERNETES_SERVICE_HOST="10.96.0.1")
    )
