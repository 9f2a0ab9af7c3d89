"""Any pod: an invalid one gets a message, and a valid one comes out valid and shares nothing."""

from __future__ import annotations

import contextlib
import copy
import json
import os
from typing import Any, Dict, List

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import ManifestError, WebRTCConfig, inject_webrtc, prepare_pod
from support import spoil
from support.desktop_pod import VERSIONS, assert_valid, desktop_pod
from support.injected_pods import NOW, SERVICE, STUN, configuration, from_secret, inject, sound_of
from support.spoiling import places

# what is no pod

NO_PODS = [
    ({"api_version": "v1", "spec": {"containers": []}}, "api_version: is a name from to_dict()"),
    ({"spec": {"init_containers": []}}, "spec.init_containers: is a name from to_dict()"),
    (
        {"spec": {"containers": [{"name": "a", "volume_mounts": []}]}},
        "spec.containers[0].volume_mounts: is a name from to_dict()",
    ),
    ({"kind": "Deployment", "spec": {}}, "kind: is not Pod"),
    ({}, "spec: is missing"),
    ({"spec": []}, "spec: must be a mapping, not a list"),
    ({"spec": {}, "metadata": "x"}, "metadata: must be a mapping, not text"),
    ({"spec": {}, "metadata": {"labels": []}}, "metadata.labels: must be a mapping, not a list"),
    ({"spec": {"containers": {}}}, "spec.containers: must be a list, not a dict"),
    ({"spec": {"containers": [None]}}, "spec.containers[0]: must be a mapping, not None"),
    ({"spec": {"initContainers": [{}]}}, "spec.initContainers[0].name: is missing"),
    (
        {"spec": {"containers": [{"name": "a", "env": {}}]}},
        "spec.containers[0].env: must be a list",
    ),
    (
        {"spec": {"containers": [{"name": "a", "env": [{"value": "v"}]}]}},
        "spec.containers[0].env[0].name: is missing",
    ),
    ({"spec": {"volumes": [{}]}}, "spec.volumes[0].name: is missing"),
    ({"spec": {"securityContext": 1}}, "spec.securityContext: must be a mapping, not a whole"),
    ({"spec": {}, "metadata": {"name": 5}}, "metadata.name: must be text, not a whole number"),
    (
        {"spec": {"containers": [{"name": "s-a", "ports": [5]}]}},
        "spec.containers[0].ports[0]: must be a mapping, not a whole number",
    ),
    (
        {"spec": {"containers": [{"name": "s-a", "imagePullSecrets": ["x"]}]}},
        "spec.containers[0].imagePullSecrets[0]: must be a mapping, not text",
    ),
    ("pod", "must be a dict or a V1Pod of the kubernetes client, not text"),
]


