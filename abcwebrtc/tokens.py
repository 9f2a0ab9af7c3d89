"""pyos's user token: a JWT (RFC 7519), signed RS256, in ``ABCAuthorization``."""

from __future__ import annotations

import warnings
from typing import Any, List, Optional

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.api_jwt import decode_complete

from abcwebrtc.errors import ConfigError, Problem, TokenError

LEEWAY = 20
"""Seconds that a clock may be off, as in pyos."""
REQUIRED_CLAIMS = ("exp", "nbf", "auth", "user", "roles")
MIN_KEY_BITS = 2048


class UserTokenVerifier:
    """Verifies user tokens with the public half of pyos's signing key."""

    def __init__(self, public_key: RSAPublicKey) -> None:
        self._key = public_key
        if self.weakness and hasattr(jwt, "InsecureKeyLengthWarning"):
            # PyJWT warns at each call; `weakness` is there to say it once.
            warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)

    @classmethod
    def from_file(cls, path: str, entry: str = "") -> UserTokenVerifier:
        """Read the PEM file of a public key; raise `ConfigError` if it is none.

        `entry` is the key path in od.config that names the file, for that error.
        """
        return cls(_load_public_key(path, entry))

    @property
    def weakness(self) -> Optional[str]:
        """What is unwise about the key, or None."""
        if self._key.key_size >= MIN_KEY_BITS:
            return None
        return f"the key has {self._key.key_size} bits; use one of {MIN_KEY_BITS} or more"

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
        required: List[str] = list(REQUIRED_CLAIMS)
        try:
            decoded = decode_complete(
                token,
                key=self._key,
                algorithms=["RS256"],
                leeway=LEEWAY,
                options={"require": required},
            )
            if "kid" not in decoded["header"]:
                return decoded["payload"]
            reason = "it is for another key"  # pyos has one, without an id
        except (jwt.PyJWTError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
            reason = type(error).__name__
        raise TokenError(f"the token is not valid: {reason}")


def bearer_token(header: Optional[str]) -> str:
    """Return the token of an ``ABCAuthorization: Bearer ...`` header.

    Raises `TokenError` when there is none.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("no bearer token")
    return token.strip()


def _load_public_key(path: str, entry: str) -> RSAPublicKey:
    data = b""
    try:
        with open(path, "rb") as stream:
            data = stream.read(64 * 1024)
        key = load_pem_public_key(data)
        reason = "" if isinstance(key, RSAPublicKey) else "is not an RSA key, which RS256 needs"
    except OSError as error:
        reason = f"can't be read: {error.strerror}"
    except ValueError:
        private = b"PRIVATE KEY" in data
        reason = "is not a PEM public key" + ("; it is the private one" if private else "")
    if reason:
        raise ConfigError(Problem(f"the key file {reason}", entry, path))
    assert isinstance(key, RSAPublicKey)  # noqa: S101, for the type checker
    return key
