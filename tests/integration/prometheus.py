"""A real Prometheus on a port of its own, and the text that it reads."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from conftest import ROOT, require_program
from integration.turn import LOOPBACK, free_ports
from support import wait_for
from support.programs import running_program

CONFIG = """\
global: { scrape_interval: 1s, evaluation_interval: 1s }
scrape_configs:
  - job_name: test
    static_configs: [ { targets: [ %s ] } ]
"""
Sample = Tuple[Dict[str, str], float]


class Prometheus:
    """A running Prometheus that scrapes one target."""

    def __init__(self, url: str) -> None:
        self._url = url

    def series(self, name: str, **labels: str) -> List[Sample]:
        """Return what `query` does, once there is any: a scrape that fails ends all series."""
        found: List[Sample] = wait_for(lambda: self.query(name, **labels))
        return found

    def query(self, name: str, **labels: str) -> List[Sample]:
        """Return the series with these labels, and their values now."""
        selector = ",".join(f"{key}={json.dumps(value)}" for key, value in labels.items())
        answer = self._get(f"query?query={quote(f'{name}{{{selector}}}')}")
        return [(one["metric"], float(one["value"][1])) for one in answer["result"]]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the only series with these labels."""
        ((_, value),) = self.series(name, **labels)
        return value

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(urlopen(f"{self._url}/-/ready", timeout=5).status == 200)
        return False

    def _get(self, path: str) -> Any:
        return json.loads(read(f"{self._url}/api/v1/{path}"))["data"]


def read(url: str) -> str:
    with urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


@contextlib.contextmanager
def running_prometheus(folder: Path, *urls: str) -> Iterator[Prometheus]:
    """Run Prometheus in a folder; it scrapes ``/metrics`` of these urls every second."""
    program = require_program("prometheus", "prometheus")
    (port,) = free_ports(1)
    config = folder / "prometheus.yml"
    config.write_text(CONFIG % ", ".join(f"'{urlsplit(url).netloc}'" for url in urls))
    files = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'prometheus'}"]
    command = [program, *files, f"--web.listen-address={LOOPBACK}:{port}"]
    log = folder / "prometheus.log"
    with running_program(command, log) as process:
        prometheus = Prometheus(f"http://{LOOPBACK}:{port}")
        wait_for(lambda: process.poll() is not None or prometheus.is_ready())
        assert process.poll() is None, log.read_text()
        yield prometheus


def samples(text: str) -> Iterator[Tuple[str, Dict[str, str], float]]:
    """Yield the name, the labels and the value of each sample of ours."""
    from prometheus_client.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name.startswith("abcwebrtc_"):
                yield one.name, dict(one.labels), one.value


def check_names(text: str, page: str) -> str:
    """Fail unless promtool accepts metrics, and a page of docs/reference lists just these.

    Return the page.
    """
    promtool = require_program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    named = set(re.findall(r"^# TYPE (abcwebrtc_\w+)", text, re.MULTILINE))
    content = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert named == set(re.findall(r"^\| `(abcwebrtc_\w+)`", content, re.MULTILINE))
    return content
