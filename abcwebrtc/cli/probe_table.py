"""The results of a probe on a terminal, by rich: a table where there is room for it, else cards.

A table has a line for each row, and beneath it what was seen and has no column, and what is wrong.
A card has the url and the result in its first line. What people may copy is never broken inside:
lines break at blanks only, and a word that is longer than a line is left to the terminal.
"""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from abcwebrtc.cli.output import STYLES
from abcwebrtc.probe.report import ADDRESS, FACTS, NOTHING, STEPS, Row
from abcwebrtc.texts import escaped, wrapped

NARROWEST = 20
"""Columns that a line has at least."""
_FAINT = "dim"
_GAP = "  "
_UNLIMITED = 10_000


def show_rows(out: Console, rows: Sequence[Row], last: str) -> None:
    """Print rows, and beneath all of them a last line."""
    width = max(NARROWEST, out.width)
    found = next((one for one in _tables(out, rows) if one.width <= width), None)
    lines = _beneath(found, rows, width) if found else _cards(rows, width)
    for line in [*lines, *_lines_of(last, "", width)]:
        out.print(line, soft_wrap=True)


def _lines_of(text: str, indent: str, width: int, style: str = "") -> List[Text]:
    """Return the lines of a text, all but the first with two more blanks before them."""
    return [Text(line, style) for line in wrapped(text, indent, indent + _GAP, width)]


# as a table


class _Lines(NamedTuple):
    """A table as lines, its heading first, and the facts that have a column in it."""

    width: int
    lines: Sequence[Text]
    facts: Sequence[str]


def _tables(out: Console, rows: Sequence[Row]) -> Iterator[_Lines]:
    """Yield tables with fewer and fewer columns."""
    for wanted in (FACTS, (ADDRESS,), ()):
        facts = [one for one in wanted if any(one in row.facts for row in rows)]
        table = _table(rows, facts)
        options = out.options.update(width=_UNLIMITED)
        options = options.update(width=Measurement.get(out, options, table).maximum)
        lines = []
        for segments in out.render_lines(table, options, pad=False):
            lines.append(Text.assemble(*((one.text, one.style or "") for one in segments)))
            lines[-1].rstrip()
        lines[0] = Text(lines[0].plain, "bold")
        yield _Lines(max(line.cell_len for line in lines), lines, facts)


def _table(rows: Sequence[Row], facts: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, len(_GAP), 0, 0), pad_edge=False, header_style="")
    steps = [one for one in STEPS if any(one in row.steps for row in rows)]
    address = [one for one in facts if one == ADDRESS]
    others = [one for one in facts if one != ADDRESS]
    for heading in ("URL", *address, "BY", *steps, *others, "RESULT"):
        table.add_column(heading, no_wrap=True, overflow="ignore")
    for row in rows:
        cells = [row.url, *_fact_cells(row, address), row.by]
        cells += [row.steps.get(one, "") for one in steps] + _fact_cells(row, others)
        table.add_row(*(Text(escaped(cell)) for cell in cells), _result(row))
    return table


def _fact_cells(row: Row, facts: Sequence[str]) -> List[str]:
    return [row.facts[one].cell if one in row.facts else "" for one in facts]


def _result(row: Row) -> Text:
    return Text(escaped(row.words), STYLES[row.level])


def _beneath(table: _Lines, rows: Sequence[Row], width: int) -> Iterator[Text]:
    """Yield the lines of a table, each with what belongs to it beneath."""
    heading, *lines = table.lines
    yield heading
    for row, line in zip(rows, lines):
        yield line
        yield from _details(_phrases(row, table.facts), width)
        yield from _explained(row, width)
    yield Text("")


# as cards


def _cards(rows: Sequence[Row], width: int) -> Iterator[Text]:
    for row in rows:
        yield Text(escaped(row.url + _GAP)).append_text(_result(row))
        phrases = _phrases(row, ())
        if row.by:
            phrases[0] += f" by {row.by}"
        yield from _details(phrases, width)
        steps = [f"{one.lower()} {cell}" for one, cell in row.steps.items() if cell != NOTHING]
        yield from _details(steps, width)
        yield from _explained(row, width)
        yield Text("")


# beneath a row


def _phrases(row: Row, columns: Sequence[str]) -> List[str]:
    """Return what was seen and has no column, the address first."""
    facts = [fact.phrase for name, fact in row.facts.items() if name not in columns]
    return [phrase for phrase in facts if phrase]


def _details(phrases: Sequence[str], width: int) -> List[Text]:
    return _lines_of(", ".join(phrases), _GAP, width, _FAINT) if phrases else []


def _explained(row: Row, width: int) -> Iterator[Text]:
    for one in row.diagnoses:
        first, *others = _lines_of(f"{one.level}: {one.message}", _GAP, width)
        first.stylize(STYLES[one.level], len(_GAP), len(_GAP) + len(one.level))
        yield from (first, *others)
        if one.advice:
            yield from _lines_of(one.advice[:1].upper() + one.advice[1:], _GAP * 2, width)
