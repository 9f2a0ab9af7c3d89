"""A limit of memory for a process, as Kubernetes sets it: a cgroup of the kernel."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Tuple

MANIFEST = Path(__file__).parents[2] / "examples" / "03-beside-pyos" / "abcwebrtc.yaml"
MIB = 1 << 20
_ROOT = Path("/sys/fs/cgroup")
_numbers = itertools.count()


class Group(NamedTuple):
    """A cgroup with a limit; a command with `prefix` before it runs in it."""

    folder: Path
    peaks: Tuple[str, ...]
    """Files with what it has had at most: its memory, and with version 1 that of its sockets."""

    @property
    def prefix(self) -> Tuple[str, ...]:
        return ("sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"))

    def peak(self) -> int:
        """Return the bytes that it has had at most, caches and sockets included."""
        return sum(int((self.folder / name).read_text()) for name in self.peaks)


def shipped_limit() -> int:
    """Return the bytes that the manifest of examples/03-beside-pyos gives to a pod."""
    found = re.search(r"limits: \{.*memory: (\d+)Mi", MANIFEST.read_text(encoding="utf-8"))
    assert found, MANIFEST
    return int(found.group(1)) * MIB


@contextlib.contextmanager
def memory_limited(limit: int) -> Iterator[Optional[Group]]:
    """Make a cgroup, of version 1 or 2; None where this machine lets nobody make one."""
    group = None
    with contextlib.suppress(OSError):
        group = _make(limit)
    try:
        yield group
    finally:
        if group:
            _remove(group.folder)


def _make(limit: int) -> Group:
    name = f"abcwebrtc-{os.getpid()}-{next(_numbers)}"
    limits: Tuple[str, ...]
    if (_ROOT / "memory" / "memory.limit_in_bytes").exists():
        folder = _ROOT / "memory" / name
        # Sockets have a limit of their own there; version 2 has one for both.
        limits = ("memory.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes")
        group = Group(folder, ("memory.max_usage_in_bytes", "memory.kmem.tcp.max_usage_in_bytes"))
    else:
        if "memory" not in (_ROOT / "cgroup.subtree_control").read_text().split():
            (_ROOT / "cgroup.subtree_control").write_text("+memory")
        folder = _ROOT / name
        limits, group = ("memory.max",), Group(folder, ("memory.peak",))
    folder.mkdir()
    try:
        for file in limits:
            (folder / file).write_text(str(limit))
        group.peak()
    except OSError:
        folder.rmdir()
        raise
    return group


def _remove(folder: Path) -> None:
    """Remove a cgroup, which is empty a moment after its process has ended."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)
