"""The users of a fleet of coturn servers, by label, and what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, NamedTuple, Optional, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.policies import Policy
from abcwebrtc.config.problems import is_name
from abcwebrtc.texts import is_like_secret

if TYPE_CHECKING:
    from abcwebrtc.config.webrtc import WebRTCConfig

MAX_LABELS = 256
"""The labels that are looked at, each by itself."""
NOT_SHOWN = "(not shown)"


class Group(NamedTuple):
    """Users who have one label of the acls; a `label` of None is for users who have none.

    `users` are they in words. Theirs are chosen among `servers`, `policy` applies to them, and
    `has_desktop_turn` says whether webrtc.desktop gives their desktops a TURN server.
    """

    label: Optional[str]
    users: str
    servers: Tuple[CoturnServer, ...]
    policy: Optional[Policy]
    has_desktop_turn: bool

    def number(self, most: Optional[int]) -> int:
        """Return how many servers each of the users gets, where `most` is the limit, if any."""
        return len(self.servers) if most is None else min(most, len(self.servers))


def groups_of(config: WebRTCConfig) -> Iterator[Group]:
    """Yield users without a label of the acls, and those with each of the first `MAX_LABELS`.

    A user with several labels may get more, or less.
    """
    labels = config.labels[:MAX_LABELS]
    yield _group(config, None, "users without a label in an acl" if labels else "users")
    for label in labels:
        shown = shown_name(label)
        words = shown if shown == NOT_SHOWN else f"'{shown}'"
        yield _group(config, label, f"users with the label {words}")


def _group(config: WebRTCConfig, label: Optional[str], users: str) -> Group:
    labels = () if label is None else (label,)
    policy = next((one for one in config.policies if one.permits(labels)), None)
    servers = config.servers_for(labels)
    return Group(label, users, servers, policy, config.desktop.gives_turn(labels))


def shown_name(name: str) -> str:
    """Return the name of a label or a server, unless somebody may have put a secret there."""
    return name if is_name(name) and not is_like_secret(name) else NOT_SHOWN
