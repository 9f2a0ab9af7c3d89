"""The server: real processes on loopback, and `run_server` in this one."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import cherrypy
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import abcwebrtc.commands.serve
import abcwebrtc.serve
from abcwebrtc.cli import main
from abcwebrtc.errors import AbcWebRTCError, ConfigError
from abcwebrtc.serve import Listen, is_loopback, run_server
from conftest import missing
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
    private_pem,
    public_pem,
    request,
    rsa_key,
    run_command,
    running_server,
    wait_for,
    write_od_config,
)

HEALTHZ, TURN = "/API/healthz", "/API/webrtc/turn?service=turn"
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.fixture
def ipv6_loopback() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        missing("this machine has no ::1; set net.ipv6.conf.lo.disable_ipv6=0")


# certificates


class Certificates:
    """A certificate for this machine with its key, and some that don't work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("127.0.0.1", "localhost", "::1")
        key = issued.private_key_pem.bytes()
        files = {
            "cert.pem": b"".join(pem.bytes() for pem in issued.cert_chain_pems),
            "key.pem": key,
            "encrypted.pem": load_pem_private_key(key, None).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"pass phrase"),
            ),
            "other.pem": self.authority.issue_cert("other").private_key_pem.bytes(),
            "broken.pem": key.replace(b"M", b"!"),
            "empty.pem": b"",
        }
        for name, data in files.items():
            (folder / name).write_bytes(data)
        os.mkfifo(folder / "fifo")

    def arguments(self, cert: str = "cert.pem", key: str = "key.pem") -> Tuple[str, ...]:
        return ("--cert", str(self.folder / cert), "--key", str(self.folder / key))

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


# raw connections


def address(base_url: str) -> Tuple[str, int]:
    host, _, port = base_url.partition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


def connect(base_url: str) -> socket.socket:
    return socket.create_connection(address(base_url), WAIT)


def is_refused(base_url: str) -> bool:
    try:
        connect(base_url).close()
    except ConnectionRefusedError:
        return True
    return False


def read_all(connection: socket.socket) -> bytes:
    chunks = iter(lambda: connection.recv(65536), b"")
    return b"".join(chunks)


def begin_request(base_url: str) -> socket.socket:
    """Send all of a request but the end of its body, once a worker has it in hand."""
    connection = connect(base_url)
    head = (
        f"POST {RTC_PATH} HTTP/1.1\r\nHost: localhost\r\n"
        f"ABCAuthorization: Bearer {make_token()}\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(65536).startswith(b"HTTP/1.1 100")
    connection.sendall(b"{")
    return connection


@pytest.fixture(autouse=True)
def log_screen() -> Iterator[None]:
    """Keep what `serve` sets in CherryPy for the whole process."""
    before = cherrypy.log.screen
    yield
    cherrypy.log.screen = before


# a server, and what it answers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(write_od_config(tmp_path_factory.mktemp("server"))) as running:
        yield running


def test_it_says_where_it_serves_and_what_is_unwise(server: ServerProcess) -> None:
    warning, _, rest = server.output.partition("\nabcwebrtc ")
    assert "warning: without --cert credentials travel in clear" in warning
    assert rest.startswith(f"{abcwebrtc.__version__}: serving on {server.base_url}\n")
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
    """By DNS rebinding a page of any site is of the same origin as this server."""
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


def test_a_client_that_does_not_trust_the_certificate_hangs_up(tls_server: ServerProcess) -> None:
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        request(tls_server.base_url + HEALTHZ, context=ssl.create_default_context())


def test_a_plain_client_gets_nothing_from_tls(
    tls_server: ServerProcess, certificates: Certificates
) -> None:
    with connect(tls_server.base_url) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(f"GET {HEALTHZ} HTTP/1.0\r\n\r\n".encode())
        assert b"200 OK" not in read_all(connection)
    assert request(tls_server.base_url + HEALTHZ, context=certificates.trust).status == 200


def test_a_client_that_never_begins_tls_does_not_stop_the_others(
    tls_server: ServerProcess, certificates: Certificates
) -> None:
    with connect(tls_server.base_url) as silent:
        answer = request(tls_server.base_url + HEALTHZ, context=certificates.trust)
        assert answer.status == 200
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):  # it is still connected: its time was not up
            silent.recv(1)


def speak_plain_http(base_url: str, certificates: Certificates) -> None:
    with connect(base_url) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        read_all(connection)


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


# what it refuses to start with


