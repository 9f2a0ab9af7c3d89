"""`abcwebrtc probe` against real servers that fail in every known way.

What it says of each is compared: the word, the level, and the exit status.
"""

from __future__ import annotations

import contextlib
import glob
import re
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from abcwebrtc import mint_turn_credentials
from abcwebrtc.config.uris import IceURI
from abcwebrtc.probe.diagnosis import diagnose
from abcwebrtc.probe.model import UDP, Circumstances, Login, Observation, Place, Target
from abcwebrtc.probe.stun_client import Settings, StepError, Wire
from abcwebrtc.probe.turn_session import Session, accepts
from conftest import missing, require_program
from integration.conftest import SECRET
from integration.probing import OTHER, PASSWORD, Probe, coturn, ice
from integration.turn import (
    LOOPBACK,
    REALM,
    Certificate,
    Turnserver,
    answers_udp,
    free_ports,
    raw_refusal,
)
from support import WAIT, wait_for

pytest_plugins = ["integration.probe_fixtures"]

Start = Callable[..., Turnserver]


# what works


def test_everything_works_over_every_transport(
    turnserver: Turnserver, trusted: Path, probe: Probe
) -> None:
    here = f"{LOOPBACK}:{turnserver.port}"
    report = probe(
        coturn(here, transport=["udp", "tcp"], username="userid"),
        coturn(f"localhost:{turnserver.tls_port}", protocol="turns", username="pseudonym"),
        coturn(here, protocol="turns"),
        rtc=ice(f"stun:{here}"),
        options=["--ca", trusted],
    )
    assert report.words == [[]] * 5, report.text
    assert report.status == 0
    assert [one["transport"] for one in report.results] == [
        "udp",
        "udp",
        "tcp",
        "tls",
        "tls",
    ]
    for one in report.results:
        assert (one["address"], one["local"]) == (LOOPBACK, LOOPBACK)
        assert re.fullmatch(r"127\.0\.0\.1:[0-9]+", one["reflexive"])
        is_turn = one["url"].startswith("turn")
        assert bool(one["relayed"]) is is_turn
        assert (one["outside"] or {}).get("untried") == ("same-machine" if is_turn else None)
        steps = {"resolve", "connect", "binding"}
        steps |= {"tls"} if one["transport"] == "tls" else set()
        steps |= {"allocate", "relay"} if is_turn else set()
        steps |= {"rfc3489"} if one["url"].startswith("stun:") else set()
        assert set(one["times"]) == steps
        assert all(time >= 0 for time in one["times"].values())
        assert bool(one["certificate"]) is (one["transport"] == "tls")


@pytest.fixture
def trusted(certificate: Certificate) -> Path:
    """The file of the authority that made the turnserver's certificate."""
    return certificate.authority


def test_what_was_allocated_is_freed(start_turnserver: Start, probe: Probe) -> None:
    server = start_turnserver(SECRET, options=["user-quota=2"])
    here = f"{LOOPBACK}:{server.port}"
    for _ in range(2):
        report = probe(coturn(here, transport=["udp", "tcp"], username="userid"))
        assert (report.status, report.words) == (0, [[], []]), report.text


def test_ipv6(start_turnserver: Start, probe: Probe) -> None:
    if not has_ipv6():
        missing("no IPv6 on this machine")
    server = start_turnserver(SECRET, options=["listening-ip=::1"])
    wait_for(lambda: answers_udp(server.port, "::1"))
    report = probe(coturn(f"[::1]:{server.port}"), rtc=ice(f"stun:[::1]:{server.port}"))
    assert (report.status, report.words) == (0, [[], []]), report.text
    assert {one["address"] for one in report.results} == {"::1"}
    assert all(one["reflexive"].startswith("[::1]:") for one in report.results)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


# a server that is not there


