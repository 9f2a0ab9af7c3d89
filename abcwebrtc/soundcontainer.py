"""The sound container of a desktop pod, as pyos makes it from od.config."""

from __future__ import annotations

import itertools
import re
from typing import Any, Collection, Dict, Iterator, List, Optional

from abcwebrtc.errors import ManifestError
from abcwebrtc.plain import thaw
from abcwebrtc.poddata import (
    CONTAINERS,
    Data,
    all_containers,
    append_missing,
    containers,
    copy_data,
    set_variable,
)
from abcwebrtc.podfields import PLACEHOLDER
from abcwebrtc.sound import SoundSettings

LABEL = "service_sound"
SERVICE = {"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"}
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
MAX_NAME = 63
"""Characters in the name of a container: an RFC 1123 label."""

_AFTER_SOUND = ("h-", "f-", "o-", "r-")
"""What comes after sound in pyos's order: ssh, the file server, the holder of storage, rdp."""
_PYOS_NAME = re.compile(r"[xchfor]-(?P<owner>.+)")

_VOLUMES = tuple(
    map(re.compile, (r"auth-localaccount(-.*)?|localaccount(-.*)?", "tmp", "home(-.*)?", "log"))
)
_IDS = {"uidNumber": "runAsUser", "gidNumber": "runAsGroup"}


def find_sound(pod: Data) -> Optional[int]:
    """Return the index of the sound container in `all_containers`, None where there is none.

    pyos calls it ``s-<provider>-<userid>``. It may be a sidecar: an init
    container that is always restarted.
    """
    for index, (path, container) in enumerate(all_containers(pod)):
        if path[:2] != CONTAINERS and container.get("restartPolicy") != "Always":
            continue
        if container["name"].startswith("s-") or container["name"] == "sound":
            return index
    return None


def put_sound(
    pod: Data, settings: SoundSettings, labels: Collection[str], user: Optional[str]
) -> None:
    """Give a pod the sound container, or bring the one that it has up to date."""
    index = find_sound(pod)
    if index is None:
        index = _position(pod)
        new: Data = {"name": _name(pod, user), "imagePullPolicy": "", "image": ""}
        new["env"] = copy_data(_desktop(pod).get("env") or [])
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


def _position(pod: Data) -> int:
    names = [container["name"] for container in containers(pod)]
    later = [i for i, name in enumerate(names) if name.startswith(_AFTER_SOUND)]
    return later[0] if later else len(names)


def _name(pod: Data, user: Optional[str]) -> str:
    """Return the name as pyos would: that of its other containers, with an s."""
    owners = [_PYOS_NAME.fullmatch(container["name"]) for container in containers(pod)]
    owner = next((match.group("owner") for match in owners if match), None)
    if owner is None:
        metadata = pod.get("metadata") or {}
        parts = (user, metadata.get("name"))
        owner = "-".join(part for part in parts if isinstance(part, str) and part) or "desktop"
    text = re.sub("[^a-z0-9-]", "-", f"s-{owner}".lower())
    name = text[:MAX_NAME].rstrip("-")
    name = name if name != "s" else "s-desktop"  # of which `find_sound` knows that it is sound
    taken = {container["name"] for _, container in all_containers(pod)}
    others = (f"{name[: MAX_NAME - 4]}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in others if other not in taken)


def _desktop(pod: Data) -> Data:
    """Return the desktop's own container: pyos's ``x-``, else the first one."""
    found = containers(pod)
    return next((c for c in found if c["name"].startswith("x-")), found[0] if found else {})


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
    for container in [_desktop(pod), *(container for _, container in all_containers(pod))]:
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
