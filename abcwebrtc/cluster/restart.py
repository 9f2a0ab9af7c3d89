"""Restart pyos, which reads od.config only when it starts, and wait until it is ready.

There are two ways: a rollout of its Deployment, like ``kubectl rollout restart``
followed by ``kubectl rollout status``, during which pyos keeps answering; or deleting
its pods, as abcdesktop's documentation does.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from abcwebrtc.abcdesktop import PYOS_DEPLOYMENT, PYOS_SELECTOR
from abcwebrtc.cluster.api import Cluster
from abcwebrtc.cluster.certainty import written
from abcwebrtc.errors import KubeError
from abcwebrtc.times import iso_text

ROLLOUT, DELETE, NONE = "rollout", "delete", "none"
MODES = (ROLLOUT, DELETE, NONE)
INTERVAL = 1.0
"""Seconds between two requests for the state."""

_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

Progress = Callable[[str], None]
State = Tuple[bool, str]
"""Whether it is done, and what it is waiting for."""


class NotReadyError(KubeError):
    """pyos was restarted, but does not become ready.

    `pod` and `container` name what fails, and are empty if that is not known. `log_line` is the
    last line of the container's log, if requested. It is not part of the exception's text, since
    it may quote a secret.
    """

    log_line = ""

    def __init__(self, message: str, pod: str = "", container: str = "") -> None:
        super().__init__(message)
        self.pod = pod
        self.container = container


class Restart:
    """One restart of pyos: `prepare`, `start`, `wait`.

    `progress` is called with what it is waiting for, whenever that changes. `begun`
    is True once the restart ends, or may end, pods.
    """

    def __init__(self, cluster: Cluster, mode: str, progress: Progress) -> None:
        self._cluster = cluster
        self._mode = mode
        self._progress = progress
        self._old: List[Dict[str, Any]] = []
        self._count = 0
        """How many new pods must be ready, if the old ones are deleted."""
        self.begun = False

    def prepare(self) -> None:
        """Check that there is something to restart, and that you may restart it.

        Nothing is written: the API server does a dry run. Raises `KubeError`.
        """
        namespace = self._cluster.namespace
        if self._mode == ROLLOUT:
            deployment = self._cluster.get("deployments", PYOS_DEPLOYMENT)
            if deployment is None:
                raise KubeError(
                    f"namespace {namespace} has no Deployment {PYOS_DEPLOYMENT} (404); choose "
                    "another --namespace, or use --restart none and restart pyos yourself",
                    status=404,
                )
            if (deployment.get("spec") or {}).get("replicas", 1) == 0:
                raise KubeError(
                    f"the Deployment {PYOS_DEPLOYMENT} has 0 replicas, so nothing would start; run "
                    f"kubectl -n {namespace} scale deployment {PYOS_DEPLOYMENT} --replicas=1, or "
                    "use --restart none"
                )
        elif self._mode == DELETE:
            self._find_pods()
            if not self._old:
                raise KubeError(
                    f"namespace {namespace} has no pod {PYOS_SELECTOR} to restart; choose another "
                    "--namespace, or use --restart none"
                )
        for write in self._writes(dry_run=True):
            try:
                write()
            except KubeError as error:
                if error.status != 400:  # some admission webhooks reject any dry run
                    raise

    def start(self) -> None:
        """Restart."""
        if self._mode == ROLLOUT:
            with suppress(KubeError):  # they only add detail to a failure
                self._find_pods()
        elif self._mode == DELETE:
            self._find_pods()
            self._count = min(len(self._old), self._replicas())
        for number, write in enumerate(self._writes(dry_run=False)):
            self.begun = True
            try:
                write()
            except KubeError as error:
                self.begun = number > 0 or error.is_unclear
                raise

    def wait(self, timeout: float) -> None:
        """Wait until the new pods are ready; raise `NotReadyError` after `timeout` seconds."""
        if self._mode == NONE:
            return
        look = self._deployment_state if self._mode == ROLLOUT else self._pods_state
        end, said = time.monotonic() + timeout, ""
        while True:
            try:
                done, text = look()
            except KubeError as error:
                if isinstance(error, NotReadyError) or not error.is_transient:
                    raise
                done, text = False, str(error)
            if text != said:
                self._progress(text)
                said = text
            if done:
                return
            if time.monotonic() >= end:
                break
            time.sleep(min(INTERVAL, max(0.0, end - time.monotonic())))
        raise self._not_ready(f"pyos is not ready after {timeout:g} s: {said}")

    def _find_pods(self) -> None:
        pods = self._cluster.list("pods", PYOS_SELECTOR)
        self._old = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def _writes(self, dry_run: bool) -> List[Callable[[], None]]:
        """Return the writes to do, in order."""
        if self._mode == ROLLOUT:
            return [lambda: self._patch_deployment(dry_run)]
        return [partial(self._delete_pod, pod["metadata"], dry_run) for pod in self._old]

    def _delete_pod(self, metadata: Mapping[str, Any], dry_run: bool) -> None:
        def delete() -> bool:
            self._cluster.delete("pods", metadata["name"], metadata, dry_run)
            return True

        def look() -> Optional[bool]:
            pods = [pod["metadata"] for pod in self._cluster.list("pods", PYOS_SELECTOR)]
            stays = [pod for pod in pods if not pod.get("deletionTimestamp")]
            return metadata.get("uid") not in [pod.get("uid") for pod in stays] or None

        if dry_run:
            delete()
        else:
            written(delete, look, self._progress)

    def _patch_deployment(self, dry_run: bool) -> None:
        annotations = {_RESTARTED_AT: _moment()}
        change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
        patch = partial(self._cluster.patch, "deployments", PYOS_DEPLOYMENT, change, dry_run)

        def look() -> Optional[Dict[str, Any]]:
            found = self._cluster.get("deployments", PYOS_DEPLOYMENT) or {}
            template = (found.get("spec") or {}).get("template") or {}
            made = (template.get("metadata") or {}).get("annotations") or {}
            return found if made.get(_RESTARTED_AT) == annotations[_RESTARTED_AT] else None

        deployment = patch() if dry_run else written(patch, look, self._progress)
        if (deployment.get("spec") or {}).get("paused"):
            raise KubeError(
                f"the Deployment {PYOS_DEPLOYMENT} is paused; resume it with kubectl -n "
                f"{self._cluster.namespace} rollout resume deployment {PYOS_DEPLOYMENT}"
            )

    def _deployment_state(self) -> State:
        deployment = self._cluster.get("deployments", PYOS_DEPLOYMENT)
        if deployment is None:
            raise NotReadyError(f"somebody deleted the Deployment {PYOS_DEPLOYMENT}")
        for condition in (deployment.get("status") or {}).get("conditions") or []:
            if condition.get("reason") == "ProgressDeadlineExceeded" and _is_observed(deployment):
                raise self._not_ready(
                    "pyos did not become ready within the Deployment's progressDeadlineSeconds"
                )
        return rollout_state(deployment)

    def _pods_state(self) -> State:
        ready = sum(map(is_ready, self._new_pods()))
        return ready >= self._count, f"{ready} of {self._count} new pods are ready"

    def _replicas(self) -> int:
        """Return how many pods there should be: a rollout that hangs has more than that."""
        with suppress(KubeError):
            deployment = self._cluster.get("deployments", PYOS_DEPLOYMENT)
            if deployment:
                return int((deployment.get("spec") or {}).get("replicas", 1)) or len(self._old)
        return len(self._old)

    def _new_pods(self) -> List[Dict[str, Any]]:
        old = {pod["metadata"].get("uid") for pod in self._old}
        pods = self._cluster.list("pods", PYOS_SELECTOR)
        return [pod for pod in pods if pod["metadata"].get("uid") not in old]

    def _not_ready(self, message: str) -> NotReadyError:
        """Return the exception, with the reason that the new pods give."""
        pods: List[Dict[str, Any]] = []
        with suppress(KubeError):
            pods = self._new_pods()
        for pod in pods:
            reason = "" if is_ready(pod) else trouble(pod)
            if reason:
                name = pod["metadata"]["name"]
                failing = [one["name"] for one in _container_statuses(pod) if not one.get("ready")]
                return NotReadyError(f"{message}; pod {name}: {reason}", name, *failing[:1])
        return NotReadyError(message)


def _moment() -> str:
    """Return the time to the microsecond: writing the same time twice would restart nothing.

    kubectl writes whole seconds, and accepts any text.
    """
    seconds, micros = divmod(time.time_ns() // 1000, 10**6)
    return f"{iso_text(seconds)[:-1]}.{micros:06}Z"


def last_log_line(cluster: Cluster, pod: str, container: str) -> str:
    """Return the last line of a container's log, which may hold a secret."""
    for previous in (False, True):
        log = cluster.log(pod, container, previous)
        lines = [line for line in log.splitlines() if line.strip()]
        if lines:
            return lines[-1].strip()
    return ""