@pytest.mark.parametrize(("pod", "words"), NO_PODS, ids=[words for _, words in NO_PODS])
def test_what_is_no_pod_gets_a_message(pod: Any, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        inject_webrtc(pod, configuration(), "ada", NOW)
    assert str(caught.value).startswith(words)


ODD = [None, 5, "x", [], [None], [{}], {"a": 5}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_parts_of_a_pod_get_a_message_or_stay(odd: Any) -> None:
    context = {"runAsUser": "{{ uidNumber }}"}
    config = configuration(turn=True, sound={"securityContext": context})
    original = json.loads(json.dumps(desktop_pod()))
    sound_of(original).update(
        ports=[{"containerPort": 4714}], imagePullSecrets=[{"name": "q"}], securityContext={}
    )
    for path in places(original):
        pod = copy.deepcopy(original)
        part = pod
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = odd
        with contextlib.suppress(ManifestError):
            prepare_pod(pod, config, "ada", NOW)


def test_a_loop_is_no_manifest() -> None:
    pod = desktop_pod()
    pod["metadata"]["annotations"] = pod
    with pytest.raises(ManifestError, match="nested too deep"):
        inject_webrtc(pod, configuration(), "ada", NOW)


# nothing is shared


def parts(value: Any) -> List[int]:
    """Return the ids of all dicts and lists in a value."""
    if isinstance(value, dict):
        return [id(value)] + [part for item in value.values() for part in parts(item)]
    if isinstance(value, list):
        return [id(value)] + [part for item in value for part in parts(item)]
    return []


def test_two_results_share_nothing_with_each_other_nor_with_the_configuration() -> None:
    config = configuration(
        turn=True, sound={"securityContext": {"capabilities": {"drop": ["ALL"]}}}
    )
    first = inject(desktop_pod(), config)
    expected = copy.deepcopy(first)
    spoil(inject(desktop_pod(), config))
    assert inject(desktop_pod(), config) == expected == first


names = st.sampled_from(["x-a", "c-a", "s-a", "f-a", "desktop", "sound", "web", "i-a"])
variables = st.lists(
    st.one_of(
        st.builds(
            lambda name, value: {"name": name, "value": value},
            st.sampled_from(["STUN_SERVER", "TURN_SERVER", "POD_IP", "LANG", SERVICE["name"]]),
            st.sampled_from(["", "stun://old", "$(LANG)"]),
        ),
        st.sampled_from([from_secret("STUN_SERVER"), from_secret("TURN_SERVER")]),
    ),
    max_size=4,
)
volumes = st.sampled_from(["tmp", "home", "home-a", "log", "auth-localaccount-a", "data"])


@st.composite
def pods(draw: Any) -> Dict[str, Any]:
    """Return valid pods, with parts that are shared and fields that are null."""
    there = draw(st.lists(volumes, unique=True))
    mounts = [{"name": name, "mountPath": f"/mnt/{name}"} for name in there]
    shared_env = draw(variables)
    made = [
        {
            "name": name,
            **draw(st.sampled_from([{}, {"env": shared_env}, {"env": None}])),
            **draw(st.sampled_from([{}, {"volumeMounts": mounts}, {"volumeMounts": None}])),
        }
        for name in draw(st.lists(names, unique=True, min_size=1, max_size=5))
    ]
    split = draw(st.integers(0, len(made) - 1))
    spec = {
        "containers": made[split:],
        "initContainers": draw(st.sampled_from([None, made[:split]])),
    }
    spec["volumes"] = [{"name": name, "emptyDir": {}} for name in there]
    metadata = {"name": "pod", "labels": draw(st.sampled_from([None, {"a": "b"}]))}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


CONFIGS = [
    configuration(),
    configuration(turn=True),
    configuration(turn=True, sound={"enable": False}),
    configuration(webrtc__rtc_configuration=..., webrtc__coturn=...),
    configuration(turn=True, desktop__pod=...),
]


@settings(max_examples=100)
@given(pods(), st.sampled_from(CONFIGS), st.booleans())
def test_whatever_the_pod(pod: Dict[str, Any], config: WebRTCConfig, by_secret: bool) -> None:
    assert_valid(pod)
    before = copy.deepcopy(pod)
    prepared = prepare_pod(pod, config, "ada", NOW, turn_secret=by_secret)
    assert pod == before
    assert_valid(prepared.pod, *([prepared.secret] if prepared.secret else []))
    assert prepare_pod(prepared.pod, config, "ada", NOW, turn_secret=by_secret).pod == prepared.pod
    ids = parts(prepared.pod)
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(parts(pod))
    if config is CONFIGS[0]:
        for container in prepared.pod["spec"]["containers"]:
            in_effect = [item for item in container["env"] if item["name"] == STUN["name"]][-1]
            assert in_effect == STUN or "valueFrom" in in_effect


# the schemas that these pods are held against


def test_the_schemas_do_refuse() -> None:
    for field, value in (("imagePullSecrets", []), ("pullpolicy", "Always"), ("image", 3)):
        pod = desktop_pod()
        pod["spec"]["containers"][0][field] = value
        with pytest.raises(kubernetes_validate.ValidationError):
            assert_valid(pod)


if "OLDEST_KUBERNETES" in os.environ:  # as tests/run.py has it for one of its runs

    def test_the_run_with_old_versions_has_them() -> None:
        assert VERSIONS[0] == "1.24"
