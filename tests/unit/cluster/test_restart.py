"""What the cluster says about a restart: how far a rollout is, and what is wrong with a pod."""

from __future__ import annotations

import pickle
from typing import Any, Dict, Tuple

import pytest

from abcwebrtc.cluster.restart import NotReadyError, is_ready, rollout_state, trouble
from abcwebrtc.errors import KubeError


def deployment(
    seen: int = 2,
    wanted: Any = 1,
    total: int = 1,
    updated: int = 1,
    available: int = 1,
) -> Dict[str, Any]:
    status = {"observedGeneration": seen, "replicas": total, "updatedReplicas": updated}
    spec = {} if wanted is None else {"replicas": wanted}
    return {
        "metadata": {"generation": 2},
        "spec": spec,
        "status": {**status, "availableReplicas": available},
    }


# By the rules of `kubectl rollout status` (DeploymentStatusViewer in its sources).
@pytest.mark.parametrize(
    ("manifest", "state"),
    [
        (deployment(), (True, "1 of 1 new pods are ready")),
        (deployment(wanted=None), (True, "1 of 1 new pods are ready")),
        (deployment(seen=3), (True, "1 of 1 new pods are ready")),
        (deployment(seen=1), (False, "waiting for the rollout to begin")),
        (deployment(updated=0), (False, "0 of 1 new pods are created")),
        (
            deployment(total=2),
            (False, "1 of 1 new pods are ready, 1 old still to end"),
        ),
        (deployment(available=0), (False, "0 of 1 new pods are ready")),
        (
            deployment(wanted=3, total=3, updated=3, available=2),
            (False, "2 of 3 new pods are ready"),
        ),
        (
            deployment(wanted=0, total=0, updated=0, available=0),
            (True, "0 of 0 new pods are ready"),
        ),
        ({"metadata": {"generation": 1}}, (False, "waiting for the rollout to begin")),
    ],
)
def test_the_state_of_a_rollout(manifest: Any, state: Tuple[bool, str]) -> None:
    assert rollout_state(manifest) == state


READY = {"type": "Ready", "status": "True"}


@pytest.mark.parametrize(
    ("pod", "ready"),
    [
        ({"metadata": {}, "status": {"conditions": [READY]}}, True),
        ({"metadata": {}, "status": {"conditions": [{**READY, "status": "False"}]}}, False),
        ({"metadata": {}, "status": {"conditions": [{**READY, "type": "Initialized"}]}}, False),
        ({"metadata": {}, "status": {}}, False),
        ({"metadata": {}}, False),
        ({"metadata": {"deletionTimestamp": "x"}, "status": {"conditions": [READY]}}, False),
    ],
)
def test_a_pod_is_ready(pod: Any, ready: bool) -> None:
    assert is_ready(pod) == ready


WAITING = {"name": "pyos", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
ENDED = {"name": "pyos", "state": {"terminated": {"exitCode": 1}}}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"containerStatuses": [WAITING]}, "ImagePullBackOff"),
        ({"containerStatuses": [ENDED]}, "its container pyos exited with 1"),
        ({"containerStatuses": [{**WAITING, "ready": True}, ENDED]}, "its container pyos exited"),
        ({"initContainerStatuses": [WAITING], "containerStatuses": [ENDED]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"name": "pyos"}], "conditions": [UNSCHEDULABLE]}, "Unschedulable"),
        ({"conditions": [READY], "phase": "Pending"}, "Pending"),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_trouble_of_a_pod(status: Any, text: str) -> None:
    found = trouble({"metadata": {}, "status": status})
    assert found.startswith(text)
    assert bool(found) == bool(text)


def test_exceptions_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(KubeError("no", status=403)))
    assert (str(error), error.status, error.is_transient) == ("no", 403, False)
    assert str(pickle.loads(pickle.dumps(NotReadyError("no", "pod", "container")))) == "no"


@pytest.mark.parametrize(
    ("status", "transient"), [(None, True), (429, True), (500, True), (409, False), (403, False)]
)
def test_which_errors_may_pass(status: Any, transient: bool) -> None:
    assert KubeError("x", status=status).is_transient == transient
