"""The ConfigMap as kubectl prints it, and the command."""

from __future__ import annotations

import copy
import os
import subprocess
from pathlib import Path
from typing import Any, List, Optional, Tuple

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from abcwebrtc import ConfigError
from abcwebrtc.cli.main import main
from abcwebrtc.cluster.configmap import config_map, read_od_config, with_text
from abcwebrtc.cluster.kubectl_yaml import kubectl_text
from conftest import ONE_FIXTURE, ROOT, require_program
from support import ENTRIES, SECRET, WAIT, command, environment, run_command, write_od_config
from unit.test_imports import HEAVY, loaded_by

EXAMPLE = ROOT / "tests" / "data" / "od.config"
NOTE = "note: whoever may read the ConfigMap can read the static auth secret in it; "


def kubectl(
    file: Path, name: str = "abcdesktop-config", key: str = "od.config", *options: str
) -> "subprocess.CompletedProcess[bytes]":
    """Run the command of abcdesktop's documentation."""
    program = require_program("kubectl", "kubernetes-client")
    start = [program, "create", "configmap", name, f"--from-file={key}={file}"]
    line = [*start, "-o", "yaml", "--dry-run=client", *options]
    env = {**os.environ, "KUBECONFIG": os.devnull, "HOME": str(file.parent)}
    return subprocess.run(line, capture_output=True, env=env, timeout=WAIT)


def manifest_text(text: str, name: str = "n", key: str = "od.config", namespace: Any = None) -> str:
    manifest = config_map(text, name, key, namespace)
    manifest["metadata"]["creationTimestamp"] = None
    return kubectl_text(manifest)


# as kubectl prints it


@pytest.mark.parametrize("options", [[], ["-n", "abcdesktop"]], ids=["plain", "namespace"])
def test_it_prints_what_kubectl_prints(options: List[str]) -> None:
    line = command("configmap", EXAMPLE, *options)
    result = subprocess.run(line, capture_output=True, env=environment(), timeout=WAIT)
    assert result.returncode == 0
    assert result.stdout == kubectl(EXAMPLE, "abcdesktop-config", "od.config", *options).stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_it_is_utf_8_whatever_the_locale_is(tmp_path: Path, encoding: str) -> None:
    """kubectl takes nothing else, and an escape would be put into the cluster as it is."""
    od_config = write_od_config(tmp_path)
    od_config.write_text(od_config.read_text() + "# caf\xe9 \u2615\n", encoding="utf-8")
    env = {**environment(), "PYTHONIOENCODING": encoding}
    line = command("configmap", od_config)
    result = subprocess.run(line, capture_output=True, env=env, timeout=WAIT)
    assert result.stdout == kubectl(od_config).stdout


def test_name_and_key_are_as_kubectl_has_them(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path)
    other = od_config.rename(tmp_path / "my.conf")
    result = run_command("configmap", other, "--name", "on", "--key", "0x1f", "-n", "null")
    assert result.stdout.encode() == kubectl(other, "on", "0x1f", "-n", "null").stdout


