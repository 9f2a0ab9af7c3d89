"""A desktop pod as pyos builds it, and the Kubernetes API's schemas to check it with."""

from __future__ import annotations

import json
from typing import Any, Dict, List

import kubernetes_validate

USERID = "5f0c7e1a-ada"
SOUND_IMAGE = "registry.example.org/pulseaudio:stable"
SOUND: Dict[str, Any] = {
    "image": SOUND_IMAGE,
    "imagePullPolicy": "IfNotPresent",
    "enable": True,
    "tcpport": 4714,
    "acl": {"permit": ["all"]},
    "resources": {
        "requests": {"memory": "16Mi", "cpu": "50m"},
        "limits": {"memory": "384Mi", "cpu": "800m"},
    },
}
"""The sound entry of tests/data/od.config."""

_VOLUMES = {
    f"home-{USERID}": "/home/balloon",
    "x11socket": "/tmp/.X11-unix",
    "tmp": "/tmp",
    "log": "/var/log/desktop",
    "shm": "/dev/shm",
    f"auth-localaccount-{USERID}": "/etc/localaccount",
}


def desktop_pod(sound: bool = True) -> Dict[str, Any]:
    """Return the pod of a user, with or without the additions for sound.

    All containers share one list of variables, as in pyos.
    """
    env = _variables(sound)
    mounts = [{"name": name, "mountPath": path} for name, path in _VOLUMES.items()]
    regular = [_container("x", "desktop:stable", env, mounts)]
    regular[0]["securityContext"] = {"readOnlyRootFilesystem": False}
    regular.append(_container("c", "cupsd:stable", env, [m for m in mounts if m["name"] == "tmp"]))
    if sound:
        regular.append(_sound_container(env, mounts))
    regular.append(_container("f", "filer:stable", env, mounts))
    init = _container("i", "busybox", env, mounts)
    init.update(command=["sh", "-c", "chown 4096:4096 ~"], securityContext={"runAsUser": 0})
    labels = {"type": "x11server", "access_userid": USERID, "service_graphical": "6081"}
    if sound:
        labels["service_sound"] = "4714"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "external-9f3a1",
            "namespace": "abcdesktop",
            "labels": labels,
            "annotations": {"lastlogin_datetime": "2026-01-02T03:04:05"},
        },
        "spec": {
            "dnsPolicy": "ClusterFirst",
            "dnsConfig": None,
            "automountServiceAccountToken": False,
            "subdomain": "desktop",
            "volumes": [{"name": name, "emptyDir": {}} for name in _VOLUMES],
            "nodeSelector": {},
            "initContainers": [init],
            "securityContext": {"runAsUser": 4096, "runAsGroup": 4097, "supplementalGroups": []},
            "tolerations": [],
            "containers": regular,
        },
    }


def _variables(sound: bool) -> List[Dict[str, Any]]:
    values = {
        "STUN_SERVER": "stun://stun.example.org:3478",
        "LANG": "en_GB.UTF-8",
        "ABCDESKTOP_USERID": USERID,
        "PULSEAUDIO_COOKIE": "00112233445566778899aabbccddeeff",
        "HOME": "/home/balloon",
        "PULSE_SERVER": "unix:/tmp/.pulse.sock",
        "ABCDESKTOP_SERVICE_graphical": "enabled",
    }
    if not sound:
        del values["STUN_SERVER"]
    env: List[Dict[str, Any]] = [{"name": key, "value": value} for key, value in values.items()]
    if sound:
        env.append({"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"})
    for name, field in (("NODE_NAME", "spec.nodeName"), ("POD_IP", "status.podIP")):
        env.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}})
    return env


def _container(prefix: str, image: str, env: Any, mounts: Any) -> Dict[str, Any]:
    return {
        "name": f"{prefix}-external-{USERID}",
        "imagePullPolicy": "IfNotPresent",
        "image": f"registry.example.org/{image}",
        "env": env,
        "volumeMounts": mounts,
        "resources": {"limits": {"memory": "1Gi"}},
    }


def _sound_container(env: Any, mounts: Any) -> Dict[str, Any]:
    wanted = (f"auth-localaccount-{USERID}", "tmp", f"home-{USERID}", "log")
    by_name = {mount["name"]: mount for mount in mounts}
    container = _container("s", "", env, [by_name[name] for name in wanted])
    container.update(image=SOUND["image"], resources=SOUND["resources"])
    return container


# the Kubernetes API's schemas


def kubernetes_versions() -> List[str]:
    """Return which of 1.24, 1.30 and the newest release kubernetes-validate has schemas for."""
    newest = kubernetes_validate.latest_version()
    versions = [version for version in ("1.24", "1.30", newest) if _has(version)]
    assert newest in versions
    return versions


def _has(version: str) -> bool:
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a"}]}}
    try:
        kubernetes_validate.validate(pod, version, strict=True)
    except IndexError:
        return False
    return True


def assert_valid(*manifests: Any) -> None:
    """Fail if the Kubernetes API would refuse a manifest, or it has unknown fields."""
    for manifest in manifests:
        data = json.loads(json.dumps(manifest))
        for version in VERSIONS:
            kubernetes_validate.validate(data, version, strict=True)


VERSIONS = kubernetes_versions()
