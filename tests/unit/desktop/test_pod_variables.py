"""The variables STUN_SERVER and TURN_SERVER of a pod, and the Secret that TURN_SERVER can be in."""

from __future__ import annotations

import copy
import json
import logging
import re
from typing import Any
from urllib.parse import unquote

import pytest

from abcwebrtc import (
    CredentialError,
    ManifestError,
    desktop_environment,
    inject_webrtc,
    owned_secret,
    prepare_pod,
    without_secret,
)
from support import SECRET
from support.desktop_pod import USERID, assert_valid, desktop_pod
from support.injected_pods import (
    NOW,
    STUN,
    configuration,
    containers,
    from_secret,
    inject,
    secret_name,
    sound_of,
    variable,
)

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


@pytest.mark.parametrize("name", ["STUN_SERVER", "TURN_SERVER"])
def test_a_value_from_elsewhere_is_left_and_reported(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    pod = desktop_pod(sound=False)
    pod["spec"]["containers"][0]["env"] = [from_secret(name)]
    config = configuration(turn=True)
    prepared = prepare_pod(pod, config, "ada", NOW)
    assert variable(sound_of(prepared.pod), name) == from_secret(name)
    assert f"spec.containers[2].env[0]: {name} is left unchanged" in "\n".join(
        map(str, prepared.notes)
    )
    assert (prepared.secret is None) is (name == "TURN_SERVER")
    with caplog.at_level(logging.WARNING):
        inject(pod, config)
    assert f"{name} is left unchanged" in caplog.text


PLAIN = {"name": "STUN_SERVER", "value": "stun://old"}
EMPTY = {"name": "STUN_SERVER", "value": ""}
NO_STUN = configuration(webrtc__rtc_configuration=..., webrtc__coturn=...)


def injected(*env: Any, **options: Any) -> Any:
    """Return STUN_SERVER of a container that had these variables, and the notes."""
    pod = {"kind": "Pod", "spec": {"containers": [{"name": "x-ada", "env": list(env)}]}}
    prepared = prepare_pod(pod, options.get("config", configuration(desktop__pod=...)), "ada", NOW)
    found = prepared.pod["spec"]["containers"][0]["env"]
    return [item for item in found if item["name"] == "STUN_SERVER"], list(map(str, prepared.notes))


def test_the_last_of_two_variables_counts_and_may_come_from_elsewhere() -> None:
    """Kubernetes takes the last one of a name, and leaves the others out."""
    other = from_secret("STUN_SERVER")
    values, notes = injected(PLAIN, other)
    assert values == [PLAIN, other]
    assert notes[0].startswith("spec.containers[0].env[1]: STUN_SERVER is left unchanged")
    assert injected(other, PLAIN) == ([STUN], [])


def test_the_last_of_two_variables_is_the_one_that_was_put_before() -> None:
    config = configuration(turn=True)
    once = prepare_pod(desktop_pod(), config, "ada", NOW)
    pod = copy.deepcopy(once.pod)
    sound_of(pod)["env"].insert(0, {"name": "TURN_SERVER", "value": "turn://old"})
    again = prepare_pod(pod, config, "ada", NOW)
    assert (again.secret, again.notes) == (once.secret, ())
    (found,) = [item for item in sound_of(again.pod)["env"] if item["name"] == "TURN_SERVER"]
    assert found == variable(sound_of(once.pod), "TURN_SERVER")


def test_the_last_of_two_variables_counts_where_one_is_empty() -> None:
    """An empty one breaks webrtcbin's pipeline only where it is the one that counts."""
    values, notes = injected(PLAIN, EMPTY, config=NO_STUN)
    assert values == []
    assert "STUN_SERVER is removed" in notes[0]
    assert injected(EMPTY, PLAIN, config=NO_STUN) == ([EMPTY, PLAIN], [])
    other = from_secret("STUN_SERVER")
    assert injected(EMPTY, other, config=NO_STUN) == ([EMPTY, other], [])
    assert injected(other, EMPTY, config=NO_STUN)[0] == []


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
    plain = prepare_pod(desktop_pod(), config, "ada", NOW, turn_secret=False)
    assert "turn://" in str(plain.pod)
    assert "turn://" not in repr(plain)


def test_plain_takes_the_place_of_plain_but_not_of_the_secret() -> None:
    config = configuration(turn=True)
    by_secret = prepare_pod(desktop_pod(), config, "ada", NOW).pod
    plain = prepare_pod(by_secret, config, "ada", NOW, turn_secret=False)
    assert plain.pod == by_secret
    assert "TURN_SERVER is left unchanged" in str(plain.notes[0])
    before = inject(desktop_pod(), config)
    assert prepare_pod(before, config, "ada", NOW).pod == by_secret


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


def test_a_desktop_without_its_secret_has_no_turn_server_and_all_else() -> None:
    prepared = prepare_pod(desktop_pod(), configuration(turn=True), "ada", NOW)
    before = copy.deepcopy(prepared.pod)
    left = without_secret(prepared)
    assert prepared.pod == before
    assert_valid(left.pod)
    assert left.secret is None
    assert variable(sound_of(left.pod), "TURN_SERVER") is None
    sound_of(before)["env"] = [v for v in sound_of(before)["env"] if v["name"] != "TURN_SERVER"]
    assert left.pod == before
    assert without_secret(left) is left


def test_variables_from_other_secrets_stay() -> None:
    pod = desktop_pod()
    own = {"name": "TURN_SERVER", "value": "turn://own"}
    pod["spec"]["containers"][0]["env"] = [from_secret("A"), {"name": "B", "valueFrom": None}, own]
    left = without_secret(prepare_pod(pod, configuration(turn=True), "ada", NOW)).pod
    assert variable(left["spec"]["containers"][0], "A") == from_secret("A")
    assert variable(left["spec"]["containers"][0], "B")
    assert variable(left["spec"]["containers"][0], "TURN_SERVER") == own


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
