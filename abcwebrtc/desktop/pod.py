"""What desktop pods get: STUN_SERVER, TURN_SERVER, and the sound container.

Functions take pods and return new ones; nothing connects to Kubernetes. The sound container is the
one that pyos makes from od.config.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Any, Collection, Dict, Generic, Iterable, List, Optional, Tuple, TypeVar

from abcwebrtc.abcdesktop import SOUND_LABEL
from abcwebrtc.config.container_fields import PLACEHOLDER
from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.problems import is_word
from abcwebrtc.config.sound import SoundSettings
from abcwebrtc.config.webrtc import WebRTCConfig, check_config
from abcwebrtc.desktop.environment import stun_server, turn_server
from abcwebrtc.desktop.pod_data import (
    CONTAINERS,
    Data,
    Place,
    all_containers,
    append_missing,
    check_pod,
    containers_of,
    copy_data,
    desktop_container,
    drop_empty,
    expect,
    find_owner,
    find_sound,
    open_object,
    set_variable,
    sound_name,
    sound_position,
)
from abcwebrtc.errors import ManifestError, Problem, format_path
from abcwebrtc.texts import harmless_logger

_log = harmless_logger(__name__)
Pod = TypeVar("Pod")
MAX_SECRET_NAME = 253
SERVICE = {"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"}
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
VOLUMES = ("localaccount", "tmp", "home", "log")
"""What pyos mounts if the ``sound`` entry names no volumes."""
_OF_A_USER = ("localaccount", "home")
"""Volumes whose names end in the user's name."""
_IDS = {"uidNumber": "runAsUser", "gidNumber": "runAsGroup"}


