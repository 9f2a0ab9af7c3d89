"""What `probe` prints: the layout on terminals of several widths and in a pipe."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any, List
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from abcwebrtc.cli import probe
from abcwebrtc.cli.main import main
from abcwebrtc.cli.probe_table import show_rows
from abcwebrtc.config.uris import IceURI
from abcwebrtc.probe.diagnosis import judge
from abcwebrtc.probe.model import (
    BINDING,
    HANDSHAKE,
    RESOLVE,
    TLS,
    Burst,
    Failure,
    Observation,
    PathResult,
    SecretSearch,
    Target,
)
from abcwebrtc.probe.report import rows_of
from support import write_od_config
from support.observations import CASES, DAY, MINTED, NOW, POD, around, certificate, seen, stun, way
from support.snapshots import WIDTHS, assert_snapshot, screen, shape

HERE, SEEN_AS = "198.51.100.8", "203.0.113.20:5000"
TIMES = {"binding": 13.91, "allocate": 28.43, "relay": 9.7, "outside": 9.1}


def at(host: str, *failures: Failure, scheme: str = "turn", **fields: Any) -> Observation:
    """Return what was seen of a url; one with TLS where the scheme has it."""
    is_tls = scheme.endswith("s")
    uri = IceURI(scheme, f"{host}.domain.local", 5349 if is_tls else 3478)
    target = Target(uri, TLS if is_tls else "udp", MINTED if scheme.startswith("turn") else None)
    found = {"address": HERE, "reflexive": SEEN_AS, **fields}
    return Observation(target, failures=list(failures), **found)


def everything() -> List[Observation]:
    """Return what may come together: what works, some of it over IPv6, and faults of many kinds."""
    before = certificate(
        subject="[red]old[/red] :warning:",
        names=("old.domain.local",),
        not_after=int(NOW) - 3 * DAY,
        verify_error=10,
    )
    good = certificate(names=("turn.domain.local",))
    untried = PathResult(untried="no-address")
    return [
        at("stun", scheme="stun", address="198.51.100.7", rfc3489=True, times={"binding": 14.12}),
        at("turn", relayed=f"{HERE}:49321", between=way(Burst(200, 0)), outside=way(), times=TIMES),
        at(
            "turn",
            address="2001:db8:100::8",
            reflexive="[2001:db8::20]:5000",
            relayed=f"{HERE}:49322",
            between=way(),
            outside=untried,
            times={"binding": 14.91, "allocate": 29.43, "relay": 10.7},
        ),
        at(
            "turn",
            scheme="turns",
            relayed=f"{HERE}:51877",
            between=way(Burst(200, 12, 3)),
            outside=way(),
            times=TIMES,
            certificate=good,
        ),
        at("old", stun(401), search=SecretSearch(2, 1), times={"binding": 13.9}),
        at(
            "old",
            Failure(HANDSHAKE, "certificate", 10),
            scheme="turns",
            certificate=before,
            times={"binding": 13.9},
        ),
        at("dead", Failure(BINDING, "timeout"), address="198.51.100.9", reflexive=""),
        at("gone", Failure(RESOLVE, "no-name"), address="", reflexive=""),
    ]


@pytest.fixture
def observed(monkeypatch: Any, tmp_path: Path) -> Any:
    """Return a function that runs `probe` with fixed observations, and returns its screen."""
    od_config = write_od_config(tmp_path)
    monkeypatch.setattr("abcwebrtc.probe.runner.run_probes", lambda *_: everything())
    monkeypatch.setattr("socket.gethostname", lambda: "laptop")
    monkeypatch.setattr(probe, "_now", lambda: NOW)
    monkeypatch.setattr(probe, "progress", lambda: contextlib.nullcontext(print))

    def run(width: Any, *options: str, status: int = 1, **environ: str) -> str:
        with screen(width) as printed, mock.patch.dict(os.environ, environ):
            assert main(["probe", str(od_config), *options]) == status
        return printed.getvalue()

    return run


@pytest.mark.parametrize("width", WIDTHS, ids=shape)
def test_snapshots(observed: Any, width: Any) -> None:
    assert_snapshot(f"probe-{shape(width)}", observed(width))


def test_what_does_not_work_alone(observed: Any) -> None:
    assert_snapshot("probe-quiet-120", observed(120, "--quiet"))


def test_a_pipe_has_neither_colours_nor_boxes(observed: Any) -> None:
    assert "\x1b" not in observed(None)
    assert observed(None).isascii()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours(observed: Any, name: str, value: str) -> None:
    assert "\x1b[31m" in observed(80)
    text = observed(80, **{name: value})
    assert not re.search("\x1b\\[[0-9;]*3[0-9]m", text)


def test_data_of_the_same(observed: Any) -> None:
    report = json.loads(observed(None, "--json"))
    assert yaml.safe_load(observed(None, "-o", "yaml")) == report
    assert [one["level"] for one in report["results"]].count("error") == 4
    assert json.loads(observed(None, "--json", "--quiet")) == report


@pytest.mark.parametrize("form", ["json", "yaml", "text"])
def test_watch_tells_the_rounds_apart(observed: Any, monkeypatch: Any, form: str) -> None:
    rounds = []

    def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    text = observed(None, "--watch", "7", "-o", form, status=130)
    assert rounds == [7, 7]
    if form == "json":
        found = [json.loads(line) for line in text.splitlines()]
    elif form == "yaml":
        found = list(yaml.safe_load_all(text))
    else:
        found = re.findall("(?m)^2023-11-14T22:13:20Z  4 of 8 work", text)
    assert len(found) == 2


def test_where_everything_works_quiet_says_nothing(observed: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("abcwebrtc.probe.runner.run_probes", lambda *_: everything()[:4])
    assert observed(80, "--quiet", status=0) == ""
    _, row, *_ = observed(None, "--quiet", "--strict").splitlines()
    assert (row.split()[0], row.split()[-1]) == ("turns:turn.domain.local:5349", "packet-loss")


def shown(observations: List[Observation], width: int) -> List[str]:
    stream = io.StringIO()
    out = Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
    show_rows(out, rows_of(judge(observations, around(POD)), NOW), "the end")
    return stream.getvalue().splitlines()


def test_a_table_has_the_columns_that_are_used() -> None:
    heading, row, *rest = shown(everything()[:1], 60)
    assert heading.split() == ["URL", "BY", "BINDING", "RESULT"]
    assert row.split() == ["stun:stun.domain.local:3478", "udp", "14.1", "ms", "ok"]
    assert rest == ["  at 198.51.100.7, sees you as 203.0.113.20, answers libnice", "", "the end"]


def test_where_a_table_is_wide_enough_it_has_a_column_for_what_was_seen() -> None:
    heading, row, *rest = shown(everything()[:1], 110)
    assert heading.split("  ")[-1] == "RESULT"
    assert "SEES YOU AS" in heading
    assert "203.0.113.20" in row
    assert rest == ["", "the end"]


def test_a_narrow_terminal_has_cards_that_fit() -> None:
    lines = shown(everything(), 40)
    assert not [line for line in lines if line.split() and line.split()[0] == "URL"]
    assert not [
        line for line in lines if line.startswith("  ") and len(line) > 40 and " " in line.strip()
    ]


def test_what_is_copied_is_never_broken_inside() -> None:
    name = "a-name-that-is-longer-than-a-line-of-a-terminal-of-so-many-columns." * 2 + "example"
    one = seen(relayed="203.0.113.7:50000", certificate=certificate(names=(name,)), transport=TLS)
    lines = shown([one], 60)
    assert sum(name in line for line in lines) == 1
    assert sum("203.0.113.7:50000" in line for line in lines) == 1


@given(st.lists(st.sampled_from([case[0] for case in CASES]), max_size=5), st.integers(60, 250))
@settings(max_examples=30)
def test_no_line_is_longer_than_it_must_be(observations: Any, width: int) -> None:
    for line in shown(observations, width):
        assert line == line.rstrip()
        assert len(line) <= width or " " not in line.strip(), line


def test_nothing_of_a_server_is_taken_for_markup() -> None:
    text = "\n".join(shown(everything(), 200))
    assert "the certificate of [red]old[/red] :warning: expired 3 days ago" in text
