"""`abcwebrtc pod`: manifests in, the injected ones out, and what the terminal shows of them."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from abcwebrtc.cli.main import main
from support import (
    SECRET,
    WAIT,
    command,
    environment,
    run_command,
    run_main,
    run_on_a_terminal,
    write_od_config,
)
from support.pod_runs import (
    CHANGES,
    NOTHING_SECRET,
    POD,
    SERVICE,
    STUN,
    as_json,
    containers,
    pod_runner,
    variables,
)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return pod_runner(tmp_path, capsys, monkeypatch)


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
        "stdin: warning: document 2.spec.containers[0].env[0]: STUN_SERVER is left unchanged"
    )
    assert len(result.err.splitlines()) == 2  # and the sound container's copy


SEVERAL = [
    {"coturn_static_auth_secret": SECRET, "url": f"{name}.example.org", "protocol": protocol}
    for name, protocol in (("a", "turns"), ("b", "turn"), ("c", "turn"))
]


def test_the_one_server_that_desktops_depend_on_is_said(run: Any) -> None:
    result = run(f"{POD}---\n{POD}", webrtc__coturn=SEVERAL)
    assert "turn://" in result.out
    (line,) = result.err.splitlines()
    assert line.endswith(
        "od.config: note: webrtc.coturn: TURN_SERVER is turn:b.example.org only, since "
        "webrtcbin takes a single one: if that server fails, desktops have none, whichever of "
        "the 3 urls browsers use"
    )


@pytest.mark.parametrize("changes", [{"webrtc__desktop": ...}, {"webrtc__enable": False}])
def test_nobody_depends_on_a_server_that_is_not_given(run: Any, changes: Any) -> None:
    result = run(POD, webrtc__coturn=SEVERAL, **changes)
    assert (result.status, result.err) == (0, "")


FLEET = [
    {
        "coturn_static_auth_secret": SECRET,
        "url": [f"{name}.example.org", f"{name}.example.org:3479"],
        "name": name,
        "username": "timestamp",
    }
    for name in "abcdef"
]


def test_the_note_names_the_server_of_each_pod(run: Any) -> None:
    """A pod that does not say whose it is gets another server each time."""
    pod = POD.replace("access_userid: alice", "other: x")
    result = run("---\n".join([pod] * 12), webrtc__coturn=FLEET, webrtc__coturn_servers=1)
    env = [item for pod in result.documents for item in pod["spec"]["containers"][-1]["env"]]
    urls = [item["value"] for item in env if item["name"] == "TURN_SERVER"]
    given = {url.rpartition("@")[2].partition(":")[0] for url in urls}
    said = re.findall(r"TURN_SERVER is turn:(\S+) only.* the 2 urls", result.err)
    assert sorted(said) == sorted(given)
    assert len(given) > 1


def test_labels_decide_of_the_turn_server_and_their_lack_is_said(run: Any) -> None:
    servers = [{**entry, "acl": {"permit": [entry["name"]]}} for entry in FLEET]
    pod = run(POD, "--labels", "c,x", webrtc__coturn=servers).pod
    assert "@c.example.org" in variables(pod, "s-alice")["TURN_SERVER"]["value"]
    result = run(POD, "--labels", "x", webrtc__coturn=servers)
    assert "TURN_SERVER" not in variables(result.pod, "s-alice")
    assert result.err.splitlines()[-1].endswith(
        "od.config: note: webrtc.coturn: desktops of users with these labels get no TURN_SERVER; "
        "name the labels that the user has, such as --labels staff,paris"
    )


@pytest.mark.parametrize("labels", [[], ["--labels", "a"]], ids=len)
def test_no_label_is_asked_for_where_none_would_help(run: Any, labels: Any) -> None:
    changes: Any = {"webrtc__policies": [{"acl": {"permit": ["a"]}, "ttl": 900}]}
    drained = [{**entry, "drain": True} for entry in FLEET]
    result = run(POD, *labels, webrtc__coturn=drained, **changes)
    assert "TURN_SERVER" not in variables(result.pod, "s-alice")
    words = "has only drained servers, so new desktops get no TURN_SERVER"
    assert result.err.splitlines()[-1].endswith(f"od.config: note: webrtc.coturn: {words}")
    assert "--labels" not in run(POD, *labels, webrtc__coturn=None, **changes).err


# other forms


@pytest.mark.parametrize("text", [POD, as_json(), as_json(indent=2)], ids=len)
def test_the_form_may_differ_from_that_of_the_input(run: Any, text: str) -> None:
    as_it_came = run(text, **NOTHING_SECRET).documents
    assert [json.loads(run(text, "-o", "json", **NOTHING_SECRET).out)] == as_it_came
    as_yaml = run(text, "-o", "yaml", **NOTHING_SECRET)
    assert as_yaml.documents == as_it_came
    assert as_yaml.out.startswith("apiVersion: v1\n")


def test_several_documents_are_one_list_in_json(run: Any) -> None:
    found = json.loads(run(f"{SERVICE}---\n{POD}", "--secret", "--json").out)
    assert found["kind"] == "List"
    assert [item["kind"] for item in found["items"]] == ["Service", "Secret", "Pod"]
    text = run(f"{SERVICE}---\n{POD}", "--secret", "-o", "yaml")
    assert [item["kind"] for item in text.documents] == ["Service", "Secret", "Pod"]


def test_the_difference_as_data(run: Any) -> None:
    text = run(POD, "--diff")
    found = json.loads(run(POD, "--diff", "-o", "json").out)
    assert (found["ok"], found["changed"]) == (True, True)
    assert found["diff"] == text.out.splitlines()
    again = json.loads(
        run(run(POD, **NOTHING_SECRET).out, "--diff", "--json", **NOTHING_SECRET).out
    )
    assert again == {"ok": True, "changed": False, "diff": []}


# which argument is which


@pytest.mark.parametrize("name", ["desk.yaml", "desk.yml", "desk.json"])
def test_one_argument_that_is_like_a_manifest_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_od_config(tmp_path, **CHANGES, **NOTHING_SECRET)
    (tmp_path / name).write_text(POD)
    wanted = run_main(capsys, "pod", "od.config", name)
    assert wanted.status == 0
    for line in ([name], ["--od-config", "od.config", name]):
        assert run_main(capsys, "pod", *line) == wanted
    (tmp_path / "od.config").rename("desktop.yaml")  # two keep their order, whatever their names
    assert run_main(capsys, "pod", "desktop.yaml", name).out == wanted.out


def test_without_arguments_both_come_from_where_they_usually_are(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = run(POD, **NOTHING_SECRET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(POD.encode())))
    assert run_main(capsys, "pod")[:2] == wanted[:2]


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
    od_config = write_od_config(tmp_path, **CHANGES)
    shown = run_on_a_terminal("pod", od_config, file, "--diff", **environ)
    assert ("\033[32m+    service_sound: '4714'\033[0m" in shown) is coloured
    assert ("\033" in shown) is coloured
