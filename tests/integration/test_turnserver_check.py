"""coturn does what `turnserver-conf --check` says."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from aioice import stun

from abcwebrtc import WebRTCConfig, build_rtc_configuration
from integration.generated import (
    SECRET,
    Running,
    accepted,
    bare_conf,
    check,
    entry,
    generate,
    permissions,
    running,
    sign,
)
from integration.turn import (
    LOOPBACK,
    Certificate,
    RawClient,
    _allocate,
    allocated,
    error_code,
    free_ports,
    make_certificate,
    raw_refusal,
    run_client,
    turn_urls,
)
from support import WAIT, wait_for, write_od_config


def anybody(port: int) -> bool:
    """Return whether an Allocate without a login is accepted."""
    with RawClient(port) as client:
        return error_code(client.request(_allocate({}))) is None


OPEN: Dict[str, Tuple[List[bytes], str, str]] = {
    "no-auth=no after it": ([b"no-auth=no"], "no-auth", "turns logins off"),
    "lt-cred-mech=no after it": ([b"lt-cred-mech=no"], "lt-cred-mech", "turns logins off"),
}
DEAD: Dict[str, Tuple[List[bytes], str, str]] = {
    "no-auth": ([b"no-auth"], "no-auth", "does not start"),
    "neither relay": ([b"no-tcp-relay", b"no-udp-relay"], "no-udp-relay", "does not start"),
    "bps-capacity": ([b"bps-capacity=1000"], "bps-capacity", "does not start"),
    "not a flag": ([b"fingerprint=maybe"], "fingerprint", "does not start"),
    "the console and loopback": (
        [b"no-cli=no", b"allow-loopback-peers"],
        "no-cli",
        "does not start",
    ),
}


def find(tmp_path: Path, conf: Path, name: str) -> List[str]:
    status, problems = check(tmp_path, conf)
    assert status == 1
    return [item["message"] for item in problems if item["path"] == name]


def faulty(tmp_path: Path, lines: List[bytes], port: int) -> Path:
    write_od_config(tmp_path, webrtc__coturn=entry(port))
    secret = b"use-auth-secret\nstatic-auth-secret=" + SECRET.encode()
    return bare_conf(tmp_path, port, secret, *lines)


@pytest.mark.parametrize(("lines", "name", "words"), OPEN.values(), ids=OPEN)
def test_where_the_check_says_so_anybody_can_relay(
    lines: List[bytes], name: str, words: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    conf = faulty(tmp_path, lines, port)
    assert words in " ".join(find(tmp_path, conf, name))
    with running(conf, port=port):
        assert anybody(port)


@pytest.mark.parametrize(("lines", "name", "words"), DEAD.values(), ids=DEAD)
def test_where_the_check_says_so_coturn_does_not_start(
    lines: List[bytes], name: str, words: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    conf = faulty(tmp_path, lines, port)
    assert words in " ".join(find(tmp_path, conf, name))
    with running(conf, port=port) as server:
        assert server.process.wait(WAIT) != 0


def test_a_good_file_is_neither_open_nor_dead(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = faulty(tmp_path, [], port)
    assert check(tmp_path, conf)[0] == 0
    with running(conf, port=port):
        assert not anybody(port)


def test_a_range_that_the_check_refuses_denies_nothing(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    lines = [b"denied-peer-ip=10.0.0.0/8", b"denied-peer-ip=172.16.0.9-172.16.0.1"]
    conf = faulty(tmp_path, lines, port)
    messages = find(tmp_path, conf, "denied-peer-ip")
    assert "write 10.0.0.0-10.255.255.255" in messages[0]
    assert "ends before it begins" in messages[1]
    with running(conf, port=port):
        assert permissions(port, SECRET, "10.1.2.3", "172.16.0.5") == {
            "10.1.2.3": None,
            "172.16.0.5": None,
        }


@pytest.mark.parametrize("text", ["::-::ffff:ffff", "0.0.0.0", "::"])
def test_a_range_without_a_bound_denies_every_peer(text: str, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = faulty(tmp_path, [b"denied-peer-ip=" + text.encode()], port)
    assert "denies every IPv4 address" in find(tmp_path, conf, "denied-peer-ip")[0]
    with running(conf, port=port):
        assert permissions(port, SECRET, "8.8.8.8") == {"8.8.8.8": 403}


def test_an_exception_that_the_check_refuses_undoes_the_denial(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    lines = [
        b"allowed-peer-ip=0.0.0.0-255.255.255.255",
        b"denied-peer-ip=10.0.0.0-10.255.255.255",
        b"denied-peer-ip=192.168.0.0-192.168.255.255",
    ]
    conf = faulty(tmp_path, lines, port)
    assert "overrides all of denied-peer-ip" in " ".join(find(tmp_path, conf, "allowed-peer-ip"))
    with running(conf, port=port):
        assert permissions(port, SECRET, "10.1.2.3") == {"10.1.2.3": None}


def test_an_empty_secret_that_the_check_refuses_lets_anybody_sign(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = faulty(tmp_path, [b"static-auth-secret="], port)
    assert "is empty" in " ".join(find(tmp_path, conf, "static-auth-secret"))
    with running(conf, port=port):
        assert accepted(port, b"")


def test_a_realm_with_a_blank_that_the_check_refuses_is_400(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = faulty(tmp_path, [b"realm=a realm"], port)
    assert "400" in " ".join(find(tmp_path, conf, "realm"))
    with running(conf, port=port):
        assert raw_refusal(port, *sign(SECRET.encode())) == 400


LISTENERS: Dict[str, List[bytes]] = {
    "as they are": [],
    "no-udp": [b"no-udp"],
    "no-tcp": [b"no-tcp"],
    "no-tls": [b"no-tls"],
    "no-dtls": [b"no-dtls"],
    "no-udp and no-dtls": [b"no-udp", b"no-dtls"],
    "no-tls and no-dtls": [b"no-tls", b"no-dtls"],
    "no key": [b"pkey=/nonexistent"],
}
WAYS = [("turn", "udp"), ("turn", "tcp"), ("turns", "tcp")]


@pytest.mark.parametrize("lines", LISTENERS.values(), ids=LISTENERS)
def test_the_check_and_a_client_agree_on_which_urls_work(
    lines: List[bytes], tmp_path: Path, certificate: Certificate
) -> None:
    """Every way to both ports, tried for real, compared with what the check says about that url."""
    ports = free_ports(2)
    conf = tmp_path / "listeners.conf"
    head = (
        f"listening-ip={LOOPBACK}\nlistening-port={ports[0]}\ntls-listening-port={ports[1]}\n"
        f"use-auth-secret\nstatic-auth-secret={SECRET}\nrealm=r\nno-cli\n"
        f"cert={certificate.cert_file}\npkey={certificate.key_file}\n"
    )
    conf.write_bytes(head.encode() + b"\n".join(lines) + b"\n")
    said, real = {}, {}
    server = Running(conf)
    try:
        wait_for(lambda: "Total General servers" in server.output)
        for scheme, transport in WAYS:
            for port in ports:
                way = (scheme, transport, ports.index(port))
                coturn = entry(port, protocol=scheme, transport=transport)
                write_od_config(tmp_path, webrtc__coturn=coturn)
                said[way] = check(tmp_path, conf)[0] == 0
                # If the check says that it works, give a slow machine time.
                real[way] = answers(coturn, certificate, WAIT if said[way] else 2.0)
    finally:
        server.process.terminate()
        server.process.wait(WAIT)
    assert said == real


def answers(coturn: Any, certificate: Certificate, seconds: float = WAIT) -> bool:
    """Return whether the only url of a ``webrtc.coturn`` gives an allocation in this time."""
    config = WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": coturn})
    (url,) = turn_urls(build_rtc_configuration(config, user="alice"))

    async def attempt() -> bool:
        while True:
            try:
                async with allocated(url, certificate.trust):
                    return True
            except ssl.SSLError:
                return False
            except (OSError, stun.TransactionError):
                await asyncio.sleep(0.1)

    async def limited() -> bool:
        return await asyncio.wait_for(attempt(), seconds)

    try:
        return run_client(limited())
    except asyncio.TimeoutError:
        return False


def test_a_pair_that_the_check_refuses_gives_no_tls(
    tmp_path: Path, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make_certificate(tmp_path_factory.mktemp("other"))
    (port,) = free_ports(1)
    coturn = entry(port, protocol="turns")
    files = ("--cert", str(certificate.cert_file), "--key", str(certificate.key_file))
    conf = generate(tmp_path, coturn, *files)
    with running(conf, port=port):
        assert answers(coturn, certificate)
    shutil.copy(other.key_file, tmp_path / "other.key")
    conf.write_text(conf.read_text().replace(str(certificate.key_file), f"{tmp_path}/other.key"))
    assert "is not the key" in " ".join(find(tmp_path, conf, "pkey"))
    with running(conf, port=port):
        assert not answers(coturn, certificate)
