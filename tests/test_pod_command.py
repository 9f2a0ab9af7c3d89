"""`abcwebrtc pod`: manifests in, the injected ones out, or one message and nothing."""

from __future__ import annotations

import copy
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abcwebrtc.cli import main
from abcwebrtc.manifestfiles import MAX_CHARACTERS
from desktop_pod import assert_valid
from support import (
    ENTRIES,
    SECRET,
    WAIT,
    Result,
    command,
    environment,
    run_command,
    run_main,
    write_od_config,
)

STUN = {"name": "STUN_SERVER", "value": "stun://stun.example.org:3478"}
SOUND: Dict[str, Any] = {
    "image": {"default": "registry.example.org/pulseaudio:1", "staff": "registry.example.org/hifi"},
    "enable": True,
    "tcpport": 4714,
    "acl": {"permit": ["all"], "deny": ["quiet"]},
}
CHANGES: Dict[str, Any] = {"webrtc__desktop": {"turn": True}, "desktop__pod": {"sound": SOUND}}
NOTHING_SECRET = {"webrtc__coturn": ...}

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: desk-1
  namespace: desks
  labels:
    access_userid: alice
    zebra: 'yes'
spec:
  volumes:
  - name: tmp
    emptyDir: {}
  containers:
  - name: x-alice
    image: registry.example.org/desktop:1
    env:
    - name: MODE
      value: '0644'
    volumeMounts:
    - name: tmp
      mountPath: /tmp
  - name: c-alice
    image: registry.example.org/cups:1
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata:\n  name: b\nspec:\n  ports: [{port: 0x50}]\n"


