"""Writes a turnserver.conf: whole or not at all, and for its owner alone."""

from __future__ import annotations

import os
import stat
import tempfile
from typing import Optional

from abcwebrtc.coturn.secret_files import take_access
from abcwebrtc.errors import AbcWebRTCError


def write_conf(path: str, data: bytes, replace: bool) -> None:
    """Write a file that its owner alone can read, whole or not at all.

    A file that is replaced keeps its owner, group, mode and ACL, but for what
    others may do with it.
    """
    path = os.path.realpath(path)
    before: Optional[os.stat_result] = None
    if os.path.lexists(path):
        before = os.stat(path)
        if not stat.S_ISREG(before.st_mode):
            raise AbcWebRTCError(f"{path} is not a regular file; name another one")
        if not replace:
            raise AbcWebRTCError(f"{path} is there already; add --force to replace it")
    reason = None
    try:
        _write_new(path, data, before)
    except OSError as error:
        reason = error.strerror or "it failed"
    if reason:
        raise AbcWebRTCError(f"can't write {path}: {reason}")


def _write_new(path: str, data: bytes, before: Optional[os.stat_result]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".turnserver-conf-")
    try:
        with open(descriptor, "wb") as stream:
            if before:
                take_access(descriptor, path)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o770)
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        if before:
            os.replace(temporary, path)
        else:
            _place(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _place(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)  # unlike replace, this never takes the place of a file
    except FileExistsError:
        raise
    except OSError:
        os.replace(temporary, path)  # on a file system without hard links
