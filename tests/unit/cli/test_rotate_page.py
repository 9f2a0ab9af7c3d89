"""docs/reference/rotate.md says what ``abcwebrtc rotate`` offers, and shows what it prints."""

from __future__ import annotations

import base64
import functools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from abcwebrtc import WebRTCConfig
from abcwebrtc.coturn.rotation import STEPS, Answer, groups
from abcwebrtc.coturn.rotation_check import Report, Switch, rows_of, what_to_ask
from conftest import ROOT
from support import SECRET, listed_options, own_options, run_main
from unit.cli.test_rotate import NEW

PAGE = ROOT / "docs" / "reference" / "rotate.md"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return functools.partial(run_main, capsys, "rotate")


def section(heading: str) -> str:
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1]
    return text.split("\n## ", 1)[0]


@pytest.mark.parametrize("name", ["plan", "new-secret", "old-secret", "check"])
def test_the_page_has_every_option(name: str) -> None:
    rows = [line.split("|")[1] for line in section(name).splitlines() if line.startswith("|")]
    keys = re.findall(r"`(--[a-z]+)`", " ".join(rows))
    assert listed_options(keys) == own_options("rotate", name)


def test_the_page_has_every_step() -> None:
    rows = [line for line in section("check").splitlines() if line.startswith("| `")]
    calls = {True: "go through", False: "are refused", None: "unknown"}
    for step in STEPS:
        (row,) = [row for row in rows if row.startswith(f"| `{step.name}` |")]
        assert row.split("|")[2].strip() == calls[step.works]


def test_the_page_shows_what_check_prints(tmp_path: Path) -> None:
    url = "turn.domain.local:3478"
    coturn = {"coturn_static_auth_secret": [NEW, SECRET], "protocol": "turns", "url": url}
    mapping = {"webrtc.enable": True, "webrtc.coturn": coturn}
    (group,) = groups(WebRTCConfig.from_mapping(mapping), coturn)
    asked = what_to_ask([group], {uri: [(url, 3478)] for uri in group.servers[0].uris}, None)
    (rows,) = rows_of(1, [(one, Answer(True)) for one in asked])
    switch = Switch(1767603600, "--since")
    text = "\n".join(Report(group, rows, switch, 300, 1767603600 + 301).lines())
    assert f"```text\n{text}\n```\n" in section("check")


def test_the_lines_of_the_page_make_every_form_of_one_secret(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = section("new-secret").split("```text\n", 1)[1].split("```", 1)[0].splitlines()
    printed = []
    for line in lines:
        result = run(*shlex.split(line, comments=True)[2:])
        assert result.status == 0, result.err
        printed.append(result.out)
    secret = (tmp_path / "new-secret").read_text()
    manifest = yaml.safe_load(printed[4])
    assert printed[:2] == ["", f"static-auth-secret={secret}"]
    assert f"'turn.domain.local', '{secret.strip()}');" in printed[2]
    assert printed[3].startswith("turnadmin -s")
    assert base64.b64decode(manifest["data"]["static-auth-secret"]).decode() == secret
