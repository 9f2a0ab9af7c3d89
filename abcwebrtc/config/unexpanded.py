"""Variables and placeholders that were to be filled in before the file was used, and were not."""

from __future__ import annotations

import re

_FORMS = (
    r"\$\{[^{}\n]*\}",  # a shell's, envsubst's
    r"\$\([^()\n]*\)",
    r"\$[A-Z_][A-Z0-9_]*",
    r"\$\$[A-Z_][A-Z0-9_]*",
    r"\{\{.*?\}\}",  # Jinja's, Helm's, mustache's
    r"\{%.*?%\}",
    r"%[A-Z_][A-Z0-9_]*%",
    r"@[A-Z_][A-Z0-9_]*@",
    r"<[A-Za-z][^<>\n]*>",
    r"__[A-Z][A-Z0-9_]*__",
)
MAX_LENGTH = 1000
"""Characters that are looked at; nothing that is meant has as many."""
_WHOLE = re.compile("|".join(_FORMS), re.DOTALL)
_INSIDE = re.compile("|".join((r"\$[A-Za-z_]\w*", *_FORMS)), re.DOTALL)


def is_unexpanded(text: str) -> bool:
    """Say whether a text is a variable or a placeholder, and nothing else.

    A password may well have a ``$`` in it, but is not ``$TURN_SECRET``.
    """
    return _WHOLE.fullmatch(text[:MAX_LENGTH].strip()) is not None


def has_unexpanded(text: str) -> bool:
    """Say whether there is a variable or a placeholder in the text of a host or a port."""
    return _INSIDE.search(text[:MAX_LENGTH]) is not None
