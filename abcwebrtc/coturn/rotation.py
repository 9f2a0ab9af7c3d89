"""Rotate a static auth secret: which entries change together, how long it takes, and the steps.

Nothing here contacts coturn or reads a file; `abcwebrtc.probe.accepted_secrets` asks coturn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.coturn_secrets import SECRET_KEY
from abcwebrtc.config.entries import COTURN
from abcwebrtc.config.secret_sources import (
    FileSecrets,
    Secret,
    SecretsElsewhere,
    secrets_here,
)
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.coturn.server import connected
from abcwebrtc.errors import format_path
from abcwebrtc.turn.selection import browser_ttls

DEFAULT_MARGIN = 300
"""Seconds. The kubelet updates a mounted Secret within about two minutes, and clocks differ."""

INLINE, FILE, ENVIRONMENT = "inline", "file", "environment"


@dataclass(frozen=True)
class Place:
    """Where the secrets of an entry are: `kind`, and the `name` of the file or variable."""

    kind: str
    name: str = ""


@dataclass(frozen=True)
class Group:
    """Entries of ``webrtc.coturn`` that share a secret, and so change it together.

    `indexes` are their positions in the list, `paths` their key paths, and `places`
    says where each has its secrets. `browser_ttl` and `desktop_ttl` are the longest ttls of
    credentials for browsers and desktops, in seconds; the latter is None if desktops do not use
    any of these servers.
    """

    indexes: Tuple[int, ...]
    paths: Tuple[str, ...]
    servers: Tuple[CoturnServer, ...]
    places: Tuple[Place, ...]
    browser_ttl: int
    desktop_ttl: Optional[int]

    @property
    def secrets(self) -> Tuple[Secret, ...]:
        """Every secret of the entries that is on this machine, once; the first one mints."""
        found: List[Secret] = []
        for server in self.servers:
            found += [secret for secret in secrets_here(server.secrets) if secret not in found]
        return tuple(found)

    @property
    def is_here(self) -> bool:
        """Whether all secrets are on this machine, so that their number is known."""
        return not any(isinstance(server.secrets, SecretsElsewhere) for server in self.servers)

    @property
    def is_mixed(self) -> bool:
        """Whether the entries mint with different secrets, as far as they are known."""
        first = [found[0] for found in (secrets_here(s.secrets) for s in self.servers) if found]
        return any(secret != first[0] for secret in first)

    @property
    def urls(self) -> Tuple[str, ...]:
        """The URLs of all entries, each once."""
        return tuple(dict.fromkeys(url for server in self.servers for url in server.urls))

    @property
    def longest_ttl(self) -> int:
        """How long a credential minted now is valid, in seconds."""
        return max(self.browser_ttl, self.desktop_ttl or 0)

    @property
    def loses_pseudonyms(self) -> bool:
        """Whether users get new pseudonyms when the secret changes."""
        return any(
            server.username == "pseudonym" and server.pseudonym_keys is None
            for server in self.servers
        )

    def removal(self, switched: float, margin: int) -> float:
        """Return when the old secret can be removed from coturn.

        `switched` is when the last process minted with it, in unix seconds. A
        credential is still valid in the second in which it expires, hence + 1.
        """
        return switched + self.longest_ttl + 1 + margin


def groups(config: WebRTCConfig, entries: Any) -> List[Group]:
    """Return the groups of a configuration, in the order of its entries.

    `entries` is the ``webrtc.coturn`` from which `config` was made. Two entries
    that share a secret are treated as one coturn with two addresses.
    """
    items = [entries] if isinstance(entries, Mapping) else list(entries or ())
    desktops = config.desktop_turns if config.enable else []
    # Entries belong together if they share a secret, or the place where it is stored.
    marks = [secrets_here(server.secrets) or (server.secrets,) for server in config.coturn]
    found = []
    for members in connected(marks):
        servers = tuple(config.coturn[index] for index in members)
        paths = [(COTURN,) if isinstance(entries, Mapping) else (COTURN, i) for i in members]
        has_desktops = any(server is one for server in servers for one, _ in desktops)
        found.append(
            Group(
                tuple(members),
                tuple(map(format_path, paths)),
                servers,
                tuple(_place(items[index], config.coturn[index]) for index in members),
                max(ttl for server in servers for ttl in browser_ttls(config, server)),
                config.desktop.ttl if has_desktops else None,
            )
        )
    return found


def _place(entry: Mapping[str, Any], server: CoturnServer) -> Place:
    if isinstance(server.secrets, FileSecrets):
        return Place(FILE, server.secrets.path)
    if isinstance(server.secrets, SecretsElsewhere) and server.secrets.is_file:
        return Place(FILE, server.secrets.place)
    variable = entry.get(SECRET_KEY + "_env")
    return Place(ENVIRONMENT, str(variable)) if variable else Place(INLINE)


# which step a rotation is at, from what coturn accepts


class Answer(NamedTuple):
    """Whether coturn accepts a secret; None, with a `reason`, if that is not known."""

    accepted: Optional[bool]
    reason: str = ""

    def __str__(self) -> str:
        """Return the answer in words."""
        words = {True: "accepted", False: "refused", None: "not known"}[self.accepted]
        return f"{words} ({self.reason})" if self.reason else words


@dataclass(frozen=True)
class Step:
    """A state of the rotation, and what to do next.

    `works` says whether coturn accepts calls; None means that this is not known.
    """

    name: str
    works: Optional[bool]
    meaning: str
    advice: str


NO_ANSWER = Step(
    "no answer",
    None,
    "coturn did not answer for every secret, so the step is not known",
    "change nothing; make sure that this machine can reach coturn, and try again",
)
WRONG = Step(
    "wrong",
    False,
    "coturn accepts none of these secrets, so it refuses calls",
    "give coturn the first secret from od.config, or put coturn's secret into od.config; check "
    "that its database and turnserver.conf have the same realm, and that the clocks agree",
)
NOT_GIVEN = Step(
    "not given",
    False,
    "od.config mints with a secret that coturn does not know, so it refuses calls",
    "give that secret to coturn now, or put the older one first again",
)
SWITCH_NOW = Step(
    "taken too early",
    False,
    "coturn knows the new secret, but no longer the one that od.config mints with, so it refuses "
    "calls",
    "put the new secret first in od.config now, or give the old one back to coturn",
)
ANNOUNCE = Step(
    "new one unknown",
    True,
    "coturn does not know the new secret yet",
    "give it to coturn before you mint with it",
)
READY = Step(
    "ready",
    True,
    "coturn accepts both the new secret and the one that od.config mints with",
    "switch: put the new secret first in od.config",
)
MIXED = Step(
    "mixed",
    True,
    "entries of webrtc.coturn that share a secret mint with different ones",
    "put the new secret first in each of them; until then, keep the old one in coturn",
)
OVERLAP = Step(
    "overlap",
    True,
    "od.config mints with the first secret, and coturn still accepts an older one",
    "keep both in coturn until the last credential of the older one has expired",
)
RETIRED = Step(
    "retired",
    True,
    "coturn no longer accepts any older secret",
    "remove the older ones from od.config",
)
SETTLED = Step(
    "settled",
    True,
    "od.config has one secret, and coturn accepts it",
    "nothing to do; to change the secret, see abcwebrtc rotate plan",
)
STEPS = (WRONG, NOT_GIVEN, SWITCH_NOW, NO_ANSWER, ANNOUNCE, READY, MIXED, OVERLAP, RETIRED, SETTLED)
"""Every step, the most urgent first."""


def find_step(
    minting: Optional[bool],
    older: Sequence[Optional[bool]] = (),
    new: Sequence[Optional[bool]] = (),
) -> Step:
    """Return the step that one coturn is at.

    `minting` says whether it accepts the secret that od.config mints with, `older`
    the same for the other secrets in od.config, and `new` for a new one, if there
    is one. None stands for no answer.
    """
    if minting is None or None in older or None in new:
        return NO_ANSWER
    if not minting:
        if True in new:
            return SWITCH_NOW
        return NOT_GIVEN if True in older else WRONG
    if new:
        return READY if True in new else ANNOUNCE
    if not older:
        return SETTLED
    return OVERLAP if True in older else RETIRED


def least_advanced(steps: Sequence[Step]) -> Step:
    """Return the step of the coturn that is furthest behind."""
    return min(steps, key=STEPS.index)
