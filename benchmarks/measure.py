"""What the benchmarks share: interleaved rounds, medians, tables and the command line.

A figure is a ratio to a baseline measured in the same run. On another machine, or on a busy one,
both change alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
import timeit
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
SECRET = "a-secret-of-a-usual-length-0123456789"


class NotPossibleError(Exception):
    """A benchmark needs something that is missing; the text says what."""


class Table(NamedTuple):
    """A title, column names, and rows of texts and numbers."""

    title: str
    columns: Tuple[str, ...]
    rows: List[Tuple[Any, ...]]

    def text(self) -> str:
        """Return the table for a terminal."""
        cells = [self.columns, *(tuple(map(shown, row)) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = [
            "  ".join(
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths))
            )
            for row in cells
        ]
        return "\n".join([self.title, *lines]) + "\n"

    def markdown(self) -> str:
        """Return the table as docs/explanation/performance.md shows it."""
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)]]
        lines += [tuple(map(shown, row)) for row in self.rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"{self.title}:\n\n{table}\n"

    def put_into(self, page: str) -> str:
        """Return the page with this table in place of the one with the same title."""
        old = re.compile(rf"^{re.escape(self.title)}:\n\n(\|.*\n)+", re.MULTILINE)
        if not old.search(page):
            raise NotPossibleError(f"the page has no table {self.title!r}")
        return old.sub(lambda _: self.markdown(), page)

    def as_dict(self) -> Dict[str, Any]:
        """Return the table as JSON data; each row is a dict by column name."""
        return {"title": self.title, "rows": [dict(zip(self.columns, row)) for row in self.rows]}


Tables = Callable[[bool], Iterable[Table]]
"""Measures and returns tables; True means few, short rounds."""


def shown(value: Any) -> str:
    """Return a cell: a ratio with two decimals, a count with thousands separators."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and value >= 10_000 else str(value)


def ratio(
    function: Callable[[], Any], baseline: Callable[[], Any], quick: bool, per: int = 1
) -> float:
    """Return how many times longer than `per` calls of its baseline a function takes.

    This is the median of many rounds; each times both, one after the other.
    """
    rounds, seconds = (3, 0.001) if quick else (41, 0.01)
    calls, theirs = (max(1, int(seconds / _time_once(f))) for f in (function, baseline))
    return statistics.median(
        (timeit.timeit(function, number=calls) / calls)
        / (timeit.timeit(baseline, number=theirs) / theirs * per)
        for _ in range(rounds)
    )


def _time_once(function: Callable[[], Any]) -> float:
    return max(1e-7, min(timeit.repeat(function, number=3, repeat=3)) / 3)


def coturn_mapping(servers: int = 1, username: str = "timestamp") -> Dict[str, Any]:
    """Return a configuration like the documented one, with some coturn servers."""
    coturn = [
        {
            "coturn_static_auth_secret": SECRET,
            "ttl": 3600,
            "protocol": "turns",
            "url": f"turn{number}.domain.local:3478",
            "username": username,
        }
        for number in range(servers)
    ]
    stun = {"iceServers": [{"urls": "stun:stun.domain.local:3478"}]}
    return {"webrtc.enable": True, "webrtc.rtc_configuration": stun, "webrtc.coturn": coturn}


def resident_kib(pid: object = "self") -> int:
    """Return the resident memory of a process in KiB, by default of this one (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") // 1024


def machine() -> str:
    """Return what the benchmark runs on: Python, and the number and kind of processors."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search("model name.*: (.*)", cpuinfo.read_text() if cpuinfo.exists() else "")
    cpu = found.group(1) if found else platform.machine()
    return f"Python {platform.python_version()}, {os.cpu_count()} processors, {cpu}"


def main(
    description: Optional[str], subjects: Mapping[str, Tables], argv: Optional[List[str]] = None
) -> int:
    """Run the command line of one benchmark, or of several, and return the exit status."""
    parser = _parser(description, subjects)
    options = parser.parse_args(argv)
    unknown = [name for name in options.subject if name not in subjects]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; use {', '.join(subjects)}")
    if not options.json:
        print(f"{machine()}; medians of interleaved rounds\n", flush=True)
    tables, status = [], 0
    for name in options.subject or subjects:
        try:
            for table in subjects[name](options.quick):
                tables.append(table)
                _show(table, options)
            continue
        except NotPossibleError as error:
            reason = str(error)
        except ModuleNotFoundError as error:
            reason = f"{error.name} is missing; python3 tests/run.py installs it"
        print(f"{name}: left out: {reason}", file=sys.stderr)
        status = 1
    if options.json:
        found = [table.as_dict() for table in tables]
        print(json.dumps({"machine": machine(), "quick": options.quick, "tables": found}))
    return _update(options.update, tables) if options.update and not status else status


def _show(table: Table, options: argparse.Namespace) -> None:
    if not options.json:
        print(table.markdown() if options.markdown else table.text(), flush=True)


def _update(file: Path, tables: List[Table]) -> int:
    """Write the tables into a page, and return the exit status."""
    page = file.read_text(encoding="utf-8")
    try:
        for table in tables:
            page = table.put_into(page)
    except NotPossibleError as error:
        print(f"{file}: not changed: {error}", file=sys.stderr)
        return 1
    page = re.sub(r"^Measured with .*\.$", f"Measured with {machine()}.", page, flags=re.MULTILINE)
    file.write_text(page, encoding="utf-8")
    return 0


def _parser(description: Optional[str], subjects: Mapping[str, Tables]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if len(subjects) > 1:
        parser.add_argument("subject", nargs="*", help=", ".join(subjects) + "; default: all")
    else:
        parser.set_defaults(subject=[])
    parser.add_argument(
        "--quick", action="store_true", help="run few, short rounds for rough figures"
    )
    style = parser.add_mutually_exclusive_group()
    style.add_argument("--json", action="store_true", help="print JSON")
    style.add_argument("--markdown", action="store_true", help="print Markdown tables")
    parser.add_argument(
        "--update", metavar="PAGE", type=Path, help="write the tables into this Markdown page"
    )
    return parser
