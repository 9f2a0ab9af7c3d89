"""New static auth secrets: making them, and the forms in which they are written.

These functions return secrets, on purpose: it is what they are for.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from typing import Any, Dict, Sequence, Tuple

from abcwebrtc.config.secret_sources import MAX_FILE_BYTES, Secret, secrets_in
from abcwebrtc.errors import ConfigError, Problem

NEW_SECRET_BYTES = 32


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


def others_can_read(path: str) -> bool:
    """Say whether every user of the machine may read a file."""
    return bool(os.stat(path).st_mode & stat.S_IROTH)
