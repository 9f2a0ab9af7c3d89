"""The ConfigMap as kubectl makes it, and the command."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any, List, Optional

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import ConfigError
from abcwebrtc.cluster.configmap import config_map, read_od_config
from abcwebrtc.cluster.yaml import yaml_text
from conftest import ROOT, require_program
from support import (
    ENTRIES,
    SECRET,
    WAIT,
    command,
    environment,
    run_command,
    run_main,
    write_od_config,
)
from unit.test_imports import HEAVY, loaded_by

EXAMPLE = ROOT / "tests" / "data" / "od.config"
NOTE = "note: anyone who may read the ConfigMap can read the static auth secret in it; "


def kubectl(*arguments: object, text: bytes = b"") -> Any:
    """Run the real kubectl without a cluster, and return the object that it prints."""
    line = [require_program("kubectl", "kubernetes-client"), *map(str, arguments), "-o", "json"]
    env = {**os.environ, "KUBECONFIG": os.devnull}
    done = subprocess.run(line, input=text, capture_output=True, env=env, timeout=WAIT, check=True)
    made = json.loads(done.stdout)
    made["metadata"].pop("creationTimestamp", None)  # null; the newest kubectl prints none
    return made


def created(file: Path, name: str = "abcdesktop-config", key: str = "od.config", *more: str) -> Any:
    """Return what the command of abcdesktop's documentation makes."""
    start = ("create", "configmap", name, f"--from-file={key}={file}", "--dry-run=client")
    return kubectl(*start, *more)


# as kubectl reads it


@pytest.mark.parametrize("options", [[], ["-n", "abcdesktop"]], ids=["plain", "namespace"])
def test_it_prints_what_kubectl_makes(options: List[str]) -> None:
    printed = run_command("configmap", EXAMPLE, *options).stdout
    made = created(EXAMPLE, "abcdesktop-config", "od.config", *options)
    assert yaml.safe_load(printed) == made
    assert "  od.config: |\n    " in printed


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_it_is_utf_8_whatever_the_locale_is(tmp_path: Path, encoding: str) -> None:
    """kubectl accepts nothing else, and an escape would end up in the cluster as text."""
    od_config = write_od_config(tmp_path)
    od_config.write_text(od_config.read_text() + "# caf\xe9 \u2615\n", encoding="utf-8")
    env = {**environment(), "PYTHONIOENCODING": encoding}
    result = subprocess.run(
        command("configmap", od_config), capture_output=True, env=env, timeout=WAIT
    )
    assert yaml.safe_load(result.stdout.decode("utf-8")) == created(od_config)


HOSTILE = (
    *("[global]\na: 1", "[global]\n\n\n", "\n[global]\n", " [global]\na: 1\n", "[global]\ta"),
    *("[global] \na: 1  \n  \nb\n ", "[global]\n\ta: 1\t\n", "\t[global]\na\n", "\n\t\n"),
    *(
        "[global]\r\na: 1\r\n",
        "a\rb\r",
        "a\u0085b\n",
        "a\u2028b\u2029",
        "\u2028\n",
        "\x7f\n",
        "a\x9f\n",
    ),
    *(
        "[global]: # : #\n- a\n---\n...\n%\n",
        "'it''s' \"\\\"",
        "a\t\U0001f600\n",
        "\ufeff\ue000\ufdd0\n",
    ),
    *("\x01\x07\x1b\n", "caf\u00e9\u00a0\u4e2d\n", "    a\n  b\n      c\n", "a word " * 30, "null"),
)


def test_any_text_is_for_kubectl_what_it_was() -> None:
    texts = {f"text-{number}": text for number, text in enumerate(HOSTILE)}
    printed = yaml_text([{**config_map(""), "data": texts}]).encode("utf-8")
    assert kubectl("label", "--local", "-f", "-", "a=b", text=printed)["data"] == texts


