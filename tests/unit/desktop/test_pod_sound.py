"""The sound container of a pod: what is in it, and which users get it."""

from __future__ import annotations

import re
from typing import Any, List, Optional

import pytest

from abcwebrtc import ManifestError, inject_webrtc, prepare_pod
from support.desktop_pod import SOUND_IMAGE, USERID, desktop_pod
from support.injected_pods import (
    ENTRIES,
    NOW,
    SERVICE,
    STUN,
    configuration,
    containers,
    inject,
    sound_of,
    variable,
)

# the sound container


def test_volumes_that_the_pod_has_not_are_not_mounted() -> None:
    pod = desktop_pod(sound=False)
    pod["spec"]["volumes"] = [v for v in pod["spec"]["volumes"] if v["name"] in ("tmp", "shm")]
    for container in containers(pod):
        mounts = container["volumeMounts"]
        container["volumeMounts"] = [m for m in mounts if m["name"] in ("tmp", "shm")]
    assert sound_of(inject(pod))["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_a_mount_is_as_the_desktop_has_it() -> None:
    pod = desktop_pod(sound=False)
    desktop = pod["spec"]["containers"][0]
    desktop["volumeMounts"] = [
        {"name": f"home-{USERID}", "mountPath": "/home/ada", "subPath": "ada", "readOnly": False}
    ]
    mounts = sound_of(inject(pod))["volumeMounts"]
    assert desktop["volumeMounts"][0] in mounts


def test_image_and_resources_are_of_the_entry() -> None:
    sound = {
        "image": {"default": "a:1", "loud": "a:2"},
        "pullpolicy": "Always",
        "imagePullPolicy": ...,
        "resources": {"limits": {"cpu": 2, "memory": "1G"}},
        "imagePullSecrets": [{"name": "registry"}],
    }
    pod = desktop_pod(sound=False)
    pod["spec"]["imagePullSecrets"] = [{"name": "other"}]
    config = configuration(sound=sound)
    result = inject(pod, config, labels=["loud"])
    container = sound_of(result)
    assert container["image"] == "a:2"
    assert sound_of(inject(pod, config))["image"] == "a:1"
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"] == {"limits": {"cpu": "2", "memory": "1G"}}
    assert result["spec"]["imagePullSecrets"] == [{"name": "other"}, {"name": "registry"}]
    assert inject(result, config, labels=["loud"]) == result


def test_the_numbers_of_the_user_are_those_of_the_pod() -> None:
    context = {"runAsUser": "{{ uidNumber }}", "runAsGroup": "{{gidNumber}}", "privileged": False}
    config = configuration(sound={"securityContext": context})
    result = sound_of(inject(desktop_pod(), config))
    assert result["securityContext"] == {"runAsUser": 4096, "runAsGroup": 4097, "privileged": False}


def test_a_number_that_the_pod_has_not_is_an_error() -> None:
    config = configuration(sound={"securityContext": {"runAsUser": "{{ uidNumber }}"}})
    pod = desktop_pod()
    del pod["spec"]["securityContext"]
    with pytest.raises(ManifestError, match=r"^spec\.securityContext\.runAsUser: is missing; "):
        inject(pod, config)


def test_without_a_port_the_label_says_enabled() -> None:
    result = inject(desktop_pod(sound=False), configuration(sound={"tcpport": ...}))
    assert result["metadata"]["labels"]["service_sound"] == "enabled"
    assert "ports" not in sound_of(result)


def test_all_containers_learn_of_the_service() -> None:
    result = inject(desktop_pod(sound=False))
    assert [variable(container, SERVICE["name"]) for container in containers(result)] == [
        SERVICE
    ] * 5


def test_the_cookie_goes_to_the_sound_container() -> None:
    result = inject(desktop_pod(), pulseaudio_cookie="f" * 32)
    cookies = {c["name"][0]: variable(c, "PULSEAUDIO_COOKIE")["value"] for c in containers(result)}
    others = {name: value for name, value in cookies.items() if name != "s"}
    assert cookies["s"] == "f" * 32
    assert set(others.values()) == {"00112233445566778899aabbccddeeff"}


@pytest.mark.parametrize(
    ("metadata", "name", "user", "expected"),
    [
        ({"name": "d1"}, "desktop", "Ada.Löwe@x", "s-ada-l-we-x-d1"),
        ({"name": "d1"}, "desktop", None, "s-d1"),
        (None, "desktop", None, "s-desktop"),
        ({"name": "d" * 200}, "desktop", "a" * 70, "s-" + "a" * 61),
        ({"name": "d1"}, "x-external-ada", "bob", "s-external-ada"),
        ({"name": "d1"}, "x-" + "-" * 30, "bob", None),
    ],
)
def test_the_name_is_a_name_that_kubernetes_takes(
    metadata: Any, name: str, user: Any, expected: Optional[str]
) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    pod["spec"] = {"containers": [{"name": name}]}
    result = inject_webrtc(pod, configuration(), user, NOW)
    made = result["spec"]["containers"][1]["name"]
    assert made == expected or expected is None
    assert re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", made)


# who gets sound

NO_NAMES = ["staff", b"staff", 3, [None], ...]


@pytest.mark.parametrize(
    "options",
    [
        *({name: value} for name in ("labels", "containers") for value in NO_NAMES),
        {"labels": None},
    ],
    ids=str,
)
def test_what_is_no_list_of_names_is_a_type_error(options: Any) -> None:
    with pytest.raises(TypeError, match="lists of names"):
        inject_webrtc(desktop_pod(), configuration(), "ada", NOW, **options)


@pytest.mark.parametrize("cookie", [3, b"cookie", ["cookie"], {}], ids=str)
def test_a_cookie_that_is_no_text_is_a_type_error_that_does_not_show_it(cookie: Any) -> None:
    with pytest.raises(TypeError, match=r"^pulseaudio_cookie must be text$"):
        inject_webrtc(desktop_pod(), configuration(), "ada", NOW, pulseaudio_cookie=cookie)


@pytest.mark.parametrize("wrong", [None, ENTRIES, "od.config"], ids=["None", "a dict", "a name"])
def test_what_is_no_configuration_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="config must be a WebRTCConfig"):
        inject_webrtc(desktop_pod(), wrong, "ada", NOW)


