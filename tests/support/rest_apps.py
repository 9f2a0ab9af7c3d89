"""The endpoints as WSGI callables, for one user or with tokens, and what every answer has."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any, Dict

from abcwebrtc.web.rest import create_app, token_identity
from abcwebrtc.web.tokens import UserTokenVerifier
from support import ENTRIES, SECRET, Answer, make_config, rsa_key

TURN_PATH = "/API/webrtc/turn?service=turn"
KEYINFO_PATH = "/API/core/getkeyinfo"
COTURN = ENTRIES["webrtc.coturn"]
STATIC_TURN = {
    "urls": "turn:static.example.org:3478",
    "username": "static",
    "credential": "a-static-password",
}
INTERNAL_ERROR = {
    "status": 500,
    "message": "The server encountered an unexpected condition "
    "which prevented it from fulfilling the request.",
}


def make_app(user: str = "alice", **changes: Any) -> Any:
    return create_app(make_config(**changes), lambda: user)


def coturn(**changes: Any) -> Dict[str, Any]:
    return {"webrtc__coturn": {**COTURN, **changes}}


def raising_app(error: Exception) -> Any:
    def identity() -> str:
        raise error

    return create_app(make_config(), identity)


def verifying_app(**changes: Any) -> Any:
    verifier = UserTokenVerifier(rsa_key().public_key())
    return create_app(make_config(**changes), token_identity(verifier))


def password_for(username: str) -> str:
    digest = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def check_error(answer: Answer, status: int, message: str = "") -> None:
    """Check that an error is unpadded JSON with two members, and is not cached."""
    content = answer.json()
    assert answer.status == status
    assert list(content) == ["status", "message"]
    assert content["status"] == status
    assert message in content["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert not answer.body.endswith(b" ")
    check_headers(answer)


def check_headers(answer: Answer) -> None:
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "abcwebrtc"
