"""SQL that adds secrets to coturn's database, or removes them.

The database's own program reads it from stdin, so that no secret is an argument of a process, as
it is with ``turnadmin``. coturn queries its table at every login, so a change takes effect at once.
The strings are standard SQL, as SQLite and PostgreSQL read them; MySQL, by default, treats a
backslash as an escape.
"""

from __future__ import annotations

import re
from typing import Sequence, Tuple

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.errors import AbcWebRTCError


def adding_sql(secrets: Sequence[Secret], realm: str) -> bytes:
    """Return statements that add secrets to coturn's table, which may have them already.

    Raises `AbcWebRTCError` for a secret that no SQL string can hold.
    """
    rows = [_row(secret, realm) for secret in secrets]
    added = (b"insert into turn_secret (realm, value) values (%s, %s);\n" % row for row in rows)
    return b"begin;\n%s%scommit;\n" % (b"".join(map(_removal, rows)), b"".join(added))


def removing_sql(secrets: Sequence[Secret], realm: str) -> bytes:
    """Return statements that remove secrets from coturn's table, and keep all others.

    Raises `AbcWebRTCError` as `adding_sql` does.
    """
    rows = [_row(secret, realm) for secret in secrets]
    return b"begin;\n%scommit;\n" % b"".join(map(_removal, rows))


def _removal(row: Tuple[bytes, bytes]) -> bytes:
    return b"delete from turn_secret where realm = %s and value = %s;\n" % row


def _row(secret: Secret, realm: str) -> Tuple[bytes, bytes]:
    return _string(realm.encode("utf-8", "surrogateescape")), _string(secret.reveal())


def _string(value: bytes) -> bytes:
    if re.search(rb"[\x00-\x1f\x7f]", value):
        raise AbcWebRTCError(
            "the secret or the realm has a control character, which an SQL string can't hold"
        )
    return b"'%s'" % value.replace(b"'", b"''")