class Injected(Result):
    @property
    def documents(self) -> List[Any]:
        assert self.status == 0, self.err
        found = list(yaml.safe_load_all(self.out))
        assert_valid(*(item for item in found if item["kind"] in ("Pod", "Secret")))
        return found

    @property
    def pod(self) -> Any:
        return next(item for item in self.documents if item["kind"] == "Pod")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command on a manifest, which is given on stdin."""

    def call(manifest: Any, *options: object, **changes: Any) -> Injected:
        data = manifest if isinstance(manifest, bytes) else manifest.encode("utf-8")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        od_config = write_od_config(tmp_path, **{**CHANGES, **changes})
        printed = run_main(capsys, "pod", od_config, *options)
        result = Injected(printed.status, printed.out, printed.err)
        assert SECRET not in result.out + result.err
        assert "Traceback" not in result.err
        if result.status:
            assert result.out == ""
            assert result.err
        return result

    return call


def containers(pod: Any) -> Dict[str, Any]:
    return {item["name"]: item for item in pod["spec"]["containers"]}


def variables(pod: Any, name: str) -> Dict[str, Any]:
    return {item["name"]: item for item in containers(pod)[name].get("env", [])}


def as_json(**options: Any) -> str:
    return json.dumps(yaml.safe_load(POD), **options) + "\n"


# what comes out


def test_a_pod_gets_stun_sound_and_a_turn_server_of_its_own_user(run: Any) -> None:
    result = run(POD)
    assert result.err == ""
    assert list(containers(result.pod)) == ["x-alice", "c-alice", "s-alice"]
    for name in containers(result.pod):
        assert variables(result.pod, name)["STUN_SERVER"] == STUN
    turn = variables(result.pod, "s-alice")["TURN_SERVER"]["value"]
    assert turn.startswith("turn://")
    assert "%3Aalice:" in turn
    assert "TURN_SERVER" not in variables(result.pod, "x-alice")


def test_what_is_there_stays_in_its_order_and_form(run: Any) -> None:
    lines = run(POD).out.splitlines()
    assert [line for line in POD.splitlines() if line not in lines] == []
    assert [line for line in lines if line in POD.splitlines()][:8] == POD.splitlines()[:8]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (as_json(), 1),
        (as_json() * 2, 2),
        (as_json(indent=2), 20),
        (as_json(indent="\t"), 20),
        (as_json(indent=4).replace("\n", "\r\n"), 20),
    ],
)
def test_json_stays_json(run: Any, text: str, lines: int) -> None:
    out = run(text).out
    assert out.count("\n") >= lines
    if lines < 20:
        assert out.count("\n") == lines
        assert [json.loads(line)["kind"] for line in out.splitlines()] == ["Pod"] * lines
    else:
        assert list(json.loads(out)) == ["apiVersion", "kind", "metadata", "spec"]
        assert out.splitlines()[1] == text.splitlines()[1]


@pytest.mark.parametrize("given_as", ["stdin", "-", "file", "/dev/stdin"])
def test_where_a_manifest_comes_from_makes_no_difference(tmp_path: Path, given_as: str) -> None:
    od_config = write_od_config(tmp_path, **CHANGES, **NOTHING_SECRET)
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    line = {"stdin": [], "file": [file]}.get(given_as, [given_as])
    with open(file, "rb") as stream:
        result = run_command("pod", od_config, *line, stdin=stream)
    assert (result.returncode, result.stderr) == (0, "")
    assert yaml.safe_load(result.stdout)["metadata"]["name"] == "desk-1"
    assert "stun://stun.example.org:3478" in result.stdout


def test_other_documents_stay_and_lists_are_entered(run: Any) -> None:
    pod, service = yaml.safe_load(POD), yaml.safe_load(SERVICE)
    nested = {"kind": "List", "items": [{"kind": "List", "items": [pod]}, service], "z": 1}
    result = run("---\n".join([SERVICE, yaml.safe_dump(nested), POD]), "--secret")
    first, outer, secret, last = result.documents
    assert first == service
    assert outer["z"] == 1
    (inner, other) = outer["items"]
    assert other == service
    assert [item["kind"] for item in inner["items"]] == ["Secret", "Pod"]
    assert [secret["kind"], last] == ["Secret", inner["items"][1]]


def test_the_output_fed_in_again_stays_as_it_is(run: Any) -> None:
    once = run(POD, "--secret").out
    again = run(once, "--secret")
    assert [item["kind"] for item in again.documents] == ["Secret", "Secret", "Pod"]
    assert again.documents[2] == list(yaml.safe_load_all(once))[1]
    for text in (POD, as_json(), as_json(indent=2)):
        once = run(text, **NOTHING_SECRET).out
        assert run(once, **NOTHING_SECRET).out == once
        assert run(once, "--diff", **NOTHING_SECRET).out == ""


# options


def test_secret_keeps_the_credential_out_of_the_pod(run: Any) -> None:
    secret, pod = run(POD, "--secret").documents
    assert secret["kind"] == "Secret"
    assert secret["metadata"]["namespace"] == "desks"
    password = secret["stringData"]["TURN_SERVER"]
    assert password.startswith("turn://")
    assert password not in json.dumps(pod)
    reference = variables(pod, "s-alice")["TURN_SERVER"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": secret["metadata"]["name"], "key": "TURN_SERVER"}


@pytest.mark.parametrize(
    ("label", "options", "user"),
    [
        ("access_userid: alice", [], "alice"),
        ("access_userid: alice", ["--user", "bob"], "bob"),
        ("other: x", ["--user", "zo\u00eb"], "zo%C3%AB"),
    ],
)
def test_the_user_is_that_of_the_line_or_of_the_label(
    run: Any, label: str, options: List[str], user: str
) -> None:
    pod = run(POD.replace("access_userid: alice", label), *options).pod
    assert f"%3A{user}:" in variables(pod, "s-alice")["TURN_SERVER"]["value"]


def test_a_user_is_needed_where_the_style_needs_one(run: Any) -> None:
    result = run(POD.replace("access_userid: alice", "other: x"))
    assert result.status == 1
    assert "user" in result.err


@pytest.mark.parametrize(
    ("labels", "image"),
    [
        ("staff", "registry.example.org/hifi"),
        (" guests , staff ", "registry.example.org/hifi"),
        ("guests", "registry.example.org/pulseaudio:1"),
        ("staff,quiet", None),
    ],
)
def test_labels_decide_of_sound(run: Any, labels: str, image: Any) -> None:
    pod = run(POD, "--labels", labels).pod
    assert containers(pod).get("s-alice", {}).get("image") == image


def test_containers_are_those_that_get_stun(run: Any) -> None:
    pod = run(POD, "--containers", "c-alice").pod
    got = [name for name in containers(pod) if "STUN_SERVER" in variables(pod, name)]
    assert got == ["c-alice", "s-alice"]
    result = run(POD, "--containers", "c-alice,nobody")
    assert result.status == 1
    assert result.err.startswith("stdin: error: spec: has no container nobody")


@pytest.mark.parametrize("options", [[], ["--secret"]], ids=str)
@pytest.mark.parametrize("text", [POD, as_json(indent=2), SERVICE + "---\n" + POD], ids=len)
def test_diff_shows_what_changes_and_nothing_secret(
    run: Any, text: str, options: List[str]
) -> None:
    result = run(text, "--diff", *options)
    lines = result.out.splitlines()
    assert lines[:2] == ["--- before", "+++ after"]
    assert "turn://" not in result.out
    assert "TURN_SERVER" in result.out
    assert "*** (after)" in result.out
    assert any(line[0] == "+" and STUN["value"] in line for line in lines)
    assert "\033" not in result.out


def test_a_note_goes_to_stderr_with_its_place(run: Any) -> None:
    entry = (
        "env:\n    - name: STUN_SERVER\n      valueFrom: {fieldRef: {fieldPath: status.podIP}}\n"
    )
    result = run(SERVICE + "---\n" + POD.replace("env:\n", entry, 1))
    assert result.status == 0
    assert result.err.startswith(
        "stdin: warning: document 2.spec.containers[0].env[0]: STUN_SERVER is left as it is"
    )
    assert len(result.err.splitlines()) == 2  # and the sound container's copy


# what is refused

BAD = [
    ("", "stdin: error: has no document of kind Pod; give the manifest of a desktop pod\n"),
    (
        "# nothing\n---\n",
        "stdin: error: has no document of kind Pod; give the manifest of a desktop pod\n",
    ),
    (SERVICE, "stdin: error: has no document of kind Pod; give the manifest of a desktop pod\n"),
    (
        "kind: List\nitems: []\n",
        "stdin: error: has no document of kind Pod; give the manifest of a desktop pod\n",
    ),
    (
        "kind: List\n",
        "stdin: error: has no document of kind Pod; give the manifest of a desktop pod\n",
    ),
    ("hello\n", "stdin: error: is text; write a manifest: kind: Pod\n"),
    ("- a\n", "stdin: error: is a list; write a manifest: kind: Pod\n"),
    ("5\n", "stdin: error: is a whole number; write a manifest: kind: Pod\n"),
    ("a: b\n", "stdin: error: has no 'kind'; write a manifest: kind: Pod\n"),
    ("kind: [Pod]\n", "stdin: error: has no 'kind'; write a manifest: kind: Pod\n"),
    (POD + "---\nx\n", "stdin: error: document 2: is text; write a manifest: kind: Pod\n"),
    (POD + "---\nkind: Pod\n", "stdin: error: document 2.spec: is missing; give the manifest"),
    (
        "kind: List\nitems:\n- kind: Service\n- kind: Pod\n",
        "stdin: error: items[1].spec: is missing; give the manifest of a pod\n",
    ),
    (
        SERVICE + "---\nkind: List\nitems: [{kind: List, items: [5]}]\n",
        "stdin: error: document 2.items[0].items[0]: is a whole number; write a manifest",
    ),
    ("kind: List\nitems: 5\n", "stdin: error: items: must be a list, not a whole number\n"),
    ("kind: List\nitems: {a: b}\n", "stdin: error: items: must be a list, not a dict\n"),
    ("kind: List\nitems: Pod\n", "stdin: error: items: must be a list, not text\n"),
    (POD.replace("metadata:", "metadata: x\nm:"), "stdin: error: metadata: must be a mapping, not"),
    (POD.replace("labels:", "labels: [x]\n  m:"), "stdin: error: metadata.labels: must be a mapp"),
    (
        POD.replace("access_userid: alice", "access_userid: 1001"),
        "stdin: error: metadata.labels.access_userid: must be text, not a whole number; "
        "write it in quotes\n",
    ),
    (
        POD.replace("access_userid: alice", "access_userid: [alice]"),
        "stdin: error: metadata.labels.access_userid: must be text, not a list",
    ),
    (POD.replace("name: c-alice", "nam: c"), "stdin: error: spec.containers[1].name: is missing"),
    ("a: 'x\n", "stdin:2: error: found unexpected end of stream\n"),
    ('{"a": "x }', "stdin:1: error: is not valid JSON: Unterminated string starting at\n"),
    (b"kind: Pod\nx: \xff\n", "stdin:2: error: not UTF-8 text; save the file as UTF-8\n"),
    (POD.encode("utf-16"), "stdin:1: error: not UTF-8 text; save the file as UTF-8\n"),
    (b"\0\1\2", "stdin:1: error: has a character that YAML does not allow\n"),
    (" " * (MAX_CHARACTERS + 1), "stdin: error: is larger than 4 MiB: this is no manifest\n"),
    ("a: !!python/object/apply:os.abort []\n", "stdin:1: error: has a tag on a mapping or list"),
]


@pytest.mark.parametrize(("manifest", "message"), BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("options", [[], ["--diff"], ["--secret"]], ids=str)
def test_a_bad_manifest_is_exit_1_with_one_message(
    run: Any, manifest: Any, message: str, options: List[str]
) -> None:
    result = run(manifest, *options)
    assert result.status == 1
    assert result.err.startswith(message)
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.yaml", "can't be read: No such file or directory"),
        ("", "can't be read: Is a directory"),
        ("od.config/x", "can't be read: Not a directory"),
        ("a\0b", "can't be read: not a file name"),
    ],
)
def test_a_file_that_can_not_be_read_is_exit_1(
    tmp_path: Path, run: Any, name: str, reason: str
) -> None:
    file = f"{tmp_path}/{name}"
    result = run(POD, file)
    assert result.status == 1
    assert result.err == f"{file}: error: {reason}\n"


def test_errors_of_the_od_config_come_before_the_manifest(tmp_path: Path, run: Any) -> None:
    result = run("a: 'x\n", webrtc__enable=1)
    assert result.status == 1
    assert result.err.startswith(f"{tmp_path / 'od.config'}:2: error: webrtc.enable: ")


def test_an_endless_file_is_refused_and_not_kept(tmp_path: Path) -> None:
    line = command("pod", write_od_config(tmp_path), "/dev/zero")
    limited = ["sh", "-c", 'ulimit -v 2000000; exec "$@"', "sh", *line]
    result = subprocess.run(
        limited, env=environment(), capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert result.returncode == 1
    assert result.stderr == "/dev/zero: error: is larger than 4 MiB: this is no manifest\n"


def test_a_closed_stdin_is_exit_1(tmp_path: Path) -> None:
    line = ["sh", "-c", 'exec "$@" <&-', "sh", *command("pod", write_od_config(tmp_path))]
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=WAIT)
    assert result.returncode == 1
    assert result.stderr == "stdin: error: can't be read: it is closed\n"


@pytest.mark.parametrize(
    "line",
    [[], ["--labels", ""], ["--labels", "a,,b"], ["--containers", ","], ["a", "b"], ["--json"]],
    ids=str,
)
def test_a_wrong_line_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: List[str]
) -> None:
    file = [write_od_config(tmp_path)] if line else []
    with pytest.raises(SystemExit) as caught:
        main(["pod", *map(str, file), *line])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: abcwebrtc")


# the terminal, and what it can show


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["pod", "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    for word in ("OD_CONFIG", "POD", "--user", "--labels", "--containers", "--secret", "--diff"):
        assert f"\n  {word}" in out
    assert "\nexample: abcwebrtc pod od.config " in out


@pytest.mark.parametrize("coding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("form", [yaml.safe_dump, json.dumps])
def test_a_manifest_is_printed_in_utf_8_whatever_the_locale_is(
    tmp_path: Path, coding: str, form: Any
) -> None:
    pod = yaml.safe_load(POD)
    pod["metadata"]["labels"]["note"] = "zo\u00eb \u2603 \U0001f600 \ud83d"
    file = tmp_path / "pod.yaml"
    file.write_text(form(pod))
    line = command("pod", write_od_config(tmp_path, **CHANGES, **NOTHING_SECRET), file)
    env = environment(PYTHONIOENCODING=coding, PYTHONUTF8="0")
    result = subprocess.run(line, env=env, capture_output=True, timeout=WAIT, check=True)
    text = result.stdout.decode("utf-8")
    (document,) = yaml.safe_load_all(text) if form is yaml.safe_dump else [json.loads(text)]
    assert document["metadata"]["labels"]["note"] == pod["metadata"]["labels"]["note"]
    assert "zo\u00eb" in text


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_the_diff_is_coloured_on_a_terminal_that_wants_it(
    tmp_path: Path, environ: Dict[str, str], coloured: bool
) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(POD)
    ours, theirs = pty.openpty()
    try:
        subprocess.run(
            command("pod", write_od_config(tmp_path, **CHANGES), file, "--diff"),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=environment(**{"TERM": "xterm", "NO_COLOR": "", **environ}),
            timeout=WAIT,
            check=True,
        )
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert ("\033[32m+    service_sound: '4714'\033[0m" in shown) is coloured
    assert ("\033" in shown) is coloured


# anything at all

BASE = yaml.safe_load(POD)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 99) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "name", "env", "value", "spec", "items", "containers"])
            | st.sampled_from(["labels", "volumeMounts", "valueFrom", "access_userid"])
            | st.none()
            | st.integers(0, 9),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: Any) -> List[List[Any]]:
    """Return the path of everything in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found: List[List[Any]] = []
    for key, item in items:
        found.append([key])
        if isinstance(item, (dict, list)):
            found += [[key, *path] for path in places(item)]
    return found


@given(st.sampled_from(places(BASE)), ODD, st.sampled_from([[], ["--secret"], ["--diff"]]))
@settings(
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_stands_in_a_pod_it_is_printed_or_refused(
    run: Any, path: List[Any], odd: Any, options: List[str]
) -> None:
    pod = copy.deepcopy(BASE)
    part = pod
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = odd
    result = run(yaml.safe_dump(pod, sort_keys=False, allow_unicode=True), *options)
    assert result.status in (0, 1)
    if result.status:
        assert "stdin" in result.err or "user" in result.err


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode())))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_input_is_exit_0_or_1(run: Any, data: bytes) -> None:
    assert run(data).status == 1
    assert run(b"kind: Pod\nspec: " + data).status in (0, 1)


def test_an_od_config_without_any_webrtc_changes_nothing(run: Any) -> None:
    changes = {name.replace(".", "__"): ... for name in ENTRIES}
    result = run(POD, desktop__pod=..., webrtc__desktop=..., **changes)
    assert result.out == POD
