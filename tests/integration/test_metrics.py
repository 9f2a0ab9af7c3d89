"""`serve --metrics` read by a real Prometheus, and judged by promtool."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from integration.prometheus import check_names, read, running_prometheus, samples
from integration.turn import LOOPBACK
from support import (
    ENTRIES,
    RTC_PATH,
    bearer,
    environment,
    make_token,
    request,
    run_command,
    wait_for,
    write_od_config,
)
from support.commands import command
from support.servers import ServerProcess, running_server

SECRET = "a-secret-in-a-file-0123456789"
ROUTE = RTC_PATH.lower()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Tuple[ServerProcess, str]]:
    """A server with its secret in a file, and a second one that is drained; and its metrics."""
    (tmp_path / "secret").write_text(SECRET)
    server = {**ENTRIES["webrtc.coturn"], "coturn_static_auth_secret_file": "secret"}
    del server["coturn_static_auth_secret"]
    entries = [{**server, "name": "one"}, {**server, "name": "two", "drain": True}]
    od_config = write_od_config(tmp_path, webrtc__coturn=entries)
    with running_server(od_config, "--metrics", f"{LOOPBACK}:0") as running:
        found = re.search(r"metrics are at (\S+)\n", running.output)
        assert found
        yield running, found.group(1)
        assert running.stop() == 0


def ask(running: ServerProcess, token: str) -> int:
    return request(running.base_url + RTC_PATH, {}, bearer(token)).status


def test_prometheus_counts_requests_credentials_and_refusals(
    served: Tuple[ServerProcess, str], tmp_path: Path
) -> None:
    running, url = served
    assert [ask(running, make_token("alice-the-user")) for _ in range(3)] == [200] * 3
    assert ask(running, make_token("alice-the-user", ttl=-3600)) == 401
    assert ask(running, "not-a-token") == 401
    request(running.base_url + "/no/such/path", None)
    assert request(running.base_url + "/", None).status == 401  # the login page refuses nobody
    with running_prometheus(tmp_path, url) as prometheus:
        counted = {
            (one["route"], one["method"], one["status"]): value
            for one, value in prometheus.series("abcwebrtc_http_requests_total")
        }
        assert counted[ROUTE, "POST", "200"] == 3
        assert counted[ROUTE, "POST", "401"] == 2
        assert counted["other", "GET", "404"] == 1
        assert prometheus.value("abcwebrtc_credentials_total", server="one") == 3
        assert prometheus.value("abcwebrtc_credentials_total", server="two") == 0
        assert prometheus.value("abcwebrtc_token_refusals_total", reason="expired") == 1
        assert prometheus.value("abcwebrtc_token_refusals_total", reason="malformed") == 1
        assert prometheus.value("abcwebrtc_token_refusals_total", reason="no_token") == 0
        assert prometheus.value("abcwebrtc_http_request_duration_seconds_count", route=ROUTE) == 5
        assert prometheus.value("abcwebrtc_turn_server_state", server="two", state="drained") == 1
        assert prometheus.value("abcwebrtc_turn_server_state", server="one", state="in_use") == 1
        assert prometheus.value("abcwebrtc_secret_file_failing") == 0
        changed = prometheus.value("abcwebrtc_secret_file_changed_timestamp_seconds")
        assert changed == pytest.approx((tmp_path / "secret").stat().st_mtime, abs=0.01)
        (tmp_path / "secret").unlink()
        wait_for(lambda: prometheus.value("abcwebrtc_secret_file_failing") == 1)
    text = read(url)
    assert "alice-the-user" not in text
    assert SECRET not in text


def test_promtool_accepts_the_names_and_the_page_lists_them(
    served: Tuple[ServerProcess, str],
) -> None:
    running, url = served
    ask(running, make_token())
    text = read(url)
    page = check_names(text, "metrics.md")
    labels = {name for _, found, _ in samples(text) for name in found} - {"le"}
    table = re.search(r"(^\|.*\n)+", page, re.MULTILINE)
    assert table
    assert labels <= set(re.findall(r"`(\w+)`", table.group()))


def test_a_port_that_is_taken_is_said(served: Tuple[ServerProcess, str], tmp_path: Path) -> None:
    place = served[1].split("/")[2]
    done = run_command("serve", tmp_path / "od.config", "--port", "0", "--metrics", place)
    assert done.returncode == 3
    host, port = place.split(":")
    assert f"can't listen on {host} port {port} for metrics: Address already in use" in done.stderr


@pytest.mark.parametrize("text", ["9464", "localhost", ":9464", "::1:9464", "a:70000"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    done = run_command("serve", "od.config", "--metrics", text)
    assert done.returncode == 2
    assert "--metrics" in done.stderr


@pytest.mark.parametrize("name", ["serve", "probe"])
@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("None", "prometheus_client"),
        ("type(sys)('prometheus_client')", "a newer prometheus_client"),
    ],
)
def test_without_the_library_the_error_says_what_to_install(
    name: str, module: str, what: str, tmp_path: Path
) -> None:
    before = f"import sys; sys.modules['prometheus_client'] = {module}"
    line = command(name, write_od_config(tmp_path), "--metrics", f"{LOOPBACK}:0", before=before)
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 3
    assert f"--metrics needs {what}; install abcwebrtc[metrics]" in done.stderr


def test_the_log_is_one_json_object_a_line(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=[])
    with running_server(od_config, "--log-format", "json", "--probe", "60") as running:
        ask(running, make_token("alice-the-user"))
        ask(running, "no-token")
        assert running.stop() == 0
        lines: List[Any] = [
            json.loads(line)
            for line in running.output.splitlines()
            if not line.startswith(("abcwebrtc 0", "abcwebrtc: stopped"))
        ]
    asked = [line for line in lines if "status" in line]
    assert [(one["method"], one["path"], one["status"]) for one in asked] == [
        ("POST", RTC_PATH, 200),
        ("POST", RTC_PATH, 401),
    ]
    assert all(one["client"] == LOOPBACK and one["bytes"] > 0 for one in asked)
    assert {one["logger"] for one in asked} == {"cherrypy.access"}
    told = [line["message"] for line in lines if line["level"] == "WARNING"]
    assert "--probe has nothing to ask: webrtc.coturn has no server" in told
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("INFO", "WARNING")
    assert "refused: the token is not valid: DecodeError" in [line["message"] for line in lines]
