"""The login: the user token of a request."""

from __future__ import annotations

import logging
from typing import Any, Optional

import cherrypy
import jwt

from oc.od import settings

logger = logging.getLogger(__name__)
CLAIMS = ["exp", "nbf", "auth", "user", "roles"]


class AuthInfo:
    def __init__(self, claims: Any) -> None:
        self.provider = claims.get("provider")
        self.data = claims.get("data") or {}

    def get_labels(self) -> Any:
        return self.data.get("labels") or {}


class AuthUser(dict):
    """A dict with its members as attributes; a missing one is None."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


def claims() -> Optional[Any]:
    """Return the claims of this request's token, or None."""
    header = cherrypy.request.headers.get("ABCAuthorization", "")
    with open(settings.gconfig["jwt_token_user"]["jwtuserpublickeyfile"]) as stream:
        key = stream.read()
    try:
        return jwt.decode(
            header[len("Bearer ") :],
            key,
            algorithms=["RS256"],
            leeway=20,
            options={"require": CLAIMS},
        )
    except jwt.PyJWTError as error:
        logger.warning("no login: %s", error)
        return None


def authorize() -> None:
    """Refuse a request without a good token; the tool ``auth``."""
    if claims() is None:
        raise cherrypy.HTTPError(401, "Invalid token")
