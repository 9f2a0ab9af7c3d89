"""The sound entry of desktop.pod: its values, and a message for each fault."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import ConfigError, WebRTCConfig
from abcwebrtc.errors import Problem
from abcwebrtc.odconfig import load_od_config, parse_od_config
from abcwebrtc.plain import thaw
from abcwebrtc.sound import KEYS, UNUSED_KEYS, SoundSettings
from conftest import REFERENCES, require_reference

HERE = Path(__file__).resolve()
OWN = HERE.with_name("data") / "od.config"

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
    assert found == SoundSettings(True, ("all",), (), {"default": IMAGE})
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
    assert (found.permit, found.deny) == (("staff",), ("guests",))
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
    mapping = {"desktop.pod": load_od_config(require_reference(path))["desktop.pod"]}
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


# what is wrong

AT = "desktop.pod.sound."
DIGITS = "1" * 31
WRONG: List[Tuple[Dict[str, Any], str]] = [
    ({"imagePullPolice": "Always"}, "imagePullPolice: no such key; did you mean 'imagePullPolicy'"),
    ({"zzz": 1}, "zzz: no such key; the keys are image, imagePullPolicy"),
    ({"enable": "True"}, "enable: must be True or False without quotes, not text"),
    ({"enable": 1}, "enable: must be True or False without quotes, not a whole number"),
    ({"image": ...}, "image: is missing; write one such as 'abcdesktopio/oc.pulseaudio:3.2'"),
    ({"image": {"a": "b"}}, "image: has no 'default', for users without a label of their own"),
    ({"image": {"default": "a", 5: "b"}}, "image: has a whole number as the name of a label"),
    ({"acl": ["all"]}, "acl: must be a dict such as { 'permit': [ 'all' ] }, not a list"),
    ({"acl": {"permits": [], "permit": ["a"]}}, "acl.permits: no such key; did you mean 'permit'"),
    ({"acl": {"permit": "all"}}, "acl.permit: must be a list of names of labels, such as [ 'all'"),
    (
        {"acl": {"permit": ["all"], "deny": [1]}},
        "acl.deny: must be a list of names of labels, such",
    ),
    ({"pullpolicy": "always"}, "pullpolicy: must be 'IfNotPresent' or 'Always' or 'Never'"),
    ({"imagePullPolicy": ["Never"]}, "imagePullPolicy: must be 'IfNotPresent' or 'Always' or 'Ne"),
    (
        {"imagePullPolicy": "Never", "pullpolicy": "Always"},
        "pullpolicy: differs from 'imagePullPolicy', which means the same; keep one",
    ),
    ({"tcpport": "4714"}, "tcpport: must be a port from 1 to 65535 without quotes, such as 4714"),
    ({"tcpport": 0}, "tcpport: must be a port from 1 to 65535, such as 4714"),
    ({"tcpport": 65536}, "tcpport: must be a port from 1 to 65535, such as 4714"),
    ({"tcpport": True}, "tcpport: must be a port from 1 to 65535, such as 4714"),
    ({"tcpport": 4714.0}, "tcpport: must be a port from 1 to 65535, such as 4714"),
    ({"imagePullSecrets": "a"}, "imagePullSecrets: must be a list such as [ { 'name': "),
    ({"imagePullSecrets": ["a"]}, "imagePullSecrets[0]: is not the name of a Secret; write [ {"),
    ({"imagePullSecrets": [{"name": "A"}]}, "imagePullSecrets[0]: is not the name of a Secret"),
    ({"imagePullSecrets": [{"name": "a", "x": 1}]}, "imagePullSecrets[0]: is not the name of"),
    ({"imagePullSecrets": [{"name": "a" * 254}]}, "imagePullSecrets[0]: is not the name of a"),
    ({"resources": "2Gi"}, "resources: must be a dict such as { 'limits': { 'memory': '256Mi' } }"),
    ({"resources": {"limit": {}}}, "resources.limit: no such key; did you mean 'limits'?"),
    ({"resources": {"limits": "2Gi"}}, "resources.limits: must be a dict such as { 'memory': "),
    (
        {"resources": {"limits": {"memory": "2GB"}}},
        "resources.limits.memory: ends in 'GB', no unit",
    ),
    (
        {"resources": {"limits": {"memory": "2"}, "requests": {"memory": "1Ki"}}},
        "resources.requests.memory: is more than the limit, which Kubernetes refuses",
    ),
    (
        {"resources": {"limits": {"memory": "500m"}}},
        "resources.limits.memory: ends in 'm', thousandths of a byte; write 'M' or 'Mi'",
    ),
    (
        {"resources": {"limits": {"memory": "half m"}}},
        "resources.limits.memory: is not a Kubernetes quantity",
    ),
    (
        {"resources": {"limits": {"cpus": "1"}}},
        "resources.limits.cpus: no such key; did you mean 'cpu'?",
    ),
    ({"resources": {"limits": {5: "1"}}}, "resources.limits.a whole number: no such key; "),
    ({"resources": {5: {}}}, "resources.a whole number: no such key; the keys are"),
    ({"resources": {"limits": {"cpu": 10**5000}}}, "resources.limits.cpu: is a number that is too"),
    ({"resources": {"limits": {"cpu": -1}}}, "resources.limits.cpu: is below zero"),
    ({"resources": {"limits": {"cpu": True}}}, "resources.limits.cpu: must be a quantity such as"),
    ({"resources": {"limits": {"cpu": DIGITS}}}, "resources.limits.cpu: is not a Kubernetes quan"),
    ({"securityContext": []}, "securityContext: must be a dict, not a list"),
    (
        {"securityContext": {"runAsUsers": 1}},
        "securityContext.runAsUsers: no such key; did you mean 'runAsUser'?",
    ),
    (
        {"securityContext": {"runAsUser": "1000"}},
        "securityContext.runAsUser: must be a whole number without quotes, or '{{ uidNumber }}'",
    ),
    ({"securityContext": {"runAsGroup": -1}}, "securityContext.runAsGroup: must be a whole number"),
    ({"securityContext": {"runAsUser": True}}, "securityContext.runAsUser: must be a whole number"),
    (
        {"securityContext": {"runAsUser": 2**31}},
        "securityContext.runAsUser: must be a whole number",
    ),
    ({"securityContext": {"runAsUser": "{{ uid }}"}}, "securityContext.runAsUser: must be a whole"),
    (
        {"securityContext": {"privileged": "no"}},
        "securityContext.privileged: must be True or False without quotes, not text",
    ),
    (
        {"securityContext": {"procMount": b"x"}},
        "securityContext.procMount: must be text in quotes, not bytes",
    ),
    (
        {"securityContext": {"capabilities": {"add": "ALL"}}},
        "securityContext.capabilities.add: must be a list of texts, such as [ 'ALL' ]",
    ),
    (
        {"securityContext": {"capabilities": {"drop": [1]}}},
        "securityContext.capabilities.drop: must be a list of texts",
    ),
    (
        {"securityContext": {"seccompProfile": "x"}},
        "securityContext.seccompProfile: must be a dict, not text",
    ),
    (
        {"securityContext": {"seLinuxOptions": {1: "x"}}},
        "securityContext.seLinuxOptions.a whole number: no such key; ",
    ),
]


@pytest.mark.parametrize(("changes", "start"), WRONG, ids=[start[:40] for _, start in WRONG])
def test_each_fault_has_one_message_with_its_key_path(changes: Any, start: str) -> None:
    found, errors, _ = read(**changes)
    assert found is None
    (error,) = errors
    assert error.startswith(AT + start)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"desktop.pod": []}, "desktop.pod: must be a dict, not a list"),
        ({"desktop.pod": {"sound": "x"}}, "desktop.pod.sound: must be a dict, not text"),
        ({"desktop.pod": {"sound": True}}, "desktop.pod.sound: must be a dict, not a bool"),
    ],
)
def test_an_entry_that_is_no_dict_is_an_error(mapping: Any, message: str) -> None:
    assert read_mapping(mapping)[1] == [message]


def test_all_faults_are_found_at_once_each_with_its_line() -> None:
    text = DOCUMENT.replace("True", "'yes'").replace("4714", "'4714'").replace('"2Gi"', '"2GB"')
    _, errors, _ = read_mapping(parse_od_config(text, "x.config"))
    assert [re.split(r": ", error)[0:2] for error in errors] == [
        ["x.config:6", "desktop.pod.sound.enable"],
        ["x.config:7", "desktop.pod.sound.tcpport"],
        ["x.config:11", "desktop.pod.sound.resources.limits.memory"],
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"acl": ...}, "acl: is missing, so nobody gets sound; write 'acl': { 'permit': [ 'all' ]"),
        ({"acl": {}}, "acl: permits nobody, so nobody gets sound; write 'permit': [ 'all' ]"),
        ({"acl": {"permit": []}}, "acl: permits nobody, so nobody gets sound; write 'permit': ["),
        *[({key: {}}, f"{key}: has no effect on the sound container") for key in UNUSED_KEYS],
    ],
    ids=str,
)
def test_what_is_unwise_is_a_warning(changes: Any, words: str) -> None:
    found, errors, warnings = read(**changes)
    assert found is not None
    assert errors == []
    (warning,) = warnings
    assert str(warning).startswith(AT + words)
    assert warning.level == "warning"


@pytest.mark.parametrize("acl", [..., {}])
def test_an_entry_that_is_off_needs_neither_acl_nor_image(acl: Any) -> None:
    found, errors, warnings = read(enable=False, acl=acl, image=...)
    assert (errors, warnings) == ([], [])
    assert found is not None


STUN = {"webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:a"}]}}


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("enable", [True, False, ...])
def test_webrtc_without_sound_to_send_is_a_warning(on: bool, enable: Any) -> None:
    entry = {key: value for key, value in {**ENTRY, "enable": enable}.items() if value is not ...}
    _, errors, warnings = read_mapping(
        {**STUN, "webrtc.enable": on, "desktop.pod": {"sound": entry}}
    )
    assert errors == []
    expected = ["desktop.pod.sound.enable"] if on and enable is not True else []
    assert [warning.path for warning in warnings] == expected


def test_webrtc_without_a_desktop_pod_is_no_warning() -> None:
    assert read_mapping({**STUN, "webrtc.enable": True}) == (None, [], [])


INNER_KEYS = """
    default permit deny limits requests cpu memory name runAsUser capabilities add seccompProfile
    type a.b/c
""".split()  # noqa: SIM905
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["all", "a/b:1", "256Mi", "2GB", "-1", "Always", SECRET])
    | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(INNER_KEYS) | st.text(max_size=5) | st.integers(-2, 2) | st.booleans(),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS + UNUSED_KEYS) | st.text(max_size=3), JSON, max_size=3))
def test_any_value_is_taken_or_refused_without_being_quoted(entry: Any) -> None:
    found, errors, warnings = read_mapping({"desktop.pod": {"sound": {**ENTRY, **entry}}})
    assert (found is None) is bool(errors)
    for text in [*errors, *map(str, warnings)]:
        assert text.startswith("desktop.pod.sound")
        assert SECRET not in text
    if found and found.enable:
        assert found.image([])
        found.is_for([])
