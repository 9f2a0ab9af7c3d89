"""What a good client notices while `abcwebrtc serve` is under attack.

    .venv/bin/python benchmarks/faults.py [--quick] [--only NAME]

It starts `serve` on loopback. The good client fetches an rtc_configuration again
and again, each on a connection of its own: first alone, then during the attack.
p50 and p99 are in ms; the ratios are to the same client alone just before, and
are what counts. "grew" is what the server's memory grew by, in MiB. The attackers
run on the same machine and take processor time as well. A request without an
answer within five seconds is lost, and makes this exit with 1.
"""

from __future__ import annotations

import argparse
import http.client
import resource
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import List, NamedTuple, Optional
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import trustme  # noqa: E402

from support import RTC_PATH, make_token, running_server, write_od_config  # noqa: E402
from support.attackers import ATTACKS, Attack, attacking  # noqa: E402

TIMEOUT = 5.0
WARM_UP = 20


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
    """Print a table; return 1 if a request of the good client was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--only", metavar="NAME", choices=ATTACKS, help="one attack")
    options = parser.parse_args()
    number, seconds = (100, 5.0) if options.quick else (1000, 8.0)
    print(f"Python {sys.version.split()[0]}, {number} requests each, or {seconds:.0f} s of them")
    print(f"{'':<14}{'':>7}{'alone':>10}{'':>8}{'during':>10}{'':>8}{'ratio':>9}")
    print(
        f"{'attack':<14}{'clients':>7}"
        + f"{'p50':>10}{'p99':>8}" * 2
        + f"{'p50':>9}{'p99':>7}  lost   grew"
    )
    lost = 0
    with tempfile.TemporaryDirectory() as folder:
        for tls in (False, True):
            lost += run(Path(folder), tls, options.only, number, seconds)
    return 1 if lost else 0


def run(folder: Path, tls: bool, only: Optional[str], number: int, seconds: float) -> int:
    """Attack a server with or without TLS, and return the requests that were lost."""
    chosen = [n for n, attack in ATTACKS.items() if attack.tls is tls and n == (only or n)]
    if not chosen:
        return 0
    arguments, context = certificate(folder) if tls else ([], None)
    lost = 0
    for name in chosen:  # each has a server of its own, or one would meet the last one's rest
        with running_server(write_od_config(folder), *arguments) as server:
            client = Client(server.base_url, context)
            lost += row(name, ATTACKS[name], client, server.process.pid, number, seconds)
    return lost


def certificate(folder: Path) -> "tuple[list[str], ssl.SSLContext]":
    """Make a certificate; return the options of `serve`, and what trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return ["--cert", str(cert), "--key", str(key)], context


if __name__ == "__main__":
    sys.exit(main())
