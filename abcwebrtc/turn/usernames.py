"""From a TURN username back to when it was minted, when it expires, and whose it is."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.secret_sources import Secret, secrets_here
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.times import MAX_EXPIRY, iso_text
from abcwebrtc.turn.credentials import pseudonym

TIMESTAMP, USERID, PSEUDONYM = "timestamp", "userid", "pseudonym"
MAX_LINE_BYTES = 64 * 1024
"""A line of the userids that is longer is passed over."""
CLOCK_SKEW = 300
"""Seconds by which the clock that minted may be ahead of this one."""

# coturn 4.6: "user <1703086872:alice>: incoming", "username=<1703086872:alice>, lifetime=600",
# "closed (2nd stage), user <1703086872:alice> realm". A username has no blanks,
# and 512 bytes at most.
_LOGGED = re.compile(r"user(?:name=| )<(\S{1,512}?)>(?=[:,]?(?:\s|$))")
_USERNAME = re.compile(r"([0-9]+)(?::(.*))?", re.DOTALL)
_PSEUDONYM = re.compile("[0-9a-f]{32}")
_QUOTES = "\"'`<>"
_WITH_TAIL = re.compile(r"([0-9]+(?::[0-9a-f]{32})?)(?!:.)[!-/:-@\[-`{-~]*")
"""What follows is punctuation of a log, but for a colon that something else follows."""


class Username(NamedTuple):
    """A username taken apart: the expiry in unix seconds, and what stands after the colon."""

    expires_at: int
    name: Optional[str]

    def __str__(self) -> str:
        """Return the username."""
        return str(self.expires_at) if self.name is None else f"{self.expires_at}:{self.name}"


class Minting(NamedTuple):
    """One way in which a username may have been minted."""

    minted_at: int
    ttl: int
    made_for: str

    def as_dict(self) -> Dict[str, Any]:
        """Return it as plain JSON data."""
        return {
            "minted_at": iso_text(self.minted_at),
            "ttl": self.ttl,
            "made_for": self.made_for,
        }


@dataclass(frozen=True)
class Identity:
    """What is known of a username.

    `style` is one of "timestamp", "userid" and "pseudonym"; `user` the userid,
    None where it is not known. `mintings` are the ways in which the
    configuration can have minted it, the shortest ttl first.
    """

    username: Username
    style: str
    user: Optional[str]
    mintings: Tuple[Minting, ...]


def parse_username(text: str) -> Username:
    """Take a username apart, or a line of coturn's log that has one.

    Blanks and quotes around it don't count. Raises `AbcWebRTCError` when it is
    none that coturn may have accepted.
    """
    logged = _LOGGED.search(text)
    if logged:
        text = logged.group(1)
    match = _USERNAME.fullmatch(text if logged else _bare(text))
    if match is None or re.search(r"\s", match.group()):
        raise AbcWebRTCError(
            "this is no TURN username: write expiry or expiry:name, as coturn logs it after "
            "'user' or 'username=', such as 1703086872:alice"
        )
    digits, name = match.groups()
    if len(digits) > 10 or int(digits) > MAX_EXPIRY:
        raise AbcWebRTCError(
            "this username would expire after 2038-01-19, and coturn refuses that; "
            "an expiry is in seconds, not milliseconds"
        )
    if name == "":
        raise AbcWebRTCError("this username has nothing after the colon")
    return Username(int(digits), name)


def _bare(text: str) -> str:
    """Return a text without the blanks and quotes around it, and what follows these.

    A userid may end in punctuation, an expiry or a pseudonym does not.
    """
    text = text.strip()
    if not text[:1].isdigit():
        text = text.rstrip(",:;.").strip(_QUOTES).strip()
    tail = _WITH_TAIL.fullmatch(text)
    return tail.group(1) if tail else text


def style_of(username: Username, config: WebRTCConfig) -> str:
    """Return the style of a username: 32 hex digits are a pseudonym.

    They are a userid where the configuration mints userids and no pseudonyms.
    """
    if username.name is None:
        return TIMESTAMP
    styles = {server.username for server in config.coturn}
    if not _PSEUDONYM.fullmatch(username.name):
        return USERID
    return USERID if USERID in styles and PSEUDONYM not in styles else PSEUDONYM


def mintings(
    username: Username, style: str, config: WebRTCConfig, now: float
) -> Tuple[Minting, ...]:
    """Return the ways in which the configuration can have minted a username.

    Left out is one that would lie in the future. `now` is in unix seconds.
    """
    found: Dict[int, Minting] = {}
    for ttl, made_for in _ttls(config, style):
        minted_at = username.expires_at - ttl
        if 0 <= minted_at <= now + CLOCK_SKEW:
            known = found.get(ttl)
            text = f"{known.made_for} or {made_for}" if known else made_for
            found[ttl] = Minting(minted_at, ttl, text)
    return tuple(found[ttl] for ttl in sorted(found))


def _ttls(config: WebRTCConfig, style: str) -> Iterator[Tuple[int, str]]:
    servers = [server for server in config.coturn if server.username == style]
    for ttl in dict.fromkeys(server.ttl for server in servers):
        yield ttl, "a browser"
    desktop = config.desktop_turn
    if desktop and desktop[0].username == style:
        yield config.desktop.ttl, "a desktop"


def pseudonym_keys(config: WebRTCConfig) -> List[Secret]:
    """Return every key that pseudonyms can come from, each once, the likely ones first.

    An older secret made those from before a rotation, and a secret those from
    before there was a key of its own.
    """
    servers = sorted(config.coturn, key=lambda server: server.username != PSEUDONYM)
    found: List[Secret] = []
    for server in servers:
        found += [key for key in _keys(server) if key not in found]
    if servers and not found:
        servers[0].secrets.current()  # it says where they are
    return found


def _keys(server: CoturnServer) -> Iterable[Secret]:
    own = secrets_here(server.pseudonym_keys) if server.pseudonym_keys else ()
    return (*own, *secrets_here(server.secrets))


class UseridReader:
    """Reads userids from a stream of lines, a line at a time.

    Lines may end in LF or CRLF; blank ones are passed over. `skipped` counts
    those that are not UTF-8, or longer than 64 KiB.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.skipped = 0

    def __iter__(self) -> Iterator[str]:
        """Yield each userid."""
        first = True
        for line in self._lines():
            try:
                text = line.decode("utf-8-sig" if first else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                self.skipped += 1
            else:
                if text.strip():
                    yield text
            first = False

    def _lines(self) -> Iterator[bytes]:
        whole = True
        while True:
            line = self._stream.readline(MAX_LINE_BYTES)
            if not line:
                return
            ends = line.endswith(b"\n")
            if whole and (ends or len(line) < MAX_LINE_BYTES):
                yield line
            elif whole:
                self.skipped += 1
            whole = ends


def find_user(name: str, keys: Iterable[Secret], users: Iterable[str]) -> Optional[str]:
    """Return the one of `users` whose pseudonym is `name`, under any of the keys.

    Blanks around a userid are taken off where it does not fit with them.
    """
    given = list(keys)
    for user in users:
        for spelling in dict.fromkeys((user, user.strip())):
            if any(hmac.compare_digest(pseudonym(key, spelling), name) for key in given):
                return spelling
    return None
