"""The rules of ``turnserver-conf --firewall``: what relays reach with and without them.

coturn runs with the file that the command writes, on a machine with addresses as the Internet has
them, and with a UDP service on every address.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence

import pytest

from abcwebrtc import mint_turn_credentials
from conftest import ROOT, missing, require_program
from integration.cloud import CLIENT as CLOUD_CLIENT
from integration.cloud import PRIVATE, PUBLIC, put_behind_nat
from integration.generated import SECRET, Coturn
from integration.netns import INTERFACE, Namespace, ip, required_pair
from integration.turn import Certificate, make_certificate
from support import WAIT, environment, run_command, wait_for, write_od_config

PORT, SERVICE = 3478, 5000
SERVER, CLIENT = {4: "11.0.0.20", 6: "2a01:1::20"}, {4: CLOUD_CLIENT, 6: "2a01:1::9"}
USER = "turnserver"

SERVES = f"""
import socket
service = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
service.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
service.bind(("::", {SERVICE}))
while True:
    _, address = service.recvfrom(2000)
    service.sendto(b"the service", address)
"""
ASKS = f"""
import socket, sys
host, port, own = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET

def asking(own):
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind(("", own))
    made.sendto(b"hello", (host, port))
    return made

with asking(own) as first, asking({PORT + 1}) as second:
    second.settimeout({WAIT})
    second.recv(2000)  # the service has answered the first one by then, or never does
    first.setblocking(False)
    print(first.recv(2000).decode())
