"""Target: manifests in YAML or JSON, and the injection by ``abcwebrtc pod``."""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import zlib
from random import Random
from typing import Any, Dict, List, Optional
from unittest import mock
from urllib.parse import quote

from abcwebrtc.cli.pod import inject_all
from abcwebrtc.cluster import yaml as yamlfiles
from abcwebrtc.cluster.manifests import Manifests, parse_manifests
from abcwebrtc.cluster.masking import masked_diff
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.pod import prepare_pod
from abcwebrtc.errors import CredentialError, ManifestError
from fuzz.common import (
    MARK,
    NOW,
    STATIC,
    assert_placed,
    assert_silent,
    encoded,
    everything_about,
    splice,
)

MAX_LENGTH = 2048
RUNS = 20_000
MAX_ALIASED = 1000
"""Less than the reader's own limit, so that inputs reach it within milliseconds."""
FILE = "pod.yaml"
_SOUND = {
    "image": {"default": "registry.example.org/pulseaudio:stable", "staff": "a/b:2"},
    "enable": True,
    "tcpport": 4714,
    "acl": {"permit": ["all"]},
    "resources": {"limits": {"memory": "256Mi"}},
    "securityContext": {"runAsUser": "{{ uidNumber }}", "allowPrivilegeEscalation": False},
    "imagePullSecrets": [{"name": "registry"}],
}
_COTURN = {"coturn_static_auth_secret": STATIC, "url": "turn.example.org:3478"}
_FULL = {
    "webrtc.enable": True,
    "webrtc.coturn": {**_COTURN, "username": "userid"},
    "webrtc.desktop": {"turn": True, "stun_server": "stun://stun.example.org:3478"},
    "desktop.pod": {"sound": _SOUND},
}
_PLAIN_SOUND = {key: _SOUND[key] for key in ("image", "enable", "acl")}
_PSEUDONYMS = {
    **_FULL,
    "webrtc.coturn": {**_COTURN, "username": "pseudonym"},
    "desktop.pod": {"sound": _PLAIN_SOUND},
}
CONFIGS = [WebRTCConfig.from_mapping(entries, {}, NOW) for entries in (_FULL, _PSEUDONYMS, {})]
_KEYS = (
    *("kind", "apiVersion", "metadata", "name", "namespace", "labels", "access_userid", "spec"),
    *("containers", "initContainers", "env", "value", "valueFrom", "secretKeyRef", "key", "items"),
    *("volumes", "volumeMounts", "mountPath", "ports", "containerPort", "imagePullSecrets"),
    *("securityContext", "runAsUser", "runAsGroup", "image", "data", "stringData", "annotations"),
)
_VALUES: Any = (
    *("Pod", "List", "Secret", "ConfigMap", "x-a-b", "s-a-b", "sound", "i-a-b", "tmp", "home-a"),
    *("log", "STUN_SERVER", "TURN_SERVER", "PULSEAUDIO_COOKIE", "POD_IP", "", "alice", "a b", MARK),
    *(
        "turn://a:b@c:1",
        "auth-localaccount-a",
        4714,
        4096,
        0,
        -1,
        1.5,
        1e300,
        None,
        True,
        "~",
        "<<",
    ),
    *("2001-01-01", "1:30", "0x1", "0644", "null", "yes", " a", "a\nb", "\x85", "\u2028", "'", "#"),
)
FRAGMENTS = (
    *(f"{key}:" for key in _KEYS),
    *(f"- name: {value}" for value in _VALUES if isinstance(value, str) and value.strip()),
    *(f'"{key}": ' for key in _KEYS[:12]),
    *("---", "...", "{}", "[]", "{", "}", "[", "]", "- ", "&a ", "*a", "<<: *a", "!!binary ", "!x"),
    *(
        "!!python/object/apply:os.getpid []",
        "|",
        ">-",
        "|+2",
        "'",
        '"',
        "? ",
        ": ",
        "# ",
        "%YAML 1.1",
    ),
    *("~", ".inf", ".nan", "1e999", "0o7", "1_0", "0b1", "=", "\t", "\x00", "\ufeff", "\\u0000"),
    *(
        "&a [*a]",
        "&a [&b [*b,*b],*b]",
        "9" * 401,
        "\ud800",
        "Infinity",
        "NaN",
        "!!float 1_",
        "&a &a",
    ),
)
DICTIONARY = FRAGMENTS


