"""The results of a probe as a table for people, and as data for programs."""

from __future__ import annotations

import textwrap
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    ERROR,
    NOTE,
    RELAY,
    WARNING,
    Certificate,
    Diagnosis,
    Place,
    Result,
    host_of,
)

WIDTH = 100
_HEADINGS = ("URL", "ADDRESS", "BY", "BINDING", "ALLOCATE", "RELAY", "CERTIFICATE", "RESULT")

Paint = Callable[[str, str], str]
"""Gives a text the colour of a level."""


def plain(text: str, level: str) -> str:
    """Return the text as it is."""
    return text


def table(results: Sequence[Result], now: float, paint: Paint = plain) -> List[str]:
    """Return the lines of the table, each row with its diagnoses beneath.

    `now` is in unix seconds. A column that is empty everywhere is left out.
    """
    rows = [_row(result, now) for result in results]
    used = [
        index
        for index, heading in enumerate(_HEADINGS)
        if heading in ("URL", "RESULT") or any(row[index] for row in rows)
    ]
    widths = {index: max(len(row[index]) for row in (_HEADINGS, *rows)) for index in used}
    lines = [_line(_HEADINGS, widths)]
    for result, row in zip(results, rows):
        line = _line(row, widths)
        start = len(line) - len(row[-1])
        lines.append(line[:start] + paint(line[start:], result.level))
        for diagnosis in result.diagnoses:
            lines += _explained(diagnosis, paint)
    return lines


def _line(cells: Sequence[str], widths: Mapping[int, int]) -> str:
    return "  ".join(cells[index].ljust(width) for index, width in widths.items()).rstrip()


def _row(result: Result, now: float) -> "tuple[str, ...]":
    seen = result.observation
    words = dict.fromkeys(one.word for one in result.diagnoses if one.level != NOTE)
    return (
        seen.target.url,
        seen.address,
        seen.target.transport if seen.address else "",
        _cell(host_of(seen.reflexive), seen.times.get(BINDING)),
        _cell(seen.relayed, seen.times.get(ALLOCATE)),
        _cell("", seen.times.get(RELAY)),
        _certificate_cell(seen.certificate, seen.target.host, now),
        ", ".join(words) or "ok",
    )


def _cell(text: str, milliseconds: Optional[float]) -> str:
    time = "" if milliseconds is None else f"{milliseconds:.1f} ms"
    return f"{text} {time}".strip()


def _certificate_cell(certificate: Optional[Certificate], host: str, now: float) -> str:
    """Return the name that the url has too, or else the first one, and the days left."""
    if certificate is None:
        return ""
    names = certificate.names or (certificate.subject,)
    name = host if host in names else names[0]
    return f"{name} {certificate.days_left(now)} days"


def _explained(diagnosis: Diagnosis, paint: Paint) -> List[str]:
    text = diagnosis.message + (f". {_sentence(diagnosis.advice)}" if diagnosis.advice else "")
    mark = diagnosis.level
    lines = textwrap.wrap(
        f"{mark}: {text}",
        WIDTH,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    first = lines[0].replace(mark, paint(mark, diagnosis.level), 1)
    return [first, *lines[1:]]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def summary(results: Sequence[Result], place: Place) -> str:
    """Return the last line: how many work, and from where that was tried."""
    failed = sum(result.level == ERROR for result in results)
    warned = sum(one.level == WARNING for result in results for one in result.diagnoses)
    works = f"{len(results) - failed} of {len(results)} work"
    warnings = f", {warned} warning{'' if warned == 1 else 's'}" if warned else ""
    return f"{works}{warnings}; probed from {place}"


def as_json(results: Sequence[Result], place: Place, now: float, failed: bool) -> Dict[str, Any]:
    """Return everything that was seen as plain JSON data; times are in milliseconds."""
    return {
        "ok": not failed,
        "time": int(now),
        "from": {"host": place.host, "pod": place.pod},
        "results": [_result_json(result, now) for result in results],
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
        "times": {step: round(time, 3) for step, time in seen.times.items()},
        "certificate": _certificate_json(seen.certificate, now),
        "clock_ahead": seen.login.clock_ahead if seen.login else None,
        "diagnoses": [diagnosis.as_dict() for diagnosis in result.diagnoses],
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
