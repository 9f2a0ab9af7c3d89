"""What is wrong or unwise in the `sound` entry of desktop.pod."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.config.problems import Where
from abcwebrtc.config.release import check_release
from abcwebrtc.config.sound import KEYS, parse_sound
from abcwebrtc.odconfig.reader import parse_od_config
from unit.config.test_sound import DOCUMENT, ENTRY, SECRET, read, read_mapping

AT = "desktop.pod.sound."
WRONG: List[Tuple[Dict[str, Any], str]] = [
    ({"enable": "True"}, "enable: must be True or False without quotes, not text"),
    ({"image": ...}, "image: is missing; write one such as 'abcdesktopio/oc.pulseaudio:3.2'"),
    ({"image": {"a": "b"}}, "image: has no 'default', for users without a label of their own"),
    ({"image": {"default": "a", 5: "b"}}, "image: has a whole number as the name of a label"),
    (
        {"image": {"default": "a", "class7": "A"}},
        "image: number 2 of 2 is not an image's name such",
    ),
    ({"acl": ["all"]}, "acl: must be a dict such as { 'permit': [ 'all' ] }, not a list"),
    ({"acl": {"permit": "all"}}, "acl.permit: must be a list of label names, such as [ 'all'"),
    (
        {"acl": {"permit": ["all"], "deny": [1]}},
        "acl.deny: must be a list of label names, such",
    ),
    ({"pullpolicy": "always"}, "pullpolicy: must be 'IfNotPresent' or 'Always' or 'Never'"),
    ({"imagePullPolicy": ["Never"]}, "imagePullPolicy: must be 'IfNotPresent' or 'Always' or 'Ne"),
    (
        {"imagePullPolicy": "Never", "pullpolicy": "Always"},
        "pullpolicy: differs from 'imagePullPolicy', which means the same; keep one",
    ),
    ({"tcpport": "4714"}, "tcpport: must be a port from 1 to 65535 without quotes, such as 4714"),
    ({"tcpport": 0}, "tcpport: must be a port from 1 to 65535, such as 4714"),
    ({"tcpport": 4714.0}, "tcpport: must be a port from 1 to 65535, such as 4714"),
    ({"imagePullSecrets": "a"}, "imagePullSecrets: must be a list such as [ { 'name': "),
    ({"imagePullSecrets": ["a"]}, "imagePullSecrets[0]: is not the name of a Secret; write [ {"),
    ({"imagePullSecrets": [{"name": "A"}]}, "imagePullSecrets[0]: is not the name of a Secret"),
    ({"resources": "2Gi"}, "resources: must be a dict such as { 'limits': { 'memory': '256Mi' } }"),
    ({"resources": {"limits": "2Gi"}}, "resources.limits: must be a dict such as { 'memory': "),
    (
        {"resources": {"limits": {"memory": "2GB"}}},
        "resources.limits.memory: ends in 'GB', which is not a unit",
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
        {"resources": {"limits": {"cpus": "1"}}},
        "resources.limits.cpus: no such key; did you mean 'cpu'?",
    ),
    ({"resources": {"limits": {5: "1"}}}, "resources.limits.a whole number: no such key; "),
    ({"securityContext": []}, "securityContext: must be a dict, not a list"),
    (
        {"securityContext": {"runAsUser": "1000"}},
        "securityContext.runAsUser: must be a whole number without quotes, or '{{ uidNumber }}'",
    ),
    ({"securityContext": {"runAsGroup": -1}}, "securityContext.runAsGroup: must be a whole number"),
    (
        {"securityContext": {"runAsUser": 2**31}},
        "securityContext.runAsUser: must be a whole number",
    ),
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
        {"securityContext": {"seccompProfile": "x"}},
        "securityContext.seccompProfile: must be a dict, not text",
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
        (
            {"desktop.pod": []},
            "desktop.pod: must be a dict, not a list: pyos can't make a pod of it",
        ),
        ({"desktop.pod": {"sound": "x"}}, "desktop.pod.sound: is text, so pyos gives desktops no"),
        ({"desktop.pod": {"sound": True}}, "desktop.pod.sound: is a bool, so pyos gives desktops"),
    ],
)
def test_an_entry_that_pyos_passes_over_is_a_warning(mapping: Any, message: str) -> None:
    found, errors, (warning,) = read_mapping(mapping)
    assert (found, errors) == (None, [])
    assert str(warning).startswith(message)


MISSPELT = [
    ({"enabel": True}, "enabel", "enable"),
    ({"tcp_port": 4714}, "tcp_port", "tcpport"),
    ({"volume": ["tmp"]}, "volume", "volumes"),
    ({"acl": {"permits": [], "permit": ["a"]}}, "acl.permits", "permit"),
    ({"securityContext": {"runAsUsers": 1}}, "securityContext.runAsUsers", "runAsUser"),
    (
        {"securityContext": {"seLinuxOptions": {"levels": "s0"}}},
        "securityContext.seLinuxOptions.levels",
        "level",
    ),
]


@pytest.mark.parametrize(("changes", "path", "right"), MISSPELT, ids=[m[1] for m in MISSPELT])
def test_a_misspelling_is_a_warning(changes: Any, path: str, right: str) -> None:
    found, errors, (warning,) = read(**changes)
    assert found is not None
    assert errors == []
    assert str(warning) == f"{AT}{path}: is ignored; did you mean '{right}'?"


@pytest.mark.parametrize("key", ["healtzbin", "env", "volumeMounts", "name", "tag", 5])
def test_a_key_of_pyos_is_nobody_elses_business(key: Any) -> None:
    value = ["a"]
    found, errors, warnings = read(**{"acl": {"permit": ["all"], key: value}})
    assert found is not None
    assert (errors, warnings) == ([], [])
    entry = {**ENTRY, key: value, "resources": {key: value}, "securityContext": {key: value}}
    _, errors, warnings = read_mapping({"desktop.pod": {"sound": entry, key: value}})
    assert (errors, warnings) == ([], [])


@pytest.mark.parametrize("key", [*KEYS[1:3], *KEYS[4:]])
def test_none_is_as_good_as_nothing(key: str) -> None:
    found, errors, _ = read(**{key: None})
    assert found is not None
    assert errors == []


def test_none_inside_is_as_good_as_nothing() -> None:
    found, errors, warnings = read(
        acl={"permit": ["all"]},
        resources={"limits": None, "requests": {"cpu": "1"}},
        securityContext={"runAsUser": None, "capabilities": {"add": None, "drop": ["ALL"]}},
    )
    assert found is not None
    assert (errors, warnings) == ([], [])
    assert found.resources == {"requests": {"cpu": "1"}}
    assert found.security_context == {"capabilities": {"drop": ("ALL",)}}


@pytest.mark.parametrize("value", [None, (), ("all",)], ids=str)
@pytest.mark.parametrize("key", ["permit", "deny"])
def test_pyos_permits_nobody_unless_both_are_lists(key: str, value: Any) -> None:
    found, errors, warnings = read(acl={"permit": ["all"], key: value})
    assert found is not None
    assert errors == []
    words = "is not a list, so pyos gives it to nobody; write a list, or remove it"
    assert str(warnings[0]) == f"{AT}acl.{key}: {words}"


def test_what_kubernetes_has_on_no_container_is_left_out_of_it() -> None:
    context = {"runAsUser": 0, "supplementalGroups": [1], "fsGroup": 2, "seLinuxOptions": {"a": 1}}
    found, errors, warnings = read(securityContext=context, resources={"claims": [], "limits": {}})
    assert found is not None
    assert (errors, warnings) == ([], [])
    assert found.security_context == {"runAsUser": 0, "seLinuxOptions": {}}
    assert found.resources == {"limits": {}}


@pytest.mark.parametrize(
    ("volumes", "read_as"),
    [(..., None), (None, None), ([], ()), (["tmp", "home", "log"], ("tmp", "home", "log"))],
    ids=str,
)
def test_volumes_are_names(volumes: Any, read_as: Any) -> None:
    found, errors, warnings = read(volumes=volumes)
    assert found is not None
    assert (found.volumes, errors, warnings) == (read_as, [], [])


@pytest.mark.parametrize("volumes", ["tmp", [1], {"tmp": "/tmp"}], ids=str)
def test_volumes_of_another_kind_are_ignored(volumes: Any) -> None:
    found, errors, (warning,) = read(volumes=volumes)
    assert found is not None
    assert (found.volumes, errors) == (None, [])
    assert str(warning).startswith(f"{AT}volumes: is ignored: it is not a list of volume names")


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


OF_ANY = [one for one in WRONG if "enable" not in one[0] and one[0] != {"image": ...}]
"""Also of an entry that is off."""


@pytest.mark.parametrize(("changes", "start"), OF_ANY, ids=[start[:40] for _, start in OF_ANY])
def test_a_fault_in_an_entry_that_is_off_is_a_warning(changes: Any, start: str) -> None:
    for enable in (False, None, ...):
        found, errors, (warning,) = read(**changes, enable=enable)
        assert found is not None
        assert (found.enable, errors) == (False, [])
        assert str(warning).startswith(AT + start)
        assert warning.level == "warning"


@pytest.mark.parametrize("enable", [0, "False", "", "no"])
def test_what_looks_as_if_it_were_off_is_an_error(enable: Any) -> None:
    _, (error,), _ = read(enable=enable)
    assert error.startswith(f"{AT}enable: must be True or False without quotes, not ")


@pytest.mark.parametrize(
    ("secrets", "names"), [({"name": "a"}, ("a",)), ({}, ()), ([], ()), ((), ()), ("", ())], ids=str
)
def test_a_pull_secret_may_stand_alone_and_none_be_written_in_any_way(
    secrets: Any, names: Tuple[str, ...]
) -> None:
    found, errors, _ = read(imagePullSecrets=secrets)
    assert found is not None
    assert (found.pull_secrets, errors) == (names, [])


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


@pytest.mark.parametrize("pod", [{"graphical": {}}, {"sound": None}, {"Sound": {}}])
def test_a_desktop_pod_without_sound_is_a_warning(pod: Any) -> None:
    _, errors, warnings = read_mapping({**STUN, "webrtc.enable": True, "desktop.pod": pod})
    assert errors == []
    (warning,) = warnings
    assert str(warning).startswith("desktop.pod.sound: is missing, so pyos gives desktops no sound")
    assert read_mapping({**STUN, "webrtc.enable": False, "desktop.pod": pod}) == (None, [], [])


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
@given(st.dictionaries(st.sampled_from([*KEYS, "command"]) | st.text(max_size=3), JSON, max_size=3))
def test_any_value_is_taken_or_refused_without_being_quoted(entry: Any) -> None:
    found, errors, warnings = read_mapping({"desktop.pod": {"sound": {**ENTRY, **entry}}})
    assert (found is None) is bool(errors)
    for text in [*errors, *map(str, warnings)]:
        assert text.startswith("desktop.pod.sound")
        assert SECRET not in text
    if found and found.enable:
        assert found.image([])
        found.is_for([])


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"image": {"default": "a", "gR7vQ2\x1bnLs9Tz": "A B"}}, "image"),
        ({"image": {"default": "a", "gR7vQ2nLs9Tz": "A B"}}, "image"),
        ({"image": {"default": "a", "gR7vQ2nLs9Tz": "oc.pulseaudio:3.4"}}, "image"),
        ({"resources": {"limits": {"gR7vQ2\x1bnLs9Tz": "x"}}}, "resources.limits"),
        ({"resources": {"limits": {"gR7vQ2nLs9Tz": "x"}}}, "resources.limits"),
        ({"resources": {"limits": {"cpu\x1b": "x"}}}, "resources.limits"),
        ({"securityContext": {"privileged\x1b": True}}, "securityContext"),
        ({"im\x1bage": "a"}, ""),
    ],
)
def test_a_key_that_may_be_anything_is_not_shown(entry: Dict[str, Any], path: str) -> None:
    _, found = parse_sound({"desktop.pod": {"sound": {**ENTRY, **entry}}}, Where({}))
    found += check_release({"desktop.pod": {"sound": {**ENTRY, **entry}}}, Where({}))
    place = ".".join(filter(None, ("desktop.pod.sound", path)))
    assert place in [problem.path for problem in found]
    assert not any("gR7" in repr(one) or "\\x1b" in repr(one) for one in found)
