"""Who one is for a Kubernetes API server: what is sent as a login, and what is wrong with it.

Nothing is verified here. What a token and a certificate say of their own end is
read, since an API server says of all that it refuses the same.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Mapping, Optional

TOKEN, PASSWORD, CERTIFICATE = "a token", "a name and a password", "a client certificate"
_AGAIN = "log in again, or choose another --context"


@dataclass(frozen=True)
class Login:
    """What is sent with a request: its kind, None for nothing, and its end in unix seconds.

    `is_held_back` says that there is a token, which the client does not send.
    """

    kind: Optional[str] = None
    end: Optional[float] = None
    is_held_back: bool = False

    def refused(self, host: str) -> str:
        """Return what a 401 means: the server does not know who this is."""
        if self.kind is None:
            return f"nobody is logged in at {host} (401): {self._nothing()}"
        if self.end is not None and self.end < time.time():
            when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.end))
            kind = self.kind.partition(" ")[2]
            return (
                f"{host} does not accept your credentials (401): the {kind} ended {when}; {_AGAIN}"
            )
        return f"{host} does not accept your credentials (401): {_AGAIN}"

    def anonymous(self, host: str) -> str:
        """Return what a 403 for ``system:anonymous`` means: the server has seen no login."""
        start = f"nobody is logged in at {host} (403 for system:anonymous)"
        if self.kind is None:
            return f"{start}: {self._nothing()}"
        reason = "it may take none, or what stands in front of it takes it away"
        if self.kind == CERTIFICATE:
            reason = "what ends TLS in front of it takes that away; a token gets through"
        return f"{start}, although {self.kind} was sent: {reason}"

    def _nothing(self) -> str:
        if self.is_held_back:
            import kubernetes

            version = kubernetes.__version__  # 36.0.0; its prereleases do the same
            return (
                f"the kubernetes client {version}, which is installed, sends no token; "
                f"pip install 'kubernetes!={version}' exchanges it"
            )
        return "no credentials were sent, since there are none for this user; " + _AGAIN


def login_of(configuration: Any, headers: Mapping[str, str]) -> Login:
    """Return what is sent with these headers and the client's configuration."""
    sent = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
    scheme, _, rest = sent.partition(" ")
    if sent and scheme.lower() == "basic":
        return Login(PASSWORD)
    if sent:
        return Login(TOKEN, _end_of_token(rest))
    if getattr(configuration, "cert_file", None):
        return Login(CERTIFICATE, _end_of_certificate(configuration.cert_file))
    return Login(is_held_back=bool(getattr(configuration, "api_key", None)))


def _end_of_token(token: str) -> Optional[float]:
    """Return the ``exp`` of a JWT, which the tokens of many clusters are."""
    with suppress(ValueError, RecursionError):
        payload = token.split(".")[1:2]
        text = base64.urlsafe_b64decode("".join(payload) + "==").decode("utf-8")
        claims = json.loads(text)
        end = claims.get("exp") if isinstance(claims, dict) else None
        if isinstance(end, (int, float)) and 0 < end < 2**33:
            return float(end)
    return None


def _end_of_certificate(file: str) -> Optional[float]:
    from cryptography.x509 import load_pem_x509_certificate

    with suppress(OSError, ValueError), open(file, "rb") as stream:
        return load_pem_x509_certificate(stream.read(2**20)).not_valid_after_utc.timestamp()
    return None
