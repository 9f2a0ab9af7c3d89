"""A coturn that runs with a turnserver.conf from `turnserver-conf`, and its log."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from aioice import stun, turn

from abcwebrtc.coturn.options import CoturnVersion
from conftest import require_program
from integration.turn import LOOPBACK, RawClient, _allocate, error_code, raw_refusal
from support import WAIT, listens, run_command, wait_for, write_od_config

SECRET = "the-static-auth-secret-of-coturn"
COMPLAINTS = re.compile(r"WARN|ALERT|ERROR|Bad configuration|cannot|Check config", re.IGNORECASE)
ON_LOOPBACK = "allow_loopback_peers opens a possible security vulnerability"
EXPECTED = (
    *(ON_LOOPBACK, "DEPRECATED: --rfc3489-compatibility"),
    *("NO EXPLICIT", "file not found or not readable"),
)
"""What every coturn of a trial says; what a newer one says of a line that desktops need, and
whenever it listens everywhere, or has no certificate though no-tls is set."""


class Coturn(NamedTuple):
    """A program, and the version that it reports."""

    program: str
    version: CoturnVersion

    @property
    def options(self) -> List[str]:
        """The version, and few relay ports, since a newer coturn prepares them one by one."""
        return [f"--coturn={self.version}", "--relay-ports=50000-50499"]


class Running:
    """A turnserver that runs with an unchanged turnserver.conf.

    It is the machine's own, where no other `program` is given, such as `newest_turnserver()`.
    """

    def __init__(self, conf: Path, *arguments: str, program: Optional[str] = None) -> None:
        program = program or require_program("turnserver", "coturn")
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

    def complaints(self) -> List[str]:
        lines = self.output.splitlines()
        return [
            line
            for line in lines
            if COMPLAINTS.search(line) and not any(part in line for part in EXPECTED)
        ]


@contextlib.contextmanager
def running(
    conf: Path,
    *arguments: str,
    port: Optional[int] = None,
    host: str = LOOPBACK,
    program: Optional[str] = None,
) -> Iterator[Running]:
    """Run a turnserver until it listens on `port`, over UDP too, or, without one, ends."""
    server = Running(conf, *arguments, program=program)

    # That of TLS may have no UDP.
    with_udp = b"listening-port=%d" % (port or 0) in conf.read_bytes().splitlines()

    def is_ready() -> bool:
        return port is not None and listens(host, port) and (is_bound(port) or not with_udp)

    try:
        wait_for(lambda: server.process.poll() is not None or is_ready())
        yield server
    finally:
        server.process.terminate()
        server.process.wait(WAIT)
        print(server.output)  # pytest shows it when the test fails


def is_bound(port: int) -> bool:
    """Return whether a UDP socket of this machine is bound to the port."""
    tables = [Path(f"/proc/net/{name}").read_text() for name in ("udp", "udp6")]
    return any(re.search(f"(?m)^ *\\d+: [0-9A-F]+:{port:04X} ", table) for table in tables)


def generate(folder: Path, coturn: Any, *arguments: str, **entries: Any) -> Path:
    """Return the turnserver.conf that the command writes for a ``webrtc.coturn``."""
    od_config = write_od_config(folder, webrtc__coturn=coturn, **entries)
    conf = folder / "turnserver.conf"
    result = run_command("turnserver-conf", od_config, "--output", conf, *arguments)
    assert result.returncode == 0, result.stderr
    return conf


def check(folder: Path, conf: Path, *arguments: str) -> Tuple[int, List[Dict[str, Any]]]:
    """Return the exit status of --check, and its problems."""
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
    """Return a username and a credential, as the TURN REST API defines them."""
    username = str(int(time.time()) + 600)
    digest = hmac.new(secret, username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def permissions(
    port: int, secret: str, *peers: str, host: str = LOOPBACK
) -> Dict[str, Optional[int]]:
    """Return what CreatePermission answers for each peer: a STUN error, or None."""
    username, credential = sign(secret.encode())
    with RawClient(port, host) as client:
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


def answers_classic_stun(port: int) -> bool:
    """Return whether a Binding without the magic cookie, as libnice sends it, is answered.

    An Allocate and a usual Binding are asked after it. coturn answers at least one of them, and
    takes what a client sends in its order, so an answer to the first would have come before.
    """
    classic = bytes(range(16))
    kinds = (stun.Method.ALLOCATE, stun.Method.BINDING)
    after = [bytes(stun.Message(kind, stun.Class.REQUEST)) for kind in kinds]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((LOOPBACK, port))
        client.settimeout(WAIT)
        for message in (b"\0\1\0\0" + classic, *after):
            client.send(message)
        answer = client.recv(1024)
    return answer[:2] == b"\1\1" and answer[4:20] == classic


# coturn reads a file as this project's reader does


def bare_conf(folder: Path, port: int, *lines: bytes) -> Path:
    conf = folder / "bare.conf"
    head = f"listening-port={port}\nlistening-ip={LOOPBACK}\nno-cli\nno-tls\nno-dtls\nrealm=r\n"
    conf.write_bytes(head.encode() + b"\n".join(lines) + b"\n")
    return conf


def accepted(port: int, secret: bytes) -> bool:
    return raw_refusal(port, *sign(secret)) is None
