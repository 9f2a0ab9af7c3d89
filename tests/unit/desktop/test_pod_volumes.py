"""The volumes that sound mounts, as the ``sound`` entry names them, and its pull secrets."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any, Dict, List, Tuple

import pytest

from abcwebrtc import prepare_pod
from conftest import REFERENCE_PODS
from support.desktop_pod import USERID, assert_valid, desktop_pod
from support.injected_pods import NOW, configuration, inject, sound_of


def mounted(pod: Any, volumes: Any) -> Tuple[Dict[str, str], List[str]]:
    """Return what sound mounts where, by volume, and the notes."""
    prepared = prepare_pod(pod, configuration(sound={"volumes": volumes}), "ada", NOW)
    assert_valid(prepared.pod)
    again = prepare_pod(prepared.pod, configuration(sound={"volumes": volumes}), "ada", NOW)
    assert again.pod == prepared.pod
    assert {note.level for note in prepared.notes} <= {"note"}
    mounts = sound_of(prepared.pod)["volumeMounts"]
    return {m["name"]: m["mountPath"] for m in mounts}, list(map(str, prepared.notes))


def pod_with(*volumes: str, owner: str = "desk") -> Dict[str, Any]:
    """Return a pod in which the desktop mounts these volumes."""
    mounts = [{"name": name, "mountPath": f"/mnt/{name}"} for name in volumes]
    container = {"name": f"x-{owner}", "image": "desk:1", "volumeMounts": mounts}
    spec = {
        "containers": [container],
        "volumes": [{"name": name, "emptyDir": {}} for name in volumes],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "desk"}, "spec": spec}


def test_the_volumes_that_are_named_are_mounted_as_others_mount_them() -> None:
    mounts, notes = mounted(desktop_pod(sound=False), ["tmp", "home", "x11socket"])
    home = f"home-{USERID}"
    assert mounts == {"tmp": "/tmp", home: "/home/balloon", "x11socket": "/tmp/.X11-unix"}
    assert notes == []


def test_no_volumes_are_none_and_without_the_key_it_is_pyos_four() -> None:
    assert mounted(desktop_pod(sound=False), []) == ({}, [])
    mounts, notes = mounted(desktop_pod(sound=False), ...)
    assert list(mounts.values()) == [
        "/etc/localaccount",
        "/tmp",
        "/home/balloon",
        "/var/log/desktop",
    ]
    assert notes == []
    assert mounted(pod_with("tmp"), ...) == ({"tmp": "/mnt/tmp"}, [])


def test_a_volume_that_the_pod_has_not_is_passed_over_with_a_note() -> None:
    mounts, notes = mounted(pod_with("tmp"), ["tmp", "pulseaudiosocket", "home"])
    assert mounts == {"tmp": "/mnt/tmp"}
    assert notes == [
        f"spec.volumes: has no {name}, which the sound entry of od.config names; "
        "the sound container does not mount it"
        for name in ("pulseaudiosocket", "home")
    ]


def test_a_volume_that_nobody_mounts_has_no_place() -> None:
    pod = pod_with("tmp", "log")
    del pod["spec"]["containers"][0]["volumeMounts"][1]
    mounts, notes = mounted(pod, ["tmp", "log"])
    assert mounts == {"tmp": "/mnt/tmp"}
    assert notes == [
        "spec.volumes: has log, which no container mounts, so the sound container can't either"
    ]


@pytest.mark.parametrize(
    ("name", "volumes", "owner", "expected"),
    [
        ("tmp", ["tmp-extra", "tmp"], "desk", "tmp"),
        ("log", ["log-shipper"], "desk", ""),
        ("log", ["log-shipper", "log-jean-luc"], "ldap-jean-luc", "log-jean-luc"),
        ("secret", ["secret-luc", "secret-jean-luc"], "ldap-jean-luc", "secret-jean-luc"),
        ("localaccount", ["auth-localaccount-7"], "desk", "auth-localaccount-7"),
        ("localaccount", ["auth-ldap"], "desk", ""),
        ("vnc", ["auth-vnc-7"], "local-7", "auth-vnc-7"),
        ("home", ["home-of-mine"], "desk", "home-of-mine"),
        ("home", ["home-a", "home-7"], "local-7", "home-7"),
        ("home", ["homes"], "desk", ""),
    ],
)
def test_the_volume_is_the_one_of_that_name_or_of_the_user(
    name: str, volumes: List[str], owner: str, expected: str
) -> None:
    mounts, notes = mounted(pod_with(*volumes, owner=owner), [name])
    assert list(mounts) == [expected] * bool(expected)
    assert len(notes) == (not expected)


def test_a_mount_of_the_sound_container_itself_stays() -> None:
    pod = desktop_pod()
    before = list(sound_of(pod)["volumeMounts"])
    assert sound_of(inject(pod, configuration(sound={"volumes": ["shm"]})))["volumeMounts"] == [
        *before,
        {"name": "shm", "mountPath": "/dev/shm"},
    ]


def test_a_note_is_no_warning_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        inject(pod_with("tmp"), configuration(sound={"volumes": ["gone"]}))
    (record,) = caplog.records
    assert (record.levelname, "has no gone" in record.getMessage()) == ("INFO", True)


PODS = [desktop_pod(), *(json.loads(file.read_text()) for file in REFERENCE_PODS)]


@pytest.mark.parametrize("number", range(len(PODS)))
def test_what_pyos_mounts_is_what_these_names_mount(number: int) -> None:
    pod = copy.deepcopy(PODS[number])
    before = sound_of(pod)
    pod["spec"]["containers"].remove(before)
    config = configuration(sound={"volumes": ["localaccount", "tmp", "home", "log"]})
    prepared = prepare_pod(pod, config, "ada", NOW)
    after = sound_of(prepared.pod)
    assert (after["name"], after["volumeMounts"]) == (before["name"], before["volumeMounts"])
    assert prepared.notes == ()


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ({"name": "registry"}, [{"name": "registry"}]),
        ([{"name": "a"}, {"name": "b"}], [{"name": "a"}, {"name": "b"}]),
        ({}, []),
        ({"name": 1}, []),
        (None, []),
    ],
    ids=str,
)
def test_pull_secrets_that_pyos_puts_on_the_container_go_to_the_pod(
    secrets: Any, expected: Any
) -> None:
    pod = desktop_pod()
    sound_of(pod)["imagePullSecrets"] = secrets
    result = inject(pod)
    assert "imagePullSecrets" not in sound_of(result)
    assert (result["spec"].get("imagePullSecrets") or []) == expected


def test_pull_secrets_of_another_container_are_none_of_our_business() -> None:
    pod = desktop_pod()
    pod["spec"]["containers"][1]["imagePullSecrets"] = {"name": "registry"}
    config = configuration(sound={"imagePullSecrets": {"name": "mine"}})
    result = prepare_pod(pod, config, "ada", NOW).pod
    assert result["spec"]["containers"][1]["imagePullSecrets"] == {"name": "registry"}
    assert result["spec"]["imagePullSecrets"] == [{"name": "mine"}]
