"""`abcwebrtc probe` behind a NAT, with dropped packets, and on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from abcwebrtc import WebRTCConfig, desktop_environment, mint_turn_credentials
from abcwebrtc.config.uris import IceURI
from abcwebrtc.desktop.environment import gstreamer_turn
from abcwebrtc.turn.credentials import TurnCredentials
from conftest import missing
from integration import netns
from integration.conftest import SECRET
from integration.labs import PORT, RELAY_PORTS, TLS_PORT, coturn_outside, filtered
from integration.netns import DESKTOP, PUBLIC, PUBLIC_V6, SERVER, SERVER_V6
from integration.probing import OTHER, Probe, Report, coturn, ice, probe_environment
from integration.turn import LOOPBACK, Certificate, Turnserver
from support import WAIT, command, environment, run_command, wait_for, write_od_config

pytest_plugins = ["integration.probe_fixtures"]

GLOBAL = "9.9.9.9"
"""The public address of the server outside; its relays have private ones."""
ELSEWHERE = "9.9.9.10"


# a desktop behind a NAT, and coturn outside


@pytest.fixture(scope="module")
def log(
    network: netns.Network, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The log of a coturn outside that gives two allocations at a time."""
    folder = tmp_path_factory.mktemp("coturn")
    addresses = [SERVER, SERVER_V6] if network.ipv6 else [SERVER]
    ip = netns.ip_program()
    network.outside.run(ip, "addr", "add", f"{GLOBAL}/32", "dev", "lo")
    network.desktop.run(ip, "route", "add", GLOBAL, "via", SERVER)
    lines = [
        f"listening-ip={GLOBAL}",
        *(f"{key}={address}" for key in ("listening-ip", "relay-ip") for address in addresses),
        *(f"cert={certificate.cert_file}", f"pkey={certificate.key_file}", "total-quota=2"),
    ]
    with coturn_outside(network, folder, lines) as path:
        yield path


@pytest.fixture
def inside(inside: Probe, log: Path) -> Probe:
    """The network with that coturn outside."""
    return inside


def test_the_reflexive_address_is_the_one_outside(inside: Probe) -> None:
    report = inside(coturn(SERVER, transport=["udp", "tcp"]), rtc=ice(f"stun:{SERVER}"))
    assert (report.status, report.words) == (0, [[], [], []]), report.text
    for one in report.results:
        assert one["local"] == DESKTOP
        assert one["reflexive"].startswith(f"{PUBLIC}:")
    assert report.results[1]["relayed"].startswith(f"{SERVER}:")


def test_the_reflexive_address_over_ipv6(network: netns.Network, inside: Probe) -> None:
    if not network.ipv6:
        missing("no IPv6 in network namespaces here")
    report = inside(coturn(f"[{SERVER_V6}]"))
    assert (report.status, report.words) == (0, [[]]), report.text
    assert report.results[0]["reflexive"].startswith(f"[{PUBLIC_V6}]:")


def test_relays_at_a_private_address(inside: Probe) -> None:
    report = inside(coturn(GLOBAL))
    assert SERVER in report.only("private-relay", "warning")["message"]
    assert report.results[0]["relayed"].startswith(f"{SERVER}:")


def test_relays_at_an_address_of_somebody_else(
    network: netns.Network, inside: Probe, tmp_path: Path
) -> None:
    """It works between relays of one coturn, which treats a wrong external-ip as its own."""
    lines = [
        *(f"listening-ip={GLOBAL}", f"relay-ip={SERVER}", f"external-ip={ELSEWHERE}/{SERVER}"),
        *("no-tls", "no-dtls"),
    ]
    with coturn_outside(network, tmp_path, lines, port=3500):
        message = inside(coturn(f"{GLOBAL}:3500")).only("other-relay", "warning")["message"]
    assert f"{GLOBAL} gives relays at {ELSEWHERE}" in message


