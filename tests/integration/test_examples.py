"""Every numbered example runs, by the command that its page shows."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import require_program
from support import environment

NEEDS = {
    "01-first-call": [("turnserver", "coturn")],
    "03-beside-pyos": [("turnserver", "coturn"), ("nginx", "nginx")],
}
"""The programs of each example, with the Debian packages that have them."""
PROMISES = {
    "01-first-call": [
        '"message": "ok"',
        "curl -s -H",
        "coturn accepted the credential and relays at 127.0.0.1:",
    ],
    "03-beside-pyos": [
        "pyos, asked for webrtc.enable: true",
        '"message": "ok"',
        'pyos, asked for webrtc.rtc_constraints: {"video": false, "audio": true}',
        "curl -s -H",
        "the secret is changed; nothing is restarted",
        "coturn accepted a credential of the old secret and relays at 127.0.0.1:",
        "coturn accepted a credential of the new secret and relays at 127.0.0.1:",
    ],
}
"""What each example prints, in this order."""

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


def test_every_example_is_in_the_tables() -> None:
    assert [path.name for path in EXAMPLES] == sorted(NEEDS) == sorted(PROMISES)


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_ends_with_what_it_promises(example: Path) -> None:
    for program, package in NEEDS[example.name]:
        require_program(program, package)
    rest = run_example(readme_command(example))
    for promise in PROMISES[example.name]:
        assert promise in rest
        rest = rest.partition(promise)[2]
