"""What it means when a Kubernetes API server refuses a request or does not answer.

Messages never quote a value of an object, since an od.config holds secrets.
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
"""The kinds that are requested, and the API group of each."""
_KIND = {"configmaps": "ConfigMap", "pods": "pod", "pods/log": "pod", "deployments": "Deployment"}
_REASONS = (
    *("BadRequest", "Gone", "Expired", "Invalid", "Conflict", "AlreadyExists", "NotAcceptable"),
    *("MethodNotAllowed", "UnsupportedMediaType", "RequestEntityTooLarge", "TooManyRequests"),
    *("InternalError", "ServerTimeout", "ServiceUnavailable", "StoreReadError", "Timeout"),
)
"""Kubernetes's own reasons. A webhook may send any text, so only these are shown."""
_FIELD = re.compile(r"(metadata|spec|data|binaryData|immutable)([.\[][\w.\[\]-]{1,80})?")
_ANONYMOUS = "system:anonymous"
_OTHER_WAY = (
    "the proxy comes from HTTPS_PROXY, or from proxy-url in the kubeconfig; to bypass it, set "
    "NO_PROXY"
)
TOKEN, PASSWORD, CERTIFICATE = "a token", "a name and a password", "a client certificate"
_AGAIN = "log in again, or choose another --context"


@dataclass(frozen=True)
class Login:
    """The credentials sent with a request.

    `kind` is None if nothing is sent. `end` is when the credentials expire, in unix seconds, read
    from the token or certificate without verifying it: an API server answers 401 whatever the
    reason is. `is_held_back` means that there is a token, but the client does not send it.
    """

    kind: Optional[str] = None
    end: Optional[float] = None
    is_held_back: bool = False

    def refused(self, host: str) -> str:
        """Return what a 401 means: the server does not accept these credentials."""
        if self.kind is None:
            return f"you are not logged in to {host} (401): {self._nothing()}"
        if self.end is not None and self.end < time.time():
            kind = self.kind.partition(" ")[2]
            return (
                f"{host} does not accept your credentials (401): the {kind} expired at "
                f"{iso_text(self.end)}; {_AGAIN}"
            )
        return f"{host} does not accept your credentials (401): {_AGAIN}"

    def anonymous(self, host: str) -> str:
        """Return what a 403 for ``system:anonymous`` means: the server got no credentials."""
        start = f"you are not logged in to {host} (403 for system:anonymous)"
        if self.kind is None:
            return f"{start}: {self._nothing()}"
        reason = "the server may not accept any, or a proxy in front of it removes it"
        if self.kind == CERTIFICATE:
            reason = "a proxy in front of the server terminates TLS and drops it; use a token"
        return f"{start}, although {self.kind} was sent: {reason}"

    def _nothing(self) -> str:
        if self.is_held_back:
            import kubernetes

            version = kubernetes.__version__  # 36.0.0; its prereleases do the same
            return (
                f"the installed kubernetes client, {version}, does not send the token; replace it "
                f"with pip install 'kubernetes!={version}'"
            )
        return "the kubeconfig has no credentials for this user; " + _AGAIN


def login_of(configuration: Any, headers: Mapping[str, str]) -> Login:
    """Return the credentials in these headers and in the client's configuration."""
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
    """Return the ``exp`` of a token that is a JWT, as in many clusters."""
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
    """A request that was refused: its verb, its object, where it went and with which login."""

    host: str
    namespace: str
    verb: str
    kind: str
    name: str
    login: Login
    proxy: str = ""

    def refusal(self, status: int, body: bytes) -> str:
        """Return what an error status means."""
        answer = status_object(body)
        if answer.get("kind") != "Status" and status in (401, 403, 407):
            if self.proxy:
                return f"{refused_by_proxy(self.proxy, status)}; {_OTHER_WAY}"
            return (
                f"{self.host} answers {status}, but not as a Kubernetes API server does: "
                "something in front of it refuses the request; is this the right --context?"
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
            return f"{where} has no {what} (404)"
        return f"can't {self.verb} {what} in {where}{_reason(status, answer)}"


def refused_by_proxy(proxy: str, status: int) -> str:
    """Return that a proxy refuses, and with which status."""
    phrase = http.client.responses.get(status, "")
    more = "; it needs a login, which you can put into the proxy's URL" if status == 407 else ""
    return f"the proxy {proxy} refuses ({status}{f' {phrase}' if phrase else ''}){more}"


def unreachable(error: Exception, host: str, proxy: str, timeout: float) -> str:
    """Return why a host, or the proxy in front of it, did not answer."""
    import urllib3.exceptions as known

    chain = _chain(error)
    for each in chain:
        match = re.search(r"Tunnel connection failed: (\d{3})", str(each))
        if match and proxy:
            refused = refused_by_proxy(proxy, int(match.group(1)))
            return f"can't reach the cluster at {host}: {refused}; {_OTHER_WAY}"
    if proxy and isinstance(error, known.ProxyError):
        reason = _cause(chain).partition(";")[0]
        return f"can't reach the proxy {proxy} to the cluster at {host}: {reason}; {_OTHER_WAY}"
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
    """Return the scheme, host and port of a URL, without the password that it may hold."""
    with suppress(ValueError):
        parts = urlsplit(re.sub("//.*@", "//", url))  # a password may have a slash
        return f"{parts.scheme}://{parts.netloc}"
    return "of the settings"


def _chain(error: BaseException) -> List[BaseException]:
    """Return an exception and its causes, outermost first."""
    found: List[BaseException] = []
    following: Any = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


def _cause(chain: List[BaseException]) -> str:
    cause = chain[-1]
    if isinstance(cause, ssl.SSLError):
        message = getattr(cause, "verify_message", "") or cause.reason or "it does not speak TLS"
        return f"TLS failed: {message}"
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror.lower()}; is it running, and is this the right --context?"
    return ""


def status_object(answer: bytes) -> Dict[str, Any]:
    """Return an answer as an object, empty if it is not one."""
    with suppress(ValueError, RecursionError):
        status = json.loads(answer.decode("utf-8"))
        if isinstance(status, dict):
            return status
    return {}


def _reason(status: int, answer: Mapping[str, Any]) -> str:
    known = {409: "it has changed in the meantime", 413: "it is too large"}
    if status == 422:
        known[422] = f"the cluster rejects {_causes(answer)}"
    if status in known:
        return f" ({status}): {known[status]}"
    reason = answer.get("reason")
    return f": the API server answers {status}{f' {reason}' if reason in _REASONS else ''}"


def _details(answer: Mapping[str, Any]) -> Dict[str, Any]:
    details = answer.get("details")
    return details if isinstance(details, dict) else {}


def _causes(answer: Mapping[str, Any]) -> str:
    """Return the fields that a cluster rejects, without what it says about their values."""
    causes = _details(answer).get("causes")
    fields = [str(cause.get("field", "")) for cause in causes or [] if isinstance(cause, dict)]
    named = [field for field in fields if _FIELD.fullmatch(field)]
    return "its " + ", ".join(dict.fromkeys(named)) if named else "its contents"
