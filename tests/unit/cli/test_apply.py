"""The parts of ``abcwebrtc apply`` that need no cluster: its options and its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, List

import kubernetes_validate
import pytest
import yaml

from abcwebrtc.cli.main import main
from support import listed_options, own_options, write_od_config
from support.desktop_pod import VERSIONS
from unit.project.test_docs import ROOT, table_keys
from unit.test_imports import HEAVY, loaded_by

PAGE = ROOT / "docs" / "reference" / "configmap.md"


@pytest.mark.parametrize(
    "options",
    [
        ["--restart", "kill"],
        ["--timeout", "nan"],
        ["--namespace", "a.b"],
        ["--name", "A"],
        ["--key", "a/b"],
    ],
    ids=repr,
)
def test_a_wrong_option_is_exit_2(tmp_path: Path, capsys: Any, options: List[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["apply", str(write_od_config(tmp_path)), *options])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{options[0]}: " in err
    assert ("such as od.config in a ConfigMap" in err) == (options[0] == "--key")


def test_an_od_config_with_an_error_loads_no_client(tmp_path: Path) -> None:
    code = "from abcwebrtc.cli.main import main\nassert main(['apply', *sys.argv[1:]]) == 1"
    od_config = write_od_config(tmp_path, webrtc__enable=1)
    assert not loaded_by(code, od_config) & {*HEAVY, "yaml", "urllib3"}


# the page


@pytest.mark.parametrize("command", ["configmap", "apply"])
def test_the_tables_of_options_are_complete(command: str) -> None:
    assert listed_options(table_keys("configmap.md", f"## {command}")) == own_options(command)


def role() -> Any:
    (text,) = re.findall(r"^```yml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return yaml.safe_load(text)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_role(version: str) -> None:
    kubernetes_validate.validate(role(), version, strict=True)
    wrong = {**role(), "rules": [{"apigroups": [""], "verbs": ["get"]}]}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)
