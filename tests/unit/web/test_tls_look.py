"""What TLS ports show to `abcwebrtc serve`, and what the page is told of it."""

from __future__ import annotations

import datetime
import errno
import socket
import ssl
import threading
from typing import Any, Iterator, List, Optional

import pytest
import trustme

from abcwebrtc.web import test_page as testpage
from abcwebrtc.web import tls_look as tlslook
from abcwebrtc.web.test_page import tls_targets
from support import WAIT, make_config
from support.testpage_site import COTURN, Site

STUN_ERROR = b"\x01\x11\0\0\x21\x12\xa4\x42" + bytes(12)
"""A Binding error response without attributes (RFC 8489, section 5)."""
HTTP_ERROR = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class TLSServer:
    """A socket that greets with TLS, or with something else; `answer` is what it says then."""

    def __init__(self, context: Optional[ssl.SSLContext], answer: bytes = STUN_ERROR) -> None:
        self._context, self._answer = context, answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            try:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                else:
                    connection.sendall(b"SSH-2.0-nothing\r\n")
                connection.recv(1)
                connection.sendall(self._answer)
                connection.recv(9999)
            except OSError:
                pass
            finally:
                connection.close()

    def close(self) -> None:
        self._socket.close()


AUTHORITY = trustme.CA()


@pytest.fixture
def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def tls_server(*names: str, answer: bytes = STUN_ERROR, **issued: Any) -> TLSServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names, **issued).configure_cert(context)
    return TLSServer(context, answer)


def alert(reason: str) -> ssl.SSLError:
    made = ssl.SSLError(1, reason)
    made.reason = reason
    return made


@pytest.fixture
def servers() -> Iterator[List[TLSServer]]:
    made: List[TLSServer] = []
    yield made
    for one in made:
        one.close()


def test_a_trusted_certificate(servers: List[TLSServer], trust: ssl.SSLContext) -> None:
    servers.append(tls_server("127.0.0.1"))
    assert tlslook.look("127.0.0.1", servers[0].port, trust=trust).word == tlslook.TRUSTED


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (HTTP_ERROR, "http"),
        (STUN_ERROR[:4], "not-stun"),
        (STUN_ERROR[:7] + b"\0", "not-stun"),
        (b"\xff", "not-stun"),
        (b"", "tls-silent"),
    ],
)
def test_what_speaks_tls_but_no_stun(
    servers: List[TLSServer], trust: ssl.SSLContext, answer: bytes, word: str
) -> None:
    servers.append(tls_server("127.0.0.1", answer=answer))
    seen = tlslook.look("127.0.0.1", servers[0].port, timeout=WAIT if answer else 0.2, trust=trust)
    assert seen.word == word
    assert f"127.0.0.1, TLS port {servers[0].port}" in seen.message


def test_a_certificate_of_an_unknown_authority(servers: List[TLSServer]) -> None:
    servers.append(tls_server("127.0.0.1"))
    seen = tlslook.look("127.0.0.1", servers[0].port)
    assert seen.word == "certificate-untrusted"
    assert "is not trusted: its issuer" in seen.message


def test_that_a_certificate_ends_soon_does_not_hide_why_it_is_refused(
    servers: List[TLSServer],
) -> None:
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=5)
    servers.append(tls_server("127.0.0.1", not_after=soon))
    assert tlslook.look("127.0.0.1", servers[0].port).word == "certificate-untrusted"


def test_a_certificate_that_has_ended(servers: List[TLSServer], trust: ssl.SSLContext) -> None:
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=5)
    servers.append(tls_server("127.0.0.1", not_after=past))
    assert tlslook.look("127.0.0.1", servers[0].port, trust=trust).word == "certificate-expired"


def test_a_certificate_for_another_name(servers: List[TLSServer], trust: ssl.SSLContext) -> None:
    servers.append(tls_server("turn.domain.local"))
    seen = tlslook.look("127.0.0.1", servers[0].port, trust=trust)
    assert seen.word == "certificate-name"
    assert seen.message.endswith("not for 127.0.0.1, but for turn.domain.local")


def test_what_does_not_speak_tls(servers: List[TLSServer]) -> None:
    servers.append(TLSServer(None))
    assert tlslook.look("127.0.0.1", servers[0].port).word == "no-tls"


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    seen = tlslook.look("127.0.0.1", port)
    assert (seen.word, seen.message) == (
        "refused",
        f"refused: nothing listens on 127.0.0.1, TCP port {port}, or a firewall refuses it",
    )
    assert "start coturn" in seen.advice


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        seen = tlslook.look("127.0.0.1", listening.getsockname()[1], timeout=0.2)
    assert seen.word == "no-tls"
    assert "gets no answer" in seen.message


@pytest.mark.parametrize(
    ("error", "word", "part"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), "unreachable", "(No route to host)"),
        (socket.timeout(), "no-answer", "from this browser, and from abcwebrtc serve"),
        (ConnectionResetError(), "no-tls", "closes the connection when TLS begins"),
        (alert("TLSV1_ALERT_PROTOCOL_VERSION"), "old-tls", "(tlsv1 alert protocol version)"),
        (alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "client-certificate", "demands a cert"),
        (alert("WRONG_VERSION_NUMBER"), "no-tls", "TLS fails on a.example, TLS port 1 (wrong"),
    ],
)
def test_what_a_failed_connection_means(
    monkeypatch: pytest.MonkeyPatch, error: OSError, word: str, part: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fail)
    seen = tlslook.look("a.example", 1)
    assert seen.word == word
    assert part in seen.message


def test_a_name_that_does_not_resolve() -> None:
    assert tlslook.look("nowhere.invalid", 5349).word == "no-name"


def test_only_configured_servers_with_tls_are_looked_at() -> None:
    config = make_config(
        webrtc__rtc_configuration={
            "iceServers": [{"urls": ["stun:a.example", "stun:B.example:5350"]}]
        },
        webrtc__coturn=[
            {**COTURN, "protocol": "turns", "url": "turn.example.org"},
            {**COTURN, "protocol": "turns", "url": "turn.example.org:5349"},
            {**COTURN, "protocol": "turns", "url": "[2001:db8::1]:443"},
            COTURN,
        ],
    )
    assert tls_targets(config) == [
        ("turn.example.org", 5349),
        ("2001:db8::1", 443),
    ]


def test_the_page_is_told_what_tls_shows_once_for_many_who_ask(servers: List[TLSServer]) -> None:
    servers.append(tls_server("127.0.0.1"))
    where = f"127.0.0.1:{servers[0].port}"
    site = Site(webrtc__coturn={**COTURN, "protocol": "turns", "url": where}).log_in()
    first = site.post("/certificates").json()
    assert list(first["result"]) == [where]
    assert first["result"][where]["word"] == "certificate-untrusted"
    servers[0].close()
    assert site.post("/certificates").json() == first


def test_a_slow_look_keeps_nobody_else_waiting_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> tlslook.Look:
        begun.set()
        go_on.wait()
        return tlslook.Look("trusted", "")

    monkeypatch.setattr(testpage, "look", slow)
    monkeypatch.setattr(testpage, "PATIENCE", 0.01)
    certificates = testpage.Certificates(
        make_config(webrtc__coturn={**COTURN, "protocol": "turns"})
    )
    first = threading.Thread(target=certificates.looks)
    first.start()
    try:
        assert begun.wait(WAIT)
        assert certificates.looks() == {}
    finally:
        go_on.set()
        first.join()
    assert [one["word"] for one in certificates.looks().values()] == ["trusted"]


def test_without_tls_there_is_nothing_to_tell() -> None:
    assert Site().log_in().post("/certificates").json()["result"] == {}
