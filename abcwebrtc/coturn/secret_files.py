"""New static auth secrets: making, writing and printing them.

These functions return or write secrets, on purpose: it is what they are for.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import secrets
import stat
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Union

from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, Secret, secrets_in
from abcwebrtc.errors import ConfigError, Problem

NEW_SECRET_BYTES = 32
_PRIVATE = 0o600
_ACL = "system.posix_acl_access"
_OF_CONTENT = ("security.ima", "security.evm")  # signatures of what the file held


def new_secret() -> Secret:
    """Return a random secret of 256 bits, as 64 hex digits.

    Hex digits mean nothing to turnserver.conf, od.config, a shell or SQL, and
    can't begin with a minus sign, which turnadmin would take for an option.
    """
    return Secret(secrets.token_hex(NEW_SECRET_BYTES))


def first_secret(data: bytes, file: str) -> Secret:
    """Return the newest secret in the content of a file.

    Raises `ConfigError` when there is none, or the content can't be a secret.
    """
    return secrets_in(data, file)[0]


def with_new(new: Secret, old: Sequence[Secret]) -> Tuple[Secret, ...]:
    """Return secrets with a new one in front, each once."""
    kept = [secret for secret in old if secret != new]
    return (new, *kept)


def file_content(found: Sequence[Secret]) -> bytes:
    """Return the content of a secret file: one a line, newest first."""
    return b"".join(secret.reveal() + b"\n" for secret in found)


def secret_manifest(found: Sequence[Secret], name: str, namespace: str, key: str) -> Dict[str, Any]:
    """Return a Kubernetes Secret that holds the content of a secret file under `key`."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key: base64.b64encode(file_content(found)).decode("ascii")},
    }


def turnserver_lines(found: Sequence[Secret]) -> bytes:
    """Return the ``static-auth-secret`` lines of a turnserver.conf.

    coturn strips what stands at the ends of a bare value, and takes one pair of
    quotes away.
    """
    return b"".join(b"static-auth-secret=" + _quoted(secret.reveal()) + b"\n" for secret in found)


def _quoted(value: bytes) -> bytes:
    return value if re.fullmatch(rb"[A-Za-z0-9_.-]+", value) else b'"' + value + b'"'


def read_secret_file(path: str, missing_ok: bool = False) -> bytes:
    """Return the content of a secret file; nothing, if that is fine, where there is none.

    Raises `ConfigError` when it can't be read, or is larger than 64 KiB.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        if missing_ok and isinstance(error, FileNotFoundError):
            return b""
        reason = getattr(error, "strerror", None) or "not a file name"
    else:
        if len(data) <= MAX_FILE_BYTES:
            return data
        reason = "larger than 64 KiB"
    raise ConfigError(Problem(f"can't be read: {reason}", "", path))


def write_secret_file(path: str, found: Sequence[Secret]) -> None:
    """Replace a secret file in one step, so that no reader sees half of it.

    A new file has mode 0600. One that was there keeps its mode, owner and ACL:
    who could read the secret before can read it after, and nobody else. Other
    extended attributes are kept where that is allowed. Symbolic links are followed.

    Raises `ConfigError` when it can't be written.
    """
    try:
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):
            raise ConfigError(Problem("can't be written: not a regular file", "", path))
        _replace(target, file_content(found))
        return
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
    raise ConfigError(Problem(f"can't be written: {reason}", "", path))


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Keep others who write secrets out of the folder of a file, until the end.

    Two that read, add and replace at the same time would lose the secret of one.
    A folder that can't be read is not locked.
    """
    try:
        descriptor = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        descriptor = -1  # reading or writing the file says what is wrong
    try:
        if descriptor >= 0:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def others_can_read(path: str) -> bool:
    """Say whether every user of the machine may read a file."""
    return bool(os.stat(path).st_mode & stat.S_IROTH)


def _replace(target: str, content: bytes) -> None:
    folder = os.path.dirname(target)
    descriptor, temporary = tempfile.mkstemp(prefix=".abcwebrtc-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            take_access(stream.fileno(), target)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def take_access(descriptor: int, target: str) -> None:
    """Give an open file the owner, mode and ACL of the one that it is to replace.

    Where there is none to replace, its owner alone may read it. Raises `OSError`
    where that is not allowed.
    """
    try:
        before = os.stat(target)
    except FileNotFoundError:
        os.fchmod(descriptor, _PRIVATE)
        return
    own = os.fstat(descriptor)
    if (before.st_uid, before.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    if sys.platform == "linux":
        _take_attributes(descriptor, target)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _take_attributes(descriptor: int, target: str) -> None:
    """Give a file the extended attributes of another one; only its ACL has to succeed."""
    names = _attributes(target)
    for name in names:
        if name not in (_ACL, *_OF_CONTENT):
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(target, name))
    if _ACL in names:
        os.setxattr(descriptor, _ACL, os.getxattr(target, _ACL))
    elif _ACL in _attributes(descriptor):
        os.removexattr(descriptor, _ACL)  # of the folder, and fchmod would put it in force


def _attributes(file: Union[int, str]) -> List[str]:
    try:
        return os.listxattr(file)
    except OSError:  # a file system without any
        return []
