"""The version of a coturn: which options there are, and what it does by itself, depends on it."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional


class CoturnVersion(NamedTuple):
    """A version, as far as options depend on it: ``(4, 6)`` for coturn 4.6.1."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Return ``4.6``."""
        return f"{self.major}.{self.minor}"

    @property
    def known(self) -> CoturnVersion:
        """Itself, or `NEWEST` for one that came out later."""
        return min(self, NEWEST)


OLDEST = CoturnVersion(4, 5)
"""The oldest that was tried, as 4.5.2."""
USUAL = CoturnVersion(4, 6)
"""That of Debian 12 and 13, and of Ubuntu 24.04."""
NEWEST = CoturnVersion(4, 18)
"""The newest that was tried, as 4.18.0."""


def parse_version(text: str) -> Optional[CoturnVersion]:
    """Return the version of a text such as ``4.6`` or ``4.18.0``, None for anything else."""
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(\.[0-9]{1,3}){0,2}", text, re.ASCII)
    return CoturnVersion(int(match.group(1)), int(match.group(2))) if match else None
