"""What `serve` sees of the configured servers, and what it tells the page.

e2e/test_testpage_outside.py has coturn's redirects.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import struct
import sys
import threading
from typing import Any, Callable, Iterator, List, Optional
from unittest import mock

import pytest
import trustme
from aioice import stun

from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.probe.model import TCP, TLS, UDP, Diagnosis, Target
from abcwebrtc.web import look as looking
from abcwebrtc.web.look import TRUSTED, Looks, look, targets
from support import WAIT, make_config, wait_for
from support.testpage_site import COTURN, Site

AUTHORITY = trustme.CA()
HTTP_ERROR = b"HTTP/1.1 400 Bad Request\r\n\r\n"
Reply = Callable[[bytes], Optional[bytes]]
"""Return the answer to a request, None for no answer, b"" to close the connection."""


def stun_reply(request: bytes, *attributes: bytes, kind: int = 0x0111) -> bytes:
    """Return an error response, by default to a Binding (RFC 8489, section 5)."""
    body = b"".join(attributes)
    return struct.pack("!HH", kind, len(body)) + request[4:20] + body


@contextlib.contextmanager
def tls_server(
    context: Optional[ssl.SSLContext], reply: Reply = stun_reply, greeting: bytes = b""
) -> Iterator[int]:
    """Run a server with TLS, or one that sends something else at once; yield its port."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.sendall(greeting)
                if context is None:
                    connection.recv(9999)
                    continue
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    while True:
                        came = wrapped.recv(9999)
                        answer = reply(came) if came else b""
                        if answer == b"":
                            break
                        wrapped.sendall(answer or b"")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:  # a thread that is left would accept what comes to the next test's descriptor
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def issued(*names: str, whole: bool = False, **changes: Any) -> ssl.SSLContext:
    """Return a server's context; with `whole` it also sends its authority's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = AUTHORITY.issue_cert(*names, **changes)
    authority = AUTHORITY.cert_pem.bytes() if whole else b""
    with trustme.Blob(made.private_key_and_cert_chain_pem.bytes() + authority).tempfile() as path:
        context.load_cert_chain(path)
    return context


def seen(
    port: int, host: str = "127.0.0.1", trusted: bool = True, timeout: float = WAIT
) -> Diagnosis:
    """Return what is seen of a TLS port of this machine."""
    trust = ssl.create_default_context()
    if trusted:
        AUTHORITY.configure_trust(trust)
    found = look(Target(parse_ice_uri(f"turns:{host}:{port}"), TLS), timeout, trust)
    assert found
    return found


# TLS


def test_a_trusted_certificate() -> None:
    with tls_server(issued("127.0.0.1")) as port:
        assert seen(port).word == TRUSTED.word


def test_a_server_whose_binding_is_off_is_asked_for_an_allocate() -> None:
    def reply(came: bytes) -> Optional[bytes]:
        is_allocate = stun.parse_message(came).message_method == stun.Method.ALLOCATE
        return stun_reply(came, kind=0x0113) if is_allocate else None

    with tls_server(issued("127.0.0.1"), reply) as port:
        assert seen(port).word == TRUSTED.word


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (HTTP_ERROR, "http"),
        (b"SSH-2.0-nothing\r\n", "not-stun"),
        (b"\x01\x11\0\0\x21\x12\xa4\0" + bytes(12), "not-stun"),
        (None, "tls-silent"),
        (b"", "tls-silent"),
    ],
)
def test_what_speaks_tls_but_no_stun(answer: Optional[bytes], expected: str) -> None:
    with tls_server(issued("127.0.0.1"), lambda _: answer) as port:
        found = seen(port, timeout=5 if answer is None else WAIT)  # the handshake has to succeed
    assert found.word == expected
    assert f"127.0.0.1, TLS port {port}" in found.message


@pytest.mark.parametrize("days", [5, 90])
def test_a_certificate_of_an_unknown_authority(days: int) -> None:
    """A warning about the expiry does not hide why the certificate is refused."""
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    with tls_server(issued("127.0.0.1", not_after=end)) as port:
        found = seen(port, trusted=False)
    assert found.word == "certificate-untrusted"
    assert "is not trusted: its issuer" in found.message


@pytest.mark.skipif(sys.version_info < (3, 10), reason="older ones see the first certificate only")
def test_a_whole_chain_of_an_unknown_authority_is_not_said_to_lack_a_part() -> None:
    with tls_server(issued("127.0.0.1", whole=True)) as port:
        found = seen(port, trusted=False)
    assert found.word == "certificate-untrusted"
    assert "no other certificate" not in found.message


def test_a_certificate_that_has_ended() -> None:
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=5)
    with tls_server(issued("127.0.0.1", not_after=past)) as port:
        assert seen(port).word == "certificate-expired"


def test_a_certificate_for_another_name() -> None:
    with tls_server(issued("turn.domain.local")) as port:
        found = seen(port)
    assert found.word == "certificate-name"
    assert found.message.endswith("not for 127.0.0.1, but for turn.domain.local")


def test_what_does_not_speak_tls() -> None:
    with tls_server(None, greeting=b"SSH-2.0-nothing\r\n") as port:
        assert seen(port).word == "no-tls"


def test_a_server_that_closes_the_connection_when_tls_begins() -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        connection.recv(1)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        found = seen(listening.getsockname()[1])
        thread.join()
    assert found.word == "no-tls"
    assert "closes the connection when the TLS handshake begins" in found.message


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = seen(listening.getsockname()[1], timeout=5)  # it has to connect
    assert found.word == "no-tls"
    assert "gets no answer" in found.message


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    found = seen(port)
    assert (found.word, found.message) == (
        "refused",
        f"refused: nothing listens on 127.0.0.1, TCP port {port}, or a firewall rejects it",
    )
    assert "start coturn" in found.advice


def test_a_name_that_does_not_resolve() -> None:
    assert seen(5349, "nowhere.invalid").word == "no-name"


def test_a_name_for_which_dns_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    found = seen(5349, "turn.example.org")
    assert "DNS gave no answer for turn.example.org (asked from abcwebrtc serve)" in found.message
    assert "correct the name" not in found.advice


@pytest.mark.parametrize(
    ("error", "expected", "part"),
    [
        (OSError(113, "No route to host"), "unreachable", "(No route to host)"),
        (socket.timeout(), "no-answer", "from this browser, and from abcwebrtc serve"),
    ],
)
def test_what_can_not_be_reached(
    monkeypatch: pytest.MonkeyPatch, error: OSError, expected: str, part: str
) -> None:
    class Failing(socket.socket):
        def connect(self, _: Any) -> None:
            raise error

    monkeypatch.setattr(socket, "socket", Failing)
    found = seen(1)
    assert found.word == expected
    assert part in found.message


# redirects

V4 = struct.pack("!BBH", 0, 1, 3479) + socket.inet_aton("192.0.2.9")
V6 = struct.pack("!BBH", 0, 2, 443) + socket.inet_pton(socket.AF_INET6, "2001:db8::9")
ALLOCATE_ERROR, ALLOCATE_RESPONSE = 0x0113, 0x0103
REDIRECT = struct.pack("!HHHBB", 0x0009, 4, 0, 3, 0)
LOGIN = struct.pack("!HHHBB", 0x0009, 4, 0, 4, 1)


def alternate(value: bytes) -> bytes:
    return struct.pack("!HH", 0x8023, len(value)) + value + bytes(-len(value) % 4)


def redirect(
    *attributes: bytes, kind: int = ALLOCATE_ERROR, ignored: int = 0
) -> Optional[Diagnosis]:
    """Return what is seen of a server that ignores some requests, and then answers one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))

        def run() -> None:
            for _ in range(ignored):
                listening.recvfrom(2048)
            asked, client = listening.recvfrom(2048)
            assert stun.parse_message(asked).attributes["REQUESTED-TRANSPORT"] == 17 << 24
            listening.sendto(stun_reply(asked, *attributes, kind=kind), client)

        thread = threading.Thread(target=run)
        thread.start()
        uri = parse_ice_uri(f"turn:127.0.0.1:{listening.getsockname()[1]}")
        with mock.patch.object(looking, "REDIRECT_SECONDS", WAIT):
            found = look(Target(uri, UDP), WAIT)
        thread.join()
    return found


