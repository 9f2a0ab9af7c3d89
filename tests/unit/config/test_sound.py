"""The sound entry of desktop.pod: its values, and who gets sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest

from abcwebrtc import ConfigError, WebRTCConfig
from abcwebrtc.config.acl import Acl
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.sound import SoundSettings
from abcwebrtc.errors import Problem
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config
from conftest import REFERENCES, ROOT

OWN = ROOT / "tests" / "data" / "od.config"

SECRET = "Zq7xW9vK"
IMAGE = "registry.example.org/pulseaudio:1"
ENTRY: Dict[str, Any] = {"image": IMAGE, "enable": True, "acl": {"permit": ["all"]}}


def read(**changes: Any) -> Tuple[Optional[SoundSettings], List[str], List[Problem]]:
    """Return settings, errors as text, and warnings; a change to ... removes a key."""
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not ...}
    return read_mapping({"desktop.pod": {"sound": entry}})


def read_mapping(mapping: Any) -> Tuple[Optional[SoundSettings], List[str], List[Problem]]:
    try:
        config = WebRTCConfig.from_mapping(mapping)
    except ConfigError as error:
        return None, [str(problem) for problem in error.problems], list(error.warnings)
    return config.sound, [], list(config.warnings)


def settings_of(**changes: Any) -> SoundSettings:
    found, errors, _ = read(**changes)
    assert errors == []
    assert found is not None
    return found


# what is right


@pytest.mark.parametrize(
    "mapping", [{}, {"desktop.pod": None}, {"desktop.pod": {}}, {"desktop.pod": {"sound": None}}]
)
def test_without_an_entry_there_is_no_sound(mapping: Any) -> None:
    assert read_mapping(mapping) == (None, [], [])


def test_an_entry_has_defaults() -> None:
    found = settings_of()
    assert found == SoundSettings(True, Acl(("all",)), {"default": IMAGE})
    assert found.pull_policy == "IfNotPresent"
    assert settings_of(enable=..., image=..., acl=...) == SoundSettings()


def test_every_key_has_its_place() -> None:
    found = settings_of(
        acl={"permit": ("staff",), "deny": ["guests"]},
        image={"default": IMAGE, "staff": "a/b"},
        imagePullPolicy="Always",
        tcpport=4714,
        resources={"limits": {"cpu": 2, "memory": "1Gi", "hugepages-2Mi": "4Mi"}, "requests": {}},
        securityContext={"runAsUser": "{{ uidNumber }}", "capabilities": {"drop": ["ALL"]}},
        imagePullSecrets=[{"name": "one"}, {"name": "two.x"}],
    )
    assert (found.acl.permit, found.acl.deny) == (("staff",), ("guests",))
    assert found.images == {"default": IMAGE, "staff": "a/b"}
    assert (found.pull_policy, found.tcp_port) == ("Always", 4714)
    limits = {"cpu": "2", "memory": "1Gi", "hugepages-2Mi": "4Mi"}
    assert thaw(found.resources) == {"limits": limits, "requests": {}}
    assert thaw(found.security_context)["capabilities"] == {"drop": ["ALL"]}
    assert found.pull_secrets == ("one", "two.x")


DOCUMENT = """
[global]
desktop.pod : { 'sound': {
    'image': 'abcdesktopio/oc.pulseaudio:3.2',
    'pullpolicy': 'IfNotPresent',
    'enable': True,
    'tcpport': 4714,
    'acl':  { 'permit': [ 'all' ] },
    'resources': {
        'requests': { 'memory': "8Mi", 'cpu': "50m"  },
        'limits'  : { 'memory': "2Gi", 'cpu': "2000m" }
    } } }
