"""SQL by which coturn's database learns a secret, or forgets it.

It goes to the database's own program on stdin, so that no secret is an argument of a process, as
it is with ``turnadmin``. coturn looks into its table at every login, so it counts at once. The
strings are those of standard SQL, as SQLite and PostgreSQL read them; MySQL, by default, takes a
backslash in them for an escape.
"""

from __future__ import annotations

import re
from typing import Sequence, Tuple

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.errors import AbcWebRTCError


def adding_sql(secrets: Sequence[Secret], realm: str) -> bytes:
    """Return statements that put secrets into coturn's table, where they may be already.

    Raises `AbcWebRTCError` for one that no string of SQL holds.
    """
    rows = [_row(secret, realm) for secret in secrets]
    added = (b"insert into turn_secret (realm, value) values (%s, %s);\n" % row for row in rows)
    return b"begin;\n%s%scommit;\n" % (b"".join(map(_removal, rows)), b"".join(added))


def removing_sql(secrets: Sequence[Secret], realm: str) -> bytes:
    """Return statements that take secrets from coturn's table, and leave all others there.

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
        raise AbcWebRTCError("a control character is in the secret or the realm, and SQL has none")
    return b"'%s'" % value.replace(b"'", b"''")
