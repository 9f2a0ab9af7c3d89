"""Every numbered example runs, by the command that its page shows."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import require_program
from support import environment

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted(path for path in ROOT.glob("examples/[0-9]*") if path.is_dir())


def readme_command(example: Path) -> str:
    """Return the line of the README that runs an example."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = f"python3 examples/{example.name}/"
    return next(line for line in lines if line.startswith(start))


def run_example(command: str) -> str:
    # Without --apt: a test installs nothing.
    words = [word for word in shlex.split(command)[1:] if word != "--apt"]
    result = subprocess.run(
        [sys.executable, *words, "--once", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
        timeout=120,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_ends_with_what_it_promises(example: Path) -> None:
    require_program("turnserver", "coturn")
    output = run_example(readme_command(example))
    assert '"message": "ok"' in output
    assert "curl -s -H" in output
    assert "coturn accepted the credential and relays at 127.0.0.1:" in output
