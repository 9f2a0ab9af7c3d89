"""Real coturns that stop, freeze and come back, seen by the watcher, by serve and by pyos."""

from __future__ import annotations

import contextlib
import logging
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set
from urllib.request import urlopen

import cherrypy
import pytest
from prometheus_client import REGISTRY

from abcwebrtc import WebRTCConfig, mint_turn_credentials, pyos
from abcwebrtc.probe.model import Login
from abcwebrtc.probe.watch import Watcher
from abcwebrtc.turn.selection import choose
from conftest import missing, require_program
from integration.conftest import SECRET
from integration.netns import Namespace, NoNamespaceError, ip_program
from integration.test_probe import opened_session
from integration.turn import LOOPBACK, Certificate, Turnserver, free_ports
from support import RTC_PATH, WAIT, bearer, make_token, request, wait_for, write_od_config
from support.servers import running_server

OTHER = "another-secret-0123456789"
USERS = [f"user{number}" for number in range(12)]
Start = Callable[..., Turnserver]


def mapping(servers: Dict[str, Turnserver], **changes: Any) -> Dict[str, Any]:
    """Return a configuration of a fleet, in which each user gets one of these servers."""
    entries = [
        {
            "coturn_static_auth_secret": SECRET,
            "url": f"{LOOPBACK}:{server.port}",
            "name": name,
            "username": "userid",
            **changes.get(name, {}),
        }
        for name, server in servers.items()
    ]
    return {"webrtc.enable": True, "webrtc.coturn": entries, "webrtc.coturn_servers": 1}


