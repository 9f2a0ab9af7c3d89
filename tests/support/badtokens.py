"""Invalid user tokens, one of each kind that an attacker may try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Dict

import jwt

from support import claims, make_token, public_pem, rsa_key


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


def hs256(key: bytes) -> str:
    """Return a token signed with a password; PyJWT refuses a public key as password."""
    message = f"{encode(dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{encode(dumps(claims()))}"
    digest = hmac.new(key, message.encode(), hashlib.sha256).digest()
    return f"{message}.{encode(digest)}"


def with_header(**header: object) -> str:
    """Return a token signed with pyos's key, with more in its header than pyos writes."""
    return jwt.encode(claims(), rsa_key(), algorithm="RS256", headers=header)


def bad_tokens() -> Dict[str, str]:
    """Return the tokens by what is wrong with them."""
    good = make_token()
    head, payload, signature = good.split(".")
    return {
        "alg none": jwt.encode(claims(), None, algorithm="none"),
        "alg none, with a signature": f"{encode(dumps({'alg': 'none'}))}.{payload}.{signature}",
        "alg None": f"{encode(dumps({'alg': 'None'}))}.{payload}.",
        "HS256 with the public key": hs256(public_pem()),
        "HS256 with no key": hs256(b""),
        "RS512": jwt.encode(claims(), rsa_key(), algorithm="RS512"),
        "another key": make_token(key=rsa_key("other")),
        "another key, with a kid": jwt.encode(
            claims(), rsa_key("other"), algorithm="RS256", headers={"kid": "../../dev/null"}
        ),
        "wrong kid": with_header(kid="another"),
        "kid that is a path": with_header(kid="../../../etc/passwd"),
        "empty kid": with_header(kid=""),
        "expired": make_token(ttl=-3600),
        "expired just now": make_token(ttl=-25),
        "not yet valid": make_token(nbf=time.time() + 3600),
        "without exp": make_token(exp=...),
        "without nbf": make_token(nbf=...),
        "without user": make_token(user=...),
        "user without userid": make_token(user={"name": "alice"}),
        "user is null": make_token(user=None),
        "user is a list": make_token(user=["alice"]),
        "userid is empty": make_token(userid=""),
        "userid is a number": make_token(userid=1),
        "huge, signed": make_token(user={"name": "x" * 25_000}),
        "huge, rubbish": "x" * 35_000,
        "huge, dots": "." * 35_000,
        "no signature": f"{head}.{payload}.",
        "two parts": f"{head}.{payload}",
        "four parts": f"{good}.{signature}",
        "changed payload": f"{head}.{encode(dumps(claims('mallory')))}.{signature}",
        "not base64": "!.!.!",
        "not JSON": f"{encode(b'{')}.{encode(b'{')}.{signature}",
        "nested without end": f"{encode(b'[' * 20_000)}.{payload}.{signature}",
    }
