"""The ``sound`` entry of ``desktop.pod``: the container that desktops' sound comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Collection, List, Mapping, Optional, Tuple

from abcwebrtc.config.container_fields import check_resources, check_security_context
from abcwebrtc.config.frozen import Frozen
from abcwebrtc.config.problems import Findings, kind
from abcwebrtc.errors import KeyPath

DESKTOP_POD, SOUND = "desktop.pod", "sound"
PATH: KeyPath = (DESKTOP_POD, SOUND)
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
"""The keys that abcwebrtc uses. pyos has others, and passes over what it does not know."""
PULL_POLICIES = ("IfNotPresent", "Always", "Never")
EVERYBODY = "all"

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
    """The sound container of desktop pods, as od.config has it.

    `images` is by the name of a user's label, 'default' for all others.
    `tcp_port` is that of PulseAudio. `resources` and `security_context` are as
    in the Kubernetes API, read-only. `pull_secrets` are names of Secrets.
    `volumes` are names of volumes such as "tmp", "home" and "log", which od.config
    has from abcdesktop 4.3 on, None where it has none.
    """

    enable: bool = False
    permit: Tuple[str, ...] = ()
    deny: Tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pull_policy: str = PULL_POLICIES[0]
    tcp_port: Optional[int] = None
    resources: Frozen = None
    security_context: Frozen = None
    pull_secrets: Tuple[str, ...] = ()
    volumes: Optional[Tuple[str, ...]] = None

    def is_for(self, labels: Collection[str]) -> bool:
        """Say whether a user with these labels gets sound, as pyos decides it.

        Deny comes before permit, ``all`` is everybody, and who is not named in
        either gets none.
        """
        names = {*labels, EVERYBODY}
        return self.enable and not names & set(self.deny) and bool(names & set(self.permit))

    def image(self, labels: Collection[str]) -> str:
        """Return the image for a user with these labels."""
        chosen = [self.images[label] for label in labels if label in self.images]
        return (chosen or [self.images["default"]])[0]


def parse_sound(findings: Findings, mapping: Mapping[str, Any]) -> Optional[SoundSettings]:
    """Return the settings, None where od.config has none; errors go to `findings`."""
    pod = mapping.get(DESKTOP_POD)
    if pod is None:
        return None
    if not isinstance(pod, Mapping):
        findings.warn((DESKTOP_POD,), f"must be a dict, not {kind(pod)}: pyos makes no pod of it")
        return None
    entry = pod.get(SOUND)
    if entry is None:
        return None
    if not isinstance(entry, Mapping):
        message = f"is {kind(entry)}, so pyos gives desktops no sound; write a dict"
        findings.warn(PATH, message)
        return None
    if entry.get("enable") is None or entry["enable"] is False:
        return _parse_disabled(findings, entry)
    return _Parser(findings, entry).parse()


def warn_without_sound(findings: Findings, mapping: Mapping[str, Any]) -> None:
    """Warn of a ``desktop.pod`` that has no sound in it; for where webrtc.enable is True."""
    pod = mapping.get(DESKTOP_POD)
    if isinstance(pod, Mapping) and pod and pod.get(SOUND) is None:
        message = "is missing, so pyos gives desktops no sound; write the entry with 'enable': True"
        findings.warn(PATH, message)


def _parse_disabled(findings: Findings, entry: Mapping[Any, Any]) -> SoundSettings:
    """Return the settings of an entry of which nothing goes into a pod: a fault is no error."""
    errors = len(findings.errors)
    settings = _Parser(findings, {**entry, "enable": False}).parse()
    found, findings.errors[errors:] = findings.errors[errors:], []
    findings.warnings += [replace(problem, level="warning") for problem in found]
    return settings or SoundSettings()


class _Parser:
    """Parses the entry; what is wrong with it goes to the findings."""

    def __init__(self, findings: Findings, entry: Mapping[Any, Any]) -> None:
        self._findings = findings
        self._entry = entry

    def parse(self) -> Optional[SoundSettings]:
        """Return the settings, or None when there are errors."""
        before = len(self._findings.errors)
        self._findings.misspelt_keys(PATH, self._entry, KEYS)
        enable = self._enable()
        permit, deny = self._acl(enable)
        settings = SoundSettings(
            enable,
            permit,
            deny,
            self._images(enable),
            self._pull_policy(),
            self._tcp_port(),
            check_resources(self._findings, (*PATH, "resources"), self._entry.get("resources")),
            check_security_context(
                self._findings, (*PATH, "securityContext"), self._entry.get("securityContext")
            ),
            self._pull_secrets(),
            self._volumes(),
        )
        return None if len(self._findings.errors) > before else settings

    def _error(self, key: str, message: str) -> None:
        self._findings.error((*PATH, key), message)

    def _enable(self) -> bool:
        enable = self._entry.get("enable", False)
        if not isinstance(enable, bool):
            self._error("enable", f"must be True or False without quotes, not {kind(enable)}")
        return enable is True

    def _acl(self, enable: bool) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
        acl, path = self._entry.get("acl"), (*PATH, "acl")
        if acl is None:
            if enable:
                message = "is missing, so nobody gets sound; write 'acl': { 'permit': [ 'all' ] }"
                self._findings.warn(path, message)
            return (), ()
        if not isinstance(acl, Mapping):
            message = f"must be a dict such as {{ 'permit': [ 'all' ] }}, not {kind(acl)}"
            self._findings.error(path, message)
            return (), ()
        self._findings.misspelt_keys(path, acl, ("permit", "deny"))
        if enable and not acl.get("permit"):
            message = "permits nobody, so nobody gets sound; write 'permit': [ 'all' ]"
            self._findings.warn(path, message)
        return self._names(path, acl, "permit"), self._names(path, acl, "deny")

    def _names(self, path: KeyPath, acl: Mapping[Any, Any], key: str) -> Tuple[str, ...]:
        names = acl.get(key) or ()
        if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
            return tuple(names)
        self._findings.error((*path, key), "must be a list of names of labels, such as [ 'all' ]")
        return ()

    def _images(self, enable: bool) -> Mapping[str, str]:
        image, path = self._entry.get("image"), (*PATH, "image")
        if image is None:
            if enable:
                message = "is missing; write one such as 'abcdesktopio/oc.pulseaudio:3.2'"
                self._findings.error(path, message)
            return MappingProxyType({})
        if not isinstance(image, Mapping):
            self._check_image(path, image)
            return MappingProxyType({"default": image})
        if "default" not in image:
            self._findings.error(path, "has no 'default', for users without a label of their own")
        for label in image:
            if isinstance(label, str):
                self._check_image((*path, label), image[label])
            else:
                message = f"has {kind(label)} as the name of a label; write it in quotes"
                self._findings.error(path, message)
        return MappingProxyType(dict(image))

    def _check_image(self, path: KeyPath, image: Any) -> None:
        if not isinstance(image, str) or not _IMAGE.fullmatch(image):
            message = "is not an image's name such as 'registry.domain.local/oc.pulseaudio:3.2'"
            self._findings.error(path, message)

    def _pull_policy(self) -> str:
        names = ("imagePullPolicy", "pullpolicy")
        given = [key for key in names if self._entry.get(key) is not None]
        for key in given:
            if self._entry[key] not in PULL_POLICIES:
                self._error(key, "must be " + " or ".join(map(repr, PULL_POLICIES)))
        if len(given) > 1 and self._entry[given[0]] != self._entry[given[1]]:
            self._error(given[1], f"differs from '{given[0]}', which means the same; keep one")
        return str(self._entry[given[0]]) if given else PULL_POLICIES[0]

    def _tcp_port(self) -> Optional[int]:
        port = self._entry.get("tcpport")
        if port is None:
            return None
        if type(port) is int and 1 <= port <= 65535:
            return port
        quoted = " without quotes" if isinstance(port, str) else ""
        self._error("tcpport", f"must be a port from 1 to 65535{quoted}, such as 4714")
        return None

    def _pull_secrets(self) -> Tuple[str, ...]:
        items, path = self._entry.get("imagePullSecrets"), (*PATH, "imagePullSecrets")
        right = "[ { 'name': 'name-of-a-secret' } ]"
        if not items:
            return ()
        if isinstance(items, Mapping):  # as pyos puts it on the container
            items = [items]
        if not isinstance(items, (list, tuple)):
            self._findings.error(path, f"must be a list such as {right}, not {kind(items)}")
            return ()
        names: List[str] = []
        for index, item in enumerate(items):
            name = item.get("name") if isinstance(item, Mapping) and len(item) == 1 else None
            if isinstance(name, str) and _SECRET_NAME.fullmatch(name):
                names.append(name)
            else:
                self._findings.error((*path, index), f"is not the name of a Secret; write {right}")
        return tuple(names)

    def _volumes(self) -> Optional[Tuple[str, ...]]:
        names = self._entry.get("volumes")
        if names is None:
            return None
        if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
            return tuple(names)
        message = "is passed over: it is no list of names of volumes, such as [ 'tmp', 'home' ]"
        self._findings.warn((*PATH, "volumes"), message)
        return None
