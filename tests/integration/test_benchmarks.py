"""Each benchmark prints the tables that it promises; no figure is compared with anything."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Set

import pytest

from conftest import ROOT, require_program
from support import environment

sys.path.append(str(ROOT / "benchmarks"))

import measure
import pods
import scale

pytestmark = pytest.mark.slow("benchmarks")
BENCHMARKS = ROOT / "benchmarks"
PAGE = ROOT / "docs" / "explanation" / "performance.md"

RATIOS: Dict[str, Set[str]] = {
    "build_rtc_configuration against its bare HMACs": {"ratio"},
    "One server, against one bare HMAC, with and without debug logging": {
        "ratio",
        "with debug logging",
    },
    "Different users, against the bare HMAC of each": {"ratio"},
    "inject_webrtc against copy.deepcopy of the pod": {"ratio"},
    "Against cherrypy.lib.reprconf.Config on the same file": {
        "load_od_config",
        "WebRTCConfig.from_file",
    },
    "Imports, against import json, hmac, configparser": {"ratio"},
    "The endpoint against a bare CherryPy handler": {"requests/s", "p50", "p99", "CPU"},
    "build_rtc_configuration of a fleet, in bare HMACs": {"each user"},
}
"""The columns that are ratios, by the title of the table."""


def benchmark(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(BENCHMARKS / name), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(), timeout=600, check=False
    )


@pytest.fixture(scope="module")
def tables() -> Dict[str, List[Dict[str, Any]]]:
    """Return the rows of all tables of one quick run, by title."""
    require_program("wrk", "wrk")
    require_program("turnserver", "coturn")
    result = benchmark("run.py", "--quick", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["quick"] is True
    assert re.match(r"Python 3\.\d+\.\d+.*, \d+ processors", found["machine"])
    return {table["title"]: table["rows"] for table in found["tables"]}


def test_a_library_that_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's first example also creates `.venv`, without the test libraries."""
    for name in ("support.desktop_pod", "kubernetes_validate"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "kubernetes_validate", None)
    assert measure.main("", {"pods": pods.tables}, ["--quick"]) == 1
    said = "pods: left out: kubernetes_validate is missing; python3 tests/run.py installs it\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("title", "columns"), RATIOS.items(), ids=list(RATIOS))
def test_every_ratio_is_a_number_above_zero(
    tables: Dict[str, List[Dict[str, Any]]], title: str, columns: Set[str]
) -> None:
    assert tables[title]
    for row in tables[title]:
        assert columns <= set(row)
        assert all(isinstance(row[name], float) and row[name] > 0 for name in columns)


def test_the_rows_are_those_that_are_promised(tables: Dict[str, List[Dict[str, Any]]]) -> None:
    def first(title: str) -> List[str]:
        return [next(iter(row.values())) for row in tables[title]]

    titles = list(RATIOS)
    assert [row["bare HMACs"] for row in tables[titles[0]]] == [1, 3, 10]
    assert first(titles[1]) == ["timestamp", "userid", "pseudonym"]
    assert first(titles[2]) == ["1", "100", "10,000"]
    assert "a V1Pod" in first(titles[3])
    assert first(titles[4]) == ["od.config", "ten-servers.config"]
    assert first(titles[5])[0] == "import abcwebrtc"


def test_the_hour_counts_its_credentials(tables: Dict[str, List[Dict[str, Any]]]) -> None:
    rows = tables["2,000 users in one hour"]
    assert [row["username style"] for row in rows] == ["timestamp", "userid", "pseudonym"]
    assert all(row["minted"] == row["verified"] == 2_000 for row in rows)
    asked = tables["A sample against a real coturn"]
    assert [(row["asked"], row["accepted"]) for row in asked] == [(20, 20)] * 3