def test_dropped_datagrams(network: netns.Network, inside: Probe) -> None:
    server = coturn(SERVER, transport=["udp", "tcp"])
    with filtered(network.outside, f"udp dport {PORT} drop"):
        report = inside(server, rtc=ice(f"stun:{SERVER}"), options=["--quick"])
    assert (report.status, report.words) == (1, [["no-answer"], ["no-answer"], []]), report.text
    for one in report.results[:2]:
        message = one["diagnoses"][0]["message"]
        assert f"({DESKTOP})" in message
        assert f"UDP port {PORT}" in message
        assert re.search(rf"; the same host (works|answers) on TCP port {PORT}$", message)
    assert report.json["from"]["pod"] is False


def test_dropped_segments(network: netns.Network, inside: Probe) -> None:
    with filtered(network.outside, f"tcp dport {{ {PORT}, {TLS_PORT} }} drop"):
        report = inside(coturn(SERVER, transport="tcp"), coturn(SERVER, protocol="turns"))
    assert (report.status, report.words) == (1, [["no-answer"]] * 2), report.text
    assert f"TCP port {TLS_PORT}" in report.results[1]["diagnoses"][0]["message"]


def test_no_answer_in_a_pod_may_be_a_network_policy(
    network: netns.Network, inside_pod: Probe
) -> None:
    with filtered(network.outside, f"udp dport {PORT} drop"):
        report = inside_pod(coturn(SERVER))
    found = report.only("no-answer")
    assert "asked from pod " in found["message"]
    assert "NetworkPolicy" in found["advice"]
    assert report.json["from"]["pod"] is True


def test_relays_that_are_shut(network: netns.Network, inside: Probe) -> None:
    with filtered(network.outside, f"udp dport {RELAY_PORTS} drop"):
        report = inside(coturn(SERVER))
    assert "min-port" in report.only("no-data")["advice"]
    assert "relay" not in report.results[0]["times"]


@pytest.mark.parametrize(("url", "transport"), [("192.0.2.1", "udp"), ("[2001:db8::1]", "tcp")])
def test_no_route(inside: Probe, url: str, transport: str) -> None:
    message = inside(coturn(url, transport=transport)).only("unreachable")["message"]
    assert ("IPv6" if ":" in url else "IPv4") in message


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_firewall_that_says_no(network: netns.Network, inside: Probe, transport: str) -> None:
    rule = f"{transport} dport {PORT} reject with icmp type admin-prohibited"
    with filtered(network.outside, rule):
        inside(coturn(SERVER, transport=transport)).only("unreachable")


def test_ctrl_c_frees_what_is_allocated(network: netns.Network, log: Path, tmp_path: Path) -> None:
    entries = {"webrtc__coturn": coturn(SERVER), "webrtc__rtc_configuration": ice()}
    od_config = write_od_config(tmp_path, **entries)
    before = len(lines_with(log, "delete: realm="))
    started = len(lines_with(log, "new, realm="))
    with filtered(network.outside, f"udp dport {RELAY_PORTS} drop"):
        process = subprocess.Popen(
            network.desktop.command(*command("probe", od_config, "--timeout", "60")),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        wait_for(lambda: len(lines_with(log, "new, realm=")) == started + 2)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=WAIT)[0]
    assert (process.returncode, output) == (130, b"")
    wait_for(lambda: len(lines_with(log, "delete: realm=")) == before + 2)


def lines_with(log: Path, part: str) -> List[str]:
    return [line for line in log.read_text(errors="replace").splitlines() if part in line]


# what a desktop has in its environment


def turn_server(server: Turnserver, made: TurnCredentials, transport: str = "") -> Dict[str, str]:
    uri = IceURI("turn", LOOPBACK, server.port, transport or None)
    return {"TURN_SERVER": gstreamer_turn(uri, made)}


def test_the_servers_of_a_desktop(turnserver: Turnserver) -> None:
    entries = {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": ice(f"stun:{LOOPBACK}:{turnserver.port}"),
        "webrtc.coturn": coturn(f"{LOOPBACK}:{turnserver.port}", username="userid"),
        "webrtc.desktop": {"turn": True},
    }
    variables = desktop_environment(WebRTCConfig.from_mapping(entries), "a:b/c@d")
    report = probe_environment(variables)
    assert (report.status, report.words) == (0, [[], [], []]), report.text
    assert [one["transport"] for one in report.results] == ["udp", "udp", "tcp"]
    assert "a:b" not in report.text