def check(data: bytes) -> None:
    """Fail if a manifest changes in place or with a second injection, or shows the secret."""
    with mock.patch.object(yamlfiles, "MAX_ALIASED", MAX_ALIASED):
        _check(data)


def _check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        manifests = parse_manifests(text, FILE)
    except ManifestError as error:
        assert_placed(error.problems, FILE, _count_lines(text))
        assert_silent(everything_about(error), MARK)
        return
    dice = zlib.crc32(data)  # slow checks run for some inputs, always the same ones
    _check_round_trip(manifests)
    for document in manifests.documents:
        if isinstance(document, dict):
            _check_pod(document)
            if dice % 32 == 0:
                _check_schema(document)
    _check_command(manifests, by_secret=dice % 2 == 0)


def _count_lines(text: str) -> int:
    for line_break in ("\r\n", "\r", "\x85", "\u2028", "\u2029"):
        text = text.replace(line_break, "\n")
    return text.count("\n") + 1


def _check_round_trip(manifests: Manifests) -> None:
    printed = manifests.text(manifests.documents)
    again = parse_manifests(printed, FILE).documents
    assert repr(again) == repr(manifests.documents), "printed and parsed again, it differs"


# the library


def _check_pod(document: Dict[str, Any]) -> None:
    before = repr(document)
    for config in CONFIGS:
        for turn_secret in (False, True):
            options: Dict[str, Any] = {"labels": ["staff"], "turn_secret": turn_secret}
            prepared = _prepared(document, config, **options)
            assert repr(document) == before, "the input was changed"
            if prepared is None:
                continue
            again = _prepared(prepared.pod, config, **options)
            assert again is not None
            assert repr(again.pod) == repr(prepared.pod), "done twice, it differs"
            assert repr(again.secret) == repr(prepared.secret)
            assert_silent(repr((prepared.pod, prepared.secret)), STATIC)
            assert_silent(repr(prepared.notes), MARK, STATIC)
            _check_shape(prepared.pod, config)
            _check_turn(prepared, turn_secret)


def _prepared(pod: Any, config: WebRTCConfig, **options: Any) -> Any:
    try:
        return prepare_pod(pod, config, "alice", NOW, **options)
    except ManifestError as error:
        assert_silent(everything_about(error), STATIC)
    return None


def _check_shape(pod: Dict[str, Any], config: WebRTCConfig) -> None:
    containers = pod["spec"].get("containers") or []
    assert all(isinstance(container["name"], str) for container in containers)
    if config.sound:
        image = config.sound.image(["staff"])
        both = [*containers, *(pod["spec"].get("initContainers") or [])]
        sound = [one for one in both if one.get("image") == image and "volumeMounts" in one]
        assert sound, "there is no sound container"
        names = [mount["name"] for mount in sound[0]["volumeMounts"] if mount is not None]
        assert all(isinstance(name, str) for name in names)
    for container in containers:
        stun = [item for item in container.get("env") or () if item["name"] == "STUN_SERVER"]
        for last in stun[-1:]:  # the last one counts
            assert last.get("value") or last.get("valueFrom"), "an empty variable"
        assert len(stun) <= 1 or not config.desktop.stun_server


def _check_turn(prepared: Any, by_secret: bool) -> None:
    if not by_secret:
        assert prepared.secret is None
    elif prepared.secret is not None:
        value = prepared.secret["stringData"]["TURN_SERVER"]
        assert value.startswith("turn://")
        name = prepared.secret["metadata"]["name"]
        assert f"'secretKeyRef': {{'name': {name!r}, 'key': 'TURN_SERVER'}}" in repr(prepared.pod)


def _check_schema(document: Dict[str, Any]) -> None:
    """Fail if the Kubernetes API accepts a pod, but not after the injection."""
    if not _is_valid(document):
        return
    for config in CONFIGS:
        prepared = _prepared(document, config, labels=["staff"])
        if prepared:
            assert _is_valid(prepared.pod), "the API took it before, and does not now"
            assert prepared.secret is None or _is_valid(prepared.secret)


def _is_valid(pod: Dict[str, Any]) -> bool:
    """Return whether the Kubernetes API accepts a pod, by the newest installed schema."""
    import kubernetes_validate

    try:
        data = json.loads(json.dumps(pod))
        kubernetes_validate.validate(data, kubernetes_validate.latest_version(), strict=True)
    except Exception:  # it raises more than its own errors if this is not a manifest
        return False
    return True


