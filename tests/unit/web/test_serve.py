"""The server as real processes on loopback; `test_run_server` runs it in this process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import urllib.error
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

import abcwebrtc
from support import (
    ENTRIES,
    RTC_PATH,
    SECRET,
    WAIT,
    Answer,
    ServerProcess,
    bearer,
    command,
    environment,
    make_token,
    request,
    rsa_key,
    running_server,
    wait_for,
    write_od_config,
)
from support.serving import (
    STOP_SIGNALS,
    Certificates,
    address,
    begin_request,
    connect,
    is_refused,
    read_all,
)

HEALTHZ, TURN = "/API/healthz", "/API/webrtc/turn?service=turn"


# a server, and what it answers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(write_od_config(tmp_path_factory.mktemp("server"))) as running:
        yield running


def test_it_says_where_it_serves_and_on_loopback_nothing_else(server: ServerProcess) -> None:
    start = f"abcwebrtc {abcwebrtc.__version__}: serving on {server.base_url}\n"
    assert server.output.startswith(start)
    assert address(server.base_url)[0] == "127.0.0.1"


def test_a_user_gets_the_rtc_configuration(server: ServerProcess) -> None:
    answer = request(server.base_url + RTC_PATH, {}, bearer())
    assert answer.status == 200
    assert answer.json()["result"]["iceServers"][1]["username"].endswith(":alice")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (RTC_PATH, {}, {}, 401),
        (RTC_PATH, None, {}, 405),
        (RTC_PATH, "[]", {}, 400),
        (RTC_PATH, b"x" * 70_000, {}, 413),
        (RTC_PATH, {}, {"Content-Type": "text/plain"}, 415),
        (TURN, None, {}, 401),
        ("/API/core/getkeyinfo", {}, {}, 400),
        ("/nowhere", None, {}, 404),
    ],
)
def test_errors_are_json(
    server: ServerProcess, path: str, body: Any, headers: Dict[str, str], status: int
) -> None:
    answer = request(server.base_url + path, body, headers)
    assert answer.status == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["server"] == "abcwebrtc"


RUDE = [
    b"",
    b"\0\xff\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    f"POST {RTC_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    "Content-Length: 9\r\n\r\n{".encode(),
]


def test_rude_clients_do_not_disturb_it(server: ServerProcess) -> None:
    for data in RUDE:
        with connect(server.base_url) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            read_all(connection)
    assert request(server.base_url + HEALTHZ).status == 200
    assert "Traceback" not in server.output


def test_every_request_is_logged_once(server: ServerProcess) -> None:
    request(server.base_url + HEALTHZ, headers={"User-Agent": "marked-once"})
    wait_for(lambda: "marked-once" in server.output)
    request(server.base_url + HEALTHZ, headers={"User-Agent": "the-next"})
    wait_for(lambda: "the-next" in server.output)
    assert server.output.count("marked-once") == 1


def test_quiet_leaves_where_it_serves_and_that_it_stopped(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path, webrtc__enabled=True)  # which gets a warning
    with running_server(od_config, "--host", "0.0.0.0", "--quiet") as running:
        assert request(f"http://127.0.0.1:{running.base_url.split(':')[-1]}{HEALTHZ}").status == 200
        running.process.terminate()
        assert running.process.wait(WAIT) == 0
        first, last = running.output.splitlines()
    assert "serving on" in first
    assert last == "abcwebrtc: stopped"


def test_verbose_logs_more_and_each_line_once(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), "-v") as running:
        assert request(running.base_url + RTC_PATH, {}).status == 401
        wait_for(lambda: "refused: no bearer token" in running.output)
        assert running.output.count("refused: no bearer token") == 1
        assert " DEBUG: user tokens are verified with " in running.output


@pytest.mark.parametrize("host", ["::1", "[::1]"])
@pytest.mark.usefixtures("ipv6_loopback")
def test_it_serves_on_ipv6(tmp_path: Path, host: str) -> None:
    with running_server(write_od_config(tmp_path), "--host", host) as running:
        assert running.base_url.startswith("http://[::1]:")
        assert request(running.base_url + RTC_PATH, {}, bearer()).status == 200


def test_insecure_no_auth_gives_everybody_credentials_on_loopback(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path, jwt_token_user=...)
    with running_server(od_config, "--insecure-no-auth") as running:
        answer = request(running.base_url + RTC_PATH, {})
        assert answer.json()["result"]["iceServers"][1]["username"].endswith(":anonymous")
        assert "warning: --insecure-no-auth: anybody" in running.output


FOREIGN_HOSTS = ["evil.example", "evil.example:{port}", "localhost.evil.example", "[", "192.0.2.1"]
OWN_HOSTS = ["localhost:{port}", "LOCALHOST", "127.0.0.1:{port}", "127.1.2.3", "[::1]:{port}"]


def test_insecure_no_auth_is_not_for_a_site_whose_name_leads_here(tmp_path: Path) -> None:
    """With DNS rebinding, any site can get the same origin as this server."""
    with running_server(write_od_config(tmp_path), "--insecure-no-auth") as running:
        port = running.base_url.rpartition(":")[2]
        for path, body in ((RTC_PATH, "{}"), ("/", None), ("/credential", "{}")):
            for host in FOREIGN_HOSTS:
                headers = {"Host": host.format(port=port)}
                answer = request(running.base_url + path, body, headers)
                assert (answer.status, b"credential" in answer.body) == (403, False), (path, host)
            for host in [*OWN_HOSTS, "abcwebrtc.localhost"]:
                headers = {"Host": host.format(port=port)}
                assert request(running.base_url + path, body, headers).status == 200, (path, host)


# TLS


@pytest.fixture(scope="module")
def tls_server(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[ServerProcess]:
    od_config = write_od_config(tmp_path_factory.mktemp("tls"))
    with running_server(od_config, *certificates.arguments()) as running:
        yield running


def test_a_client_that_verifies_the_certificate_is_served(
    tls_server: ServerProcess, certificates: Certificates
) -> None:
    assert tls_server.base_url.startswith("https://127.0.0.1:")
    assert "credentials travel in clear" not in tls_server.output
    url = tls_server.base_url + RTC_PATH
    assert request(url, {}, bearer(), context=certificates.trust).status == 200


def test_a_client_that_never_begins_tls_does_not_stop_the_others(
    tls_server: ServerProcess, certificates: Certificates
) -> None:
    with connect(tls_server.base_url) as silent:
        answer = request(tls_server.base_url + HEALTHZ, context=certificates.trust)
        assert answer.status == 200
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):  # it is still connected: its timeout has not passed
            silent.recv(1)


def speak_plain_http(base_url: str, certificates: Certificates) -> None:
    with connect(base_url) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(f"GET {HEALTHZ} HTTP/1.0\r\n\r\n".encode())
        assert b"200 OK" not in read_all(connection)


def distrust(base_url: str, certificates: Certificates) -> None:
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        request(base_url + HEALTHZ, context=ssl.create_default_context())


@pytest.mark.parametrize("visit", [speak_plain_http, distrust])
def test_a_client_that_fails_at_tls_is_a_line_in_the_log_and_no_traceback(
    tls_server: ServerProcess, certificates: Certificates, visit: Callable[..., None]
) -> None:
    before = len(tls_server.output)
    visit(tls_server.base_url, certificates)
    assert request(tls_server.base_url + HEALTHZ, context=certificates.trust).status == 200
    said = wait_for(lambda: "TLS" in tls_server.output[before:] and tls_server.output[before:])
    assert "Traceback" not in said


# the stop


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_stop_finishes_the_request_in_flight_and_takes_no_other(
    tmp_path: Path, number: signal.Signals
) -> None:
    with running_server(write_od_config(tmp_path)) as running:
        with begin_request(running.base_url) as connection:
            running.process.send_signal(number)
            wait_for(lambda: is_refused(running.base_url))
            assert running.process.poll() is None
            connection.sendall(b"}")
            head, _, body = read_all(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert json.loads(body.decode())["message"] == "ok"
        assert running.process.wait(WAIT) == 0
        assert running.output.splitlines()[-1] == "abcwebrtc: stopped"
        assert "Traceback" not in running.output


def test_a_stop_does_not_wait_for_idle_connections(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path)) as running, connect(running.base_url) as idle:
        idle.sendall(f"GET {HEALTHZ} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        assert running.stop() == 0
        read_all(idle)  # returns, since the server has closed it


def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path)) as running, begin_request(running.base_url):
        running.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(running.base_url))
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(WAIT) == -signal.SIGTERM


def test_it_ends_when_nobody_can_read_where_it_serves(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = subprocess.Popen(
        command("serve", write_od_config(tmp_path), "--port", "0"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    os.close(theirs)
    try:
        _, said = process.communicate(timeout=WAIT)
        assert process.returncode == 3
        assert said.splitlines()[-1].startswith(b"error: nobody reads stdout, on which serve")
        assert b"Traceback" not in said
    finally:
        process.kill()
        process.wait(WAIT)


# what is kept quiet


def send_good_and_bad_requests(base_url: str) -> List[Tuple[str, Answer]]:
    """Send requests with several tokens; return each token with its answer."""
    tokens = [
        make_token(),
        make_token("a b"),
        make_token("carol", ttl=-60),
        make_token("mallory", key=rsa_key("other")),
        make_token("dave") + "x",
    ]
    answers = []
    for token in tokens:
        for body in ({}, "[", None):
            answers.append((token, request(base_url + RTC_PATH, body, bearer(token))))
        for path in (TURN, TURN + "&self=1", "/API/webrtc/turn", "/nowhere"):
            answers.append((token, request(base_url + path, headers=bearer(token))))
    return answers


def credentials_in(answer: Answer) -> List[str]:
    if answer.status != 200:
        return []
    content = answer.json()
    servers = content["result"]["iceServers"] if "result" in content else [content]
    return [s.get("credential") or s["password"] for s in servers if "username" in s]


def check_quiet(output: str, answers: List[Tuple[str, Answer]]) -> None:
    hidden = {SECRET, "a-file-secret-that-is-marked"}
    hidden.update(part for token, _ in answers for part in token.split(".")[1:])
    hidden.update(word for _, answer in answers for word in credentials_in(answer))
    assert not [word for word in hidden if word in output]
    assert not [a for _, a in answers if SECRET.encode() in a.body or b"Traceback" in a.body]


def test_no_secret_credential_or_token_is_printed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a-file-secret-that-is-marked\n")
    servers = [
        ENTRIES["webrtc.coturn"],
        {
            "coturn_static_auth_secret_file": "secret",
            "ttl": 60,
            "protocol": "turns",
            "url": "turns.example.org:5349",
            "username": "pseudonym",
        },
    ]
    with running_server(write_od_config(tmp_path, webrtc__coturn=servers)) as running:
        answers = send_good_and_bad_requests(running.base_url)
        assert running.stop() == 0
        check_quiet(running.output, answers)
    assert len({word for _, answer in answers for word in credentials_in(answer)}) >= 2


FAULT = """
import abcwebrtc.web.rest
real = abcwebrtc.web.rest.build_rtc_configuration
def build(config, user, now=None, **given):
    secret = [server.secrets.current()[0] for server in config.coturn]
    result = real(config, user, now)
    raise RuntimeError("the marked fault")
abcwebrtc.web.rest.build_rtc_configuration = abcwebrtc.web.rest.server_credentials = build
"""


def test_an_unexpected_fault_prints_no_secret_credential_or_token(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), before=FAULT) as running:
        answers = send_good_and_bad_requests(running.base_url)
        assert running.stop() == 0
        assert "RuntimeError: the marked fault" in running.output
        check_quiet(running.output, answers)
    assert not [answer for _, answer in answers if b"marked" in answer.body]
    assert answers[0][1].status == 500
