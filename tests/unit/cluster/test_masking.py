"""Diffs of manifests show what changes, and nothing secret."""

from __future__ import annotations

import copy
import json
from typing import Any, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.cluster.manifests import Manifests
from abcwebrtc.cluster.masking import masked_diff

SECRET = "Zq7xW9vK"
NEW = "Nq5bR2tM"
FORMATS = [Manifests([]), Manifests([], True), Manifests([], True, "  ")]


def diff(before: List[Any], after: List[Any], form: Manifests = FORMATS[0]) -> List[str]:
    kept = copy.deepcopy((before, after))
    lines = list(masked_diff(before, after, form.text))
    assert (before, after) == kept
    return lines


def changed(lines: List[str]) -> List[str]:
    """Return what the lines of a diff remove and add, without its header."""
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def env(name: Any, value: Any) -> Dict[str, Any]:
    return {"kind": "Pod", "spec": {"containers": [{"env": [{"name": name, "value": value}]}]}}


def metadata(key: str, name: str, value: Any) -> Dict[str, Any]:
    return {"kind": "Pod", "metadata": {key: {name: value}}}


NAMES = (
    *("TURN_SERVER", "turn_server", "PULSEAUDIO_COOKIE", "DB_PASSWORD", "PASSWD", "MYSQL_PASS"),
    *("PASSPHRASE", "FTP_PWD", "XAUTH_KEY", "xauthkey", "AUTH_TOKEN", "client-secret", "CREDS"),
    *("Authorization", "SALT", "kubectl.kubernetes.io/last-applied-configuration"),
)
FIELDS = ("password", "domainPassword", "passphrase", "accessToken", "clientSecret", "accountKey")
ARGUMENTS = ("--password={}", "run --auth-token {}", "DB_PASSWORD={} run", "user=a,pass={}")
TEXTS: Dict[str, Any] = {
    "flag": lambda value: {"kind": "Pod", "spec": {"args": ["--password", value]}},
    "url": lambda value: env("DATABASE_URL", f"postgres://me:{value}@db.example.org/x"),
    "url with a slash": lambda value: env("U", f"mongodb://me:a/{value}@db/x"),
    "url with a token": lambda value: env("U", f"https://{value}@git.example.org/x"),
    "turn": lambda value: {"spec": {"args": ["--turn", f"turn://1%3Aa:{value}@h:3478"]}},
    **{name: lambda value, name=name: {"spec": {"options": {name: value}}} for name in FIELDS},
    **{
        text: lambda value, text=text: {"spec": {"args": [text.format(value)]}}
        for text in ARGUMENTS
    },
}
VALUES: Dict[str, Any] = {
    **{f"env {name}": lambda value, name=name: env(name, value) for name in NAMES},
    "label": lambda value: metadata("labels", "auth-token", value),
    "annotation": lambda value: metadata("annotations", NAMES[-1], value),
    "data": lambda value: {"kind": "Secret", "data": {"a": value}},
    "stringData": lambda value: {"kind": "Secret", "stringData": {"a": value}},
    "nested": lambda value: {"kind": "Secret", "stringData": {"a": {"b": value}}},
    "list": lambda value: {"kind": "Secret", "stringData": [value]},
    "no mapping": lambda value: {"kind": "Secret", "data": value},
    "ConfigMap": lambda value: {"kind": "ConfigMap", "data": {"od.config": value}},
    "binaryData": lambda value: {"kind": "ConfigMap", "binaryData": {"od.config": value}},
    "List": lambda value: {"kind": "List", "items": [{"kind": "Secret", "data": {"a": value}}]},
    "init": lambda value: {"kind": "Pod", "spec": {"initContainers": [env("TOKEN", value)]}},
}
"""Places where a secret may be something other than a text."""
SPOTS = {**TEXTS, **VALUES}


