"""A file that is not an od.config is named, with what to do, instead of being misread as INI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Tuple

import pytest
import yaml

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.yaml import yaml_text
from abcwebrtc.errors import ConfigError
from abcwebrtc.odconfig.other_files import other_format
from abcwebrtc.odconfig.reader import load_od_config, parse_od_config
from abcwebrtc.odconfig.source import MAX_BYTES

SECRET = "north-by-north-west"
OD_CONFIG = f"[global]\nwebrtc.enable: True\nwebrtc.coturn: {{ 'a': '{SECRET}' }}\n"


def kubernetes(kind: str, **more: Any) -> Dict[str, Any]:
    metadata = {"name": "abcdesktop-config", "namespace": "abcdesktop"}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


CONFIG_MAP = kubernetes("ConfigMap", data={"od.config": OD_CONFIG})
LIST = {"apiVersion": "v1", "items": [CONFIG_MAP], "kind": "List"}
SECRET_OBJECT = kubernetes("Secret", data={"od.config": "W2dsb2JhbF0K"})
JSONC = f'{{\n  // sound\n  "webrtc.enable": true, /* {SECRET} */\n}}\n'
GET = "kubectl get configmap abcdesktop-config -n abcdesktop -o jsonpath='{.data.od\\.config}'"
FILES: Dict[str, Tuple[str, str]] = {
    "JSON with comments": (JSONC, "config.jsonc"),
    "a comment first": (f"// {SECRET}\n/* a\n b */\n{JSONC}", "config.jsonc"),
    "an open comment": ("/* a\n b", ""),
    "JSON": (json.dumps({"global": {"webrtc.enable": True}}), "config.jsonc"),
    "a list in JSON": (f'[ "{SECRET}" ]', "is JSON"),
    "a ConfigMap": (yaml.safe_dump(CONFIG_MAP), GET),
    "a ConfigMap as abcwebrtc prints it": (yaml_text([CONFIG_MAP]), GET),
    "a ConfigMap as kubectl prints it": (
        "apiVersion: v1\ndata:\n  a: |\n    x\nkind: ConfigMap\n",
        GET,
    ),
    "a ConfigMap behind a mark": ("# from the cluster\n---\n" + yaml.safe_dump(CONFIG_MAP), GET),
    "a ConfigMap in JSON": (json.dumps(CONFIG_MAP, indent=4), GET),
    "a ConfigMap in a list": (yaml.safe_dump(LIST), GET),
    "a ConfigMap described": (f"Name:         a\nNamespace:    b\n\nData\n{OD_CONFIG}", GET),
    "a ConfigMap in a table": ("NAME                DATA   AGE\nabcdesktop-config   1   9d\n", GET),
    "a Secret": (yaml.safe_dump(SECRET_OBJECT), "| base64 -d"),
    "a Deployment": (yaml.safe_dump(kubernetes("Deployment", spec={})), "a Kubernetes manifest"),
    "YAML": (f"---\nglobal:\n  a: {SECRET}\n", "is YAML"),
    "HTML": (f"<!DOCTYPE html>\n<html><p>{SECRET}</p></html>", "HTML or XML"),
    "a turnserver.conf": (f"# x\nlistening-port=3478\nstatic-auth-secret={SECRET}\n", "--check"),
    "a key": (f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n", "a key or a certificate"),
    "nothing": ("", "is empty"),
    "comments": ("# a\n\n; b", "is empty"),
    "bytes": ("\n\nPK\x00\x01\n", "NUL"),
}


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=FILES)
def test_what_is_no_od_config_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_od_config(text)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert "indent" not in problem.message
    assert problem.line is not None
    assert SECRET not in str(caught.value)


JSON, YAML = r"config\.jsonc of pyos's development branch", r"is YAML, not an od\.config"


@pytest.mark.parametrize(
    ("name", "words"),
    [("CONFIG.JSONC", JSON), ("od.config.json", JSON), ("values.yaml", YAML), ("CM.YML", YAML)],
)
def test_a_format_is_known_by_its_name(name: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("webrtc.enable: true\n")
    with pytest.raises(ConfigError, match=words):
        load_od_config(path)
    path.write_text(OD_CONFIG)
    assert load_od_config(path)["webrtc.enable"] is True


@pytest.mark.parametrize(
    "text",
    [
        "[global]\na: 1\na: 2\n",
        "[global]\na: '{\n{ 'b': 1 }\n",
        "[global\na: 1\n",
        "[Global]\napiVersion: 1\nkind: ConfigMap\n",
        "webrtc.enable: True\n",
        "# apiVersion: v1\n[other]\nrealm=1\n",
    ],
)
def test_an_od_config_with_a_fault_is_no_other_file(text: str) -> None:
    assert other_format(text, "od.config") == ""


COMMANDS = [
    ["check", "FILE"],
    ["configmap", "FILE"],
    ["apply", "FILE"],
    ["mint", "FILE", "--user", "alice"],
    ["serve", "FILE"],
    ["probe", "FILE"],
    ["networkpolicy", "FILE"],
    ["turnserver-conf", "FILE"],
    ["whois", "1700000000:alice", "FILE"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_says_what_the_file_is(
    command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "od.config"
    path.write_text(JSONC)
    status = main([str(path) if word == "FILE" else word for word in command])
    assert status == 1
    out, err = capsys.readouterr()
    assert "is JSON, like the config.jsonc of pyos's development branch" in out + err
    assert SECRET not in out + err


@pytest.mark.parametrize(
    "unit", ["/", "/*", "//\n", "{", "# \n", "kind:", "apiVersion", " ", "\n", "<", "[", "- "]
)
def test_a_large_file_is_named_or_not_and_does_not_take_for_ever(unit: str) -> None:
    other_format(unit * (MAX_BYTES // len(unit)), "od.config")
