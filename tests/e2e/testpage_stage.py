"""A real test page and real servers, some of them broken.

Servers are in the namespace outside, the browser is in the desktop's, behind a NAT.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import re
import signal
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

import trustme

from conftest import require_program
from e2e.browser import trusting
from integration import netns
from integration.netns import PUBLIC, SERVER
from support import WAIT, command, environment, wait_for, write_od_config

SECRET = "the-static-auth-secret-of-coturn"
OTHER_SECRET = "a-secret-that-coturn-does-not-know"
PORT, TLS_PORT = 3478, 5349
NAME = "turn.domain.local"
GLOBAL, GLOBAL_NAME = "11.0.0.1", "public.domain.local"
"""The server's address in the whole internet, as it were, and a name for it: in .local,
since in this network Chromium finds no others, whatever they are mapped to."""
OUTSIDE = "11.0.0.7"
"""The address from which the browser's packets arrive there."""
RESOLVE = f"""import socket
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: resolve(
    {SERVER!r} if host == {NAME!r} else host, *rest, **more)
"""
"""Python code that makes ``serve`` resolve `NAME`, which is in no DNS."""
LINK = re.compile(r"within 10 minutes: \S+#(\S+)\n")


class Certificate:
    """The server's certificate in PEM files; `pin` is the flag that makes Chromium trust it."""

    def __init__(self, folder: Path, name: str, days: int = 90) -> None:
        authority = trustme.CA()
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        issued = authority.issue_cert(NAME, SERVER, common_name=NAME, not_after=end)
        self.cert, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        chain = [*issued.cert_chain_pems, authority.cert_pem]
        self.cert.write_bytes(b"".join(one.bytes() for one in chain))
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.pin = trusting(self.cert)


