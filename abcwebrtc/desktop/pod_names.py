"""Which container of a pod is the desktop, which one is sound: by pyos's names, and by image.

pyos names a container ``x-<provider>-<userid>``: a letter for what it does, and
a rest that all containers of the pod share. A sidecar may begin with the same
letter, so the letter alone tells nothing.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Callable, Collection, Dict, List, Optional

from abcwebrtc.abcdesktop import USERID_LABEL
from abcwebrtc.desktop.pod_data import CONTAINERS, Data, all_containers, containers

MAX_NAME = 63
"""Characters in the name of a container: an RFC 1123 label."""
"""The label of a pod with the userid, which pyos sets."""

_LETTERS = frozenset("xchfori")
"""Of pyos's containers but for sound: desktop, printers, ssh, files, storage, rdp, init."""
_DESKTOP = 1000
"""What the desktop's name counts: more than those of all others."""
_AFTER_SOUND = ("h-", "f-", "o-", "r-")
"""What comes after sound in pyos's order: ssh, the file server, the holder of storage, rdp."""
_PULSEAUDIO = "oc.pulseaudio"
"""abcdesktop's image for sound, in whatever registry."""
_DOCKER_HUB = re.compile(r"^((index\.)?docker\.io/)?(library/)?")


def find_owner(pod: Data) -> Optional[str]:
    """Return what the names of pyos's containers have behind the letter, None where none is pyos's.

    That of the desktop, ``x-``, counts more than that of others, and what many
    share more than what one has.
    """
    count: Dict[str, int] = {}
    for _, container in all_containers(pod):
        name = container["name"]
        if name[:1] in _LETTERS and name[1:2] == "-" and len(name) > 2:
            weight = _DESKTOP if name[0] == "x" else 1
            count[name[2:]] = count.get(name[2:], 0) + weight
    return max(count, key=lambda owner: count[owner], default=None)


def desktop_container(pod: Data, owner: Optional[str]) -> Data:
    """Return the desktop's own container: pyos's ``x-``, else the first one."""
    found, name = containers(pod), f"x-{owner}"
    return next((each for each in found if each["name"] == name), found[0] if found else {})


def find_sound(
    pod: Data, images: Collection[str], user: Optional[str], owner: Optional[str]
) -> Optional[int]:
    """Return the index of the sound container in `all_containers`, None where there is none.

    Its name is pyos's ``s-<provider>-<userid>``, that of `sound_name`, or
    ``sound``; else its image is one of `images` or abcdesktop's, of any version.
    It may be a sidecar: an init container that is always restarted.
    """
    places = [
        (index, container)
        for index, (path, container) in enumerate(all_containers(pod))
        if path[:2] == CONTAINERS or container.get("restartPolicy") == "Always"
    ]
    is_it = _named_as_sound(pod, user, owner)
    for index, container in places:
        if is_it(container["name"]):
            return index
    others = {f"{letter}-{owner}" for letter in _LETTERS}
    wanted = {_repository(image) for image in images}
    for index, container in places:
        repository = _repository(container.get("image"))
        is_sound = repository in wanted or repository.rpartition("/")[2] == _PULSEAUDIO
        if is_sound and container["name"] not in others:
            return index
    return None


def sound_name(pod: Data, user: Optional[str], owner: Optional[str]) -> str:
    """Return a name for a new sound container as pyos would: that of its others, with an s."""
    name = _wanted_name(pod, user, owner)
    taken = {container["name"] for _, container in all_containers(pod)}
    others = (f"{name[: MAX_NAME - 4]}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in others if other not in taken)


def sound_position(pod: Data, owner: Optional[str]) -> int:
    """Return where pyos would have the sound container among the regular ones."""
    names = [container["name"] for container in containers(pod)]
    after = {f"{letter}{owner}" for letter in _AFTER_SOUND}
    return next((index for index, name in enumerate(names) if name in after), len(names))


def _named_as_sound(pod: Data, user: Optional[str], owner: Optional[str]) -> Callable[[str], bool]:
    """Return what says of a name whether it is that of the pod's sound container."""
    made = _wanted_name(pod, user, owner)
    numbered = f"{made[: MAX_NAME - 4]}-"
    ends: List[str] = []
    if owner is None:  # what comes first is the provider, which nothing else tells
        ends = [f"-{_label(each)}" for each in _userids(pod, user)]

    def is_it(name: str) -> bool:
        if name in ("sound", made) or (
            name.startswith(numbered) and name[len(numbered) :].isdecimal()
        ):
            return True
        return name.startswith("s-") and any(name.endswith(end) for end in ends)

    return is_it


def _userids(pod: Data, user: Optional[str]) -> List[str]:
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return [each for each in (user, labels.get(USERID_LABEL)) if isinstance(each, str) and each]


def _wanted_name(pod: Data, user: Optional[str], owner: Optional[str]) -> str:
    if owner is None:
        parts = (user, (pod.get("metadata") or {}).get("name"))
        owner = "-".join(part for part in parts if isinstance(part, str) and part) or "desktop"
    name = _label(f"s-{owner}")[:MAX_NAME].rstrip("-")
    return name if name != "s" else "s-desktop"


def _label(text: str) -> str:
    return re.sub("[^a-z0-9-]", "-", text.lower())


def _repository(image: Any) -> str:
    """Return the name of an image without its tag and digest, and without Docker Hub's own name."""
    if not isinstance(image, str):
        return ""
    head, slash, last = image.partition("@")[0].rpartition("/")
    return _DOCKER_HUB.sub("", head + slash + last.partition(":")[0])
