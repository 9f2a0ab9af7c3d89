"""Programs that run until a block ends."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any, Iterator, Sequence

from support.waiting import WAIT


@contextlib.contextmanager
def running_program(
    command: Sequence[str], log: Path, **options: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program with its output in `log`; `options` are those of Popen."""
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, **options
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(WAIT)
