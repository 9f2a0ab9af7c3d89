"""The sound container of a desktop pod, as pyos makes it from od.config."""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterator, List, Optional, Sequence

from abcwebrtc.abcdesktop import SOUND_LABEL
from abcwebrtc.config.container_fields import PLACEHOLDER
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.sound import SoundSettings
from abcwebrtc.desktop.pod_data import (
    Data,
    all_containers,
    append_missing,
    containers,
    copy_data,
    set_variable,
)
from abcwebrtc.desktop.pod_names import (
    desktop_container,
    find_sound,
    sound_name,
    sound_position,
)
from abcwebrtc.errors import ManifestError, Problem

SERVICE = {"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"}
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}

VOLUMES = ("localaccount", "tmp", "home", "log")
"""What pyos mounts where the ``sound`` entry names no volumes."""
_OF_A_USER = ("localaccount", "home")
"""Volumes whose names end in the user's, whatever that is."""
_IDS = {"uidNumber": "runAsUser", "gidNumber": "runAsGroup"}


def put_sound(
    pod: Data,
    settings: SoundSettings,
    labels: Collection[str],
    user: Optional[str],
    owner: Optional[str],
) -> List[Problem]:
    """Give a pod the sound container, or bring the one that it has up to date.

    Returns notes on volumes that the ``sound`` entry names and that can't be mounted.
    """
    index = find_sound(pod, tuple(settings.images.values()), user, owner)
    if index is None:
        index = sound_position(pod, owner)
        new: Data = {"name": sound_name(pod, user, owner), "imagePullPolicy": "", "image": ""}
        new["env"] = copy_data(desktop_container(pod, owner).get("env") or [])
        containers(pod).insert(index, new)
    sound = all_containers(pod)[index][1]
    _update(pod, sound, settings, labels)
    notes = _put_mounts(pod, sound, settings, owner)
    _put_label(pod, settings)
    _put_pull_secrets(pod, sound, settings)
    for path, container in all_containers(pod):
        set_variable(path, container, SERVICE)
    return notes


def _update(pod: Data, container: Data, settings: SoundSettings, labels: Collection[str]) -> None:
    container["imagePullPolicy"] = settings.pull_policy
    container["image"] = settings.image(labels)
    if settings.resources is not None:
        container["resources"] = thaw(settings.resources)
    if settings.security_context is not None:
        container["securityContext"] = _security_context(pod, settings)
    if settings.tcp_port is not None:
        append_missing(container, "ports", [{"containerPort": settings.tcp_port}], "containerPort")
    if all(item["name"] != POD_IP["name"] for item in container.get("env") or ()):
        set_variable((), container, POD_IP)


def _put_label(pod: Data, settings: SoundSettings) -> None:
    if pod.get("metadata") is None:
        pod["metadata"] = {}
    if pod["metadata"].get("labels") is None:
        pod["metadata"]["labels"] = {}
    port = settings.tcp_port
    pod["metadata"]["labels"][SOUND_LABEL] = "enabled" if port is None else str(port)


def _put_pull_secrets(pod: Data, container: Data, settings: SoundSettings) -> None:
    """Put the pull secrets on the pod: upstream has them on the container, where none are read."""
    misplaced = container.pop("imagePullSecrets", None) or []
    secrets = [{"name": name} for name in settings.pull_secrets]
    if isinstance(misplaced, dict):  # the form that pyos takes
        misplaced = [misplaced] if isinstance(misplaced.get("name"), str) else []
    secrets += misplaced
    if secrets:
        append_missing(pod["spec"], "imagePullSecrets", secrets, "name")


def _put_mounts(
    pod: Data, container: Data, settings: SoundSettings, owner: Optional[str]
) -> List[Problem]:
    """Mount what sound needs as other containers do, and return notes on what can't be."""
    own = [mount for mount in container.get("volumeMounts") or () if mount is not None]
    container["volumeMounts"] = own
    volumes = [volume["name"] for volume in pod["spec"].get("volumes") or ()]
    mounts: Dict[str, Data] = {}
    for mount in _all_mounts(pod, owner):
        mounts.setdefault(mount["name"], mount)
    notes = []
    for name in VOLUMES if settings.volumes is None else settings.volumes:
        volume = _volume_for(name, volumes, owner or "")
        if volume in mounts:
            made = [copy_data(mounts[volume])]
            append_missing(container, "volumeMounts", made, "name", "mountPath")
        elif settings.volumes is not None:
            notes.append(_not_mounted(name, volume))
    return notes


def _volume_for(name: str, volumes: Sequence[str], owner: str) -> str:
    """Return the volume of a pod that od.config calls by a name, empty where there is none.

    pyos puts ``auth-`` before some, and the userid, with which `owner` ends, behind some.
    """
    wanted = (name, f"auth-{name}")
    exact = [volume for volume in volumes if volume in wanted]
    ends = [(v, start) for v in volumes for start in wanted if v.startswith(f"{start}-")]
    for_user = [v for v, start in ends if f"-{owner}".endswith(v[len(start) :])]
    whatever = [v for v, _ in ends if name in _OF_A_USER]
    return next(iter(exact + sorted(for_user, key=len, reverse=True) + whatever), "")


def _not_mounted(name: str, volume: str) -> Problem:
    message = f"has no {name}, which the sound entry of od.config names; sound goes without it"
    if volume:
        message = f"has {volume}, which no container mounts, so nothing tells where sound is to"
    return Problem(message, "spec.volumes", level="note")


def _all_mounts(pod: Data, owner: Optional[str]) -> Iterator[Data]:
    """Yield all mounts, those of the desktop's own container first."""
    for container in [
        desktop_container(pod, owner),
        *(container for _, container in all_containers(pod)),
    ]:
        yield from (mount for mount in container.get("volumeMounts") or () if mount is not None)


def _security_context(pod: Data, settings: SoundSettings) -> Any:
    """Return the securityContext with the user's numbers, which pyos has put on the pod."""
    context = thaw(settings.security_context)
    own = pod["spec"].get("securityContext") or {}
    for key, value in context.items():
        match = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if match:
            name = _IDS[match.group("name")]
            context[key] = own.get(name)
            if type(context[key]) is not int:
                message = f"is missing; the sound container's {key} is to be the same"
                raise ManifestError.at(("spec", "securityContext", name), message)
    return context
