"""Time the endpoint of `abcwebrtc serve` against a bare CherryPy handler on the same server.

    .venv/bin/python benchmarks/endpoint.py

wrk (Debian: apt-get install wrk) sends requests to both in turn, over loopback, with a valid user
token. Both verify it and answer with JSON of the same size; the bare handler's JSON is a constant.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, NamedTuple, Tuple

import measure

sys.path.append(str(measure.TESTS))

CONNECTIONS = (1, 8, 64, 256)
SCRIPT = """\
wrk.method = "POST"
wrk.body = "{{}}"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["ABCAuthorization"] = "Bearer {token}"
function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format('{{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, failed + summary.errors.status + summary.errors.timeout))
end
"""


class Sample(NamedTuple):
    """One run of wrk: requests per second, latencies in ms, CPU seconds per request."""

    rate: float
    p50: float
    p99: float
    cpu: float
    requests: int


class Server(NamedTuple):
    """A running server: the URL of its endpoint, and the id of its process."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self) -> int:
        """Return its resident memory in KiB."""
        return measure.resident_kib(self.pid)


def tables(quick: bool) -> Iterator[measure.Table]:
    """Measure both with each number of connections."""
    numbers = (8,) if quick else CONNECTIONS
    with servers() as (ours, bare, wrk):
        rows = [_row(number, ours, bare, wrk, quick) for number in numbers]
    columns = ("connections", "requests/s", "p50", "p99", "CPU", "p50, ms", "p99, ms")
    yield measure.Table("The endpoint against a bare CherryPy handler", columns, rows)


def _row(
    number: int, ours: Server, bare: Server, wrk: Callable[..., Sample], quick: bool
) -> Tuple[object, ...]:
    rounds, seconds = (1, 1) if quick else (5, 2)
    for server in () if quick else (ours, bare):
        wrk(server, number, 1)
    pairs = [(wrk(ours, number, seconds), wrk(bare, number, seconds)) for _ in range(rounds)]
    ratios = [
        statistics.median(one[index] / other[index] for one, other in pairs) for index in range(4)
    ]
    absolute = [statistics.median(one[index] for one, _ in pairs) for index in (1, 2)]
    return (str(number), *ratios, *absolute)


@contextlib.contextmanager
def servers() -> Iterator[Tuple[Server, Server, Callable[..., Sample]]]:
    """Run both servers, and yield them with a function that measures one of them."""
    program = shutil.which("wrk")
    if program is None:
        raise measure.NotPossibleError("wrk is not installed; apt-get install wrk")
    import support
    from support.servers import running_command

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        od_config = support.write_od_config(folder, **_entries())
        ours = stack.enter_context(support.running_server(od_config))
        token = support.make_token(ttl=3600)
        answer = support.request(ours.base_url + support.RTC_PATH, {}, support.bearer(token))
        assert answer.status == 200, answer.body
        (folder / "answer.json").write_bytes(answer.body)
        line = [sys.executable, str(measure.ROOT / "benchmarks" / "bare_endpoint.py")]
        line += [str(folder / "jwtuser.pem"), str(folder / "answer.json")]
        bare = stack.enter_context(
            running_command(line, folder / "bare.log", env=support.environment())
        )
        script = folder / "post.lua"  # not in the arguments, which any user can see
        script.touch(0o600)
        script.write_text(SCRIPT.format(token=token))
        pair = [Server(one.base_url + support.RTC_PATH, one.process.pid) for one in (ours, bare)]
        yield pair[0], pair[1], lambda *run: _wrk(program, script, *run)


def _entries() -> Dict[str, object]:
    entries = measure.coturn_mapping(1, "userid")
    return {name.replace(".", "__"): value for name, value in entries.items()}


def _wrk(program: str, script: Path, server: Server, connections: int, seconds: int) -> Sample:
    """Run wrk once, for whole seconds."""
    command: List[str] = [program, "-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
    before = server.cpu_seconds()
    result = subprocess.run(
        [*command, "--timeout", "10s", "-s", str(script), server.url],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    found = json.loads(result.stdout.splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} requests failed")
    cpu = (server.cpu_seconds() - before) / found["requests"]
    return Sample(
        found["requests"] / found["seconds"], found["p50"], found["p99"], cpu, found["requests"]
    )


if __name__ == "__main__":
    sys.exit(measure.main(__doc__, {"endpoint": tables}))