@pytest.mark.parametrize("name", SPOTS)
def test_what_becomes_of_a_secret_is_seen_and_no_more(name: str) -> None:
    before, after, other = SPOTS[name](SECRET), SPOTS[name](NEW), {"kind": "Pod"}
    for form in FORMATS:
        text = "\n".join(diff([before], [after], form))
        assert "*** (before)" in text
        assert "*** (after)" in text
        assert SECRET not in text
        assert NEW not in text
    assert diff([before], [before]) == []
    stays = diff([{**before, "size": 1}], [{**before, "size": 2}])
    assert changed(stays) == ["-size: 1", "+size: 2"]
    comes, goes = diff([other], [other, before]), diff([other, before], [other])
    assert SECRET not in "\n".join([*stays, *comes, *goes])
    assert any(line.startswith("+") and "*** (after)" in line for line in comes)
    assert any(line.startswith("-") and "*** (before)" in line for line in goes)


@pytest.mark.parametrize("value", [12345678, 1234567.5, ["12345678"], {"x": "12345678"}], ids=str)
def test_a_secret_that_is_no_text_is_masked_too(value: Any) -> None:
    for spot in VALUES.values():
        text = "\n".join(diff([spot(value), {"size": 1}], [spot("x"), {"size": 2}]))
        assert "1234567" not in text


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (env("STUN_SERVER", "stun://a:1"), env("STUN_SERVER", "stun://b:1"), ["value: stun://b:1"]),
        (metadata("labels", "app", "one"), metadata("labels", "app", "two"), ["app: two"]),
        (env("U", "http://a:80/x"), env("U", "http://b:80/x"), ["value: http://b:80/x"]),
        (env("LANG", None), env("LANG", "C"), ["value: C"]),
        *[
            ({"x": {name: "one"}}, {"x": {name: "two"}}, [f"{name}: two"])
            for name in ("key", "secretName", "secretNamespace", "topologyKey", "image")
        ],
        (
            {"x": {"tokenExpirationSeconds": 1}},
            {"x": {"tokenExpirationSeconds": 2}},
            ["tokenExpirationSeconds: 2"],
        ),
        *[
            ({"x": ""}, {"x": text}, [f"x: {shown}"])
            for text, shown in [
                ("run --port 1", "run --port 1"),
                ("a-secret:1.2", "a-secret:1.2"),
                ("keyring=a monkey", "'keyring=a monkey'"),
                ("--key-file=/run/a", "'--key-file=/run/a'"),
            ]
        ],
        ({"kind": "Secret", "type": "a"}, {"kind": "Secret", "type": "b"}, ["type: b"]),
        ({"kind": "Secret", "data": None}, {"kind": "Secret", "data": {}}, ["data: {}"]),
    ],
)
def test_what_is_not_secret_is_shown(before: Any, after: Any, words: List[str]) -> None:
    added = [line for line in changed(diff([before], [after])) if line[0] == "+"]
    assert [line[1:].strip() for line in added] == words


def test_it_is_a_unified_diff() -> None:
    lines = diff([{"a": 1, "b": 2}], [{"a": 1, "b": 3}])
    assert lines == ["--- before", "+++ after", "@@ -1,2 +1,2 @@", " a: 1", "-b: 2", "+b: 3"]


def test_two_secrets_that_change_places_have_changed() -> None:
    before = {"kind": "Secret", "data": {"a": SECRET, "b": NEW}}
    after = {"kind": "Secret", "data": {"a": NEW, "b": SECRET}}
    assert diff([before], [after])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "name", "value", "labels", "data", "env"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    JSON, JSON, st.sampled_from(list(SPOTS.values())), st.sampled_from(FORMATS), st.integers(0, 2)
)
def test_whatever_stands_around_it_a_secret_never_shows(
    one: Any, two: Any, spot: Any, form: Manifests, depth: int
) -> None:
    before, after = spot(SECRET), spot(NEW)
    for _ in range(depth):
        before, after = {"x": [one, before]}, {"x": [after, two]}
    text = "\n".join(diff([one, before], [after, two], form))
    for secret in (SECRET, NEW):
        assert secret not in text
        assert json.dumps(secret) not in text


@given(JSON, JSON)
def test_equal_manifests_differ_in_nothing_and_others_in_something(one: Any, two: Any) -> None:
    assert diff([one], [copy.deepcopy(one)]) == []
    if json.dumps(one) != json.dumps(two) and "kind" not in json.dumps([one, two]):
        assert diff([one], [two]) or "value" in json.dumps([one, two])
