"""`abcwebrtc probe` against bad certificates, and ports that speak something else."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import http.server
import socket
import ssl
import threading
import warnings
from pathlib import Path
from typing import Any, Callable, Iterator, List, Sequence

import pytest
import trustme

from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.probe import stun_client
from abcwebrtc.probe.model import TLS, Target
from abcwebrtc.web.look import look
from conftest import require_program
from integration.conftest import SECRET
from integration.probing import Probe, coturn
from integration.turn import LOOPBACK, REALM, Certificate, Turnserver, answers_udp
from support import WAIT, listens, wait_for

pytest_plugins = ["integration.probe_fixtures"]

NAMES = (LOOPBACK, "localhost", REALM)
DAY = datetime.timedelta(days=1)
StartTls = Callable[..., Turnserver]


@pytest.fixture
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a slow machine time for its answer also after another request got none."""
    monkeypatch.setattr(stun_client, "SECOND_LOOK", 5.0)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="the authority")


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartTls]:
    """Return a function that starts a turnserver with this chain and key."""
    program = require_program("turnserver", "coturn")
    with contextlib.ExitStack() as stack:

        def run(chain: Sequence[trustme.Blob], key: trustme.Blob) -> Turnserver:
            made = write_certificate(tmp_path, chain, key)
            server = Turnserver(program, tmp_path, made, [SECRET])
            stack.callback(server.stop)
            server.wait_until_ready()
            return server

        yield run


def write_certificate(
    folder: Path, chain: Sequence[trustme.Blob], key: trustme.Blob
) -> Certificate:
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(b"".join(one.bytes() for one in chain))
    key_file.write_bytes(key.bytes())
    return Certificate(cert_file, key_file, cert_file, ssl.create_default_context())


def turns(server: Any, host: str = "localhost") -> Any:
    return coturn(f"{host}:{server.tls_port}", protocol="turns")


def test_coturn_without_the_files_of_its_certificate_opens_no_tls_port(
    tmp_path: Path, authority: trustme.CA, probe: Probe
) -> None:
    leaf = authority.issue_cert(*NAMES)
    made = write_certificate(tmp_path, leaf.cert_chain_pems, leaf.private_key_pem)
    folder = tmp_path / "elsewhere"  # from which a relative path leads to nothing
    folder.mkdir()
    names = {name: Path(getattr(made, name).name) for name in ("cert_file", "key_file")}
    program = require_program("turnserver", "coturn")
    server = Turnserver(program, folder, dataclasses.replace(made, **names), [SECRET])
    try:
        wait_for(lambda: "cannot start TLS and DTLS listeners" in server.output)
        wait_for(lambda: answers_udp(server.port))
        report = probe(coturn(f"localhost:{server.port}", transport="udp"), turns(server))
        assert report.words == [[], ["refused"]]
        (found,) = report.results[1]["diagnoses"]
        assert f"the same host works on UDP port {server.port}" in found["message"]
        assert "does not find the files of cert and pkey" in found["advice"]
    finally:
        server.stop()
    (found,) = probe(turns(server)).results[0]["diagnoses"]
    assert "the files of cert and pkey" not in found["advice"], "nothing else answers there"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def test_a_chain_that_is_trusted(
    authority: trustme.CA, ca: Path, start: StartTls, probe: Probe
) -> None:
    child = authority.create_child_ca()
    leaf = child.issue_cert(*NAMES, common_name="turn", not_after=now() + 90.5 * DAY)
    server = start(leaf.cert_chain_pems, leaf.private_key_pem)
    report = probe(turns(server), options=["--ca", ca])
    assert (report.status, report.words) == (0, [[]]), report.text
    found = report.results[0]["certificate"]
    assert found["trusted"] is True
    assert found["subject"] == "turn"
    assert found["names"] == list(NAMES)
    assert found["days_left"] == 90
    assert found["chain"][0] == "turn"
    assert found["issuer"]


