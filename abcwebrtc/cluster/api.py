"""Requests to the Kubernetes API, as plain data.

The official client finds the cluster and its credentials (kubeconfig, plugins,
the service account of a pod) and makes the connections. Its models are not used:
the newest ones reject fields that a newer cluster adds. Nor are its exceptions and
its log, which hold whole objects, and with them the secrets of an od.config.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import warnings
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote, unquote, urlencode

from abcwebrtc.abcdesktop import NAMESPACE
from abcwebrtc.cluster.answers import (
    GROUPS,
    Tried,
    login_of,
    status_object,
    unreachable,
    without_login,
)
from abcwebrtc.cluster.reading import LIMIT, LOG_LIMIT, AnswerError, read_answer
from abcwebrtc.errors import KubeError
from abcwebrtc.files import names_descriptor, open_file, read_file
from abcwebrtc.texts import harmless_logger, is_like_secret, shell_line

log = harmless_logger(__name__)
REQUEST_TIMEOUT = 30.0
"""Seconds that one request may take."""
FIELD_MANAGER = "abcwebrtc"
MERGE_PATCH = "application/merge-patch+json"
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Cluster:
    """A Kubernetes API server, and a namespace there. Made by `connect`."""

    context: Optional[str] = None
    """The name of the context in the kubeconfig, if it is known."""

    def __init__(self, configuration: Any, namespace: str) -> None:
        from kubernetes.client import ApiClient

        configuration.retries = False  # the client's own retries would write to stderr
        _log_in_at_proxy(configuration)
        self._configuration = configuration
        self._pool = ApiClient(configuration).rest_client.pool_manager
        # unset if NO_PROXY excludes the host; a SOCKS pool has the other name
        is_used = getattr(self._pool, "proxy", None) or getattr(self._pool, "proxy_url", None)
        self._proxy = without_login(configuration.proxy) if is_used else ""
        self._url_root: str = configuration.host.rstrip("/")
        self.host = re.sub("//.*@", "//", self._url_root)  # for messages
        self.namespace = namespace

    def get(self, kind: str, name: str) -> Optional[Dict[str, Any]]:
        """Return an object, or None if it does not exist."""
        try:
            return self._object("GET", kind, name)
        except KubeError as error:
            if error.status != 404:
                raise
        return None

    def list(self, kind: str, selector: str) -> List[Dict[str, Any]]:
        """Return the objects with some labels."""
        found = self._object("GET", kind, "", {"labelSelector": selector})
        items = found.get("items") or []
        if not isinstance(items, list) or not all(map(_is_object, items)):
            raise self._stranger()
        return items

    def create(self, kind: str, manifest: Mapping[str, Any], dry_run: bool) -> Dict[str, Any]:
        """Create an object, and return the result."""
        return self._object("POST", kind, "", _of_write(dry_run), manifest)

    def replace(self, kind: str, manifest: Mapping[str, Any], dry_run: bool) -> Dict[str, Any]:
        """Replace an object, and return the result.

        If the manifest has a resourceVersion that is no longer the object's,
        the error has the status 409.
        """
        return self._object("PUT", kind, manifest["metadata"]["name"], _of_write(dry_run), manifest)

    def patch(self, kind: str, name: str, change: Any, dry_run: bool) -> Dict[str, Any]:
        """Merge a change into an object, and return the result."""
        return self._object("PATCH", kind, name, _of_write(dry_run), change)

    def delete(
        self, kind: str, name: str, metadata: Mapping[str, Any], dry_run: bool = False
    ) -> None:
        """Delete the object with this metadata; do nothing if it is gone already."""
        kept = ("uid", "resourceVersion") if kind == "configmaps" else ("uid",)
        conditions = {key: metadata[key] for key in kept if metadata.get(key)}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        if dry_run:  # not in the query: a server ignores that if there is a body
            options["dryRun"] = ["All"]
        try:
            answer = self._send("DELETE", kind, name, {}, options)
        except KubeError as error:
            if error.status != 404:
                raise
            return
        if not status_object(answer).get("kind"):  # a Status, or the object
            raise self._stranger()

    def log(self, pod: str, container: str, previous: bool) -> str:
        """Return the last lines of a container's log, or nothing if there are none."""
        query = {"container": container, "tailLines": "20", "limitBytes": str(LOG_LIMIT)}
        query.update({"previous": "true"} if previous else {})
        with suppress(KubeError):
            data = self._send("GET", "pods/log", pod, query)
            return data.decode("utf-8", "replace")
        return ""

    def _object(
        self,
        method: str,
        kind: str,
        name: str,
        query: Optional[Mapping[str, str]] = None,
        body: Any = None,
    ) -> Dict[str, Any]:
        data = self._send(method, kind, name, query or {}, body)
        is_list = method == "GET" and not name
        with suppress(ValueError, RecursionError):  # these exceptions hold the text
            answer = json.loads(data.decode("utf-8"))
            if _is_object(answer) or (is_list and isinstance(answer, dict)):
                return dict(answer)
        raise self._stranger()

    def _stranger(self) -> KubeError:
        return KubeError(f"{self.host} does not answer as a Kubernetes API server does")

    def _send(
        self, method: str, kind: str, name: str, query: Mapping[str, str], body: Any = None
    ) -> bytes:
        resource, _, subresource = kind.partition("/")
        parts = ["namespaces", self.namespace, resource, name, subresource]
        path = "/".join(quote(part, safe="") for part in parts if part)
        root = f"/apis/{GROUPS[kind]}/v1" if GROUPS[kind] else "/api/v1"
        url = f"{self._url_root}{root}/{path}" + ("?" + urlencode(query) if query else "")
        credentials = self._credentials()
        accept = "*/*" if kind == "pods/log" else "application/json"
        headers = {"Accept": accept, **credentials}
        data = None
        if body is not None:
            headers["Content-Type"] = MERGE_PATCH if method == "PATCH" else "application/json"
            data = json.dumps(body).encode("utf-8")
        limit = LOG_LIMIT if subresource else LIMIT
        is_dry = "dryRun" in query or "dryRun" in (body or {})
        request = f"{method} {root}/{path}{' (dry run)' if is_dry else ''}"
        begun = time.monotonic()
        try:
            status, answer = self._exchange(method, url, headers, data, limit)
        except KubeError:
            log.debug("%s: no answer in %.0f ms", request, 1000 * (time.monotonic() - begun))
            raise
        log.debug("%s: %s in %.0f ms", request, status, 1000 * (time.monotonic() - begun))
        is_foreign = status_object(answer).get("kind") != "Status"
        if status == 404 and is_foreign:
            raise self._stranger()
        if status >= 300:
            verb = _VERBS[method] if name or method != "GET" else "list"
            login = login_of(self._configuration, credentials)
            tried = Tried(self.host, self.namespace, verb, kind, name, login, self._proxy)
            # a proxy in front of the API server may have passed the request on
            is_unclear = is_foreign or status >= 500
            raise KubeError(tried.refusal(status, answer), status=status, is_unclear=is_unclear)
        return answer

    def _credentials(self) -> Dict[str, str]:
        try:
            with _heard_client() as complaints:
                settings = self._configuration.auth_settings().values()
            if not complaints:
                return {one["key"]: one["value"] for one in settings if one["value"]}
            reason = _complaint(complaints[0])
        except Exception as error:  # a credential plugin may raise anything
            reason = type(error).__name__
        message = f"the credentials for {self.host} can't be renewed: {reason}"
        raise KubeError(message, is_unclear=False)

    def _exchange(
        self, method: str, url: str, headers: Dict[str, str], data: Optional[bytes], limit: int
    ) -> Tuple[int, bytes]:
        import urllib3

        timeout, is_sent = urllib3.Timeout(total=REQUEST_TIMEOUT), True
        known = urllib3.exceptions
        never_sent = (known.NewConnectionError, known.ConnectTimeoutError)
        try:
            with warnings.catch_warnings():  # like kubectl, no warning of insecure-skip-tls-verify
                warnings.simplefilter("ignore", known.InsecureRequestWarning)
                answer = self._pool.request(
                    method,
                    url,
                    body=data,
                    headers=headers,
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
            try:
                return int(answer.status), read_answer(answer, limit, REQUEST_TIMEOUT)
            except AnswerError as error:
                answer.close()
                reason = f"the answer of {self.host} can't be read: {error}"
        except (known.HTTPError, OSError, ValueError) as error:
            reason = unreachable(error, self.host, self._proxy, REQUEST_TIMEOUT)
            is_sent = not isinstance(error, never_sent)
        raise KubeError(reason, is_unclear=is_sent)


def connect(
    kubeconfig: Optional[str] = None, context: Optional[str] = None, namespace: str = NAMESPACE
) -> Cluster:
    """Return the cluster of a kubeconfig, or the one that this pod runs in.

    `kubeconfig` defaults to KUBECONFIG, which may name several files separated
    by colons, or to ``~/.kube/config``. Nothing is contacted yet, except by a
    credential plugin. Raises `KubeError`.
    """
    paths = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    present = [path for path in paths.split(os.pathsep) if os.path.exists(os.path.expanduser(path))]
    in_pod = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
    if not present and not (in_pod and not kubeconfig and not context):
        raise KubeError(
            f"there is no kubeconfig {paths}; set --kubeconfig or KUBECONFIG, or run this in a pod "
            "with a service account"
        )
    files = os.pathsep.join(present)
    try:
        from kubernetes import client, config

        configuration = client.Configuration()
        for path in present:
            _refuse_endless(os.path.expanduser(path))
        with _heard_client() as complaints:
            if files:
                config.load_kube_config(files, context, configuration)  # type: ignore[no-untyped-call]
            else:
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            cluster = Cluster(configuration, namespace)
        cluster.context = context or _current_context(files)
        if not complaints:
            return cluster
        given = {"--kubeconfig": kubeconfig, "--context": context}
        words = [word for name, value in given.items() if value for word in (name, value)]
        line = shell_line(["kubectl", *words, "get", "pods"])
        failure = _complaint(complaints[0])
        reason = f"its credential plugin failed: {failure}; for details, run {line}"
    except Exception as error:  # the client does not wrap what goes wrong
        reason = _unusable(error)
    where = f"kubeconfig {files}" if files else "service account of this pod"
    raise KubeError(f"can't use the {where}: {reason}")


def _refuse_endless(path: str) -> None:
    """Raise `OSError` for a kubeconfig, or its token file, that the client would read forever.

    The client itself reads certificates and keys from regular files only.
    """
    if names_descriptor(path):  # it can be read only once
        open_file(path, by_user=True).close()
        return
    data = read_file(path, LIMIT, by_user=True)
    if b"tokenFile" not in data:
        return
    import yaml

    with suppress(yaml.YAMLError, TypeError, KeyError, AttributeError):  # the client reports it
        for user in yaml.safe_load(data)["users"]:
            token = user["user"].get("tokenFile")
            with suppress(FileNotFoundError):  # this user may not be needed
                if token:
                    read_file(os.path.join(os.path.dirname(path), token), LIMIT)


def _current_context(files: str) -> Optional[str]:
    """Return the current context of a kubeconfig; None if there is none, or it was a pipe."""
    from kubernetes import config

    with suppress(Exception):  # the client does not wrap what goes wrong
        _, current = config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
        return str(current["name"])
    return None


@contextmanager
def _heard_client() -> Iterator[List[str]]:
    """Collect what the client logs while it reads a kubeconfig, and keep it off stderr.

    When a credential plugin fails, the client only logs that, together with the
    plugin's own words, and continues without credentials.
    """
    heard: List[str] = []

    def hear(record: logging.LogRecord) -> bool:
        if record.module == "kube_config" and record.levelno >= logging.ERROR:
            heard.append(record.getMessage())
            return False
        return True

    root, nowhere = logging.getLogger(), logging.NullHandler()
    listener = logging.Filter()
    listener.filter = hear  # type: ignore[method-assign] # before Python 3.12 no plain function
    root.addHandler(nowhere)  # or logging would add one for stderr
    root.addFilter(listener)
    try:
        yield heard
    finally:
        root.removeFilter(listener)
        root.removeHandler(nowhere)


def _complaint(message: str) -> str:
    """Return what is wrong with a plugin, without its own words, which may hold a secret."""
    match = re.match(r"exec: process returned -?\d+|\[Errno \d+\] (?P<reason>[A-Za-z ]+)", message)
    return (match.group("reason") or match.group()) if match else "it returns no credentials"


def _log_in_at_proxy(configuration: Any) -> None:
    """Send the login in a proxy's URL, as kubectl does; the client itself does not."""
    from urllib3.exceptions import HTTPError
    from urllib3.util import make_headers, parse_url

    with suppress(ValueError, HTTPError):
        login = parse_url(configuration.proxy or "").auth
        if login and not configuration.proxy_headers:
            configuration.proxy_headers = make_headers(proxy_basic_auth=unquote(login))


_UNUSABLE = {
    r"object with name (.*) in .*contexts list$": "it has no context {}",
    r"object with name .* in .*(users|clusters) list$": "its context names none of its {}",
    r"all values in .*(users|clusters|contexts) list to": "one of its {} has no name",
    r"Expected key ([a-z-]+) in ": "the key '{}' is missing where it is needed",
    r"(users|clusters|contexts) to be a list$": "its {} are not a list",
    r"File does not exist: (.*)": "it names a file that does not exist: {}",
    r"(Service [a-z]+ file does not exist|Service host/port is [a-z ]+)\.$": "{}",
    r"([A-Z][a-z]+ file exists but empty)\.$": "{}",
    r"(No configuration found)\.$": "{}",
}
"""What the client says about a kubeconfig or a service account, and what we say instead."""


def _unusable(error: Exception) -> str:
    """Return what is wrong with a kubeconfig, without what the client quotes from it.

    For a misspelt key, the client quotes the whole entry, including the token.
    """
    from kubernetes.config import ConfigException

    if isinstance(error, ConfigException):
        for pattern, message in _UNUSABLE.items():
            found = re.search(pattern, str(error), re.DOTALL)
            if found:
                secret = any(map(is_like_secret, found.groups()))
                return message.format(*("(not shown)" if secret else one for one in found.groups()))
    mark = getattr(error, "problem_mark", None)  # of a YAML error
    line = f", line {mark.line + 1}" if mark else ""
    return getattr(error, "strerror", None) or f"it is not valid ({type(error).__name__}{line})"


def _is_object(answer: Any) -> bool:
    """Return whether an answer has the parts of a Kubernetes object that we rely on."""
    if not isinstance(answer, dict) or not isinstance(answer.get("metadata"), dict):
        return False
    parts = [answer.get(key) for key in ("spec", "status", "data", "binaryData")]
    named = isinstance(answer["metadata"].get("name"), str)
    return named and all(part is None or isinstance(part, dict) for part in parts)


def _of_write(dry_run: bool) -> Dict[str, str]:
    return {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