def test_a_stopped_server_refuses(start_turnserver: Start, probe: Probe) -> None:
    server = start_turnserver(SECRET)
    server.stop()
    here = f"{LOOPBACK}:{server.port}"
    turns = coturn(here, protocol="turns")
    report = probe(coturn(here, transport=["udp", "tcp"]), turns, rtc=ice(f"stun:{here}"))
    assert (report.status, report.words) == (1, [["refused"]] * 4), report.text
    assert f"UDP port {server.port}" in report.results[0]["diagnoses"][0]["message"]
    assert f"TCP port {server.port}" in report.results[2]["diagnoses"][0]["message"]


def test_a_name_that_does_not_resolve(probe: Probe) -> None:
    found = probe(coturn("turn.invalid")).only("no-name")
    assert "turn.invalid" in found["message"]


# secrets and clocks


def test_a_wrong_secret(turnserver: Turnserver, probe: Probe) -> None:
    found = probe(coturn(f"{LOOPBACK}:{turnserver.port}", OTHER)).only("wrong-secret")
    assert "401" in found["message"]
    assert "its clock is not the reason" in found["message"]


def test_the_secret_that_the_server_knows_is_told(turnserver: Turnserver, probe: Probe) -> None:
    url = f"{LOOPBACK}:{turnserver.port}"
    server = coturn(url, OTHER, OTHER[::-1], SECRET, username="pseudonym")
    assert "secret 3 of 3" in probe(server).only("older-secret")["message"]


def test_a_secret_of_another_realm_in_the_database(
    start_turnserver: Start, probe: Probe, tmp_path: Path
) -> None:
    """coturn's database has secrets by realm; the probe's advice is the cure."""
    server = start_turnserver()
    (database,) = tmp_path.glob(f"turnserver-{server.port}.db")
    program = require_program("turnadmin", "coturn")

    def add(realm: str) -> None:
        line = [program, "-s", SECRET, "-r", realm, "-b", str(database)]
        subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    add("another.realm")
    url = f"{LOOPBACK}:{server.port}"
    found = probe(coturn(url)).only("wrong-secret")
    assert found["message"].endswith(f"; the server's realm is {REALM}")
    assert f"check that they are there for {REALM}" in found["advice"]
    add(REALM)
    wait_for(lambda: probe(coturn(url), options=["--quick"]).words == [[]])


def test_one_url_with_two_secrets_is_probed_with_both(turnserver: Turnserver, probe: Probe) -> None:
    url = f"{LOOPBACK}:{turnserver.port}"
    assert probe(coturn(url), coturn(url, OTHER)).words == [[], ["wrong-secret"]]


@pytest.fixture
def start_ahead(tmp_path: Path, certificate: Certificate) -> Iterator[Callable[..., Turnserver]]:
    """Return a function that starts a turnserver whose clock is ahead."""
    program = require_program("turnserver", "coturn")
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        missing("libfaketime is not installed; apt-get install libfaketime")
    with contextlib.ExitStack() as stack:

        def start(ahead: str) -> Turnserver:
            wrapper = tmp_path / "turnserver"
            variables = f"LD_PRELOAD={libraries[0]} FAKETIME='{ahead}'"
            wrapper.write_text(f'#!/bin/sh\nexec env {variables} {program} "$@"\n')
            wrapper.chmod(0o755)
            server = Turnserver(str(wrapper), tmp_path, certificate, [SECRET])
            stack.callback(server.stop)
            server.wait_until_ready()
            ended = mint_turn_credentials(SECRET, 600)  # for a clock that is 20 minutes ahead
            # For its first second coturn has no time yet, and takes any expiry.
            wait_for(lambda: raw_refusal(server.port, ended.username, ended.password) == 401)
            return server

        yield start


def test_a_clock_that_is_ahead_is_measured(start_ahead: Any, probe: Probe) -> None:
    server = start_ahead("+1d")
    report = probe(coturn(f"{LOOPBACK}:{server.port}"))
    assert "ahead of this machine's" in report.only("clock")["message"]
    assert abs(report.results[0]["clock_ahead"] - 86400) < WAIT


