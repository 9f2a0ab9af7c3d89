"""The alert rules and the dashboard of examples/05-fleet."""

from __future__ import annotations

import json
import re
import subprocess
from typing import List

import pytest
import yaml

from conftest import ROOT, require_program

FOLDER = ROOT / "examples" / "05-fleet"
PAGES = [ROOT / "docs" / "reference" / name for name in ("metrics.md", "probe.md")]


def exported() -> List[str]:
    """Return the names of the series, which tests of both pages compare with what is exported."""
    names = {
        name
        for page in PAGES
        for name in re.findall(r"^\| `(abcwebrtc_\w+)`", page.read_text("utf-8"), re.MULTILINE)
    }
    histograms = [name for name in names if name.endswith("_duration_seconds")]
    return [*names, *(f"{name}_bucket" for name in histograms)]


@pytest.mark.parametrize(
    "line", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]]
)
def test_promtool_accepts_the_rules_and_their_tests(line: List[str]) -> None:
    promtool = require_program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, *line], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_every_rule_is_tested() -> None:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text("utf-8"))["tests"]
    fired = {
        one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in group["rules"]}


def test_rules_and_dashboard_ask_for_what_is_exported() -> None:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    expressions = [rule["expr"] for rule in group["rules"]]
    expressions += [one["expr"] for panel in dashboard["panels"] for one in panel["targets"]]
    asked = {name for text in expressions for name in re.findall(r"abcwebrtc_\w+", text)}
    assert asked <= set(exported())


def test_the_dashboard_works_with_any_data_source() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    uids = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
    uids |= {one["datasource"]["uid"] for panel in dashboard["panels"] for one in panel["targets"]}
    assert uids == {f"${{{variable['name']}}}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
