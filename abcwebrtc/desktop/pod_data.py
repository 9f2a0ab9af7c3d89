"""A pod manifest as plain data: open it, check it, and identify its containers.

Source: the Kubernetes API, v1 Pod, and the pods that pyos posts. pyos names a container
``x-<provider>-<userid>``: a letter for its purpose, and a rest that all containers share.
A sidecar may begin with the same letter, so the letter alone does not identify a container.
"""

from __future__ import annotations

import itertools
import json
import re
from types import SimpleNamespace
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Tuple

from abcwebrtc.abcdesktop import USERID_LABEL
from abcwebrtc.config.problems import kind
from abcwebrtc.errors import KeyPath, ManifestError, Problem, format_path

Data = Dict[str, Any]
Place = Tuple[KeyPath, Data]
"""A container, and its key path in the pod."""
Build = Callable[[Data, str], Any]
"""Builds an object from data and the name of its kind, such as ``Pod``."""
MAX_DEPTH = 100
CONTAINERS: KeyPath = ("spec", "containers")
INIT_CONTAINERS: KeyPath = ("spec", "initContainers")
_MAPPINGS: Tuple[KeyPath, ...] = (
    ("metadata",),
    ("metadata", "labels"),
    ("spec",),
    ("spec", "securityContext"),
)
_TEXTS: Tuple[KeyPath, ...] = (("metadata", "name"), ("metadata", "namespace"))
_LISTS: Tuple[KeyPath, ...] = (
    ("spec", "volumes"),
    ("spec", "imagePullSecrets"),
    CONTAINERS,
    INIT_CONTAINERS,
)
_PLAIN = frozenset((str, bool, int, float, type(None)))
MAX_NAME = 63
"""Characters in the name of a container: an RFC 1123 label."""

_LETTERS = frozenset("xchfori")
"""pyos's containers except sound: desktop, printers, ssh, files, storage, rdp, init."""
_DESKTOP = 1000
"""The weight of the desktop's name: more than all others together."""
_AFTER_SOUND = ("h-", "f-", "o-", "r-")
"""What comes after sound in pyos's order: ssh, files, storage, rdp."""
_PULSEAUDIO = "oc.pulseaudio"
"""abcdesktop's sound image, in any registry."""
_DOCKER_HUB = re.compile(r"^((index\.)?docker\.io/)?(library/)?")


def open_object(value: Any, name: str = "Pod") -> Tuple[Data, Build]:
    """Return plain data that shares nothing with `value`, and a function that rebuilds objects.

    This supports the kubernetes client's generated classes (before 36) and its pydantic models. It
    imports the client only if `value` is such an object, so that the client is loaded anyway. Raise
    `ManifestError` if `value` is neither a dict nor an object of this kind.
    """
    if isinstance(value, Mapping):
        return copy_data(value), lambda data, _: data
    if all(base.__name__ != f"V1{name}" for base in type(value).__mro__):
        raise ManifestError.at(
            (), f"must be a dict or a V1{name} of the kubernetes client, not {kind(value)}"
        )
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True, exclude_none=True, mode="json"), _build
    from kubernetes.client import ApiClient

    api: Any = ApiClient()
    return copy_data(api.sanitize_for_serialization(value)), _build


def _build(data: Data, name: str) -> Any:
    """Return an object of the kubernetes client."""
    from kubernetes import client

    kind_of_object = getattr(client, f"V1{name}")
    try:
        if hasattr(kind_of_object, "from_dict"):
            return kind_of_object.from_dict(data)
        api: Any = client.ApiClient()
        answer = SimpleNamespace(data=json.dumps(data))  # as in a request
        return api.deserialize(answer, f"V1{name}")
    except ValueError:
        pass  # its text quotes values, which may be passwords
    raise ManifestError.at((), "is not a pod that this version of the kubernetes client accepts")


def copy_data(value: Any, depth: int = 0) -> Any:
    """Return a copy that shares nothing with `value`, and whose parts share nothing.

    `copy.deepcopy` would keep sharing between parts: pyos gives all containers the same list of
    variables. Raises `ManifestError` for a loop.
    """
    if depth > MAX_DEPTH:
        raise ManifestError.at((), "is nested too deep for a manifest")
    depth += 1
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _PLAIN else copy_data(item, depth) for item in value]
    if isinstance(value, (dict, Mapping)):  # dict first: a check for Mapping takes ten times longer
        return {
            # most of a manifest is text: avoid a call for each
            key: item if type(item) in _PLAIN else copy_data(item, depth)
            for key, item in value.items()
        }
    return value


