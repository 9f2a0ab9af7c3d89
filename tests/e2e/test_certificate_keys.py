"""Which kinds of certificate key browsers and coturn accept for TLS, and what messages say."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Dict, List

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from abcwebrtc import mint_turn_credentials
from abcwebrtc.coturn.certificate import check_certificate
from conftest import require_program
from e2e.browser import chromium, trusting
from integration.turn import LOOPBACK, Certificate, Turnserver
from support import private_pem, rsa_key
from support.certificates import ABOVE, NOW, issue

KEYS: Dict[str, Any] = {
    "RSA of 2048": rsa_key(),
    "RSA of 1024": rsa_key("short", 1024),
    "secp224r1": ec.generate_private_key(ec.SECP224R1()),
    "secp256r1": ec.generate_private_key(ec.SECP256R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "secp384r1": ec.generate_private_key(ec.SECP384R1()),
    "secp521r1": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
SECRET = "the-secret-of-this-coturn"
GATHER = """async (server) => {
  const peer = new RTCPeerConnection({iceServers: [server], iceTransportPolicy: "relay"});
  const seen = [];
  const complete = new Promise((resolve) => {
    peer.onicecandidate = ({candidate}) => candidate ? seen.push(candidate.type) : resolve();
  });
  peer.createDataChannel("");
  await peer.setLocalDescription(await peer.createOffer());
  await complete;
  peer.close();
  return seen.includes("relay");
}"""


def pair(folder: Path, key: Any) -> Certificate:
    folder.mkdir()
    cert, pem = folder / "turn.pem", folder / "turn.key"
    cert.write_bytes(issue(LOOPBACK, key=key) + ABOVE)
    pem.write_bytes(private_pem(key))
    return Certificate(cert, pem, cert, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, bool]:
    """Whether Chromium gets a relay over TLS from coturn, for each kind of key."""
    program = require_program("turnserver", "coturn")
    folder = tmp_path_factory.mktemp("keys")
    pairs = {name: pair(folder / name, key) for name, key in KEYS.items()}
    login = mint_turn_credentials(SECRET, user="alice", ttl=3600)
    with contextlib.ExitStack() as stack:
        servers = {}
        for name, files in pairs.items():
            servers[name] = Turnserver(program, files.cert_file.parent, files, [SECRET])
            stack.callback(servers[name].stop)
        trust = trusting(*(files.cert_file for files in pairs.values()))
        page = stack.enter_context(chromium(tmp_path_factory.mktemp("c"), None, [trust])).new_page()
        found = {}
        for name, server in servers.items():
            server.wait_until_ready()
            url = f"turns:{LOOPBACK}:{server.tls_port}?transport=tcp"
            ice_server = {"urls": url, "username": login.username, "credential": login.password}
            found[name] = page.evaluate(GATHER, ice_server)
        assert "invalid private key" in servers["RSA of 1024"].output
        return found


def faults(name: str, folder: Path) -> List[str]:
    files = pair(folder / "files", KEYS[name])
    pem = files.cert_file.read_bytes(), files.key_file.read_bytes()
    return [problem.message for problem in check_certificate(*pem, None, [LOOPBACK], NOW)]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_a_fault_where_chromium_gets_no_relay_by_tls(
    name: str, relayed: Dict[str, bool], tmp_path: Path
) -> None:
    assert bool(faults(name, tmp_path)) is not relayed[name]


def test_the_fault_says_what_to_make_instead(tmp_path: Path) -> None:
    assert faults("RSA of 1024", tmp_path) == [
        "the certificate has an RSA key of 1024 bits, and OpenSSL with Debian's setting refuses "
        "fewer than 2048, so there is no TLS; use a longer key"
    ]


def test_a_curve_is_named_with_those_that_work(tmp_path: Path) -> None:
    assert faults("secp521r1", tmp_path) == [
        "the certificate's key is neither RSA nor on the curves secp256r1 and secp384r1, the only "
        "ones that Chromium supports; use one of these"
    ]
