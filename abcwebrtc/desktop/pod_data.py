"""A pod manifest as plain data: copied, checked, and its containers' variables set.

Source: the Kubernetes API, v1 Pod.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from abcwebrtc.config.problems import kind
from abcwebrtc.errors import KeyPath, ManifestError, Problem, format_path

Data = Dict[str, Any]
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
_NOT_DATA = "is nested too deep; a manifest holds no such thing"


def copy_data(value: Any, depth: int = 0) -> Any:
    """Return a copy in which nothing is shared, neither with `value` nor within.

    `copy.deepcopy` would keep what `value` shares within itself: pyos gives one
    list of variables to all containers. Raises `ManifestError` for a loop.
    """
    if depth > MAX_DEPTH:
        raise ManifestError.at((), _NOT_DATA)
    depth += 1
    if isinstance(value, (list, tuple)):
        return [item if type(item) in _PLAIN else copy_data(item, depth) for item in value]
    if isinstance(value, (dict, Mapping)):  # dict first: to ask for Mapping takes ten times as long
        return {
            # most of what a manifest holds is text: no call for each
            key: item if type(item) in _PLAIN else copy_data(item, depth)
            for key, item in value.items()
        }
    return value


def check_pod(pod: Data) -> None:
    """Raise `ManifestError` where `pod` is not a Pod, as far as we use it."""
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
    """Refuse what ``to_dict()`` of the kubernetes client returns: the API has no such names."""
    if name in data:
        message = "is a name of to_dict(), and not of the Kubernetes API; give the V1Pod itself"
        raise ManifestError.at((*path, name), message)


def _check_container(path: KeyPath, container: Data) -> None:
    _check_names(path, container, "volume_mounts")
    _check_named((*path, "env"), expect(container, ("env",), list, "a list", path))
    if not isinstance(container.get("imagePullSecrets"), dict):  # pyos puts one there
        secrets = expect(container, ("imagePullSecrets",), list, "a list", path)
        _check_named((*path, "imagePullSecrets"), secrets)
    mounts = expect(container, ("volumeMounts",), list, "a list", path)
    _check_named((*path, "volumeMounts"), [mount for mount in mounts if mount is not None])
    _check_mappings((*path, "ports"), expect(container, ("ports",), list, "a list", path))


def containers(pod: Data) -> List[Data]:
    """Return the regular containers, in a list that belongs to the pod."""
    return _list(pod["spec"], "containers")


def all_containers(pod: Data) -> List[Tuple[KeyPath, Data]]:
    """Return the regular containers and the init containers, each with its key path."""
    return [
        ((*path, index), container)
        for path in (CONTAINERS, INIT_CONTAINERS)
        for index, container in enumerate(pod["spec"].get(path[1]) or ())
    ]


def set_variable(path: KeyPath, container: Data, entry: Data) -> Optional[Problem]:
    """Set a variable of a container; `entry` is an EnvVar of the Kubernetes API.

    A value that is there is replaced. One that comes from elsewhere
    (``valueFrom``) is left, and a warning is returned that says so.
    """
    env = _list(container, "env")
    same = [index for index, item in enumerate(env) if item["name"] == entry["name"]]
    if same and env[same[-1]].get("valueFrom") and env[same[-1]] != entry:
        message = f"{entry['name']} is left as it is, since it comes from elsewhere (valueFrom)"
        return Problem(message, format_path((*path, "env", same[-1])), level="warning")
    if not same:
        env.append(copy_data(entry))
        return None
    env[same[0]] = copy_data(entry)
    for index in reversed(same[1:]):  # the last one counted, and is the one replaced
        del env[index]
    return None


def drop_empty(path: KeyPath, container: Data, name: str) -> Optional[Problem]:
    """Take an empty variable away, and return a warning that says so."""
    env = container.get("env") or []
    same = [item for item in env if item["name"] == name]
    if not same or same[-1].get("value") or same[-1].get("valueFrom"):
        return None
    container["env"] = [item for item in env if item["name"] != name]
    message = f"{name} is taken away: an empty one breaks webrtcbin's pipeline"
    return Problem(message, format_path((*path, "env")), level="warning")


def append_missing(container: Data, key: str, items: List[Data], *same: str) -> None:
    """Append those items to a container's list that equal none there in the fields `same`."""
    there = _list(container, key)
    for item in items:
        if not any(item.get(name) == old.get(name) for old in there for name in same):
            there.append(item)


def _list(data: Data, key: str) -> List[Data]:
    if data.get(key) is None:
        data[key] = []
    items: List[Data] = data[key]
    return items


def expect(data: Data, path: KeyPath, wanted: type, words: str, parent: KeyPath = ()) -> Any:
    """Return what stands at a path, empty where nothing does.

    Raises `ManifestError` where it is of another type.
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
            message = "is missing, or no text; every entry needs one"
            raise ManifestError.at((*path, index, "name"), message)


def _check_mappings(path: KeyPath, items: List[Any]) -> None:
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise ManifestError.at((*path, index), f"must be a mapping, not {kind(item)}")
