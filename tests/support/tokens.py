"""Keys, and user tokens as pyos signs them."""

from __future__ import annotations

import functools
import time
import warnings
from typing import Any, Dict, Optional

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cryptography warns about Python 3.8
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa


@functools.lru_cache(maxsize=None)
def rsa_key(name: str = "pyos", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key of this name, which stays the same for the whole run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_pem(key: Any = None) -> bytes:
    key = rsa_key() if key is None else key
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: Any = None) -> bytes:
    key = rsa_key() if key is None else key
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims(userid: Any = "alice", ttl: float = 360, **changes: Any) -> Dict[str, Any]:
    """Return the claims of a user token as pyos makes it; ... removes one."""
    now = time.time()
    made = {
        "exp": now + ttl,
        "nbf": now - 1,
        "auth": {"provider": "local", "providertype": "implicit"},
        "user": {"userid": userid, "name": "A user"},
        "roles": [],
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not ...}


def make_token(userid: Any = "alice", ttl: float = 360, key: Any = None, **changes: Any) -> str:
    """Return a user token as pyos signs it."""
    return jwt.encode(claims(userid, ttl, **changes), key or rsa_key(), algorithm="RS256")


def bearer(token: Optional[str] = None) -> Dict[str, str]:
    """Return the header that carries a token, by default a good one for alice."""
    return {"ABCAuthorization": f"Bearer {make_token() if token is None else token}"}
