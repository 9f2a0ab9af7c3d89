"""Show what a good client notices while `abcwebrtc serve` is under attack.

    .venv/bin/python benchmarks/faults.py [--quick] [--only NAME] [--way WAY] [--threads N]

This starts `serve` on loopback, first behind an nginx with the location of
examples/03-beside-pyos and then without one; client and attackers reach it the same way. The good
client fetches an rtc_configuration again and again, each time on a new connection: first alone,
then during the attack. p50 and p99 are in ms. What counts are the ratios to the same client alone
just before. The attackers run on the same machine, so they also take processor time. A request
that gets no 200 within five seconds is lost.

`serve` runs in a cgroup with the memory that the manifest of examples/03-beside-pyos gives it.
"peak" is the most that it used, in MiB, including caches and the kernel's socket buffers. If no
cgroup can be created on this machine, there is no limit, and "peak" is the process's own memory.

The last table has the processor time of single expensive requests, as a ratio to good requests
just before.

Exit status: 1 if the server was killed, a request cost more than 3 good ones, or a request was
lost behind nginx, except in attacks by many good requests, which nginx has to limit.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import shutil
import ssl
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import trustme  # noqa: E402

from support import (  # noqa: E402
    RTC_PATH,
    ServerProcess,
    make_token,
    running_server,
    write_od_config,
)
from support.attackers import ATTACKS, COSTLY, FLOODS, attacking, send_once  # noqa: E402
from support.front import nginx_before  # noqa: E402
from support.memory_limit import MIB, Group, memory_limited, shipped_limit  # noqa: E402

TIMEOUT = 5.0
WARM_UP = 20
ATTACKERS = "127.0.0.2"
"""Their address; the client's is 127.0.0.1."""
BEHIND, LIMITED = "behind nginx", "behind nginx that limits"
DIRECT, SINGLE = "direct", "single requests"
WAYS = (BEHIND, LIMITED, DIRECT, SINGLE)
DEAREST = 3.0
"""The most that a request may cost, in good requests."""


class Figures(NamedTuple):
    """Median and 99th percentile in seconds, and the number of lost requests."""

    p50: float
    p99: float
    lost: int


class Client:
    """A client that means no harm."""

    def __init__(self, base_url: str, context: Optional[ssl.SSLContext]) -> None:
        self.place = urlsplit(base_url)
        self.context = context
        self.headers = {
            "ABCAuthorization": f"Bearer {make_token(ttl=3600)}",
            "Content-Type": "application/json",
        }

    def fetch(self) -> bool:
        """Fetch an rtc_configuration, and return whether it came."""
        host = str(self.place.hostname)
        if self.context:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, self.place.port, timeout=TIMEOUT, context=self.context
            )
        else:
            connection = http.client.HTTPConnection(host, self.place.port, timeout=TIMEOUT)
        try:
            connection.request("POST", RTC_PATH, "{}", self.headers)
            answer = connection.getresponse()
            return answer.status == 200 and b"credential" in answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def measure(self, number: int, seconds: float, pause: float = 0.0) -> Figures:
        """Fetch `number` times, but for at most `seconds`."""
        times: List[float] = []
        lost, end = 0, time.monotonic() + seconds
        while len(times) < number and time.monotonic() < end:
            begin = time.monotonic()
            lost += not self.fetch()
            times.append(time.monotonic() - begin)
            time.sleep(pause)
        last = sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]
        return Figures(statistics.median(times), last, lost)


class Setup(NamedTuple):
    """A running server, its memory limit, and a client with another address than the attackers."""

    server: ServerProcess
    group: Optional[Group]
    client: Client
    pause: float = 0.0
    """Seconds between the client's requests, where nginx limits them."""

    def peak(self) -> float:
        """Return the server's peak memory in MiB."""
        if self.group:
            return self.group.peak() / MIB
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) / 1024 if found else 0.0

    def processor_time(self) -> float:
        """Return the processor time of the server so far, in seconds."""
        tasks = Path(f"/proc/{self.server.process.pid}/task")
        return sum(int(one.read_text().split()[0]) for one in tasks.glob("*/schedstat")) / 1e9

    def cost(self, action: Callable[[], Any], number: int) -> float:
        """Return the processor time that an action costs the server, in seconds."""
        before = self.processor_time()
        for _ in range(number):
            action()
        return (self.processor_time() - before) / number


