"""The main job: od.config in, an rtc_configuration that coturn accepts out.

    python3 examples/01-first-call/run.py

makes the keys that od.config names, starts `abcwebrtc serve` on it, makes the
call of abcdesktop's browser client, and shows how to make it with curl. Where
coturn is installed it is started as well, and the credential opens a real
allocation on it. Ctrl-C ends it all.

--once    end after the call
--port N  where to serve (8080)
--apt     install Debian packages that are missing (python3-venv, coturn)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import bootstrap  # noqa: E402

RUN = HERE / "run"
TURN_PORT = 34780
ENDPOINT = "/API/webrtc/coturn_rtcconfiguration"


def main() -> None:
    """Do what the module says."""
    options = parse_options()
    bootstrap.enter_venv("probe", ["abcwebrtc", "aioice"], options.apt)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    has_coturn = bootstrap.install_debian_packages(["coturn"], options.apt)
    make_keys()
    try:
        with running_coturn(has_coturn), running_serve(options.port) as base_url:
            answer = call(base_url)
            show(answer, base_url)
            if has_coturn:
                allocate(answer["result"]["iceServers"][-1])
            wait_unless(options.once)
    except KeyboardInterrupt:
        print()


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=8080, help=argparse.SUPPRESS)
    parser.add_argument("--apt", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_keys() -> None:
    """Make coturn's secret, pyos's key pair, and the token that pyos would sign."""
    import jwt
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    now = int(time.time())
    claims = {"exp": now + 3600, "nbf": now, "auth": {}, "roles": [], "user": {"userid": "alice"}}
    RUN.mkdir(mode=0o700, exist_ok=True)
    (RUN / "turn_secret").write_text(secrets.token_urlsafe(32) + "\n")
    (RUN / "user_public_key.pem").write_bytes(public)
    (RUN / "token").write_text(jwt.encode(claims, key, algorithm="RS256"))


@contextmanager
def running_coturn(has_coturn: bool) -> Iterator[None]:
    """Run a coturn that knows the secret, where there is one."""
    if not has_coturn:
        print("without coturn the credential is shown, but not tried")
        yield
        return
    lines = {
        "listening-ip": "127.0.0.1",
        "relay-ip": "127.0.0.1",
        "listening-port": TURN_PORT,
        "realm": "example",
        "static-auth-secret": (RUN / "turn_secret").read_text().strip(),
        "pidfile": RUN / "turnserver.pid",
        "log-file": RUN / "turnserver.log",
    }
    switches = ["use-auth-secret", "no-tls", "no-dtls", "no-cli", "allow-loopback-peers"]
    config = RUN / "turnserver.conf"
    config.write_text("\n".join([*(f"{k}={v}" for k, v in lines.items()), *switches]) + "\n")
    turnserver = shutil.which("turnserver", path=os.environ["PATH"] + ":/usr/bin:/usr/sbin")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running([str(turnserver), "-c", str(config)], **quiet):
        yield


@contextmanager
def running_serve(port: int) -> Iterator[str]:
    """Run `abcwebrtc serve` on the od.config beside this file; give its base URL."""
    command = [sys.executable, "-m", "abcwebrtc", "serve", str(HERE / "od.config")]
    with running([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        if "serving on" not in line:
            sys.exit("abcwebrtc serve did not start, see above")
        yield line.split()[-1]


@contextmanager
def running(command: List[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """Run a program, and end it at the end."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def call(base_url: str) -> Dict[str, Any]:
    """Make the call of abcdesktop's browser client, and return its answer."""
    headers = {
        "ABCAuthorization": "Bearer " + (RUN / "token").read_text(),
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(base_url + ENDPOINT, b"{}", headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def show(answer: Dict[str, Any], base_url: str) -> None:
    """Print the answer, and how to get it with curl."""
    print(json.dumps(answer, indent=2))
    token = os.path.relpath(RUN / "token")
    print("\nThe same with curl, while this runs:\n")
    print(
        f'  curl -s -H "ABCAuthorization: Bearer $(cat {token})" '
        f"-H 'Content-Type: application/json' -d '{{}}' {base_url}{ENDPOINT}\n"
    )


def allocate(server: Dict[str, str]) -> None:
    """Use the credential as a browser does: open an allocation on coturn."""
    relayed = asyncio.run(open_allocation(server))
    print(f"coturn accepted the credential and relays at {relayed[0]}:{relayed[1]}")


async def open_allocation(server: Dict[str, str]) -> Any:
    """Return the relayed address of an allocation over UDP."""
    from aioice.turn import create_turn_endpoint

    transport, _ = await create_turn_endpoint(
        asyncio.DatagramProtocol,
        ("127.0.0.1", TURN_PORT),
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


if __name__ == "__main__":
    main()
