"""Moments and durations: unix time, the end of TURN's, and texts that people write and read."""

from __future__ import annotations

import math
import re
from datetime import datetime, timezone
from typing import Any, Dict, Optional

from abcwebrtc.errors import CredentialError

MAX_EXPIRY = 2**31 - 1
"""coturn refuses an expiry after 2038-01-19T03:14:07Z, in unix seconds."""
MAX_MOMENT = 4102444799
"""2099-12-31T23:59:59Z, the last moment that is accepted, in unix seconds."""

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


def unix_seconds(now: float) -> int:
    """Return a moment in whole unix seconds; raise `CredentialError` if it is not one."""
    try:
        moment = math.floor(now)
    except (TypeError, ValueError, OverflowError):  # the last two are for NaN and infinity
        moment = -1
    if moment < 0:
        raise CredentialError("now must be a number of unix seconds, 0 or more")
    return moment


def iso_text(moment: float) -> str:
    """Return a moment, in unix seconds, in RFC 3339 form: ``2026-01-05T09:00:00Z``."""
    moment_utc = datetime.fromtimestamp(math.floor(moment), timezone.utc)
    return f"{moment_utc:%Y-%m-%dT%H:%M:%SZ}"


def moment_json(key: str, moment: Optional[float]) -> Dict[str, Any]:
    """Return a moment as JSON data: as text under a key, and as ``<key>_unix`` in whole seconds."""
    text, seconds = (None, None) if moment is None else (iso_text(moment), math.floor(moment))
    return {key: text, f"{key}_unix": seconds}


def duration_text(seconds: float) -> str:
    """Return a duration in words, its two largest units: ``1 day 2 hours``; in days, no minutes."""
    left, parts = abs(int(seconds)), []
    for name, size in _UNITS[:2] if left >= 86400 else _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {name}{'' if number == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"


def relative_text(moment: float, now: float) -> str:
    """Return ``in 1 hour``, ``5 minutes ago`` or ``now``."""
    difference = math.floor(moment) - math.floor(now)
    if difference == 0:
        return "now"
    words = duration_text(difference)
    return f"in {words}" if difference > 0 else f"{words} ago"


def parse_moment(text: str) -> float:
    """Return the unix seconds of ``2026-01-05T09:00:00Z``, or of unix seconds themselves.

    A time without a zone is in UTC. Unix seconds have 10 digits from 2001 on; fewer digits are more
    likely a date such as 20260105. Raises `ValueError`, whose text says what to write.
    """
    try:
        moment = float(text) if re.fullmatch("[0-9]{10}", text) else _parse_iso(text)
    except (ValueError, OverflowError):
        moment = -1.0
    if 0 <= moment <= MAX_MOMENT:
        return moment
    raise ValueError(
        "write a time such as 2026-01-05T09:00:00Z, or unix seconds, which have 10 digits"
    )


def _parse_iso(text: str) -> float:
    if text.isdigit():  # Pythons after 3.8 read some as dates
        raise ValueError
    # Python 3.8 does not know Z.
    parsed = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=timezone.utc)
    return parsed.timestamp()
