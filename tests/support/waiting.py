"""How long tests wait, and for what."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, Callable

WAIT = 120.0
"""Seconds that anything may take on a slow machine before a test fails."""


def wait_for(condition: Callable[[], Any], seconds: float = WAIT) -> Any:
    """Return the condition's value once it is true; fail if it never is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def listens(host: str, port: int) -> bool:
    """Return whether something accepts connections at a TCP port."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False