def rollout_state(deployment: Mapping[str, Any]) -> State:
    """Return how far a rollout is, by the rules of ``kubectl rollout status``."""
    status = deployment.get("status") or {}
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    updated = status.get("updatedReplicas") or 0
    available = status.get("availableReplicas") or 0
    old = (status.get("replicas") or 0) - updated
    if not _is_observed(deployment):
        return False, "waiting for the rollout to begin"
    if updated < wanted:
        return False, f"{updated} of {wanted} new pods are created"
    if old > 0:
        return False, f"{available} of {wanted} new pods are ready, {old} old still to end"
    return available >= updated, f"{available} of {wanted} new pods are ready"


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod has the condition Ready."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def _is_observed(deployment: Mapping[str, Any]) -> bool:
    seen = (deployment.get("status") or {}).get("observedGeneration") or 0
    return bool(seen >= deployment["metadata"].get("generation", 0))


def _container_statuses(pod: Mapping[str, Any]) -> List[Dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def trouble(pod: Mapping[str, Any]) -> str:
    """Return why a pod is not ready, in Kubernetes's own words such as CrashLoopBackOff."""
    status = pod.get("status") or {}
    for container in _container_statuses(pod):
        if container.get("ready"):
            continue
        state = container.get("state") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        waiting = (state.get("waiting") or {}).get("reason")
        words = [waiting] if waiting else []
        if ended:
            words.append(f"its container {container['name']} exited with {ended.get('exitCode')}")
        if words:
            return ", ".join(words)
    for condition in status.get("conditions") or []:
        if condition.get("status") == "False" and condition.get("reason"):
            return str(condition["reason"])
    return str(status.get("phase") or "")
