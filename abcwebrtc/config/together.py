"""What is unwise in a configuration only in combination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Set, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.entries import (
    COTURN,
    COTURN_SERVERS,
    DESKTOP,
    ENABLE,
    POLICIES,
    RTC_CONFIGURATION,
)
from abcwebrtc.config.problems import Where, is_name
from abcwebrtc.config.sound import DESKTOP_POD, SOUND
from abcwebrtc.config.uris import TURN_SCHEMES
from abcwebrtc.errors import Problem
from abcwebrtc.texts import is_like_secret

if TYPE_CHECKING:
    from abcwebrtc.config.webrtc import WebRTCConfig

MAX_URLS = 4
"""Firefox warns, and every browser gathers slowly, with more."""
MAX_LABELS = 256
"""The labels that are looked at, each by itself."""
_NO_SERVER = (
    "is True, but there is no STUN or TURN server, so there is sound only for browsers that "
    "reach the desktops directly; add webrtc.coturn"
)


def check_together(config: WebRTCConfig, root: Where, doubtful: Set[str]) -> Iterator[Problem]:
    """Yield a warning of what is unwise only in combination, as far as no entry is `doubtful`."""
    schemes = [uri.scheme for uri in config.uris]
    has_turn = any(scheme in TURN_SCHEMES for scheme in schemes)
    is_relay = config.rtc_configuration.get("iceTransportPolicy") == "relay"
    if not doubtful & {ENABLE, COTURN, RTC_CONFIGURATION} and config.enable and not schemes:
        yield root[ENABLE].warning(_NO_SERVER)
    if not doubtful & {COTURN, RTC_CONFIGURATION} and is_relay and not has_turn:
        message = "is 'relay', but there is no TURN server: no call will ever connect"
        yield root[RTC_CONFIGURATION]["iceTransportPolicy"].warning(message)
    number = len(config.static_uris) + _most_urls(config)
    if not doubtful & {COTURN, COTURN_SERVERS, RTC_CONFIGURATION} and number > MAX_URLS:
        message = f"browsers get {number} urls; more than {MAX_URLS} make them slow"
        yield root[COTURN if config.coturn else RTC_CONFIGURATION].warning(message)
    if not doubtful & {COTURN, COTURN_SERVERS, RTC_CONFIGURATION, POLICIES}:
        yield from _check_choice(config, root)
    if not doubtful & {DESKTOP, COTURN}:
        yield from _check_desktop_turn(config, root[DESKTOP]["turn"])
    is_silent = config.enable and config.sound and not config.sound.enable
    if not doubtful & {ENABLE, DESKTOP_POD} and is_silent:
        message = "is not True, so desktops have no sound to send; write 'enable': True"
        yield root[DESKTOP_POD][SOUND]["enable"].warning(message)


def _check_desktop_turn(config: WebRTCConfig, where: Where) -> Iterator[Problem]:
    given = [uri.scheme for server, uri in config.desktop_turns if not server.drain]
    if config.desktop.turn and not config.coturn:
        yield where.warning("is True, but webrtc.coturn has no server to give")
    elif given and "turn" not in given:
        yield where.warning(
            "is True, but there is only turns, and webrtcbin up to 1.22 does not speak TLS to it; "
            "coturn accepts plain TURN on the same port, but other servers need a turn url"
        )


# which users get which servers


def users_of(config: WebRTCConfig) -> Iterator[Tuple[str, Tuple[CoturnServer, ...]]]:
    """Yield each kind of user in words, and the servers among which theirs are chosen.

    The first is a user without a label of the acls, the others have one label each.
    """
    labels = config.labels[:MAX_LABELS]
    yield "users without a label in an acl" if labels else "users", config.servers_for(())
    for label in labels:
        yield f"users with the label {shown_label(label)}", config.servers_for((label,))


def shown_label(label: str) -> str:
    """Return a label in quotes, unless somebody may have written a secret in its place."""
    return f"'{label}'" if is_name(label) and not is_like_secret(label) else "(not shown)"


def _most_urls(config: WebRTCConfig) -> int:
    """Return how many urls of webrtc.coturn one user gets at most."""
    most = 0
    for _, servers in users_of(config):
        counts = sorted((len(server.uris) for server in servers), reverse=True)
        most = max(most, sum(counts[: config.coturn_servers]))
    return most


def _check_choice(config: WebRTCConfig, root: Where) -> Iterator[Problem]:
    """Yield what is unwise about names of servers, weights, acls and drains."""
    number, servers = config.coturn_servers, config.coturn
    where = root[COTURN]
    if number is None and any(server.weight != 1 for server in servers):
        message = f"has a weight, which is for a choice only; add {COTURN_SERVERS}: 1"
        yield where.warning(message)
    if not servers and number is not None:
        yield root[COTURN_SERVERS].warning(f"is {number}, but {COTURN} has no server")
    if not servers:
        return
    if all(server.drain for server in servers):
        yield where.warning("is drained altogether, so nobody new gets a TURN server")
        return
    groups = list(users_of(config))
    everybody = groups[0][1]
    for index, (users, found) in enumerate(groups):
        if not found and index:
            yield where.warning(f"has no server for {users}: no acl permits them")
        elif not found:
            yield where.note(f"has no server for {users}: no acl permits them")
        elif number is not None and len(found) < number and (not index or found != everybody):
            some = "one server" if len(found) == 1 else f"{len(found)} servers"
            yield root[COTURN_SERVERS].warning(f"is {number}, but {users} can get only {some}")
