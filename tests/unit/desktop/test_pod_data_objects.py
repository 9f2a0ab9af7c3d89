"""Objects of the kubernetes client, of the version that is installed.

tests/run.py runs this with the newest client and with the oldest one that is
supported: the former's models are pydantic, the latter's are not.
"""

from __future__ import annotations

import copy
import datetime
import json
import os
import traceback
import warnings
from typing import Any, Dict, Iterator

import pytest

from abcwebrtc import ManifestError, inject_webrtc, owned_secret, prepare_pod, without_secret
from abcwebrtc.desktop.pod_data import open_object
from support.desktop_pod import assert_valid, desktop_pod
from support.injected_pods import NOW, configuration

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # older clients use what Python deprecates
    import kubernetes
    from kubernetes import client

PYDANTIC = hasattr(client.V1Pod, "model_dump")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def without_nulls(value: Any) -> Any:
    """Return what the client keeps of a manifest: a field that is null is absent to it."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def as_object(data: Dict[str, Any], kind: str = "Pod") -> Any:
    """Return an object of the client, made by the client itself."""
    if PYDANTIC:
        return getattr(client, f"V1{kind}").from_dict(data)
    api = client.ApiClient()
    return api._ApiClient__deserialize(data, f"V1{kind}")  # what `deserialize` does with a body


def test_an_object_gets_what_a_dict_gets() -> None:
    config = configuration(turn=True)
    pod = as_object(desktop_pod(sound=False))
    before = copy.deepcopy(pod)
    result = inject_webrtc(pod, config, "ada", NOW)
    expected = inject_webrtc(desktop_pod(sound=False), config, "ada", NOW)
    assert type(result) is client.V1Pod
    assert pod == before
    assert result == as_object(expected)
    assert open_object(result)[0] == without_nulls(expected)
    assert inject_webrtc(result, config, "ada", NOW) == result


def test_an_object_made_by_hand() -> None:
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(name="pod"),
        spec=client.V1PodSpec(containers=[client.V1Container(name="desktop")]),
    )
    result = inject_webrtc(pod, configuration(), "ada", NOW)
    assert [container.name for container in result.spec.containers] == ["desktop", "s-ada-pod"]
    assert result.spec.containers[0].env[1].value == "stun://stun.example.org:3478"
    assert pod.spec.containers[0].env is None


def test_the_names_of_to_dict_are_refused() -> None:
    data = as_object(desktop_pod()).to_dict()
    for pod in (data, {"spec": data["spec"]}, {"spec": {"containers": data["spec"]["containers"]}}):
        with pytest.raises(ManifestError, match="pass the V1Pod itself"):
            inject_webrtc(pod, configuration(), "ada", NOW)


def test_an_object_of_another_class_is_refused() -> None:
    pod = as_object(desktop_pod())
    template = client.V1PodTemplateSpec(metadata=pod.metadata, spec=pod.spec)
    labels = client.V1LabelSelector(match_labels={"run": "desktop"})
    deployment = client.V1Deployment(
        spec=client.V1DeploymentSpec(selector=labels, template=template)
    )
    for other in (template, deployment, pod.spec, pod.spec.containers[0]):
        with pytest.raises(ManifestError, match=f"or a V1Pod .*, not {type(other).__name__}$"):
            inject_webrtc(other, configuration(), "ada", NOW)
    with pytest.raises(ManifestError, match=r"or a V1Secret .*, not V1Pod$"):
        owned_secret(pod, pod)
    with pytest.raises(ManifestError, match=r"or a V1Secret .*, not None$"):
        owned_secret(prepare_pod(pod, configuration(turn=False), "ada", NOW).secret, pod)


def test_an_object_of_a_subclass_is_a_pod_too() -> None:
    class DesktopPod(client.V1Pod):
        pass

    pod = as_object(desktop_pod())
    mine = DesktopPod(metadata=pod.metadata, spec=pod.spec)
    assert inject_webrtc(mine, configuration(), "ada", NOW).spec.containers


def test_results_share_nothing() -> None:
    pod = as_object(desktop_pod())
    first, second = (inject_webrtc(pod, configuration(), "ada", NOW) for _ in range(2))
    first.spec.containers[0].env[0].value = "changed"
    first.metadata.labels["more"] = "x"
    assert second == inject_webrtc(pod, configuration(), "ada", NOW)
    assert first.spec.containers[1].env[0].value != "changed"


def test_what_the_api_server_has_set_stays() -> None:
    pod = as_object(desktop_pod())
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    pod.metadata.creation_timestamp = now
    pod.metadata.uid = "6a1c"
    result = inject_webrtc(pod, configuration(), "ada", NOW)
    assert result.metadata.creation_timestamp == now
    assert "2026-01-02T03:04:05" in json.dumps(open_object(pod)[0])
    assert result.metadata.uid == "6a1c"


def test_the_secret_of_an_object_is_one_too() -> None:
    config = configuration(turn=True)
    prepared = prepare_pod(as_object(desktop_pod()), config, "ada", NOW)
    expected = prepare_pod(desktop_pod(), config, "ada", NOW).secret
    assert type(prepared.secret) is client.V1Secret
    assert prepared.secret == as_object(expected, "Secret")
    created = desktop_pod()
    created["metadata"]["uid"] = "6a1c"
    owned = owned_secret(prepared.secret, as_object(created))
    assert owned.metadata.owner_references[0].uid == "6a1c"

    assert_valid(open_object(owned, "Secret")[0])
    assert prepared.secret.metadata.owner_references is None
    assert owned_secret(expected, as_object(created)) == owned_secret(expected, created)


def test_an_object_without_its_secret_is_one_too() -> None:
    config = configuration(turn=True)
    left = without_secret(prepare_pod(as_object(desktop_pod()), config, "ada", NOW)).pod
    assert left == as_object(without_secret(prepare_pod(desktop_pod(), config, "ada", NOW)).pod)
    assert type(left) is client.V1Pod
    assert "TURN_SERVER" not in str(left)


def test_what_the_client_does_not_take_is_an_error_that_shows_no_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pod = as_object(desktop_pod())

    def refuse(*_: Any) -> None:
        raise ValueError("here stands the password")

    target, name = (client.V1Pod, "from_dict") if PYDANTIC else (client.ApiClient, "deserialize")
    monkeypatch.setattr(target, name, refuse)
    with pytest.raises(ManifestError, match="version of the kubernetes client") as caught:
        inject_webrtc(pod, configuration(turn=True), "ada", NOW)
    shown = traceback.format_exception(type(caught.value), caught.value, caught.value.__traceback__)
    assert "password" not in "".join(shown)
    assert caught.value.__context__ is None


if "OLDEST_KUBERNETES" in os.environ:  # as tests/run.py has it for one of its runs

    def test_the_run_with_the_oldest_client_has_it() -> None:
        assert kubernetes.__version__ == os.environ["OLDEST_KUBERNETES"]
        assert not PYDANTIC