def check_pod(pod: Data) -> None:
    """Raise `ManifestError` if `pod` is not a Pod, as far as this module uses it."""
    if pod.get("kind") not in (None, "Pod"):
        raise ManifestError.at(("kind",), "is not Pod; give the manifest of a pod")
    _check_names((), pod, "api_version")
    for path in _MAPPINGS:
        expect(pod, path, dict, "a mapping")
    for path in _TEXTS:
        expect(pod, path, str, "text")
    if pod.get("spec") is None:
        raise ManifestError.at(("spec",), "is missing; give the manifest of a pod")
    _check_names(("spec",), pod["spec"], "init_containers")
    for path in _LISTS:
        _check_named(path, expect(pod, path, list, "a list"))
    for path, container in all_containers(pod):
        _check_container(path, container)


def _check_names(path: KeyPath, data: Data, name: str) -> None:
    """Refuse the result of the kubernetes client's ``to_dict()``, whose names are not the API's."""
    if name in data:
        message = "is a name from to_dict(), not from the Kubernetes API; pass the V1Pod itself"
        raise ManifestError.at((*path, name), message)


def _check_container(path: KeyPath, container: Data) -> None:
    _check_names(path, container, "volume_mounts")
    _check_named((*path, "env"), expect(container, ("env",), list, "a list", path))
    if not isinstance(container.get("imagePullSecrets"), dict):  # pyos puts a dict there
        secrets = expect(container, ("imagePullSecrets",), list, "a list", path)
        _check_named((*path, "imagePullSecrets"), secrets)
    mounts = expect(container, ("volumeMounts",), list, "a list", path)
    _check_named((*path, "volumeMounts"), [mount for mount in mounts if mount is not None])
    _check_mappings((*path, "ports"), expect(container, ("ports",), list, "a list", path))


def expect(data: Data, path: KeyPath, wanted: type, words: str, parent: KeyPath = ()) -> Any:
    """Return the value at a path, or an empty one.

    Raises `ManifestError` if it is of another type.
    """
    value: Any = data
    for part in path:
        value = (value or {}).get(part)
    if value is not None and not isinstance(value, wanted):
        raise ManifestError.at((*parent, *path), f"must be {words}, not {kind(value)}")
    return wanted() if value is None else value


def _check_named(path: KeyPath, items: List[Any]) -> None:
    _check_mappings(path, items)
    for index, item in enumerate(items):
        name = item.get("name")
        if not name or not isinstance(name, str):
            message = "is missing or not text; every entry needs one"
            raise ManifestError.at((*path, index, "name"), message)


def _check_mappings(path: KeyPath, items: List[Any]) -> None:
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise ManifestError.at((*path, index), f"must be a mapping, not {kind(item)}")


def containers_of(pod: Data) -> List[Data]:
    """Return the regular containers, in the pod's own list."""
    return listed(pod["spec"], "containers")


def all_containers(pod: Data) -> List[Place]:
    """Return the regular containers and the init containers, each with its key path."""
    return [
        ((*path, index), container)
        for path in (CONTAINERS, INIT_CONTAINERS)
        for index, container in enumerate(pod["spec"].get(path[1]) or ())
    ]


def find_owner(pod: Data) -> Optional[str]:
    """Return the part after the letter in the names of pyos's containers, or None.

    The name of the desktop, ``x-``, counts more than others. A part that many names share counts
    more than one that a single name has.
    """
    count: Dict[str, int] = {}
    for _, container in all_containers(pod):
        name = container["name"]
        if name[:1] in _LETTERS and name[1:2] == "-" and len(name) > 2:
            weight = _DESKTOP if name[0] == "x" else 1
            count[name[2:]] = count.get(name[2:], 0) + weight
    return max(count, key=lambda owner: count[owner], default=None)


def desktop_container(pod: Data, owner: Optional[str]) -> Data:
    """Return the desktop's container: pyos's ``x-``, else the first one."""
    found, name = containers_of(pod), f"x-{owner}"
    return next((each for each in found if each["name"] == name), found[0] if found else {})


