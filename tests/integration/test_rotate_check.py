"""`rotate check` against a real coturn: every step, every server, and missing answers."""

from __future__ import annotations

import asyncio
import http.server
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any, List

import pytest

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.rotation import Answer
from abcwebrtc.probe.accepted_secrets import CHECK_USER, addresses_of, ask_all, question
from integration.rotating import NEW, OLD, Rotation, Start, minted, started_rotation
from integration.turn import LOOPBACK, allocated, free_ports
from support import wait_for


@pytest.fixture
def rotation(tmp_path: Path, start_turnserver: Start) -> Rotation:
    return started_rotation(tmp_path, start_turnserver)


def test_check_finds_every_step_on_the_way(rotation: Rotation) -> None:
    new_file = rotation.folder / "new"
    new_file.write_text(f"{NEW}\n")
    steps = [
        ("settled", 0, rotation.check()),
        ("new one unknown", 1, rotation.check("--new", "new")),
    ]
    rotation.turnadmin("-s", NEW)
    steps.append(("ready", 0, rotation.check("--new", "new")))
    rotation.secret_file.write_text(f"{NEW}\n{OLD}\n")
    steps.append(("overlap", 1, rotation.check()))
    steps.append(("overlap", 0, rotation.check("--since", "2026-01-05T09:00:00Z")))
    rotation.turnadmin("-X", OLD)
    steps.append(("retired", 0, rotation.check()))
    rotation.secret_file.write_text(f"{NEW}\n")
    steps.append(("settled", 0, rotation.check()))
    assert [(group["step"], group["status"]) for _, _, group in steps] == [
        (name, status) for name, status, _ in steps
    ]
    assert all(group["works"] for _, _, group in steps)


WRONG_STEPS = {
    "od.config went first": ([NEW, OLD], [OLD], [], "not given"),
    "coturn forgot too early": ([OLD], [NEW], ["--new", "new"], "taken too early"),
    "coturn knows none": ([NEW, OLD], ["another-secret-altogether"], [], "wrong"),
    "coturn knows none, and a new one is there": ([OLD], [], ["--new", "new"], "wrong"),
}


@pytest.mark.parametrize(
    ("configured", "known", "options", "step"), WRONG_STEPS.values(), ids=WRONG_STEPS
)
def test_check_fails_where_calls_are_refused(
    rotation: Rotation, configured: List[str], known: List[str], options: List[str], step: str
) -> None:
    (rotation.folder / "new").write_text(f"{NEW}\n")
    rotation.turnadmin("-X", OLD)
    for secret in known:
        rotation.turnadmin("-s", secret)
    rotation.secret_file.write_text("\n".join(configured))
    group = rotation.check(*options)
    assert (group["step"], group["works"], group["status"]) == (step, False, 1)


def test_check_shows_neither_a_secret_nor_a_password(rotation: Rotation) -> None:
    (rotation.folder / "new").write_text(f"{NEW}\n")
    rotation.turnadmin("-s", NEW)
    result = rotation.rotate("check", "--new", "new")
    assert result.returncode == 0
    assert "    1st secret, which mints: accepted\n    new secret: accepted\n" in result.stdout
    assert OLD not in result.stdout + result.stderr
    assert NEW not in result.stdout + result.stderr


@pytest.mark.parametrize("protocol", ["turn", "turns"])
def test_check_asks_every_url_by_its_own_transport(rotation: Rotation, protocol: str) -> None:
    server = rotation.server
    transports = ["udp", "tcp"]  # with turns, udp is a warning of `check`, and no more
    rotation.write(
        {
            "coturn_static_auth_secret": OLD,
            "protocol": protocol,
            "url": [f"{LOOPBACK}:{server.port}", f"{LOOPBACK}:{server.tls_port}"],
            "transport": transports,
        }
    )
    group = rotation.check()
    answers = [row["answers"][0]["accepted"] for row in group["servers"]]
    assert answers == [True] * 2 * len(transports)
    assert (group["step"], group["status"]) == ("settled", 0)
    # A request that a slow machine sends again is of the same session.
    asked = re.compile(r"session (\d+): .*REFRESH processed, error 437")
    wait_for(lambda: len(set(asked.findall(server.output))) == len(answers))
    assert "ALLOCATE" not in server.output


def test_the_server_that_lags_behind_decides_the_step(
    rotation: Rotation, start_turnserver: Start
) -> None:
    rotation.turnadmin("-s", NEW)
    lagging = start_turnserver(OLD)
    urls = [f"{LOOPBACK}:{rotation.server.port}", f"{LOOPBACK}:{lagging.port}"]
    rotation.write({"coturn_static_auth_secret": OLD, "url": urls})
    (rotation.folder / "new").write_text(NEW)
    group = rotation.check("--new", "new")
    assert [row["step"] for row in group["servers"]] == ["ready", "new one unknown"]
    assert (group["step"], group["status"]) == ("new one unknown", 1)