@contextmanager
def running(
    threads: int, nginx: Optional[str] = None, tls: bool = False, limits: bool = False
) -> Iterator[Setup]:
    """Run a new server, behind nginx if given."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cert, key, context = certificate(folder)
        arguments = ["--cert", cert, "--key", key] if tls and not nginx else []
        group = stack.enter_context(memory_limited(shipped_limit()))
        server = stack.enter_context(
            running_server(
                write_od_config(folder),
                *(*arguments, "--threads", threads),
                prefix=group.prefix if group else (),
            )
        )
        base_url = server.base_url
        if nginx:
            files = (cert, key) if tls else ("", "")
            base_url = stack.enter_context(nginx_before(nginx, folder, base_url, files, limits))
        client = Client(base_url, context if tls else None)
        yield Setup(server, group, client, 0.15 if limits else 0.0)


def row(name: str, setup: Setup, number: int, seconds: float) -> Tuple[int, bool]:
    """Print what an attack does to a client; return lost requests, and if the server was killed."""
    client, attack = setup.client, ATTACKS[name]
    client.measure(WARM_UP, seconds, setup.pause)
    alone = client.measure(number, seconds, setup.pause)
    with attacking(name, int(client.place.port or 0), ATTACKERS):
        during = client.measure(number, seconds, setup.pause)
    is_killed = setup.server.process.poll() is not None
    print(
        f"{name:<14}{attack.count:>7}"
        f"{alone.p50 * 1000:>10.1f}{alone.p99 * 1000:>8.1f}"
        f"{during.p50 * 1000:>10.1f}{during.p99 * 1000:>8.1f}"
        f"{during.p50 / alone.p50:>9.1f}{during.p99 / alone.p99:>7.1f}"
        f"{alone.lost + during.lost:>6}" + (" killed" if is_killed else f"{setup.peak():>7.0f}"),
        flush=True,
    )
    return alone.lost + during.lost, is_killed


def costs(threads: int, number: int) -> bool:
    """Print what single requests cost; return whether one is too expensive."""
    print(f"{'request':<18}{'CPU, ms':>9}{'ratio':>7}")
    dearest = 0.0
    with running(threads) as setup:
        port = int(setup.client.place.port or 0)
        setup.cost(setup.client.fetch, WARM_UP)
        for name, data in COSTLY.items():
            send = send_once(data)
            good = setup.cost(setup.client.fetch, number)
            cost = setup.cost(lambda send=send: send(port), number)  # type: ignore[misc]
            dearest = max(dearest, cost / good)
            print(f"{name:<18}{cost * 1000:>9.2f}{cost / good:>7.1f}", flush=True)
    return dearest > DEAREST


def main() -> int:
    """Print a table for each way; return 1 if it misses a goal."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="send fewer requests")
    parser.add_argument("--only", metavar="NAME", choices=ATTACKS, help="run only this attack")
    parser.add_argument("--way", choices=WAYS, help="print only this table")
    parser.add_argument("--threads", type=int, default=10, help="threads of serve (%(default)s)")
    options = parser.parse_args()
    number, seconds = (100, 5.0) if options.quick else (1000, 8.0)
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not nginx and options.way not in (DIRECT, SINGLE):
        sys.exit("nginx is not installed; run apt-get install nginx, or measure with --way direct")
    with memory_limited(shipped_limit()) as group:
        limit = f"{shipped_limit() // MIB} MiB" if group else "no limit: no cgroup can be created"
    print(f"Python {sys.version.split()[0]}, {number} requests each, for at most {seconds:.0f} s")
    print(f"memory of serve: {limit}")
    failed = False
    for way in WAYS if options.way is None else (options.way,):
        print(f"\n{way}, {options.threads} threads")
        if way == SINGLE:
            failed |= costs(options.threads, max(50, number // 10))
            continue
        print(f"{'':<14}{'':>7}{'alone':>10}{'':>8}{'during':>10}{'':>8}{'ratio':>9}")
        titles = f"{'p50':>10}{'p99':>8}" * 2 + f"{'p50':>9}{'p99':>7}  lost   peak"
        print(f"{'attack':<14}{'clients':>7}{titles}")
        names = FLOODS if way == LIMITED else ATTACKS
        for name in names if options.only is None else (options.only,):
            front = None if way == DIRECT else nginx
            with running(options.threads, front, ATTACKS[name].tls, way == LIMITED) as setup:
                lost, is_killed = row(name, setup, number, seconds * (3 if setup.pause else 1))
            failed |= is_killed or bool(lost and front and (way == LIMITED or name not in FLOODS))
    return 1 if failed else 0


def certificate(folder: Path) -> Tuple[str, str, ssl.SSLContext]:
    """Make a certificate; return its file, its key's file, and a context that trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return str(cert), str(key), context


if __name__ == "__main__":
    sys.exit(main())
