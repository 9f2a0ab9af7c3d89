"""Static auth secrets: values that stay hidden, and where they come from.

A secret is inline in od.config, in a file (a mounted Kubernetes Secret), or in the environment. For
a rotation there are several, newest first: the first one mints, and all of them verify.
"""

from __future__ import annotations

import errno
import hmac
import os
import re
import stat
import threading
import time
from binascii import b2a_base64
from typing import Any, Callable, Dict, List, Mapping, NoReturn, Optional, Tuple, Union

from abcwebrtc.config.problems import Where, has_unexpanded, is_like_path
from abcwebrtc.errors import ConfigError, CredentialError, Problem, SecretElsewhereError
from abcwebrtc.texts import harmless_logger, is_like_secret

_log = harmless_logger(__name__)
STAT_INTERVAL = 0.5
"""Seconds between two checks of a secret file."""
SETTLE_SECONDS = 0.5
"""How long a file must stay unchanged before it counts as complete."""
MAX_FILE_BYTES = 64 * 1024
MAX_SECRETS = 16
"""More than a rotation needs; each one makes verifying slower."""
_NOT_HERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM)
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_OTHER_FILE = re.compile(
    rb"^[ \t]*(?:\[[A-Za-z/][\w./-]*\][ \t]*\r?$|-----BEGIN |webrtc\.[a-z_]+[ \t]*[:=]|apiVersion:"
    rb"|(?:static-auth-secret|use-auth-secret|listening-port|realm|cert|pkey)[ \t]*=)",
    re.MULTILINE,
)
"""A line of an od.config, PEM file, manifest or turnserver.conf, which hold other secrets."""
_NO_SECRETS = (
    "it has a line of an od.config, a turnserver.conf, a manifest or a PEM file; write secrets "
    "alone, one per line"
)
_VARIABLE = re.compile("[A-Za-z_][A-Za-z0-9_]*")

Signature = Tuple[int, ...]
"""What differs after every change of a file; the time of the change is last."""


class Secret:
    """A secret that signs, and stays hidden.

    Its repr and text hide the value, and it can't be pickled. Two secrets are equal if their values
    are; the comparison takes constant time.

    Raises `CredentialError` for an empty text, or one that is not Unicode.
    """

    __slots__ = ("_new_mac", "_value")

    def __init__(self, value: Union[str, bytes]) -> None:
        self._value = secret_bytes(value)
        # Copying takes half the time of a new HMAC: see RFC 2104, section 4.
        self._new_mac = hmac.new(self._value, digestmod="sha1").copy

    def sign(self, username: str) -> str:
        """Return the password of a TURN username: base64 of its HMAC-SHA1 under the secret."""
        mac = self._new_mac()
        mac.update(username.encode())
        return b2a_base64(mac.digest(), newline=False).decode()

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
    """Secrets that don't change: inline or from the environment."""

    def __init__(self, secrets: Tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FixedSecrets) and self._secrets == other._secrets

    __hash__ = None  # type: ignore[assignment]

    def current(self) -> Tuple[Secret, ...]:
        """Return the secrets, newest first."""
        return self._secrets


