"""What it means that a Kubernetes API server refuses, or does not answer, in words for people.

No value of an object is quoted: those of an od.config hold secrets.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping
from urllib.parse import urlsplit

from abcwebrtc.cluster.login import Login

GROUPS = {"configmaps": "", "pods": "", "pods/log": "", "deployments": "apps"}
"""The kinds that are asked for, and the API group of each."""
_KIND = {"configmaps": "ConfigMap", "pods": "pod", "pods/log": "pod", "deployments": "Deployment"}
_ANONYMOUS = "system:anonymous"


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
            return self._by_another(status)
        what = f"{_KIND[self.kind]} {self.name}" if self.name else self.kind
        where = f"namespace {self.namespace}"
        if status == 401:
            return self.login.refused(self.host)
        if status == 403 and _ANONYMOUS in str(answer.get("message")):
            return self.login.anonymous(self.host)
        if status == 403:
            rule = _rule(self.verb, self.kind)
            return f"you are not allowed to {self.verb} {what} in {where} (403); {rule}"
        if status == 404:
            if _details(answer).get("kind") == "namespaces":
                return f"there is no {where}; create it, or choose another --namespace"
            return f"there is no {what} in {where} (404)"
        return f"can't {self.verb} {what} in {where}{_reason(status, answer)}"

    def _by_another(self, status: int) -> str:
        if self.proxy:
            return f"{refused_by_proxy(self.proxy, status)}; {_OTHER_WAY}"
        return (
            f"{self.host} answers {status}, and not as a Kubernetes API server does: "
            "something in front of it refuses; is it the right --context?"
        )


_OTHER_WAY = (
    "the proxy is that of HTTPS_PROXY, or proxy-url of the kubeconfig; NO_PROXY leaves it out"
)


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
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
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
    is_word = isinstance(reason, str) and re.fullmatch("[A-Za-z]{1,40}", reason)
    return f": the API server answers {status}{f' {reason}' if is_word else ''}"


def _details(answer: Mapping[str, Any]) -> Dict[str, Any]:
    details = answer.get("details")
    return details if isinstance(details, dict) else {}


def _causes(answer: Mapping[str, Any]) -> str:
    """Return the fields that a cluster finds wrong, without what it says of their values."""
    causes = _details(answer).get("causes")
    fields = [str(cause.get("field", "")) for cause in causes or [] if isinstance(cause, dict)]
    named = [field for field in fields if re.fullmatch(r"[\w.\[\]-]{1,80}", field)]
    return "its " + ", ".join(dict.fromkeys(named)) if named else "what it says"


def _rule(verb: str, kind: str) -> str:
    return (
        f'a Role needs the rule apiGroups: ["{GROUPS[kind]}"], resources: ["{kind}"], '
        f'verbs: ["{verb}"]'
    )
