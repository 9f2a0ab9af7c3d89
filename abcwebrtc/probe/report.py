"""The results of a probe as a table for people, and as data for programs."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.coturn.certificate import Certificate
from abcwebrtc.probe.causes import clause
from abcwebrtc.probe.comparison import desktop_servers
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    ERROR,
    NOTE,
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
from abcwebrtc.texts import WIDTH, wrapped

_HEADINGS = ("URL", "BY", "BINDING", "ALLOCATE", "RELAY", "OUTSIDE", "SIZE", "LOSS", "RESULT")

Paint = Callable[[str, str], str]
"""Gives a text the colour of a level."""


def unpainted(text: str, level: str) -> str:
    """Return the text as it is."""
    return text


def table(
    results: Sequence[Result], now: float, paint: Paint = unpainted, width: int = WIDTH
) -> List[str]:
    """Return the lines of the table, each row with its addresses and diagnoses beneath.

    What is only to be known is said once, of the first row that it is true of.

    `now` is in unix seconds. A column that is empty everywhere is left out. Where a terminal is of
    fewer columns than the rows, each url and its result have a line of their own.
    """
    rows = [_row(result) for result in results]
    used = [
        index
        for index, heading in enumerate(_HEADINGS)
        if heading in ("URL", "RESULT") or any(row[index] for row in rows)
    ]
    widths = {index: max(len(row[index]) for row in (_HEADINGS, *rows)) for index in used}
    widest = max(len(_line(row, widths)) for row in (_HEADINGS, *rows))
    narrow = width < min(WIDTH, widest)
    lines = _lines(_HEADINGS, widths, narrow)
    known: List[Diagnosis] = []
    for result, row in zip(results, rows):
        line, *more = _lines(row, widths, narrow)
        start = len(line) - len(row[-1])
        lines += [line[:start] + paint(line[start:], result.level), *more]
        lines += wrapped(", ".join(_details(result.observation, now)), "  ", "    ", width)
        new = [one for one in result.diagnoses if one not in known]
        known += [one for one in new if one.level == NOTE]
        for diagnosis in new:
            lines += _explained(diagnosis, paint, width)
    return lines


def _lines(cells: Sequence[str], widths: Mapping[int, int], narrow: bool) -> List[str]:
    """Return a row; a narrow one is in two lines, of which the first has the url and the result."""
    if not narrow:
        return [_line(cells, widths)]
    url, *between, result = widths
    parts = [{index: widths[index] for index in some} for some in ([url, result], between)]
    return [_line(cells, parts[0]), "  " + _line(cells, parts[1])]


def _line(cells: Sequence[str], widths: Mapping[int, int]) -> str:
    return "  ".join(cells[index].ljust(width) for index, width in widths.items()).rstrip()


def _row(result: Result) -> "tuple[str, ...]":
    seen = result.observation
    words = dict.fromkeys(one.word for one in result.diagnoses if one.level != NOTE)
    return (
        seen.target.url,
        seen.target.transport if seen.address else "",
        _milliseconds(seen.times.get(BINDING)),
        _milliseconds(seen.times.get(ALLOCATE)),
        _milliseconds(seen.times.get(RELAY)),
        _outside_cell(seen),
        _size_cell(seen),
        _loss_cell(seen),
        ", ".join(words) or "ok",
    )


def _milliseconds(time: Optional[float]) -> str:
    return "" if time is None else f"{time:.1f} ms"


def _outside_cell(seen: Observation) -> str:
    """Return the time of the round trip, or what there was instead of one."""
    path, took = seen.outside, seen.times.get(OUTSIDE)
    if path is None:
        return ""
    if path.untried:
        return "not tried"
    if path.works:
        return _milliseconds(took) or "lost"
    return "no answer" if path.there else "lost"


def _size_cell(seen: Observation) -> str:
    """Return the largest payload that came through on all paths that were tried."""
    tried = [path for path in (seen.between, seen.outside) if path and path.sizes]
    if not tried:
        return ""
    worst = min(tried, key=lambda path: (path.largest, not path.gaps))
    if worst.gaps and not worst.too_large:
        return f"not {worst.gaps[0]}"
    lost = f"of {max(worst.sizes)}" if worst.too_large else ""
    return f"{worst.largest} {lost}".strip()


def _loss_cell(seen: Observation) -> str:
    """Return the loss of the burst; a relay that had none has a dash."""
    if seen.between is None:
        return ""
    burst = seen.between.burst
    return f"{burst.percent:.0f} %" if burst else "-"


def _details(seen: Observation, now: float) -> Iterator[str]:
    if seen.address:
        yield f"at {seen.address}"
    if seen.reflexive:
        yield f"which sees {host_of(seen.reflexive)}"
    if seen.rfc3489:
        yield "answers libnice"
    if seen.relayed:
        yield f"relay {seen.relayed}"
    if seen.certificate:
        yield _certificate(seen.certificate, seen.target.host, now)


def _certificate(certificate: Certificate, host: str, now: float) -> str:
    """Return the name that the url has too, or else the first one, and the days left."""
    names = certificate.names or (certificate.subject,)
    name = host if host in names else names[0]
    return f"certificate for {name}, {certificate.days_left(now)} days left"


def _explained(diagnosis: Diagnosis, paint: Paint, width: int) -> List[str]:
    mark, text, advice = diagnosis.level, diagnosis.message, diagnosis.advice
    if advice:
        text += f". {advice[:1].upper()}{advice[1:]}"
    first, *others = wrapped(f"{mark}: {text}", "  ", "    ", width)
    return [first.replace(mark, paint(mark, diagnosis.level), 1), *others]


def summary(results: Sequence[Result], place: Place) -> str:
    """Return the last line: how many work, from where that was tried, and what desktops lack."""
    failed = sum(result.level == ERROR for result in results)
    warned = sum(one.level == WARNING for result in results for one in result.diagnoses)
    works = f"{len(results) - failed} of {len(results)} work"
    warnings = f", {warned} warning{'' if warned == 1 else 's'}" if warned else ""
    failing = [f"{one.variable} {one.url}" for one in desktop_servers(results) if not one.works]
    lacking = clause("desktops", servers=" and ".join(failing)) if failing else ""
    return f"{works}{warnings}; probed from {place}{lacking}"


def as_json(results: Sequence[Result], place: Place, now: float, failed: bool) -> Dict[str, Any]:
    """Return everything that was seen as plain JSON data; times are in milliseconds."""
    servers = {one.variable: {"url": one.url, "ok": one.works} for one in desktop_servers(results)}
    return {
        "ok": not failed,
        "time": int(now),
        "from": {"host": place.host, "pod": place.pod},
        "results": [_result_json(result, now) for result in results],
        "desktop": {name.lower(): servers.get(name) for name in (STUN_SERVER, TURN_SERVER)},
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
        "clock_ahead": seen.search.clock_ahead if seen.search else None,
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
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "days_left": certificate.days_left(now),
        "chain": list(certificate.chain),
        "trusted": certificate.verify_error == 0,
    }
