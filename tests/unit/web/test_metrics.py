"""The metrics of `serve` and of pyos, read as Prometheus reads them."""

from __future__ import annotations

import json
import logging
import re
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from abcwebrtc.cli.serve_log import JsonLines
from abcwebrtc.errors import TokenError
from abcwebrtc.metrics_server import metrics_server
from abcwebrtc.web.access_log import Access
from abcwebrtc.web.metrics import Metrics
from abcwebrtc.web.rest import create_app, token_identity
from abcwebrtc.web.tokens import UserTokenVerifier, bearer_token
from conftest import ROOT
from support import RTC_PATH, WAIT, bearer, call, make_config, make_token, rsa_key, wait_for

ROUTE = RTC_PATH.lower()


def counted_app(registry: CollectorRegistry, **changes: Any) -> Any:
    config = make_config(**changes)
    metrics = Metrics(registry, lambda: config, lambda: {"dead"})
    identity = metrics.counting(token_identity(UserTokenVerifier(rsa_key().public_key())))
    return metrics.requests_of(create_app(config, identity, given=metrics.given))


def sample(registry: CollectorRegistry, name: str, **labels: str) -> Any:
    return registry.get_sample_value(f"abcwebrtc_{name}", labels)


SERVERS = [
    {"url": "a.example:3478", "coturn_static_auth_secret": "0123456789abcdef0", "name": "dead"},
    {"url": "b.example:3478", "coturn_static_auth_secret": "0123456789abcdef1", "drain": True},
    {"url": "c.example:3478", "coturn_static_auth_secret": "0123456789abcdef2", "name": "paris"},
]


def test_requests_credentials_and_refusals_are_counted() -> None:
    registry = CollectorRegistry()
    app = counted_app(registry, webrtc__coturn=SERVERS)
    assert call(app, "POST", RTC_PATH, "{}", bearer()).status == 200
    assert call(app, "POST", RTC_PATH, "{}").status == 401
    assert call(app, "GET", "/nowhere/alice").status == 404
    assert call(app, "BREW", "/API/healthz").status == 405
    requests = "http_requests_total"
    assert sample(registry, requests, route=ROUTE, method="POST", status="200") == 1
    assert sample(registry, requests, route=ROUTE, method="POST", status="401") == 1
    assert sample(registry, requests, route="other", method="GET", status="404") == 1
    assert sample(registry, requests, route="/api/healthz", method="other", status="405") == 1
    assert sample(registry, "http_request_duration_seconds_count", route=ROUTE) == 2
    assert sample(registry, "credentials_total", server="paris") == 1
    assert sample(registry, "token_refusals_total", reason="no_token") == 1
    assert sample(registry, "token_refusals_total", reason="expired") == 0
    text = generate_latest(registry).decode()
    assert "alice" not in text
    assert "0123456789abcdef" not in text


class CutOff:
    """The body of a request whose client is gone."""

    def read(self, length: int) -> bytes:
        raise ConnectionResetError


def test_a_request_without_an_answer_is_no_500() -> None:
    registry = CollectorRegistry()
    app = counted_app(registry)
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": RTC_PATH, "wsgi.input": CutOff()}
    with pytest.raises(ConnectionResetError):
        app(environ, lambda *_: None)
    assert b"abcwebrtc_http_requests_total{" not in generate_latest(registry)


def test_the_states_of_servers_are_those_of_this_moment() -> None:
    registry = CollectorRegistry()
    counted_app(registry, webrtc__coturn=SERVERS)
    for server, state in {
        "dead": "left_out",
        "paris": "in_use",
        "turn:b.example:3478": "drained",
    }.items():
        found = [
            each
            for each in ("in_use", "left_out", "drained")
            if sample(registry, "turn_server_state", server=server, state=each)
        ]
        assert found == [state], server


def test_servers_that_all_seem_dead_are_in_use_but_do_not_answer() -> None:
    registry, config = CollectorRegistry(), make_config(webrtc__coturn=SERVERS)
    Metrics(registry, lambda: config, frozenset, lambda: {"dead": False, "paris": False})
    for server in ("dead", "paris"):
        assert sample(registry, "turn_server_state", server=server, state="in_use") == 1
        assert sample(registry, "turn_server_answers", server=server) == 0
    assert sample(registry, "turn_server_answers", server="turn:b.example:3478") is None


def test_a_secret_file_that_fails_shows_it_though_nobody_asks(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a-secret-of-sufficient-length\n")
    config = make_config(
        webrtc__coturn={"url": "a.example:3478", "coturn_static_auth_secret_file": str(file)}
    )
    registry = CollectorRegistry()
    Metrics(registry, lambda: config, frozenset)
    changed = sample(registry, "secret_file_changed_timestamp_seconds", file=str(file))
    assert changed == pytest.approx(file.stat().st_mtime, abs=0.01)
    assert sample(registry, "secret_file_failing", file=str(file)) == 0
    file.unlink()
    config.coturn[0].secrets._next_look = 0.0  # type: ignore[union-attr]
    assert sample(registry, "secret_file_failing", file=str(file)) == 1
    assert sample(registry, "secret_file_changed_timestamp_seconds", file=str(file)) == changed


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "expired"),
        ({"nbf": 99999999999}, "not_yet_valid"),
        ({"user": {}}, "claims"),
        ({"auth": {"data": {"labels": 3}}}, "labels"),
    ],
)
def test_a_refusal_has_a_reason(claims: Dict[str, Any], reason: str) -> None:
    verifier = UserTokenVerifier(rsa_key().public_key())
    with pytest.raises(TokenError) as caught:
        verifier.user(make_token(**claims))
    assert caught.value.reason == reason