@dataclass(frozen=True)
class PreparedPod(Generic[Pod]):
    """A pod to create, the Secret that it reads, and notes on it.

    `pod` and `secret` are of the same kind: dicts, or objects of the kubernetes client. `secret` is
    None if the pod needs no Secret.
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
    left_out: Collection[str] = (),
    containers: Optional[Collection[str]] = None,
    pulseaudio_cookie: Optional[str] = None,
) -> Pod:
    """Return a new pod of the same kind, with sound over WebRTC.

    This is `prepare_pod` without a Secret: TURN_SERVER is in the pod itself, so don't log it. What
    is left unchanged is logged as a warning.
    """
    prepared = prepare_pod(
        pod,
        config,
        user,
        now,
        labels=labels,
        left_out=left_out,
        containers=containers,
        pulseaudio_cookie=pulseaudio_cookie,
        turn_secret=False,
    )
    log_notes(_log, prepared.notes)
    return prepared.pod


def log_notes(log: logging.Logger, notes: Iterable[Problem]) -> None:
    """Log the notes of a `PreparedPod`; those that are only good to know, as INFO."""
    for note in notes:
        log.log(logging.INFO if note.level == "note" else logging.WARNING, "%s", note)


def prepare_pod(
    pod: Pod,
    config: WebRTCConfig,
    user: Optional[str] = None,
    now: Optional[float] = None,
    *,
    labels: Collection[str] = (),
    left_out: Collection[str] = (),
    containers: Optional[Collection[str]] = None,
    pulseaudio_cookie: Optional[str] = None,
    turn_secret: bool = True,
) -> PreparedPod[Pod]:
    """Return a new pod with sound over WebRTC, and the Secret that it reads.

    `pod` is a dict or a ``V1Pod``; it is not changed, and the result shares nothing with it.
    `labels` are the names of the user's labels, for the acls of the sound container and of TURN
    servers; `left_out` are the names of servers that are known to be dead. STUN_SERVER goes to the
    named `containers`, by default to all regular ones, and always to the sound container.
    TURN_SERVER goes only to the sound container, as a ``secretKeyRef`` to the Secret or, without
    `turn_secret`, in plain text. `pulseaudio_cookie` becomes the sound container's
    PULSEAUDIO_COOKIE. `user` and `now` (unix seconds, the clock by default) are as in
    `desktop_environment`.

    Injecting again into the result changes nothing. `notes` of the result say what was left
    unchanged, such as a variable that comes from elsewhere (``valueFrom``), and what was removed:
    an empty STUN_SERVER or TURN_SERVER.

    Create the Secret first: a pod whose Secret is missing waits, with a warning event that pyos
    treats as a failure. `owned_secret` makes Kubernetes delete the Secret with the pod. If the
    Secret can't be created, create the pod of `without_secret`.

    Raises `ManifestError` if `pod` is not a pod, and `CredentialError` as `desktop_environment`
    does.
    """
    check_config(config)
    if not _are_names(labels) or not (containers is None or _are_names(containers)):
        raise TypeError("labels and containers are lists of names, such as ['staff']")
    if pulseaudio_cookie is not None and not isinstance(pulseaudio_cookie, str):
        raise TypeError("pulseaudio_cookie must be text")
    data, build = open_object(pod)
    check_pod(data)

    settings, owner, problems = config.sound, find_owner(data), []
    images = tuple(settings.images.values()) if settings else ()
    sound = find_sound(data, images, user, owner)
    if settings and settings.is_for(labels):
        sound = sound or _new_sound(data, user, owner)
        problems += _update_sound(data, sound, settings, labels, owner)
    elif settings and sound:
        message = "is left unchanged, although od.config gives this user no sound"
        problems.append(Problem(message, format_path(sound[0]), level="warning"))
        sound = None
    if sound and pulseaudio_cookie is not None:
        cookie = {"name": "PULSEAUDIO_COOKIE", "value": pulseaudio_cookie}
        problems += set_variable(sound, cookie)

    stun = stun_server(config)
    for place in _stun_places(data, containers, sound):
        if stun:
            problems += set_variable(place, {"name": STUN_SERVER, "value": stun})
        else:
            problems += drop_empty(place, STUN_SERVER)

    secret = None
    chosen = {"labels": labels, "left_out": left_out}
    turn = turn_server(config, user, now, **chosen) if sound else None
    if sound and not turn:
        problems += drop_empty(sound, TURN_SERVER)
    elif sound and turn and not turn_secret:
        problems += set_variable(sound, {"name": TURN_SERVER, "value": turn})
    elif sound and turn:
        secret = _secret(data, {TURN_SERVER: turn})
        reference = {"name": secret["metadata"]["name"], "key": TURN_SERVER}
        entry = {"name": TURN_SERVER, "valueFrom": {"secretKeyRef": reference}}
        left = set_variable(sound, entry)
        secret = None if left else secret
        problems += left
    made = None if secret is None else build(secret, "Secret")
    return PreparedPod(build(data, "Pod"), made, tuple(problems))


def owned_secret(secret: Any, pod: Any) -> Any:
    """Return a Secret that Kubernetes deletes when it deletes the pod.

    `pod` is the created one, since Kubernetes identifies an owner by its uid. Patch the Secret in
    the cluster with the result. Raises `ManifestError` if there is no uid.
    """
    data, build = open_object(secret, "Secret")
    metadata = expect(open_object(pod)[0], ("metadata",), dict, "a mapping")
    uid = metadata.get("uid")
    if not uid:
        message = "is missing; give the pod that the API server has created"
        raise ManifestError.at(("metadata", "uid"), message)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata.get("name"), "uid": uid}
    if not expect(data, ("metadata",), dict, "a mapping"):
        raise ManifestError.at(("metadata",), "is missing; give the secret of prepare_pod")
    data["metadata"]["ownerReferences"] = [owner]
    return build(data, "Secret")


def without_secret(prepared: PreparedPod[Pod]) -> PreparedPod[Pod]:
    """Return the same desktop without its Secret, and so without a TURN server.

    Use it if the Secret can't be created: a container that refers to a missing Secret never starts.
    TURN_SERVER is left out rather than empty.
    """
    if prepared.secret is None:
        return prepared
    data, build = open_object(prepared.pod)
    name = open_object(prepared.secret, "Secret")[0]["metadata"]["name"]
    for _, container in all_containers(data):
        env = container.get("env") or []
        kept = [item for item in env if _secret_of(item) != name]
        if len(kept) < len(env):
            container["env"] = kept
    return PreparedPod(build(data, "Pod"), None, prepared.notes)


def _secret_of(variable: Data) -> Any:
    """Return the name of the Secret that a variable is read from, or None."""
    return ((variable.get("valueFrom") or {}).get("secretKeyRef") or {}).get("name")


def _are_names(value: Any) -> bool:
    """Return whether this is a collection of texts, and not a single text."""
    if isinstance(value, str) or not isinstance(value, Collection):
        return False
    return all(isinstance(name, str) for name in value)


def _stun_places(
    pod: Data, names: Optional[Collection[str]], sound: Optional[Place]
) -> List[Place]:
    """Return the containers that get STUN_SERVER: the named or all regular ones, and sound."""
    every = all_containers(pod)
    if names is None:
        chosen = [place for place in every if place[0][:2] == CONTAINERS]
    else:
        unknown = set(names) - {container["name"] for _, container in every}
        if unknown:
            message = f"has no container {', '.join(sorted(unknown))}; name those that are there"
            raise ManifestError.at(("spec",), message)
        chosen = [place for place in every if place[1]["name"] in names]
    return chosen if sound is None or sound in chosen else [*chosen, sound]


def _secret(pod: Data, texts: Dict[str, str]) -> Data:
    """Return the Secret of a pod, named after it and in its namespace."""
    metadata = pod.get("metadata") or {}
    pod_name = metadata.get("name")
    if not isinstance(pod_name, str) or not pod_name:
        message = "is missing; the Secret with TURN_SERVER is named after the pod"
        if metadata.get("generateName"):  # the name is unknown until the pod is created
            message += ", so give it a name in place of generateName"
        raise ManifestError.at(("metadata", "name"), message)
    name = f"webrtc-{pod_name}".rstrip("-.")
    if len(f"webrtc-{pod_name}") > MAX_SECRET_NAME:  # the hash covers what is cut off
        digest = hashlib.sha256(f"webrtc-{pod_name}".encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name[: MAX_SECRET_NAME - 11].rstrip('-.')}-{digest[:10]}"
    where = {key: metadata[key] for key in ("namespace",) if metadata.get(key)}
    labels = {"app.kubernetes.io/managed-by": "abcwebrtc"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, **where, "labels": labels},
        "type": "Opaque",
        "stringData": texts,
    }


def _new_sound(pod: Data, user: Optional[str], owner: Optional[str]) -> Place:
    """Insert a sound container where pyos has it, with the desktop's variables."""
    index = sound_position(pod, owner)
    new: Data = {"name": sound_name(pod, user, owner), "imagePullPolicy": "", "image": ""}
    new["env"] = copy_data(desktop_container(pod, owner).get("env") or [])
    containers_of(pod).insert(index, new)
    return all_containers(pod)[index]


