"""Why a STUN or TURN server does not work, and what to do: the words of `probe` and the test page.

They stand in ``causes.json``. Both choose a cause by rules of their own, since a browser sees
other things than a socket does, and say it in the words of that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, FrozenSet, Optional

from abcwebrtc.probe.model import Diagnosis


def _read() -> Dict[str, Any]:
    """Return the file; there a cause takes what it does not say from the one that ``as`` names."""
    text = Path(__file__).with_name("causes.json").read_text(encoding="utf-8")
    table: Dict[str, Any] = json.loads(text)
    for one in table["causes"].values():
        like = table["causes"].get(one.pop("as", None), {})
        one.update({part: like[part] for part in ("message", "cure") if part not in one})
    return table


TABLE = _read()
"""What the page reads, too."""
CAUSES: Dict[str, Dict[str, str]] = TABLE["causes"]
"""By ``word`` or ``word/variant``: ``message`` and ``cure`` with named placeholders, ``level``
where it is no error, ``by`` whom it is said: ``probe``, ``page`` or ``both``."""
CLAUSES: Dict[str, str] = TABLE["clauses"]
"""Parts of sentences, with named placeholders."""

CODES: Dict[int, str] = {int(code): key for code, key in TABLE["codes"].items()}
"""What an error code of STUN means, where it needs no look at the request."""
UNANSWERED: FrozenSet[str] = frozenset(TABLE["unanswered"])
"""Words of what had no answer of a STUN server, so that it says much where the host has one."""
ELSEWHERE_TOO: FrozenSet[str] = frozenset(TABLE["elsewhere-too"])
"""Words of what is of no one port or address, or was seen later than what others answered."""


def said(key: str, **facts: object) -> Diagnosis:
    """Return the diagnosis of a cause, with `facts` in the placeholders.

    Raises `KeyError` for a key that is not in the file, and for a fact that is missing.
    """
    found = CAUSES[key]
    message, cure = (found[part].format_map(facts) for part in ("message", "cure"))
    return Diagnosis(found.get("level", "error"), key.partition("/")[0], message, cure)


def clause(key: str, **facts: object) -> str:
    """Return a part of a sentence by its key, with `facts` in its placeholders."""
    return CLAUSES[key].format_map(facts)


def in_brackets(text: Optional[str]) -> str:
    """Return a text as a detail behind something, or nothing."""
    return f" ({text})" if text else ""
