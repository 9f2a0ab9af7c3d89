"""What `abcwebrtc turnserver-conf` prints runs a real turnserver, and what it finds is true."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from aioice import stun, turn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abcwebrtc import WebRTCConfig, build_rtc_configuration
from abcwebrtc.turnserverfile import parse_turnserver_conf, quoted
from abcwebrtc.turnserveroptions import OPTIONS
from conftest import require_program
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
    relayed_address,
    turn_urls,
)
from support import WAIT, run_command, wait_for, write_od_config

SECRET = "the-static-auth-secret-of-coturn"
COMPLAINTS = re.compile(r"WARN|ALERT|ERROR|Bad configuration|cannot|Check config", re.IGNORECASE)
ON_LOOPBACK = "allow_loopback_peers opens a possible security vulnerability"


class Running:
    """A turnserver that runs with a turnserver.conf as it is."""

    def __init__(self, conf: Path, *arguments: str) -> None:
        program = require_program("turnserver", "coturn")
        self._log = conf.with_suffix(".log")
        with open(self._log, "wb") as stream:
            self.process = subprocess.Popen(
                (
                    *(program, "-c", str(conf), "--log-file=stdout"),
                    f"--pidfile={conf.with_suffix('.pid')}",
                    f"--userdb={conf.with_suffix('.db')}",
                    *arguments,
                ),
                cwd=conf.parent,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def listens(self, port: int) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return True
        return False

    def complaints(self) -> List[str]:
        lines = self.output.splitlines()
        return [line for line in lines if COMPLAINTS.search(line) and ON_LOOPBACK not in line]


@contextlib.contextmanager
def running(conf: Path, *arguments: str, port: Optional[int] = None) -> Iterator[Running]:
    """Run a turnserver until it listens on `port`, or, without one, ends."""
    server = Running(conf, *arguments)
    try:
        wait_for(lambda: server.process.poll() is not None or (port and server.listens(port)))
        yield server
    finally:
        server.process.terminate()
        server.process.wait(WAIT)
        print(server.output)  # pytest shows it when the test fails


def generate(folder: Path, coturn: Any, *arguments: str, **entries: Any) -> Path:
    """Return the turnserver.conf that the command writes for a ``webrtc.coturn``."""
    od_config = write_od_config(folder, webrtc__coturn=coturn, **entries)
    conf = folder / "turnserver.conf"
    result = run_command("turnserver-conf", od_config, "--output", conf, *arguments)
    assert result.returncode == 0, result.stderr
    return conf


def check(folder: Path, conf: Path, *arguments: str) -> Tuple[int, List[Dict[str, Any]]]:
    """Return the exit status of --check, and its findings."""
    result = run_command(
        "turnserver-conf", folder / "od.config", "--check", conf, "--json", *arguments
    )
    assert result.stderr == "" or "note:" in result.stderr
    report = json.loads(result.stdout)
    return result.returncode, [*report["errors"], *report["warnings"]]


def entry(port: int, **changes: Any) -> Dict[str, Any]:
    made = {"coturn_static_auth_secret": SECRET, "url": f"{LOOPBACK}:{port}", **changes}
    return {key: value for key, value in made.items() if value is not None}


def sign(secret: bytes) -> Tuple[str, str]:
    """Return a username and a credential, by the TURN REST API's own words."""
    username = str(int(time.time()) + 600)
    digest = hmac.new(secret, username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def permissions(port: int, secret: str, *peers: str) -> Dict[str, Optional[int]]:
    """Return what CreatePermission answers for each peer: a STUN error, or None."""
    username, credential = sign(secret.encode())
    with RawClient(port) as client:
        challenge = client.request(_allocate({})).attributes
        login = {"USERNAME": username, **{name: challenge[name] for name in ("REALM", "NONCE")}}
        key = turn.make_integrity_key(username, login["REALM"], credential)

        def ask(message: stun.Message) -> Optional[int]:
            message.add_message_integrity(key)
            return error_code(client.request(message))

        assert ask(_allocate(login)) is None
        kind = stun.Method.CREATE_PERMISSION, stun.Class.REQUEST
        return {
            peer: ask(stun.Message(*kind, attributes={"XOR-PEER-ADDRESS": (peer, 9), **login}))
            for peer in peers
        }


@pytest.fixture
def single_pem(tmp_path: Path, certificate: Certificate) -> Path:
    """The key and the certificate in one file, as the document has them."""
    path = tmp_path / "turn.domain.local.pem"
    path.write_bytes(certificate.key_file.read_bytes() + certificate.cert_file.read_bytes())
    return path


def documents(folder: Path) -> Any:
    (port,) = free_ports(1)
    return entry(port, protocol="turns", ttl=3600)


def plain(folder: Path) -> Any:
    (port,) = free_ports(1)
    return entry(port, transport=["udp", "tcp"], username="userid")


def two_entries(folder: Path) -> Any:
    first, second = free_ports(2)
    return [
        entry(first, transport="udp", username="userid"),
        entry(second, protocol="turns", coturn_static_auth_secret="another-secret-of-its-own"),
    ]


def rotation(folder: Path) -> Any:
    (port,) = free_ports(1)
    return entry(port, coturn_static_auth_secret=["the-new-secret;", "the older 'secret' #1"])


def from_a_file(folder: Path) -> Any:
    (port,) = free_ports(1)
    (folder / "static").write_bytes(b"new-\xff\xfe-secret-not-unicode\nold-secret-of-the-file\n")
    changes = {"coturn_static_auth_secret_file": "static", "username": "pseudonym"}
    return entry(port, coturn_static_auth_secret=None, **changes)


def three_ports(folder: Path) -> Any:
    urls = [f"{LOOPBACK}:{port}" for port in free_ports(3)]
    return entry(0, url=urls, transport=["tcp", "udp"])


def tls_on_three_ports(folder: Path) -> Any:
    return entry(0, url=[f"{LOOPBACK}:{port}" for port in free_ports(3)], protocol="turns")


CONFIGURATIONS = [
    documents,
    plain,
    two_entries,
    rotation,
    from_a_file,
    three_ports,
    tls_on_three_ports,
]


def ports_of(coturn: Any) -> List[int]:
    entries = coturn if isinstance(coturn, list) else [coturn]
    urls = [item["url"] for item in entries]
    flat = [url for item in urls for url in (item if isinstance(item, list) else [item])]
    return [int(url.rpartition(":")[2]) for url in flat]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_generated_file_runs_a_turnserver_that_takes_every_url(
    configuration: Callable[[Path], Any], tmp_path: Path, single_pem: Path, certificate: Certificate
) -> None:
    coturn = configuration(tmp_path)
    tls = "turns" in str(coturn)
    arguments = ["--cert", str(single_pem)] if tls else []
    if (
        len(ports_of(coturn)) > 2
    ):  # with an aux-server everywhere, coturn chooses the relay's address
        arguments += ["--listening-ip", LOOPBACK]
    conf = generate(tmp_path, coturn, *arguments, webrtc__rtc_configuration=None)
    assert check(tmp_path, conf)[0] == 0
    minted = run_command("mint", tmp_path / "od.config", "--user", "alice").stdout
    urls = turn_urls(json.loads(minted))
    assert len(urls) >= len(ports_of(coturn))
    with running(conf, port=ports_of(coturn)[0]) as server:
        for url in urls:
            assert relayed_address(url, certificate.trust)[0] == LOOPBACK
        assert server.complaints() == []
        assert_a_probe_is_clean(tmp_path / "od.config", certificate)


def assert_a_probe_is_clean(od_config: Path, certificate: Certificate) -> None:
    result = run_command("probe", od_config, "--json", "--ca", certificate.authority)
    report = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert report["results"]
    assert [found["diagnoses"] for found in report["results"] if found["diagnoses"]] == []


def test_data_passes_between_two_relays_of_a_generated_file(tmp_path: Path) -> None:
    coturn = plain(tmp_path)
    conf = generate(tmp_path, coturn)
    minted = run_command("mint", tmp_path / "od.config", "--user", "alice").stdout
    url = turn_urls(json.loads(minted))[0]

    async def exchange() -> None:
        async with allocated(url) as browser, allocated(url) as desktop:
            desktop.transport.sendto(b"permit", browser.address)
            assert await browser.send_until_received(b"sound", desktop) == b"sound"

    with running(conf, port=url.port):
        asyncio.run(exchange())


DENIED = ["10.1.2.3", "127.0.0.2", "169.254.169.254", "192.168.1.1", "172.31.0.1", "100.64.0.1"]
DENIED += ["0.0.0.0", "168.63.129.16", "224.0.0.1", "255.255.255.255", "198.51.100.1"]
DENIED_V6 = ["::ffff:10.1.2.3", "::ffff:127.0.0.1", "fd00:ec2::254", "64:ff9b::a00:1", "::7f00:1"]
DENIED_V6 += ["fe80::1", "ff02::1", "2002:a00:1::", "2001:0:a00:1::", "::"]


def test_a_denied_peer_is_refused_and_another_one_is_not(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port), "--allow-peer", "10.7.0.0/16")
    with running(conf, port=port):
        answers = permissions(port, SECRET, LOOPBACK, "8.8.8.8", "10.7.3.2", *DENIED)
    assert answers == {
        LOOPBACK: None,
        "8.8.8.8": None,
        "10.7.3.2": None,
        **dict.fromkeys(DENIED, 403),
    }


