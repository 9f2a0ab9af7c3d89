"""Each fault that `turnserver-conf --check` reports happens for real, with each installed coturn.

Its cure is what the message says, and with it coturn works and the check is satisfied.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import ssl
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import pytest
from aioice import turn

from abcwebrtc import WebRTCConfig
from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from abcwebrtc.coturn.options import CoturnVersion
from abcwebrtc.coturn.server import coturns_of
from abcwebrtc.errors import Problem
from integration.generated import (
    SECRET,
    Running,
    answers_classic_stun,
    bare_conf,
    check,
    entry,
    permissions,
    running,
    sign,
)
from integration.netns import SERVER, Network
from integration.turn import LOOPBACK, Certificate, RawClient, _allocate, error_code, free_ports
from support import WAIT, wait_for, write_od_config

PUBLIC = "198.51.100.7"
LOGIN = ["use-auth-secret", f"static-auth-secret={SECRET}"]
PRIVATE = [
    *("10.0.0.0-10.255.255.255", "127.0.0.0-127.255.255.255", "192.168.0.0-192.168.255.255"),
]
DENIED = [f"denied-peer-ip={item}" for item in PRIVATE]


class Stage:
    """A turnserver.conf for an od.config, on one port of loopback."""

    def __init__(self, folder: Path, program: str, version: CoturnVersion) -> None:
        self.folder, self.program, self.version = folder, program, version
        (self.port,) = free_ports(1)

    def conf(self, lines: Sequence[str]) -> Path:
        return bare_conf(self.folder, self.port, *(line.encode() for line in (*LOGIN, *lines)))

    def problems(self, lines: Sequence[str]) -> Sequence[Problem]:
        """Return the problems of a file, with the desktops' STUN_SERVER at this coturn."""
        coturn = entry(self.port, protocol="turn")
        config = WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": coturn})
        (server,) = coturns_of(config.coturn)
        stun = parse_ice_uri(f"stun:{LOOPBACK}:{self.port}")
        conf = parse_turnserver_conf(self.conf(lines).read_bytes(), "bare.conf")
        around = Around(DesktopStun(stun))
        return check_turnserver_conf(conf, server, (stun,), {}, 0, self.version, around)

    def found(self, lines: Sequence[str], path: str) -> List[Problem]:
        """Return what the check says about the lines of an option."""
        return [item for item in self.problems(lines) if item.path == path and item.line]

    @contextlib.contextmanager
    def running(self, lines: Sequence[str]) -> Iterator[Running]:
        with running(self.conf(lines), port=self.port, program=self.program) as server:
            yield server
            server.process.kill()  # a newer coturn takes seconds to end by itself


@pytest.fixture
def stage(tmp_path: Path, program: str, version: CoturnVersion) -> Stage:
    return Stage(tmp_path, program, version)


# whom relays reach

LIFTS: Dict[str, List[str]] = {
    "external-ip of anything": [f"external-ip={PUBLIC}/0.0.0.0"],
    "external-ip of nothing": [f"external-ip={PUBLIC}/"],
    "allowed-peer-ip of anything": ["allowed-peer-ip=0.0.0.0"],
    "allowed-peer-ip of any IPv6": ["allowed-peer-ip=::"],
    "allowed-peer-ip without a bound": ["allowed-peer-ip=10.0.0.0-0.0.0.0"],
    "allowed-peer-ip of all": ["allowed-peer-ip=0.0.0.0-255.255.255.255"],
}


@pytest.mark.parametrize("lines", LIFTS.values(), ids=LIFTS)
def test_what_lifts_the_denials_lets_users_into_private_networks(
    lines: List[str], stage: Stage
) -> None:
    peers = ("10.1.2.3", "192.168.7.9")
    name = lines[0].partition("=")[0]
    with stage.running(DENIED):
        assert set(permissions(stage.port, SECRET, *peers).values()) == {403}
    with stage.running([*DENIED, *lines]):
        assert set(permissions(stage.port, SECRET, *peers).values()) == {None}
    assert "error" in [item.level for item in stage.found([*DENIED, *lines], name)]


def test_two_halves_of_a_network_lift_its_denial_together(stage: Stage) -> None:
    lines = ["allowed-peer-ip=10.0.0.0-10.99.0.0", "allowed-peer-ip=10.98.0.0-10.255.255.255"]
    (item,) = stage.found([*DENIED, *lines], "allowed-peer-ip")
    assert "together" in item.message
    with stage.running([*DENIED, *lines]):
        assert permissions(stage.port, SECRET, "10.1.2.3", "10.200.0.1") == {
            "10.1.2.3": None,
            "10.200.0.1": None,
        }


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.0.0.0 -\t10.255.255.255", "10.0.0.0,10.0.0.9"])
def test_a_range_that_can_not_be_read_denies_nothing_or_ends_coturn(
    text: str, stage: Stage
) -> None:
    item = stage.found([f"denied-peer-ip={text}"], "denied-peer-ip")[0]
    assert item.level == "error"
    with stage.running([f"denied-peer-ip={text}"]) as server:
        if "does not start" in item.message:
            assert server.process.wait(WAIT) != 0
        else:
            assert "the range is not denied" in item.message
            assert permissions(stage.port, SECRET, "10.1.2.3") == {"10.1.2.3": None}


