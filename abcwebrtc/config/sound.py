"""The ``sound`` entry of ``desktop.pod``: the container that sends a desktop's sound."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Callable, Collection, Iterator, List, Mapping, Optional, Tuple, TypeVar

from abcwebrtc.config.acl import NOBODY, Acl, parse_acl
from abcwebrtc.config.container_fields import parse_resources, parse_security_context
from abcwebrtc.config.frozen import Frozen
from abcwebrtc.config.problems import Where, has_error, is_word, kind, misspelt_keys, read_bool
from abcwebrtc.errors import Problem

Parsed = TypeVar("Parsed")
DESKTOP_POD, SOUND = "desktop.pod", "sound"
KEYS = (
    "image",
    "imagePullPolicy",
    "pullpolicy",
    "enable",
    "acl",
    "tcpport",
    "resources",
    "securityContext",
    "imagePullSecrets",
    "volumes",
)
"""The keys that abcwebrtc uses. pyos has others, and ignores unknown ones."""
PULL_POLICIES = ("IfNotPresent", "Always", "Never")

_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:)|localhost|\[[0-9A-Fa-f:]+\])"
_IMAGE = re.compile(
    rf"(?=.{{1,512}}$)({_DOMAIN}(:[0-9]+)?/)?{_NAME}(/{_NAME})*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?"
)
_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SECRET_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class SoundSettings:
    """The sound container of desktop pods, as od.config describes it.

    `acl` says who gets it. `images` maps the names of users' labels to images; 'default' is for
    all others. `tcp_port` is PulseAudio's. `resources` and `security_context` are read-only, and as
    in the Kubernetes API. `pull_secrets` are names of Secrets. `volumes` are names of volumes such
    as "tmp", "home" and "log", which od.config has from abcdesktop 4.3 on, or None.
    """

    enable: bool = False
    acl: Acl = NOBODY
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pull_policy: str = PULL_POLICIES[0]
    tcp_port: Optional[int] = None
    resources: Frozen = None
    security_context: Frozen = None
    pull_secrets: Tuple[str, ...] = ()
    volumes: Optional[Tuple[str, ...]] = None

    def is_for(self, labels: Collection[str]) -> bool:
        """Return whether a user with these labels gets sound, as pyos decides it."""
        return self.enable and self.acl.permits(labels)

    def image(self, labels: Collection[str]) -> str:
        """Return the image for a user with these labels."""
        chosen = [self.images[label] for label in labels if label in self.images]
        return (chosen or [self.images["default"]])[0]


def parse_sound(
    mapping: Mapping[str, Any], root: Where
) -> Tuple[Optional[SoundSettings], List[Problem]]:
    """Return the settings, or None if they are missing or wrong, and what is wrong."""
    pod, where = mapping.get(DESKTOP_POD), root[DESKTOP_POD]
    if pod is None:
        return None, []
    if not isinstance(pod, Mapping):
        return None, [
            where.warning(f"must be a dict, not {kind(pod)}: pyos can't make a pod of it")
        ]
    entry = pod.get(SOUND)
    if entry is None:
        return None, []
    if not isinstance(entry, Mapping):
        message = f"is {kind(entry)}, so pyos gives desktops no sound; write a dict"
        return None, [where[SOUND].warning(message)]
    if entry.get("enable") is not None and entry["enable"] is not False:
        parser = _Parser(entry, where[SOUND])
        settings = parser.parse()
        return None if has_error(parser.problems) else settings, parser.problems
    parser = _Parser({**entry, "enable": False}, where[SOUND])
    settings = parser.parse()
    if has_error(parser.problems):
        settings = SoundSettings()
    # Nothing of it goes into a pod, so a fault is not an error.
    return settings, [
        replace(problem, level="warning") if problem.level == "error" else problem
        for problem in parser.problems
    ]


def check_sound(mapping: Mapping[str, Any], root: Where) -> Iterator[Problem]:
    """Warn about a ``desktop.pod`` without sound; for use if webrtc.enable is True."""
    pod = mapping.get(DESKTOP_POD)
    if isinstance(pod, Mapping) and pod and pod.get(SOUND) is None:
        message = "is missing, so pyos gives desktops no sound; write the entry with 'enable': True"
        yield root[DESKTOP_POD][SOUND].warning(message)


class _Parser:
    """Parses the entry; afterwards, `problems` has what is wrong with it."""

    def __init__(self, entry: Mapping[Any, Any], where: Where) -> None:
        self.problems: List[Problem] = list(misspelt_keys(entry, KEYS, where))
        self._entry = entry
        self._where = where

    def parse(self) -> SoundSettings:
        """Return the settings, which are usable only if there are no errors."""
        enable = self._taken("enable", read_bool)
        acl = self._acl(enable)
        return SoundSettings(
            enable,
            acl,
            self._images(enable),
            self._pull_policy(),
            self._tcp_port(),
            self._taken("resources", parse_resources),
            self._taken("securityContext", parse_security_context),
            self._pull_secrets(),
            self._volumes(),
        )

    def _taken(
        self, key: str, parse: Callable[[Any, Where], Tuple[Parsed, List[Problem]]]
    ) -> Parsed:
        value, problems = parse(self._entry.get(key), self._where[key])
        self.problems += problems
        return value

    def _error(self, where: Where, message: str) -> None:
        self.problems.append(where.error(message))

    def _warn(self, where: Where, message: str) -> None:
        self.problems.append(where.warning(message))

    def _acl(self, enable: bool) -> Acl:
        where = self._where["acl"]
        if self._entry.get("acl") is None:
            if enable:
                message = "is missing, so nobody gets sound; write 'acl': { 'permit': [ 'all' ] }"
                self._warn(where, message)
            return NOBODY
        acl, problems = parse_acl(self._entry, self._where, is_of_pyos=True)
        self.problems += problems
        if enable and acl and not acl.permit:
            message = "permits nobody, so nobody gets sound; write 'permit': [ 'all' ]"
            self._warn(where, message)
        return acl or NOBODY

    def _images(self, enable: bool) -> Mapping[str, str]:
        image, where = self._entry.get("image"), self._where["image"]
        if image is None:
            if enable:
                message = "is missing; write one such as 'abcdesktopio/oc.pulseaudio:3.2'"
                self._error(where, message)
            return MappingProxyType({})
        if not isinstance(image, Mapping):
            self._check_image(where, image)
            return MappingProxyType({"default": image})
        if "default" not in image:
            self._error(where, "has no 'default', for users without a label of their own")
        for number, label in enumerate(image, 1):
            if isinstance(label, str):
                place = "" if is_word(label) else f"number {number} of {len(image)} "
                self._check_image(where[label], image[label], place)
            else:
                message = f"has {kind(label)} as the name of a label; put it in quotes"
                self._error(where, message)
        return MappingProxyType(dict(image))

    def _check_image(self, where: Where, image: Any, place: str = "") -> None:
        """Say what is wrong with an image; `place` replaces a label that may be a secret."""
        if not isinstance(image, str) or not _IMAGE.fullmatch(image):
            message = "is not an image's name such as 'registry.domain.local/oc.pulseaudio:3.2'"
            self.problems.append(where.error(place + message, hide_key=bool(place)))

    def _pull_policy(self) -> str:
        names = ("imagePullPolicy", "pullpolicy")
        given = [key for key in names if self._entry.get(key) is not None]
        for key in given:
            if self._entry[key] not in PULL_POLICIES:
                self._error(self._where[key], "must be " + " or ".join(map(repr, PULL_POLICIES)))
        if len(given) > 1 and self._entry[given[0]] != self._entry[given[1]]:
            self._error(
                self._where[given[1]], f"differs from '{given[0]}', which means the same; keep one"
            )
        return str(self._entry[given[0]]) if given else PULL_POLICIES[0]

    def _tcp_port(self) -> Optional[int]:
        port = self._entry.get("tcpport")
        if port is None:
            return None
        if type(port) is int and 1 <= port <= 65535:
            return port
        quoted = " without quotes" if isinstance(port, str) else ""
        self._error(self._where["tcpport"], f"must be a port from 1 to 65535{quoted}, such as 4714")
        return None

    def _pull_secrets(self) -> Tuple[str, ...]:
        items, where = self._entry.get("imagePullSecrets"), self._where["imagePullSecrets"]
        right = "[ { 'name': 'name-of-a-secret' } ]"
        if not items:
            return ()
        if isinstance(items, Mapping):  # as pyos puts it on the container
            items = [items]
        if not isinstance(items, (list, tuple)):
            self._error(where, f"must be a list such as {right}, not {kind(items)}")
            return ()
        names: List[str] = []
        for index, item in enumerate(items):
            name = item.get("name") if isinstance(item, Mapping) and len(item) == 1 else None
            if isinstance(name, str) and _SECRET_NAME.fullmatch(name):
                names.append(name)
            else:
                self._error(where[index], f"is not the name of a Secret; write {right}")
        return tuple(names)

    def _volumes(self) -> Optional[Tuple[str, ...]]:
        names = self._entry.get("volumes")
        if names is None:
            return None
        if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
            return tuple(names)
        message = "is ignored: it is not a list of volume names, such as [ 'tmp', 'home' ]"
        self._warn(self._where["volumes"], message)
        return None