STYLES = {
    "literal": "[global]\na: 1\n",
    "no line break at the end": "[global]\na: 1",
    "several at the end": "[global]\n\n\n",
    "one line": "[global]",
    "one long line": "[global] " + "a word " * 30,
    "begins with a blank": " [global]\na: 1\n",
    "begins with a line break": "\n[global]\n",
    "blank at the end of a line": "[global] \na: 1\n",
    "blank at the end": "[global]\n ",
    "tab": "[global]\n\ta: 1\n",
    "CRLF": "[global]\r\na: 1\r\n",
    "CR": "[global]\ra: 1\r",
    "long and double-quoted": "[global]\na:\t" + "a  word  'x' \"y\" \\ " * 20 + "\n",
    "control characters": "[global]\na: \x00\x01\x07\x08\x0b\x0c\x1b\x1f\n",
    "Unicode": "[global]\ncafé: '\u00a0ß\u0416\u4e2d\uffe5'\n",
    "an emoji": "[global]\na: '\U0001f600'\n",
    "line separator": "[global]\na: '\u2028\u2029'\n",
    "no character": "[global]\na: '\ufeff\ue000\ufdd0'\n",
    "quotes": "[global] 'it''s'",
    "colons and hashes": "[global]: # : #\n",
    "indentation": "    [global]\n  a: 1\n      b\n",
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_kubectls(tmp_path: Path, style: str) -> None:
    text = STYLES[style]
    file = tmp_path / "od.config"
    file.write_bytes(text.encode())
    assert manifest_text(text) == kubectl(file, "n").stdout.decode()
    assert yaml.safe_load(manifest_text(text))["data"]["od.config"] == text


@pytest.mark.parametrize("text", ["[global]\n\u0085", "a\u0085b", "\x7f\n", "a\n\x9f\n"], ids=ascii)
def test_what_kubectl_can_not_print_is_the_same_when_it_is_read(tmp_path: Path, text: str) -> None:
    """It loses these characters, or refuses them."""
    file = tmp_path / "od.config"
    file.write_bytes(text.encode())
    theirs = kubectl(file)
    assert theirs.returncode or yaml.safe_load(theirs.stdout)["data"]["od.config"] != text
    assert yaml.safe_load(manifest_text(text))["data"]["od.config"] == text


PIECES = ["a", "word ", " ", "\n", "\n", "\t", "#", ": ", '"', "'", "\\", "é", "[global]\n", "-"]
PIECES += ["\U0001f600", "\r", "x" * 30, "  ", "\x01", "1", "%", "{", ",", "\ue000", "\ufffd"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


@settings(max_examples=40, suppress_health_check=ONE_FIXTURE)
@given(TEXTS)
def test_any_text_is_as_kubectl_prints_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "od.config"
    file.write_bytes(text.encode())
    assert manifest_text(text) == kubectl(file, "n").stdout.decode()


@settings(max_examples=300)
@given(TEXTS | st.text(st.characters(exclude_categories=["Cs"])))
@example("[global]\n\u2028")
@example("a\u2028")
def test_any_text_comes_back_from_yaml(text: str) -> None:
    assert yaml.safe_load(manifest_text(text))["data"]["od.config"] == text


NAMES = ["n", "y", "on", "true", "null", "1", "1.5", "1e3", "0x1f", "0b1", "0o17", "017", "08"]
NAMES += ["2001-01-01", "2001-1-1", "1-2", "a.b", "0.0.1", "inf", "nan"]
KEYS = ["-", "--", "---", ".5", "_1", "1_0", "1_.5", "-.5", ".inf", "-.inf", ".NaN", "-0x1", "0x_1"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_yaml_takes_for_something_else(tmp_path: Path, name: str) -> None:
    file = tmp_path / "od.config"
    file.write_text("[global]\n")
    assert manifest_text("[global]\n", name).encode() == kubectl(file, name).stdout


@pytest.mark.parametrize("key", [*NAMES, *KEYS])
def test_keys_that_yaml_takes_for_something_else(tmp_path: Path, key: str) -> None:
    file = tmp_path / "od.config"
    file.write_text("[global]\n")
    assert manifest_text("[global]\n", key=key).encode() == kubectl(file, "n", key).stdout


# the command


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: object) -> Tuple[Any, str, str]:
        try:
            status: Any = main(["configmap", *map(str, arguments)])
        except SystemExit as error:
            status = error.code
        return (status, *capsys.readouterr())

    return call


def test_an_inline_secret_is_noted_once(tmp_path: Path, run: Any) -> None:
    status, out, err = run(write_od_config(tmp_path))
    assert status == 0
    assert SECRET in out
    assert err == f"{NOTE}coturn_static_auth_secret_file keeps it in a Secret\n"


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
    assert err.endswith("; it is left unchecked, and has to be where pyos runs\n")


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
        (b"[global]\n" + b"#" * 2**20, ": error: larger than 1 MiB, which no ConfigMap can hold"),
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
    assert (status, out) == (1, "")
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
    assert ": write a " in err.splitlines()[-1]


def test_it_loads_neither_yaml_nor_a_framework(tmp_path: Path) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(['configmap', *sys.argv[1:]]) == 0"
    assert not loaded_by(code, write_od_config(tmp_path)) & {*HEAVY, "yaml"}


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


def test_with_text_keeps_everything_else() -> None:
    before = {"metadata": {"name": "n"}, "data": {"a": "1", "k": "2"}, "immutable": False}
    kept = copy.deepcopy(before)
    assert with_text(before, "k", "3") == {**kept, "data": {"a": "1", "k": "3"}}
    assert before == kept
    assert with_text({"data": None}, "k", "3") == {"data": {"k": "3"}}