def test_turns_of_a_desktop_is_probed_without_tls(turnserver: Turnserver) -> None:
    made = mint_turn_credentials(SECRET, 600)
    variables = {"TURN_SERVER": gstreamer_turn(IceURI("turns", LOOPBACK, turnserver.port), made)}
    report = probe_environment(variables)
    assert "does not use TLS" in report.only("other-protocol", "warning")["message"]
    assert report.results[0]["transport"] == "tcp"


def test_a_desktop_whose_credential_ended(turnserver: Turnserver) -> None:
    made = mint_turn_credentials(SECRET, 600, now=time.time() - 4200)
    report = probe_environment(turn_server(turnserver, made, "udp"))
    assert "1 hour " in report.only("login-ended")["message"]


def test_a_desktop_whose_credential_is_of_another_secret(turnserver: Turnserver) -> None:
    made = mint_turn_credentials(OTHER, 600)
    report = probe_environment(turn_server(turnserver, made, "tcp"))
    assert "has not expired" in report.only("wrong-login")["message"]


def test_a_turn_server_that_refuses_a_desktop_costs_it_its_stun_server(
    turnserver: Turnserver,
) -> None:
    made = mint_turn_credentials(OTHER, 600)
    stun = {"STUN_SERVER": f"stun://{LOOPBACK}:{turnserver.port}"}
    report = probe_environment({**stun, **turn_server(turnserver, made, "udp")})
    assert (report.status, report.words) == (1, [[], ["wrong-login", "stun-held-up"]]), report.text


def test_one_transport_is_enough_for_a_desktop(network: netns.Network, log: Path) -> None:
    made = mint_turn_credentials(SECRET, 600)
    variables = {"TURN_SERVER": gstreamer_turn(IceURI("turn", SERVER), made)}
    line = command("probe", "--desktop", "--json", "--quick")
    with filtered(network.outside, f"udp dport {PORT} drop"):
        done = network.desktop.run(*line, check=False, env=environment(**variables))
    report = Report(done)
    assert (report.status, report.words) == (0, [["no-answer"], []]), report.text
    assert report.results[0]["level"] == "warning"


def test_the_desktop_of_an_od_config(turnserver: Turnserver, tmp_path: Path) -> None:
    here = f"{LOOPBACK}:{turnserver.port}"
    od_config = write_od_config(
        tmp_path,
        webrtc__rtc_configuration=ice("stun:192.0.2.1"),
        webrtc__coturn=coturn(here, transport="tcp"),
        webrtc__desktop={"turn": True, "stun_server": f"stun://{here}"},
    )
    done = run_command("probe", od_config, "--desktop", "--json")
    assert done.returncode == 0, done.stdout
    urls = [one["url"] for one in json.loads(done.stdout)["results"]]
    assert urls == [f"stun:{here}", f"turn:{here}?transport=tcp"]


# by hand


