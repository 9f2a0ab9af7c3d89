"""What is unwise in a configuration only in combination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Sequence, Set

from abcwebrtc.config.entries import (
    COTURN,
    COTURN_SERVERS,
    DESKTOP,
    ENABLE,
    POLICIES,
    RTC_CONFIGURATION,
)
from abcwebrtc.config.groups import MAX_LABELS, Group, groups_of
from abcwebrtc.config.problems import Where
from abcwebrtc.config.sound import DESKTOP_POD, SOUND
from abcwebrtc.config.uris import TURN_SCHEMES
from abcwebrtc.errors import Problem

if TYPE_CHECKING:
    from abcwebrtc.config.webrtc import WebRTCConfig

MAX_URLS = 4
"""Firefox warns, and every browser gathers slowly, with more."""
SLOTS = 65537
"""Of users, in the choice of servers (`abcwebrtc.turn.selection`): each server gets its share.

A prime; modulo it, every number has one cube root, since 3 does not divide `SLOTS` - 1.
"""
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
    groups = list(groups_of(config))
    number = len(config.static_uris) + _most_urls(config, groups)
    if not doubtful & {COTURN, COTURN_SERVERS, RTC_CONFIGURATION} and number > MAX_URLS:
        message = f"browsers get {number} urls; more than {MAX_URLS} make them slow"
        yield root[COTURN if config.coturn else RTC_CONFIGURATION].warning(message)
    if not doubtful & {COTURN, COTURN_SERVERS, POLICIES}:
        yield from _check_choice(config, root, groups)
    if not doubtful & {COTURN, RTC_CONFIGURATION, POLICIES}:
        yield from _check_relay(config, root, groups)
    if not doubtful & {DESKTOP, COTURN, COTURN_SERVERS}:
        yield from _check_desktop_turn(config, root[DESKTOP], groups)
    is_silent = config.enable and config.sound and not config.sound.enable
    if not doubtful & {ENABLE, DESKTOP_POD} and is_silent:
        message = "is not True, so desktops have no sound to send; write 'enable': True"
        yield root[DESKTOP_POD][SOUND]["enable"].warning(message)


def _most_urls(config: WebRTCConfig, groups: Sequence[Group]) -> int:
    """Return how many urls of webrtc.coturn one user gets at most."""
    most = 0
    for group in groups:
        counts = sorted((len(server.uris) for server in group.servers), reverse=True)
        most = max(most, sum(counts[: config.coturn_servers]))
    return most


def _check_desktop_turn(
    config: WebRTCConfig, where: Where, groups: Sequence[Group]
) -> Iterator[Problem]:
    if config.desktop.turn and not config.coturn:
        yield where["turn"].warning("is True, but webrtc.coturn has no server to give")
    elif any(group.has_desktop_turn and _is_without_plain(config, group) for group in groups):
        some = "there is only turns" if config.gives_all else "some users' servers have only turns"
        yield where["turn"].warning(
            f"is True, but {some}, and webrtcbin up to 1.22 does not speak TLS to it; "
            "coturn accepts plain TURN on the same port, but other servers need a turn url"
        )
    acl = config.desktop.acl
    for group in groups if acl and config.coturn else ():
        if acl and group.label in acl.permit and group.has_desktop_turn and not group.servers:
            message = f"permits {group.users}, who get no TURN server, nor do their desktops"
            yield where["acl"].warning(message)


def _is_without_plain(config: WebRTCConfig, group: Group) -> bool:
    """Return whether a user of a group may get servers, but none that has a turn url."""
    plain = sum(server.desktop_uri.scheme == "turn" for server in group.servers)
    return 0 < group.number(config.coturn_servers) <= len(group.servers) - plain


# which users get which servers


def _check_choice(config: WebRTCConfig, root: Where, groups: Sequence[Group]) -> Iterator[Problem]:
    """Yield what is unwise about names of servers, weights, acls and drains."""
    number, servers, where = config.coturn_servers, config.coturn, root[COTURN]
    if number is None and any(server.weight != 1 for server in servers):
        message = f"has a weight, which has no effect without a choice; add {COTURN_SERVERS}: 1"
        yield where.warning(message)
    if number is not None and not servers:
        yield root[COTURN_SERVERS].warning(f"is {number}, but {COTURN} has no server")
    if number is not None:
        yield from _check_names(config, where)
        yield from _check_weights(number, config, where, groups)
    if len(config.labels) > MAX_LABELS:
        message = f"has, with the other entries, {len(config.labels)} labels in acls"
        yield where.note(f"{message}; only the first {MAX_LABELS} are looked at")
    if servers and all(server.drain for server in servers):
        yield where.warning("has only drained servers, so nobody new gets a TURN server")
    elif servers:
        for group in groups:
            yield from _check_group(config, root, group, groups)


def _check_names(config: WebRTCConfig, where: Where) -> Iterator[Problem]:
    names: Set[str] = set()
    for index, server in enumerate(config.coturn):
        if server.name in names:
            yield where[index].warning(
                "has the first url of an earlier server, and the choice treats them as one; "
                "write a 'name' for each"
            )
        names.add(server.name)


def _check_weights(
    number: int, config: WebRTCConfig, where: Where, groups: Sequence[Group]
) -> Iterator[Problem]:
    """Yield a warning for each server that in every group is too light to get a slot."""
    light: Set[str] = set()
    enough: Set[str] = set()
    for group in groups:
        weights = sorted(server.weight for server in group.servers)
        # The heaviest are the first ones of nearly everybody, and the others compete for the rest.
        least = sum(weights[: max(0, len(weights) - number + 1)]) / SLOTS
        for server in group.servers:
            (light if server.weight < least else enough).add(server.name)
    for index, server in enumerate(config.coturn):
        if server.name in light - enough:
            yield where[index]["weight"].warning(
                "is so small compared with the others that perhaps nobody gets this server; "
                "write weights that differ less"
            )


def _check_group(
    config: WebRTCConfig, root: Where, group: Group, groups: Sequence[Group]
) -> Iterator[Problem]:
    """Yield a warning if a group gets no server, or fewer than it should and the first one does."""
    number, found, others = config.coturn_servers, len(group.servers), groups[0]
    labels = () if group.label is None else (group.label,)
    if not found:
        drained = any(
            one.drain and (not one.acl or one.acl.permits(labels)) for one in config.coturn
        )
        why = "those that they may have are drained" if drained else "no acl permits them"
        yield _problem(config, root[COTURN], group, f"has no server for {group.users}: {why}")
    elif (
        number is not None
        and found < number
        and (group is others or group.servers != others.servers)
    ):
        some = "one server" if found == 1 else f"{found} servers"
        is_for_all = all(one.servers == group.servers for one in groups)
        users = "users" if is_for_all else group.users
        yield root[COTURN_SERVERS].warning(f"is {number}, but {users} can get only {some}")


def _check_relay(config: WebRTCConfig, root: Where, groups: Sequence[Group]) -> Iterator[Problem]:
    """Yield a warning of users whose calls need a TURN server that they don't get."""
    if any(uri.scheme in TURN_SCHEMES for uri in config.static_uris):
        return
    general = config.rtc_configuration.get("iceTransportPolicy") if config.coturn else None
    for group in groups:
        own = group.policy.ice_transport_policy if group.policy else None
        if group.servers or (own or general) != "relay":
            continue
        where = root[RTC_CONFIGURATION]
        if group.policy and own:
            where = root[POLICIES][config.policies.index(group.policy)]
        message = (
            f"is 'relay', but {group.users} get no TURN server: no call of theirs will connect"
        )
        yield _problem(config, where["iceTransportPolicy"], group, message)


def _problem(config: WebRTCConfig, where: Where, group: Group, message: str) -> Problem:
    """Return a warning, or a note if there may be no such users, since all may have a label."""
    is_note = group.label is None and config.labels
    return where.note(message) if is_note else where.warning(message)
