"""`probe` on paper and on the command line: its table, its JSON, its options."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import cli
from abcwebrtc.probe.desktopview import desktop_json
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import TLS, Result
from abcwebrtc.probe.refusals import span
from abcwebrtc.probe.report import as_json, summary, table
from observations import CASES, DAY, HERE, NOW, POD, STATIC, around, certificate, seen, stun
from support import WAIT, command, environment, run_command, write_od_config
from test_docs import table_keys

# the report


def results() -> List[Result]:
    good = seen(
        scheme="stun",
        account=None,
        reflexive="198.51.100.7:5000",
        times={"connect": 1.0, "binding": 2.25},
    )
    bad = seen(
        stun(401),
        account=STATIC,
        transport=TLS,
        reflexive="[2001:db8::7]:5000",
        certificate=certificate(),
        times={"binding": 12.0},
    )
    return judge([good, bad], around())


def test_the_table_has_the_columns_that_are_used() -> None:
    heading, first, second, *explained = table(results(), NOW)
    assert heading.split() == ["URL", "ADDRESS", "BY", "BINDING", "CERTIFICATE", "RESULT"]
    assert re.split("  +", first)[3:] == ["198.51.100.7 2.2 ms", "ok"]
    cells = re.split("  +", second)
    assert cells[3:] == ["2001:db8::7 12.0 ms", "turn.example.org 60 days", "wrong-login"]
    assert heading.index("RESULT") == first.index("ok") == second.index("wrong-login")
    assert explained[0].startswith("  error: 401: ")
    assert all(line == line.rstrip() for line in (heading, first, second, *explained))


@given(st.lists(st.sampled_from([case[0] for case in CASES]), max_size=5))
@settings(max_examples=30)
def test_any_table_is_aligned_and_narrow_where_it_explains(observations: Any) -> None:
    judged = judge(observations, around(POD))
    heading, *lines = table(judged, NOW, lambda text, level: f"<{text}>")
    column = heading.index("RESULT")
    rows = [line for line in lines if not line.startswith("  ")]
    assert len(rows) == len(observations)
    assert all(line[column - 1 : column + 1] == " <" for line in rows)
    assert all(len(line) <= 102 for line in lines if line.startswith("  "))


def test_the_summary_counts() -> None:
    assert summary(results(), HERE) == "1 of 2 work; probed from host here"
    warned = judge([seen(note="a"), seen(note="b"), seen()], around(POD))
    assert summary(warned[1:], POD) == "2 of 2 work, 1 warning; probed from pod desk"
    assert summary(warned, POD) == "3 of 3 work, 2 warnings; probed from pod desk"


def test_json_has_what_was_seen_and_no_login() -> None:
    report = json.loads(json.dumps(as_json(results(), POD, NOW, failed=True)))
    assert report["ok"] is False
    assert report["from"] == {"host": "desk", "pod": True}
    assert report["time"] == int(NOW)
    good, bad = report["results"]
    assert list(good) == list(bad)
    assert (good["level"], good["diagnoses"], good["certificate"]) == ("ok", [], None)
    assert good["times"] == {"connect": 1.0, "binding": 2.25}
    assert bad["certificate"]["days_left"] == 60
    assert bad["diagnoses"][0]["word"] == "wrong-login"
    assert "a-password" not in str(report)
    assert "alice" not in str(report)


def test_the_page_lists_the_members_of_the_json() -> None:
    report = as_json(results(), HERE, NOW, failed=False)
    bad = report["results"][1]
    desktop = desktop_json(results())
    members = {
        *report,
        "desktop",
        *desktop,
        *bad,
        *bad["certificate"],
        *bad["diagnoses"][0],
        *report["from"],
    }
    assert set(table_keys("probe.md", "## JSON")) == members


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 min"),
        (90061, "1 d 1 h"),
        (400 * DAY, "400 d 0 h"),
    ],
)
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


# the command line


def run(*arguments: object) -> "Tuple[int, str]":
    done = run_command("probe", *arguments)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "give an OD_CONFIG, or --desktop"),
        (["od.config", "--timeout", "0"], "write seconds, from 0.1 to 86400"),
        (["od.config", "--timeout", "nan"], "write seconds"),
        (["--watch", "od.config"], "OD_CONFIG stands before --watch"),
    ],
)
def test_a_wrong_command_line_is_exit_2(options: List[str], part: str) -> None:
    status, error = run(*options)
    assert status == 2
    assert part in error


@pytest.mark.parametrize("data", [None, b"", b"no certificate"])
def test_an_authority_that_can_not_be_read(tmp_path: Path, data: Optional[bytes]) -> None:
    path = tmp_path / "ca.pem"
    if data is not None:
        path.write_bytes(data)
    status, error = run(write_od_config(tmp_path), "--ca", path)
    assert (status, error.count("\n")) == (1, 1)
    assert error.startswith(f"error: {path}: the certificate authority can't be read: ")


def test_a_configuration_without_servers(tmp_path: Path) -> None:
    changes = {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    status, error = run(write_od_config(tmp_path, **changes))
    assert status == 1
    assert "there is no STUN or TURN server to probe" in error


def test_a_desktop_without_servers(tmp_path: Path) -> None:
    changes = {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    status, error = run(write_od_config(tmp_path, **changes), "--desktop")
    assert status == 1
    assert "neither STUN_SERVER nor TURN_SERVER is set" in error


def test_where_aioice_is_missing_that_is_said_with_what_to_run(tmp_path: Path) -> None:
    line = command(
        "probe", write_od_config(tmp_path), before="import sys\nsys.modules['aioice'] = None"
    )
    done = subprocess.run(line, capture_output=True, text=True, timeout=WAIT, env=environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: probe needs aioice, which is not installed; run: pip install 'abcwebrtc[probe]'\n"
    )


def test_the_table_of_options_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["probe", "--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert set(table_keys("probe.md", "# Probe")) == offered