@pytest.mark.parametrize(
    ("acl", "labels", "sound"),
    [
        ({"permit": ["all"]}, [], True),
        ({"permit": ["all"], "deny": ["guest"]}, ["guest", "staff"], False),
        (..., ["staff"], False),
    ],
)
def test_the_acl_is_that_of_pyos(acl: Any, labels: List[str], sound: bool) -> None:
    config = configuration(sound={"acl": acl})
    labels_of_user = dict.fromkeys(labels, "true")  # a dict does as well
    result = inject(desktop_pod(sound=False), config, labels=labels_of_user)
    assert len(result["spec"]["containers"]) == 3 + sound
    assert ("service_sound" in result["metadata"]["labels"]) is sound
    assert (variable(containers(result)[0], SERVICE["name"]) is not None) is sound
    assert variable(containers(result)[0], "STUN_SERVER") == STUN


def test_who_gets_no_sound_gets_no_turn_credential_either() -> None:
    config = configuration(turn=True, sound={"acl": {"permit": ["staff"]}})
    prepared = prepare_pod(desktop_pod(), config, "ada", NOW)
    assert prepared.secret is None
    assert variable(sound_of(prepared.pod), "TURN_SERVER") is None
    (note,) = prepared.notes
    assert str(note).startswith("spec.containers[2]: is left unchanged")


def test_without_a_sound_entry_the_pods_own_sound_container_is_served() -> None:
    config = configuration(turn=True, desktop__pod=...)
    result = inject(desktop_pod(), config)
    assert variable(sound_of(result), "TURN_SERVER")
    assert sound_of(result)["image"] == SOUND_IMAGE
    no_sound = inject(desktop_pod(sound=False), config)
    assert len(no_sound["spec"]["containers"]) == 3
