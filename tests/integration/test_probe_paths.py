"""`abcwebrtc probe` with blocked relay ports, lost large packets, and a limited rate.

The desktop is behind a NAT, and coturn outside; nftables makes the faults. Data from relay to
relay stays within the server, so it crosses no firewall for the relay ports.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional

import pytest

from abcwebrtc import mint_turn_credentials
from abcwebrtc.config.uris import IceURI
from abcwebrtc.desktop.environment import gstreamer_turn
from abcwebrtc.probe.paths import SIZES
from conftest import missing, newest_turnserver
from integration import netns
from integration.conftest import SECRET
from integration.labs import PORT, RELAY_PORTS, coturn_outside, filtered
from integration.netns import INTERFACE, PUBLIC, SERVER, SERVER_V6
from integration.probing import Probe, Report, coturn
from support import command, environment, wait_for

pytest_plugins = ["integration.probe_fixtures"]

HERE = [f"listening-ip={SERVER}", f"relay-ip={SERVER}"]
IN = f'iifname "{INTERFACE}"'
QUICK = ["--quick"]


@pytest.fixture(scope="module")
def server(
    network: netns.Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[netns.Network]:
    """Run a coturn outside, and yield its network."""
    lines = [*HERE, *([f"listening-ip={SERVER_V6}"] if network.ipv6 else [])]
    lines += [f"relay-ip={SERVER_V6}"] if network.ipv6 else []
    with coturn_outside(network, tmp_path_factory.mktemp("coturn"), lines):
        yield network


def test_all_ways_are_tried_where_nothing_is_shut(server: netns.Network, inside: Probe) -> None:
    report = inside(coturn(SERVER, transport=["udp", "tcp"]))
    assert (report.status, report.words) == (0, [[], []]), report.text
    for one in report.results:
        assert one["outside"]["peer"] == PUBLIC
        for path in (one["between"], one["outside"]):
            assert [path[name] for name in ("there", "back", "punched")] == [True, True, False]
            assert path["sizes"] == {str(size): True for size in SIZES}
        assert one["between"]["burst"]["sent"] == 200
        assert one["between"]["burst"]["percent"] < 5
        assert {"relay", "outside"} <= set(one["times"])


def test_over_ipv6_a_relay_of_ipv4_is_reached_by_that(server: netns.Network, inside: Probe) -> None:
    if not server.ipv6:
        missing("no IPv6 in network namespaces here")
    report = inside(coturn(f"[{SERVER_V6}]"), options=QUICK)
    assert (report.status, report.words) == (0, [[]]), report.text
    found = report.results[0]["outside"]
    assert (found["untried"], found["peer"]) == (None, PUBLIC), report.text
    assert report.results[0]["relayed"].startswith(f"{SERVER}:")


def test_one_burst_is_enough_for_a_server(server: netns.Network, inside: Probe) -> None:
    two = [coturn(SERVER), coturn(SERVER, username="userid")]
    report = inside(*two)
    assert report.status == 0, report.text
    assert len([one for one in report.results if one["between"]["burst"]]) == 1
    (quick,) = inside(coturn(SERVER), options=QUICK).results
    assert quick["between"]["burst"] is None
    assert quick["between"]["largest"] == max(SIZES)


# the firewall


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_relay_ports_that_are_shut(server: netns.Network, inside: Probe, transport: str) -> None:
    with filtered(server.outside, f"{IN} udp dport {RELAY_PORTS} drop"):
        report = inside(coturn(SERVER, transport=transport), options=QUICK)
    found = report.only("relay-ports")
    assert f"({PUBLIC}) to the relay {SERVER}:" in found["message"]
    assert "open min-port to max-port" in found["advice"]
    assert report.results[0]["outside"]["there"] is False
    assert report.results[0]["between"]["back"] is True
    assert "outside" not in report.results[0]["times"]


def test_relay_ports_that_open_from_within(server: netns.Network, inside: Probe) -> None:
    """ICE sends from both sides, so most calls succeed."""
    rules = [f"{IN} ct state established accept", f"{IN} udp dport {RELAY_PORTS} drop"]
    with filtered(server.outside, *rules):
        report = inside(coturn(SERVER), options=QUICK)
    assert "after the relay has sent" in report.only("relay-ports", "warning")["message"]
    assert report.results[0]["outside"]["punched"] is True


def test_relays_that_get_nothing_out(server: netns.Network, inside: Probe) -> None:
    with filtered(server.desktop, f"{IN} udp sport {RELAY_PORTS} drop"):
        report = inside(coturn(SERVER), options=QUICK)
    assert "sends back does not" in report.only("relay-back")["message"]
    found = report.results[0]["outside"]
    assert (found["there"], found["back"]) == (True, False)


def test_from_a_pod_it_may_be_a_network_policy(server: netns.Network, inside_pod: Probe) -> None:
    with filtered(server.outside, f"{IN} udp dport {RELAY_PORTS} drop"):
        report = inside_pod(coturn(SERVER), options=QUICK)
    assert "NetworkPolicy" in report.only("outside-untried", "note")["message"]


def test_a_part_of_the_relay_ports_is_shut(
    server: netns.Network, inside: Probe, tmp_path: Path
) -> None:
    lines = [*HERE, "min-port=40000", "max-port=40099"]
    shut = filtered(server.outside, f"{IN} udp dport {RELAY_PORTS} drop")
    with coturn_outside(server, tmp_path, lines, port=3504), shut:
        report = inside(coturn(SERVER), coturn(f"{SERVER}:3504"), options=QUICK)
    assert report.words == [["relay-ports"], []], report.text
    relay = report.results[1]["relayed"]
    message = report.results[0]["diagnoses"][0]["message"]
    assert f"its relay {relay} does arrive, so only some of the ports are blocked" in message


@pytest.mark.parametrize("end", ["outside", "desktop"])
def test_no_udp_from_this_network_says_nothing_of_the_relay_ports(
    server: netns.Network, inside: Probe, end: str
) -> None:
    with filtered(getattr(server, end), f"{IN} meta l4proto udp drop"):
        report = inside(coturn(SERVER, transport="tcp"), options=QUICK)
    assert "UDP from here" in report.only("outside-untried", "note")["message"]
    assert report.results[0]["outside"]["untried"] == "no-udp"


def test_a_server_that_forbids_this_machine(
    network: netns.Network, inside: Probe, tmp_path: Path
) -> None:
    denied = "denied-peer-ip=203.0.113.0-203.0.113.255"
    with coturn_outside(network, tmp_path, [*HERE, denied], port=3501):
        report = inside(coturn(f"{SERVER}:3501"), options=QUICK)
    assert PUBLIC in report.only("outside-untried", "note")["message"]
    assert report.results[0]["outside"]["untried"] == "forbidden"


def test_newer_coturn_relays_to_no_local_address_and_the_cure_that_is_told_helps(
    network: netns.Network, inside: Probe, tmp_path: Path
) -> None:
    if not network.ipv6:
        missing("no IPv6 in network namespaces here")
    program, both = newest_turnserver(), [f"listening-ip={one}" for one in (SERVER, SERVER_V6)]
    url = coturn(f"[{SERVER_V6}]:3505")
    local = [f"relay-ip={SERVER_V6}", "allocation-default-address-family=keep"]
    lines = [*both, *local, f"allowed-peer-ip={SERVER_V6}"]
    with coturn_outside(network, tmp_path, lines, port=3505, program=program):
        advice = inside(url, options=QUICK).only("forbidden")["advice"]
    assert "set relay-ip to another address, such as an IPv4 one" in advice
    cured = [*both, f"relay-ip={SERVER}"]
    with coturn_outside(network, tmp_path, cured, port=3505, program=program):
        assert_nothing(inside(url, options=[*QUICK, "--strict"]))


def test_one_allocation_is_enough(network: netns.Network, inside: Probe, tmp_path: Path) -> None:
    with coturn_outside(network, tmp_path, [*HERE, "user-quota=1"], port=3502):
        report = inside(coturn(f"{SERVER}:3502", username="userid"))
        assert report.only("quota", "warning")
        assert report.results[0]["outside"]["largest"] == max(SIZES)
        assert report.results[0]["between"]["burst"]["lost"] == 0
        with filtered(network.outside, f"{IN} udp dport {RELAY_PORTS} drop"):
            shut = inside(coturn(f"{SERVER}:3502", username="userid"), options=QUICK)
    assert shut.words == [["relay-ports", "quota"]]


# sizes, and the rate


@pytest.mark.parametrize(
    ("end", "rule", "where", "largest", "too_large"),
    [
        ("outside", f"dport {PORT} meta length > 700", "the server", 600, 800),
        ("desktop", f"sport {PORT} meta length > 1271", "the server", 1000, 1200),
        ("outside", f"dport {RELAY_PORTS} meta length > 500", "outside", 400, 600),
        ("desktop", f"sport {RELAY_PORTS} meta length > 900", "outside", 800, 1000),
    ],
)
def test_packets_that_are_too_large(
    server: netns.Network,
    inside: Probe,
    end: str,
    rule: str,
    where: str,
    largest: int,
    too_large: int,
) -> None:
    with filtered(getattr(server, end), f"{IN} udp {rule} drop"):
        report = inside(coturn(SERVER), options=QUICK)
    message = report.only("packet-size")["message"]
    assert where in message
    assert f"of {largest} bytes come through, but none of {too_large} bytes or more" in message
    path = report.results[0]["between" if where == "the server" else "outside"]
    assert (path["largest"], path["too_large"]) == (largest, too_large)


def test_packets_of_some_sizes_are_lost(server: netns.Network, inside: Probe) -> None:
    with filtered(server.outside, f"{IN} udp dport {PORT} meta length 300-700 drop"):
        report = inside(coturn(SERVER), options=QUICK)
    assert "packets of 400 and 600 bytes are lost" in report.only("packet-size")["message"]


def test_over_tcp_the_size_of_packets_to_the_server_is_no_matter(
    server: netns.Network, inside: Probe
) -> None:
    with filtered(server.outside, f"{IN} udp dport {PORT} meta length > 700 drop"):
        report = inside(coturn(SERVER, transport="tcp"), options=QUICK)
    assert (report.status, report.words) == (0, [[]]), report.text


def test_for_a_desktop_another_transport_makes_up_for_silence_and_not_for_lost_packets(
    server: netns.Network,
) -> None:
    """ICE chooses the first path that small packets pass, which is UDP, and DTLS stays on it."""
    made = mint_turn_credentials(SECRET, 600)
    variables = {"TURN_SERVER": gstreamer_turn(IceURI("turn", SERVER), made)}
    line = command("probe", "--desktop", "--json", "--quick")

    def probe() -> Report:
        return Report(server.desktop.run(*line, check=False, env=environment(**variables)))

    with filtered(server.outside, f"{IN} udp dport {PORT} meta length > 700 drop"):
        lost = probe()
    assert (lost.status, lost.words) == (1, [["packet-size"], []]), lost.text
    assert lost.results[0]["level"] == "error"
    with filtered(server.outside, f"{IN} udp dport {PORT} drop"):
        silent = probe()
    assert (silent.status, silent.words) == (0, [["no-answer"], []]), silent.text


@pytest.mark.parametrize(("limit", "level"), [(2000, "error"), (8000, "warning"), (12000, "")])
def test_a_limit_of_the_rate(
    network: netns.Network, inside: Probe, tmp_path: Path, limit: int, level: str
) -> None:
    def probed() -> Optional[Report]:
        report: Report = inside(coturn(f"{SERVER}:3503"))
        # coturn counts by its seconds. A pause of this machine as one ends spreads the packets, and
        # where the limit is little lower than the rate, no second may be too full then.
        return None if level == "warning" and report.words == [[]] else report

    with coturn_outside(network, tmp_path, [*HERE, f"max-bps={limit}"], port=3503):
        report = wait_for(probed)
    if level:
        found = report.only("packet-loss", level)
        assert "in a row" in found["message"]
        assert "max-bps" in found["advice"]
    else:
        assert_nothing(report)


def test_a_network_that_loses_packets(server: netns.Network, inside: Probe) -> None:
    rule = f"{IN} udp dport {PORT} meta length > 200 numgen inc mod 4 0 drop"
    with filtered(server.outside, rule):
        report = inside(coturn(SERVER))
    assert "here and there" in report.only("packet-loss", "error")["message"]


def test_a_packet_that_is_lost_now_and_then_is_none_to_speak_of(
    server: netns.Network, inside: Probe
) -> None:
    with filtered(server.outside, f"{IN} udp dport {PORT} numgen inc mod 40 7 drop"):
        report = inside(coturn(SERVER))
    assert_nothing(report)
    assert report.results[0]["between"]["burst"]["lost"] > 0


def assert_nothing(report: Report) -> None:
    assert (report.status, report.words) == (0, [[]]), report.text
