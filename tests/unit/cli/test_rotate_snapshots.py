"""What ``abcwebrtc rotate plan`` and ``rotate check`` look like, on terminals and in a pipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from abcwebrtc.cli import rotate
from abcwebrtc.cli.main import main
from abcwebrtc.coturn.rotation import Answer
from abcwebrtc.coturn.rotation_check import rows_of, what_to_ask
from support import ENTRIES, write_od_config
from support.rotation_groups import AT, NEW, OLD
from support.snapshots import WIDTHS, assert_snapshot, screen, shape

COTURN = ENTRIES["webrtc.coturn"]
TIMES = ("--at", "2026-01-05T09:00:00Z")


def printed(width: Optional[int], *line: str) -> str:
    with screen(width) as stream:
        assert main(["rotate", *line]) in (0, 1)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("width", WIDTHS, ids=shape)
def test_the_plan(tmp_path: Path, width: Optional[int]) -> None:
    write_od_config(tmp_path)
    text = printed(width, "plan", "--realm", "turn.domain.local", *TIMES)
    assert_snapshot(f"rotate-plan-{shape(width)}", text)


@pytest.mark.parametrize("width", WIDTHS, ids=shape)
def test_the_plan_for_a_variable_and_turnserver_conf(
    tmp_path: Path, width: Optional[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURN_SECRET", OLD)
    coturn = {**COTURN, "coturn_static_auth_secret_env": "TURN_SECRET", "username": "pseudonym"}
    del coturn["coturn_static_auth_secret"]
    write_od_config(tmp_path, webrtc__coturn=coturn, webrtc__desktop={"turn": True})
    text = printed(width, "plan", "--coturn", "conf", *TIMES)
    assert_snapshot(f"rotate-plan-conf-{shape(width)}", text)


@pytest.mark.parametrize("width", WIDTHS, ids=shape)
def test_the_report(tmp_path: Path, width: Optional[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def answered(found: Any, new: Any, *_: Any) -> Any:
        addresses = {uri: ["192.0.2.1"] for group in found for s in group.servers for uri in s.uris}
        return rows_of(1, [(one, Answer(True)) for one in what_to_ask(found, addresses, new)])

    monkeypatch.setattr(rotate, "_ask", answered)
    monkeypatch.setattr(rotate.time, "time", lambda: AT + 300.0)
    write_od_config(tmp_path, webrtc__coturn={**COTURN, "coturn_static_auth_secret": [NEW, OLD]})
    text = printed(width, "check", "--since", "2026-01-05T09:00:00Z")
    assert_snapshot(f"rotate-check-{shape(width)}", text)