def test_each_address_of_a_name_is_asked(start_turnserver: Start) -> None:
    server = start_turnserver(OLD)
    uri = IceURI("turn", "localhost", server.port)
    addresses = [LOOPBACK, "127.0.0.2"]
    asked = [question(uri, address, Secret(OLD), False, time.time()) for address in addresses]
    here, there = ask_all(asked, 10)
    assert here.accepted is True
    assert there.accepted is None
    assert there.reason


def test_an_address_stays_as_it_is_and_a_name_with_several_becomes_these(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = socket.getaddrinfo

    def both(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "turn.domain.local":
            return real(host, *arguments, **options)
        return [found for one in ("127.0.0.1", "127.0.0.2") for found in real(one, *arguments)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    one, several = IceURI("turns", LOOPBACK), IceURI("turn", "turn.domain.local", 3479)
    found = addresses_of([one, several], 10)
    assert found == {one: [LOOPBACK], several: ["127.0.0.1", "127.0.0.2"]}


@pytest.mark.parametrize("full", [["user-quota=1"], ["min-port=65300", "max-port=65300"]])
def test_a_server_that_is_full_knows_the_secret_or_not(
    start_turnserver: Start, full: List[str]
) -> None:
    server = start_turnserver(OLD, options=full)
    uri = IceURI("turn", LOOPBACK, server.port)
    url = minted(server.port, OLD, CHECK_USER)

    async def run() -> Any:
        async with allocated(url):
            secrets = Secret(OLD), Secret(NEW)
            asked = [question(uri, LOOPBACK, one, True, time.time()) for one in secrets]
            return await asyncio.to_thread(ask_all, asked, 10)

    assert asyncio.run(run()) == [Answer(True), Answer(False)]


@pytest.mark.parametrize("option", ["no-udp-relay", f"alternate-server={LOOPBACK}:3478"])
def test_a_server_without_a_relay_of_its_own_knows_the_secret_or_not(
    start_turnserver: Start, option: str
) -> None:
    server = start_turnserver(OLD, options=[option])
    uri = IceURI("turn", LOOPBACK, server.port)
    asked = [question(uri, LOOPBACK, Secret(one), True, time.time()) for one in (OLD, NEW)]
    assert ask_all(asked, 10) == [Answer(True), Answer(False)]


def test_a_server_that_asks_for_no_login_tells_nothing(start_turnserver: Start) -> None:
    server = start_turnserver(OLD, options=["no-auth=no"])  # turns the login off all the same
    uri = IceURI("turn", LOOPBACK, server.port)
    secrets = [Secret(OLD), Secret("another-secret-altogether")]
    asked = [question(uri, LOOPBACK, secret, False, time.time()) for secret in secrets]
    assert ask_all(asked, 10) == [Answer(None, "it asks for no login")] * 2


def test_verbose_says_what_is_asked_and_no_secret(rotation: Rotation) -> None:
    result = rotation.rotate("check", "-v")
    lines = result.stderr.splitlines()
    assert lines[0] == f"reading od.config from {rotation.od_config}"
    (uri,) = rotation.config.coturn[0].uris
    assert f"asking {uri} ({LOOPBACK}) about the 1st secret, which mints" in lines
    assert OLD not in result.stderr


def test_silence_is_no_answer() -> None:
    (port,) = free_ports(1)
    listening = socket.create_server((LOOPBACK, port))
    uris = [IceURI("turn", LOOPBACK, port, "tcp"), IceURI("turns", LOOPBACK, port)]
    with listening:
        asked = [question(uri, LOOPBACK, Secret(OLD), False, time.time()) for uri in uris]
        answers = ask_all(asked, 0.3)
    assert [answer.accepted for answer in answers] == [None, None]
    assert {answer.reason for answer in answers} == {"no answer in 0.3 s"}
    assert ask_all(asked[:1], 5) == [Answer(None, "connection refused")]


def test_a_name_that_does_not_resolve_is_said(rotation: Rotation) -> None:
    rotation.write({"coturn_static_auth_secret": OLD, "url": "no-such-name.invalid"})
    result = rotation.rotate("check")
    assert result.returncode == 3
    assert "not known (the name does not resolve)" in result.stdout
    assert "step: no answer" in result.stdout
    assert OLD not in result.stdout + result.stderr


def test_tls_to_a_port_that_speaks_http(rotation: Rotation) -> None:
    server = http.server.HTTPServer((LOOPBACK, 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        rotation.write(
            {
                "coturn_static_auth_secret": OLD,
                "protocol": "turns",
                "url": f"{LOOPBACK}:{server.server_port}",
            }
        )
        group = rotation.check()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (group["step"], group["works"], group["status"]) == ("no answer", None, 3)
    assert group["servers"][0]["answers"][0]["reason"] == "no TLS on this port"
