"""Ports for the tests' servers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Set

from integration.turn import free_ports


def test_a_port_is_given_once() -> None:
    """Otherwise two servers that choose their ports before they listen may get the same one."""
    given = [port for _ in range(100) for port in free_ports(2)]
    assert len(set(given)) == len(given)


def test_tests_that_run_side_by_side_get_different_ports() -> None:
    first, second = (ports_of(worker) for worker in ("gw0", "gw1"))
    assert len(first) == len(second) == 3000
    assert not first & second


def ports_of(worker: str) -> Set[int]:
    tests = Path(__file__).resolve().parent.parent
    script = "from integration.turn import free_ports; print(*free_ports(3000))"
    xdist = {"PYTEST_XDIST_WORKER": worker, "PYTEST_XDIST_WORKER_COUNT": "4"}
    env = {**os.environ, **xdist, "PYTHONPATH": str(tests)}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True)
    return set(map(int, done.stdout.split()))