class FileSecrets:
    """The secrets in a file, one per line, newest first, read again after a change.

    The file is checked with at most two ``stat`` a second. They follow symbolic links, so that they
    notice the swap by which the kubelet updates a mounted Secret. While the file is missing,
    unreadable, or has no secret or too many, the last good secrets stay in use; the log says so
    once, and once more when it is over.

    A file that changed less than half a second ago may be half written. It is used when the next
    check finds it unchanged.

    `failing` says whether that is so. `changed` is when the file in use was last changed (unix
    seconds). `clock` gives seconds that never go back.
    """

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file; raise `ConfigError` if it has no secret."""
        self.path = path
        self._clock = clock
        self._lock, self._process = threading.Lock(), os.getpid()
        self.failing = False
        self._signature = _signature(path)
        self._seen, self.changed = self._signature, self._signature[3] / 1e9
        self._secrets = _read_secrets(path, self._signature)
        self._next_look = clock() + STAT_INTERVAL

    def __eq__(self, other: object) -> bool:
        """Two that follow the same file are equal, even if only one has seen its change."""
        return isinstance(other, FileSecrets) and self.path == other.path

    __hash__ = None  # type: ignore[assignment]

    def current(self) -> Tuple[Secret, ...]:
        """Return the secrets, newest first."""
        if self._clock() >= self._next_look:
            self._look_alone()
        return self._secrets

    def _look_alone(self) -> None:
        """Check the file, unless another thread does."""
        if self._process != os.getpid():  # after a fork, a lock that was held is never released
            self._lock, self._process = threading.Lock(), os.getpid()
        lock = self._lock
        if lock.acquire(blocking=False):
            try:
                if self._clock() >= self._next_look:  # another thread may have checked
                    self._look()
            finally:
                lock.release()

    def _look(self) -> None:
        self._next_look = self._clock() + STAT_INTERVAL
        try:
            signature = _signature(self.path)
            if signature == self._signature and not self.failing:
                return
            if not self._is_settled(signature):
                return
            self._secrets = _read_secrets(self.path, signature)
        except _ChangingError:
            return
        except ConfigError as error:
            if not self.failing:
                _log.warning("%s; the last good secret stays in use", error)
            self.failing = True
            return
        if self.failing:
            _log.info("%s: the secret can be read again", self.path)
        self._signature, self.changed, self.failing = signature, signature[3] / 1e9, False

    def _is_settled(self, signature: Signature) -> bool:
        """Return whether a file has been unchanged for a while.

        If the wall clock was changed, the file must be the same at two checks.
        """
        before, self._seen = self._seen, signature
        return signature == before or time.time() - signature[-1] / 1e9 >= SETTLE_SECONDS


class SecretsElsewhere:
    """The secrets of a file or a variable on another machine.

    `place` is the file's path or the variable's name, as `is_file` says, and `reason` is a sentence
    on why they are not here.
    """

    def __init__(self, place: str, is_file: bool, reason: str) -> None:
        self.place = place
        self.is_file = is_file
        self.reason = reason

    def __eq__(self, other: object) -> bool:
        """Two with the same place are equal."""
        if not isinstance(other, SecretsElsewhere):
            return NotImplemented
        return (self.place, self.is_file) == (other.place, other.is_file)

    __hash__ = None  # type: ignore[assignment]

    def current(self) -> Tuple[Secret, ...]:
        """Raise `SecretElsewhereError`."""
        raise SecretElsewhereError(f"{self.reason}; run this where it is")


class AbsentError(ConfigError):
    """A secret file is missing on this machine, or not readable for this user."""


class _ChangingError(ConfigError):
    """A file changed while it was being read."""


SecretSource = Union[FixedSecrets, FileSecrets, SecretsElsewhere]


def secrets_here(source: SecretSource) -> Tuple[Secret, ...]:
    """Return the secrets, newest first, or none if they are on another machine."""
    return () if isinstance(source, SecretsElsewhere) else source.current()


class SecretReader:
    """Reads the files and variables that an od.config names, each file once.

    Relative file names are resolved against `folder`. Two entries that name the same file share one
    source, so that it is checked once. If secrets may be `elsewhere`, a file or variable that is
    missing here becomes `SecretsElsewhere`, with a note.
    """

    def __init__(self, environ: Mapping[str, str], folder: str, elsewhere: bool = False) -> None:
        self._environ = environ
        self._folder = folder
        self._elsewhere = elsewhere
        self._files: Dict[str, FileSecrets] = {}

    def from_file(self, name: str, where: Where) -> Tuple[Optional[SecretSource], List[Problem]]:
        """Return the secrets of a file, or None, and what is wrong.

        No problem shows the name: somebody may have written the secret itself there.
        """
        path = os.path.abspath(os.path.join(self._folder, name))
        try:
            if path not in self._files:
                self._files[path] = FileSecrets(path)
            return self._files[path], []
        except ConfigError as error:
            is_absent, message = isinstance(error, AbsentError), error.problems[0].message
        if is_absent and (has_unexpanded(name) or name.startswith("~")):
            message = "has a variable or a '~' in it, which nothing expands; write the path itself"
        elif is_absent and not is_like_path(name):
            message = (
                "names no file here, and looks like a secret; for a secret, remove _file from the "
                "key; for a file, begin its name with './'"
            )
        elif is_absent and self._elsewhere:
            cause = message.rpartition(": ")[2]
            reason = f"the secret's file can't be read on this machine: {cause}"
            return _source_elsewhere(path, True, reason, where)
        return None, [where.error(message)]

    def from_environment(
        self, name: str, where: Where
    ) -> Tuple[Optional[SecretSource], List[Problem]]:
        """Return the secrets of a variable, or None, and what is wrong."""
        try:
            value = self._environ.get(name)
        except UnicodeEncodeError:
            value = None  # no variable can have this name
        data = (value or "").encode("utf-8", "surrogateescape")
        lines = split_secrets(data)
        if _OTHER_FILE.search(data):
            return None, [where.error(f"the variable can't be used: {_NO_SECRETS}")]
        if len(lines) > MAX_SECRETS:
            return None, [where.error(too_many_secrets(len(lines)))]
        if lines:
            return FixedSecrets(tuple(map(Secret, lines))), []
        if value is None and is_like_secret(name):
            message = "names no variable here, and looks like a secret; for a secret, remove _env"
            return None, [where.error(f"{message} from the key")]
        if value is None and self._elsewhere and _VARIABLE.fullmatch(name):
            reason = "the secret's variable is not set on this machine"
            return _source_elsewhere(name, False, reason, where)
        if has_unexpanded(name):
            right = "such as TURN_SECRET, without '$' or braces"
            return None, [where.error(f"must be just the name of a variable, {right}")]
        message = "the environment has no such variable, or it is empty; set it"
        return None, [where.error(message)]


def _source_elsewhere(
    place: str, is_file: bool, reason: str, where: Where
) -> Tuple[SecretSource, List[Problem]]:
    message = f"{reason}; it is not checked, and must be there where pyos runs"
    return SecretsElsewhere(place, is_file, reason), [where.note(message)]


def split_secrets(data: bytes) -> List[bytes]:
    """Return the secrets in the content of a file: one per line, without blank lines."""
    return [line.strip() for line in data.splitlines() if line.strip()]


def too_many_secrets(number: int) -> str:
    """Return what is wrong with too many secrets in one place, and what to do."""
    return f"has {number} secrets, more than the {MAX_SECRETS} that are read; remove the oldest"


def unusable_bytes(data: bytes) -> Optional[str]:
    """Return what is in a secret file by mistake.

    An editor's byte order mark, or UTF-16, would silently become a part of the secret, and coturn
    would not have that secret.
    """
    if data.startswith(_BYTE_ORDER_MARKS):
        return "it begins with a byte order mark; save it as plain text without one"
    if _CONTROL.search(data):
        return "it has control characters; save it as plain text, one secret per line"
    if _OTHER_FILE.search(data):
        return _NO_SECRETS
    return None


def secret_bytes(value: Union[str, bytes]) -> bytes:
    """Return a secret as the bytes that sign; raise `CredentialError` as `Secret` does."""
    if not isinstance(value, (str, bytes)):
        raise TypeError("a secret is text or bytes")
    if not value:
        raise CredentialError("the secret is empty")
    try:
        return value if isinstance(value, bytes) else value.encode("utf-8")
    except UnicodeEncodeError:
        pass  # this exception holds the secret
    raise CredentialError("the secret is not valid Unicode text")


def _signature(path: str) -> Signature:
    try:
        return _of_regular_file(os.stat(path))
    except (OSError, ValueError) as error:
        failure = _unreadable(error, path)
    raise failure


def _of_regular_file(found: os.stat_result) -> Signature:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "not a regular file")
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_secrets(path: str, signature: Signature) -> Tuple[Secret, ...]:
    """Return the secrets of a file that had this signature just before."""
    try:
        # It may have become a FIFO, on which open() would block, or a device.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            _of_regular_file(os.fstat(descriptor))
            data = stream.read(MAX_FILE_BYTES + 1) or b""
            after = _of_regular_file(os.fstat(descriptor))
    except OSError as error:
        failure = _unreadable(error, path)
    else:
        if after != signature:
            raise _ChangingError(Problem("the secret changed while it was read", "", path))
        return secrets_in(data, path)
    raise failure


def secrets_in(data: bytes, path: str) -> Tuple[Secret, ...]:
    """Return the secrets in the content of a file: one per line, without blank lines.

    Raises `ConfigError` if there is none or too many, or the content can't be a secret.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(Problem("the secret can't be read: larger than 64 KiB", "", path))
    unusable = unusable_bytes(data)
    if unusable:
        raise ConfigError(Problem(f"the secret can't be used: {unusable}", "", path))
    lines = split_secrets(data)
    if not lines:
        raise ConfigError(Problem("the file holds no secret: it is empty", "", path))
    if len(lines) > MAX_SECRETS:
        raise ConfigError(Problem(too_many_secrets(len(lines)), "", path))
    return tuple(map(Secret, lines))


def _unreadable(error: Exception, path: str) -> ConfigError:
    reason = getattr(error, "strerror", None) or "not a file name"
    kind = AbsentError if getattr(error, "errno", None) in _NOT_HERE else ConfigError
    return kind(Problem(f"the secret can't be read: {reason}", "", path))
