"""`run_server` and the command `serve` in this process, which counts coverage."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

import abcwebrtc.web.serve
from abcwebrtc.cli.main import main
from abcwebrtc.cli.serve import is_loopback
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.web.serve import Listen, run_server
from support import RTC_PATH, SECRET, Answer, bearer, public_pem, request, rsa_key, write_od_config
from support.serving import (
    STOP_SIGNALS,
    Certificates,
    begin_request,
    connect,
    hello,
    read_all,
    stop_after,
)

pytestmark = pytest.mark.usefixtures("log_screen")

# `run_server`


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_run_server_serves_until_a_signal_and_leaves_the_handlers_as_they_were(
    number: signal.Signals,
) -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    results: List[Any] = []
    run_server(hello, Listen("127.0.0.1", 0), stop_after(request, results, number))
    assert [answer.body for answer in results] == [b"hello"]
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_a_client_that_never_begins_tls_ends_without_a_traceback(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _, cert, _, key = certificates.arguments()
    monkeypatch.setattr(abcwebrtc.web.serve, "TIMEOUT", 0.2)

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
    monkeypatch.setattr(abcwebrtc.web.serve, "SHUTDOWN_SECONDS", 0.2)
    monkeypatch.setattr(abcwebrtc.web.serve, "TIMEOUT", 3600)  # nothing else ends it
    connections: List[Any] = []

    def client(base_url: str) -> None:
        connections.append(begin_request(base_url))

    def reading(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        environ["wsgi.input"].read(2)
        return hello(environ, start_response)

    run_server(reading, Listen("127.0.0.1", 0), stop_after(client, []))
    connections[0].close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_run_server_ends_when_its_threads_do() -> None:
    def leaving(environ: Dict[str, Any], start_response: Callable[..., Any]) -> List[bytes]:
        raise SystemExit

    def ready(base_url: str) -> None:
        with contextlib.suppress(OSError), connect(base_url) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            read_all(connection)

    with pytest.raises(AbcWebRTCError, match="has stopped by itself"):
        run_server(leaving, Listen("127.0.0.1", 0), ready)
    gc.collect()  # cheroot's thread left a connection, which would be a warning in another test


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


# the command `serve`


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """Stop `main` once it has answered a request; return the answers."""
    results: List[Any] = []
    stop = stop_after(lambda url: request(url + RTC_PATH, {}, bearer()), results)

    def run(app: Any, listen: Listen, ready: Callable[[str], None], *others: Any) -> None:
        def ready_and_stop(url: str) -> None:
            ready(url)
            stop(url)

        run_server(app, listen, ready_and_stop, *others)

    monkeypatch.setattr(abcwebrtc.web.serve, "run_server", run)
    return results


@pytest.mark.parametrize(
    ("changes", "arguments", "status", "notes"),
    [
        ({"webrtc__enable": False}, [], 403, ["webrtc.enable is False: requests"]),
        ({"webrtc__enabled": True}, [], 200, ["webrtc.enabled: no such entry"]),
        ({}, ["--insecure-no-auth"], 200, ["anybody on this machine"]),
        (
            {},
            ["--host", "0.0.0.0"],
            200,
            [
                "without --cert, credentials travel in clear text",
                "--host 0.0.0.0: deliberately slow clients",
            ],
        ),
    ],
    ids=str,
)
def test_serve_says_what_to_know_serves_and_says_that_it_stopped(
    tmp_path: Path,
    announced: List[Answer],
    capfd: pytest.CaptureFixture[str],
    changes: Dict[str, Any],
    arguments: List[str],
    status: int,
    notes: List[str],
) -> None:
    assert main(["serve", str(write_od_config(tmp_path, **changes)), "--port=0", *arguments]) == 0
    assert [answer.status for answer in announced] == [status]
    out, err = capfd.readouterr()
    assert out.endswith("abcwebrtc: stopped\n")
    for note in notes:
        assert note in err
    assert SECRET not in out + err


def test_serve_on_loopback_warns_of_no_clear_text(
    tmp_path: Path, announced: List[Answer], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(write_od_config(tmp_path)), "--port=0"]) == 0
    assert [answer.status for answer in announced] == [200]
    assert "warning" not in capfd.readouterr().err


def test_serve_behind_a_proxy_warns_of_no_clients_and_no_clear_text(
    tmp_path: Path, announced: List[Answer], capfd: pytest.CaptureFixture[str]
) -> None:
    od_config = str(write_od_config(tmp_path))
    assert main(["serve", od_config, "--port=0", "--host=0.0.0.0", "--behind-proxy"]) == 0
    assert [answer.status for answer in announced] == [200]
    assert "warning" not in capfd.readouterr().err


def test_serve_warns_of_a_short_key(
    tmp_path: Path, announced: List[Answer], capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jwtuser.pem").write_bytes(public_pem(rsa_key("short", 1024)))
    assert main(["serve", str(write_od_config(tmp_path)), "--port=0"]) == 0
    assert [answer.status for answer in announced] == [401]
    assert "jwtuser.pem: the key has 1024 bits; use one of 2048 or more" in capfd.readouterr().err