def check_refused(result: Any, status: int, *words: str) -> None:
    assert result.returncode == status, result.stderr
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``abcwebrtc serve`` in this process, which is faster, for it to refuse."""

    def run(*arguments: object) -> Any:
        line = ["serve", *map(str, arguments)]
        try:
            status = main(line)
        except SystemExit as error:
            status = error.code
        return subprocess.CompletedProcess(line, status, *capsys.readouterr())

    def stop(base_url: str) -> None:  # or a test that fails would never end
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(abcwebrtc.commands.serve, "_announce", stop)
    return run


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (..., ["od.config: error: jwt_token_user.jwtuserpublickeyfile: no public key"]),
        ({}, ["no public key to verify user tokens with", "the same as for pyos"]),
        (
            {"jwtuserpublickeyfile": "missing.pem"},
            ["/missing.pem: error: jwt_token_user.jwtuserpublickeyfile: ", "No such file"],
        ),
        ({"jwtuserpublickeyfile": "private.pem"}, ["private.pem", "it is the private one"]),
        ({"jwtuserpublickeyfile": "od.config"}, ["od.config", "is not a PEM public key"]),
        ({"jwtuserpublickeyfile": "."}, ["the key file can't be read: Is a directory"]),
        ({"jwtuserpublickeyfile": 1}, ["jwt_token_user.jwtuserpublickeyfile", "PEM file"]),
    ],
    ids=str,
)
def test_it_does_not_start_without_a_key_for_tokens(
    tmp_path: Path, refused: Any, entry: Any, words: List[str]
) -> None:
    (tmp_path / "private.pem").write_bytes(private_pem())
    result = refused(write_od_config(tmp_path, jwt_token_user=entry))
    check_refused(result, 1, *words)


@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("missing.pem", "key.pem", ["missing.pem: error: can't be read: No such file"]),
        ("cert.pem", "missing.pem", ["missing.pem: error: can't be read: No such file"]),
        ("cert.pem", "", ["is not a regular file"]),
        ("cert.pem", "fifo", ["fifo: error: is not a regular file"]),
        ("empty.pem", "key.pem", ["empty.pem", "not a pair of PEM files"]),
        ("key.pem", "key.pem", ["not a pair of PEM files"]),
        ("cert.pem", "cert.pem", ["not a pair of PEM files"]),
        ("cert.pem", "broken.pem", ["broken.pem", "not a pair of PEM files"]),
        ("cert.pem", "other.pem", ["other.pem", "not a pair of PEM files"]),
    ],
)
def test_it_does_not_start_with_a_certificate_that_does_not_work(
    tmp_path: Path, refused: Any, certificates: Certificates, cert: str, key: str, words: List[str]
) -> None:
    result = refused(write_od_config(tmp_path), *certificates.arguments(cert, key))
    check_refused(result, 1, *words)


def test_it_does_not_start_with_an_encrypted_key(
    tmp_path: Path, certificates: Certificates
) -> None:
    arguments = certificates.arguments(key="encrypted.pem")
    result = run_command("serve", write_od_config(tmp_path), *arguments)
    check_refused(result, 1, "encrypted.pem: error: ", "give one without a pass phrase")


def test_it_never_asks_a_terminal_for_a_pass_phrase(
    tmp_path: Path, certificates: Certificates
) -> None:
    arguments = certificates.arguments(key="encrypted.pem")
    status, shown = run_on_a_terminal("serve", write_od_config(tmp_path), "--port", 0, *arguments)
    assert status == 1
    assert "give one without a pass phrase" in shown
    assert "Enter" not in shown


def run_on_a_terminal(*arguments: object) -> Tuple[int, str]:
    """Run abcwebrtc with a terminal of its own, which nobody types on."""
    take_terminal = (
        "import fcntl, os, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    python, *rest = command(*arguments)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [python, "-c", take_terminal, *rest],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        return process.wait(WAIT), read_terminal(ours)
    finally:
        process.kill()
        process.wait(WAIT)
        os.close(ours)


def read_terminal(terminal: int) -> str:
    """Return what was written; its end is an error, once the other side is closed."""
    data = b""
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], WAIT)[0]:
            chunk = os.read(terminal, 65536)
            if not chunk:
                break
            data += chunk
    return data.decode()


def test_it_does_not_start_on_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = run_command("serve", write_od_config(tmp_path), "--port", port)
    words = (f"error: can't listen on 127.0.0.1 port {port}: ", "Address already in use")
    check_refused(result, 1, *words)


# In a process of their own: cheroot leaves sockets to the garbage collector.
@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "x" * 300, "["])
def test_it_does_not_start_on_a_host_that_is_not_this_one(tmp_path: Path, host: str) -> None:
    result = run_command("serve", write_od_config(tmp_path), "--host", host)
    check_refused(result, 1, f"error: can't listen on {host}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cert", "cert.pem"], ["--cert and --key go together"]),
        (["--key", "key.pem"], ["--cert and --key go together"]),
        (["--port", "65536"], ["--port", "from 0 to 65535"]),
        (["--port", "-1"], ["--port"]),
        (["--port", "http"], ["--port", "from 0 to 65535"]),
        (["--port", "9" * 5000], ["--port"]),
        (["--insecure-no-auth", "--host", "0.0.0.0"], ["--insecure-no-auth", "loopback only"]),
        (["--insecure-no-auth", "--host", "::"], ["loopback only"]),
        (["--host", ""], ["--host: is empty"]),
        (["--insecure-no-auth", "--host", ""], ["--host: is empty"]),
        (["--insecure-no-auth", "--host", "0"], ["loopback only"]),
        (["--insecure-no-auth", "--host", "192.0.2.1"], ["loopback only"]),
        (["--insecure-no-auth", "--host", "no.such.host.invalid"], ["loopback only"]),
    ],
    ids=lambda arguments: " ".join(arguments)[:50],
)
def test_a_wrong_command_line_is_exit_2(
    tmp_path: Path, refused: Any, arguments: List[str], words: List[str]
) -> None:
    result = refused(write_od_config(tmp_path), *arguments)
    check_refused(result, 2, "usage: abcwebrtc serve", *words)


def test_a_broken_od_config_is_said_with_its_line(tmp_path: Path, refused: Any) -> None:
    od_config = write_od_config(tmp_path, webrtc__enable="yes")
    check_refused(refused(od_config), 1, f"{od_config}:2: error: webrtc.enable: must be True")


# the stop


@pytest.mark.parametrize("number", SIGNALS)
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
        read_all(idle)  # ends, since the server has closed it


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
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    os.close(theirs)
    try:
        assert process.wait(WAIT) == 1
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
import abcwebrtc.rest
real = abcwebrtc.rest.build_rtc_configuration
def build(config, user, now):
    secret = [server.secrets.current()[0] for server in config.coturn]
    result = real(config, user, now)
    raise RuntimeError("the marked fault")
abcwebrtc.rest.build_rtc_configuration = abcwebrtc.rest.server_credentials = build
"""


