"""A rotation, run through on a real coturn by the commands that `rotate plan` prints."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.server
import json
import os
import re
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from abcwebrtc import WebRTCConfig, build_rtc_configuration, mint_turn_credentials
from abcwebrtc.rotation_io import CHECK_USER, accepts, ask_all, question, resolve_all
from abcwebrtc.secrets import Secret, split_secrets
from abcwebrtc.uris import IceURI
from abcwebrtc.whois import parse_username
from conftest import require_program
from integration.turn import (
    LOOPBACK,
    REALM,
    Turnserver,
    TurnUrl,
    allocated,
    free_ports,
    refusal,
    refused,
    turn_urls,
)
from support import command, environment, run_command, wait_for

Start = Callable[..., Turnserver]

OLD, NEW = "the-secret-until-yesterday", "the-secret-from-today-on"
TTL = 3
PAUSE = 0.05
"""Seconds between two calls of a client; coturn takes a while to free a relay's port."""
RELAY_PORTS = ("min-port=50000", "max-port=60900")


class Rotation:
    """An od.config with a secret file, and a coturn that knows the secret from its database."""

    def __init__(self, folder: Path, server: Turnserver) -> None:
        self.folder, self.server = folder, server
        self.database = folder / f"turnserver-{server.port}.db"
        self.secret_file = folder / "static-auth-secret"
        self.secret_file.write_text(f"{OLD}\n", encoding="utf-8")
        self.od_config = folder / "od.config"
        entry = {
            "coturn_static_auth_secret_file": self.secret_file.name,
            "url": f"{LOOPBACK}:{server.port}",
            "transport": "tcp",  # over UDP, a port that comes again too soon is a 437
            "ttl": TTL,
        }
        self.write(entry)
        self.turnadmin("-s", OLD)
        self.config = WebRTCConfig.from_file(self.od_config)

    def write(self, *entries: Dict[str, Any]) -> None:
        coturn = repr(list(entries))
        self.od_config.write_text(f"[global]\nwebrtc.enable: True\nwebrtc.coturn: {coturn}\n")

    def prepare(self) -> None:
        require_program("sqlite3", "sqlite3")
        (step,) = [step for step in self.plan() if step["name"] == "prepare"]
        follow(self, [step])

    def turnadmin(self, *arguments: str) -> None:
        program = require_program("turnadmin", "coturn")
        subprocess.run(
            [program, *arguments, "-r", REALM, "-b", str(self.database)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def rotate(self, name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return run_command("rotate", name, self.od_config, *arguments, cwd=self.folder)

    def check(self, *arguments: object) -> Any:
        result = self.rotate("check", "--json", *arguments)
        (group,) = json.loads(result.stdout)["groups"]
        group["status"] = result.returncode
        return group

    def plan(self) -> List[Dict[str, Any]]:
        options = ("--realm", REALM, "--database", self.database, "--margin", "1")
        result = self.rotate("plan", "--json", *options)
        assert result.returncode == 0, result.stderr
        steps: List[Dict[str, Any]] = json.loads(result.stdout)["groups"][0]["steps"]
        return steps

    def fresh(self) -> TurnUrl:
        return turn_urls(build_rtc_configuration(self.config))[0]


@pytest.fixture
def rotation(tmp_path: Path, start_turnserver: Start) -> Rotation:
    return Rotation(tmp_path, start_turnserver(options=[*RELAY_PORTS, "verbose"]))


class Calls:
    """Clients that allocate all the while; `refused` holds what they were refused with."""

    def __init__(self, rotation: Rotation) -> None:
        self.refused: List[str] = []
        self.made = {"fresh": 0, "old": 0}
        self._rotation = rotation
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(client,))
            for client in (self._fresh_client, self._reconnecting_client)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _run(self, client: Callable[[], None]) -> None:
        try:
            while not self._stop.wait(PAUSE):
                client()
        except Exception as error:
            self.refused.append(f"{client.__name__} ended: {error!r}")

    def _fresh_client(self) -> None:
        self._call("fresh", self._rotation.fresh())

    def _reconnecting_client(self) -> None:
        """Use one credential until it expires, as the browser client of abcdesktop does."""
        url = self._rotation.fresh()
        # What is sent in the last second may arrive in the next.
        while time.time() < int(url.username) - 0.5 and not self._stop.wait(PAUSE):
            self._call("old", url)

    def _call(self, kind: str, url: TurnUrl) -> None:
        code = refusal(url)
        self.made[kind] += 1
        if code is not None and time.time() <= int(url.username):
            self.refused.append(f"{kind}: {code}")


def run_in_shell(folder: Path, line: str) -> int:
    """Run a line of the plan in a shell that finds the abcwebrtc under test."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    script = programs / "abcwebrtc"
    script.write_text('#!/bin/sh\nexec {} {} {} "$@"\n'.format(*command()))
    script.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
    result = subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env=environment(PATH=path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"$ {line}\n{result.stdout}")
    assert OLD not in line
    return result.returncode


def follow(rotation: Rotation, steps: List[Dict[str, Any]]) -> None:
    """Do what a plan says; where it says to wait, wait until `check` says to go on."""
    for step in steps:
        for line in step["commands"]:
            if step["name"] == "wait":
                # The time of the switch is the file's.
                wait_until_zero(rotation.folder, re.sub(" --since \\S+", "", line))
            else:
                assert run_in_shell(rotation.folder, line) == 0, step


def wait_until_zero(folder: Path, line: str) -> None:
    def may_go_on() -> bool:
        status = run_in_shell(folder, line)
        assert status in (0, 3)
        return status == 0

    wait_for(may_go_on)


def test_a_rotation_by_the_plan_refuses_no_call(rotation: Rotation) -> None:
    names = ["make", "give", "verify", "switch", "wait", "take", "clean", "end"]
    assert [step["name"] for step in rotation.plan()] == ["prepare", *names]
    rotation.prepare()
    steps = rotation.plan()
    assert [step["name"] for step in steps] == names
    calls = Calls(rotation)
    with calls.running():
        wait_for(lambda: min(calls.made.values()) > 5)
        follow(rotation, steps)
        made = sum(calls.made.values())
        wait_for(lambda: sum(calls.made.values()) > made + 10)
    assert calls.refused == []
    assert min(calls.made.values()) > 20
    (new,) = rotation.secret_file.read_text().split()
    assert len(new) == 64
    assert refusal(minted(rotation.server.port, OLD)) == 401
    assert refusal(minted(rotation.server.port, new)) is None
    assert not (rotation.folder / "new-secret").exists()


def test_the_same_clients_see_it_when_the_old_secret_goes_too_early(rotation: Rotation) -> None:
    rotation.prepare()
    calls = Calls(rotation)
    with calls.running():
        wait_for(lambda: min(calls.made.values()) > 5)
        assert calls.refused == []
        follow(rotation, [step for step in rotation.plan() if step["name"] not in ("wait",)])
        wait_for(lambda: calls.refused)
    assert any("401" in refused for refused in calls.refused)


def test_the_same_clients_see_it_when_the_new_secret_mints_too_early(rotation: Rotation) -> None:
    rotation.prepare()
    calls = Calls(rotation)
    with calls.running():
        wait_for(lambda: min(calls.made.values()) > 5)
        steps = {step["name"]: step for step in rotation.plan()}
        follow(rotation, [steps["make"], steps["switch"]])
        wait_for(lambda: calls.refused)
    assert any("401" in refused for refused in calls.refused)


def minted(port: int, secret: str, user: Optional[str] = None) -> TurnUrl:
    made = mint_turn_credentials(secret, 600, user)
    return TurnUrl(LOOPBACK, port, "udp", False, made.username, made.password)


@pytest.mark.parametrize(("prepared", "code"), [(False, 401), (True, None)])
def test_while_a_secret_is_written_coturn_reads_only_a_prepared_database(
    rotation: Rotation, prepared: bool, code: Optional[int]
) -> None:
    if prepared:
        rotation.prepare()
    assert refusal(minted(rotation.server.port, OLD)) is None
    with contextlib.closing(sqlite3.connect(rotation.database, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        assert refusal(minted(rotation.server.port, OLD)) == code
        writer.execute("rollback")
    assert refusal(minted(rotation.server.port, OLD)) is None


def test_a_running_call_goes_on_when_its_secret_is_gone(rotation: Rotation) -> None:
    url = minted(rotation.server.port, OLD)

    async def run() -> None:
        async with allocated(url) as relay:
            rotation.turnadmin("-s", NEW)
            rotation.turnadmin("-X", OLD)
            assert await refused(url) == 401
            async with allocated(minted(rotation.server.port, NEW)) as other:
                relay.transport.sendto(b"permit", other.address)
                assert await other.send_until_received(b"still here", relay) == b"still here"
        # Leaving freed the allocation by a Refresh, signed with the old secret.

    asyncio.run(run())
    wait_for(lambda: re.search(r"refreshed, .*lifetime=0", rotation.server.output))


# check


def test_check_finds_every_step_on_the_way(rotation: Rotation) -> None:
    new_file = rotation.folder / "new"
    new_file.write_text(f"{NEW}\n")
    steps = [
        ("settled", 0, rotation.check()),
        ("new one unknown", 3, rotation.check("--new", "new")),
    ]
    rotation.turnadmin("-s", NEW)
    steps.append(("ready", 0, rotation.check("--new", "new")))
    rotation.secret_file.write_text(f"{NEW}\n{OLD}\n")
    steps.append(("overlap", 3, rotation.check()))
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
    assert "1st secret, which mints: accepted; new secret: accepted" in result.stdout
    assert OLD not in result.stdout + result.stderr
    assert NEW not in result.stdout + result.stderr


@pytest.mark.parametrize("protocol", ["turn", "turns"])
def test_check_asks_every_url_by_its_own_transport(rotation: Rotation, protocol: str) -> None:
    server = rotation.server
    transports = ["udp", "tcp"] if protocol == "turn" else ["tcp"]
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
    wait_for(lambda: server.output.count("ALLOCATE processed, success") == len(answers))


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
    assert (group["step"], group["status"]) == ("new one unknown", 3)


def test_each_address_of_a_name_is_asked(start_turnserver: Start) -> None:
    server = start_turnserver(OLD)
    uri = IceURI("turn", "localhost", server.port)
    addresses = [(LOOPBACK, server.port), ("127.0.0.2", server.port)]
    asked = [question(uri, address, Secret(OLD), False, time.time()) for address in addresses]
    here, there = ask_all(asked, 0.5)
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
    assert resolve_all([one, several], 10) == {
        one: [(LOOPBACK, 5349)],
        several: [("127.0.0.1", 3479), ("127.0.0.2", 3479)],
    }


def test_a_full_quota_is_a_secret_that_is_known(start_turnserver: Start) -> None:
    server = start_turnserver(OLD, options=["user-quota=1", "verbose"])
    uri = IceURI("turn", LOOPBACK, server.port)
    url = minted(server.port, OLD, CHECK_USER)

    async def run() -> Any:
        async with allocated(url):
            one = question(uri, (LOOPBACK, server.port), Secret(OLD), True, time.time())
            return await accepts(one, 10)

    assert asyncio.run(run()).accepted is True
    wait_for(lambda: "error 486" in server.output)


def test_silence_is_no_answer() -> None:
    (port,) = free_ports(1)
    listening = socket.create_server((LOOPBACK, port))
    uris = [IceURI("turn", LOOPBACK, port, "tcp"), IceURI("turns", LOOPBACK, port)]
    address = (LOOPBACK, port)
    with listening:
        asked = [question(uri, address, Secret(OLD), False, time.time()) for uri in uris]
        answers = ask_all(asked, 0.3)
    assert [answer.accepted for answer in answers] == [None, None]
    assert answers[0].reason == "no answer in 0.3 s"
    (closed,) = ask_all(asked[:1], 5)
    assert closed.accepted is None
    assert "refused" in closed.reason.lower() or "Connect" in closed.reason


def test_a_name_that_does_not_resolve_is_said(rotation: Rotation) -> None:
    rotation.write({"coturn_static_auth_secret": OLD, "url": "no-such-name.invalid"})
    result = rotation.rotate("check")
    assert result.returncode == 1
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
        group = rotation.check("--timeout", "2")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (group["step"], group["works"], group["status"]) == ("no answer", None, 1)
    assert group["servers"][0]["answers"][0]["reason"] == "no TLS on this port"


# new-secret


@pytest.mark.parametrize(
    "secret", ["", "a#b;c%d", "=leading", "trailing ", "'quoted'", "q83vEjRWeJC+/8="], ids=repr
)
def test_the_line_for_turnserver_conf_is_read_as_the_secret(
    tmp_path: Path, start_turnserver: Start, secret: str
) -> None:
    file = tmp_path / "new"
    if secret:
        file.write_bytes(split_secrets(secret.encode())[0].reveal() + b"\n")
    else:
        assert run_command("rotate", "new-secret", "--output", file).returncode == 0
    line = run_command("rotate", "new-secret", "--from", file, "--format", "turnserver").stdout
    server = start_turnserver(options=[line.rstrip("\n")])
    assert refusal(minted(server.port, file.read_text().rstrip("\n"))) is None
    assert refusal(minted(server.port, OLD)) == 401


def test_the_line_for_turnadmin_gives_coturn_the_first_secret_of_the_file(
    rotation: Rotation,
) -> None:
    file = rotation.folder / "it's new"
    file.write_text(f"\n{NEW}\nan-older-one-behind-it\n")
    options = ["--from", file, "--format", "turnadmin", "--realm", REALM]
    line = run_command("rotate", "new-secret", *options, "--database", rotation.database).stdout
    assert NEW not in line
    assert refusal(minted(rotation.server.port, NEW)) == 401
    assert run_in_shell(rotation.folder, line) == 0
    assert refusal(minted(rotation.server.port, NEW)) is None
    assert refusal(minted(rotation.server.port, "an-older-one-behind-it")) == 401


def test_the_manifest_patches_a_secret_and_leaves_its_other_keys(tmp_path: Path) -> None:
    kubectl = require_program("kubectl", "kubernetes-client")
    here = tmp_path / "there.yaml"
    here.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: turn, namespace: abcdesktop}\n"
        "data: {pseudonym-key: c3RheXM=, static-auth-secret: b2xk}\n"
    )
    (tmp_path / "new").write_text(NEW)
    options = ("--keep", "-", "--format", "kubernetes", "--name", "turn")
    patch = subprocess.run(
        command("rotate", "new-secret", "--from", "new", *options),
        cwd=tmp_path,
        env=environment(),
        input=f"{OLD}\n".encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    line = [kubectl, "patch", "--local", "-f", str(here), "-o", "json"]
    line += ["--patch-file", "/dev/stdin"]
    env = environment(HOME=str(tmp_path), KUBECONFIG=str(tmp_path / "none"))
    result = subprocess.run(line, input=patch, env=env, stdout=subprocess.PIPE, check=True)
    data = json.loads(result.stdout)["data"]
    assert base64.b64decode(data["static-auth-secret"]).decode() == f"{NEW}\n{OLD}\n"
    assert base64.b64decode(data["pseudonym-key"]) == b"stays"


# whois, from the log that coturn writes


def logged(server: Turnserver, text: str) -> List[str]:
    """Return the lines with a text, once there are those of an allocation that came and went."""
    lines = [line for line in server.output.splitlines(keepends=True) if text in line]
    return lines if any("REFRESH processed" in line and line[-1] == "\n" for line in lines) else []


@pytest.mark.parametrize("name", ["alice", "bob:x<y>,z", "ürsula@domain.local", "a>:b"])
def test_whois_finds_the_user_in_each_line_of_coturns_log(rotation: Rotation, name: str) -> None:
    server = rotation.server
    assert refusal(minted(server.port, OLD, name)) is None
    lines = wait_for(lambda: logged(server, f":{name}>"))
    found = {(parse_username(line).name) for line in lines}
    assert found == {name}
    result = run_command("whois", "--json", lines[-1], rotation.od_config)
    assert (result.returncode, json.loads(result.stdout)["user"]) == (0, name)
