"""A real coturn, and a client that uses an rtc_configuration as a browser does."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    AsyncIterator,
    Coroutine,
    Dict,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

import trustme
from aioice import stun, turn

from support import WAIT, wait_for

LOOPBACK = "127.0.0.1"
REALM = "turn.domain.local"
LIFETIME = 600

_CHANCE = random.SystemRandom()  # Hypothesis sets the other one back before each example
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_OWN = range(20000 + _WORKER, 32768, _WORKERS)
_PORTS = itertools.cycle(_CHANCE.sample(_OWN, len(_OWN)))
_URL = re.compile(
    r"(?P<scheme>turns?):(?P<host>[^:?]+)(?::(?P<port>\d+))?(?:\?transport=(?P<transport>\w+))?"
)


# the server


@dataclass(frozen=True)
class Certificate:
    """A certificate, its issuer's certificate, and a context that trusts the issuer."""

    cert_file: Path
    key_file: Path
    authority: Path
    trust: ssl.SSLContext


def make_certificate(folder: Path, *names: str) -> Certificate:
    """Write a certificate for these names and addresses, by default loopback's."""
    authority = trustme.CA()
    issued = authority.issue_cert(*(names or (LOOPBACK, "localhost", REALM)))
    cert_file, key_file = folder / "turn.pem", folder / "turn.key"
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    cert_file.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key_file.write_bytes(issued.private_key_pem.bytes())
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return Certificate(cert_file, key_file, authority_file, trust)


class Turnserver:
    """A running turnserver: `port` is its listening-port, `tls_port` its tls-listening-port."""

    def __init__(
        self,
        program: str,
        folder: Path,
        certificate: Certificate,
        secrets: Sequence[str],
        options: Sequence[str] = (),
    ) -> None:
        self.port, self.tls_port = free_ports(2)
        self.trust = certificate.trust
        self._log = folder / f"turnserver-{self.port}.log"
        conf = folder / f"turnserver-{self.port}.conf"
        conf.write_text(self._conf(folder, certificate, secrets, options), encoding="utf-8")
        with open(self._log, "wb") as stream:
            self.process = subprocess.Popen(
                (program, "-c", str(conf)),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def _conf(
        self,
        folder: Path,
        certificate: Certificate,
        secrets: Sequence[str],
        options: Sequence[str],
    ) -> str:
        first_relay_port = _CHANCE.randrange(61000, 64800)
        lines = [
            f"listening-ip={LOOPBACK}",
            f"relay-ip={LOOPBACK}",
            f"listening-port={self.port}",
            f"tls-listening-port={self.tls_port}",
            f"min-port={first_relay_port}",
            f"max-port={first_relay_port + 400}",
            "no-cli",
            "log-file=stdout",
            f"pidfile={folder}/turnserver-{self.port}.pid",
            f"userdb={folder}/turnserver-{self.port}.db",
            "allow-loopback-peers",
            "use-auth-secret",
            f"realm={REALM}",
            f"server-name={REALM}",
            f"cert={certificate.cert_file}",
            f"pkey={certificate.key_file}",
            *(f'static-auth-secret="{secret}"' for secret in secrets),
            *options,
        ]
        return "\n".join(lines) + "\n"

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self) -> None:
        wait_for(lambda: self.process.poll() is not None or self._answers())
        assert self.process.poll() is None, self.output

    def _answers(self) -> bool:
        """Return whether both ports accept TCP and the first one answers a Binding over UDP."""
        try:
            for port in (self.port, self.tls_port):
                socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            return False
        return answers_udp(self.port)

    def stop(self) -> int:
        """Send SIGTERM, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(WAIT)


def free_ports(number: int) -> List[int]:
    """Return ports that are free for UDP and TCP, and are given to no other test.

    They are below those that Linux gives to connections, one of which could be there first, and
    above those of the examples. Whom a port was given to may listen at it only later.
    """
    return list(itertools.islice(filter(is_free, _PORTS), number))


def is_free(port: int) -> bool:
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as held, contextlib.suppress(OSError):
        for kind in kinds:
            held.enter_context(socket.socket(socket.AF_INET, kind)).bind((LOOPBACK, port))
        return True
    return False


def answers_udp(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a STUN Binding over UDP is answered within a second."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
        udp.settimeout(1)
        udp.connect((host, port))
        udp.send(bytes(request))
        return stun.parse_message(udp.recv(4096)).transaction_id == request.transaction_id
    return False


# what a browser reads in an RTCConfiguration


@dataclass(frozen=True)
class TurnUrl:
    """A parsed url of a TURN server, with its login."""

    host: str
    port: int
    transport: str
    tls: bool
    username: str
    credential: str


def turn_urls(rtc_configuration: Mapping[str, Any]) -> List[TurnUrl]:
    """Return the TURN urls of an RTCConfiguration, in order."""
    return [
        _turn_url(url, server)
        for server in rtc_configuration["iceServers"]
        for url in ([server["urls"]] if isinstance(server["urls"], str) else server["urls"])
        if url.startswith("turn")
    ]


def _turn_url(url: str, server: Mapping[str, str]) -> TurnUrl:
    match = _URL.fullmatch(url)
    assert match, url
    tls = match["scheme"] == "turns"
    port = int(match["port"] or (5349 if tls else 3478))
    transport = match["transport"] or ("tcp" if tls else "udp")
    return TurnUrl(match["host"], port, transport, tls, server["username"], server["credential"])


# allocations


class Relay(asyncio.DatagramProtocol):
    """An allocation; what peers send to its relayed address is in `received`."""

    def __init__(self) -> None:
        self.received: "asyncio.Queue[bytes]" = asyncio.Queue()
        self.closed = asyncio.Event()
        self.transport: Any = None

    @property
    def address(self) -> Tuple[str, int]:
        address: Tuple[str, int] = self.transport.get_extra_info("sockname")
        return address

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.closed.set()

    def datagram_received(self, data: Any, addr: Any) -> None:
        self.received.put_nowait(data)

    async def send_until_received(self, data: bytes, other: Relay) -> bytes:
        """Send to another allocation until it gets the datagram: UDP loses some."""
        for _ in range(int(WAIT / 0.2)):
            self.transport.sendto(data, other.address)
            with contextlib.suppress(asyncio.TimeoutError):
                return await asyncio.wait_for(other.received.get(), 0.2)
        raise AssertionError("nothing came through the relay")


@contextlib.asynccontextmanager
async def allocated(url: TurnUrl, trust: Optional[ssl.SSLContext] = None) -> AsyncIterator[Relay]:
    """Hold an allocation; a refusal is aioice's `TransactionFailed`."""
    transport, relay = await turn.create_turn_endpoint(
        Relay,
        (url.host, url.port),
        username=url.username,
        password=url.credential,
        lifetime=LIFETIME,
        ssl=trust if url.tls else None,
        transport=url.transport,
    )
    try:
        yield relay
    finally:
        transport.close()
        await asyncio.wait_for(relay.closed.wait(), WAIT)