@pytest.mark.parametrize(
    ("begins", "ends", "word", "level", "part"),
    [
        (-60, -3, "certificate-expired", "error", "expired 3 days"),
        (3, 60, "certificate-not-yet", "error", "is not valid before"),
        (-60, 5.5, "certificate-ends-soon", "warning", "expires in 5 days"),
    ],
)
def test_the_days_of_a_certificate(
    authority: trustme.CA,
    ca: Path,
    start: StartTls,
    probe: Probe,
    begins: float,
    ends: float,
    word: str,
    level: str,
    part: str,
) -> None:
    made = authority.issue_cert(
        *NAMES, not_before=now() + begins * DAY, not_after=now() + ends * DAY
    )
    server = start(made.cert_chain_pems, made.private_key_pem)
    report = probe(turns(server), options=["--ca", ca])
    assert part in report.only(word, level)["message"]
    assert report.results[0]["relayed"]  # the rest is done all the same


def test_a_self_signed_certificate(start: StartTls, probe: Probe) -> None:
    own = trustme.CA(organization_name="the turn server")
    server = start([own.cert_pem], own.private_key_pem)
    report = probe(turns(server))
    assert "the turn server" in report.only("certificate-self-signed")["message"]
    assert report.results[0]["certificate"]["trusted"] is False


def test_an_expired_certificate_of_an_unknown_authority(start: StartTls, probe: Probe) -> None:
    made = trustme.CA().issue_cert(*NAMES, not_after=now() - 3 * DAY)
    server = start(made.cert_chain_pems, made.private_key_pem)
    report = probe(turns(server))
    assert report.words == [["certificate-expired", "certificate-untrusted"]]


def test_an_unknown_authority(authority: trustme.CA, start: StartTls, probe: Probe) -> None:
    made = authority.issue_cert(*NAMES)
    server = start(made.cert_chain_pems, made.private_key_pem)
    found = probe(turns(server)).only("certificate-untrusted")
    assert "the authority" in found["message"]
    assert "--ca" in found["advice"]


def test_a_whole_chain_of_an_unknown_authority(
    authority: trustme.CA, start: StartTls, probe: Probe
) -> None:
    leaf = authority.issue_cert(*NAMES)
    server = start([*leaf.cert_chain_pems, authority.cert_pem], leaf.private_key_pem)
    found = probe(turns(server)).only("certificate-untrusted")
    assert "the authority" in found["message"]
    assert "no other certificate" not in found["message"]


def test_a_chain_without_its_middle(
    authority: trustme.CA, ca: Path, start: StartTls, probe: Probe
) -> None:
    leaf = authority.create_child_ca().issue_cert(*NAMES)
    server = start(leaf.cert_chain_pems[:1], leaf.private_key_pem)
    found = probe(turns(server), options=["--ca", ca]).only("certificate-untrusted")
    assert "no other certificate" in found["message"]
    assert "whole chain" in found["advice"]


@pytest.mark.parametrize("host", ["localhost", LOOPBACK])
def test_a_certificate_for_another_name(
    authority: trustme.CA, ca: Path, start: StartTls, probe: Probe, host: str
) -> None:
    made = authority.issue_cert("turn.example.org", "192.0.2.1")
    server = start(made.cert_chain_pems, made.private_key_pem)
    found = probe(turns(server, host), options=["--ca", ca]).only("certificate-name")
    assert host in found["message"]
    assert "turn.example.org" in found["message"]


# another protocol


@pytest.mark.usefixtures("_patience")
def test_a_server_without_tls(certificate: Certificate, tmp_path: Path, probe: Probe) -> None:
    program = require_program("turnserver", "coturn")
    server = Turnserver(program, tmp_path, certificate, [SECRET], ["no-tls"])
    try:
        wait_for(lambda: answers_udp(server.port) and listens(LOOPBACK, server.port))
        here = f"{LOOPBACK}:{server.port}"
        report = probe(coturn(here, protocol="turns"))
    finally:
        server.stop()
    report.only("plain")