def test_other_refusals_have_one_of_the_known_reasons() -> None:
    verifier = UserTokenVerifier(rsa_key().public_key())
    with pytest.raises(TokenError) as caught:
        bearer_token(None)
    assert caught.value.reason == "no_token"
    head, body, signature = make_token().split(".")
    for token, reason in {
        "alice": "malformed",
        f"{head}.{body}.{'A' * len(signature)}": "signature",
    }.items():
        with pytest.raises(TokenError) as caught:
            verifier.user(token)
        assert caught.value.reason == reason


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost: a"])
def test_a_scrape_that_is_cut_off_prints_nothing(
    sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with metrics_server(("127.0.0.1", 0)) as (_, url):
        others = set(threading.enumerate())
        client = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))
        client.sendall(sent)
        wait_for(lambda: set(threading.enumerate()) - others)
        # closing it then sends a reset
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        wait_for(lambda: not set(threading.enumerate()) - others)
    assert capfd.readouterr() == ("", "")


def test_the_file_of_a_pseudonym_key_is_one_too(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a-key-of-sufficient-length\n")
    server = {**SERVERS[0], "username": "pseudonym", "pseudonym_key_file": str(file)}
    config = make_config(webrtc__coturn=server)
    registry = CollectorRegistry()
    Metrics(registry, lambda: config, frozenset)
    assert sample(registry, "secret_file_failing", file=str(file)) == 0


def test_a_client_that_is_silent_keeps_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abcwebrtc.metrics_server.TIMEOUT", 0.5)
    with metrics_server(("127.0.0.1", 0)) as (_, url):
        others = set(threading.enumerate())
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), WAIT) as client:
            assert client.recv(1) == b""  # so its thread has begun, and has waited in vain
            wait_for(lambda: not set(threading.enumerate()) - others)


# pyos


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pyos_loads_prometheus_client_only_when_configured() -> None:
    loaded = "import sys, abcwebrtc.pyos; print('prometheus_client' in sys.modules)"
    assert python(loaded) == "False\n"


def test_pyos_can_be_configured_twice_and_the_second_counts() -> None:
    code = """if True:
        import abcwebrtc.pyos as pyos, prometheus_client as client
        for name in ("one", "two"):
            pyos.configure({"webrtc.enable": True, "webrtc.coturn": {"url": "a.example:3478",
                "name": name, "coturn_static_auth_secret": "0123456789abcdef0123"}})
        print(client.generate_latest().decode())"""
    text = python(code)
    assert 'abcwebrtc_turn_server_state{server="two",state="in_use"} 1.0' in text
    assert 'abcwebrtc_turn_server_state{server="one"' not in text


def test_pyos_works_without_prometheus_client() -> None:
    hidden = "import sys; sys.modules['prometheus_client'] = None; import abcwebrtc.pyos as pyos; "
    assert python(hidden + "print(pyos.configure({})['enable'], pyos._metrics)").endswith("None\n")


@pytest.mark.parametrize(
    "spoil",
    [
        "sys.modules['prometheus_client'] = type(sys)('prometheus_client')",  # an old version
        "sys.modules['prometheus_client.core'] = None",
    ],
)
def test_pyos_starts_with_a_prometheus_client_that_can_not_be_used_and_says_so(spoil: str) -> None:
    log = "logging.basicConfig(stream=sys.stdout, format='%(message)s')"
    code = f"import logging, sys; {spoil}; {log}; import abcwebrtc.pyos as pyos; "
    said = python(code + "pyos.configure({}); print(pyos._metrics)").splitlines()
    assert said[-1] == "None"
    assert "no metrics, since prometheus_client can't be used: " in said[-2]


# the log


def as_json(*args: Any, error: Any = None) -> Dict[str, Any]:
    record = logging.LogRecord("a.b", logging.INFO, "", 0, "%s", args, error)
    text = JsonLines().format(record)
    assert "\n" not in text
    found: Dict[str, Any] = json.loads(text)
    return found


def test_a_line_is_one_object_with_a_moment() -> None:
    found = as_json("first\nsecond \x1b")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found.pop("message").startswith("first")
    assert found == {"level": "INFO", "logger": "a.b"}


@pytest.mark.parametrize(
    ("name", "shown"), [("cherrypy.access.1406", "cherrypy.access"), ("cherrypy", "cherrypy")]
)
def test_a_logger_has_no_number(name: str, shown: str) -> None:
    record = logging.LogRecord(name, logging.INFO, "", 0, "x", (), None)
    assert json.loads(JsonLines().format(record))["logger"] == shown


def test_a_traceback_is_in_one_field() -> None:
    try:
        raise ValueError("here")
    except ValueError:
        found = as_json("failed", error=sys.exc_info())
    assert "Traceback" in found["traceback"]
    assert found["message"] == "failed"


def test_a_request_has_its_fields() -> None:
    request = ("GET", "/a b", "HTTP/1.1")
    found = as_json(Access("192.0.2.1", "[now]", request, ("200", "-"), 'x"' * 300))
    assert found["client"] == "192.0.2.1"
    assert (found["method"], found["path"], found["status"]) == ("GET", "/a b", 200)
    assert found["bytes"] is None
    assert len(found["agent"]) == 200