class Stage:
    """Everything that runs, until it is closed."""

    def __init__(self, network: netns.Network, folder: Path) -> None:
        self.network, self.folder = network, folder
        self._processes: List[subprocess.Popen[bytes]] = []
        self._number = 0
        self.logs: List[Path] = []

    def own_folder(self) -> Path:
        self._number += 1
        made = self.folder / str(self._number)
        made.mkdir()
        return made

    def run(self, log: Path, *arguments: object) -> "subprocess.Popen[bytes]":
        """Run a program outside until the end."""
        with open(log, "wb") as stream:
            process = subprocess.Popen(
                self.network.outside.command(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment(),
            )
        self.logs.append(log)
        self._processes.append(process)
        return process

    def end(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(WAIT)

    def coturn(
        self, port: int, tls_port: int, certificate: Certificate, *options: str
    ) -> "subprocess.Popen[bytes]":
        folder = self.own_folder()
        first = 50000 + (port % 100) * 100
        lines = [
            *(f"listening-ip={SERVER}", f"relay-ip={SERVER}", f"listening-port={port}"),
            *(f"tls-listening-port={tls_port}", f"min-port={first}", f"max-port={first + 99}"),
            *(f"cert={certificate.cert}", f"pkey={certificate.key}", f"pidfile={folder}/pid"),
            *(f"userdb={folder}/db", "no-cli", "log-file=stdout", "realm=turn.domain.local"),
            *("use-auth-secret", f"static-auth-secret={SECRET}", *options),
        ]
        (folder / "conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        program = require_program("turnserver", "coturn")
        process = self.run(folder / "log", program, "-c", folder / "conf")
        for protocol, number in (("udp", port), ("tcp", port), ("tcp", tls_port)):
            wait_for(functools.partial(self.network.outside.listens, protocol, number))
        return process

    def give_server_a_global_address(self) -> None:
        """Let the browser reach the server at `GLOBAL`, through a NAT to `OUTSIDE`."""
        ip, device = netns.ip_program(), netns.INTERFACE
        outside, desktop = self.network.outside, self.network.desktop
        outside.run(ip, "address", "add", f"{GLOBAL}/32", "dev", device)
        outside.run(ip, "route", "add", OUTSIDE, "via", netns.DESKTOP)
        desktop.run(ip, "route", "add", GLOBAL, "via", SERVER)
        rule = f"ip daddr {GLOBAL} snat to {OUTSIDE}"
        chain = f"chain out {{ type nat hook postrouting priority srcnat - 1; {rule}; }}"
        nft = require_program("nft", "nftables")
        desktop.run(nft, "--file", "-", input=f"table ip global {{\n{chain}\n}}\n")
        # the relays of a coturn that has it as external-ip, with the private half
        rule = f"ip daddr {GLOBAL} udp dport 56000-56099 dnat to {SERVER}"
        chain = f"chain in {{ type nat hook prerouting priority dstnat; {rule}; }}"
        outside.run(nft, "--file", "-", input=f"table ip global {{\n{chain}\n}}\n")

    def serve(self, port: int, *options: str, before: str = "", **entries: Any) -> Page:
        """Run ``abcwebrtc serve`` on an od.config with these entries."""
        folder = self.own_folder()
        od_config = write_od_config(folder, **entries)
        where = ("--host", "0.0.0.0", "--port", str(port), "--print-link", *options)
        process = self.run(folder / "log", *command("serve", od_config, *where, before=before))
        page = Page(f"http://{SERVER}:{port}/", process, folder / "log")
        page.new_key()
        return page


class Page:
    """A running ``abcwebrtc serve``; `link` gives a new link each time."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.url, self._process, self._log = url, process, log
        self._keys: List[str] = []

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def new_key(self) -> str:
        """Return the key of an unused link."""
        if self._keys:
            self._process.send_signal(signal.SIGUSR1)
        wait_for(
            lambda: (
                len(LINK.findall(self.output)) > len(self._keys) or self._process.poll() is not None
            )
        )
        assert self._process.poll() is None, self.output
        self._keys = LINK.findall(self.output)
        return self._keys[-1]

    @property
    def link(self) -> str:
        return f"{self.url}#{self.new_key()}"


def coturn_entry(port: int = PORT, host: str = SERVER, **changes: Any) -> Dict[str, Any]:
    entry = {"coturn_static_auth_secret": SECRET, "ttl": 600, "url": f"{host}:{port}"}
    return {**entry, "username": "userid", **changes}


def stun_entry(*urls: str) -> Dict[str, Any]:
    return {"iceServers": [{"urls": url} for url in urls]}


@contextlib.contextmanager
def stage(folder: Path, network: Optional[netns.Network] = None) -> Iterator[Stage]:
    """Create the network and the programs in it."""
    with contextlib.ExitStack() as stack:
        made = network or stack.enter_context(netns.network())
        running = Stage(made, folder)
        stack.callback(running.end)
        yield running


def servers_of_every_kind(host: str = SERVER) -> Dict[str, Any]:
    """Return od.config entries for working servers: STUN, and TURN by each transport."""
    return {
        "webrtc__rtc_configuration": stun_entry(f"stun:{host}:{PORT}"),
        "webrtc__coturn": [
            coturn_entry(host=host, transport=["udp", "tcp"]),
            coturn_entry(TLS_PORT, host, protocol="turns"),
        ],
    }


def check_each_works(
    cards: Mapping[str, str], host: str = SERVER, has_round_trip: bool = True
) -> None:
    """Fail unless the page's cards say that each server of `servers_of_every_kind` works."""
    assert f"sees this network as {PUBLIC}" in cards[f"stun:{host}:{PORT}"]
    round_trip = r"\s+round trip [\d.]+ ms" if has_round_trip else ""
    for url, protocol in (
        (f"turn:{host}:{PORT}?transport=udp", "UDP"),
        (f"turn:{host}:{PORT}?transport=tcp", "TCP"),
        (f"turns:{host}:{TLS_PORT}", "TLS"),
    ):
        assert "The tone arrives through the relay." in cards[url]
        assert re.search(rf"relay\s+{SERVER}:\d+\s+UDP\s+\d+ ms", cards[url])
        assert re.search(r"tone of 4(3\d|4\d) Hz", cards[url])
        assert re.search(r"\d+ of \d+ packets lost" + round_trip, cards[url])
        assert f"relay over {protocol}" in cards[url]
        assert "from outside: works" in cards[url]