# NAT


ASKING = (
    "import json, sys; from integration.generated import permissions; "
    "print(json.dumps(permissions(int(sys.argv[1]), *sys.argv[2:4], host=sys.argv[4])))"
)


def in_namespace(network: Network, folder: Path, program: str) -> str:
    """Return a program that runs another one in the server's network."""
    script = folder / "inside"
    command = shlex.join(network.outside.command(program))
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o755)
    return str(script)


@contextlib.contextmanager
def listening(conf: Path, program: str, network: Network, port: int) -> Iterator[None]:
    """Run coturn in the server's network until it listens."""
    server = Running(conf, program=program)
    try:
        wait_for(lambda: network.outside.listens("tcp", port))
        yield
    finally:
        server.process.kill()
        server.process.wait(WAIT)
        wait_for(lambda: not network.outside.listens("tcp", port))
        print(server.output)


def test_behind_nat_the_private_half_is_what_lets_relays_meet(
    stage: Stage, network: Network
) -> None:
    inside = in_namespace(network, stage.folder, stage.program)
    port = 3478
    head = [*LOGIN, f"listening-port={port}", "no-tls", "realm=r", f"listening-ip={SERVER}"]
    head += DENIED

    def attempt(lines: Sequence[str]) -> Any:
        conf = stage.folder / "nat.conf"
        conf.write_text("\n".join((*head, *lines)) + "\n")
        url = {**entry(port, protocol="turn"), "url": f"turn.domain.local:{port}"}
        write_od_config(stage.folder, webrtc__coturn=url)
        _, items = check(stage.folder, conf, "--coturn", str(stage.version))
        with listening(conf, inside, network, port):
            result = network.outside.run(
                sys.executable,
                *("-c", ASKING, port, SECRET, PUBLIC, SERVER),
                cwd=Path(__file__).parents[1],
            )
        said = [item for item in items if item["path"] == "external-ip"]
        return json.loads(result.stdout)[PUBLIC], said

    alone, (said,) = attempt([f"external-ip={PUBLIC}"])
    assert alone == 403
    assert said["level"] == "error"
    assert SERVER in said["message"]
    for cure in (f"external-ip={PUBLIC}/{SERVER}", f"allowed-peer-ip={SERVER}"):
        assert cure in said["message"]
    assert attempt([f"external-ip={PUBLIC}/{SERVER}"]) == (None, [])
    assert attempt([f"external-ip={PUBLIC}", f"allowed-peer-ip={SERVER}"]) == (None, [])
    wrong, (said,) = attempt([f"external-ip={PUBLIC}", f"allowed-peer-ip={PUBLIC}"])
    assert (wrong, said["level"]) == (403, "error")


# addresses that coturn drops

DROPPED: Dict[str, List[str]] = {
    "a port": ["listening-ip=127.0.0.1:3478"],
    "an interface": ["relay-ip=eth0"],
    "loopback's interface": ["listening-ip=lo"],
    "a mask": ["relay-ip=127.0.0.1/8"],
    "several": ["listening-ip=127.0.0.1,127.0.0.2"],
    "brackets": ["listening-ip=[::1]"],
    "a command": ["external-ip=$(detect-external-ip)"],
    "a variable": ["external-ip=${PUBLIC_IP}"],
    "a port of NAT's": ["external-ip=198.51.100.7:3478"],
    "quotes": ["external-ip='198.51.100.7'"],
    "a second one": [f"external-ip={PUBLIC}", "external-ip=198.51.100.8"],
    "a private half that is none": [f"external-ip={PUBLIC}/eth0"],
}
LOGGED = ("Cannot add a", "Wrong address format", "define external IP more than once")


@pytest.mark.parametrize("lines", DROPPED.values(), ids=DROPPED)
def test_a_line_that_the_check_refuses_is_dropped_with_an_error(
    lines: List[str], stage: Stage
) -> None:
    name = lines[-1].partition("=")[0]
    assert "error" in [item.level for item in stage.found(lines, name)]
    with stage.running(lines) as server:
        assert any(text in server.output for text in LOGGED)


def relayed(port: int) -> Optional[str]:
    """Return the address that a client gets for its relay."""
    username, credential = sign(SECRET.encode())
    with RawClient(port) as client:
        challenge = client.request(_allocate({})).attributes
        login = {name: challenge[name] for name in ("REALM", "NONCE")}
        message = _allocate({"USERNAME": username, **login})
        message.add_message_integrity(turn.make_integrity_key(username, login["REALM"], credential))
        found: Any = client.request(message).attributes.get("XOR-RELAYED-ADDRESS")
    return found[0] if found else None


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ([f"external-ip={LOOPBACK}/{PUBLIC}"], LOOPBACK),
        (["external-ip=0.0.0.0"], "0.0.0.0"),
        ([f"external-ip=/{LOOPBACK}"], "0.0.0.0"),
        ([f"external-ip={PUBLIC}/24"], LOOPBACK),
        ([f"external-ip={PUBLIC}/10.0.0.9"], LOOPBACK),
    ],
)
def test_a_mapping_that_the_check_refuses_gives_clients_another_address(
    lines: List[str], address: str, stage: Stage
) -> None:
    items = stage.found(lines, "external-ip")
    assert [item.level for item in items] == ["error"]
    with stage.running(lines):
        assert relayed(stage.port) == address


