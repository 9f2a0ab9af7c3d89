"""Who may see the test page: a link that works once, and the session that it opens.

Both are random, live in this process only, and end by themselves. Nothing is
kept but their digests, so that not even a dump of the memory gives one away.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from typing import Callable, Dict, NamedTuple, Optional

LINK_SECONDS = 600.0
"""How long a link waits to be used."""
SESSION_SECONDS = 3600.0
"""How long a session lasts, whatever is done in it."""
MAX_SESSIONS = 100
"""More sessions than this at a time end the oldest."""
_BYTES = 32
"""256 bits: nobody guesses one, so guesses need not be counted."""


class _Link(NamedTuple):
    digest: bytes
    ends_at: float


class OperatorLogin:
    """The current link and the sessions; safe to use from several threads.

    `clock` returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._link: Optional[_Link] = None
        self._sessions: Dict[bytes, float] = {}

    def new_key(self) -> str:
        """Return the key of a new link; the link before it, if unused, ends."""
        key = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._link = _Link(_digest(key), self._clock() + LINK_SECONDS)
        return key

    def redeem(self, key: str) -> Optional[str]:
        """Return a new session for the key of the current link, None for any other.

        The key works once. A wrong one leaves the link as it is.
        """
        digest = _digest(key)
        with self._lock:
            link, now = self._link, self._clock()
            if link is None or now >= link.ends_at:
                return None
            if not hmac.compare_digest(link.digest, digest):
                return None
            self._link = None
            return self._open(now)

    def is_session(self, session: str) -> bool:
        """Say whether a session is known, and has not ended."""
        digest = _digest(session)
        with self._lock:
            ends_at = self._sessions.get(digest)
            return ends_at is not None and self._clock() < ends_at

    def _open(self, now: float) -> str:
        running = {one: end for one, end in self._sessions.items() if now < end}
        while len(running) >= MAX_SESSIONS:
            del running[min(running, key=lambda one: running[one])]
        session = secrets.token_urlsafe(_BYTES)
        running[_digest(session)] = now + SESSION_SECONDS
        self._sessions = running
        return session


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
