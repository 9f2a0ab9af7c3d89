"""`probe --metrics` against real coturns, read by a real Prometheus and judged by promtool."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from integration.conftest import SECRET
from integration.probing import OTHER, coturn
from integration.prometheus import check_names, read, running_prometheus, samples
from integration.turn import LOOPBACK, Turnserver, free_ports
from support import environment, wait_for, write_od_config
from support.commands import command


@pytest.fixture
def start_exporter(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return a function that starts an exporter for some servers, and returns its url."""
    started: List["subprocess.Popen[bytes]"] = []

    def start(*servers: Dict[str, Any]) -> str:
        od_config = write_od_config(
            tmp_path, webrtc__coturn=list(servers), webrtc__rtc_configuration={"iceServers": []}
        )
        log = tmp_path / "exporter.log"
        line = command(
            "probe", od_config, "--metrics", f"{LOOPBACK}:0", "--watch", "0.5", "--quick"
        )
        with open(log, "wb") as stream:
            process = subprocess.Popen(line, stdout=stream, stderr=stream, env=environment())
        started.append(process)
        found = wait_for(lambda: re.search(r"metrics: (\S+)\n", log.read_text()))
        return str(found.group(1))

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_an_exporter_outlives_whoever_read_its_output(
    start_turnserver: Any, tmp_path: Path
) -> None:
    server = coturn(f"{LOOPBACK}:{start_turnserver(SECRET).port}")
    od_config = write_od_config(tmp_path, webrtc__coturn=[server])
    place = f"{LOOPBACK}:{free_ports(1)[0]}"
    line = command("probe", od_config, "--metrics", place, "--watch", "0.2", "--quick")
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.Popen(line, stdout=theirs, stderr=theirs, env=environment())
    os.close(theirs)

    def ended() -> Any:
        with contextlib.suppress(OSError):
            text = read(f"http://{place}/metrics")
            return re.findall(r"^abcwebrtc_probe_last_round\w+ (\S+)$", text, re.MULTILINE)

    try:
        first = wait_for(ended)
        wait_for(lambda: ended() not in (first, None))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()


def test_prometheus_reads_what_each_step_gave(
    start_exporter: Any, start_turnserver: Any, tmp_path: Path
) -> None:
    server, other = start_turnserver(SECRET), start_turnserver(OTHER)
    (nobody,) = free_ports(1)
    url = start_exporter(
        coturn(f"{LOOPBACK}:{server.port}"),
        coturn(f"{LOOPBACK}:{other.port}"),
        coturn(f"{LOOPBACK}:{server.tls_port}", protocol="turns"),
        coturn(f"{LOOPBACK}:{nobody}"),
    )
    with running_prometheus(tmp_path, url) as prometheus:
        wait_for(lambda: len(prometheus.query("abcwebrtc_probe_success")) == 4)
        works = f"turn:{LOOPBACK}:{server.port}"
        refused = f"turn:{LOOPBACK}:{nobody}"
        assert prometheus.value("abcwebrtc_probe_success", url=works) == 1
        assert prometheus.value("abcwebrtc_probe_success", url=refused) == 0
        relay = prometheus.value("abcwebrtc_probe_step_success", url=works, step="relay")
        assert relay == 1
        relay = prometheus.value("abcwebrtc_probe_step_success", url=refused, step="relay")
        assert relay == 0
        took = prometheus.value("abcwebrtc_probe_step_duration_seconds", url=works, step="allocate")
        assert 0 < took < 60
        family = prometheus.series("abcwebrtc_probe_relay_address_family", url=works)
        assert [one["family"] for one, _ in family] == ["ipv4"]
        wrong = f"turn:{LOOPBACK}:{other.port}"
        (cause,) = prometheus.series("abcwebrtc_probe_cause", url=wrong)
        assert (cause[0]["level"], cause[0]["cause"]) == ("error", "wrong-secret")
        tls = f"turns:{LOOPBACK}:{server.tls_port}"
        ends = "abcwebrtc_probe_certificate_not_after_timestamp_seconds"
        assert prometheus.value(ends, url=tls) > prometheus.value(
            "abcwebrtc_probe_last_round_timestamp_seconds"
        )
        server.stop()
        wait_for(lambda: prometheus.value("abcwebrtc_probe_success", url=works) == 0)
    assert SECRET not in read(url)


def test_promtool_accepts_the_names_and_the_page_lists_them(
    start_exporter: Any, turnserver: Turnserver
) -> None:
    url = start_exporter(
        coturn(f"{LOOPBACK}:{turnserver.port}"),
        coturn(f"{LOOPBACK}:{turnserver.tls_port}", protocol="turns"),
    )
    wait_for(lambda: "abcwebrtc_probe_success{" in read(url))
    check_names(read(url), "probe.md")


def test_a_label_has_no_login_and_no_address_of_this_machine(
    start_exporter: Any, turnserver: Turnserver
) -> None:
    url = start_exporter(coturn(f"{LOOPBACK}:{turnserver.port}", username="userid"))
    wait_for(lambda: "abcwebrtc_probe_success{" in read(url))
    labels = {name for _, labels, _ in samples(read(url)) for name in labels}
    assert labels <= {
        *("url", "address", "transport", "step", "family", "level", "cause"),
        *("version",),
    }