def test_for_a_name_not_even_the_loopback_is_a_peer(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port, url=f"turn.domain.local:{port}"))
    with running(conf, port=port) as server:
        answers = permissions(port, SECRET, LOOPBACK, "8.8.8.8", *DENIED)
        assert ON_LOOPBACK not in server.output
    assert answers == {LOOPBACK: 403, "8.8.8.8": None, **dict.fromkeys(DENIED, 403)}


def test_ipv4_addresses_in_ipv6_are_no_way_around(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port))
    options = ("--allocation-default-address-family=ipv6", "--relay-ip=::1")
    with running(conf, *options, port=port):
        answers = permissions(port, SECRET, "2606:4700::1", "::1", *DENIED_V6)
    assert answers == {"2606:4700::1": None, "::1": 403, **dict.fromkeys(DENIED_V6, 403)}


def test_an_ipv6_url_and_a_listening_ip(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port, url=f"[::1]:{port}"), "--listening-ip", "::1")

    def listens() -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("::1", port), timeout=1).close()
            return True
        return False

    server = Running(conf)
    try:
        wait_for(lambda: server.process.poll() is not None or listens())
        assert server.complaints() == []
        assert not server.listens(port)
    finally:
        server.process.terminate()
        server.process.wait(WAIT)


def test_a_placeholder_lets_nobody_in(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    od_config = write_od_config(tmp_path, webrtc__coturn=entry(port))
    result = run_command("turnserver-conf", od_config)
    conf = tmp_path / "turnserver.conf"
    conf.write_text(result.stdout)
    with running(conf, port=port):
        for secret in (SECRET.encode(), b"", b"<secret 1 of 1>", b'"<secret 1 of 1>"'):
            assert raw_refusal(port, *sign(secret)) == 401


# coturn reads a file as this project's reader does


def bare_conf(folder: Path, port: int, *lines: bytes) -> Path:
    conf = folder / "bare.conf"
    head = f"listening-port={port}\nlistening-ip={LOOPBACK}\nno-cli\nno-tls\nno-dtls\nrealm=r\n"
    conf.write_bytes(head.encode() + b"\n".join(lines) + b"\n")
    return conf


def accepted(port: int, secret: bytes) -> bool:
    return raw_refusal(port, *sign(secret)) is None


LINES = [
    b"static-auth-secret=plain-one",
    b"  static-auth-secret plain-two  ",
    b"static-auth-secret\t= \tplain-three\t",
    b'static-auth-secret="quoted one "   ',
    b'static-auth-secret="open quote',
    b"static-auth-secret='single quotes'",
    b'static-auth-secret=quote at the end"',
    b'static-auth-secret="quote"inside',
    b"static-auth-secret=with # a comment",
    b"static-auth-secret=carriage return\r",
    b"static-auth-secret=carriage\rreturn inside",
    b"static-auth-secret=semicolon;",
    b"static-auth-secret==two equals",
    b'static-auth-secret="=equals kept"',
    b"static-auth-secret=cut\0here",
    b"static-auth-secret=vertical tab\v",
    b"static-auth-secret=" + b"l" * 1004,
    b'static-auth-secret="' + b"q" * 1002 + b'"',
]


def test_coturn_takes_the_secrets_that_the_reader_sees(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = bare_conf(tmp_path, port, *LINES)
    secrets = parse_turnserver_conf(conf.read_bytes(), "").all("static-auth-secret")
    assert len(secrets) == len(LINES)
    with running(conf, port=port):
        assert [item.line for item in secrets if not accepted(port, item.value)] == []
        assert not accepted(port, b"another")


def test_coturn_passes_over_the_lines_that_the_reader_passes_over(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    lines = [
        b"static-auth-secret:colon",
        b"Static-Auth-Secret=capitals",
        b"static_auth_secret=underscores",
        b"--static-auth-secret=dashes",
        b"\vstatic-auth-secret=vertical",
        b"#static-auth-secret=comment",
        b" \t# static-auth-secret=comment",
        b"static-auth-secret=good",
    ]
    conf = bare_conf(tmp_path, port, *lines)
    parsed = parse_turnserver_conf(conf.read_bytes(), "")
    assert [item.value for item in parsed.all("static-auth-secret")] == [b"good"]
    assert len(parsed.problems) == 5
    with running(conf, port=port):
        assert accepted(port, b"good")
        for name in (b"colon", b"capitals", b"underscores", b"dashes", b"vertical", b"comment"):
            assert not accepted(port, name)


LINE_BYTES = st.binary(min_size=1, max_size=60).filter(lambda data: b"\n" not in data)
AWKWARD = st.lists(st.sampled_from([b" ", b"=", b'"', b"'", b"\t", b";", b"#", b"a", b"\\", b"\r"]))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE_BYTES | AWKWARD.map(b"".join), min_size=20, max_size=40))
def test_coturn_agrees_on_any_bytes(tmp_path: Path, values: List[bytes]) -> None:
    # The number makes every secret one of a kind, so that no other line lets it in.
    raw = [b"static-auth-secret=%b-%d-%b" % (v, n, v[::-1]) for n, v in enumerate(values)]
    safe = [v + b"/%d" % n for n, v in enumerate(values) if b"\0" not in v and b"\r" not in v]
    lines = [*raw, *(b"static-auth-secret=" + quoted(value) for value in safe)]
    (port,) = free_ports(1)
    conf = bare_conf(tmp_path, port, *lines)
    parsed = parse_turnserver_conf(conf.read_bytes(), "").all("static-auth-secret")
    assert [item.value for item in parsed][len(raw) :] == safe
    with running(conf, port=port):
        refused = [item.line for item in parsed if not accepted(port, item.value)]
    assert refused == []


def test_every_option_in_coturns_own_help_is_known() -> None:
    program = require_program("turnserver", "coturn")
    text = subprocess.run((program, "-h"), capture_output=True, text=True, check=False).stdout
    names = set(re.findall(r"^ (?:-\w,? ?)?(?:, )?\s*--([A-Za-z0-9_-]+)", text, re.MULTILINE))
    assert len(names) > 80
    assert names - set(OPTIONS) <= {"version"}


# what --check says is what coturn does


def anybody(port: int) -> bool:
    """Say whether an Allocate without any login is taken."""
    with RawClient(port) as client:
        return error_code(client.request(_allocate({}))) is None


OPEN: Dict[str, Tuple[List[bytes], str, str]] = {
    "no-auth=no after it": ([b"no-auth=no"], "no-auth", "turns every login off"),
    "lt-cred-mech=no after it": ([b"lt-cred-mech=no"], "lt-cred-mech", "turns every login off"),
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
    status, findings = check(tmp_path, conf)
    assert status == 1
    return [item["message"] for item in findings if item["path"] == name]


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
    assert "holds every IPv4 address" in find(tmp_path, conf, "denied-peer-ip")[0]
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
    assert "nothing is left" in " ".join(find(tmp_path, conf, "allowed-peer-ip"))
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
    """Every way to both ports, tried for real, against what the check says of that url."""
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
                # A way that is said to be open gets the time that a slow machine needs.
                real[way] = answers(coturn, certificate, WAIT if said[way] else 2.0)
    finally:
        server.process.terminate()
        server.process.wait(WAIT)
    assert said == real


def answers(coturn: Any, certificate: Certificate, seconds: float = WAIT) -> bool:
    """Say whether the one url of a ``webrtc.coturn`` gives an allocation in this time."""
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
        return asyncio.run(limited())
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
