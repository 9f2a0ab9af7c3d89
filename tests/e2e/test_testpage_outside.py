"""What the test page says about firewalls: blocked relay ports, lost large packets."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page as Tab

from e2e.testpage_results import WORKS
from e2e.testpage_stage import PORT, Certificate, Stage, coturn_entry
from e2e.testpage_tab import headline, only, outcome, verdict
from integration.labs import filtered
from integration.netns import PUBLIC, SERVER

pytest_plugins = ["e2e.testpage_fixtures"]


PATIENT = "import abcwebrtc.web.look as look; look.REDIRECT_SECONDS = look.SECONDS"
"""Python code that gives a slow machine time to see a redirect."""
FROM_ELSEWHERE = 'iifname != "lo" udp dport'


def test_relay_ports_that_are_shut_are_found_though_the_call_within_the_server_is_heard(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    running.coturn(3610, 5510, certificate)
    page = running.serve(8030, **only(coturn_entry(3610, transport=["udp", "tcp"])))
    with filtered(running.network.outside, f"{FROM_ELSEWHERE} 51000-51099 drop"):
        for card in outcome(tab, page).values():
            assert f"Data from this browser ({PUBLIC}) to the relay {SERVER}:510" in card
            assert "tone of 440 Hz" in card
        assert verdict(tab).count("Open min-port to max-port") == 1
        assert headline(tab) == (
            "Sound will work from this network over TURN/UDP and TURN/TCP only if the desktop has "
            "a relay on the same server: data from outside does not reach the relay."
        )
    cards = outcome(tab, page)
    assert headline(tab) == f"{WORKS} TURN/UDP and TURN/TCP."
    assert all("from outside: works" in card for card in cards.values())
    assert "abcwebrtc probe --desktop in a desktop's pod" in verdict(tab)


SHORTER = pytest.mark.slow("a path for shorter packets yet")


@pytest.mark.parametrize(
    ("length", "port", "site"),
    [pytest.param(600, 3620, 8031, marks=SHORTER), (1000, 3630, 8032)],
)
def test_large_packets_that_are_dropped_are_told_from_a_slow_network(
    tab: Tab, running: Stage, certificate: Certificate, length: int, port: int, site: int
) -> None:
    running.coturn(port, port + 1900, certificate)
    page = running.serve(site, **only(coturn_entry(port)))
    with filtered(running.network.outside, f"{FROM_ELSEWHERE} {port} meta length > {length} drop"):
        (card,) = outcome(tab, page).values()
        assert "small packets of ICE come through, but not those of DTLS" in card
        assert "Look for what drops large UDP packets" in verdict(tab)
        assert headline(tab) == "Sound will not work from this network: no TURN server works."
    outcome(tab, page)
    assert headline(tab) == f"{WORKS} TURN/UDP."


@pytest.mark.parametrize(
    ("port", "site", "option", "cure"),
    [
        (3640, 8033, f"denied-peer-ip={SERVER}", f"allowed-peer-ip={SERVER}"),
        (3650, 8034, "denied-peer-ip=10.0.0.0-10.255.255.255", f"allowed-peer-ip={SERVER}"),
    ],
)
def test_a_server_that_denies_its_own_relays_is_told_and_the_cure_cures(
    tab: Tab,
    running: Stage,
    certificate: Certificate,
    port: int,
    site: int,
    option: str,
    cure: str,
) -> None:
    coturn = running.coturn(port, port + 1900, certificate, option)
    page = running.serve(site, **only(coturn_entry(port)))
    (card,) = outcome(tab, page).values()
    assert f"the server forbids data to its own relays ({SERVER})" in card
    assert f"Add {cure} to turnserver.conf" in verdict(tab)
    coturn.terminate()
    coturn.wait()
    running.coturn(port, port + 1900, certificate, option, cure)
    outcome(tab, page)
    assert headline(tab) == f"{WORKS} TURN/UDP."


def test_a_redirect_is_followed_and_one_to_a_dead_server_is_the_fault(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    running.coturn(3660, 5560, certificate, f"alternate-server={SERVER}:3999")
    running.coturn(3670, 5570, certificate, f"alternate-server={SERVER}:{PORT}")
    running.coturn(3680, 5580, certificate, "stun-only")
    servers = [coturn_entry(port, transport=["udp"]) for port in (3660, 3670, 3680)]
    dead, works, stun = outcome(tab, running.serve(8035, before=PATIENT, **only(*servers))).values()
    assert f"300: the server redirects to {SERVER}:3999 (alternate-server); the browser" in dead
    assert "correct or remove alternate-server in turnserver.conf" in verdict(tab)
    assert "The tone arrives through the relay." in works
    assert f"No answer to Allocate from {SERVER}, UDP port 3680, although it answers STUN" in stun
    assert "stun-only" in verdict(tab)
    assert headline(tab) == f"{WORKS} TURN/UDP at {SERVER}:3670."


def test_a_redirect_over_tcp_to_a_dead_server_is_found_too(
    tab: Tab, running: Stage, certificate: Certificate
) -> None:
    running.coturn(3690, 5590, certificate, f"alternate-server={SERVER}:3999")
    page = running.serve(8036, before=PATIENT, **only(coturn_entry(3690, transport="tcp")))
    (dead,) = outcome(tab, page).values()
    assert f"300: the server redirects to {SERVER}:3999 (alternate-server); the browser" in dead