"""


def test_the_entry_of_the_document_works_as_it_stands() -> None:
    found, errors, warnings = read_mapping(parse_od_config(DOCUMENT))
    assert (errors, warnings) == ([], [])
    assert found is not None
    assert found.is_for([])
    assert found.image([]) == "abcdesktopio/oc.pulseaudio:3.2"
    assert (found.pull_policy, found.tcp_port) == ("IfNotPresent", 4714)
    assert thaw(found.resources)["requests"] == {"memory": "8Mi", "cpu": "50m"}


@pytest.mark.parametrize("path", [OWN, *REFERENCES], ids=lambda p: p.name)
def test_the_entries_of_whole_files_are_right(path: Path) -> None:
    mapping = {"desktop.pod": load_od_config(path)["desktop.pod"]}
    found, errors, warnings = read_mapping(mapping)
    assert errors == []
    assert found is not None
    assert found.images["default"]
    assert all("has no effect" in warning.message for warning in warnings)


def test_every_field_of_a_security_context_may_be_given() -> None:
    profile = {"type": "Localhost", "localhostProfile": "a"}
    context: Dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "appArmorProfile": profile,
        "capabilities": {"add": [], "drop": ["ALL"]},
        "privileged": False,
        "procMount": "Default",
        "readOnlyRootFilesystem": True,
        "runAsGroup": "{{gidNumber}}",
        "runAsNonRoot": True,
        "runAsUser": 2**31 - 1,
        "seLinuxOptions": {"level": "l", "role": "r", "type": "t", "user": "u"},
        "seccompProfile": profile,
    }
    assert thaw(settings_of(securityContext=context).security_context) == context


def test_settings_can_not_be_changed() -> None:
    given_entry = {**ENTRY, "image": {"default": IMAGE}, "resources": {"limits": {"cpu": "1"}}}
    found, _, _ = read_mapping({"desktop.pod": {"sound": given_entry}})
    given_entry["image"]["default"] = "spoilt"
    given_entry["resources"]["limits"]["cpu"] = "9"
    assert found is not None
    assert found.image([]) == IMAGE
    assert thaw(found.resources) == {"limits": {"cpu": "1"}}
    with pytest.raises(TypeError):
        found.images["default"] = "x"  # type: ignore[index]


# who gets sound


@pytest.mark.parametrize(
    ("acl", "labels", "expected"),
    [
        (..., [], False),
        (..., ["all"], False),
        ({}, ["a"], False),
        ({"permit": []}, ["a"], False),
        ({"permit": ["all"]}, [], True),
        ({"permit": ["all"]}, ["a"], True),
        ({"permit": ["a"]}, [], False),
        ({"permit": ["a"]}, ["b"], False),
        ({"permit": ["a", "c"]}, ["b", "c"], True),
        ({"permit": ["A"]}, ["a"], False),
        ({"deny": ["a"]}, ["b"], False),
        ({"permit": ["all"], "deny": ["a"]}, ["a", "b"], False),
        ({"permit": ["all"], "deny": ["a"]}, ["b"], True),
        ({"permit": ["a"], "deny": ["a"]}, ["a"], False),
        ({"permit": ["a"], "deny": ["all"]}, ["a"], False),
    ],
    ids=str,
)
@pytest.mark.parametrize("enable", [True, False])
def test_who_gets_sound(acl: Any, labels: List[str], expected: bool, enable: bool) -> None:
    assert settings_of(acl=acl, enable=enable).is_for(labels) is (expected and enable)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([], "d"), (["z"], "d"), (["a"], "1"), (["z", "b"], "2"), (["b", "a"], "2")],
)
def test_the_image_is_that_of_the_first_label_that_has_one(
    labels: List[str], expected: str
) -> None:
    assert settings_of(image={"default": "d", "a": "1", "b": "2"}).image(labels) == expected


IMAGES = [
    *["a", "a/b", "a/b/c", "a:1", "a:V1.2_x-y", "example.org/a", "example.org:5000/a/b:1"],
    *["localhost/a", "localhost:5000/a", "myhost:5000/a", "[2001:db8::1]:5000/a", "10.0.0.1/a"],
    *["a@sha256:" + "0" * 64, "example.org/a:1@sha256:" + "f" * 64, "a__b/c--d.e", "Example.ORG/a"],
]
BAD_IMAGES = [
    *["", " ", "A", "a/B", "a b", " a", "a ", "a\n", "a:", "a:-1", "a:1:2", "/a", "a/", "a//b"],
    *["a___b", "a..b", "_a", "a_", "a@", "a@sha256:123", "https://example.org/a", "a:" + "x" * 129],
    *["{{ image }}", "a\u00e9", "a" * 513, "example.org:port/a", "docker.io/", "$IMAGE"],
]


@pytest.mark.parametrize("image", IMAGES)
def test_images_that_a_kubelet_takes(image: str) -> None:
    assert settings_of(image=image).image([]) == image


@pytest.mark.parametrize(
    "image", [*BAD_IMAGES, None, 5, True, b"a", ["a"]], ids=lambda i: repr(i)[:30]
)
def test_images_that_it_does_not(image: Any) -> None:
    _, errors, _ = read(image=image)
    (error,) = errors
    assert error.startswith("desktop.pod.sound.image: is ")
    assert "'registry.domain.local/oc.pulseaudio:3.2'" in error or "'abcdesktopio/oc.p" in error
    if image is not None:
        (error,) = read(image={"default": "a", "x": image})[1]
        assert error.startswith("desktop.pod.sound.image.x: is not an image's name such as ")
