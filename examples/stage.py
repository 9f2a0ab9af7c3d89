"""What several examples need: a coturn, a user of pyos, and programs that end with them."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

SECONDS = 60


def options_parser(about: str) -> argparse.ArgumentParser:
    """Return a parser of the options that most examples have; `about` explains them."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8080, help=argparse.SUPPRESS)
    parser.add_argument("--apt", action="store_true", help=argparse.SUPPRESS)
    return parser


@contextmanager
def running_coturn(folder: Path, port: int, *secrets: str) -> Iterator[None]:
    """Run a coturn that accepts these secrets; its files are in `folder`."""
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
    """Run a program, and terminate it at the end."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def program(name: str) -> str:
    """Return the path of a program; Debian has servers in folders that only root's PATH has."""
    return str(shutil.which(name, path=os.environ["PATH"] + ":/usr/bin:/usr/sbin"))


def make_user(folder: Path) -> bytes:
    """Write the token that pyos would sign for a user; return pyos's public key as PEM."""
    key, tokens = sign_in(["alice"])
    (folder / "token").write_text(tokens["alice"])
    return key


def sign_in(userids: Sequence[str]) -> Tuple[bytes, Dict[str, str]]:
    """Return a public key of pyos as PEM, and the token that pyos would sign for each user."""
    import jwt
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = int(time.time())
    claims = {"exp": now + 24 * 3600, "nbf": now, "auth": {}, "roles": []}
    tokens = {
        userid: jwt.encode({**claims, "user": {"userid": userid}}, key, algorithm="RS256")
        for userid in userids
    }
    form = pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form), tokens


def call(url: str, token: str, body: Optional[Dict[str, Any]] = None) -> Any:
    """Post JSON as abcdesktop's browser client does, and return the answer."""
    headers = {"ABCAuthorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body or {}).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


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
    await asyncio.sleep(0.1)  # for the request that releases the allocation
    return relayed


def show_end(what_runs: Sequence[str], to_try: Sequence[str], link: str = "") -> None:
    """Print what an example ends with: what runs, what to try, and a link to open."""
    print("\nThis is running:\n")
    for line in what_runs:
        print(f"  {line}")
    print("\nTry in another terminal, in this folder:\n")
    for line in to_try:
        print(f"  {line}")
    if link:
        print(f"\nOpen in a browser on this machine:\n\n  {link}")
    print(flush=True)


def abcwebrtc() -> str:
    """Return the command line of the abcwebrtc that runs here, to type in this folder."""
    script = Path(sys.executable).with_name("abcwebrtc")
    if script.exists():
        return os.path.relpath(script)
    return f"{os.path.relpath(sys.executable)} -m abcwebrtc"


def curl(url: str, token: Path) -> List[str]:
    """Return the command that asks for an rtc_configuration with curl, if that is installed."""
    if not shutil.which("curl"):
        return []
    return [
        f'curl -s -H "ABCAuthorization: Bearer $(cat {os.path.relpath(token)})" '
        f"-H 'Content-Type: application/json' -d '{{}}' {url}"
    ]


def wait_unless(once: bool) -> None:
    """Wait for Ctrl-C, unless the example runs only once."""
    if not once:
        print("Ctrl-C ends it.", flush=True)
        signal.pause()


def free_port() -> int:
    """Return a free TCP port of loopback, outside of the range for outgoing connections."""
    ports = random.sample(range(10000, 20000), 100)
    return next(port for port in ports if not bind_fault("127.0.0.1", port))


def bind_fault(host: str, port: int) -> Optional[str]:
    """Return why it is impossible to listen on a TCP port, or None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return None


def listens(host: str, port: int) -> bool:
    """Return whether a program listens on a TCP port."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def wait_for(condition: Callable[[], Any], logs: Path) -> Any:
    """Return the value of a condition once it is true; `logs` is where to look if it never is."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    sys.exit(f"nothing happened for {SECONDS} seconds; the logs are in {os.path.relpath(logs)}")


def own_address() -> Optional[str]:
    """Return this machine's address in its network; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # only selects a route; sends nothing
        except OSError:
            return None
        return str(probe.getsockname()[0])
