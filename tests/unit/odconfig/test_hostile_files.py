"""What `check` takes for a file of 1 MiB that was made to cost as much as it can.

A process that has abcwebrtc loaded forks for each file, and tells the peak of the child's memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import List, Sequence

import pytest

from abcwebrtc.config.groups import MAX_LABELS
from support import environment
from support.hostile_files import FILES, NAMES, hostile_file

MAX_MEMORY = 100 * 1024 * 1024
MAX_LINES = 100
MAX_LINE = 2500
HANGS = 60
"""CPU seconds after which a command is taken to hang; none takes a twentieth of it."""
CHILD = """
import json, os, resource, sys
import abcwebrtc.cli.check
from abcwebrtc.cli.main import main
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
out = sys.argv[1]
for line in sys.stdin:
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        status = main(json.loads(line))
        sys.stdout.flush()
        (peak,) = [row.split()[1] for row in open("/proc/self/status") if "VmHWM" in row]
        with open(out + ".peak", "w") as stream:
            stream.write(peak)
        os._exit(status)
    _, status = os.waitpid(child, 0)
    print(json.dumps(status), flush=True)
"""
SOME = [*list(FILES)[::9], *("product in coturn", "colliding keys in envlocal", "numbers in pyos")]


class Runner:
    """Runs commands on files, in processes of their own that a loaded one forks."""

    def __init__(self, folder: Path) -> None:
        self._file, self._out = folder / "od.config", folder / "out"
        self._process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(self._out), str(HANGS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def run(self, name: str, command: Sequence[str] = ("check",)) -> List[str]:
        """Return the lines of a command on a file, and fail where it took too much."""
        self._file.write_bytes(hostile_file(name).encode())
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([*command, str(self._file)]) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        lines = self._out.read_text(encoding="utf-8").splitlines()
        if list(command) == ["check", "--json"]:
            report = json.loads("\n".join(lines))
            assert len(report.pop("labels") or ()) <= 1 + MAX_LABELS  # all that are looked at
            lines = json.dumps(report, indent=2).splitlines()
        assert status in (0, 256), (name, status, lines[-1:])
        assert int(Path(f"{self._out}.peak").read_text()) * 1024 < MAX_MEMORY, name
        assert len(lines) <= MAX_LINES * (10 if "--json" in command else 1), name
        assert max(map(len, lines)) <= MAX_LINE, name
        return lines


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    made = Runner(tmp_path_factory.mktemp("hostile"))
    yield made
    made.close()


@pytest.mark.parametrize("name", SOME)
def test_check_takes_little_for_any_file(runner, name):
    assert runner.run(name)


@pytest.mark.slow("600 files of 1 MiB")
def test_check_takes_little_for_every_file(runner):
    for name in NAMES:
        runner.run(name)


@pytest.mark.slow("130 files of 1 MiB, for three commands")
@pytest.mark.parametrize("command", [["check", "--json"], ["mint", "--user", "a"]])
def test_other_commands_take_little(runner, command):
    for name in FILES:
        runner.run(name, command)