@pytest.mark.parametrize(
    ("option", "word"),
    [("CA-file={ca}", "client-certificate"), ("cipher-list=MODERN", "no-tls")],
)
def test_a_server_that_has_tls_with_nobody_is_not_taken_for_a_plain_one(
    authority: trustme.CA, ca: Path, tmp_path: Path, probe: Probe, option: str, word: str
) -> None:
    """coturn also answers without TLS on the same port, and ends the handshake with one alert."""
    program = require_program("turnserver", "coturn")
    leaf = authority.issue_cert(*NAMES)
    made = write_certificate(tmp_path, leaf.cert_chain_pems, leaf.private_key_pem)
    server = Turnserver(program, tmp_path, made, [SECRET], [option.format(ca=ca)])
    try:
        wait_for(lambda: answers_udp(server.port) and listens(LOOPBACK, server.tls_port))
        report = probe(turns(server), options=["--ca", ca])
        trust = ssl.create_default_context(cafile=str(ca))
        target = Target(parse_ice_uri(f"turns:localhost:{server.tls_port}"), TLS)
        seen = look(target, trust=trust)
    finally:
        server.stop()
    assert seen
    assert report.only(word)["message"].endswith(seen.message.partition("port")[2])
    assert seen.word == word


class Silent:
    """A server with TLS on one port that accepts everything and says nothing."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context, self._listener = context, socket.create_server((LOOPBACK, 0))
        self.tls_port = self._listener.getsockname()[1]
        self._kept: List[ssl.SSLSocket] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(WAIT)
            with contextlib.suppress(OSError):
                self._kept.append(self._context.wrap_socket(connection, server_side=True))

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for one in self._kept:
            one.close()


def tls_context(authority: trustme.CA, old: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(context)
    if old:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that are out of date
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_a_plain_url_of_a_port_with_tls_that_nobody_speaks(
    authority: trustme.CA, probe: Probe
) -> None:
    server = Silent(tls_context(authority, old=True))
    try:
        report = probe(coturn(f"{LOOPBACK}:{server.tls_port}", transport="tcp"))
    finally:
        server.stop()
    assert report.only("tls-port")


@pytest.mark.parametrize("word", ["tls-silent", "old-tls"])
def test_tls_without_anything_behind_it_or_of_another_age(
    authority: trustme.CA, ca: Path, probe: Probe, word: str
) -> None:
    server = Silent(tls_context(authority, old=word == "old-tls"))
    try:
        report = probe(turns(server), options=["--ca", ca])
    finally:
        server.stop()
    assert f"TLS port {server.tls_port}" in report.only(word)["message"]


def say_nothing(*_: object) -> None:
    """Keep a server's log out of the probe's output in this process."""


@pytest.fixture(params=["http", "https"])
def web_port(
    request: pytest.FixtureRequest, authority: trustme.CA, tmp_path: Path
) -> Iterator[int]:
    """The ports of a web server, for http and https."""
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": say_nothing})
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), handler)
    server.handle_error = say_nothing  # type: ignore[method-assign]
    if request.param == "https":
        made = authority.issue_cert(*NAMES)
        write_certificate(tmp_path, made.cert_chain_pems, made.private_key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("_patience")
def test_a_web_server_on_a_tls_port(web_port: int, ca: Path, probe: Probe) -> None:
    here = f"localhost:{web_port}"
    report = probe(coturn(here, protocol="turns"), options=["--ca", ca])
    assert (report.status, report.words) == (1, [["http"]]), report.text


@pytest.mark.usefixtures("_patience")
@pytest.mark.parametrize("web_port", ["http"], indirect=True)
def test_a_web_server_on_a_plain_port(web_port: int, probe: Probe) -> None:
    server = coturn(f"{LOOPBACK}:{web_port}", transport="tcp")
    assert "web server" in probe(server).only("http")["message"]


@pytest.mark.parametrize("web_port", ["https"], indirect=True)
def test_a_plain_url_of_a_tls_port(web_port: int, probe: Probe) -> None:
    found = probe(coturn(f"{LOOPBACK}:{web_port}", transport="tcp")).only("tls-port")
    assert "write turns instead of turn" in found["advice"]
