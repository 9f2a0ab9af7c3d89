"""New static auth secrets, and the formats in which they are written.

These functions return secrets on purpose: that is what they are for.
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

    Hex digits have no special meaning in turnserver.conf, od.config, a shell or SQL,
    and never begin with a minus sign, which turnadmin would read as an option.
    """
    return Secret(secrets.token_hex(NEW_SECRET_BYTES))


def with_new(new: Secret, old: Sequence[Secret], file: str) -> Tuple[Secret, ...]:
    """Return the secrets of a file with a new one in front, each once.

    Raises `ConfigError` if there are more of them than are read from one place.
    """
    found = (new, *(secret for secret in old if secret != new))
    if len(found) > MAX_SECRETS:
        raise ConfigError(Problem(f"with the new one {too_many_secrets(len(found))}", "", file))
    return found


def secrets_to_keep(data: bytes, file: str, replace: bool) -> Tuple[Secret, ...]:
    """Return the secrets to keep from the file that is being written; none with `replace`.

    Raises `ConfigError` if the file holds anything other than secrets.
    """
    for line, text in enumerate(data.splitlines(), 1):
        if _OF_ANOTHER_KIND.match(text):
            message = "has a line that is not a secret, so it is not overwritten; name another file"
            raise ConfigError(Problem(message, "", file, line))
    return () if replace or not data.strip() else secrets_in(data, file)


def file_content(found: Sequence[Secret]) -> bytes:
    """Return the content of a secret file: one secret a line, the newest first."""
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

    coturn strips blanks around a bare value, and removes one pair of quotes. Raises
    `ConfigError`, with the `file` that the secrets are from, for a secret that no
    line can hold.
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
    """Return a turnadmin command that reads the secret from a line of a file.

    turnadmin itself accepts secrets only as arguments (coturn 4.6).
    """
    secret = f'"$(grep . {shell_file(file)} | sed -n {line}p)"'
    return f"turnadmin {option} {secret} -r {shell_word(realm)} -b {shell_word(database)}"
