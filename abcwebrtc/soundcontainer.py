"""The sound container of a desktop pod, as pyos makes it from od.config."""

from __future__ import annotations

import re
from typing import Any, Collection, Dict, Iterator, List, Optional

from abcwebrtc.errors import ManifestError
from abcwebrtc.plain import thaw
from abcwebrtc.poddata import (
    Data,
    all_containers,
    append_missing,
    containers,
    copy_data,
    set_variable,
)
from abcwebrtc.podfields import PLACEHOLDER
from abcwebrtc.podnames import desktop_container, find_sound, sound_name, sound_position
from abcwebrtc.sound import SoundSettings

LABEL = "service_sound"
SERVICE = {"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"}
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}

_VOLUMES = tuple(
    map(re.compile, (r"auth-localaccount(-.*)?|localaccount(-.*)?", "tmp", "home(-.*)?", "log"))
)
_IDS = {"uidNumber": "runAsUser", "gidNumber": "runAsGroup"}


def put_sound(
    pod: Data, settings: SoundSettings, labels: Collection[str], user: Optional[str]
) -> None:
    """Give a pod the sound container, or bring the one that it has up to date."""
    index = find_sound(pod, tuple(settings.images.values()), user)
    if index is None:
        index = sound_position(pod)
        new: Data = {"name": sound_name(pod, user), "imagePullPolicy": "", "image": ""}
        new["env"] = copy_data(desktop_container(pod).get("env") or [])
        containers(pod).insert(index, new)
    sound = all_containers(pod)[index][1]
    _update(pod, sound, settings, labels)
    _put_label(pod, settings)
    _put_pull_secrets(pod, sound, settings)
    for path, container in all_containers(pod):
        set_variable(path, container, SERVICE)


def _update(pod: Data, container: Data, settings: SoundSettings, labels: Collection[str]) -> None:
    container["imagePullPolicy"] = settings.pull_policy
    container["image"] = settings.image(labels)
    mounts = [mount for mount in container.get("volumeMounts") or () if mount is not None]
    container["volumeMounts"] = mounts
    append_missing(container, "volumeMounts", _mounts(pod), "name", "mountPath")
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
    pod["metadata"]["labels"][LABEL] = "enabled" if port is None else str(port)


def _put_pull_secrets(pod: Data, container: Data, settings: SoundSettings) -> None:
    """Put the pull secrets on the pod: upstream has them on the container, where none are read."""
    misplaced = container.pop("imagePullSecrets", None) or ()
    secrets = [{"name": name} for name in settings.pull_secrets] + list(misplaced)
    if secrets:
        append_missing(pod["spec"], "imagePullSecrets", secrets, "name")


def _mounts(pod: Data) -> List[Data]:
    """Return a mount of each volume that sound needs, as another container has it."""
    volumes = [volume["name"] for volume in pod["spec"].get("volumes") or ()]
    mounts: Dict[str, Data] = {}
    for mount in _all_mounts(pod):
        mounts.setdefault(mount["name"], mount)
    return [
        copy_data(mounts[name])
        for pattern in _VOLUMES
        for name in [name for name in volumes if pattern.fullmatch(name)][:1]
        if name in mounts
    ]


def _all_mounts(pod: Data) -> Iterator[Data]:
    """Yield all mounts, those of the desktop's own container first."""
    for container in [desktop_container(pod), *(container for _, container in all_containers(pod))]:
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
