"""Pods in, pods out: what inject_webrtc changes, and all that it leaves alone."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import unquote

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import (
    CredentialError,
    ManifestError,
    WebRTCConfig,
    desktop_environment,
    inject_webrtc,
    load_od_config,
    owned_secret,
    prepare_pod,
)
from conftest import SHARED, require_reference
from desktop_pod import SOUND, SOUND_IMAGE, USERID, VERSIONS, assert_valid, desktop_pod
from support import SECRET, spoil

HERE = Path(__file__).resolve().parent
NOW = 1700000000
COTURN = {"coturn_static_auth_secret": SECRET, "url": "turn.example.org", "username": "userid"}
ENTRIES: Dict[str, Any] = {
    "webrtc.enable": True,
    "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:stun.example.org"}]},
    "webrtc.coturn": COTURN,
    "desktop.pod": {"sound": SOUND},
}
STUN = {"name": "STUN_SERVER", "value": "stun://stun.example.org:3478"}
SERVICE = {"name": "ABCDESKTOP_SERVICE_sound", "value": "enabled"}


SECTIONS = ("initContainers", "containers")


def configuration(turn: bool = False, sound: Any = None, **entries: Any) -> WebRTCConfig:
    """Return `ENTRIES`, changed; keys of `sound` change that entry, ... removes one."""
    mapping = {**ENTRIES, **{name.replace("__", "."): entries[name] for name in entries}}
    if turn:
        mapping["webrtc.desktop"] = {"turn": True}
    if sound is not None:
        entry = {**SOUND, **sound}
        entry = {key: value for key, value in entry.items() if value is not ...}
        mapping["desktop.pod"] = {"sound": entry}
    mapping = {name: value for name, value in mapping.items() if value is not ...}
    return WebRTCConfig.from_mapping(mapping, now=NOW)


def inject(pod: Any, config: Optional[WebRTCConfig] = None, **options: Any) -> Any:
    result = inject_webrtc(pod, config or configuration(), "ada", NOW, **options)
    assert_valid(result)
    return result


def containers(pod: Dict[str, Any]) -> List[Dict[str, Any]]:
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


def sound_of(pod: Dict[str, Any]) -> Dict[str, Any]:
    (found,) = (c for c in pod["spec"]["containers"] if c["name"].startswith("s-"))
    return found


def variable(container: Dict[str, Any], name: str) -> Any:
    """Return the variable of this name, which a container must have once; None without."""
    found = [item for item in container.get("env") or [] if item["name"] == name]
    assert len(found) < 2
    return found[0] if found else None


# as pyos makes it

DEVIATIONS: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "the port is declared, so that `kubectl describe` and policies by name can show it": (
        lambda pod: sound_of(pod).pop("ports")
    ),
}
"""What we do and pyos does not, each with its reason; applied to take it away."""


def without_deviations(pod: Dict[str, Any]) -> Dict[str, Any]:
    for remove in DEVIATIONS.values():
        assert remove(pod)
    return pod


def without_sound_container(pod: Dict[str, Any]) -> Dict[str, Any]:
    pod["spec"]["containers"].remove(sound_of(pod))
    return pod


def sound_switched_on(od_config: Path) -> WebRTCConfig:
    mapping = load_od_config(od_config)
    mapping["desktop.pod"]["sound"]["enable"] = True
    return WebRTCConfig.from_mapping(mapping, environ={}, folder=str(od_config.parent))


def test_what_was_taken_out_of_a_pod_of_pyos_comes_back() -> None:
    original = json.loads(require_reference(SHARED / "pyos-3.2-desktop-pod.json").read_text())
    config = sound_switched_on(SHARED / "od.config.3.2")
    result = inject(without_sound_container(copy.deepcopy(original)), config)
    assert without_deviations(result) == original


def test_what_was_taken_out_of_our_own_pod_comes_back() -> None:
    result = inject(without_sound_container(desktop_pod()))
    assert without_deviations(result) == desktop_pod()


def test_a_pod_made_without_sound_gets_all_of_it() -> None:
    result = without_deviations(inject(desktop_pod(sound=False)))
    wanted = json.loads(json.dumps(desktop_pod()))  # in which nothing is shared
    for container in (*containers(result), *containers(wanted)):
        container["env"].sort(key=lambda item: item["name"])
    for container in wanted["spec"]["initContainers"]:
        container["env"].remove(STUN)  # pyos gives it to init containers, which have no use for it
    assert result == wanted


def test_a_pod_with_a_sound_container_is_not_given_a_second() -> None:
    once = inject(desktop_pod(sound=False))
    assert inject(desktop_pod()) == inject(without_sound_container(desktop_pod()))
    assert inject(once) == once
    assert len(once["spec"]["containers"]) == 4


def test_a_sound_container_that_is_a_sidecar_is_kept_as_one() -> None:
    """An init container that is always restarted, as Kubernetes has them since 1.28."""
    pod = desktop_pod()
    sound = {**sound_of(pod), "image": "old:1", "restartPolicy": "Always", "env": []}
    pod["spec"]["containers"].remove(sound_of(pod))
    pod["spec"]["initContainers"].append(sound)
    prepared = prepare_pod(pod, configuration(turn=True, sound={}), "ada", NOW)
    result = prepared.pod["spec"]["initContainers"][-1]
    assert (result["name"], result["image"]) == (sound["name"], SOUND_IMAGE)
    assert variable(result, "STUN_SERVER") == STUN
    assert prepared.secret is not None
    assert variable(result, "TURN_SERVER") is not None
    assert len(prepared.pod["spec"]["containers"]) == 3
    assert prepare_pod(prepared.pod, configuration(turn=True), "ada", NOW) == prepared
    refused = configuration(turn=True, sound={"acl": {"permit": ["staff"]}})
    (note,) = prepare_pod(pod, refused, "ada", NOW).notes
    assert note.path == f"spec.initContainers[{len(pod['spec']['initContainers']) - 1}]"


def test_no_two_containers_have_one_name() -> None:
    """Kubernetes refuses that, for init containers and regular ones together."""
    pod = desktop_pod()
    sound = {**sound_of(pod), "command": ["true"]}
    pod["spec"]["containers"].remove(sound_of(pod))
    pod["spec"]["initContainers"].append(sound)  # not for long, so it is not the sound
    once = inject(pod)
    names = [found["name"] for key in SECTIONS for found in once["spec"][key]]
    assert len(set(names)) == len(names)
    assert f"{sound['name']}-2" in names
    assert inject(once) == once


def test_a_sound_container_is_brought_up_to_date() -> None:
    pod = desktop_pod()
    old = sound_of(pod)
    old.update(image="old:1", imagePullPolicy="Always", args=["--keep"], volumeMounts=[None])
    old["ports"] = [{"containerPort": 22}]
    result = sound_of(inject(pod))
    assert (result["image"], result["imagePullPolicy"]) == (SOUND_IMAGE, "IfNotPresent")
    assert result["args"] == ["--keep"]
    assert result["ports"] == [{"containerPort": 22}, {"containerPort": 4714}]
    assert None not in result["volumeMounts"]
    assert len(result["volumeMounts"]) == 4


# the sound container


def test_volumes_that_the_pod_has_not_are_not_mounted() -> None:
    pod = desktop_pod(sound=False)
    pod["spec"]["volumes"] = [v for v in pod["spec"]["volumes"] if v["name"] in ("tmp", "shm")]
    for container in containers(pod):
        mounts = container["volumeMounts"]
        container["volumeMounts"] = [m for m in mounts if m["name"] in ("tmp", "shm")]
    assert sound_of(inject(pod))["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]


def test_a_mount_is_as_the_desktop_has_it() -> None:
    pod = desktop_pod(sound=False)
    desktop = pod["spec"]["containers"][0]
    desktop["volumeMounts"] = [
        {"name": f"home-{USERID}", "mountPath": "/home/ada", "subPath": "ada", "readOnly": False}
    ]
    mounts = sound_of(inject(pod))["volumeMounts"]
    assert desktop["volumeMounts"][0] in mounts


def test_image_and_resources_are_of_the_entry() -> None:
    sound = {
        "image": {"default": "a:1", "loud": "a:2"},
        "pullpolicy": "Always",
        "imagePullPolicy": ...,
        "resources": {"limits": {"cpu": 2, "memory": "1G"}},
        "imagePullSecrets": [{"name": "registry"}],
    }
    pod = desktop_pod(sound=False)
    pod["spec"]["imagePullSecrets"] = [{"name": "other"}]
    config = configuration(sound=sound)
    result = inject(pod, config, labels=["loud"])
    container = sound_of(result)
    assert container["image"] == "a:2"
    assert sound_of(inject(pod, config))["image"] == "a:1"
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"] == {"limits": {"cpu": "2", "memory": "1G"}}
    assert result["spec"]["imagePullSecrets"] == [{"name": "other"}, {"name": "registry"}]
    assert inject(result, config, labels=["loud"]) == result


def test_pull_secrets_that_upstream_puts_on_the_container_go_to_the_pod() -> None:
    pod = desktop_pod()
    sound_of(pod)["imagePullSecrets"] = [{"name": "registry"}]
    result = inject(pod)
    assert "imagePullSecrets" not in sound_of(result)
    assert result["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def test_the_numbers_of_the_user_are_those_of_the_pod() -> None:
    context = {"runAsUser": "{{ uidNumber }}", "runAsGroup": "{{gidNumber}}", "privileged": False}
    config = configuration(sound={"securityContext": context})
    result = sound_of(inject(desktop_pod(), config))
    assert result["securityContext"] == {"runAsUser": 4096, "runAsGroup": 4097, "privileged": False}


def test_a_number_that_the_pod_has_not_is_an_error() -> None:
    config = configuration(sound={"securityContext": {"runAsUser": "{{ uidNumber }}"}})
    pod = desktop_pod()
    del pod["spec"]["securityContext"]
    with pytest.raises(ManifestError, match=r"^spec\.securityContext\.runAsUser: is missing; "):
        inject(pod, config)


def test_without_a_port_the_label_says_enabled() -> None:
    result = inject(desktop_pod(sound=False), configuration(sound={"tcpport": ...}))
    assert result["metadata"]["labels"]["service_sound"] == "enabled"
    assert "ports" not in sound_of(result)


def test_all_containers_learn_of_the_service() -> None:
    result = inject(desktop_pod(sound=False))
    assert [variable(container, SERVICE["name"]) for container in containers(result)] == [
        SERVICE
    ] * 5


def test_the_cookie_goes_to_the_sound_container() -> None:
    result = inject(desktop_pod(), pulseaudio_cookie="f" * 32)
    cookies = {c["name"][0]: variable(c, "PULSEAUDIO_COOKIE")["value"] for c in containers(result)}
    others = {name: value for name, value in cookies.items() if name != "s"}
    assert cookies["s"] == "f" * 32
    assert set(others.values()) == {"00112233445566778899aabbccddeeff"}


@pytest.mark.parametrize(
    ("metadata", "name", "user", "expected"),
    [
        ({"name": "d1"}, "desktop", "Ada.Löwe@x", "s-ada-l-we-x-d1"),
        ({"name": "d1"}, "desktop", None, "s-d1"),
        (None, "desktop", None, "s-desktop"),
        ({"name": "d" * 200}, "desktop", "a" * 70, "s-" + "a" * 61),
        ({"name": "d1"}, "x-external-ada", "bob", "s-external-ada"),
        ({"name": "d1"}, "x-" + "-" * 30, "bob", None),
    ],
)
def test_the_name_is_a_name_that_kubernetes_takes(
    metadata: Any, name: str, user: Any, expected: Optional[str]
) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    pod["spec"] = {"containers": [{"name": name}]}
    result = inject_webrtc(pod, configuration(), user, NOW)
    made = result["spec"]["containers"][1]["name"]
    assert made == expected or expected is None
    assert re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", made)


def test_it_stands_where_pyos_has_it() -> None:
    names = ["x-ada", "c-ada", "h-ada", "f-ada", "o-ada"]
    pod = {"kind": "Pod", "spec": {"containers": [{"name": name} for name in names]}}
    result = inject_webrtc(pod, configuration(), "ada", NOW)
    made = [container["name"] for container in result["spec"]["containers"]]
    assert made == [*names[:2], "s-ada", *names[2:]]


# who gets sound


NO_NAMES = ["staff", b"staff", 3, True, [3], [None], [["staff"]], object()]


@pytest.mark.parametrize(
    "options",
    [
        *({name: value} for name in ("labels", "containers") for value in NO_NAMES),
        {"labels": None},
    ],
    ids=str,
)
def test_what_is_no_list_of_names_is_a_type_error(options: Any) -> None:
    with pytest.raises(TypeError, match="lists of names"):
        inject_webrtc(desktop_pod(), configuration(), "ada", NOW, **options)


@pytest.mark.parametrize("cookie", [3, b"cookie", ["cookie"], {}], ids=str)
def test_a_cookie_that_is_no_text_is_a_type_error_that_does_not_show_it(cookie: Any) -> None:
    with pytest.raises(TypeError, match=r"^pulseaudio_cookie must be text$"):
        inject_webrtc(desktop_pod(), configuration(), "ada", NOW, pulseaudio_cookie=cookie)


@pytest.mark.parametrize("wrong", [None, ENTRIES, "od.config"], ids=["None", "a dict", "a name"])
def test_what_is_no_configuration_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="config must be a WebRTCConfig"):
        inject_webrtc(desktop_pod(), wrong, "ada", NOW)


@pytest.mark.parametrize(
    ("acl", "labels", "sound"),
    [
        ({"permit": ["all"]}, [], True),
        ({"permit": ["all"], "deny": ["guest"]}, ["guest", "staff"], False),
        ({"permit": ["staff"]}, ["staff"], True),
        ({"permit": ["staff"]}, ["guest"], False),
        ({"permit": ["all"], "deny": ["all"]}, ["staff"], False),
        ({"deny": ["guest"]}, ["staff"], False),
        ({}, ["staff"], False),
        (..., ["staff"], False),
    ],
)
def test_the_acl_is_that_of_pyos(acl: Any, labels: List[str], sound: bool) -> None:
    config = configuration(sound={"acl": acl})
    labels_of_user = dict.fromkeys(labels, "true")  # a dict does as well
    result = inject(desktop_pod(sound=False), config, labels=labels_of_user)
    assert len(result["spec"]["containers"]) == 3 + sound
    assert ("service_sound" in result["metadata"]["labels"]) is sound
    assert (variable(containers(result)[0], SERVICE["name"]) is not None) is sound
    assert variable(containers(result)[0], "STUN_SERVER") == STUN


def test_who_gets_no_sound_gets_no_turn_credential_either() -> None:
    config = configuration(turn=True, sound={"acl": {"permit": ["staff"]}})
    prepared = prepare_pod(desktop_pod(), config, "ada", NOW)
    assert prepared.secret is None
    assert variable(sound_of(prepared.pod), "TURN_SERVER") is None
    (note,) = prepared.notes
    assert str(note).startswith("spec.containers[2]: is left as it is")


def test_without_a_sound_entry_the_pods_own_sound_container_is_served() -> None:
    config = configuration(turn=True, desktop__pod=...)
    result = inject(desktop_pod(), config)
    assert variable(sound_of(result), "TURN_SERVER")
    assert sound_of(result)["image"] == SOUND_IMAGE
    no_sound = inject(desktop_pod(sound=False), config)
    assert len(no_sound["spec"]["containers"]) == 3


# variables


def test_stun_server_goes_to_all_regular_containers() -> None:
    result = inject(desktop_pod(sound=False))
    assert [variable(c, "STUN_SERVER") for c in result["spec"]["containers"]] == [STUN] * 4
    assert variable(result["spec"]["initContainers"][0], "STUN_SERVER") is None


def test_stun_server_goes_to_the_containers_named_and_to_sound() -> None:
    name = f"i-external-{USERID}"
    result = inject(desktop_pod(sound=False), containers=[name])
    having = [c["name"][0] for c in containers(result) if variable(c, "STUN_SERVER")]
    assert having == ["s", "i"]


def test_a_container_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ManifestError, match="spec: has no container nobody; name those"):
        inject(desktop_pod(), containers=["nobody"])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_existing_value_is_replaced_where_it_stands(number: int) -> None:
    pod = desktop_pod()
    pod["spec"]["containers"][0]["env"] = [
        {"name": "A", "value": "1"},
        *[{"name": "STUN_SERVER", "value": f"stun://old:{port}"} for port in range(number)],
        {"name": "B", "value": "2"},
    ]
    env = inject(pod)["spec"]["containers"][0]["env"]
    assert [item["name"] for item in env[:3]] == ["A", "STUN_SERVER", "B"]
    assert env[1] == STUN


def from_secret(name: str) -> Dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "mine", "key": "it"}}}


@pytest.mark.parametrize("name", ["STUN_SERVER", "TURN_SERVER"])
def test_a_value_from_elsewhere_is_left_and_reported(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    pod = desktop_pod(sound=False)
    pod["spec"]["containers"][0]["env"] = [from_secret(name)]
    config = configuration(turn=True)
    prepared = prepare_pod(pod, config, "ada", NOW)
    assert variable(sound_of(prepared.pod), name) == from_secret(name)
    assert f"spec.containers[2].env[0]: {name} is left as it is" in "\n".join(
        map(str, prepared.notes)
    )
    assert (prepared.secret is None) is (name == "TURN_SERVER")
    with caplog.at_level(logging.WARNING):
        inject(pod, config)
    assert f"{name} is left as it is" in caplog.text


def test_empty_variables_are_taken_away_where_there_is_nothing_to_put() -> None:
    pod = desktop_pod()
    for container in pod["spec"]["containers"]:
        container["env"] = [{"name": "STUN_SERVER", "value": ""}, {"name": "TURN_SERVER"}]
    config = configuration(webrtc__rtc_configuration=..., webrtc__coturn=...)
    prepared = prepare_pod(pod, config, "ada", NOW)
    assert variable(sound_of(prepared.pod), "STUN_SERVER") is None
    assert variable(sound_of(prepared.pod), "TURN_SERVER") is None
    assert variable(prepared.pod["spec"]["containers"][0], "TURN_SERVER")  # none of our business
    assert len(prepared.notes) == 5
    assert "breaks webrtcbin" in str(prepared.notes[0])
    assert {note.level for note in prepared.notes} == {"warning"}


def test_the_repr_of_what_is_prepared_shows_no_credential() -> None:
    for turn_secret in (True, False):
        config = configuration(turn=True)
        prepared = prepare_pod(desktop_pod(), config, "ada", NOW, turn_secret=turn_secret)
        assert "turn://" in str(prepared.pod) + str(prepared.secret)
        assert "turn://" not in repr(prepared)


def test_values_stay_where_there_is_nothing_to_put() -> None:
    pod = desktop_pod()
    sound_of(pod)["env"].append({"name": "TURN_SERVER", "value": "turn://own"})
    result = inject(pod, configuration(webrtc__rtc_configuration=...))
    assert variable(sound_of(result), "STUN_SERVER") == STUN
    assert variable(sound_of(result), "TURN_SERVER")["value"] == "turn://own"


# TURN_SERVER


def test_turn_server_goes_to_the_sound_container_alone() -> None:
    config = configuration(turn=True)
    result = inject(desktop_pod(sound=False), config)
    value = desktop_environment(config, "ada", NOW)["TURN_SERVER"]
    having = [c["name"][0] for c in containers(result) if variable(c, "TURN_SERVER")]
    assert having == ["s"]
    assert variable(sound_of(result), "TURN_SERVER") == {"name": "TURN_SERVER", "value": value}
    assert inject(result, config) == result


def test_a_secret_keeps_turn_server_out_of_the_pod() -> None:
    config = configuration(turn=True)
    prepared = prepare_pod(desktop_pod(sound=False), config, "ada", NOW)
    assert_valid(prepared.pod, prepared.secret)
    value = prepared.secret["stringData"]["TURN_SERVER"]
    reference = {"name": "webrtc-external-9f3a1", "key": "TURN_SERVER"}
    entry = {"name": "TURN_SERVER", "valueFrom": {"secretKeyRef": reference}}
    assert value == desktop_environment(config, "ada", NOW)["TURN_SERVER"]
    assert variable(sound_of(prepared.pod), "TURN_SERVER") == entry
    assert prepared.secret["metadata"]["name"] == reference["name"]
    assert prepared.secret["metadata"]["namespace"] == "abcdesktop"
    assert prepared.secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "abcwebrtc"}
    again = prepare_pod(prepared.pod, config, "ada", NOW)
    assert (again.pod, again.secret, again.notes) == (prepared.pod, prepared.secret, ())


def test_the_credential_is_in_no_repr_and_with_a_secret_not_in_the_pod() -> None:
    config = configuration(turn=True)
    prepared = prepare_pod(desktop_pod(), config, "ada", NOW)
    value = prepared.secret["stringData"]["TURN_SERVER"]
    password = value.rsplit(":", 2)[1].split("@")[0]
    assert len(unquote(password)) == 28
    for text in (repr(prepared), json.dumps(prepared.pod), repr(prepared.notes)):
        assert password not in text
        assert unquote(password) not in text
        assert SECRET not in text


def test_plain_takes_the_place_of_plain_but_not_of_the_secret() -> None:
    config = configuration(turn=True)
    by_secret = prepare_pod(desktop_pod(), config, "ada", NOW).pod
    plain = prepare_pod(by_secret, config, "ada", NOW, turn_secret=False)
    assert plain.pod == by_secret
    assert "TURN_SERVER is left as it is" in str(plain.notes[0])
    before = inject(desktop_pod(), config)
    assert prepare_pod(before, config, "ada", NOW).pod == by_secret


def secret_name(pod_name: str) -> str:
    pod = desktop_pod()
    pod["metadata"]["name"] = pod_name
    prepared = prepare_pod(pod, configuration(turn=True), "ada", NOW)
    name: str = prepared.secret["metadata"]["name"]
    entry = variable(sound_of(prepared.pod), "TURN_SERVER")
    assert entry["valueFrom"]["secretKeyRef"]["name"] == name
    return name


def test_the_longest_name_of_a_pod_gives_a_valid_name_of_a_secret() -> None:
    assert secret_name("a" * 246) == "webrtc-" + "a" * 246
    name = secret_name("a" * 234 + "." + "b" * 18)
    assert re.fullmatch("webrtc-a{234}-[0-9a-f]{10}", name)


def test_pods_with_long_names_that_end_differently_have_secrets_of_their_own() -> None:
    """One Secret would hold the credential of one user, and serve both."""
    names = ["a" * 246, "a" * 247, "a" * 246 + "b", "a" * 253, "a" * 252 + "b"]
    found = {secret_name(name) for name in names}
    assert len(found) == len(names)
    assert max(map(len, found)) == 253
    assert secret_name(names[-1]) in found


def test_a_secret_needs_a_pod_with_a_name() -> None:
    pod = desktop_pod()
    del pod["metadata"]["name"]
    with pytest.raises(ManifestError, match=r"^metadata\.name: is missing"):
        prepare_pod(pod, configuration(turn=True), "ada", NOW)
    pod["metadata"]["generateName"] = "desktop-"
    with pytest.raises(
        ManifestError, match=r"^metadata\.name: is missing; .*, so give it a name in place of gener"
    ):
        prepare_pod(pod, configuration(turn=True), "ada", NOW)


def test_a_user_is_asked_for_only_where_one_is_needed() -> None:
    with pytest.raises(CredentialError, match="needs a user"):
        inject_webrtc(desktop_pod(), configuration(turn=True), None, NOW)
    assert inject_webrtc(desktop_pod(), configuration(), None, NOW)
    nobody = configuration(turn=True, sound={"acl": {"permit": ["staff"]}})
    assert inject_webrtc(desktop_pod(sound=False), nobody, None, NOW)


def test_a_secret_goes_with_its_pod() -> None:
    secret = prepare_pod(desktop_pod(), configuration(turn=True), "ada", NOW).secret
    created = desktop_pod()
    created["metadata"]["uid"] = "6a1c"
    before = copy.deepcopy(secret)
    owned = owned_secret(secret, created)
    assert_valid(owned)
    assert secret == before
    assert owned["stringData"] == secret["stringData"]
    assert owned["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Pod", "name": "external-9f3a1", "uid": "6a1c"}
    ]


def test_a_pod_that_is_not_created_yet_owns_nothing() -> None:
    secret = prepare_pod(desktop_pod(), configuration(turn=True), "ada", NOW).secret
    with pytest.raises(ManifestError, match=r"^metadata\.uid: is missing"):
        owned_secret(secret, desktop_pod())


@pytest.mark.parametrize(
    ("secret", "pod", "words"),
    [
        ({}, {"metadata": {"uid": "6a1c"}}, "metadata: is missing"),
        ({"metadata": "x"}, {"metadata": {"uid": "6a1c"}}, "metadata: must be a mapping, not text"),
        (
            {"metadata": {"name": "a"}},
            {"metadata": 5},
            "metadata: must be a mapping, not a whole number",
        ),
        ({"metadata": {"name": "a"}}, {}, "metadata.uid: is missing"),
    ],
)
def test_what_is_no_secret_and_no_pod_gets_a_message(secret: Any, pod: Any, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        owned_secret(secret, pod)
    assert str(caught.value).startswith(words)


# what is no pod

NO_PODS = [
    ({"api_version": "v1", "spec": {"containers": []}}, "api_version: is a name of to_dict()"),
    ({"spec": {"init_containers": []}}, "spec.init_containers: is a name of to_dict()"),
    (
        {"spec": {"containers": [{"name": "a", "volume_mounts": []}]}},
        "spec.containers[0].volume_mounts: is a name of to_dict()",
    ),
    ({"kind": "Deployment", "spec": {}}, "kind: is not Pod"),
    ({}, "spec: is missing"),
    ({"spec": None}, "spec: is missing"),
    ({"spec": []}, "spec: must be a mapping, not a list"),
    ({"spec": {}, "metadata": "x"}, "metadata: must be a mapping, not text"),
    ({"spec": {}, "metadata": {"labels": []}}, "metadata.labels: must be a mapping, not a list"),
    ({"spec": {"containers": {}}}, "spec.containers: must be a list, not a dict"),
    ({"spec": {"containers": [None]}}, "spec.containers[0]: must be a mapping, not None"),
    ({"spec": {"initContainers": [{}]}}, "spec.initContainers[0].name: is missing"),
    (
        {"spec": {"containers": [{"name": "a", "env": {}}]}},
        "spec.containers[0].env: must be a list",
    ),
    (
        {"spec": {"containers": [{"name": "a", "env": [{"value": "v"}]}]}},
        "spec.containers[0].env[0].name: is missing",
    ),
    (
        {"spec": {"containers": [{"name": "a", "env": [None]}]}},
        "spec.containers[0].env[0]: must be a mapping, not None",
    ),
    (
        {"spec": {"containers": [{"name": "a", "volumeMounts": ["v"]}]}},
        "spec.containers[0].volumeMounts[0]: must be a mapping, not text",
    ),
    ({"spec": {"volumes": [{}]}}, "spec.volumes[0].name: is missing"),
    ({"spec": {"securityContext": 1}}, "spec.securityContext: must be a mapping, not a whole"),
    ({"spec": {}, "metadata": {"name": 5}}, "metadata.name: must be text, not a whole number"),
    ({"spec": {}, "metadata": {"namespace": [1]}}, "metadata.namespace: must be text, not a list"),
    (
        {"spec": {"containers": [{"name": "s-a", "ports": [5]}]}},
        "spec.containers[0].ports[0]: must be a mapping, not a whole number",
    ),
    (
        {"spec": {"containers": [{"name": "s-a", "imagePullSecrets": ["x"]}]}},
        "spec.containers[0].imagePullSecrets[0]: must be a mapping, not text",
    ),
    ({"spec": {"imagePullSecrets": "x"}}, "spec.imagePullSecrets: must be a list, not text"),
    ("pod", "must be a dict or a V1Pod of the kubernetes client, not text"),
    (None, "must be a dict or a V1Pod of the kubernetes client, not None"),
]


@pytest.mark.parametrize(("pod", "words"), NO_PODS, ids=[words for _, words in NO_PODS])
def test_what_is_no_pod_gets_a_message(pod: Any, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        inject_webrtc(pod, configuration(), "ada", NOW)
    assert str(caught.value).startswith(words)


ODD = [None, True, 5, 1.5, "x", [], [5], ["x"], [None], [[]], [{}], {}, {"a": 5}]


def places(value: Any) -> List[List[Any]]:
    """Return the key path of everything in a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: List[List[Any]] = []
    for key, item in pairs:
        inner = places(item) if isinstance(item, (dict, list)) else []
        found += [[key], *([key, *path] for path in inner)]
    return found


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_parts_of_a_pod_get_a_message_or_stay(odd: Any) -> None:
    context = {"runAsUser": "{{ uidNumber }}"}
    config = configuration(turn=True, sound={"securityContext": context})
    original = json.loads(json.dumps(desktop_pod()))
    sound_of(original).update(
        ports=[{"containerPort": 4714}], imagePullSecrets=[{"name": "q"}], securityContext={}
    )
    for path in places(original):
        pod = copy.deepcopy(original)
        part = pod
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = odd
        with contextlib.suppress(ManifestError):
            prepare_pod(pod, config, "ada", NOW)