def _update_sound(
    pod: Data,
    sound: Place,
    settings: SoundSettings,
    labels: Collection[str],
    owner: Optional[str],
) -> List[Problem]:
    """Update the sound container, and what the pod has for it.

    Return notes on volumes that the ``sound`` entry names and that can't be mounted.
    """
    _, container = sound
    container["imagePullPolicy"] = settings.pull_policy
    container["image"] = settings.image(labels)
    if settings.resources is not None:
        container["resources"] = thaw(settings.resources)
    if settings.security_context is not None:
        container["securityContext"] = _security_context(pod, settings)
    port = settings.tcp_port
    if port is not None:
        append_missing(container, "ports", [{"containerPort": port}], "containerPort")
    if all(item["name"] != POD_IP["name"] for item in container.get("env") or ()):
        set_variable(sound, POD_IP)
    notes = _put_mounts(pod, container, settings, owner)

    if pod.get("metadata") is None:
        pod["metadata"] = {}
    if pod["metadata"].get("labels") is None:
        pod["metadata"]["labels"] = {}
    pod["metadata"]["labels"][SOUND_LABEL] = "enabled" if port is None else str(port)

    # pyos puts pull secrets on the container, where Kubernetes ignores them
    misplaced = container.pop("imagePullSecrets", None) or []
    if isinstance(misplaced, dict):  # the form that pyos accepts
        misplaced = [misplaced] if isinstance(misplaced.get("name"), str) else []
    secrets = [*({"name": name} for name in settings.pull_secrets), *misplaced]
    if secrets:
        append_missing(pod["spec"], "imagePullSecrets", secrets, "name")
    for place in all_containers(pod):
        set_variable(place, SERVICE)
    return notes


def _security_context(pod: Data, settings: SoundSettings) -> Any:
    """Return the securityContext with the user's ids, which pyos put on the pod."""
    context = thaw(settings.security_context)
    own = pod["spec"].get("securityContext") or {}
    for key, value in context.items():
        match = PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
        if match:
            name = _IDS[match["name"]]
            context[key] = own.get(name)
            if type(context[key]) is not int:
                message = f"is missing; the sound container's {key} must be the same"
                raise ManifestError.at(("spec", "securityContext", name), message)
    return context


def _put_mounts(
    pod: Data, container: Data, settings: SoundSettings, owner: Optional[str]
) -> List[Problem]:
    """Mount what sound needs as other containers do, and return notes on what can't be mounted."""
    own = [mount for mount in container.get("volumeMounts") or () if mount is not None]
    container["volumeMounts"] = own
    mounts: Dict[str, Data] = {}
    others = [each for _, each in all_containers(pod)]
    for each in (desktop_container(pod, owner), *others):
        for mount in each.get("volumeMounts") or ():
            if mount is not None:
                mounts.setdefault(mount["name"], mount)
    volumes = [volume["name"] for volume in pod["spec"].get("volumes") or ()]
    notes = []
    for name in VOLUMES if settings.volumes is None else settings.volumes:
        volume = _volume_for(name, volumes, owner or "")
        if volume in mounts:
            made = [copy_data(mounts[volume])]
            append_missing(container, "volumeMounts", made, "name", "mountPath")
        elif settings.volumes is not None:
            shown = name if is_word(name) else "volume"
            message = (
                f"has {volume}, which no container mounts, so the sound container can't either"
                if volume
                else f"has no {shown}, which the sound entry of od.config names; "
                "the sound container does not mount it"
            )
            notes.append(Problem(message, "spec.volumes", level="note"))
    return notes


def _volume_for(name: str, volumes: Collection[str], owner: str) -> str:
    """Return the pod's volume for a name of od.config, or an empty text.

    pyos prefixes some volumes with ``auth-``, and appends the userid, which `owner` ends in, to
    some.
    """
    wanted = (name, f"auth-{name}")
    exact = [volume for volume in volumes if volume in wanted]
    ends = [(v, start) for v in volumes for start in wanted if v.startswith(f"{start}-")]
    for_user = [v for v, start in ends if f"-{owner}".endswith(v[len(start) :])]
    whatever = [v for v, _ in ends if name in _OF_A_USER]
    return next(iter(exact + sorted(for_user, key=len, reverse=True) + whatever), "")
