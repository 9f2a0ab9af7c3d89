"""One coturn that od.config names: its urls, hosts, ports and secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, NamedTuple, Sequence, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.coturn_secrets import SECRET_KEY
from abcwebrtc.config.entries import COTURN
from abcwebrtc.config.secret_sources import Secret, SecretsElsewhere
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.addresses import host_address
from abcwebrtc.errors import format_path
from abcwebrtc.texts import harmless

PLAIN_PORT, TLS_PORT = 3478, 5349
"""coturn's own listening-port and tls-listening-port."""
_MOST_LISTED = 20


@dataclass(frozen=True)
class Coturn:
    """One coturn, with all entries of ``webrtc.coturn`` that point to it.

    An entry has one protocol, so a server for ``turn`` and ``turns`` has two entries.
    """

    servers: Tuple[CoturnServer, ...]

    @property
    def uris(self) -> Tuple[IceURI, ...]:
        """The urls of all entries, each once."""
        return tuple(dict.fromkeys(uri for server in self.servers for uri in server.uris))

    @property
    def hosts(self) -> Tuple[str, ...]:
        """The hosts in the urls, each once, without brackets."""
        return tuple(dict.fromkeys(uri.host_key for uri in self.uris))

    @property
    def name(self) -> str:
        """The first host that is a name, or else the first address."""
        names = [host for host in self.hosts if host_address(host) is None]
        return (*names, *self.hosts)[0]

    @property
    def title(self) -> str:
        """`name`, with the names that od.config gives the entries: ``turn.local (paris)``."""
        given = [server.name for server in self.servers if server.name != server.urls[0]]
        return f"{self.name} ({', '.join(given)})" if given else self.name

    @property
    def secrets(self) -> Tuple[Secret, ...]:
        """The secrets of all entries, each once; those that mint come first."""
        lists = [server.secrets.current() for server in self.servers]
        found: List[Secret] = []
        for secret in (*(items[0] for items in lists), *(s for items in lists for s in items[1:])):
            if secret not in found:
                found.append(secret)
        return tuple(found)

    @property
    def secrets_are_here(self) -> bool:
        """Whether `secrets` are on this machine; if not, they raise `SecretElsewhereError`."""
        return not any(isinstance(server.secrets, SecretsElsewhere) for server in self.servers)

    @property
    def has_tls(self) -> bool:
        """Whether a url is ``turns``."""
        return any(uri.scheme == "turns" for uri in self.uris)

    @property
    def names_users(self) -> bool:
        """Whether usernames name the user, so that coturn can count per user."""
        return any(server.username != "timestamp" for server in self.servers)


def coturns_of(servers: Sequence[CoturnServer]) -> List[Coturn]:
    """Return the servers of od.config; entries that have a host in common are one server."""
    return [
        Coturn(tuple(servers[index] for index in members))
        for members in connected([Coturn((server,)).hosts for server in servers])
    ]


def chosen(wanted: str, choices: Sequence[Tuple[Sequence[int], Coturn]]) -> int:
    """Return the position of the choice that `wanted` fits: a name, host, url or number of it.

    Raises `ValueError`, which lists the choices but does not show `wanted`, unless exactly one
    fits.
    """
    host = wanted.strip("[]").rstrip(".").lower()
    fitting = [
        position
        for position, (numbers, coturn) in enumerate(choices)
        if host in coturn.hosts
        or wanted in (*map(str, numbers), *map(str, coturn.uris))
        or any(wanted == server.name for server in coturn.servers)
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = [choices[position] for position in fitting] or choices
    known = ", ".join(
        f"{' and '.join(map(str, numbers))} {coturn.title}"
        for numbers, coturn in listed[:_MOST_LISTED]
    )
    if len(listed) > _MOST_LISTED:
        known += f" and {len(listed) - _MOST_LISTED} more"
    if not fitting:
        raise ValueError(f"is not one of od.config, which has: {known}")
    raise ValueError(f"fits more than one: {known}; write what only one of them has")


def connected(marks: Sequence[Sequence[Any]]) -> List[List[int]]:
    """Return the indexes of things in groups that have a mark in common, in order."""
    found: List[List[int]] = []
    for index, own in enumerate(marks):
        near = [
            members
            for members in found
            if any(mark in marks[member] for member in members for mark in own)
        ]
        found = [members for members in found if members not in near]
        found.append(sorted([index, *(member for members in near for member in members)]))
    return sorted(found)


class Ports(NamedTuple):
    """The ports of a server: coturn's two, and those that need an aux-server."""

    plain: int
    tls: int
    others: Tuple[int, ...]


def server_ports(uris: Sequence[IceURI]) -> Ports:
    """Return which port of the urls is which of coturn's.

    A ``turn`` url never uses the TLS port, because coturn closes that without a certificate.
    """
    turn = [uri.effective_port for uri in uris if uri.scheme == "turn"]
    turns = [uri.effective_port for uri in uris if uri.scheme == "turns"]
    plain = (*turn, *(port for port in turns if port == PLAIN_PORT), PLAIN_PORT)[0]
    tls = next((port for port in turns if port not in (plain, *turn)), None)
    if tls is None:
        spare = (TLS_PORT, PLAIN_PORT, *range(TLS_PORT + 1, 65536))
        tls = next(port for port in spare if port not in (plain, *turn))
    others = dict.fromkeys(port for port in (*turn, *turns) if port not in (plain, tls))
    return Ports(plain, tls, tuple(others))


def secret_origin(entries: Any, index: int) -> str:
    """Return in words where the secrets of an entry of `entries`, ``webrtc.coturn``, are."""
    path = format_path((COTURN,) if isinstance(entries, Mapping) else (COTURN, index))
    entry: Mapping[str, Any] = entries if isinstance(entries, Mapping) else entries[index]
    for place, words in (("_file", "the file"), ("_env", "the environment variable")):
        if SECRET_KEY + place in entry:
            name = str(entry[SECRET_KEY + place])
            return f"{words} {harmless(name, len(name))} ({path}.{SECRET_KEY}{place})"
    return f"{path}.{SECRET_KEY}"
