"""Static auth secrets: values that don't show, and where they come from.

A secret stands inline in od.config, in a file (a mounted Kubernetes Secret),
or in the environment. Several are held newest first, for rotation: the first
one mints, and all of them verify.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
import threading
import time
from typing import Any, Callable, NoReturn, Optional, Tuple, Union

from abcwebrtc.errors import ConfigError, CredentialError, Problem

STAT_INTERVAL = 1.0
"""Seconds between two looks at a secret file."""
MAX_FILE_BYTES = 64 * 1024
_SHA1_BLOCK = 64

_log = logging.getLogger(__name__)


class Secret:
    """A secret that signs, and shows itself nowhere.

    Its repr and text hide the value, and it can't be pickled. Two are equal
    when their values are; the comparison takes constant time.

    Raises `CredentialError` for an empty text, or one that is not Unicode.
    """

    __slots__ = ("_inner", "_outer", "_value")

    def __init__(self, value: Union[str, bytes]) -> None:
        self._value = _secret_bytes(value)
        self._inner, self._outer = _keyed_sha1(self._value)

    def hmac_sha1(self, message: bytes) -> bytes:
        """Return the HMAC-SHA1 of a message, 20 bytes (RFC 2104)."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def hmac_sha256(self, message: bytes) -> bytes:
        """Return the HMAC-SHA256 of a message, 32 bytes."""
        return hmac.new(self._value, message, hashlib.sha256).digest()

    def reveal(self) -> bytes:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "<Secret: hidden>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: Any) -> "Secret":
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret can't be pickled")


class FixedSecrets:
    """Secrets that don't change: inline ones, or those of the environment."""

    def __init__(self, secrets: Tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def current(self) -> Tuple[Secret, ...]:
        """Return the secrets, newest first."""
        return self._secrets


class FileSecrets:
    """The secrets in a file, one a line, newest first, read again on change.

    The file is looked at with one ``stat`` a second at most, which follows
    symbolic links, so that the swap by which the kubelet updates a mounted
    Secret is seen. While the file is missing, empty or unreadable the last
    good secrets stay in use, and the log says so once.

    `clock` gives seconds that never go back.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file; raise `ConfigError` when there is no secret in it."""
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._failing = False
        self._signature = _signature(path)
        self._secrets = _read_secrets(path)
        self._next_look = clock() + STAT_INTERVAL

    def current(self) -> Tuple[Secret, ...]:
        """Return the secrets, newest first."""
        if self._clock() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                if self._clock() >= self._next_look:  # another thread may have looked
                    self._look()
            finally:
                self._lock.release()
        return self._secrets

    def _look(self) -> None:
        self._next_look = self._clock() + STAT_INTERVAL
        try:
            # Before reading: a change between the two is then seen next time.
            signature = _signature(self.path)
            if signature == self._signature and not self._failing:
                return
            self._secrets = _read_secrets(self.path)
        except ConfigError as error:
            if not self._failing:
                _log.error("%s; the last good secret stays in use", error)
            self._failing = True
            return
        if self._failing:
            _log.warning("%s: the secret can be read again", self.path)
        self._signature, self._failing = signature, False


SecretSource = Union[FixedSecrets, FileSecrets]


def split_secrets(data: bytes) -> Tuple[Secret, ...]:
    """Return the secrets in the content of a file: one a line, blank ones left out."""
    return tuple(Secret(line.strip()) for line in data.splitlines() if line.strip())


def _secret_bytes(value: Union[str, bytes]) -> bytes:
    if not isinstance(value, (str, bytes)):
        raise TypeError("a secret is text or bytes")
    if not value:
        raise CredentialError("the secret is empty")
    try:
        return value if isinstance(value, bytes) else value.encode("utf-8")
    except UnicodeEncodeError:
        pass  # this exception holds the secret
    raise CredentialError("the secret is not valid Unicode text")


def _keyed_sha1(key: bytes) -> Tuple[hashlib._Hash, hashlib._Hash]:
    """Return the two hashes that HMAC starts from, which depend on the key alone.

    RFC 2104, section 4, advises to compute them once for each key: signing a
    short message then takes half the time.
    """
    block = hashlib.sha1(key).digest() if len(key) > _SHA1_BLOCK else key
    block = block.ljust(_SHA1_BLOCK, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    return hashlib.sha1(inner), hashlib.sha1(outer)


def _signature(path: str) -> Tuple[int, ...]:
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        reason = "not a regular file"
    except (OSError, ValueError) as error:
        reason = _reason(error)
    raise ConfigError(Problem(f"the secret can't be read: {reason}", "", path))


def _read_secrets(path: str) -> Tuple[Secret, ...]:
    reason: Optional[str] = None
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = _reason(error)
    if reason is None and len(data) > MAX_FILE_BYTES:
        reason = "larger than 64 KiB"
    if reason:
        raise ConfigError(Problem(f"the secret can't be read: {reason}", "", path))
    secrets = split_secrets(data)
    if not secrets:
        raise ConfigError(Problem("the file holds no secret: it is empty", "", path))
    return secrets


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or "not a file name"