PIECES = ["a", "word ", " ", "\n", "\n", "\t", "#", ": ", '"', "'", "\\", "é", "[global]\n", "-"]
PIECES += ["\U0001f600", "\r", "x" * 30, "  ", "\x01", "1", "%", "{", ",", "\ue000", "\ufffd"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(max_examples=300)
@given(TEXTS | st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_yaml(text: str) -> None:
    assert yaml.safe_load(yaml_text([config_map(text)]))["data"]["od.config"] == text


@pytest.mark.parametrize("line", ["a:\t1", "a: 1  ", "  \t", "# caf\u00e9 \U0001f600", "  - : #"])
def test_several_lines_are_a_block_that_one_can_read(line: str) -> None:
    printed = yaml_text([config_map(f"[global]\n{line}\n")])
    assert printed.endswith(f"od.config: |\n    [global]\n    {line}\n")


KEYS = ["n", "y", "on", "true", "null", "1", "1.5", "1e3", "0x1f", "0b1", "0o17", "017", "08"]
KEYS += ["2001-01-01", "1-2", "a.b", "0.0.1", "inf", "nan", "-", "---", ".5", "_1", "1_0", "1_.5"]
KEYS += ["-.5", ".inf", "-.inf", ".NaN", "-0x1", "0x_1"]


def test_names_that_yaml_takes_for_something_else_stay_names() -> None:
    for name in ("on", "null", "1e3"):
        manifest = {**config_map("", name, "k", name), "data": {key: key for key in KEYS}}
        read = kubectl("label", "--local", "-f", "-", "a=b", text=yaml_text([manifest]).encode())
        assert read["metadata"] == {"name": name, "namespace": name, "labels": {"a": "b"}}
        assert read["data"] == manifest["data"]


# the command


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "configmap")


def test_an_inline_secret_is_noted_once(tmp_path: Path, run: Any) -> None:
    status, out, err = run(write_od_config(tmp_path))
    assert status == 0
    assert SECRET in out
    assert err == f"{NOTE}to keep it in a Secret, use coturn_static_auth_secret_file\n"


@pytest.mark.parametrize("suffix", ["_file", "_env"])
def test_a_secret_that_is_only_where_pyos_runs_is_a_note(
    tmp_path: Path, run: Any, suffix: str
) -> None:
    coturn = {**ENTRIES["webrtc.coturn"], f"coturn_static_auth_secret{suffix}": "NOWHERE"}
    del coturn["coturn_static_auth_secret"]
    status, out, err = run(write_od_config(tmp_path, webrtc__coturn=[coturn]))
    assert status == 0
    assert "NOWHERE" in out
    assert len(err.splitlines()) == 1
    assert f"note: webrtc.coturn[0].coturn_static_auth_secret{suffix}: the secret's " in err
    assert err.endswith("; it is not checked, and must be there where pyos runs\n")


def test_an_error_beside_it_is_an_error(tmp_path: Path, run: Any) -> None:
    coturn = {**ENTRIES["webrtc.coturn"], "coturn_static_auth_secret_file": "x", "ttl": "1"}
    del coturn["coturn_static_auth_secret"]
    status, out, err = run(write_od_config(tmp_path, webrtc__coturn=coturn))
    assert (status, out) == (1, "")
    assert "error: webrtc.coturn.ttl: " in err
    assert "_file" not in err


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[global]\nwebrtc.enable: 1\n", ":2: error: webrtc.enable: must be True or False"),
        (b"[global]\n# \xff\n", ":2: error: not UTF-8 text; save the file as UTF-8"),
        (b"\xef\xbb\xbf[global]\n", ":1: error: begins with a byte order mark"),
        (b"[global]\n" + b"#" * 2**20, ": error: can't be read: larger than 1 MiB, which"),
        (b"webrtc.enable: True\n", "error: "),
        (None, ": error: can't be read: No such file or directory"),
    ],
)
def test_what_is_no_od_config_is_one_error(
    tmp_path: Path, run: Any, data: Optional[bytes], message: str
) -> None:
    file = tmp_path / "od.config"
    if data is not None:
        file.write_bytes(data)
    status, out, err = run(file)
    assert (status, out) == (3 if "can't be read" in message else 1, "")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--name", "A"],
        ["--name", "a_b"],
        ["--name", ""],
        ["--key", "a/b"],
        ["--key", ".."],
        ["--key", "..a"],
        ["--key", ""],
        ["--key", "a" * 254],
        ["-n", "a.b"],
        ["--namespace", "A"],
    ],
    ids=repr,
)
def test_a_name_that_kubernetes_would_refuse_is_exit_2(
    tmp_path: Path, run: Any, options: List[str]
) -> None:
    status, out, err = run(write_od_config(tmp_path), *options)
    assert (status, out) == (2, "")
    assert ": write a " in err.splitlines()[0]


def test_it_loads_no_framework(tmp_path: Path) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(['configmap', *sys.argv[1:]]) == 0"
    assert not loaded_by(code, write_od_config(tmp_path)) & (set(HEAVY) - {"yaml"})


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_data_is_the_same_in_each_form(tmp_path: Path, run: Any, form: str) -> None:
    od_config = write_od_config(tmp_path)
    assert yaml.safe_load(run(od_config, "-o", form).out) == yaml.safe_load(run(od_config).out)
    assert run(od_config, "-q", "-o", form).err == ""


# plain data


def test_the_text_is_not_in_the_repr(tmp_path: Path) -> None:
    checked = read_od_config(write_od_config(tmp_path))
    assert checked.has_inline_secret
    assert SECRET in checked.text
    assert SECRET not in repr(checked)


def test_an_od_config_without_a_secret_has_none(tmp_path: Path) -> None:
    assert not read_od_config(write_od_config(tmp_path, webrtc__coturn=...)).has_inline_secret


def test_an_exception_of_the_check_holds_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_od_config(write_od_config(tmp_path, webrtc__enable=1))
    assert caught.value.__context__ is None
