"""The choice of the TURN servers for one user.

It is weighted rendezvous hashing: every server draws a random time for every user, and the servers
with the earliest times are the user's. A time depends on nothing but the user and the server, so
processes agree without talking to each other, and a server that is added or removed moves only its
own users. A server draws from an exponential distribution whose rate is its weight, and so its
share of the users is its share of the weight (Efraimidis and Spirakis, Information Processing
Letters 97, 2006).

Drawing a thousand times for each user would be slow. So a userid is hashed to one of `SLOTS` slots,
and a server's times are a permutation of the slots. A permutation can be read in both directions:
which time a slot has, and which slots have the earliest times. The latter gives each slot a short
list of servers, once.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
import secrets
import threading
from dataclasses import replace
from typing import Collection, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.policies import Policy
from abcwebrtc.config.together import SLOTS
from abcwebrtc.config.uris import IceURI
from abcwebrtc.config.webrtc import WebRTCConfig

FEW = 16
"""Up to this many servers, looking at all of them is fast enough."""
_SPARE = 6
"""How many servers a short list has on average, beyond those that are asked for."""
_STEPS = 20
_MAX_TABLES = 4
"""How many races of one configuration have short lists, which take some 10 MB for each race."""
_MAX_GROUPS = 1024
_MAKING = threading.Lock()


class Choice(NamedTuple):
    """What one user gets: `servers` in the order of preference, and a `policy`, or None."""

    servers: Tuple[CoturnServer, ...]
    policy: Optional[Policy] = None

    def ttl_of(self, server: CoturnServer) -> int:
        """Return the ttl of a browser's credential for a server, in seconds."""
        ttl = self.policy.ttl if self.policy else None
        return server.ttl if ttl is None else ttl