def find_sound(
    pod: Data, images: Collection[str], user: Optional[str], owner: Optional[str]
) -> Optional[Place]:
    """Return the sound container, or None.

    Its name is pyos's ``s-<provider>-<userid>``, the one of `sound_name`, or ``sound``; or its
    image is one of `images`, or any version of abcdesktop's. It may be a sidecar: an init container
    that is always restarted.
    """
    places = [
        (path, container)
        for path, container in all_containers(pod)
        if path[:2] == CONTAINERS or container.get("restartPolicy") == "Always"
    ]
    is_it = _named_as_sound(pod, user, owner)
    for place in places:
        if is_it(place[1]["name"]):
            return place
    others = {f"{letter}-{owner}" for letter in _LETTERS}
    wanted = {_repository(image) for image in images}
    for place in places:
        repository = _repository(place[1].get("image"))
        is_sound = repository in wanted or repository.rpartition("/")[2] == _PULSEAUDIO
        if is_sound and place[1]["name"] not in others:
            return place
    return None


def sound_name(pod: Data, user: Optional[str], owner: Optional[str]) -> str:
    """Return a name for a new sound container as pyos would: like its others, with an s."""
    name = _wanted_name(pod, user, owner)
    taken = {container["name"] for _, container in all_containers(pod)}
    others = (f"{name[: MAX_NAME - 4]}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in others if other not in taken)


def sound_position(pod: Data, owner: Optional[str]) -> int:
    """Return where pyos would put the sound container among the regular ones."""
    names = [container["name"] for container in containers_of(pod)]
    after = {f"{letter}{owner}" for letter in _AFTER_SOUND}
    return next((index for index, name in enumerate(names) if name in after), len(names))


def _named_as_sound(pod: Data, user: Optional[str], owner: Optional[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a name is that of the pod's sound container."""
    made = _wanted_name(pod, user, owner)
    numbered = f"{made[: MAX_NAME - 4]}-"
    ends: Tuple[str, ...] = ()
    if owner is None:  # the first part is the provider, which is known only from here
        labels = (pod.get("metadata") or {}).get("labels") or {}
        users = (user, labels.get(USERID_LABEL))
        ends = tuple(f"-{_label(each)}" for each in users if isinstance(each, str) and each)

    def is_it(name: str) -> bool:
        has_number = name.startswith(numbered) and name[len(numbered) :].isdecimal()
        return name in ("sound", made) or has_number or (name[:2] == "s-" and name.endswith(ends))

    return is_it


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


# changes


def set_variable(place: Place, entry: Data) -> List[Problem]:
    """Set a variable of a container; `entry` is an EnvVar of the Kubernetes API.

    Replace an existing value. Leave one that comes from elsewhere (``valueFrom``), and return a
    warning that says so.
    """
    path, container = place
    env = listed(container, "env")
    same = [index for index, item in enumerate(env) if item["name"] == entry["name"]]
    if same and env[same[-1]].get("valueFrom") and env[same[-1]] != entry:
        message = f"{entry['name']} is left unchanged, since it comes from elsewhere (valueFrom)"
        return [Problem(message, format_path((*path, "env", same[-1])), level="warning")]
    if not same:
        env.append(copy_data(entry))
        return []
    env[same[0]] = copy_data(entry)
    for index in reversed(same[1:]):  # the last one counted, so replace that
        del env[index]
    return []


def drop_empty(place: Place, name: str) -> List[Problem]:
    """Remove an empty variable, and return a warning that says so."""
    path, container = place
    env = container.get("env") or []
    same = [item for item in env if item["name"] == name]
    if not same or same[-1].get("value") or same[-1].get("valueFrom"):
        return []
    container["env"] = [item for item in env if item["name"] != name]
    message = f"{name} is removed: an empty one breaks webrtcbin's pipeline"
    return [Problem(message, format_path((*path, "env")), level="warning")]


def append_missing(container: Data, key: str, items: List[Data], *same: str) -> None:
    """Append the items to a container's list that differ from all there in the fields `same`."""
    there = listed(container, key)
    for item in items:
        if not any(item.get(name) == old.get(name) for old in there for name in same):
            there.append(item)


def listed(data: Data, key: str) -> List[Data]:
    """Return the list at a key, creating it if it is missing."""
    if data.get(key) is None:
        data[key] = []
    items: List[Data] = data[key]
    return items
