"""Pods in, pods out: what inject_webrtc gives to pods of pyos, with a sound container or not."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import pytest

from abcwebrtc import WebRTCConfig, load_od_config, prepare_pod
from conftest import REFERENCE_PODS, SHARED
from support.desktop_pod import SOUND_IMAGE, desktop_pod
from support.injected_pods import (
    NOW,
    SECTIONS,
    STUN,
    configuration,
    containers,
    inject,
    sound_of,
    variable,
)

DEVIATIONS: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "the port is declared, so that `kubectl describe` and policies by name can show it": (
        lambda pod: sound_of(pod).pop("ports")
    ),
}
"""What we do and pyos does not, each with its reason; applied to take it away."""


def without_deviations(pod: Dict[str, Any]) -> Dict[str, Any]:
    for remove in DEVIATIONS.values():
        assert remove(pod)
    return pod


def without_sound_container(pod: Dict[str, Any]) -> Dict[str, Any]:
    pod["spec"]["containers"].remove(sound_of(pod))
    return pod


def sound_switched_on(od_config: Path) -> WebRTCConfig:
    mapping = load_od_config(od_config)
    mapping["desktop.pod"]["sound"]["enable"] = True
    return WebRTCConfig.from_mapping(mapping, environ={}, folder=str(od_config.parent))


@pytest.mark.parametrize("file", [None, *REFERENCE_PODS], ids=lambda f: f.name if f else "own")
def test_what_was_taken_out_of_a_pod_comes_back(file: Optional[Path]) -> None:
    original = json.loads(file.read_text()) if file else desktop_pod()
    config = sound_switched_on(SHARED / "od.config.3.2") if file else None
    result = inject(without_sound_container(copy.deepcopy(original)), config)
    assert without_deviations(result) == original


def test_a_pod_made_without_sound_gets_all_of_it() -> None:
    result = without_deviations(inject(desktop_pod(sound=False)))
    wanted = json.loads(json.dumps(desktop_pod()))  # in which nothing is shared
    for container in (*containers(result), *containers(wanted)):
        container["env"].sort(key=lambda item: item["name"])
    for container in wanted["spec"]["initContainers"]:
        container["env"].remove(STUN)  # pyos gives it to init containers, which have no use for it
    assert result == wanted


def test_a_pod_with_a_sound_container_is_not_given_a_second() -> None:
    once = inject(desktop_pod(sound=False))
    assert inject(desktop_pod()) == inject(without_sound_container(desktop_pod()))
    assert inject(once) == once
    assert len(once["spec"]["containers"]) == 4


def test_a_sound_container_that_is_a_sidecar_is_kept_as_one() -> None:
    """An init container that is always restarted, as Kubernetes has them since 1.28."""
    pod = desktop_pod()
    sound = {**sound_of(pod), "image": "old:1", "restartPolicy": "Always", "env": []}
    pod["spec"]["containers"].remove(sound_of(pod))
    pod["spec"]["initContainers"].append(sound)
    prepared = prepare_pod(pod, configuration(turn=True, sound={}), "ada", NOW)
    result = prepared.pod["spec"]["initContainers"][-1]
    assert (result["name"], result["image"]) == (sound["name"], SOUND_IMAGE)
    assert variable(result, "STUN_SERVER") == STUN
    assert prepared.secret is not None
    assert variable(result, "TURN_SERVER") is not None
    assert len(prepared.pod["spec"]["containers"]) == 3
    assert prepare_pod(prepared.pod, configuration(turn=True), "ada", NOW) == prepared
    refused = configuration(turn=True, sound={"acl": {"permit": ["staff"]}})
    (note,) = prepare_pod(pod, refused, "ada", NOW).notes
    assert note.path == f"spec.initContainers[{len(pod['spec']['initContainers']) - 1}]"


def test_no_two_containers_have_one_name() -> None:
    """Kubernetes refuses that, for init containers and regular ones together."""
    pod = desktop_pod()
    sound = {**sound_of(pod), "command": ["true"]}
    pod["spec"]["containers"].remove(sound_of(pod))
    pod["spec"]["initContainers"].append(sound)  # not for long, so it is not the sound
    once = inject(pod)
    names = [found["name"] for key in SECTIONS for found in once["spec"][key]]
    assert len(set(names)) == len(names)
    assert f"{sound['name']}-2" in names
    assert inject(once) == once


def test_a_sound_container_is_brought_up_to_date() -> None:
    pod = desktop_pod()
    old = sound_of(pod)
    old.update(image="old:1", imagePullPolicy="Always", args=["--keep"], volumeMounts=[None])
    old["ports"] = [{"containerPort": 22}]
    result = sound_of(inject(pod))
    assert (result["image"], result["imagePullPolicy"]) == (SOUND_IMAGE, "IfNotPresent")
    assert result["args"] == ["--keep"]
    assert result["ports"] == [{"containerPort": 22}, {"containerPort": 4714}]
    assert None not in result["volumeMounts"]
    assert len(result["volumeMounts"]) == 4
