"""What it means that a Kubernetes API server refuses, or does not answer, in words for people.

No value of an object is quoted: those of an od.config hold secrets.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from abcwebrtc.files import read_file
from abcwebrtc.times import iso_text

GROUPS = {"configmaps": "", "pods": "", "pods/log": "", "deployments": "apps"}
"""The kinds that are asked for, and the API group of each."""
_KIND = {"configmaps": "ConfigMap", "pods": "pod", "pods/log": "pod", "deployments": "Deployment"}
_REASONS = (
    *("BadRequest", "Gone", "Expired", "Invalid", "Conflict", "AlreadyExists", "NotAcceptable"),
    *("MethodNotAllowed", "UnsupportedMediaType", "RequestEntityTooLarge", "TooManyRequests"),
    *("InternalError", "ServerTimeout", "ServiceUnavailable", "StoreReadError", "Timeout"),
)
"""Kubernetes's own; a webhook may give any text, of which this may be shown."""
_FIELD = re.compile(r"(metadata|spec|data|binaryData|immutable)([.\[][\w.\[\]-]{1,80})?")
_ANONYMOUS = "system:anonymous"
_OTHER_WAY = (
    "the proxy is that of HTTPS_PROXY, or proxy-url of the kubeconfig; NO_PROXY leaves it out"
)
TOKEN, PASSWORD, CERTIFICATE = "a token", "a name and a password", "a client certificate"
_AGAIN = "log in again, or choose another --context"


@dataclass(frozen=True)
class Login:
    """Who asks: what is sent with a request, None for nothing, and its end in unix seconds.

    Nothing is verified. What a token and a certificate say of their own end is read, since an
    API server says of all that it refuses the same. `is_held_back` says that there is a token,
    which the client does not send.
    """

    kind: Optional[str] = None
    end: Optional[float] = None
    is_held_back: bool = False

    def refused(self, host: str) -> str:
        """Return what a 401 means: the server does not know who this is."""
        if self.kind is None:
            return f"nobody is logged in at {host} (401): {self._nothing()}"
        if self.end is not None and self.end < time.time():
            kind = self.kind.partition(" ")[2]
            return (
                f"{host} does not accept your credentials (401): the {kind} ended "
                f"{iso_text(self.end)}; {_AGAIN}"
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

    with suppress(OSError, ValueError):
        return load_pem_x509_certificate(read_file(file, 2**20)).not_valid_after_utc.timestamp()
    return None


@dataclass(frozen=True)
class Tried:
    """A request: what was to be done to what, where, and who asked."""

    host: str
    namespace: str
    verb: str
    kind: str
    name: str
    login: Login
    proxy: str = ""

    def refusal(self, status: int, body: bytes) -> str:
        """Return what an answer with an error means."""
        answer = status_object(body)
        if answer.get("kind") != "Status" and status in (401, 403, 407):
            if self.proxy:
                return f"{refused_by_proxy(self.proxy, status)}; {_OTHER_WAY}"
            return (
                f"{self.host} answers {status}, and not as a Kubernetes API server does: "
                "something in front of it refuses; is it the right --context?"
            )
        what = f"{_KIND[self.kind]} {self.name}" if self.name else self.kind
        where = f"namespace {self.namespace}"
        if status == 401:
            return self.login.refused(self.host)
        if status == 403 and _ANONYMOUS in str(answer.get("message")):
            return self.login.anonymous(self.host)
        if status == 403:
            return (
                f"you are not allowed to {self.verb} {what} in {where} (403); a Role needs the "
                f'rule apiGroups: ["{GROUPS[self.kind]}"], resources: ["{self.kind}"], '
                f'verbs: ["{self.verb}"]'
            )
        if status == 404:
            if _details(answer).get("kind") == "namespaces":
                return f"there is no {where}; create it, or choose another --namespace"
            return f"there is no {what} in {where} (404)"
        return f"can't {self.verb} {what} in {where}{_reason(status, answer)}"


def refused_by_proxy(proxy: str, status: int) -> str:
    """Return that a proxy refuses, and why it says so."""
    phrase = http.client.responses.get(status, "")
    more = " and wants a login, which the url of the proxy can have" if status == 407 else ""
    return f"the proxy {proxy} refuses ({status}{f' {phrase}' if phrase else ''}){more}"


def unreachable(error: Exception, host: str, proxy: str, timeout: float) -> str:
    """Return why there was no answer from a host, or from the proxy on the way to it."""
    import urllib3.exceptions as known

    chain = _chain(error)
    for each in chain:
        match = re.search(r"Tunnel connection failed: (\d{3})", str(each))
        if match and proxy:
            refused = refused_by_proxy(proxy, int(match.group(1)))
            return f"can't reach the cluster at {host}: {refused}; {_OTHER_WAY}"
    if proxy and isinstance(error, known.ProxyError):
        reason = _cause(chain).partition(";")[0]
        return f"can't reach the proxy {proxy} of the cluster at {host}: {reason}; {_OTHER_WAY}"
    through = f" through the proxy {proxy}" if proxy else ""
    start = f"can't reach the cluster at {host}{through}: "
    if _cause(chain):
        return start + _cause(chain)
    if isinstance(error, known.ConnectTimeoutError):
        return start + "it does not answer; is there a firewall, or the wrong --context?"
    if isinstance(error, known.TimeoutError):
        return f"{start}there was no answer within {timeout:.0f} s"
    return f"{start}the connection failed ({type(error).__name__})"


def without_login(url: str) -> str:
    """Return the scheme, host and port of a url: it is shown, and a password may be in it."""
    with suppress(ValueError):
        parts = urlsplit(re.sub("//.*@", "//", url))  # a password may have a slash
        return f"{parts.scheme}://{parts.netloc}"
    return "of the settings"


def _chain(error: BaseException) -> List[BaseException]:
    """Return an exception and what it came of."""
    found: List[BaseException] = []
    following: Any = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


def _cause(chain: List[BaseException]) -> str:
    cause = chain[-1]
    if isinstance(cause, ssl.SSLError):
        message = getattr(cause, "verify_message", "") or cause.reason or "it speaks no TLS"
        return f"TLS failed: {message}"
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror.lower()}; is it running, and is it the right --context?"
    return ""


def status_object(answer: bytes) -> Dict[str, Any]:
    """Return the Status object that an answer is, or nothing."""
    with suppress(ValueError, RecursionError):
        status = json.loads(answer.decode("utf-8"))
        if isinstance(status, dict):
            return status
    return {}


def _reason(status: int, answer: Mapping[str, Any]) -> str:
    known = {409: "it has changed meanwhile", 413: "it is too large"}
    if status == 422:
        known[422] = f"the cluster refuses {_causes(answer)}"
    if status in known:
        return f" ({status}): {known[status]}"
    reason = answer.get("reason")
    return f": the API server answers {status}{f' {reason}' if reason in _REASONS else ''}"


def _details(answer: Mapping[str, Any]) -> Dict[str, Any]:
    details = answer.get("details")
    return details if isinstance(details, dict) else {}


def _causes(answer: Mapping[str, Any]) -> str:
    """Return the fields that a cluster finds wrong, without what it says of their values."""
    causes = _details(answer).get("causes")
    fields = [str(cause.get("field", "")) for cause in causes or [] if isinstance(cause, dict)]
    named = [field for field in fields if _FIELD.fullmatch(field)]
    return "its " + ", ".join(dict.fromkeys(named)) if named else "what it says"