@pytest.mark.parametrize(
    ("value", "ignored", "place"),
    [(V4, 0, "192.0.2.9:3479"), (V4, 1, "192.0.2.9:3479"), (V6, 0, "[2001:db8::9]:443")],
)
def test_a_redirect_is_told(value: bytes, ignored: int, place: str) -> None:
    found = redirect(REDIRECT, alternate(value), ignored=ignored)
    assert found
    assert found.word == "redirect"
    assert f"redirects to {place} (alternate-server)" in found.message


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ([LOGIN], ALLOCATE_ERROR),
        ([REDIRECT], ALLOCATE_ERROR),
        ([REDIRECT, alternate(V4[:7])], ALLOCATE_ERROR),
        ([alternate(V4)], ALLOCATE_RESPONSE),
    ],
)
def test_what_is_no_redirect_is_none(attributes: Any, kind: int) -> None:
    assert redirect(*attributes, kind=kind) is None


@pytest.mark.parametrize("transport", [UDP, TCP])
@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_nobody_there_is_no_redirect(transport: str, host: str) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        uri = parse_ice_uri(f"turn:{host}:{listening.getsockname()[1]}")
        assert look(Target(uri, transport), 0.5) is None


# the page


def test_only_configured_servers_are_looked_at() -> None:
    turns = {**COTURN, "protocol": "turns"}
    config = make_config(
        webrtc__rtc_configuration={
            "iceServers": [{"urls": ["stun:a.example", "stun:B.example:5350"]}]
        },
        webrtc__coturn=[
            {**turns, "url": "turn.example.org"},
            {**turns, "url": "turn.example.org:5349"},
            {**turns, "url": "[2001:db8::1]:443"},
            {**COTURN, "url": "C.example:3479", "transport": ["udp", "tcp"]},
        ],
    )
    assert [(place, one.transport) for place, one in targets(config).items()] == [
        ("turn.example.org:5349", TLS),
        ("2001:db8::1:443", TLS),
        ("udp:c.example:3479", UDP),
        ("tcp:c.example:3479", TCP),
    ]