def choose(
    config: WebRTCConfig,
    user: Optional[str] = None,
    labels: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Choice:
    """Return the TURN servers of a user with these labels, and the policy.

    The servers are those that ``webrtc.coturn_servers`` asks for, of those that the acls permit; by
    default all, in the order of ``webrtc.coturn``. The same user always gets the same ones. An
    unknown user, None, gets random ones each time.

    `left_out` are the names of servers that are known to be dead. If they are all that a user could
    get, the user gets them nevertheless: a watcher for which everything is dead is wrong.

    Raises `TypeError` if `labels` or `left_out` is a text, whose letters are not names.
    """
    _check_names(labels, left_out)
    if config.gives_all and not left_out:
        return Choice(config.coturn)
    race, policy = _races_of(config).of(labels)
    return Choice(race.winners(user, left_out), policy)


def desktop_choice(
    config: WebRTCConfig,
    user: Optional[str] = None,
    labels: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Optional[Tuple[CoturnServer, IceURI]]:
    """Return the TURN server of a user's desktop, and its URI; None if the desktop gets none.

    The server is one that `choose` returns, so that both ends of a call meet on one server.
    webrtcbin accepts a single URI: the first turn one, else the first turns one.
    """
    _check_names(labels, left_out)
    if not config.enable or not config.desktop.gives_turn(labels):
        return None
    pairs = [(one, one.desktop_uri) for one in choose(config, user, labels, left_out).servers]
    plain = (pair for pair in pairs if pair[1].scheme == "turn")
    return next(plain, pairs[0] if pairs else None)


def _check_names(labels: Collection[str], left_out: Collection[str]) -> None:
    if isinstance(labels, str) or isinstance(left_out, str):
        raise TypeError("labels and left_out are lists of names, such as ['staff']")


def browser_ttls(config: WebRTCConfig, server: CoturnServer) -> List[int]:
    """Return every ttl that a browser's credential for a server may have, in seconds."""
    return [server.ttl, *(policy.ttl for policy in config.policies if policy.ttl is not None)]


def with_choice(config: WebRTCConfig, choice: Choice) -> WebRTCConfig:
    """Return a configuration that gives a user the servers of this choice, in this order.

    An unknown user gets another choice each time. This makes several calls use the same one.
    """
    return replace(config, coturn=choice.servers, coturn_servers=None)


class _Runner:
    """A server in the race for users: its permutation of the slots, and its weight.

    The slot with rank r is the r-th that the server draws. Cubes make the ranks of two servers
    independent, which those of straight lines are not.
    """

    __slots__ = ("_factor", "_offset", "_shift", "name", "server", "weight")

    def __init__(self, server: CoturnServer) -> None:
        digest = hashlib.blake2b(server.name.encode("utf-8"), digest_size=24).digest()
        parts = [int.from_bytes(digest[start : start + 8], "big") for start in (0, 8, 16)]
        self._shift, self._offset = parts[0] % SLOTS, parts[1] % SLOTS
        self._factor = 1 + parts[2] % (SLOTS - 1)
        self.server, self.name, self.weight = server, server.name, server.weight

    def time(self, slot: int) -> float:
        """Return when the server arrives at a slot."""
        root = slot + self._shift
        rank = (root * root * root * self._factor + self._offset) % SLOTS
        return -math.log1p(-(rank + 0.5) / SLOTS) / self.weight

    def place(self, slot: int) -> Tuple[float, str]:
        """Return what sorts servers by their times at a slot."""
        return self.time(slot), self.name

    def slots_before(self, time: float, roots: Sequence[int]) -> List[int]:
        """Return the slots at which the server arrives before a time; `roots` are cube roots."""
        inverse = pow(self._factor, -1, SLOTS)
        first, shift = -self._offset * inverse, self._shift
        number = math.ceil(-math.expm1(-time * self.weight) * SLOTS - 0.5)
        return [(roots[(first + rank * inverse) % SLOTS] - shift) % SLOTS for rank in range(number)]


class _Race:
    """The race of the servers among which a group of users chooses; `number` None is for all.

    With `has_table` it makes a short list of servers for each slot, when it is first needed.
    """

    def __init__(
        self, servers: Tuple[CoturnServer, ...], number: Optional[int], has_table: bool
    ) -> None:
        self._servers, self._number, self._has_table = servers, number, has_table
        self._runners = [] if number is None else [_Runner(server) for server in servers]
        self._table: List[Sequence[_Runner]] = []

    def winners(self, user: Optional[str], left_out: Collection[str]) -> Tuple[CoturnServer, ...]:
        """Return the servers of a user, the preferred one first."""
        number = self._number
        if number is None:
            alive = tuple(one for one in self._servers if one.name not in left_out)
            return alive or self._servers
        slot = slot_of(user)
        if self._has_table:
            living = (one.server for one in self._first(slot) if one.name not in left_out)
            first = tuple(itertools.islice(living, number))
            if len(first) == number:
                return first
        found = _earliest(self._runners, number, slot, left_out)
        return found or _earliest(self._runners, number, slot, ())

    def _first(self, slot: int) -> Sequence[_Runner]:
        """Return some of the servers that are the first at a slot, in order."""
        if not self._table:
            with _MAKING:  # else each thread makes one, which takes as much memory
                if not self._table:
                    self._table = _shortlists(self._runners, (self._number or 0) + _SPARE)
        found = self._table[slot]
        if isinstance(found, list):  # nobody has asked for this slot yet
            found = self._table[slot] = tuple(sorted(found, key=lambda one: one.place(slot)))
        return found


class _Races:
    """The races of a configuration, each made for the first user of its group."""

    def __init__(self, config: WebRTCConfig) -> None:
        self._config, self._labels = config, frozenset(config.labels)
        self._groups: Dict[FrozenSet[str], Tuple[_Race, Optional[Policy]]] = {}
        self._races: Dict[Tuple[int, ...], _Race] = {}
        self._tables = 0

    def of(self, labels: Collection[str]) -> Tuple[_Race, Optional[Policy]]:
        """Return the race for users with these labels, and their policy."""
        key = self._labels.intersection(labels)
        found = self._groups.get(key)
        if found is None:
            if len(self._groups) >= _MAX_GROUPS:
                self._groups, self._races, self._tables = {}, {}, 0
            policy = next((one for one in self._config.policies if one.permits(key)), None)
            found = self._groups[key] = self._race(self._config.servers_for(key)), policy
        return found

    def _race(self, servers: Tuple[CoturnServer, ...]) -> _Race:
        """Return the race of these servers, which several groups may have."""
        same = tuple(map(id, servers))
        found = self._races.get(same)
        if found is None:
            number = self._config.coturn_servers
            # Where most servers are asked for, a short list is no shorter than the whole one.
            is_large = number is not None and len(servers) > max(FEW, 4 * number) and number < FEW
            has_table = is_large and self._tables < _MAX_TABLES
            self._tables += has_table
            found = self._races[same] = _Race(servers, number, has_table)
        return found  # which another thread may have thrown away by now


def slot_of(user: Optional[str]) -> int:
    """Return the slot of a user; a random one for an unknown user."""
    if user is None:
        return secrets.randbelow(SLOTS)
    if not isinstance(user, str):
        raise TypeError(f"user must be text, not {type(user).__name__}")
    data = user.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") % SLOTS


def _earliest(
    runners: Sequence[_Runner], number: int, slot: int, left_out: Collection[str]
) -> Tuple[CoturnServer, ...]:
    alive = [runner for runner in runners if runner.name not in left_out] if left_out else runners
    first = heapq.nsmallest(number, alive, key=lambda one: one.place(slot))
    return tuple(runner.server for runner in first)


def _shortlists(runners: Sequence[_Runner], length: int) -> List[Sequence[_Runner]]:
    """Return a list of servers for each slot, of this length on average."""
    roots = [0] * SLOTS
    for root in range(SLOTS):
        roots[root * root * root % SLOTS] = root
    time = _time_of(length, [runner.weight for runner in runners])
    found: List[List[_Runner]] = [[] for _ in range(SLOTS)]
    for runner in runners:
        for slot in runner.slots_before(time, roots):
            found[slot].append(runner)
    return list(found)


def _time_of(number: float, weights: Sequence[float]) -> float:
    """Return the time before which so many servers of these weights arrive at a slot, on average.

    Newton's method approaches this time from below, since ever fewer servers are still to come. The
    linear estimate would count a server with the weight of a thousand others a thousand times,
    although it arrives once.
    """
    time = number / sum(weights)
    for _ in range(_STEPS):
        arrived = -sum(math.expm1(-weight * time) for weight in weights)
        rate = sum(weight * math.exp(-weight * time) for weight in weights)
        if rate <= 0 or number - arrived < 0.01 * number:
            break
        time += (number - arrived) / rate
    return time


def _races_of(config: WebRTCConfig) -> _Races:
    """Return the races of a configuration, which keeps them."""
    races: _Races = config.derived.get("races") or config.derived.setdefault(
        "races", _Races(config)
    )
    return races