def test_an_older_secret_and_a_clock_that_is_ahead(start_ahead: Any, probe: Probe) -> None:
    server = start_ahead("+1d")
    report = probe(coturn(f"{LOOPBACK}:{server.port}", OTHER, SECRET))
    assert report.words == [["older-secret", "clock"]]


def test_a_clock_that_ends_credentials_early_is_a_warning(start_ahead: Any, probe: Probe) -> None:
    server = start_ahead("+20m")
    report = probe(coturn(f"{LOOPBACK}:{server.port}"))
    report.only("clock", "warning")
    assert abs(report.results[0]["clock_ahead"] - 1200) < WAIT
    assert report.results[0]["relayed"]


# logins of rtc_configuration


def test_a_static_login(turnserver: Turnserver, probe: Probe) -> None:
    made = mint_turn_credentials(SECRET, 600, "alice")
    url = f"turn:{LOOPBACK}:{turnserver.port}"
    good = probe(rtc=ice(url, username=made.username, credential=made.password))
    assert (good.status, good.words) == (0, [[]])
    assert made.username not in good.text
    assert made.password not in good.text
    probe(rtc=ice(url, username=made.username, credential=PASSWORD)).only("wrong-login")


def test_a_username_that_coturn_takes_for_bad(turnserver: Turnserver, probe: Probe) -> None:
    url = f"turn:{LOOPBACK}:{turnserver.port}"
    found = probe(rtc=ice(url, username="1:o'hara", credential=PASSWORD)).only("bad-request")
    assert "400" in found["message"]
    assert "see a timeout" in found["message"]


# what the server allows


def test_a_second_allocation_over_the_quota_is_a_warning(
    start_turnserver: Start, probe: Probe
) -> None:
    server = start_turnserver(SECRET, options=["user-quota=1"])
    one = coturn(f"{LOOPBACK}:{server.port}", username="userid")
    report = probe(one)
    assert "486" in report.only("quota", "warning")["message"]
    assert "relay" in report.results[0]["times"]
    assert probe(one, options=["--strict"]).status == 1


def test_a_quota_that_is_used_up(start_turnserver: Start, probe: Probe, tmp_path: Path) -> None:
    server = start_turnserver(SECRET, options=["total-quota=1"])
    made = mint_turn_credentials(SECRET, 600, "alice")
    with held_allocation(server, made):
        found = probe(coturn(f"{LOOPBACK}:{server.port}", username="userid")).only("quota")
    assert found["message"].startswith("486")


@contextlib.contextmanager
def held_allocation(server: Turnserver, made: Any) -> Iterator[None]:
    with opened_session(server, Login(made.username, made.password)) as session:
        session.allocate()
        yield


@contextlib.contextmanager
def opened_session(server: Turnserver, login: Any) -> Iterator[Any]:
    """Hold a TURN session over UDP, with the probe's own code."""
    settings = Settings(5.0, ssl.create_default_context(), threading.Event())
    target = Target(IceURI("turn", LOOPBACK, server.port), UDP)
    with Wire(target, LOOPBACK, settings) as wire, Session(wire, login) as session:
        yield session


class FromPort(Wire):
    """A connection from a local UDP port of the test's choice."""

    def __init__(self, local: int, *arguments: Any) -> None:
        self.local_port = local
        super().__init__(*arguments)

    def _connect(self, context: Any) -> None:
        self._socket.bind((LOOPBACK, self.local_port))
        super()._connect(context)


def test_a_local_port_that_an_earlier_login_had_says_nothing_about_the_next(
    turnserver: Turnserver,
) -> None:
    settings = Settings(5.0, ssl.create_default_context(), threading.Event())
    target = Target(IceURI("turn", LOOPBACK, turnserver.port), UDP)
    (port,) = free_ports(1)
    usual = [port, port, 0]  # the third is of another port, as the system picks it
    made = [mint_turn_credentials(SECRET, 600, user) for user in ("alice", "bob")]

    def open_wire() -> Wire:
        return FromPort(usual.pop(0), target, LOOPBACK, settings)

    logins = [Login(one.username, one.password) for one in made]
    assert accepts(open_wire, logins[0])
    assert accepts(open_wire, logins[1])
    assert usual == []  # otherwise coturn does not tell the two apart
    wrong = Login(made[1].username, made[0].password)
    assert not accepts(lambda: FromPort(0, target, LOOPBACK, settings), wrong)


