"""Other users of the machine, for tests that run as root."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

from conftest import missing

MALLORY, BOB = 54321, 54322
"""Users without a name on this machine."""


@contextlib.contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Become this user, with the group of the same number, in all that the kernel checks."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@contextlib.contextmanager
def shared_folder() -> Iterator[Path]:
    """Yield a folder such as /tmp, which every user can reach."""
    if os.geteuid():
        missing("only root can become other users")
    top = Path(tempfile.mkdtemp(prefix="abcwebrtc-users-", dir="/var/tmp"))
    try:
        top.chmod(0o755)
        folder = top / "shared"
        folder.mkdir()
        folder.chmod(0o1777)
        yield folder
    finally:
        shutil.rmtree(top)