def test_a_third_port_everywhere_gives_clients_no_address(stage: Stage) -> None:
    (port,) = free_ports(1)
    conf = stage.conf([f"aux-server=0.0.0.0:{port}"])
    listening = f"listening-ip={LOOPBACK}"
    conf.write_text("\n".join(line for line in conf.read_text().split("\n") if line != listening))
    write_od_config(stage.folder, webrtc__coturn=entry(port, protocol="turn"))
    _, items = check(stage.folder, conf, "--coturn", str(stage.version))
    assert [item["level"] for item in items if item["path"] == "aux-server"] == ["error"]
    with running(conf, port=port, program=stage.program) as server:
        assert relayed(port) == "0.0.0.0"
        server.process.kill()


# STUN


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no-stun-backward-compatibility",
        "no-stun-backward-compatibility=0",
        "stun-backward-compatibility",
        "rfc3489-compatibility",
        "rfc3489-compatibility=no",
        "no-stun",
        "stun-only",
    ],
)
def test_the_check_knows_whether_desktops_get_an_answer(line: str, stage: Stage) -> None:
    messages = [item.message for item in stage.problems([line]) if item.level == "error"]
    said = any("libnice asks" in text or "leaves stun:" in text for text in messages)
    with stage.running([line]):
        assert answers_classic_stun(stage.port) is not said


# what sends clients away


def first_answers(port: int, count: int) -> List[Optional[int]]:
    """Return what clients get, one after another, while all of them stay."""
    clients = [RawClient(port) for _ in range(count)]
    try:
        return [_answer(client) for client in clients]
    finally:
        for client in clients:
            client.__exit__()


def _answer(client: RawClient) -> Optional[int]:
    refused = error_code(client.request(_allocate({})))
    return client.allocate(*sign(SECRET.encode())) if refused == 401 else refused


@pytest.mark.parametrize(
    ("lines", "answers"),
    [
        (["alternate-server=203.0.113.9:3478"], [300]),
        (["allocation-default-address-family=ipv6"], [440]),
        (["max-bps=64000", "bps-capacity=64000"], [None, 486]),
        (["max-bps=64000", "bps-capacity=100000"], [None, None, 486]),
        (["total-quota=1"], [None, 486]),
        (["max-bps=64000", "bps-capacity=6400000"], [None, None, None]),
    ],
)
def test_what_the_check_says_of_an_answer_is_what_clients_get(
    lines: List[str], answers: List[Optional[int]], stage: Stage
) -> None:
    name = lines[-1].partition("=")[0]
    items = stage.found(lines, name)
    with stage.running(lines):
        assert first_answers(stage.port, len(answers)) == answers
    refused = [answer for answer in answers if answer]
    assert bool(items) is bool(refused)
    if refused and answers[:2] != [None, None]:
        assert str(refused[0]) in items[0].message


def handshakes(port: int, certificate: Certificate) -> bool:
    """Return whether TLS works for a client without a certificate, also after the handshake."""
    try:
        plain = socket.create_connection((LOOPBACK, port), timeout=WAIT)
        with certificate.trust.wrap_socket(plain, server_hostname=LOOPBACK) as tls:
            tls.sendall(bytes(_allocate({})))
            return bool(tls.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


@pytest.mark.parametrize("line", ["", "CA-file", "cipher-list=MODERN", "cipher-list=HIGH:!aNULL"])
def test_a_line_that_shuts_clients_out_of_tls_is_found(
    line: str, tmp_path: Path, program: str, version: CoturnVersion, certificate: Certificate
) -> None:
    (port,) = free_ports(1)
    line = f"CA-file={certificate.cert_file}" if line == "CA-file" else line
    conf = tmp_path / "tls.conf"
    head = [*LOGIN, f"listening-ip={LOOPBACK}", f"listening-port={port}", "realm=r"]
    head += [f"cert={certificate.cert_file}", f"pkey={certificate.key_file}"]
    conf.write_text("\n".join((*head, line)) + "\n")
    write_od_config(tmp_path, webrtc__coturn=entry(port, protocol="turns"))
    _, items = check(tmp_path, conf, "--coturn", str(version))
    said = [item for item in items if item["path"] in ("CA-file", "cipher-list")]
    with running(conf, port=port, program=program) as server:
        works = handshakes(port, certificate)
        server.process.kill()
    assert [item["level"] for item in said] == (["warning"] if works else ["error"]) * len(said)
    assert works or said