# the command


def _check_command(manifests: Manifests, by_secret: bool) -> None:
    before = copy.deepcopy(manifests.documents)
    after = _injected(manifests.documents, by_secret, _WITH_TURN)
    assert repr(manifests.documents) == repr(before), "the input was changed"
    if after is None:
        return
    printed = manifests.text(after)
    assert_silent(printed, STATIC)
    assert repr(parse_manifests(printed, FILE).documents) == repr(after)
    once = _injected(manifests.documents, False, _WITHOUT)
    assert once is not None
    assert repr(_injected(once, False, _WITHOUT)) == repr(once), "done twice, it differs"
    difference = "\n".join(masked_diff(before, after, manifests.text))
    assert_silent(difference, STATIC, *_passwords(after))


def _injected(documents: List[Any], by_secret: bool, config: WebRTCConfig) -> Optional[List[Any]]:
    options = argparse.Namespace(
        od_config="od.config", user=None, labels=[], containers=None, secret=by_secret
    )
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        try:
            result = inject_all(documents, config, options, FILE)
        except (ManifestError, CredentialError) as error:
            assert_silent(everything_about(error), STATIC)
            return None
    assert_silent(told.getvalue(), STATIC, *_passwords(result))
    return result


def _passwords(documents: List[Any]) -> List[str]:
    """Return the passwords in generated TURN_SERVERs, such as ``b`` in ``turn://a:b@c``."""
    found = []
    for text in _texts(documents):
        scheme, sign, rest = text.partition("://")
        login, at, host = rest.partition("@")
        if scheme == "turn" and sign and at and host == "turn.example.org:3478":
            password = login.partition(":")[2]
            found += [password] if len(password) == len(quote(password)) >= 20 else []
    return found


def _texts(value: Any) -> List[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


_WITH_TURN = CONFIGS[1]
_WITHOUT = WebRTCConfig.from_mapping({**_PSEUDONYMS, "webrtc.desktop": {}}, {}, NOW)
"""It does not depend on the clock, which the command reads."""


# mutations


def mutate(data: bytes, random: Random) -> bytes:
    """Change a line, or the tree that the text describes."""
    if random.random() < 0.5:
        return splice(data, random, FRAGMENTS)
    try:
        manifests = parse_manifests(data.decode("utf-8"), FILE)
    except (ManifestError, UnicodeDecodeError):
        return generate(random)
    documents = copy.deepcopy(manifests.documents)
    places = list(_places(documents))
    if places:
        holder, key = random.choice(places)
        _change(holder, key, random)
    form = random.choice((manifests, Manifests([]), Manifests([], True)))
    return encoded(form.text(documents))


def _places(value: Any) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _change(holder: Any, key: Any, random: Random) -> None:
    choice = random.randrange(5)
    if choice == 0:
        del holder[key]
    elif choice == 1:
        holder[key] = random.choice(_VALUES)
    elif choice == 2:
        holder[key] = _tree(random, 3)
    elif isinstance(holder, dict):
        holder[random.choice(_KEYS)] = copy.deepcopy(holder[key])
    else:
        holder += copy.deepcopy([holder[key]] * random.choice((1, 1, 3)))


def generate(random: Random) -> bytes:
    """Return a pod with some fields of random shape."""
    named = [{"name": random.choice(("x-a-b", "s-a-b", "c")), "env": _tree(random, 2)}]
    spec: Dict[str, Any] = {"containers": random.choice((named, _tree(random, 3)))}
    for key in random.sample(_KEYS, random.randrange(3)):
        spec[key] = _tree(random, 3)
    metadata = {"name": "desktop", "labels": {"access_userid": random.choice(_VALUES)}}
    pod = {"kind": "Pod", "metadata": metadata, "spec": spec}
    return encoded(Manifests([], random.random() < 0.3).text([pod]))


def _tree(random: Random, depth: int) -> Any:
    choice = random.randrange(4) if depth else 0
    if choice == 0:
        return random.choice(_VALUES)
    if choice == 1:
        return [_tree(random, depth - 1) for _ in range(random.randrange(3))]
    if choice == 2:
        return [{"name": random.choice(_VALUES), "value": _tree(random, depth - 1)}]
    return {random.choice(_KEYS): _tree(random, depth - 1) for _ in range(random.randrange(3))}
