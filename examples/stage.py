"""What more than one example puts up: a coturn, a user of pyos, and programs that end again."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional


@contextmanager
def running_coturn(folder: Path, port: int, *secrets: str) -> Iterator[None]:
    """Run a coturn that knows these secrets; what it writes goes into `folder`."""
    lines = {
        "listening-ip": "127.0.0.1",
        "relay-ip": "127.0.0.1",
        "listening-port": port,
        "realm": "example",
        "pidfile": folder / "turnserver.pid",
        "log-file": folder / "turnserver.log",
    }
    switches = ["use-auth-secret", "no-tls", "no-dtls", "no-cli", "allow-loopback-peers"]
    secret_lines = [f'static-auth-secret="{secret}"' for secret in secrets]
    config = folder / "turnserver.conf"
    config.write_text(
        "\n".join([*(f"{k}={v}" for k, v in lines.items()), *secret_lines, *switches]) + "\n"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running([program("turnserver"), "-c", str(config)], **quiet):
        yield


@contextmanager
def running(command: List[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program, and end it at the end."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def program(name: str) -> str:
    """Return the path of a program; Debian has servers where only root looks."""
    return str(shutil.which(name, path=os.environ["PATH"] + ":/usr/bin:/usr/sbin"))


def make_user(folder: Path) -> bytes:
    """Write the token that pyos would sign for a user, and return pyos's public key, PEM."""
    import jwt
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = int(time.time())
    claims = {"exp": now + 3600, "nbf": now, "auth": {}, "roles": [], "user": {"userid": "alice"}}
    (folder / "token").write_text(jwt.encode(claims, key, algorithm="RS256"))
    return key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)


async def open_allocation(port: int, server: Dict[str, str]) -> Any:
    """Return the relayed address of an allocation over UDP."""
    from aioice.turn import create_turn_endpoint

    transport, _ = await create_turn_endpoint(
        asyncio.DatagramProtocol,
        ("127.0.0.1", port),
        username=server["username"],
        password=server["credential"],
    )
    relayed = transport.get_extra_info("sockname")
    transport.close()
    await asyncio.sleep(0.1)  # for the request that gives the allocation back
    return relayed


def wait_unless(once: bool) -> None:
    """Wait for Ctrl-C, or don't."""
    if not once:
        print("Ctrl-C ends it.", flush=True)
        signal.pause()


def free_port() -> int:
    """Return a TCP port of loopback that is free, and that Linux gives to no connection."""
    ports = random.sample(range(20000, 32768), 100)
    return next(port for port in ports if not bind_fault("127.0.0.1", port))


def bind_fault(host: str, port: int) -> Optional[str]:
    """Return why a TCP port can't be listened on; None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return None


def own_address() -> Optional[str]:
    """Return the address with which this machine reaches others; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # only chooses a route; nothing is sent
        except OSError:
            return None
        return str(probe.getsockname()[0])
