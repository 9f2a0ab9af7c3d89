"""A Chromium without a window that listens for you."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import stage

SECONDS = 60
OPTIONS = [
    "--headless",
    "--no-sandbox",  # root and containers can't have one; the page is our own
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--enable-logging=stderr",
]
CONSOLE = re.compile(r'CONSOLE[^"]*"(.*)", source: ')


@contextmanager
def playing(pulse_server: str, wav: Path) -> Iterator[None]:
    """Play a wav file in a desktop in the meantime."""
    environment = {**os.environ, "PULSE_SERVER": pulse_server}
    with stage.running([stage.program("paplay"), str(wav)], env=environment):
        yield


def console(url: str, profile: Path) -> Iterator[str]:
    """Open a page, and yield the lines of its console, for a minute."""
    command = [stage.program("chromium"), *OPTIONS, f"--user-data-dir={profile}", url]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with stage.running(command, **streams) as chromium:
        watchdog = threading.Timer(SECONDS, chromium.terminate)
        watchdog.start()
        try:
            for line in chromium.stderr:
                found = CONSOLE.search(line)
                if found:
                    yield found.group(1)
        finally:
            watchdog.cancel()
    sys.exit("Chromium has ended, or has heard nothing for a minute")
