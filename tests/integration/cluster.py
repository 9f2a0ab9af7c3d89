"""A Kubernetes API server for tests: kmock with pyos in it, in a separate thread.

kmock keeps the objects. What it leaves out and `abcwebrtc apply` relies on is
added here: resourceVersion and PUT, preconditions, dry runs, label selectors,
and controllers that make pods, which get ready when they can read their od.config.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from typing import Any, Callable, Dict, List, Optional

import aiohttp.web
import jsonpatch
import kmock

from integration.kubeconfig import BROKEN, KEY, NAME, NAMESPACE
from support import WAIT

CONFIG_MAPS = kmock.resource("", "v1", "configmaps")
PODS = kmock.resource("", "v1", "pods")
DEPLOYMENTS = kmock.resource("apps", "v1", "deployments")
KINDS = {"configmaps": "ConfigMap", "pods": "Pod", "deployments": "Deployment"}
LABELS = {"run": "pyos-od"}
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Refused(kmock.KubernetesError):
    """An answer with a status, a reason, a message and details."""


def is_dry(request: kmock.Request) -> bool:
    """Return whether a request is a dry run; for a DELETE, only the options in its body count."""
    if request.method.value == "DELETE" and request.data:
        return bool(request.data.get("dryRun") == ["All"])
    return bool(request.params.get("dryRun") == "All")


def refusal(status: int, reason: str = "", message: str = "", details: Any = None) -> Refused:
    return Refused(status, reason or "Whatever", message or "no", details or {})


class PyosCluster(kmock.KubernetesEmulator):
    """The objects of a namespace with pyos, and what their controllers do.

    `before` is called with each request before it is answered, and may raise.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.before: Callable[[kmock.Request], None] = lambda request: None
        self.log = "started"
        self.seen: List[kmock.Request] = []
        self._versions = itertools.count(100)
        self._names = itertools.count(1)
        self._looks = 0
        for resource in (CONFIG_MAPS, PODS, DEPLOYMENTS):
            info = {"kind": KINDS[resource.plural], "singular": KINDS[resource.plural].lower()}
            verbs = ["get", "list", "create", "update", "patch", "delete"]
            self.resources[resource] = {**info, "namespaced": True, "verbs": verbs}

    # what tests set up and look at

    def add_pyos(self, replicas: int = 1) -> None:
        metadata = {"name": "pyos-od", "namespace": NAMESPACE, "generation": 1, "uid": "d-1"}
        status = {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas}
        status["availableReplicas"] = status["readyReplicas"] = replicas
        spec = {"replicas": replicas, "template": {"metadata": {"labels": LABELS}}}
        self._store(DEPLOYMENTS, {"metadata": metadata, "spec": spec, "status": status})
        for _ in range(replicas):
            self._add_pod(ready=True)
        self._store(PODS, {"metadata": {"name": "mongodb", "labels": {"run": "mongodb-od"}}})

    def add_config_map(self, text: str, **changes: Any) -> None:
        manifest = {"metadata": {"name": NAME}, "data": {KEY: text, "other": "kept"}, **changes}
        self._store(CONFIG_MAPS, manifest)

    def config_map(self) -> Optional[Dict[str, Any]]:
        return self._find(CONFIG_MAPS, NAME)

    def text(self) -> Optional[str]:
        return (self.config_map() or {}).get("data", {}).get(KEY)

    def deployment(self) -> Dict[str, Any]:
        found = self._find(DEPLOYMENTS, "pyos-od")
        assert found
        return found

    def pods(self) -> List[Dict[str, Any]]:
        return [
            item.raw
            for (resource, _, _), item in self.objects.items()
            if resource == PODS and not item.deleted and item.raw["metadata"]["labels"] == LABELS
        ]

    def writes(self) -> List[str]:
        """Return the requests that wrote something, such as ``PUT configmaps``."""
        return [
            f"{request.method.value} {request.resource.plural}"
            for request in self.seen
            if request.method.value in _WRITES and not is_dry(request)
        ]

    def dry_runs(self) -> List[str]:
        return [
            f"{request.method.value} {request.resource.plural}"
            for request in self.seen
            if is_dry(request)
        ]

    # requests

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        self.seen.append(request)
        self.before(request)
        if request.subresource == "log":
            return aiohttp.web.Response(text=self.log)
        if request.resource is None or request.resource.plural is None:
            return await self._discovery(request)
        answer = getattr(self, f"_{request.method.value.lower()}")(request)
        return aiohttp.web.json_response(answer)

    async def _discovery(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        """Tell kubectl which resources there are."""
        if request.url.path != "/api/v1":  # of which kmock says that it is "/v1"
            return await super()._handle(request)
        answer = await self._serve_version(request)
        return aiohttp.web.json_response({**dict(answer), "groupVersion": "v1"})  # type: ignore

    def _get(self, request: kmock.Request) -> Any:
        self._look()
        if request.name is None:
            found = [
                item.raw
                for (resource, _, _), item in self.objects.items()
                if resource == request.resource and not item.deleted and _matches(item.raw, request)
            ]
            return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": found}
        return self._existing(request)

    def _post(self, request: kmock.Request) -> Any:
        name = request.data["metadata"]["name"]
        if self._find(request.resource, name):
            raise refusal(409, "AlreadyExists", f'configmaps "{name}" already exists')
        return self._written(request, request.data)

    def _put(self, request: kmock.Request) -> Any:
        self._check_version(self._existing(request), request.data["metadata"])
        return self._written(request, request.data)

    def _patch(self, request: kmock.Request) -> Any:
        existing = self._existing(request)
        if isinstance(request.data, list):
            return self._written(request, jsonpatch.apply_patch(existing, request.data))
        merged = _merged(existing, request.data)
        if merged.get("spec") != existing.get("spec"):
            merged["metadata"] = {**merged["metadata"]}
            merged["metadata"]["generation"] += 1
            if not is_dry(request):
                self._looks = 0
        return self._written(request, merged)

    def _delete(self, request: kmock.Request) -> Any:
        existing = self._existing(request)
        self._check_version(existing, request.data.get("preconditions", {}))
        if not is_dry(request):
            self.objects[request.resource, NAMESPACE, request.name].delete()
            if request.resource == PODS:
                self._looks = 0
                deployment = self._find(DEPLOYMENTS, "pyos-od")
                if not deployment or len(self.pods()) < deployment["spec"]["replicas"]:
                    self._add_pod(ready=False)
        return {"kind": "Status", "status": "Success"}

    def _existing(self, request: kmock.Request) -> Dict[str, Any]:
        found = self._find(request.resource, request.name or "")
        if found is None or request.namespace != NAMESPACE:
            raise refusal(404, "NotFound", "not found", {"kind": request.resource.plural})
        return found

    def _check_version(self, existing: Dict[str, Any], wanted: Dict[str, Any]) -> None:
        for key in ("resourceVersion", "uid"):
            if wanted.get(key, existing["metadata"][key]) != existing["metadata"][key]:
                raise refusal(409, "Conflict", "the object has been modified")

    def _written(self, request: kmock.Request, manifest: Dict[str, Any]) -> Dict[str, Any]:
        if is_dry(request):
            return manifest
        return self._store(request.resource, manifest)

    # objects and controllers

    def _find(self, resource: Any, name: str) -> Optional[Dict[str, Any]]:
        key = (resource, NAMESPACE, name)
        if key not in self.objects or self.objects[key].deleted:
            return None
        found: Dict[str, Any] = self.objects[key].raw
        return found

    def _store(self, resource: Any, manifest: Dict[str, Any]) -> Dict[str, Any]:
        number = str(next(self._versions))
        metadata = {"uid": f"u-{number}", "namespace": NAMESPACE, **manifest["metadata"]}
        metadata["resourceVersion"] = number
        group = f"{resource.group}/" if resource.group else ""
        named = {"apiVersion": f"{group}{resource.version}", "kind": KINDS[resource.plural]}
        stored = {**named, **manifest, "metadata": metadata}
        key = (resource, NAMESPACE, metadata["name"])
        if key in self.objects:
            self.objects[key].create(stored)
        else:
            self.objects[key] = stored
        return stored

    def _add_pod(self, ready: bool) -> None:
        name = f"pyos-od-{next(self._names)}"
        self._store(PODS, _pod(name, ready, broken=False))

    def _look(self) -> None:
        """Do one step of what controllers do; each look of the client triggers one."""
        self._looks += 1
        broken = BROKEN in (self.text() or "")
        deployment = self._find(DEPLOYMENTS, "pyos-od")
        if deployment:
            self._step_rollout(deployment, broken)
        for pod in self.pods():
            if self._looks > 2 and not _is_ready(pod):
                self._store(PODS, _pod(pod["metadata"]["name"], not broken, broken, pod))

    def _step_rollout(self, deployment: Dict[str, Any], broken: bool) -> None:
        generation = deployment["metadata"]["generation"]
        status, replicas = dict(deployment["status"]), deployment["spec"]["replicas"]
        if status["observedGeneration"] < generation and self._looks == 2:
            status.update(observedGeneration=generation, updatedReplicas=0)
        elif status["updatedReplicas"] == 0 and self._looks == 3:
            status.update(updatedReplicas=replicas, replicas=2 * replicas)
            for _ in range(replicas):
                self._add_pod(ready=False)
        elif status["replicas"] > replicas and self._looks >= 5 and not broken:
            status.update(replicas=replicas, availableReplicas=replicas)
            for pod in sorted(self.pods(), key=lambda pod: int(pod["metadata"]["uid"][2:])):
                if len(self.pods()) > replicas:
                    self.objects[PODS, NAMESPACE, pod["metadata"]["name"]].delete()
        self._store(DEPLOYMENTS, {**deployment, "status": status})


def _matches(manifest: Dict[str, Any], request: kmock.Request) -> bool:
    metadata = manifest["metadata"]
    key, _, value = request.params.get("labelSelector", "").partition("=")
    _, _, name = request.params.get("fieldSelector", "").partition("metadata.name=")
    labelled = not key or metadata.get("labels", {}).get(key) == value
    return labelled and name in ("", metadata["name"])


def _pod(
    name: str, ready: bool, broken: bool, old: Optional[Dict[str, Any]] = None
) -> Dict[str, Any]:
    container: Dict[str, Any] = {"name": "pyos", "ready": ready, "state": {}}
    if broken:
        container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
        container["lastState"] = {"terminated": {"exitCode": 3}}
    conditions = [{"type": "Ready", "status": str(ready), "reason": "ContainersNotReady"}]
    return {
        "metadata": dict(old["metadata"]) if old else {"name": name, "labels": LABELS},
        "status": {"conditions": conditions, "containerStatuses": [container]},
    }


def _is_ready(pod: Dict[str, Any]) -> bool:
    return bool(pod["status"]["conditions"][0]["status"] == "True")


def _merged(existing: Any, change: Any) -> Any:
    if not isinstance(existing, dict) or not isinstance(change, dict):
        return change
    return {**existing, **{key: _merged(existing.get(key), change[key]) for key in change}}


class Server:
    """The cluster on a port of this machine, until `stop`."""

    def __init__(self, context: Optional[ssl.SSLContext] = None) -> None:
        self.cluster = PyosCluster()
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(WAIT)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.run_until_complete(self.cluster.__aexit__(None, None, None))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _start(self) -> None:
        await self.cluster.__aenter__()
        self._runner = aiohttp.web.ServerRunner(aiohttp.web.Server(self.cluster))
        await self._runner.setup()
        site = aiohttp.web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
