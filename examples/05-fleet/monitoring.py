"""Prometheus for the example: what it reads, and which of the shipped alerts fire."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import List

ALERTS = Path(__file__).with_name("alerts.yml")
SERVE, PROBE, PORT = 9464, 9465, 9090
"""The ports of the metrics of ``serve`` and ``probe``, and that of Prometheus."""
CONFIG = f"""\
global: {{ scrape_interval: 1s, evaluation_interval: 1s }}
rule_files: [ alerts.yml ]
scrape_configs:
  - job_name: abcwebrtc
    static_configs: [ {{ targets: [ '127.0.0.1:{SERVE}', '127.0.0.1:{PROBE}' ] }} ]
"""


def command(program: str, folder: Path) -> List[object]:
    """Return the command that runs Prometheus with its files in a folder.

    The rules are the shipped ones, but they wait for seconds instead of minutes.
    """
    rules = re.sub(r"for: [0-9]+[mh]", "for: 1s", ALERTS.read_text(encoding="utf-8"))
    (folder / "alerts.yml").write_text(rules, encoding="utf-8")
    (folder / "prometheus.yml").write_text(CONFIG, encoding="utf-8")
    return [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{PORT}",
    ]


def firing() -> List[str]:
    """Return the summaries of the alerts that fire now."""
    url = f"http://127.0.0.1:{PORT}/api/v1/alerts"
    with urllib.request.urlopen(url, timeout=10) as response:
        alerts = json.load(response)["data"]["alerts"]
    found = [one for one in alerts if one["state"] == "firing"]
    return sorted(f"{one['labels']['alertname']}: {one['annotations']['summary']}" for one in found)
