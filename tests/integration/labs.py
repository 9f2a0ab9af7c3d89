"""What tests add to the network of `netns`: a coturn outside, and packet filters."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Iterator, Sequence

from conftest import require_program
from integration import netns
from integration.conftest import SECRET
from integration.netns import SERVER
from support import wait_for
from support.programs import running_program

PORT, TLS_PORT = 3478, 5349
RELAY_PORTS = "49152-65535"


@contextlib.contextmanager
def coturn_outside(
    network: netns.Network,
    folder: Path,
    lines: Sequence[str],
    port: int = PORT,
    program: str = "",
) -> Iterator[Path]:
    """Run a coturn outside with these additional lines in turnserver.conf, and yield its log.

    It is the machine's own, where no other `program` is given, such as `newest_turnserver()`.
    """
    conf, log = folder / f"{port}.conf", folder / f"{port}.log"
    own = [
        *(f"listening-port={port}", f"pidfile={folder}/{port}.pid", f"userdb={folder}/{port}.db"),
        *("no-cli", "log-file=stdout", "verbose", "realm=turn.domain.local"),
        *("use-auth-secret", f"static-auth-secret={SECRET}"),
    ]
    conf.write_text("\n".join([*own, *lines]) + "\n", encoding="utf-8")
    program = program or require_program("turnserver", "coturn")
    with running_program(network.outside.command(program, "-c", conf), log):
        key = "listening-ip="
        addresses = [line[len(key) :] for line in lines if line.startswith(key)] or [SERVER]
        ports = [port, *([TLS_PORT] if any(line.startswith("cert=") for line in lines) else [])]
        # One after another, in several threads: TCP may be there before UDP, and the other way.
        places = list(itertools.product(("udp", "tcp"), addresses, ports))
        wait_for(lambda: all(network.outside.listens_at(*place) for place in places))
        yield log


@contextlib.contextmanager
def filtered(where: netns.Namespace, *rules: str) -> Iterator[None]:
    """Filter what comes into a namespace, with nftables.

    What is dropped on its way out would be an error to the program that sends it.
    """
    nft = require_program("nft", "nftables")
    chain = f"chain filter {{ type filter hook input priority 0; {'; '.join(rules)}; }}"
    where.run(nft, "--file", "-", input=f"table inet test {{\n{chain}\n}}\n")
    try:
        yield
    finally:
        where.run(nft, "delete", "table", "inet", "test")