def test_a_loop_is_no_manifest() -> None:
    pod = desktop_pod()
    pod["metadata"]["annotations"] = pod
    with pytest.raises(ManifestError, match="nested too deep"):
        inject_webrtc(pod, configuration(), "ada", NOW)


# nothing is shared


def parts(value: Any) -> List[int]:
    """Return the ids of all dicts and lists in a value."""
    if isinstance(value, dict):
        return [id(value)] + [part for item in value.values() for part in parts(item)]
    if isinstance(value, list):
        return [id(value)] + [part for item in value for part in parts(item)]
    return []


def test_two_results_share_nothing_with_each_other_nor_with_the_configuration() -> None:
    config = configuration(
        turn=True, sound={"securityContext": {"capabilities": {"drop": ["ALL"]}}}
    )
    first = inject(desktop_pod(), config)
    expected = copy.deepcopy(first)
    spoil(inject(desktop_pod(), config))
    assert inject(desktop_pod(), config) == expected == first


names = st.sampled_from(["x-a", "c-a", "s-a", "f-a", "desktop", "sound", "web", "i-a"])
variables = st.lists(
    st.one_of(
        st.builds(
            lambda name, value: {"name": name, "value": value},
            st.sampled_from(["STUN_SERVER", "TURN_SERVER", "POD_IP", "LANG", SERVICE["name"]]),
            st.sampled_from(["", "stun://old", "$(LANG)"]),
        ),
        st.sampled_from([from_secret("STUN_SERVER"), from_secret("TURN_SERVER")]),
    ),
    max_size=4,
)
volumes = st.sampled_from(["tmp", "home", "home-a", "log", "auth-localaccount-a", "data"])


