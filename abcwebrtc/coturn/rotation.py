"""Changing a static auth secret: what hangs together, how long, and at which step one is.

Nothing here contacts coturn or reads a file; `abcwebrtc.probe.accepted_secrets` asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.coturn import SECRET_KEY, CoturnServer
from abcwebrtc.config.secret_sources import (
    FileSecrets,
    Secret,
    SecretsElsewhere,
    secrets_here,
)
from abcwebrtc.config.webrtc import COTURN, WebRTCConfig
from abcwebrtc.coturn.server import connected
from abcwebrtc.errors import format_path

DEFAULT_MARGIN = 300
"""Seconds: the kubelet updates a mounted Secret within two minutes or so, and clocks differ."""

INLINE, FILE, ENVIRONMENT = "inline", "file", "environment"


@dataclass(frozen=True)
class Place:
    """Where the secrets of an entry stand: `kind`, and the file's or variable's `name`."""

    kind: str
    name: str = ""


@dataclass(frozen=True)
class Group:
    """Entries of ``webrtc.coturn`` that share a secret, and so change it together.

    `indexes` are their places in the list, `paths` their key paths, `places` where
    each has its secrets. `desktop_ttl` is in seconds, and None unless desktops get
    a server of these.
    """

    indexes: Tuple[int, ...]
    paths: Tuple[str, ...]
    servers: Tuple[CoturnServer, ...]
    places: Tuple[Place, ...]
    desktop_ttl: Optional[int]

    @property
    def secrets(self) -> Tuple[Secret, ...]:
        """Every secret of the entries that is here, once; the first one mints."""
        found: List[Secret] = []
        for server in self.servers:
            found += [secret for secret in secrets_here(server.secrets) if secret not in found]
        return tuple(found)

    @property
    def is_here(self) -> bool:
        """Whether the secrets are on this machine, so that their number is known."""
        return not any(isinstance(server.secrets, SecretsElsewhere) for server in self.servers)

    @property
    def is_mixed(self) -> bool:
        """Whether the entries mint with different secrets, as far as these are here."""
        first = [found[0] for found in (secrets_here(s.secrets) for s in self.servers) if found]
        return any(secret != first[0] for secret in first)

    @property
    def urls(self) -> Tuple[str, ...]:
        """The urls of all entries, each once."""
        return tuple(dict.fromkeys(url for server in self.servers for url in server.urls))

    @property
    def browser_ttl(self) -> int:
        """The longest ttl of the entries, in seconds."""
        return max(server.ttl for server in self.servers)

    @property
    def longest_ttl(self) -> int:
        """How long a credential that was minted just now can be used, in seconds."""
        return max(self.browser_ttl, self.desktop_ttl or 0)

    @property
    def loses_pseudonyms(self) -> bool:
        """Whether users get other pseudonyms when the secret changes."""
        return any(
            server.username == "pseudonym" and server.pseudonym_keys is None
            for server in self.servers
        )

    def removal(self, switched: float, margin: int) -> float:
        """Return when the old secret may go from coturn.

        `switched` is when the last process minted with it, in unix seconds. An
        expiry equal to now still holds, hence the second more.
        """
        return switched + self.longest_ttl + 1 + margin


def groups(config: WebRTCConfig, entries: Any) -> List[Group]:
    """Return the groups of a configuration, in the order of its entries.

    `entries` is the ``webrtc.coturn`` that `config` was made of. Two entries
    with a secret in common are taken for one coturn, known by two addresses.
    """
    items = [entries] if isinstance(entries, Mapping) else list(entries or ())
    desktop = config.desktop_turn if config.enable else None
    # What two entries that share a secret have in common: it, or where it stands.
    marks = [secrets_here(server.secrets) or (server.secrets,) for server in config.coturn]
    found = []
    for members in connected(marks):
        servers = tuple(config.coturn[index] for index in members)
        paths = [(COTURN,) if isinstance(entries, Mapping) else (COTURN, i) for i in members]
        has_desktops = desktop is not None and any(server is desktop[0] for server in servers)
        found.append(
            Group(
                tuple(members),
                tuple(map(format_path, paths)),
                servers,
                tuple(_place(items[index], config.coturn[index]) for index in members),
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


# the step, from what coturn accepts


class Answer(NamedTuple):
    """Whether coturn accepts a secret; None with a `reason` when that can't be told."""

    accepted: Optional[bool]
    reason: str = ""

    def __str__(self) -> str:
        """Return it in words."""
        words = {True: "accepted", False: "refused", None: "not known"}[self.accepted]
        return f"{words} ({self.reason})" if self.reason else words


@dataclass(frozen=True)
class Step:
    """A state of the rotation, and what to do in it.

    `works` says whether calls are accepted, None where that is not known.
    """

    name: str
    works: Optional[bool]
    meaning: str
    advice: str


NO_ANSWER = Step(
    "no answer",
    None,
    "coturn did not answer for every secret, so the step is not known",
    "change nothing; see that coturn can be reached from here, and ask again",
)
WRONG = Step(
    "wrong",
    False,
    "coturn accepts none of these secrets, so calls are refused",
    "give coturn the first secret of od.config, or od.config that of coturn; see that the realm "
    "is the same in its database and turnserver.conf, and that the clocks agree",
)
NOT_GIVEN = Step(
    "not given",
    False,
    "od.config mints with a secret that coturn does not know, so calls are refused now",
    "give it to coturn at once, or put the older one first again",
)
SWITCH_NOW = Step(
    "taken too early",
    False,
    "coturn knows the new secret and no longer the one that od.config mints with, "
    "so calls are refused now",
    "put the new one first in od.config at once, or give coturn the old one back",
)
ANNOUNCE = Step(
    "new one unknown",
    True,
    "coturn does not know the new secret yet",
    "give it to coturn; do not mint with it before",
)
READY = Step(
    "ready",
    True,
    "coturn accepts the new secret beside the one that od.config mints with",
    "switch: put the new one first in od.config",
)
MIXED = Step(
    "mixed",
    True,
    "entries of webrtc.coturn that share a secret mint with different ones",
    "put the new secret first in each of them; the old one must stay in coturn till then",
)
OVERLAP = Step(
    "overlap",
    True,
    "od.config mints with the first secret, and coturn still accepts an older one",
    "leave both in coturn until the last credential of the older one has expired",
)
RETIRED = Step(
    "retired",
    True,
    "coturn knows no older secret any more",
    "take the older ones from od.config",
)
SETTLED = Step(
    "settled",
    True,
    "od.config has one secret, and coturn accepts it",
    "nothing is to be done; abcwebrtc rotate plan says how to change it",
)
STEPS = (WRONG, NOT_GIVEN, SWITCH_NOW, NO_ANSWER, ANNOUNCE, READY, MIXED, OVERLAP, RETIRED, SETTLED)
"""Every step, the one that needs most care first."""


def find_step(
    minting: Optional[bool],
    older: Sequence[Optional[bool]] = (),
    new: Sequence[Optional[bool]] = (),
) -> Step:
    """Return the step that one coturn is at.

    `minting` says whether it accepts the secret that od.config mints with,
    `older` the others that od.config lists, `new` one that it does not mint with
    yet, if there is one. None stands for no answer.
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
    """Return which of several coturns' steps is the one to heed."""
    return min(steps, key=STEPS.index)
