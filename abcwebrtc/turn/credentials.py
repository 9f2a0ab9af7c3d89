"""Time-limited TURN credentials, as coturn checks them with ``use-auth-secret``.

The scheme is the TURN REST API (draft-uberti-behave-turn-rest-00): the username
is ``expiry`` or ``expiry:userid`` with the expiry in unix seconds, the password
is base64 of the HMAC-SHA1 of the username under the static auth secret.
"""

from __future__ import annotations

import hmac
import re
import time
from typing import Any, Iterable, Optional, Union

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.errors import CredentialError
from abcwebrtc.times import MAX_EXPIRY, unix_seconds

MAX_USERID_BYTES = 497
"""Chromium takes usernames of 508 bytes; the expiry and its colon take 11."""

AnySecret = Union[str, bytes, Secret]

_USERNAME = re.compile("([1-9][0-9]{0,9})(:.*)?", re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f'\"\\]")
_PSEUDONYM_LABEL = b"abcwebrtc pseudonym\0"


class TurnCredentials:
    """A TURN username and the password for it; the repr hides the password.

    `ttl` is in seconds, `expires_at` in unix seconds.
    """

    __slots__ = ("expires_at", "password", "ttl", "username")

    def __init__(self, username: str, password: str, ttl: int, expires_at: int) -> None:
        self.username = username
        self.password = password
        self.ttl = ttl
        self.expires_at = expires_at

    def __repr__(self) -> str:
        return (
            f"TurnCredentials(username={self.username!r}, password=<hidden>, "
            f"ttl={self.ttl}, expires_at={self.expires_at})"
        )


def mint_turn_credentials(
    secret: AnySecret, ttl: int, user: Optional[str] = None, now: Optional[float] = None
) -> TurnCredentials:
    """Return credentials that coturn accepts from `now` on, for `ttl` seconds.

    `secret` is coturn's ``static-auth-secret``. With `user`, the username is
    ``expiry:user``; without, it is the bare expiry. `now` is in unix seconds
    and defaults to the clock.

    Raises `CredentialError` if `ttl` is not a whole number of seconds, at least 1, `now` is not a
    number or before 1970, the expiry is after 2038-01-19, or coturn or a browser can't accept
    `user`.
    """
    if type(ttl) is not int or ttl < 1:
        raise CredentialError("ttl must be a whole number of seconds, 1 or more")
    expires_at = unix_seconds(time.time() if now is None else now) + ttl
    username = turn_username(expires_at, user)
    return TurnCredentials(username, _secret(secret).sign(username), ttl, expires_at)


def turn_username(expires_at: int, user: Optional[str]) -> str:
    """Return a TURN username, ``expiry`` or ``expiry:user``.

    Raises `CredentialError` if the expiry is after 2038-01-19, or coturn or a browser can't accept
    `user`.
    """
    if expires_at > MAX_EXPIRY:
        raise CredentialError("the credential would expire after 2038-01-19, which coturn refuses")
    if user is None:
        return str(expires_at)
    check_userid(user)
    return f"{expires_at}:{user}"


def verify_turn_credentials(
    secrets: Union[AnySecret, Iterable[AnySecret]],
    username: str,
    password: str,
    now: Optional[float] = None,
) -> bool:
    """Return whether coturn, with these `secrets`, would accept these credentials now.

    All of `secrets` are tried, in constant time. A credential whose expiry equals `now` (unix
    seconds, the clock by default) is still valid, as in coturn.

    Raises `CredentialError` for an empty secret, or a `now` that is not a number.
    """
    if not isinstance(username, str) or not isinstance(password, str):
        raise TypeError("username and password must be text")
    if isinstance(secrets, (str, bytes, Secret)):
        secrets = (secrets,)
    match = _match_username(username)
    moment = unix_seconds(time.time() if now is None else now)
    known = False
    try:
        given = password.encode("ascii")
        for secret in secrets:  # all of them, even after a match
            known |= hmac.compare_digest(given, _secret(secret).sign(username).encode())
    except UnicodeEncodeError:
        return False
    return known and match is not None and moment <= int(match.group(1)) <= MAX_EXPIRY


def _match_username(username: str) -> Optional["re.Match[str]"]:
    """Match a username that coturn may accept: an expiry, and perhaps a userid."""
    match = _USERNAME.fullmatch(username)
    if match is None or match.group(2) is None:
        return match
    try:
        check_userid(match.group(2)[1:])
    except CredentialError:
        return None
    return match


def check_userid(user: str) -> None:
    """Raise `CredentialError` if a TURN username can't hold this userid.

    coturn answers 400 to a space, a quote, a backslash, or the words "union"
    and "select" together; Chromium gathers nothing above 508 bytes.
    """
    _check_text(user)
    try:
        size = len(user.encode("utf-8"))
    except UnicodeEncodeError:
        raise CredentialError("the userid is not valid Unicode text") from None
    if not user:
        raise CredentialError("the userid is empty")
    if size > MAX_USERID_BYTES:
        raise CredentialError(f"the userid is longer than {MAX_USERID_BYTES} bytes of UTF-8")
    folded = user.lower()
    if _FORBIDDEN.search(user) or ("union" in folded and "select" in folded):
        raise CredentialError(
            "coturn refuses a userid with a space, quote, backslash or control character, "
            "or with both 'union' and 'select'; set 'username': 'pseudonym' in webrtc.coturn"
        )


def _check_text(user: Any) -> None:
    if not isinstance(user, str):
        raise TypeError(f"user must be text, not {type(user).__name__}")


def pseudonym(key: AnySecret, user: str) -> str:
    """Return the pseudonym of a userid: 32 hex digits, the same every time.

    It is the HMAC-SHA256 of the userid under `key`, cut to 128 bits. Without the key, nobody can
    find the userid or test a guess. Hex digits can't spell anything that coturn refuses.

    Raises `CredentialError` if the userid is empty.
    """
    _check_text(user)
    if not user:
        raise CredentialError("the userid is empty")
    message = _PSEUDONYM_LABEL + user.encode("utf-8", "surrogatepass")
    return hmac.digest(_secret(key).reveal(), message, "sha256")[:16].hex()


def _secret(given: AnySecret) -> Secret:
    return given if isinstance(given, Secret) else Secret(given)