@st.composite
def pods(draw: Any) -> Dict[str, Any]:
    """Return valid pods, with parts that are shared and fields that are null."""
    there = draw(st.lists(volumes, unique=True))
    mounts = [{"name": name, "mountPath": f"/mnt/{name}"} for name in there]
    shared_env = draw(variables)
    made = [
        {
            "name": name,
            **draw(st.sampled_from([{}, {"env": shared_env}, {"env": None}])),
            **draw(st.sampled_from([{}, {"volumeMounts": mounts}, {"volumeMounts": None}])),
        }
        for name in draw(st.lists(names, unique=True, min_size=1, max_size=5))
    ]
    split = draw(st.integers(0, len(made) - 1))
    spec = {
        "containers": made[split:],
        "initContainers": draw(st.sampled_from([None, made[:split]])),
    }
    spec["volumes"] = [{"name": name, "emptyDir": {}} for name in there]
    metadata = {"name": "pod", "labels": draw(st.sampled_from([None, {"a": "b"}]))}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


CONFIGS = [
    configuration(),
    configuration(turn=True),
    configuration(turn=True, sound={"enable": False}),
    configuration(webrtc__rtc_configuration=..., webrtc__coturn=...),
    configuration(turn=True, desktop__pod=...),
]


@settings(max_examples=100)
@given(pods(), st.sampled_from(CONFIGS), st.booleans())
def test_whatever_the_pod(pod: Dict[str, Any], config: WebRTCConfig, by_secret: bool) -> None:
    assert_valid(pod)
    before = copy.deepcopy(pod)
    prepared = prepare_pod(pod, config, "ada", NOW, turn_secret=by_secret)
    assert pod == before
    assert_valid(prepared.pod, *([prepared.secret] if prepared.secret else []))
    assert prepare_pod(prepared.pod, config, "ada", NOW, turn_secret=by_secret).pod == prepared.pod
    ids = parts(prepared.pod)
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(parts(pod))
    if config is CONFIGS[0]:
        for container in prepared.pod["spec"]["containers"]:
            in_effect = [item for item in container["env"] if item["name"] == STUN["name"]][-1]
            assert in_effect == STUN or "valueFrom" in in_effect


# the schemas that all of this was held against


def test_the_schemas_do_refuse() -> None:
    for field, value in (("imagePullSecrets", []), ("pullpolicy", "Always"), ("image", 3)):
        pod = desktop_pod()
        pod["spec"]["containers"][0][field] = value
        with pytest.raises(kubernetes_validate.ValidationError):
            assert_valid(pod)


if "OLDEST_KUBERNETES" in os.environ:  # as tests/run.py has it for one of its runs

    def test_the_run_with_old_versions_has_them() -> None:
        assert VERSIONS[0] == "1.24"