Result = TypeVar("Result")


def run_client(client: Coroutine[Any, Any, Result]) -> Result:
    """Run an aioice client, which ends before its TLS is closed.

    The socket that is left would be a warning in whatever test comes when it is collected.
    """
    try:
        return asyncio.run(client)
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def relayed_address(url: TurnUrl, trust: Optional[ssl.SSLContext] = None) -> Tuple[str, int]:
    """Make an allocation, free it, and return its address."""

    async def run() -> Tuple[str, int]:
        async with allocated(url, trust) as relay:
            return relay.address

    return run_client(run())


async def refused(url: TurnUrl, trust: Optional[ssl.SSLContext] = None) -> Optional[int]:
    """Return the STUN error that refuses aioice, or None."""
    try:
        async with allocated(url, trust):
            return None
    except stun.TransactionFailed as error:
        return error_code(error.response)


def error_code(answer: stun.Message) -> Optional[int]:
    """Return the STUN error in an answer, or None.

    aioice 0.9 has no property for it.
    """
    found = answer.attributes.get("ERROR-CODE")
    return None if found is None else int(found[0])


def refusal(url: TurnUrl, trust: Optional[ssl.SSLContext] = None) -> Optional[int]:
    """Do what `refused` does."""
    return run_client(refused(url, trust))


class RawClient:
    """A TURN client over TCP that shows every answer, even without integrity.

    aioice drops a 400 that is not signed and goes on asking until its timeout.
    """

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        self._socket = socket.create_connection((host, port), timeout=WAIT)
        self._stream = self._socket.makefile("rb")

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._socket.close()

    def request(self, message: stun.Message) -> stun.Message:
        self._socket.sendall(bytes(message))
        head = self._stream.read(20)
        answer = stun.parse_message(head + self._stream.read(int.from_bytes(head[2:4], "big")))
        assert answer.transaction_id == message.transaction_id
        return answer

    def allocate(self, username: str, credential: str) -> Optional[int]:
        """Return the STUN error that an Allocate gets, or None if it succeeds."""
        challenge = self.request(_allocate({})).attributes
        login = {name: challenge[name] for name in ("REALM", "NONCE")}
        message = _allocate({"USERNAME": username, **login})
        message.add_message_integrity(turn.make_integrity_key(username, login["REALM"], credential))
        return error_code(self.request(message))


def _allocate(attributes: Dict[str, Any]) -> stun.Message:
    fixed = {"LIFETIME": LIFETIME, "REQUESTED-TRANSPORT": turn.UDP_TRANSPORT}
    return stun.Message(
        stun.Method.ALLOCATE, stun.Class.REQUEST, attributes={**fixed, **attributes}
    )


def raw_refusal(port: int, username: str, credential: str) -> Optional[int]:
    """Return the STUN error that coturn gives for a login, or None if it accepts it."""
    with RawClient(port) as client:
        return client.allocate(username, credential)


def sleep_until(moment: float) -> None:
    """Sleep until the clock shows `moment`, in unix seconds."""
    while time.time() < moment:
        time.sleep(min(0.1, max(0.0, moment - time.time())))