def test_an_allocation_of_the_same_address_and_port(turnserver: Turnserver) -> None:
    made = mint_turn_credentials(SECRET, 600, "alice")
    with opened_session(turnserver, Login(made.username, made.password)) as session:
        session.allocate()
        with pytest.raises(StepError) as caught:
            session.allocate()
        seen = Observation(session.wire.target, LOOPBACK, failures=[caught.value.failure])
    (found,) = diagnose(seen, Circumstances(Place("here"), time.time(), 5.0))
    assert found.word == "mismatch"
    assert found.message.startswith("437")


def test_a_nonce_that_became_stale_is_replaced(start_turnserver: Start) -> None:
    # A nonce that a slow machine can use before it is stale itself.
    server = start_turnserver(SECRET, options=["stale-nonce=5", "verbose"])
    made = mint_turn_credentials(SECRET, 600, "alice")
    with opened_session(server, Login(made.username, made.password)) as session:
        session.allocate()

        def is_replaced() -> bool:
            session.bind(session.relayed)
            return "error 438" in server.output

        wait_for(is_replaced)


def test_a_quota_of_0_is_none(start_turnserver: Start, probe: Probe) -> None:
    server = start_turnserver(SECRET, options=["user-quota=0", "total-quota=0"])
    report = probe(coturn(f"{LOOPBACK}:{server.port}", username="userid"))
    assert (report.status, report.words) == (0, [[]])


def test_a_denied_peer(start_turnserver: Start, probe: Probe) -> None:
    server = start_turnserver(SECRET, options=["denied-peer-ip=127.0.0.0-127.255.255.255"])
    report = probe(coturn(f"{LOOPBACK}:{server.port}"))
    assert report.only("forbidden")["message"].startswith("403")
    assert report.results[0]["relayed"]


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("stun-only", "no-allocate"),
        ("alternate-server=192.0.2.1:3478", "redirect"),
        ("no-udp-relay", "no-udp-relay"),
    ],
)
def test_a_server_that_gives_no_relay(
    start_turnserver: Start, probe: Probe, option: str, word: str
) -> None:
    server = start_turnserver(SECRET, options=[option])
    report = probe(coturn(f"{LOOPBACK}:{server.port}"))
    report.only(word)
    assert report.results[0]["reflexive"]


def test_a_server_without_a_free_port(start_turnserver: Start, probe: Probe) -> None:
    (port,) = free_ports(1)
    server = start_turnserver(SECRET, options=[f"min-port={port}", f"max-port={port}"])
    found = probe(coturn(f"{LOOPBACK}:{server.port}")).only("capacity")
    assert found["message"].startswith("508")


def test_a_server_that_wants_a_login_for_stun(start_turnserver: Start, probe: Probe) -> None:
    server = start_turnserver(SECRET, options=["secure-stun"])
    here = f"{LOOPBACK}:{server.port}"
    report = probe(coturn(here), rtc=ice(f"stun:{here}"))
    assert (report.status, report.words) == (1, [["stun-login"], []])


def test_a_relay_for_anybody(tmp_path: Path, certificate: Certificate, probe: Probe) -> None:
    class Open(Turnserver):
        def _conf(self, *arguments: Any) -> str:
            text = super()._conf(*arguments)
            return text.replace("use-auth-secret\n", "no-auth\n")

    server = Open(require_program("turnserver", "coturn"), tmp_path, certificate, [])
    try:
        server.wait_until_ready()
        probe(coturn(f"{LOOPBACK}:{server.port}")).only("open-relay", "warning")
    finally:
        server.stop()
