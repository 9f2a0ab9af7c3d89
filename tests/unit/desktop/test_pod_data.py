"""Which container of a pod is taken for sound, and where a new one stands."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest

from abcwebrtc import prepare_pod
from support.desktop_pod import SOUND_IMAGE, USERID, desktop_pod
from support.injected_pods import NOW, configuration, containers, inject, variable

OWNER = f"external-{USERID}"
CONFIG = configuration(turn=True, sound={"image": "registry.example.org:5000/audio/pulse:2"})
NO_ENTRY = configuration(turn=True, desktop__pod=...)


def pod_of(*names: str, **images: str) -> Dict[str, Any]:
    """Return a pod with containers of these names; those with a + are restarted init containers."""
    made: List[Dict[str, Any]] = [
        {"name": name.lstrip("+"), "image": images.get(name.lstrip("+").replace("-", "_"), "any:1")}
        for name in names
    ]
    sidecars = [
        {**each, "restartPolicy": "Always"} for each, name in zip(made, names) if "+" in name
    ]
    regular = [each for each, name in zip(made, names) if "+" not in name]
    spec = {"containers": regular, "initContainers": sidecars}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "desk"}, "spec": spec}


def sounding(pod: Dict[str, Any], config: Any = CONFIG, user: Optional[str] = "ada") -> List[str]:
    """Return the names of the containers that get TURN_SERVER, as only sound does."""
    prepared = prepare_pod(pod, config, user, NOW).pod
    assert prepare_pod(prepared, config, user, NOW).pod == prepared
    return [c["name"] for c in containers(prepared) if variable(c, "TURN_SERVER")]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["x-desk", "s-exporter"], "s-desk"),
        (["x-desk", "+s-exporter"], "s-desk"),
        (["x-desk", "s-exporter", "s-desk"], "s-desk"),
        (["x-desk", "+s-desk"], "s-desk"),
        (["x-desk", "s-desktop"], "s-desk"),
        (["x-external-jean-luc", "s-external-jean-luc", "s-external-jean"], "s-external-jean-luc"),
        (["x-ray", "x-desk", "f-desk", "s-ray"], "s-desk"),
        (["c-desk", "f-desk", "o-logs", "s-logs"], "s-desk"),
        (["x-desk", "s-desk-exporter"], "s-desk"),
        (["x-desk", "s-metrics-ada"], "s-desk"),
        (["notebook", "monitor-ada"], "s-ada-desk"),
        (["x-desk", "sound"], "sound"),
        (["x-desk", "soundcheck"], "s-desk"),
        (["notebook", "s-ada-desk"], "s-ada-desk"),
        (["notebook", "s-ldap-ada"], "s-ldap-ada"),
        (["notebook", "s-ada-exporter"], "s-ada-desk"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else value,
)
def test_a_name_counts_as_a_whole(names: List[str], expected: str) -> None:
    assert sounding(pod_of(*names)) == [expected]


def test_a_sidecar_stays_as_it_is() -> None:
    pod = pod_of("x-desk", "s-exporter", s_exporter="metrics:1")
    pod["spec"]["containers"][1]["command"] = ["/exporter"]
    result = inject(pod, CONFIG)
    exporter = next(c for c in containers(result) if c["name"] == "s-exporter")
    assert {key: exporter[key] for key in ("image", "command")} == {
        "image": "metrics:1",
        "command": ["/exporter"],
    }
    assert "volumeMounts" not in exporter


@pytest.mark.parametrize("config", [NO_ENTRY, configuration(sound={"acl": {"deny": ["all"]}})])
def test_a_sidecar_of_a_user_without_sound_is_not_taken_for_it(config: Any) -> None:
    prepared = prepare_pod(pod_of("x-desk", "s-exporter"), config, "ada", NOW)
    assert (prepared.secret, prepared.notes) == (None, ())


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.org:5000/audio/pulse:2",
        "registry.example.org:5000/audio/pulse@sha256:" + "0" * 64,
        "registry.example.org:5000/audio/pulse:2@sha256:" + "0" * 64,
        "abcdesktopio/oc.pulseaudio:3.2",
        "mirror.example.org:5000/oc.pulseaudio",
    ],
)
@pytest.mark.parametrize("name", ["s-x", "+audio"])
def test_an_image_for_sound_tells_it_too_whatever_its_version(image: str, name: str) -> None:
    key = name.lstrip("+").replace("-", "_")
    assert sounding(pod_of("x-desk", name, **{key: image})) == [name.lstrip("+")]


@pytest.mark.parametrize(
    "image",
    [
        "registry.example.org:5000/audio/pulse-exporter:2",
        "registry.example.org:5000/audio",
        "registry.example.org/audio/pulse:2",
        "abcdesktopio/oc.pulseaudio.18.04:dev",
        "pulse:2",
        "",
    ],
)
def test_another_image_does_not(image: str) -> None:
    assert sounding(pod_of("x-desk", "s-x", s_x=image)) == ["s-desk"]


def test_the_images_of_all_labels_count() -> None:
    config = configuration(turn=True, sound={"image": {"default": "a/one", "loud": "docker.io/b"}})
    assert sounding(pod_of("x-desk", "audio", audio="library/b:7"), config) == ["audio"]


def test_a_name_counts_more_than_an_image() -> None:
    pod = pod_of("x-desk", "monitor", "s-desk", monitor="abcdesktopio/oc.pulseaudio:3.2")
    assert sounding(pod) == ["s-desk"]


@pytest.mark.parametrize("name", ["x-desk", "f-desk"])
def test_another_container_of_pyos_is_none_whatever_its_image(name: str) -> None:
    key = name.replace("-", "_")
    names = list(dict.fromkeys(["x-desk", name]))
    assert sounding(pod_of(*names, **{key: "oc.pulseaudio:1"})) == ["s-desk"]


def test_an_init_container_that_ends_is_none() -> None:
    pod = pod_of("x-desk")
    pod["spec"]["initContainers"] = [{"name": "s-desk", "image": "oc.pulseaudio:1"}]
    assert sounding(pod) == ["s-desk-2"]
    injected = prepare_pod(pod, configuration(), "ada", NOW).pod
    assert sounding(injected, NO_ENTRY) == ["s-desk-2"]  # where no image tells it


def test_a_pod_of_pyos_is_known_without_a_sound_entry_by_its_user_or_its_others() -> None:
    pod = desktop_pod()
    assert sounding(pod, NO_ENTRY) == [f"s-{OWNER}"]
    pod["spec"]["containers"] = [c for c in pod["spec"]["containers"] if c["name"][0] == "s"]
    pod["spec"]["initContainers"] = []
    assert sounding(pod, NO_ENTRY, "somebody") == [f"s-{OWNER}"]
    del pod["metadata"]["labels"]["access_userid"]
    assert sounding(pod, NO_ENTRY, USERID) == [f"s-{OWNER}"]
    assert sounding(pod, NO_ENTRY, "somebody") == []


@pytest.mark.parametrize("owner", ["a" * 61, "a" * 90, "Ada.B", "a" * 60 + "-b", "-" * 20])
def test_what_was_injected_before_is_known_though_the_image_has_changed(owner: str) -> None:
    first = prepare_pod(pod_of(f"x-{owner}", "s-exporter"), configuration(), "ada", NOW).pod
    (made,) = [c["name"] for c in containers(first) if c.get("image") == SOUND_IMAGE]
    assert sounding(first) == [made]
    assert len(containers(first)) == 3


@pytest.mark.parametrize("letter", "hfor")
def test_it_stands_before_what_comes_after_it_in_pyos(letter: str) -> None:
    pod = pod_of("x-ada", "c-ada", f"{letter}-ada")
    made = [container["name"] for container in containers(inject(pod, CONFIG))]
    assert made == ["x-ada", "c-ada", "s-ada", f"{letter}-ada"]


def test_a_sidecar_of_such_a_letter_moves_it_not() -> None:
    pod = pod_of("x-ada", "o-metrics", "c-ada", "f-logs")
    made = [container["name"] for container in containers(inject(pod, CONFIG))]
    assert made == ["x-ada", "o-metrics", "c-ada", "f-logs", "s-ada"]


def test_the_variables_are_those_of_the_desktop_though_a_sidecar_stands_before_it() -> None:
    pod = pod_of("x-ray", "x-ada", "f-ada")
    for container in pod["spec"]["containers"]:
        container["env"] = [{"name": "ME", "value": container["name"]}]
    result = inject(pod, CONFIG)
    (sound,) = [c for c in containers(result) if c["name"] == "s-ada"]
    assert variable(sound, "ME")["value"] == "x-ada"