def test_watch_goes_on_until_ctrl_c(turnserver: Turnserver, tmp_path: Path) -> None:
    stun = ice(f"stun:{LOOPBACK}:{turnserver.port}")
    od_config = write_od_config(tmp_path, webrtc__coturn=..., webrtc__rtc_configuration=stun)
    process = subprocess.Popen(
        command("probe", od_config, "--watch", "0.1", "--json"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    rounds = [json.loads(process.stdout.readline()) for _ in range(3)]
    assert all(one["ok"] for one in rounds)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=WAIT)[1]
    assert (process.returncode, error) == (130, b"")


def test_verbose_says_what_is_asked_and_no_login(turnserver: Turnserver, tmp_path: Path) -> None:
    here = f"{LOOPBACK}:{turnserver.port}"
    od_config = write_od_config(
        tmp_path,
        webrtc__rtc_configuration=ice(),
        webrtc__coturn=[coturn(here), coturn(here, OTHER)],
    )
    done = run_command("probe", od_config, "--quick", "--verbose")
    start = f"turn:{here} over udp to {here}: "
    assert f"{start}Allocate: error 401 in " in done.stderr
    assert f"{start}Allocate with a login: relay {LOOPBACK}:" in done.stderr
    assert f"{start}data from relay to relay and back in " in done.stderr
    username = r"[0-9]{10}:probe"
    assert not re.search(f"{SECRET}|{OTHER}|{username}", done.stdout + done.stderr)


def on_terminal(arguments: Any, terminal_for: str) -> Dict[str, str]:
    """Run a command with stdout or stderr on a terminal, and return both outputs."""
    ours, theirs = pty.openpty()
    streams: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    streams[terminal_for] = theirs
    process = subprocess.Popen(arguments, env=environment(TERM="xterm"), **streams)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while True:
            shown += os.read(ours, 4096)
    os.close(ours)
    out, error = process.communicate(timeout=WAIT)
    found = {"stdout": out, "stderr": error, terminal_for: shown}
    return {name: text.decode() for name, text in found.items()}


def test_progress_is_shown_on_a_terminal_and_wiped(turnserver: Turnserver, tmp_path: Path) -> None:
    here = f"{LOOPBACK}:{turnserver.port}"
    entries = {"webrtc__coturn": coturn(here), "webrtc__rtc_configuration": ice(f"stun:{here}")}
    line = command("probe", write_od_config(tmp_path, **entries))
    shown = on_terminal(line, "stderr")
    assert "probing: 2 of 2 done" in shown["stderr"]
    assert shown["stderr"].endswith("\x1b[2K")
    assert shown["stdout"].endswith("\n")
    assert "\x1b" not in shown["stdout"]
    assert "\x1b[32mok\x1b[0m" in on_terminal(line, "stdout")["stdout"]


def test_the_table_on_a_terminal_of_80_columns(turnserver: Turnserver, tmp_path: Path) -> None:
    here = f"{LOOPBACK}:{turnserver.port}"
    od_config = write_od_config(
        tmp_path,
        webrtc__rtc_configuration=ice("stun:192.0.2.1", f"stun:{here}"),
        webrtc__coturn=[coturn(here, OTHER, transport="tcp"), coturn(here, transport="tcp")],
        webrtc__desktop={"turn": True},
    )
    done = run_command("probe", od_config, "--quick", env=environment(COLUMNS="80"))
    lines = done.stdout.splitlines()
    assert lines[0].startswith("stun:192.0.2.1  ")
    assert max(map(len, lines)) <= 80, done.stdout
    assert "not working for desktops" in " ".join(done.stdout.split())


def test_the_table(turnserver: Turnserver, tmp_path: Path) -> None:
    here = f"{LOOPBACK}:{turnserver.port}"
    od_config = write_od_config(
        tmp_path,
        webrtc__rtc_configuration=ice(f"stun:{here}"),
        webrtc__coturn=[coturn(here), coturn(here, OTHER)],
    )
    done = run_command("probe", od_config)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("  sees ")]
    heading, stun, good, note, *rest, _, summary = lines
    assert note.startswith("  note: data from outside to the relay was not tried: ")
    bad, *explained = (line for line in rest if not line.startswith("    "))
    columns = "URL ADDRESS BY BINDING ALLOCATE RELAY OUTSIDE SIZE LOSS RESULT"
    assert heading.split() == columns.split()
    number = r"[0-9.]+ ms"
    binding = rf"{re.escape(here)} +{LOOPBACK} +udp +{number}"
    assert re.fullmatch(rf"stun:{binding} +ok", stun)
    assert re.fullmatch(rf"turn:{binding}( +{number}){{2}} +not tried +1200 +[0-9]+ % +ok", good)
    assert re.fullmatch(rf"turn:{binding} +wrong-secret", bad)
    assert re.search(r"  sees you as 127\.0\.0\.1, relays at 127\.", done.stdout)
    assert explained[0].startswith("  error: 401: ")
    assert summary.startswith("2 of 3 work; probed from host ")
    assert (done.returncode, done.stderr) == (1, "")
