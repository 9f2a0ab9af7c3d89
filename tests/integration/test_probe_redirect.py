"""`abcwebrtc probe` when coturn redirects, and when a STUN server does not answer libnice."""

from __future__ import annotations

import socket
from typing import Any, Callable

import pytest

from conftest import newest_turnserver
from integration import turn
from integration.conftest import SECRET
from integration.probing import OTHER, Probe, coturn, ice
from integration.turn import LOOPBACK, Certificate, Turnserver, free_ports

pytest_plugins = ["integration.probe_fixtures"]

Start = Callable[..., Turnserver]


# a redirect


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_redirect_to_a_server_that_lives(
    start_turnserver: Start, probe: Probe, transport: str
) -> None:
    last = start_turnserver(SECRET)
    middle = start_turnserver(SECRET, options=[alternate(last)])
    first = start_turnserver(SECRET, options=[alternate(middle)])
    report = probe(coturn(at(first), transport=transport))
    found = report.only("redirect", "note")
    assert f"{LOOPBACK}:{last.port}" in found["message"]
    (result,) = report.results
    assert result["redirects"] == [at(middle), at(last)]
    assert {"allocate", "relay"} <= set(result["times"])


def test_over_tls_the_name_in_the_certificate_stays_that_of_the_url(
    start_turnserver: Start, certificate: Certificate, probe: Probe
) -> None:
    last = start_turnserver(SECRET)
    option = f"tls-alternate-server={LOOPBACK}:{last.tls_port}"
    first = start_turnserver(SECRET, options=[option])
    server = coturn(f"localhost:{first.tls_port}", protocol="turns")
    report = probe(server, options=["--ca", certificate.authority])
    assert str(last.tls_port) in report.only("redirect", "note")["message"]
    assert report.results[0]["certificate"]["trusted"] is True


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_redirect_to_a_server_that_is_dead(
    start_turnserver: Start, probe: Probe, transport: str
) -> None:
    (port,) = free_ports(1)
    first = start_turnserver(SECRET, options=[f"alternate-server={LOOPBACK}:{port}"])
    found = probe(coturn(at(first), transport=transport)).only("redirect")
    assert f"{LOOPBACK}:{port} (alternate-server), where nothing listens" in found["message"]
    assert "alternate-server" in found["advice"]


def test_a_redirect_to_silence(start_turnserver: Start, probe: Probe) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((LOOPBACK, 0))
        there = f"{LOOPBACK}:{silent.getsockname()[1]}"
        first = start_turnserver(SECRET, options=[f"alternate-server={there}"])
        report = probe(coturn(at(first)))
    assert (
        f"{there} (alternate-server), which does not answer" in report.only("redirect")["message"]
    )


def test_a_redirect_to_a_server_with_another_secret(start_turnserver: Start, probe: Probe) -> None:
    last = start_turnserver(OTHER)
    first = start_turnserver(SECRET, options=[alternate(last)])
    message = probe(coturn(at(first))).only("wrong-secret")["message"]
    assert f"redirects to {at(last)}" in message
    assert "401" in message


def test_servers_that_redirect_to_each_other(
    start_turnserver: Start, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = free_ports(2)
    first = start_turnserver(SECRET, options=[f"alternate-server={LOOPBACK}:{ports[0]}"])
    monkeypatch.setattr(turn, "free_ports", lambda number: ports)
    second = start_turnserver(SECRET, options=[alternate(first)])
    report = probe(coturn(at(first)))
    assert "in a circle" in report.only("redirect")["message"]
    assert report.results[0]["redirects"] == [at(second), at(first)]


def alternate(server: Turnserver) -> str:
    return f"alternate-server={at(server)}"


def at(server: Turnserver) -> str:
    return f"{LOOPBACK}:{server.port}"


# what libnice asks a STUN server


def test_a_binding_without_the_cookie_is_tried_where_desktops_have_the_server(
    turnserver: Turnserver, probe: Probe
) -> None:
    here = at(turnserver)
    report = probe(coturn(here, transport=["udp", "tcp"]), rtc=ice(f"stun:{here}"))
    assert (report.status, report.words) == (0, [[], [], []]), report.text
    assert [one["rfc3489"] for one in report.results] == [True, None, None]
    assert "rfc3489" in report.results[0]["times"]


def test_coturn_that_does_not_answer_libnice(start_turnserver: Start, probe: Probe) -> None:
    server = start_turnserver(SECRET, options=["no-stun-backward-compatibility"])
    stun = ice(f"stun:{at(server)}")
    report = probe(coturn(at(server)), rtc=stun)
    assert (report.status, report.words) == (1, [["no-rfc3489"], []]), report.text
    (found,) = report.results[0]["diagnoses"]
    assert "remove no-stun-backward-compatibility from turnserver.conf" in found["advice"]
    assert report.results[0]["rfc3489"] is False
    assert report.results[0]["reflexive"]


@pytest.mark.parametrize(("options", "works"), [([], False), (["rfc3489-compatibility"], True)])
def test_the_newest_coturn_has_to_be_told(
    start_turnserver: Start, probe: Probe, options: Any, works: bool
) -> None:
    server = start_turnserver(SECRET, options=options, program=newest_turnserver())
    report = probe(rtc=ice(f"stun:{at(server)}"))
    if works:
        assert (report.status, report.words) == (0, [[]]), report.text
    else:
        assert "add rfc3489-compatibility" in report.only("no-rfc3489")["advice"]
