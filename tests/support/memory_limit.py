"""A memory limit for a process, set as Kubernetes does: with a cgroup."""

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
    """A cgroup with a limit; put `prefix` before a command to run it in there."""

    folder: Path
    peaks: Tuple[str, ...]
    """Files with the peak memory; version 1 has a second one, for the memory of sockets."""

    @property
    def prefix(self) -> Tuple[str, ...]:
        return ("sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"))

    def peak(self) -> int:
        """Return the peak memory in bytes, including caches and sockets."""
        return sum(int((self.folder / name).read_text()) for name in self.peaks)


def shipped_limit() -> int:
    """Return the memory limit of the manifest in examples/03-beside-pyos, in bytes."""
    found = re.search(r"limits: \{.*memory: (\d+)Mi", MANIFEST.read_text(encoding="utf-8"))
    assert found, MANIFEST
    return int(found.group(1)) * MIB


@contextlib.contextmanager
def memory_limited(limit: int) -> Iterator[Optional[Group]]:
    """Create a cgroup, version 1 or 2, or yield None if this machine does not allow it."""
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
        # Version 1 has a separate limit for sockets; version 2 has one for both.
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
    """Remove a cgroup; it becomes empty a moment after its process has ended."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)
