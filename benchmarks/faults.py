"""What a good client notices while `abcwebrtc serve` is under attack.

    .venv/bin/python benchmarks/faults.py [--quick] [--only NAME] [--way WAY] [--threads N]

It starts `serve` on loopback, behind an nginx with the location of examples/03-beside-pyos
and then without one; client and attackers reach it the same way. The good client
fetches an rtc_configuration again and again, each on a connection of its own: first
alone, then during the attack. p50 and p99 are in ms; the ratios are to the same client
alone just before, and are what counts. "grew" is what the server's memory grew by, in
MiB. The attackers run on the same machine and take processor time as well. A request
without an answer within five seconds is lost; one that is lost behind nginx makes this
exit with 1.
"""

from __future__ import annotations

import argparse
import http.client
import os
import resource
import shutil
import ssl
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import trustme  # noqa: E402

from support import RTC_PATH, make_token, running_server, write_od_config  # noqa: E402
from support.attackers import ATTACKS, Attack, attacking  # noqa: E402
from support.front import nginx_before  # noqa: E402

TIMEOUT = 5.0
WARM_UP = 20
DIRECT = "direct"
WAYS = ("behind nginx", DIRECT)


class Figures(NamedTuple):
    """Seconds of the median and of all but the slowest hundredth, and how many were lost."""

    p50: float
    p99: float
    lost: int


class Client:
    """A client that means well."""

    def __init__(self, base_url: str, context: Optional[ssl.SSLContext]) -> None:
        self.place = urlsplit(base_url)
        self.context = context
        self.headers = {
            "ABCAuthorization": f"Bearer {make_token(ttl=3600)}",
            "Content-Type": "application/json",
        }

    def fetch(self) -> bool:
        """Fetch an rtc_configuration, and say whether it came."""
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

    def measure(self, number: int, seconds: float) -> Figures:
        """Fetch so many times, or for so long."""
        times: List[float] = []
        lost, end = 0, time.monotonic() + seconds
        while len(times) < number and time.monotonic() < end:
            begin = time.monotonic()
            lost += not self.fetch()
            times.append(time.monotonic() - begin)
        last = sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]
        return Figures(statistics.median(times), last, lost)


def resident(pid: int) -> float:
    """Return the memory that a process has, in MiB."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 2**20


def row(name: str, attack: Attack, client: Client, pid: int, number: int, seconds: float) -> int:
    """Print what an attack does to a client, and return the requests that were lost."""
    client.measure(WARM_UP, seconds)
    alone, before = client.measure(number, seconds), resident(pid)
    with attacking(name, int(client.place.port or 0)):
        during, grown = client.measure(number, seconds), resident(pid) - before
    print(
        f"{name:<14}{attack.count:>7}"
        f"{alone.p50 * 1000:>10.1f}{alone.p99 * 1000:>8.1f}"
        f"{during.p50 * 1000:>10.1f}{during.p99 * 1000:>8.1f}"
        f"{during.p50 / alone.p50:>9.1f}{during.p99 / alone.p99:>7.1f}"
        f"{alone.lost + during.lost:>6}{grown:>7.0f}",
        flush=True,
    )
    return alone.lost + during.lost


def main() -> int:
    """Print a table for each way; return 1 if a request was lost behind nginx."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--only", metavar="NAME", choices=ATTACKS, help="one attack")
    parser.add_argument("--way", choices=WAYS, help="one of the two ways")
    parser.add_argument("--threads", type=int, default=10, help="those of serve (%(default)s)")
    options = parser.parse_args()
    number, seconds = (100, 5.0) if options.quick else (1000, 8.0)
    print(f"Python {sys.version.split()[0]}, {number} requests each, or {seconds:.0f} s of them")
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not nginx and options.way != DIRECT:
        sys.exit("nginx is not installed; apt-get install nginx, or measure with --way direct")
    lost = 0
    for way in WAYS if options.way is None else (options.way,):
        print(f"\n{way}, {options.threads} threads")
        print(f"{'':<14}{'':>7}{'alone':>10}{'':>8}{'during':>10}{'':>8}{'ratio':>9}")
        titles = f"{'p50':>10}{'p99':>8}" * 2 + f"{'p50':>9}{'p99':>7}  lost   grew"
        print(f"{'attack':<14}{'clients':>7}{titles}")
        for name, attack in ATTACKS.items():
            if name == (options.only or name):
                program = nginx if way != DIRECT else None
                now_lost = run(name, attack, program, options.threads, number, seconds)
                lost += now_lost if way != DIRECT else 0
    return 1 if lost else 0


def run(
    name: str, attack: Attack, nginx: Optional[str], threads: int, number: int, seconds: float
) -> int:
    """Attack a server of its own, or its nginx; return the requests that were lost."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cert, key, context = certificate(folder)
        tls = ["--cert", cert, "--key", key] if attack.tls and not nginx else []
        arguments = [*tls, "--threads", str(threads)]
        server = stack.enter_context(running_server(write_od_config(folder), *arguments))
        base_url = server.base_url
        if nginx:
            files = (cert, key) if attack.tls else ("", "")
            base_url = stack.enter_context(nginx_before(nginx, folder, base_url, files))
        client = Client(base_url, context if attack.tls else None)
        return row(name, attack, client, server.process.pid, number, seconds)


def certificate(folder: Path) -> Tuple[str, str, ssl.SSLContext]:
    """Make a certificate; return its file, that of its key, and what trusts it."""
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