def start_again(server: Turnserver) -> None:
    """Start a stopped server with the same file."""
    with open(server._log, "ab") as stream:
        server.process = subprocess.Popen(
            server.process.args, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
    server.wait_until_ready()


@contextlib.contextmanager
def watching(given: Dict[str, Any], timeout: float = 10.0) -> Iterator[Watcher]:
    """Watch all the time; a server that lives has `timeout` for each answer on a slow machine."""
    watcher = Watcher(WebRTCConfig.from_mapping(given), 0.2, timeout)
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.stop()
        assert not watcher._thread.is_alive()


@pytest.fixture
def fleet(start_turnserver: Start) -> Dict[str, Turnserver]:
    return {name: start_turnserver(SECRET, options=["verbose"]) for name in ("one", "two")}


def lines(caplog: pytest.LogCaptureFixture, words: str) -> List[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


def test_a_stopped_server_is_left_out_and_is_back_when_it_runs(
    fleet: Dict[str, Turnserver], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with watching(mapping(fleet)) as watcher:
        wait_for(lambda: "ALLOCATE processed, success" in fleet["two"].output)
        assert watcher.left_out() == frozenset()
        fleet["one"].stop()
        wait_for(lambda: watcher.left_out() == {"one"})
        start_again(fleet["one"])
        wait_for(lambda: watcher.left_out() == frozenset())
    address = f"turn:{LOOPBACK}:{fleet['one'].port} at {LOOPBACK}"
    assert lines(caplog, "in a row") == [
        f"coturn: one is left out after 3 failures in a row: {address}: connection refused"
    ]
    assert lines(caplog, "back in use") == ["coturn: one answers again, and is back in use"]
    assert "abcwebrtc-watch" not in caplog.text


def test_a_frozen_server_is_left_out(
    fleet: Dict[str, Turnserver], caplog: pytest.LogCaptureFixture
) -> None:
    with watching(mapping(fleet), timeout=2.0) as watcher:
        fleet["two"].process.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: watcher.left_out() == {"two"})
        finally:
            fleet["two"].process.send_signal(signal.SIGCONT)
        wait_for(lambda: watcher.left_out() == frozenset())
    assert "no answer in 2 s" in caplog.text


def test_a_server_that_refuses_the_secret_is_left_out(
    fleet: Dict[str, Turnserver], caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"coturn_static_auth_secret": OTHER}
    with watching(mapping(fleet, one=wrong)) as watcher:
        wait_for(lambda: watcher.left_out() == {"one"})
    assert "401: it refuses the secret" in caplog.text
    assert OTHER not in caplog.text


def test_a_server_with_a_full_quota_lives(start_turnserver: Start) -> None:
    full = start_turnserver(SECRET, options=["verbose", "total-quota=1"])
    servers = {"full": full, "usual": start_turnserver(SECRET)}
    login = mint_turn_credentials(SECRET, 600, "alice")
    with opened_session(full, Login(login.username, login.password)) as session:
        session.allocate()
        with watching(mapping(servers)) as watcher:
            wait_for(lambda: full.output.count("error 486") > 4)
            assert watcher.left_out() == frozenset()


def test_a_server_without_a_free_port_is_left_out(
    start_turnserver: Start, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    full = start_turnserver(SECRET, options=[f"min-port={port}", f"max-port={port}"])
    with watching(mapping({"full": full, "usual": start_turnserver(SECRET)})) as watcher:
        wait_for(lambda: watcher.left_out() == {"full"})
    assert "508: it has no relay port left" in caplog.text


def redirecting(start_turnserver: Start, port: int) -> Dict[str, Turnserver]:
    """Return a fleet, one of which redirects to another port."""
    options = ["verbose", f"alternate-server={LOOPBACK}:{port}"]
    return {
        "redirects": start_turnserver(SECRET, options=options),
        "usual": start_turnserver(SECRET),
    }


def test_a_server_that_redirects_to_one_that_lives_is_in_use(start_turnserver: Start) -> None:
    last = start_turnserver(SECRET, options=["verbose"])
    with watching(mapping(redirecting(start_turnserver, last.port))) as watcher:
        enough = "ALLOCATE processed, success"
        wait_for(lambda: watcher.left_out() or last.output.count(enough) > 4)
        assert watcher.left_out() == frozenset()


def test_a_server_that_redirects_to_nobody_is_left_out(
    start_turnserver: Start, caplog: pytest.LogCaptureFixture
) -> None:
    (port,) = free_ports(1)
    with watching(mapping(redirecting(start_turnserver, port))) as watcher:
        wait_for(lambda: watcher.left_out() == {"redirects"})
    assert f"at {LOOPBACK}:{port}: connection refused" in caplog.text


def test_a_server_without_binding_lives(
    start_turnserver: Start, certificate: Certificate, tmp_path: Path
) -> None:
    program = require_program("turnserver", "coturn")
    silent = Turnserver(program, tmp_path, certificate, [SECRET], ["verbose", "no-stun"])
    try:
        servers = {"silent": silent, "usual": start_turnserver(SECRET)}
        with watching(mapping(servers)) as watcher:
            wait_for(lambda: silent.output.count("ALLOCATE processed, success") > 3)
            assert watcher.left_out() == frozenset()
    finally:
        silent.stop()


def test_a_name_that_does_not_resolve_is_left_out(
    fleet: Dict[str, Turnserver], caplog: pytest.LogCaptureFixture
) -> None:
    with watching(mapping(fleet, two={"url": "no-such-name.invalid"})) as watcher:
        wait_for(lambda: watcher.left_out() == {"two"})
    assert "does not resolve" in caplog.text


DNS_SERVER = """
import socket, struct, sys, threading
from abcwebrtc.probe.model import NO_DNS
from abcwebrtc.probe.runner import resolve_all

def serve(listener, code):
    while True:
        query, client = listener.recvfrom(4096)
        end = query.index(0, 12) + 5
        answer = query[:2] + struct.pack(">5H", 0x8180 | code, 1, 0, 0, 0) + query[12:end]
        if code >= 0:
            listener.sendto(answer, client)

code = sys.argv[1]
if code:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(listener, int(code)), daemon=True).start()
_, _, failure = resolve_all(["turn.example"], float(sys.argv[2]))["turn.example"]
print(failure.kind, failure.kind in NO_DNS)
"""
ALONE = """
set -e
echo nameserver 127.0.0.1 > "$0/resolv.conf"
echo hosts: dns > "$0/nsswitch.conf"
for name in resolv.conf nsswitch.conf; do mount --bind "$0/$name" "/etc/$name"; done
exec "$@"
"""


@pytest.mark.parametrize(
    ("code", "timeout", "kind"),
    [
        pytest.param("", WAIT, "no-dns", id="nobody listens"),
        pytest.param("-1", 0.3, "timeout", id="silent"),
        pytest.param("2", WAIT, "no-dns", id="SERVFAIL"),
        pytest.param("5", WAIT, "no-dns", id="REFUSED"),
        pytest.param("3", WAIT, "no-name", id="NXDOMAIN"),
        pytest.param("0", WAIT, "no-name", id="no address"),
    ],
)
def test_a_resolver_that_gives_no_answer_says_nothing_of_the_name(
    code: str, timeout: float, kind: str, tmp_path: Path
) -> None:
    try:
        namespace = Namespace.first()
    except NoNamespaceError as error:
        missing(f"no network namespace can be made here: {error}")
    try:
        namespace.run(ip_program(), "link", "set", "lo", "up")
        line = ["unshare", "--mount", "sh", "-c", ALONE, tmp_path]
        done = namespace.run(*line, sys.executable, "-c", DNS_SERVER, code, timeout)
    finally:
        namespace.close()
    assert done.stdout == f"{kind} {kind != 'no-name'}\n"


def test_one_url_that_answers_is_enough(fleet: Dict[str, Turnserver]) -> None:
    urls = [f"{LOOPBACK}:{free_ports(1)[0]}", f"{LOOPBACK}:{fleet['one'].port}"]
    with watching(mapping(fleet, one={"url": urls})) as watcher:
        wait_for(lambda: fleet["one"].output.count("ALLOCATE processed, success") > 4)
        assert watcher.left_out() == frozenset()


def test_if_all_are_dead_all_stay_in_use(
    fleet: Dict[str, Turnserver], caplog: pytest.LogCaptureFixture
) -> None:
    for server in fleet.values():
        server.stop()
    with watching(mapping(fleet)) as watcher:
        wait_for(lambda: "every server that is left seems dead" in caplog.text)
        assert watcher.left_out() == frozenset()
        assert watcher.answers() == {"one": False, "two": False}


def users_at(answers: Dict[str, Any], server: Turnserver) -> List[str]:
    url = f"turn:{LOOPBACK}:{server.port}"
    return [user for user, answer in answers.items() if answer == url]


def test_serve_moves_the_users_of_a_dead_server_and_nobody_else(
    fleet: Dict[str, Turnserver], tmp_path: Path
) -> None:
    od_config = write_od_config(tmp_path, mapping(fleet))
    options = ("--probe", "1", "--metrics", f"{LOOPBACK}:0")
    with running_server(od_config, *options) as running:

        def served() -> Dict[str, Any]:
            return {user: url_of(running.base_url, user) for user in USERS}

        before = served()
        first, second = (users_at(before, fleet[name]) for name in ("one", "two"))
        assert first
        assert second
        assert sorted(first + second) == sorted(USERS)
        fleet["one"].stop()
        wait_for(lambda: "one is left out after 3 failures" in running.output)
        assert set(served().values()) == {f"turn:{LOOPBACK}:{fleet['two'].port}"}
        (url,) = re.findall(r"metrics are at (\S+)\n", running.output)
        shown = {
            'abcwebrtc_turn_server_state{server="one",state="left_out"} 1.0',
            'abcwebrtc_turn_server_answers{server="one"} 0.0',
            'abcwebrtc_turn_server_answers{server="two"} 1.0',
        }
        wait_for(lambda: shown <= lines_of(url))
        start_again(fleet["one"])
        wait_for(lambda: "one answers again" in running.output)
        assert served() == before
        assert running.stop() == 0
    assert SECRET not in running.output


def lines_of(url: str) -> Set[str]:
    with urlopen(url, timeout=WAIT) as metrics:
        return set(metrics.read().decode().splitlines())


def url_of(base_url: str, user: str) -> Any:
    answer = request(base_url + RTC_PATH, {}, bearer(make_token(user)))
    (entry,) = answer.json()["result"]["iceServers"]
    return entry["urls"]


def test_pyos_watches_until_it_is_told_to_stop(fleet: Dict[str, Turnserver]) -> None:
    given = mapping(fleet)
    try:
        pyos.configure(given)
        pyos.watch_servers(1)
        fleet["one"].stop()
        wait_for(lambda: set(pyos.left_out()) == {"one"})
        wait_for(lambda: (answers_of("one"), answers_of("two")) == (0, 1))
        dead = next(user for user in USERS if name_of(user) == "one")
        given["webrtc.desktop"] = {"turn": True}
        pyos.configure(given)  # the watcher goes on with the new one
        assert set(pyos.left_out()) == {"one"}
        turn_server = pyos.desktop_environment(dead)["TURN_SERVER"]
        assert turn_server.endswith(f"@{LOOPBACK}:{fleet['two'].port}")
        pyos.watch_servers(None)
        assert list(pyos.left_out()) == []
        assert answers_of("two") is None
    finally:
        pyos.watch_servers(None)
        pyos._config = None


def answers_of(server: str) -> Optional[float]:
    return REGISTRY.get_sample_value("abcwebrtc_turn_server_answers", {"server": server})


def test_pyos_ends_without_waiting_for_the_round(fleet: Dict[str, Turnserver]) -> None:
    try:
        pyos.configure(mapping(fleet))
        pyos.watch_servers(1)
        watcher = pyos._watcher
        assert watcher
        cherrypy.engine.publish("exit")
        wait_for(lambda: not watcher._thread.is_alive())
    finally:
        pyos.watch_servers(None)
        pyos._config = None


def name_of(user: str) -> str:
    return choose(pyos.current_config(), user).servers[0].name
