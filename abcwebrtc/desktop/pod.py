"""What desktop pods get: STUN_SERVER, TURN_SERVER, and the sound container.

Pods in, new pods out; no connection to Kubernetes is made.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Any, Collection, Dict, Generic, Iterable, List, Optional, Tuple, TypeVar

from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.config.webrtc import WebRTCConfig, check_config
from abcwebrtc.desktop import pod_data as poddata
from abcwebrtc.desktop.environment import stun_server, turn_server
from abcwebrtc.desktop.pod_data import Data
from abcwebrtc.desktop.pod_names import find_owner, find_sound
from abcwebrtc.desktop.pod_objects import open_object
from abcwebrtc.desktop.sound_container import put_sound
from abcwebrtc.errors import KeyPath, ManifestError, Problem, format_path

_log = logging.getLogger(__name__)
Pod = TypeVar("Pod")
MAX_SECRET_NAME = 253


@dataclass(frozen=True)
class PreparedPod(Generic[Pod]):
    """A pod to create, the Secret that it reads, and what to know of it.

    `pod` and `secret` are of one kind: dicts, or objects of the kubernetes
    client. `secret` is None where the pod needs none.
    """

    pod: Pod = field(repr=False)
    secret: Optional[Any] = field(repr=False)
    notes: Tuple[Problem, ...] = ()


def inject_webrtc(
    pod: Pod,
    config: WebRTCConfig,
    user: Optional[str] = None,
    now: Optional[float] = None,
    *,
    labels: Collection[str] = (),
    containers: Optional[Collection[str]] = None,
    pulseaudio_cookie: Optional[str] = None,
) -> Pod:
    """Return a new pod, of the same kind, whose sound goes by WebRTC.

    `prepare_pod` without a Secret: a TURN_SERVER stands in the pod itself, so
    don't log it. What was left as it was is logged as a warning.
    """
    prepared = prepare_pod(
        pod,
        config,
        user,
        now,
        labels=labels,
        containers=containers,
        pulseaudio_cookie=pulseaudio_cookie,
        turn_secret=False,
    )
    log_notes(_log, prepared.notes)
    return prepared.pod


def log_notes(log: logging.Logger, notes: Iterable[Problem]) -> None:
    """Log what `PreparedPod` has to say: as INFO what is only good to know."""
    for note in notes:
        log.log(logging.INFO if note.level == "note" else logging.WARNING, "%s", note)


def prepare_pod(
    pod: Pod,
    config: WebRTCConfig,
    user: Optional[str] = None,
    now: Optional[float] = None,
    *,
    labels: Collection[str] = (),
    containers: Optional[Collection[str]] = None,
    pulseaudio_cookie: Optional[str] = None,
    turn_secret: bool = True,
) -> PreparedPod[Pod]:
    """Return a new pod whose sound goes by WebRTC, and the Secret that it reads.

    `pod` is a dict or a ``V1Pod``; it stays as it is, and the result shares
    nothing with it. `labels` are the names of the user's labels, for the acl of
    the sound container. STUN_SERVER goes to the `containers` named, by default
    to all regular ones, and always to the sound container; TURN_SERVER to that
    alone, by a ``secretKeyRef`` to the Secret, or plain without `turn_secret`.
    `pulseaudio_cookie` becomes the sound container's PULSEAUDIO_COOKIE. `user`
    and `now` (unix seconds, the clock by default) are as in
    `desktop_environment`.

    Doing it again to the result changes nothing. `notes` of the result say what
    was left as it was, such as a variable that comes from elsewhere
    (``valueFrom``), and what was taken away: an empty STUN_SERVER or TURN_SERVER.

    Create the Secret first: a pod whose Secret is missing waits, with a warning
    event that pyos takes for a failure. `owned_secret` lets it go with the pod.
    If it can't be created, create the pod of `without_secret`.

    Raises `ManifestError` where `pod` is not a pod, and `CredentialError` as
    `desktop_environment` does.
    """
    check_config(config)
    if not _are_names(labels) or not (containers is None or _are_names(containers)):
        raise TypeError("labels and containers are lists of names, such as ['staff']")
    if pulseaudio_cookie is not None and not isinstance(pulseaudio_cookie, str):
        raise TypeError("pulseaudio_cookie must be text")
    data, build = open_object(pod)
    poddata.check_pod(data)
    injection = _Injection(data, config, user)
    injection.put_sound(labels, pulseaudio_cookie)
    injection.put_stun(containers)
    secret = injection.put_turn(now, turn_secret)
    new_secret = None if secret is None else build(secret, "Secret")
    return PreparedPod(build(data, "Pod"), new_secret, tuple(injection.notes))


def owned_secret(secret: Any, pod: Any) -> Any:
    """Return a Secret that Kubernetes deletes when it deletes the pod.

    `pod` is the created one: an owner is known by its uid. Patch the Secret in
    the cluster with the result. Raises `ManifestError` where there is no uid.
    """
    data, build = open_object(secret, "Secret")
    metadata = poddata.expect(open_object(pod)[0], ("metadata",), dict, "a mapping")
    uid = metadata.get("uid")
    if not uid:
        message = "is missing; give the pod that the API server has created"
        raise ManifestError.at(("metadata", "uid"), message)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata.get("name"), "uid": uid}
    if not poddata.expect(data, ("metadata",), dict, "a mapping"):
        raise ManifestError.at(("metadata",), "is missing; give the secret of prepare_pod")
    data["metadata"]["ownerReferences"] = [owner]
    return build(data, "Secret")


def without_secret(prepared: PreparedPod[Pod]) -> PreparedPod[Pod]:
    """Return the same desktop without its Secret, and so without a TURN server.

    It is for where the Secret can't be created: a container that refers to a
    missing Secret never starts. TURN_SERVER is left out, and not empty.
    """
    if prepared.secret is None:
        return prepared
    data, build = open_object(prepared.pod)
    name = open_object(prepared.secret, "Secret")[0]["metadata"]["name"]
    for _, container in poddata.all_containers(data):
        env = container.get("env") or []
        kept = [item for item in env if _secret_of(item) != name]
        if len(kept) < len(env):
            container["env"] = kept
    return PreparedPod(build(data, "Pod"), None, prepared.notes)


def _secret_of(variable: Data) -> Any:
    """Return the name of the Secret that a variable is read from, None for another variable."""
    return ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")


def _are_names(value: Any) -> bool:
    """Say whether this is a collection of texts; a text is one of its letters."""
    if isinstance(value, str) or not isinstance(value, Collection):
        return False
    return all(isinstance(name, str) for name in value)


class _Injection:
    """Works on one pod, which it changes."""

    def __init__(self, pod: Data, config: WebRTCConfig, user: Optional[str]) -> None:
        self._pod = pod
        self._config = config
        self._user = user
        self._sound: Optional[int] = None
        self.notes: List[Problem] = []

    def put_sound(self, labels: Collection[str], cookie: Optional[str]) -> None:
        """Put the sound container, where od.config has one for this user."""
        settings, owner = self._config.sound, find_owner(self._pod)
        if settings and settings.is_for(labels):
            self.notes += put_sound(self._pod, settings, labels, self._user, owner)
        images = tuple(settings.images.values()) if settings else ()
        index = find_sound(self._pod, images, self._user, owner)
        if settings and not settings.is_for(labels):
            if index is not None:
                message = "is left as it is, though od.config gives this user no sound"
                path = format_path(poddata.all_containers(self._pod)[index][0])
                self.notes.append(Problem(message, path, level="warning"))
            return
        self._sound = index
        if cookie is not None:
            self._set_in_sound({"name": "PULSEAUDIO_COOKIE", "value": cookie})

    def put_stun(self, names: Optional[Collection[str]]) -> None:
        """Put STUN_SERVER into the containers named, or into all regular ones."""
        stun = stun_server(self._config)
        for path, container in self._targets(names):
            if stun:
                self._set(path, container, {"name": STUN_SERVER, "value": stun})
            else:
                self._drop(path, container, STUN_SERVER)

    def put_turn(self, now: Optional[float], by_secret: bool) -> Optional[Data]:
        """Put TURN_SERVER into the sound container; return the Secret that has its value."""
        turn = turn_server(self._config, self._user, now) if self._sound is not None else None
        if turn is None:
            for path, container in self._sound_container():
                self._drop(path, container, TURN_SERVER)
            return None
        if not by_secret:
            self._set_in_sound({"name": TURN_SERVER, "value": turn})
            return None
        secret = _secret(self._pod, {TURN_SERVER: turn})
        reference = {"name": secret["metadata"]["name"], "key": TURN_SERVER}
        entry = {"name": TURN_SERVER, "valueFrom": {"secretKeyRef": reference}}
        return secret if self._set_in_sound(entry) else None

    def _targets(self, names: Optional[Collection[str]]) -> List[Tuple[KeyPath, Data]]:
        every = poddata.all_containers(self._pod)
        if names is None:
            chosen = [item for item in every if item[0][:2] == poddata.CONTAINERS]
        else:
            unknown = set(names) - {container["name"] for _, container in every}
            if unknown:
                message = (
                    f"has no container {', '.join(sorted(unknown))}; name those that are there"
                )
                raise ManifestError.at(("spec",), message)
            chosen = [item for item in every if item[1]["name"] in names]
        return chosen + [item for item in self._sound_container() if item not in chosen]

    def _sound_container(self) -> List[Tuple[KeyPath, Data]]:
        every = poddata.all_containers(self._pod)
        return [] if self._sound is None else [every[self._sound]]

    def _set_in_sound(self, entry: Dict[str, Any]) -> bool:
        return all(self._set(path, found, entry) for path, found in self._sound_container())

    def _set(self, path: KeyPath, container: Data, entry: Dict[str, Any]) -> bool:
        note = poddata.set_variable(path, container, entry)
        self.notes += [note] if note else []
        return note is None

    def _drop(self, path: KeyPath, container: Data, name: str) -> None:
        note = poddata.drop_empty(path, container, name)
        self.notes += [note] if note else []


def _secret(pod: Data, texts: Dict[str, str]) -> Data:
    """Return the Secret of a pod, named after it and in its namespace."""
    metadata = pod.get("metadata") or {}
    name = metadata.get("name")
    if not isinstance(name, str) or not name:
        message = "is missing; the Secret with TURN_SERVER is named after the pod"
        if metadata.get("generateName"):  # nobody knows the name before the pod is created
            message += ", so give it a name in place of generateName"
        raise ManifestError.at(("metadata", "name"), message)
    where = {key: metadata[key] for key in ("namespace",) if metadata.get(key)}
    labels = {"app.kubernetes.io/managed-by": "abcwebrtc"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": _secret_name(name),
            **where,
            "labels": labels,
        },
        "type": "Opaque",
        "stringData": texts,
    }


def _secret_name(pod_name: str) -> str:
    """Return the name of a pod's Secret; where it has to be cut, what is cut off still counts."""
    name = f"webrtc-{pod_name}"
    if len(name) <= MAX_SECRET_NAME:
        return name.rstrip("-.")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{name[: MAX_SECRET_NAME - 11].rstrip('-.')}-{digest}"
