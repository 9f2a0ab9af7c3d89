"""The results of a probe as rows for people, and as data for programs.

How rows are laid out on a terminal is the command's business.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Container, Dict, Iterator, List, Mapping, Optional, Sequence, Set

from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.coturn.certificate import Certificate
from abcwebrtc.probe.causes import clause
from abcwebrtc.probe.comparison import desktop_servers
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    ERROR,
    NOTE,
    OK,
    OUTSIDE,
    RELAY,
    WARNING,
    Diagnosis,
    Observation,
    PathResult,
    Place,
    Result,
    host_of,
)
from abcwebrtc.times import iso_text

STEPS = ("BINDING", "ALLOCATE", "RELAY", "OUTSIDE", "SIZE", "LOSS")
"""The headings of what is measured, in order."""
NOTHING = "-"
"""The cell of a relay that had no burst."""
ADDRESS, SEES, RELAYED, LIBNICE, CERTIFICATE = FACTS = (
    "ADDRESS",
    "SEES YOU AS",
    "RELAYS AT",
    "LIBNICE",
    "CERTIFICATE",
)
"""What else was seen. A fact is shown in its column or, without room for one, as a phrase."""


@dataclass(frozen=True)
class Fact:
    """Something that was seen: as the cell of a column, and in a sentence."""

    cell: str
    phrase: str


@dataclass(frozen=True)
class Row:
    """A result as people read it.

    `by` is the transport. `words` says what is wrong, or ``ok``. `steps` has a cell for each of
    `STEPS` that was done, `facts` those of `FACTS` that are known. `diagnoses` leaves out notes
    that an earlier row has.
    """

    url: str
    by: str
    level: str
    words: str
    steps: Mapping[str, str]
    facts: Mapping[str, Fact]
    diagnoses: Sequence[Diagnosis]


def rows_of(results: Sequence[Result], now: float) -> List[Row]:
    """Return a row for each result; `now` is in unix seconds."""
    rows: List[Row] = []
    known: Set[Diagnosis] = set()
    for result in results:
        seen = result.observation
        new = [one for one in result.diagnoses if one not in known]
        known.update(one for one in new if one.level == NOTE)
        words = dict.fromkeys(one.word for one in result.diagnoses if one.level != NOTE)
        rows.append(
            Row(
                url=seen.target.url,
                by=seen.target.transport if seen.address else "",
                level=result.level,
                words=", ".join(words) or OK,
                steps={heading: cell for heading, cell in _steps(seen) if cell},
                facts=dict(_facts(seen, now)),
                diagnoses=new,
            )
        )
    return rows


def rows_with(rows: Sequence[Row], levels: Container[str]) -> List[Row]:
    """Return the rows of these levels, without diagnoses of other levels."""
    return [
        replace(row, diagnoses=[one for one in row.diagnoses if one.level in levels])
        for row in rows
        if row.level in levels
    ]


def _steps(seen: Observation) -> Iterator["tuple[str, str]"]:
    times = seen.times
    cells = (
        *(_milliseconds(times.get(step)) for step in (BINDING, ALLOCATE, RELAY)),
        _outside_cell(seen),
        _size_cell(seen),
        _loss_cell(seen),
    )
    return zip(STEPS, cells)


def _milliseconds(time: Optional[float]) -> str:
    return "" if time is None else f"{time:.1f} ms"


def _outside_cell(seen: Observation) -> str:
    """Return the time of the round trip, or what happened instead."""
    path, took = seen.outside, seen.times.get(OUTSIDE)
    if path is None:
        return ""
    if path.untried:
        return "not tried"
    if path.works:
        return _milliseconds(took) or "lost"
    return "no answer" if path.there else "lost"


def _size_cell(seen: Observation) -> str:
    """Return the largest payload that came through on every path that was tried."""
    tried = [path for path in (seen.between, seen.outside) if path and path.sizes]
    if not tried:
        return ""
    worst = min(tried, key=lambda path: (path.largest, not path.gaps))
    if worst.gaps and not worst.too_large:
        return f"not {worst.gaps[0]}"
    lost = f"of {max(worst.sizes)}" if worst.too_large else ""
    return f"{worst.largest} {lost}".strip()


def _loss_cell(seen: Observation) -> str:
    """Return the loss of the burst, or a dash for a relay without one."""
    if seen.between is None:
        return ""
    burst = seen.between.burst
    return f"{burst.percent:.0f} %" if burst else NOTHING


def _facts(seen: Observation, now: float) -> Iterator["tuple[str, Fact]"]:
    if seen.address:
        yield ADDRESS, Fact(seen.address, f"at {seen.address}")
    if seen.reflexive:
        host = host_of(seen.reflexive)
        yield SEES, Fact(host, f"sees you as {host}")
    if seen.relayed:
        yield RELAYED, Fact(seen.relayed, f"relays at {seen.relayed}")
    if seen.rfc3489 is not None:
        yield LIBNICE, Fact("yes", "answers libnice") if seen.rfc3489 else Fact("no", "")
    if seen.certificate:
        name, left = _certificate(seen.certificate, seen.target.host, now)
        yield CERTIFICATE, Fact(f"{name}, {left}", f"certificate for {name}, {left}")


def _certificate(certificate: Certificate, host: str, now: float) -> "tuple[str, str]":
    """Return the name from the url, or else the first one, and how long it is valid."""
    names = certificate.names or (certificate.subject,)
    days = certificate.days_left(now)
    left = "expired" if days < 0 else f"{days} day{'' if days == 1 else 's'} left"
    return (host if host in names else names[0]), left


def summary(results: Sequence[Result], place: Place) -> str:
    """Return the last line: how many work, where the probe ran, and what desktops lack."""
    failed = sum(result.level == ERROR for result in results)
    warned = sum(one.level == WARNING for result in results for one in result.diagnoses)
    works = f"{len(results) - failed} of {len(results)} work"
    warnings = f", {warned} warning{'' if warned == 1 else 's'}" if warned else ""
    failing = [f"{one.variable} {one.url}" for one in desktop_servers(results) if not one.works]
    lacking = clause("desktops", servers=" and ".join(failing)) if failing else ""
    return f"{works}{warnings}; probed from {place}{lacking}"


def as_json(results: Sequence[Result], place: Place, now: float, failed: bool) -> Dict[str, Any]:
    """Return everything that was seen as plain JSON data; durations are in milliseconds."""
    depended = desktop_servers(results)
    shown = [(one.variable, {"url": one.url, "ok": one.works}) for one in depended]
    turns = [server for variable, server in shown if variable == TURN_SERVER]
    failing = [pair for pair in shown if not pair[1]["ok"]]
    servers = {**dict(reversed(shown)), **dict(reversed(failing))}
    return {
        "ok": not failed,
        "time": iso_text(now),
        "time_unix": int(now),
        "from": {"host": place.host, "pod": place.pod},
        "results": [_result_json(result, now) for result in results],
        "desktop": {
            **{name.lower(): servers.get(name) for name in (STUN_SERVER, TURN_SERVER)},
            "turn_servers": turns,
        },
    }


def _result_json(result: Result, now: float) -> Dict[str, Any]:
    seen = result.observation
    return {
        "url": seen.target.url,
        "transport": seen.target.transport,
        "address": seen.address or None,
        "level": result.level,
        "local": seen.local or None,
        "reflexive": seen.reflexive or None,
        "relayed": seen.relayed or None,
        "redirects": list(seen.redirects),
        "rfc3489": seen.rfc3489,
        "between": _path_json(seen.between),
        "outside": _path_json(seen.outside),
        "times": {step: round(time, 3) for step, time in seen.times.items()},
        "certificate": _certificate_json(seen.certificate, now),
        "clock_ahead": seen.search.clock_ahead if seen.search and seen.search.complete else None,
        "diagnoses": [diagnosis.as_dict() for diagnosis in result.diagnoses],
    }


def _path_json(path: Optional[PathResult]) -> Optional[Dict[str, Any]]:
    if path is None:
        return None
    burst = path.burst
    return {
        "untried": path.untried or None,
        "peer": path.peer or None,
        "there": path.there,
        "back": path.back,
        "punched": path.punched,
        "sizes": {str(size): passed for size, passed in path.sizes.items()},
        "largest": path.largest or None,
        "too_large": path.too_large or None,
        "burst": burst
        and {
            "sent": burst.sent,
            "lost": burst.lost,
            "percent": round(burst.percent, 1),
            "in_a_row": burst.in_a_row,
        },
    }


def _certificate_json(certificate: Optional[Certificate], now: float) -> Optional[Dict[str, Any]]:
    if certificate is None:
        return None
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": list(certificate.names),
        "not_before": iso_text(certificate.not_before),
        "not_before_unix": certificate.not_before,
        "not_after": iso_text(certificate.not_after),
        "not_after_unix": certificate.not_after,
        "days_left": certificate.days_left(now),
        "chain": list(certificate.chain),
        "trusted": certificate.verify_error == 0,
    }