"""


class Machine:
    """coturn's machine, and a client outside; every user can enter the folder."""

    def __init__(self, server: Namespace, client: Namespace, folder: Path) -> None:
        self.server, self.client, self.folder = server, client, folder
        self.certificate: Certificate = make_certificate(folder, *SERVER.values(), PUBLIC)

    def join(self) -> None:
        """Give both their addresses, and link them."""
        link = f"link add {INTERFACE} type veth peer name {INTERFACE} netns {self.client.pid}"
        ip(self.server, link)
        for where, own in ((self.server, SERVER), (self.client, CLIENT)):
            ip(
                where,
                f"link set {INTERFACE} addrgenmode none",
                f"addr add {own[4]}/24 dev {INTERFACE}",
                f"addr add {own[6]}/64 dev {INTERFACE} nodad",
                *("link set lo up", f"link set {INTERFACE} up"),
            )

    def conf(self, host: str, coturn: Coturn, *addresses: str) -> Path:
        """Write a turnserver.conf for a server that clients see at an address.

        That is the one at which it listens, where no options say which `addresses` it has.
        """
        url = f"[{host}]" if ":" in host else host
        entry = {"coturn_static_auth_secret": SECRET, "url": f"{url}:{PORT}", "protocol": "turns"}
        self.od_config = write_od_config(self.folder, webrtc__coturn=entry)
        conf = self.folder / "turnserver.conf"
        files = ("--cert", self.certificate.cert_file, "--key", self.certificate.key_file)
        addresses = addresses or ("--listening-ip", host)
        made = run_command(
            *("turnserver-conf", self.od_config, "--output", conf, *files, *addresses),
            *coturn.options,
        )
        assert made.returncode == 0, made.stderr
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, USER, USER)
        return conf

    @contextlib.contextmanager
    def started(self, *words: object) -> Iterator["subprocess.Popen[bytes]"]:
        log = self.folder / "log"
        with open(log, "ab") as stream:
            process = subprocess.Popen(
                self.server.command(*words),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        with process:
            try:
                yield process
            finally:
                process.terminate()
        print(log.read_text(errors="replace")[-3000:])

    @contextlib.contextmanager
    def running(self, conf: Path, coturn: Coturn, user: str, *more: str) -> Iterator[None]:
        """Run coturn and the service."""
        addresses = re.findall(r"(?m)^listening-ip=(.+)$", conf.read_text())
        places = list(itertools.product(("udp", "tcp"), addresses or [PRIVATE], [PORT]))
        files = (f"--{name}={self.folder / name}" for name in ("pidfile", "userdb"))
        turnserver = (coturn.program, "-c", conf, "--log-file=stdout", *files, *more)
        with contextlib.ExitStack() as stack:
            started = stack.enter_context(self.started(*as_user(user), *turnserver))
            stack.enter_context(self.started(sys.executable, "-c", SERVES))

            def listens() -> bool:
                return all(self.server.listens_at(*place) for place in places)

            wait_for(lambda: listens() or started.poll() is not None)
            wait_for(lambda: self.server.listens("udp6", SERVICE))
            yield

    def reached(self, host: str, peer: str = "") -> Dict[str, Any]:
        """Return what relays reach, for each transport of their client.

        The service is asked at a `peer`, where that is another address than the server's `host`.
        """
        minted = mint_turn_credentials(SECRET, 600)
        told = {
            "host": host,
            "here": CLIENT[6 if ":" in host else 4],
            "peer": peer or host,
            "service": SERVICE,
            "username": minted.username,
            "credential": minted.password,
            "authority": str(self.certificate.authority),
        }
        python_path = os.pathsep.join((environment()["PYTHONPATH"], str(ROOT / "tests")))
        result = self.client.run(
            *(sys.executable, "-m", "integration.relayed_to", json.dumps(told)),
            env=environment(PYTHONPATH=python_path),
            check=False,
            timeout=4 * WAIT,
        )
        print(result.stdout, result.stderr)
        found: Dict[str, Any] = json.loads(result.stdout)
        return found

    def load(self, *options: str) -> None:
        """Load the rules as the page says, twice: the second time they replace the first."""
        made = run_command("turnserver-conf", self.od_config, "--firewall", *options)
        assert (made.returncode, made.stderr) == (0, "")
        for _ in range(2):
            self.server.run(require_program("nft", "nftables"), "-f", "-", input=made.stdout)

    def asks(self, user: str, host: str, port: int, own: int) -> str:
        """Return what a program of a user hears that asks a port of this machine from another."""
        words = (*as_user(user), sys.executable, "-c", ASKS, host, port, own)
        return self.server.run(*words, check=False).stdout.strip()


def as_user(user: str) -> Sequence[str]:
    if user == "root":
        return ()
    setpriv = require_program("setpriv", "util-linux")
    ends = "--pdeathsig=KILL"  # which becoming another user takes away
    return (setpriv, f"--reuid={user}", f"--regid={user}", "--clear-groups", ends)


@pytest.fixture
def machine() -> Iterator[Machine]:
    if os.geteuid():
        missing("only root can run coturn as another user")
    with tempfile.TemporaryDirectory() as name, required_pair() as (server, client):
        folder = Path(name)
        folder.chmod(0o755)
        yield Machine(server, client, folder)


PORTS = "--relay-ports=50000-50499"
OPEN = {"service": "the service", "outside": "the outside", "relay": "sound"}
SHUT = {**OPEN, "service": None}
WAYS = ("udp", "tcp", "tls")


@pytest.mark.parametrize("version", [4, 6])
def test_a_service_is_reached_until_the_rules_are_loaded(
    machine: Machine, each_coturn: Coturn, version: int
) -> None:
    """A relay that tried it still works: to other relays of this machine, and to the outside."""
    machine.join()
    host = SERVER[version]
    conf = machine.conf(host, each_coturn)
    with machine.running(conf, each_coturn, USER):
        assert machine.reached(host) == dict.fromkeys(WAYS, OPEN)
        machine.load(PORTS)
        assert machine.reached(host) == dict.fromkeys(WAYS, SHUT)


@pytest.mark.parametrize("host", [PUBLIC, PRIVATE])
def test_behind_nat_both_addresses_are_the_machines_own(
    machine: Machine, each_coturn: Coturn, host: str
) -> None:
    put_behind_nat(machine.server, machine.client)
    conf = machine.conf(PUBLIC, each_coturn, "--external-ip", f"{PUBLIC}/{PRIVATE}")
    with machine.running(conf, each_coturn, USER):
        before = machine.reached(PUBLIC, host)
        machine.load(PORTS)
        after = machine.reached(PUBLIC, host)
    assert [before[way]["service"] for way in WAYS] == ["the service"] * len(WAYS)
    assert after == {way: {**found, "service": None} for way, found in before.items()}


@pytest.mark.parametrize(
    ("more", "expected"),
    [(["--proc-user=turnserver", "--proc-group=turnserver"], SHUT), ([], OPEN)],
)
def test_a_coturn_that_stays_root_is_not_covered(
    machine: Machine, each_coturn: Coturn, more: Sequence[str], expected: Any
) -> None:
    machine.join()
    conf = machine.conf(SERVER[4], each_coturn)
    with machine.running(conf, each_coturn, "root", *more):
        machine.load(PORTS)
        assert machine.reached(SERVER[4]) == dict.fromkeys(WAYS, expected)


def test_the_rules_touch_nothing_else(machine: Machine) -> None:
    machine.join()
    write_od_config(machine.folder)
    machine.od_config = machine.folder / "od.config"
    machine.load(PORTS, "--user", USER)
    resolver = SERVES.replace(str(SERVICE), "53")
    with machine.started(sys.executable, "-c", SERVES), machine.started(
        sys.executable, "-c", resolver
    ):
        for port in (SERVICE, 53):
            wait_for(lambda port=port: machine.server.listens("udp6", port))
        for version, loopback in ((4, "127.0.0.1"), (6, "::1")):
            own = SERVER[version]
            # What coturn's user sends from a relay's port, except a query to a resolver.
            assert machine.asks(USER, own, SERVICE, 50001) == ""
            assert machine.asks(USER, loopback, SERVICE, 50001) == ""
            assert machine.asks(USER, own, 53, 50001) == ""
            assert machine.asks(USER, loopback, 53, 50001) == "the service"
            # From another port, and what others send.
            assert machine.asks(USER, own, SERVICE, PORT) == "the service"
            assert machine.asks("root", own, SERVICE, 50001) == "the service"
