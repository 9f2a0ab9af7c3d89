"""Find out when a TURN username was minted, when it expires, and whose it is."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from abcwebrtc.config.coturn import PSEUDONYM, TIMESTAMP, USERID
from abcwebrtc.config.secret_sources import Secret, secrets_here
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import CredentialError
from abcwebrtc.times import MAX_EXPIRY, moment_json
from abcwebrtc.turn.credentials import pseudonym
from abcwebrtc.turn.selection import browser_ttls

MAX_LINE_BYTES = 64 * 1024
"""Longer lines of userids are skipped."""
CLOCK_SKEW = 300
"""Seconds by which the minting clock may be ahead of this one."""

# coturn 4.6: "user <1703086872:alice>: incoming", "username=<1703086872:alice>, lifetime=600",
# "closed (2nd stage), user <1703086872:alice> realm". A username has no blanks,
# and 512 bytes at most.
_LOGGED = re.compile(r"user(?:name=| )<(\S{1,512}?)>(?=[:,]?(?:\s|$))")
_USERNAME = re.compile(r"([0-9]+)(?::(\S*))?")
_PSEUDONYM = re.compile("[0-9a-f]{32}")
_WITH_TAIL = re.compile(r"([0-9]+(?::[0-9a-f]{32})?)(?!:.)[!-/:-@\[-`{-~]*")
"""What follows is the log's punctuation, except a colon with text after it."""


class Username(NamedTuple):
    """A parsed username: the expiry in unix seconds, and the part after the colon."""

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
            **moment_json("minted_at", self.minted_at),
            "ttl": self.ttl,
            "made_for": self.made_for,
        }


@dataclass(frozen=True)
class Identity:
    """What is known about a username.

    `style` is "timestamp", "userid" or "pseudonym". `user` is the userid, or None if it is unknown.
    `mintings` are the ways in which the configuration can have minted it, shortest ttl first.
    """

    username: Username
    style: str
    user: Optional[str]
    mintings: Tuple[Minting, ...]


def parse_username(text: str) -> Username:
    """Parse a username, or a line of coturn's log that has one.

    Blanks and quotes around the username are ignored. Raises `CredentialError` if coturn can't have
    accepted it.
    """
    logged = _LOGGED.search(text)
    if logged:
        text = logged[1]
    else:
        text = text.strip()
        if not text[:1].isdigit():
            text = text.rstrip(",:;.").strip("\"'`<>").strip()
        tail = _WITH_TAIL.fullmatch(text)  # a userid may end in punctuation, others do not
        text = tail[1] if tail else text
    match = _USERNAME.fullmatch(text)
    if match is None:
        raise CredentialError(
            "this is not a TURN username: write expiry or expiry:name, as coturn logs it after "
            "'user' or 'username=', such as 1703086872:alice"
        )
    digits, name = match.groups()
    if len(digits) > 10 or int(digits) > MAX_EXPIRY:
        raise CredentialError(
            "this username would expire after 2038-01-19, which coturn refuses; "
            "an expiry is in seconds, not milliseconds"
        )
    if name == "":
        raise CredentialError("this username has nothing after the colon")
    return Username(int(digits), name)


def style_of(username: Username, config: WebRTCConfig) -> str:
    """Return the style of a username: 32 hex digits are a pseudonym.

    They are a userid if the configuration mints userids but no pseudonyms.
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

    A minting that would lie in the future is left out. `now` is in unix seconds.
    """
    servers = [server for server in config.coturn if server.username == style]
    made_for = {ttl: "a browser" for server in servers for ttl in browser_ttls(config, server)}
    if any(server.username == style for server, _ in config.desktop_turns):
        ttl = config.desktop.ttl
        made_for[ttl] = f"{made_for[ttl]} or a desktop" if ttl in made_for else "a desktop"
    every = (Minting(username.expires_at - ttl, ttl, made_for[ttl]) for ttl in sorted(made_for))
    return tuple(one for one in every if 0 <= one.minted_at <= now + CLOCK_SKEW)


def pseudonym_keys(config: WebRTCConfig) -> List[Secret]:
    """Return every key that pseudonyms can come from, each once, the likely ones first.

    Pseudonyms from before a rotation come from an older secret, and those from before there was a
    pseudonym key come from a secret.
    """
    servers = sorted(config.coturn, key=lambda server: server.username != PSEUDONYM)
    found: Dict[bytes, Secret] = {}
    for server in servers:
        for source in (server.pseudonym_keys, server.secrets):
            for key in secrets_here(source) if source else ():
                found.setdefault(key.reveal(), key)
    if servers and not found:
        servers[0].secrets.current()  # its error says where they are
    return list(found.values())


class UseridReader:
    """Reads userids from a stream, line by line.

    Lines may end in LF or CRLF; blank lines are ignored. `skipped` counts lines that are not UTF-8
    text or longer than 64 KiB, `found` the userids so far.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.skipped = self.found = 0

    def __iter__(self) -> Iterator[str]:
        """Yield each userid."""
        encoding, is_start = "utf-8-sig", True
        for part in iter(lambda: self._stream.readline(MAX_LINE_BYTES), b""):
            is_line = is_start
            is_start = part.endswith(b"\n")
            if not is_line:
                continue
            if not is_start and len(part) == MAX_LINE_BYTES:
                self.skipped += 1
                continue
            try:
                text = part.decode(encoding).rstrip("\r\n")
            except UnicodeDecodeError:
                text = "\0"
            if "\0" in text:  # as in no text, but in a file of another kind
                self.skipped += 1
            elif text.strip():
                self.found += 1
                yield text
            encoding = "utf-8"


def find_user(name: str, keys: Iterable[Secret], users: Iterable[str]) -> Optional[str]:
    """Return the one of `users` whose pseudonym is `name`, under any of the keys.

    If a userid does not match with the blanks around it, it is tried without them.
    """
    given = list(keys)
    for user in users:
        for spelling in dict.fromkeys((user, user.strip())):
            if any(hmac.compare_digest(pseudonym(key, spelling), name) for key in given):
                return spelling
    return None
