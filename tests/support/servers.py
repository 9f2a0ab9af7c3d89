"""A running `abcwebrtc serve`."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

from support.commands import command, environment
from support.waiting import WAIT, wait_for


class ServerProcess:
    """A running ``abcwebrtc serve``; `output` is its stdout and stderr so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        self.base_url = ""

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self) -> None:
        wait_for(lambda: self._announced() or self.process.poll() is not None)
        announced = self._announced()
        assert announced, self.output
        self.base_url = announced.group(1)

    def _announced(self) -> Optional["re.Match[str]"]:
        # Match up to the end of the line, which may be only half written.
        return re.search(r"serving on (\S+)\n", self.output)

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.terminate()
        return self.process.wait(WAIT)


@contextlib.contextmanager
def running_command(command: Sequence[str], log: Path, **options: Any) -> Iterator[ServerProcess]:
    """Run a server that says as `abcwebrtc serve` does where it serves, with its output in `log`.

    `options` are those of Popen.
    """
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, **options
        )
    server = ServerProcess(process, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        process.kill()
        process.wait(WAIT)


@contextlib.contextmanager
def running_server(
    od_config: Path,
    *arguments: object,
    log: Optional[Path] = None,
    before: str = "",
    prefix: Sequence[str] = (),
) -> Iterator[ServerProcess]:
    """Run ``abcwebrtc serve`` on a free port, with its output in `log`.

    `before` is Python code that the process runs first, `prefix` a command that runs it.
    """
    line = [*prefix, *command("serve", od_config, "--port", "0", *arguments, before=before)]
    log = log or od_config.with_suffix(".log")
    with running_command(line, log, env=environment()) as server:
        yield server
