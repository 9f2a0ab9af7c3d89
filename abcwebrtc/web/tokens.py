"""pyos's user token: a JWT (RFC 7519), signed RS256, in ``ABCAuthorization``."""

from __future__ import annotations

import warnings
from typing import Any, Optional, Sequence, Tuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.api_jwt import decode_complete

from abcwebrtc.errors import Problem, TokenError
from abcwebrtc.web.public_keys import read_public_keys

LEEWAY = 20
"""Seconds that a clock may be off, as in pyos."""
REQUIRED_CLAIMS = ("exp", "nbf", "auth", "user", "roles")
MIN_KEY_BITS = 2048
_ANOTHER_KEY = jwt.InvalidSignatureError.__name__


class UserTokenVerifier:
    """Verifies user tokens with the public half of pyos's signing key.

    Of several keys, so that pyos's can be changed, any one may have signed. They
    are tried in their order; the others cost time only where the first has not.
    `notes` is what is to be known of their files.
    """

    def __init__(self, *public_keys: RSAPublicKey, notes: Sequence[Problem] = ()) -> None:
        if not public_keys:
            raise TypeError("UserTokenVerifier needs a public key")
        self._keys = public_keys
        self.notes = tuple(notes)
        if self.weakness and hasattr(jwt, "InsecureKeyLengthWarning"):
            # PyJWT warns at each call; `weakness` is there to say it once.
            warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)

    @classmethod
    def from_file(cls, *paths: str, entry: str = "") -> UserTokenVerifier:
        """Read PEM files of public keys or certificates; raise `ConfigError` if one is none.

        `entry` is the key path in od.config that names the files, for that error.
        """
        keys, notes = read_public_keys(paths, entry)
        return cls(*keys, notes=notes)

    @property
    def weakness(self) -> Optional[str]:
        """What is unwise about the shortest key, or None."""
        size = min(key.key_size for key in self._keys)
        if size >= MIN_KEY_BITS:
            return None
        name = "the key" if len(self._keys) == 1 else "a key"
        return f"{name} has {size} bits; use one of {MIN_KEY_BITS} or more"

    def userid(self, token: str) -> str:
        """Return the userid in a valid token.

        Raises `TokenError` for any other; its text says why, for the log.
        """
        user = self._claims(token).get("user")
        userid = user.get("userid") if isinstance(user, dict) else None
        if not isinstance(userid, str) or not userid:
            raise TokenError("the token names no user")
        return userid

    def _claims(self, token: str) -> Any:
        for key in self._keys:
            claims, reason = _verified(token, key)
            if reason is None:
                return claims
            if reason != _ANOTHER_KEY:
                break  # it is not valid, whoever has signed it
        raise TokenError(f"the token is not valid: {reason}")


def _verified(token: str, key: RSAPublicKey) -> Tuple[Any, Optional[str]]:
    """Return the claims of a token that a key has signed, or why it is not valid."""
    try:
        decoded = decode_complete(
            token,
            key=key,
            algorithms=["RS256"],
            leeway=LEEWAY,
            options={"require": list(REQUIRED_CLAIMS)},
        )
    except (jwt.PyJWTError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
        return None, type(error).__name__
    if "kid" in decoded["header"]:
        return None, "it is for another key"  # pyos's keys have no id
    return decoded["payload"], None


def bearer_token(header: Optional[str]) -> str:
    """Return the token of an ``ABCAuthorization: Bearer ...`` header.

    Raises `TokenError` when there is none.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("no bearer token")
    return token.strip()