def told(site: Site) -> Any:
    """Return what the page gets when the look is done."""

    def ended() -> Any:
        result = site.post("/certificates").json()["result"]
        return None if result["looking"] else result

    return wait_for(ended)["seen"]


def test_the_page_is_told_what_is_seen() -> None:
    with tls_server(issued("127.0.0.1")) as port:
        where = f"127.0.0.1:{port}"
        coturn = [
            {**COTURN, "protocol": "turns", "url": where},
            {**COTURN, "url": where, "transport": "tcp"},
        ]
        site = Site(webrtc__coturn=coturn).log_in()
        first = told(site)
    assert list(first) == [where]
    assert first[where]["word"] == "certificate-untrusted"
    assert site.post("/certificates").json()["result"] == {"looking": False, "seen": first}


class Slow:
    """A look that blocks until it is released, and counts its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places: List[str] = []
        self.go_on = threading.Event()
        monkeypatch.setattr(looking, "look", self)

    def __call__(self, target: Target) -> Diagnosis:
        self.places.append(target.host)
        assert self.go_on.wait(WAIT)
        if target.host == "broken.example":
            raise RuntimeError("a fault of the look itself")
        return TRUSTED


def tls_entries(*hosts: str) -> Any:
    return {"webrtc__coturn": [{**COTURN, "protocol": "turns", "url": host} for host in hosts]}


def test_many_who_ask_cause_one_look_and_wait_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    looks = Looks(make_config(**tls_entries("a.example", "b.example")))
    for _ in range(200):
        assert looks.told() == {"looking": True, "seen": {}}
    wait_for(lambda: len(slow.places) == 2)
    slow.go_on.set()
    wait_for(lambda: not looks.told()["looking"])
    assert sorted(looks.told()["seen"]) == ["a.example:5349", "b.example:5349"]
    assert sorted(slow.places) == ["a.example", "b.example"]


def test_what_was_seen_is_kept_for_a_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    slow.go_on.set()
    monkeypatch.setattr(looking, "KEPT_SECONDS", 0.0)
    looks = Looks(make_config(**tls_entries("a.example")))
    wait_for(lambda: looks.told() and len(slow.places) > 2)


def test_of_many_servers_few_are_looked_at_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(monkeypatch)
    monkeypatch.setattr(looking, "THREADS", 3)
    looks = Looks(make_config(**tls_entries(*(f"{number}.example" for number in range(8)))))
    looks.told()
    wait_for(lambda: len(slow.places) == 3)
    assert [one.name for one in threading.enumerate()].count("look") == 3
    slow.go_on.set()
    wait_for(lambda: not looks.told()["looking"])
    assert len(slow.places) == len(looks.told()["seen"]) == 8


def test_a_look_that_fails_hides_no_other_and_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Slow(monkeypatch).go_on.set()
    looks = Looks(make_config(**tls_entries("broken.example", "a.example")))
    wait_for(lambda: not looks.told()["looking"])
    assert list(looks.told()["seen"]) == ["a.example:5349"]
    assert "the look at broken.example:5349 failed" in caplog.text


def test_without_servers_there_is_nothing_to_tell() -> None:
    assert told(Site(webrtc__coturn=...).log_in()) == {}
