"""Why a STUN or TURN server does not work, and what to do: the words of `probe` and the test page.

The words are in ``causes.json``. Each of the two chooses a cause by rules of its own, since a
browser and a socket see different things.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, FrozenSet, Optional

from abcwebrtc.probe.model import Diagnosis


def _read() -> Dict[str, Any]:
    """Return the file, with what a cause leaves out filled in from the cause that ``as`` names."""
    text = Path(__file__).with_name("causes.json").read_text(encoding="utf-8")
    table: Dict[str, Any] = json.loads(text)
    for one in table["causes"].values():
        like = table["causes"].get(one.pop("as", None), {})
        one.update({part: like[part] for part in ("message", "cure") if part not in one})
    return table


TABLE = _read()
"""The page reads this too."""
CAUSES: Dict[str, Dict[str, str]] = TABLE["causes"]
"""By ``word`` or ``word/variant``: ``message`` and ``cure`` with named placeholders, ``level``
if it is not an error, ``by`` who says it: ``probe``, ``page`` or ``both``."""
CLAUSES: Dict[str, str] = TABLE["clauses"]
"""Parts of sentences, with named placeholders."""

CODES: Dict[int, str] = {int(code): key for code, key in TABLE["codes"].items()}
"""The cause of a STUN error code that means the same after any request."""
UNANSWERED: FrozenSet[str] = frozenset(TABLE["unanswered"])
"""Words for the lack of a STUN answer: it is news that the same host answers elsewhere."""
ELSEWHERE_TOO: FrozenSet[str] = frozenset(TABLE["elsewhere-too"])
"""Words for what does not depend on the port or address, or was seen after other answers."""


def said(key: str, **facts: object) -> Diagnosis:
    """Return the diagnosis for a cause, with `facts` in the placeholders.

    Raises `KeyError` for an unknown key or a missing fact.
    """
    found = CAUSES[key]
    message, cure = (found[part].format_map(facts) for part in ("message", "cure"))
    return Diagnosis(found.get("level", "error"), key.partition("/")[0], message, cure)


def clause(key: str, **facts: object) -> str:
    """Return a part of a sentence, with `facts` in the placeholders."""
    return CLAUSES[key].format_map(facts)


def in_brackets(text: Optional[str]) -> str:
    """Return a text in brackets to add to a sentence, or nothing."""
    return f" ({text})" if text else ""
