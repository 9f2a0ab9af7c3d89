"""Whether the user of Debian's coturn can read a file, by the modes and ACLs on its path.

Nothing is opened, so it needs only the right to look at the folders.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import struct
from typing import Iterator, List, Optional, Set, Tuple

from abcwebrtc.texts import shell_word

USER = "turnserver"
"""The user as which Debian's unit runs coturn."""

_HIDDEN = ("/home/", "/tmp/", "/var/tmp/")  # noqa: S108, nothing is put there
_ACL = "system.posix_acl_access"
_USER_OBJ, _USER_TAG, _GROUP_OBJ, _GROUP_TAG, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_READ, _SEARCH = 4, 1


def unreadable(path: str, user: str = USER) -> Optional[str]:
    """Return why coturn under Debian's unit can't read a file, with the cure, or None.

    The result is None too if the user or the file is not on this machine.
    """
    return blocked(path, user) or _hidden(path, user)


def _hidden(path: str, user: str) -> Optional[str]:
    """Return how the unit hides a file: InaccessibleDirectories=/home, PrivateTmp=yes."""
    whole = os.path.realpath(path)
    folder = next((name for name in _HIDDEN if whole.startswith(name)), None)
    if not folder or not os.path.isfile(whole):
        return None
    with contextlib.suppress(KeyError):
        pwd.getpwnam(user)
        return f"the unit hides {folder} from coturn; keep the file in /etc or /usr/local/etc"
    return None


def blocked(path: str, user: str = USER) -> Optional[str]:
    """Return why a user can't read a file, with the cure, or None.

    The result is None too if there is no such user or no such file on this machine.
    """
    try:
        account = pwd.getpwnam(user)
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        groups = {account.pw_gid, *(g.gr_gid for g in grp.getgrall() if user in g.gr_mem)}
        for place, needed in _way(path):
            if not _may(place, needed, account.pw_uid, groups):
                return _cure(place, needed, user)
    except (KeyError, OSError, ValueError):
        pass
    return None


def _way(path: str) -> Iterator[Tuple[str, int]]:
    """Yield the folders down to a file and the file, each with the right that it needs."""
    whole = os.path.realpath(path)
    folders: List[str] = []
    for start in (whole, os.path.abspath(path)):  # the path of a link, and that of its file
        folder = os.path.dirname(start)
        while folder not in folders:
            folders.append(folder)
            folder = os.path.dirname(folder)
    for place in sorted(folders, key=len):
        yield place, _SEARCH
    yield whole, _READ


def _cure(place: str, needed: int, user: str) -> str:
    place = shell_word(place)
    if needed == _SEARCH:
        return f"it can't enter the folder {place}; chmod o+x {place}, or keep the file elsewhere"
    return f"chgrp {user} {place} and chmod 640 {place}"


def _may(place: str, needed: int, uid: int, groups: Set[int]) -> bool:
    """Return whether a user has a right, as Linux decides: it ignores an ACL with an empty mask."""
    about = os.stat(place)
    if uid == 0 or uid == about.st_uid:
        return uid == 0 or bool(about.st_mode >> 6 & needed)
    entries = _acl(place) if about.st_mode & stat.S_IRWXG else []
    if not entries:
        shift = 3 if about.st_gid in groups else 0
        return bool(about.st_mode >> shift & needed)
    mask = next((right for tag, right, _ in entries if tag == _MASK), 7)
    for tag, right, owner in entries:
        if tag == _USER_TAG and owner == uid:
            return bool(right & mask & needed)
    mine = [
        right
        for tag, right, owner in entries
        if (tag == _GROUP_OBJ and about.st_gid in groups) or (tag == _GROUP_TAG and owner in groups)
    ]
    if mine:
        return any(right & mask & needed for right in mine)
    return any(right & needed for tag, right, _ in entries if tag == _OTHER)


def _acl(place: str) -> List[Tuple[int, int, int]]:
    """Return the entries of an ACL: tag, rights and owner; none if there is no ACL."""
    with contextlib.suppress(OSError, AttributeError, struct.error):
        return list(struct.iter_unpack("<HHI", os.getxattr(place, _ACL)[4:]))
    return []
