"""New static auth secrets, and the forms in which they are written.

These functions return secrets, on purpose: it is what they are for.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import Any, Dict, Sequence, Tuple

from abcwebrtc.config.secret_sources import MAX_SECRETS, Secret, secrets_in, too_many_secrets
from abcwebrtc.coturn.conf_file import why_no_line
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.texts import shell_file, shell_word

NEW_SECRET_BYTES = 32
DEFAULT_DATABASE = "/var/lib/turn/turndb"
"""coturn's own SQLite database."""
_OF_ANOTHER_KIND = re.compile(rb"\s*(\[[\w.-]+\]\s*$|[\w.-]+=[^=\s]|[\w.-]+\s*[:=]\s|-----BEGIN )")
"""A line of an od.config, a turnserver.conf, a manifest or a PEM file."""


def new_secret() -> Secret:
    """Return a random secret of 256 bits, as 64 hex digits.

    Hex digits mean nothing to turnserver.conf, od.config, a shell or SQL, and
    can't begin with a minus sign, which turnadmin would take for an option.
    """
    return Secret(secrets.token_hex(NEW_SECRET_BYTES))


def with_new(new: Secret, old: Sequence[Secret], file: str) -> Tuple[Secret, ...]:
    """Return the secrets of a file with a new one in front, each once.

    Raises `ConfigError` where they are more than are read from one place.
    """
    found = (new, *(secret for secret in old if secret != new))
    if len(found) > MAX_SECRETS:
        raise ConfigError(Problem(f"with the new one {too_many_secrets(len(found))}", "", file))
    return found


def secrets_to_keep(data: bytes, file: str, replace: bool) -> Tuple[Secret, ...]:
    """Return the secrets in the content of a file that is to be written, none with `replace`.

    Raises `ConfigError` for content that is something else than secrets.
    """
    for line, text in enumerate(data.splitlines(), 1):
        if _OF_ANOTHER_KIND.match(text):
            message = "has a line that is no secret, so it is not overwritten; give another file"
            raise ConfigError(Problem(message, "", file, line))
    return () if replace or not data.strip() else secrets_in(data, file)


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


def turnserver_lines(found: Sequence[Secret], file: str) -> bytes:
    """Return the ``static-auth-secret`` lines of a turnserver.conf.

    coturn strips what stands at the ends of a bare value, and takes one pair of
    quotes away. Raises `ConfigError`, with the `file` that the secrets are from,
    for one that no line can hold.
    """
    lines = []
    for secret in found:
        value = secret.reveal()
        reason = why_no_line(value)
        if reason:
            raise ConfigError(Problem(f"the secret {reason}", "", file))
        is_plain = re.fullmatch(rb"[A-Za-z0-9_.-]+", value)
        lines.append(b"static-auth-secret=%s\n" % (value if is_plain else b'"%s"' % value))
    return b"".join(lines)


def turnadmin(option: str, file: str, realm: str, database: str, line: int = 1) -> str:
    """Return a turnadmin command that takes the secret from a line of a file.

    turnadmin takes secrets as arguments only (coturn 4.6).
    """
    secret = f'"$(grep . {shell_file(file)} | sed -n {line}p)"'
    return f"turnadmin {option} {secret} -r {shell_word(realm)} -b {shell_word(database)}"
