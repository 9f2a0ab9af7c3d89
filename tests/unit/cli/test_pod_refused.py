"""What `abcwebrtc pod` refuses, and that any manifest at all is printed or refused."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any, List

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.cli.main import main
from conftest import ONE_FIXTURE
from support import ENTRIES, WAIT, command, environment, run_main, write_od_config
from support.pod_runs import POD, SERVICE, pod_runner
from support.spoiling import places


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    return pod_runner(tmp_path, capsys, monkeypatch)


# what is refused

NO_POD = "stdin: error: has no document of kind Pod; give the manifest of a desktop pod\n"
BAD = [
    *((text, NO_POD) for text in ("", "# nothing\n---\n", SERVICE, "kind: List\nitems: []\n")),
    ("kind: List\n", NO_POD),
    *(
        (f"{start}[global]\nwebrtc.enable: True\n", "stdin: error: is an od.config, not a manif")
        for start in ("", "\n# a comment\r\n\n", "; another\n")
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
    ("a: !!python/object/apply:os.abort []\n", "stdin:1: error: has a tag on a mapping or list"),
]


@pytest.mark.parametrize(("manifest", "message"), BAD, ids=range(len(BAD)))
def test_a_bad_manifest_is_exit_1_with_one_message(run: Any, manifest: Any, message: str) -> None:
    for options in ([], ["--diff"], ["--secret"]):
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
def test_a_file_that_can_not_be_read_is_exit_3(
    tmp_path: Path, run: Any, name: str, reason: str
) -> None:
    file = f"{tmp_path}/{name}"
    result = run(POD, file)
    assert result.status == 3
    shown = file.replace("\0", r"\x00")
    assert result.err == f"{shown}: error: {reason}\n"


def test_errors_of_the_od_config_come_before_the_manifest(tmp_path: Path, run: Any) -> None:
    result = run("a: 'x\n", webrtc__enable=1)
    assert result.status == 1
    assert result.err.startswith(f"{tmp_path / 'od.config'}:2: error: webrtc.enable: ")


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0", "/dev/zero"])
def test_an_endless_file_is_refused_and_not_kept(tmp_path: Path, name: str) -> None:
    line = command("pod", write_od_config(tmp_path), name)
    limited = ["sh", "-c", 'ulimit -v 2000000; exec "$@" </dev/zero', "sh", *line]
    result = subprocess.run(
        limited, env=environment(), capture_output=True, text=True, timeout=WAIT, check=False
    )
    assert result.returncode == 3
    what = "not a regular file" if name == "/dev/zero" else "larger than 4 MiB"
    shown = "stdin" if name == "-" else name
    assert result.stderr == f"{shown}: error: can't be read: {what}\n"


@pytest.mark.parametrize("line", [["-"], ["-", "-"], ["--od-config", "-"]], ids=str)
def test_stdin_is_one_of_both(capsys: pytest.CaptureFixture[str], line: List[str]) -> None:
    result = run_main(capsys, "pod", *line)
    assert (result.status, result.out) == (2, "")
    assert "error: stdin can't be both OD_CONFIG and POD; name a file" in result.err


def test_an_error_is_data_where_data_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(SERVICE)
    result = run_main(capsys, "pod", write_od_config(tmp_path), file, "-o", "json")
    assert (result.status, result.err) == (1, "")
    found = json.loads(result.out)
    assert (found["ok"], found["errors"][0]["file"]) == (False, str(file))


def test_a_closed_stdin_is_exit_3(tmp_path: Path) -> None:
    line = ["sh", "-c", 'exec "$@" <&-', "sh", *command("pod", write_od_config(tmp_path))]
    result = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=WAIT)
    assert result.returncode == 3
    assert result.stderr == "stdin: error: can't be read: it is closed\n"


@pytest.mark.parametrize(
    "line",
    [["--labels", ""], ["--labels", "a,,b"], ["--containers", ","], ["a", "b"], ["--jsn"]],
    ids=str,
)
def test_a_wrong_line_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: List[str]
) -> None:
    file = [write_od_config(tmp_path)]
    with pytest.raises(SystemExit) as caught:
        main(["pod", *map(str, file), *line])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("abcwebrtc pod: error: ") or line[0] == "--jsn"


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


@given(st.sampled_from(places(BASE)), ODD, st.sampled_from([[], ["--secret"], ["--diff"]]))
@settings(
    max_examples=200,
    suppress_health_check=ONE_FIXTURE,
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
@settings(suppress_health_check=ONE_FIXTURE)
def test_any_input_is_exit_0_or_1(run: Any, data: bytes) -> None:
    assert run(data).status == 1
    assert run(b"kind: Pod\nspec: " + data).status in (0, 1)


def test_an_od_config_without_any_webrtc_changes_nothing(run: Any) -> None:
    changes = {name.replace(".", "__"): ... for name in ENTRIES}
    result = run(POD, desktop__pod=..., webrtc__desktop=..., **changes)
    assert result.out == POD