def test_an_unexpected_fault_prints_no_secret_credential_or_token(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), before=FAULT) as running:
        answers = send_good_and_bad_requests(running.base_url)
        assert running.stop() == 0
        assert "RuntimeError: the marked fault" in running.output
        check_quiet(running.output, answers)
    assert not [answer for _, answer in answers if b"marked" in answer.body]
    assert answers[0][1].status == 500


# in this process, where coverage is counted


def hello(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def stop_after(
    client: Callable[[str], Any], results: List[Any], number: int = signal.SIGTERM
) -> Callable[[str], None]:
    """Return a `ready` that runs a client in a thread, and then sends a signal."""

    def run(base_url: str) -> None:
        try:
            results.append(client(base_url))
        except BaseException as error:
            results.append(error)
        os.kill(os.getpid(), number)

    return lambda base_url: threading.Thread(target=run, args=(base_url,)).start()


@pytest.mark.parametrize("number", SIGNALS)
def test_run_server_serves_until_a_signal_and_leaves_the_handlers_as_they_were(
    number: signal.Signals,
) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    results: List[Any] = []
    run_server(hello, Listen("127.0.0.1", 0), stop_after(request, results, number))
    assert [answer.body for answer in results] == [b"hello"]
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.usefixtures("ipv6_loopback")
def test_run_server_writes_ipv6_in_brackets() -> None:
    results: List[Any] = []
    run_server(hello, Listen("::1", 0), stop_after(lambda url: (url, request(url)), results))
    ((url, answer),) = results
    assert url.startswith("http://[::1]:")
    assert answer.body == b"hello"


def test_run_server_speaks_tls(certificates: Certificates) -> None:
    _, cert, _, key = certificates.arguments()
    results: List[Any] = []

    def client(url: str) -> Tuple[str, Answer]:
        return url, request(url, context=certificates.trust)

    run_server(hello, Listen("localhost", 0, cert, key), stop_after(client, results))
    ((url, answer),) = results
    assert url.startswith("https://")
    assert answer.body == b"hello"


def test_a_client_that_never_begins_tls_ends_without_a_traceback(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, cert, _, key = certificates.arguments()
    monkeypatch.setattr(abcwebrtc.serve.Server, "timeout", 0.2)

    def client(url: str) -> bytes:
        with connect(url) as silent:
            return read_all(silent)

    results: List[Any] = []
    run_server(hello, Listen("localhost", 0, cert, key), stop_after(client, results))
    assert results == [b""]
    assert "Traceback" not in "".join(capfd.readouterr())


def test_run_server_does_not_wait_for_a_stuck_client_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(abcwebrtc.serve, "SHUTDOWN_SECONDS", 0.2)
    monkeypatch.setattr(abcwebrtc.serve.Server, "timeout", 3600)  # nothing else ends it
    connections: List[Any] = []

    def client(base_url: str) -> None:
        connections.append(begin_request(base_url))

    def reading(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        environ["wsgi.input"].read(2)
        return hello(environ, start_response)

    run_server(reading, Listen("127.0.0.1", 0), stop_after(client, []))
    connections[0].close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_run_server_ends_when_its_threads_do() -> None:
    def leaving(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        raise SystemExit

    def ready(base_url: str) -> None:
        with contextlib.suppress(OSError), connect(base_url) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            read_all(connection)

    with pytest.raises(AbcWebRTCError, match="ended by itself"):
        run_server(leaving, Listen("127.0.0.1", 0), ready)


BAD_LISTENS = [
    (("127.0.0.1", 0, "missing.pem", "key.pem"), "missing.pem: can't be read: No such file"),
    (("127.0.0.1", 0, "cert.pem", "other.pem"), "not a pair of PEM files"),
    (("127.0.0.1", 0, "cert.pem", "encrypted.pem"), "the key is encrypted"),
    (("x" * 300, 0), "can't listen on xxx"),
]


@pytest.mark.parametrize(("listen", "message"), BAD_LISTENS, ids=lambda value: str(value)[:40])
def test_run_server_says_why_it_can_not_listen(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    listen: Tuple[Any, ...],
    message: str,
) -> None:
    monkeypatch.chdir(certificates.folder)
    with pytest.raises(ConfigError, match=message):
        run_server(hello, Listen(*listen), lambda url: None)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("0", False),
        ("192.0.2.1", False),
        ("fe80::1%lo", False),
        ("no.such.host.invalid", False),
        ("x" * 300, False),
        ("\ud800", False),
    ],
    ids=ascii,
)
def test_is_loopback_is_true_for_addresses_of_this_machine_only(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_name_of_several_addresses_is_loopback_when_all_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(2, 1, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    assert is_loopback("several.example.org") is False


# the command `serve`, in this process


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """Stop `main` once it has answered a request; give the answer."""
    results: List[Any] = []
    announce = abcwebrtc.commands.serve._announce

    def ready(base_url: str) -> None:
        announce(base_url)
        stop_after(lambda url: request(url + RTC_PATH, {}, bearer()), results)(base_url)

    monkeypatch.setattr(abcwebrtc.commands.serve, "_announce", ready)
    return results


@pytest.mark.parametrize(
    ("changes", "arguments", "status", "notes"),
    [
        ({}, [], 200, ["without --cert"]),
        ({"webrtc__enable": False}, [], 403, ["webrtc.enable is False: requests", "--cert"]),
        ({"webrtc__enabled": True}, [], 200, ["webrtc.enabled: no such entry"]),
        ({}, ["--insecure-no-auth"], 200, ["anybody on this machine"]),
    ],
    ids=str,
)
def test_serve_says_what_to_know_serves_and_says_that_it_stopped(
    tmp_path: Path,
    announced: List[Answer],
    capsys: pytest.CaptureFixture[str],
    changes: Dict[str, Any],
    arguments: List[str],
    status: int,
    notes: List[str],
) -> None:
    assert main(["serve", str(write_od_config(tmp_path, **changes)), "--port=0", *arguments]) == 0
    assert [answer.status for answer in announced] == [status]
    out, err = capsys.readouterr()
    assert out.endswith("abcwebrtc: stopped\n")
    for note in notes:
        assert note in err
    assert SECRET not in out + err


def test_serve_warns_of_a_short_key(
    tmp_path: Path, announced: List[Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jwtuser.pem").write_bytes(public_pem(rsa_key("short", 1024)))
    assert main(["serve", str(write_od_config(tmp_path)), "--port=0"]) == 0
    assert [answer.status for answer in announced] == [401]
    assert "jwtuser.pem: the key has 1024 bits; use one of 2048 or more" in capsys.readouterr().err