def test_the_sum_shows_how_it_came_about(tables: Dict[str, List[Dict[str, Any]]]) -> None:
    rows = {row["what"]: row for row in tables["What 1,000,000 desktops need"]}
    assert all(row["sum"] and row["result"] for row in rows.values())
    assert rows["coturn: relay addresses"]["result"] == "62"  # 1,000,000 / 16,384
    assert rows["coturn: Gbit/s in"]["result"] == "25.2"  # 300,000 of 84 kbit/s
    assert len(tables["1,000,000 desktops, simulated"]) >= 4


def test_a_fleet_is_even_and_moves_no_more_than_a_share(
    tables: Dict[str, List[Dict[str, Any]]],
) -> None:
    rows = {row["servers"]: row for row in tables["Choosing for 5,000 desktops"]}
    one = rows["1 of 10"]
    assert (one["share of one"], one["share of a new one"]) == ("10 %", "9.09 %")
    assert 1 <= one["worst server over its share"] < 1.5
    for moved in ("moved when it goes", "moved when it comes"):
        assert 7 < float(one[moved].split()[0]) < 13
    assert rows["2 of 1000"]["relay addresses for them"] == 1


def test_an_assumption_can_be_given_another_value() -> None:
    assumed = scale.assumptions(["desktops=20000", "relayed=1"])
    found = {what: result for what, _, result in scale.coturn_sum(assumed)}
    assert found["coturn: relay addresses"] == "2"  # 20,000 / 16,384
    assert found["coturn: Gbit/s in"] == "1.68"  # 20,000 of 84 kbit/s


def test_the_busiest_second_is_the_top_of_a_bell_curve() -> None:
    deviation = 900
    top = statistics.NormalDist(0, deviation)
    expected = 1_000_000 * (top.cdf(0.5) - top.cdf(-0.5))
    assert scale.busiest(1_000_000, 4 * deviation) == pytest.approx(expected, rel=1e-3)


def test_a_queue_is_as_long_as_its_replica_is_slow() -> None:
    (median, late), longest = scale._queue(10_000, 10, rate=500, quick=False)
    assert 0 < median < late <= 20  # all of them take 20 seconds
    assert 500 < longest < 10_000
    assert scale._queue(10_000, 10, rate=1e9, quick=False)[0][1] < 1e-6


def test_an_unknown_assumption_is_refused() -> None:
    result = benchmark("scale.py", "users=5")
    assert result.returncode == 1
    assert "no assumption 'users'; use desktops, " in result.stderr


# the pages


def test_the_benchmark_of_the_readme_prints_its_ratios() -> None:
    assert ".venv/bin/python benchmarks/rtc.py" in (ROOT / "README.md").read_text()
    result = benchmark("rtc.py")
    assert len(re.findall(r"^.+ \d+ +\d+\.\d\d$", result.stdout, re.MULTILINE)) == 3


def page_tables() -> Dict[str, str]:
    """The header of each table on the page, by title."""
    found = re.findall(r"^(.+):\n\n(\|.*)\n\| ---", PAGE.read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("title", RATIOS)
def test_the_page_has_the_table(tables: Dict[str, List[Dict[str, Any]]], title: str) -> None:
    assert page_tables()[title] == "| " + " | ".join(tables[title][0]) + " |"


def test_the_tables_of_the_page_are_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    result = benchmark("rtc.py", "--quick", "--markdown", "--update", str(page))
    assert result.returncode == 0, result.stderr
    new = page.read_text()
    assert result.stdout.count("\n\n| ") == 2
    for table in re.findall(r"^.+:\n\n(?:\|.*\n)+", result.stdout, re.MULTILINE):
        assert table in new

    def without_figures(text: str) -> str:
        text = re.sub(r"^Measured with .*", "", text, flags=re.MULTILINE)
        return re.sub(r"\d+\.\d\d", "", text)

    assert without_figures(new) == without_figures(PAGE.read_text())


def test_the_commands_on_the_page_are_there() -> None:
    named = set(re.findall(r"benchmarks/(\w+\.py)", PAGE.read_text()))
    assert named >= {path.name for path in BENCHMARKS.glob("*.py")} - {
        "measure.py",
        "bare_endpoint.py",
    }
    assert all((BENCHMARKS / name).is_file() for name in named)
