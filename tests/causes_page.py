"""Write docs/reference/causes.md from the table of causes: python tests/causes_page.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterator, Set

from abcwebrtc.probe.causes import CAUSES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "causes.md"
HEAD = """\
# Causes and cures

What [`abcwebrtc probe`](probe.md) and the [test page](../how-to/testpage.md) say, and what to do
about it. Both read this table, `abcwebrtc/probe/causes.json`. The word is in the table and the JSON
of `probe`, and in the page's report. One word may have several messages. Words in *italics* stand
for what was seen. A message may also name another port, address or transport at which the same host
works, or at least answers.

| word | said by | it says | what to do |
| --- | --- | --- | --- |
"""
WHO = {"both": "both", "probe": "probe", "page": "the page"}


def page() -> str:
    return HEAD + "".join(rows())


def rows() -> Iterator[str]:
    for key, one in CAUSES.items():
        level = f"{one['level']}: " if "level" in one else ""
        cells = (f"`{key.partition('/')[0]}`", WHO[one["by"]], level + one["message"], one["cure"])
        yield "| " + " | ".join(_shown(cell) for cell in cells) + " |\n"


def _shown(text: str) -> str:
    return re.sub(r"\{(\w+)\}", r"*\1*", text).replace("|", "\\|").replace("  ", " ")


# which cause a message is of


def keys_of(message: str, cure: str) -> Set[str]:
    """Return the keys of the causes that a message and its cure may be of."""
    return {
        key
        for key, one in CAUSES.items()
        if _pattern(one["message"]).match(message) and _pattern(one["cure"]).match(cure)
    }


def _pattern(template: str) -> "re.Pattern[str]":
    if not template:
        return re.compile(r"\Z")
    parts = re.split(r"\{\w+\}", template)
    return re.compile(".*".join(map(re.escape, parts)), re.DOTALL | re.IGNORECASE)


def said_by(who: str) -> Dict[str, Dict[str, str]]:
    return {key: one for key, one in CAUSES.items() if one["by"] in (who, "both")}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
