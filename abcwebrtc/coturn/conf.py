"""A turnserver.conf for one coturn server of od.config, hardened for a public network.

Pure: text in, text out. Each line of it has a reason in a comment above.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.secret_sources import Secret, SecretsElsewhere
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.addresses import External, plain
from abcwebrtc.coturn.conf_file import quoted
from abcwebrtc.coturn.hardening import Block, address_family, encryption, hardening, peers
from abcwebrtc.coturn.peer_ranges import Address, Network, host_address
from abcwebrtc.coturn.version import USUAL, CoturnVersion

PLAIN_PORT, TLS_PORT = 3478, 5349
"""coturn's own listening-port and tls-listening-port."""
RELAY_PORTS = (49152, 65535)
"""coturn's own min-port and max-port."""
USER_QUOTA, TOTAL_QUOTA = 32, 1200
STALE_NONCE = 600
FIRST_UNPRIVILEGED = 1024
LISTEN_BELOW = (
    "Debian's unit needs AmbientCapabilities=CAP_NET_BIND_SERVICE in [Service], by systemctl "
    "edit coturn"
)
LOCALHOST = "localhost"
LOCAL = (ip_address("127.0.0.1"), ip_address("::1"))
EVERYWHERE = "0.0.0.0"  # noqa: S104, a server listens


@dataclass(frozen=True)
class RelayOptions:
    """What od.config does not say of a TURN server.

    `cert` and `key` are names of PEM files, None for the document's place.
    `relay_ports` are the first and the last UDP port of relays. `allow_peers`
    are networks to which it relays though they are denied by default.
    `listening_ips` are the addresses on which it listens, none for every one;
    `external_ips` those that NAT makes of them, each with its private half.
    `relay_ips` are those of relays, where neither says it and a port needs it.
    `realm` is the host of the first url by default; `user_quota` and
    `total_quota` count allocations. `coturn` is the version that reads the file.
    """

    cert: Optional[str] = None
    key: Optional[str] = None
    relay_ports: Tuple[int, int] = RELAY_PORTS
    allow_peers: Tuple[Network, ...] = ()
    listening_ips: Tuple[Address, ...] = ()
    external_ips: Tuple[External, ...] = ()
    relay_ips: Tuple[Address, ...] = ()
    realm: Optional[str] = None
    user_quota: int = USER_QUOTA
    total_quota: int = TOTAL_QUOTA
    coturn: CoturnVersion = USUAL


@dataclass(frozen=True)
class Relay:
    """One coturn, with all entries of ``webrtc.coturn`` that lead to it.

    An entry has one protocol, so a server for ``turn`` and ``turns`` has two.
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
        """The first host that is a name, else the first address."""
        names = [host for host in self.hosts if host_address(host) is None]
        return (*names, *self.hosts)[0]

    @property
    def secrets(self) -> Tuple[Secret, ...]:
        """The secrets of all entries, each once: first those that mint."""
        lists = [server.secrets.current() for server in self.servers]
        found: List[Secret] = []
        for secret in (*(items[0] for items in lists), *(s for items in lists for s in items[1:])):
            if secret not in found:
                found.append(secret)
        return tuple(found)

    @property
    def secrets_are_here(self) -> bool:
        """Whether `secrets` are on this machine; else they raise `SecretElsewhereError`."""
        return not any(isinstance(server.secrets, SecretsElsewhere) for server in self.servers)

    @property
    def has_tls(self) -> bool:
        """Whether a url is ``turns``."""
        return any(uri.scheme == "turns" for uri in self.uris)

    @property
    def names_users(self) -> bool:
        """Whether a username says whose it is, so that coturn can count for each user."""
        return any(server.username != "timestamp" for server in self.servers)


def relays_of(servers: Sequence[CoturnServer]) -> List[Relay]:
    """Return the servers of od.config, those that have a host in common as one."""
    groups: List[List[CoturnServer]] = []
    for server in servers:
        hosts = set(Relay((server,)).hosts)
        same = [group for group in groups if not hosts.isdisjoint(Relay(tuple(group)).hosts)]
        merged = [*(item for group in same for item in group), server]
        groups = [group for group in groups if group not in same]
        groups.append(merged)
    order = {id(server): place for place, server in enumerate(servers)}
    groups.sort(key=lambda group: order[id(group[0])])
    return [Relay(tuple(group)) for group in groups]


class Ports(NamedTuple):
    """The ports of a server: coturn's two, and those for which it takes an aux-server."""

    plain: int
    tls: int
    others: Tuple[int, ...]


def turnserver_conf(
    relay: Relay, origin: str, options: Optional[RelayOptions] = None, show: bool = False
) -> str:
    """Return the text of a turnserver.conf for a coturn.

    `origin` names where its secrets stand; with `show` they are in the text,
    else comments have their place. Bytes of a secret that are not UTF-8 are
    surrogates (PEP 383).

    Raises `ConfigError` for a secret that no line of the file can hold.
    """
    options = options or RelayOptions()
    blocks = [
        *_listeners(relay, options),
        *_login(relay, origin, options, show),
        *_tls(relay, options),
        *_relay(relay, options),
        *hardening(options.coturn),
        *peers(_own_addresses(relay, options), options.allow_peers),
    ]
    parts = ["\n".join((f"# {reason}", *lines)) for reason, lines in blocks]
    return (
        "\n".join((f"# Made by abcwebrtc turnserver-conf, for coturn {options.coturn}.", *parts))
        + "\n"
    )


def server_ports(uris: Sequence[IceURI]) -> Ports:
    """Return which of the urls' ports is which of coturn's.

    A port of a ``turn`` url is never the TLS one, since coturn closes that where
    it has no certificate.
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


def privileged(relay: Relay, options: RelayOptions) -> Tuple[int, ...]:
    """Return the ports on which Debian's coturn, which is not root, may not listen by itself."""
    return tuple(port for port in _all_ports(relay, options) if port < FIRST_UNPRIVILEGED)


def shared_ports(relay: Relay, options: RelayOptions) -> Tuple[int, ...]:
    """Return the ports on which coturn listens, and which it gives to relays as well."""
    first, last = options.relay_ports
    return tuple(port for port in _all_ports(relay, options) if first <= port <= last)


def _all_ports(relay: Relay, options: RelayOptions) -> Tuple[int, ...]:
    plain, tls, others = server_ports(relay.uris)
    return (plain, *((tls,) if _has_tls(relay, options) else ()), *others)


def _listeners(relay: Relay, options: RelayOptions) -> Iterator[Block]:
    ports = server_ports(relay.uris)
    reason = "The port of turn: urls. coturn sees by itself whether TLS comes, so turns: works too."
    yield reason, [f"listening-port={ports.plain}"]
    if _has_tls(relay, options):
        reason = "The port of turns: urls, where it is another one."
        yield reason, [f"tls-listening-port={ports.tls}"]
    if privileged(relay, options):
        yield f"To listen below {FIRST_UNPRIVILEGED}, {LISTEN_BELOW}.", []
    own = options.listening_ips
    if own:
        yield "Where to listen.", [f"listening-ip={address}" for address in own]
    relays = _relay_addresses(relay, options)
    if relays:
        yield "The addresses of relays.", [f"relay-ip={address}" for address in relays]
        yield from address_family(options.coturn, relays)
    if options.external_ips:
        reason = "What the Internet sees, and what the machine has: NAT is in between."
        yield reason, [f"external-ip={pair}" for pair in options.external_ips]
    if ports.others:
        hosts = [f"[{ip}]" if ip.version == 6 else str(ip) for ip in own] or [EVERYWHERE]
        lines = [f"aux-server={host}:{port}" for host in hosts for port in ports.others]
        reason = "coturn has two ports; these are the others of the urls."
        if not relays:
            reason += " Without relay-ip=, its own address, the relays of these are 0.0.0.0."
            lines = [f"#{line}" for line in lines]
        yield reason, lines


def lacks_relay_address(relay: Relay, options: RelayOptions) -> bool:
    """Say whether a port beyond coturn's two needs the address of relays, which is not known."""
    return bool(server_ports(relay.uris).others) and not _relay_addresses(relay, options)


def _relay_addresses(relay: Relay, options: RelayOptions) -> Tuple[Address, ...]:
    """Return the addresses of relays that coturn has to be told.

    By itself it takes the one at which a client arrives; that is ``0.0.0.0`` on an
    aux-server which has no address of its own (measured with 4.6.1 and 4.18.0).
    """
    if options.listening_ips or not server_ports(relay.uris).others:
        return options.listening_ips
    private = tuple(pair.private for pair in options.external_ips if pair.private)
    return private or options.relay_ips


def _login(relay: Relay, origin: str, options: RelayOptions, show: bool) -> Iterator[Block]:
    yield (
        "Logins are signed with the secret (TURN REST API). This includes lt-cred-mech, of which "
        "coturn warns beside it.",
        ["use-auth-secret"],
    )
    if show:
        yield f"From {origin}.", [_secret_line(secret, origin) for secret in relay.secrets]
    else:
        reason = f"Put the secret here, from {origin}, in double quotes. Until then nobody gets in."
        count = len(relay.secrets) if relay.secrets_are_here else 1
        names = [f"<secret {place} of {count}>" for place in range(1, count + 1)]
        yield reason, [f'#static-auth-secret="{name}"' for name in names]
    yield "The name of the server, for OAuth.", [f"server-name={relay.name}"]
    reason = "What clients are asked to log in to; without one, coturn complains."
    yield reason, [f"realm={options.realm or relay.name}"]
    reason = "A login's nonce ends after these seconds, so that a captured one can't be used again."
    yield reason, [f"stale-nonce={STALE_NONCE}"]


def _secret_line(secret: Secret, origin: str) -> str:
    value = quoted(secret.reveal(), origin)
    return "static-auth-secret=" + value.decode("utf-8", "surrogateescape")


def _has_tls(relay: Relay, options: RelayOptions) -> bool:
    return relay.has_tls or options.cert is not None


def _tls(relay: Relay, options: RelayOptions) -> Iterator[Block]:
    if not _has_tls(relay, options):
        reason = "od.config has no turns: url, so neither a certificate nor a TLS port is needed."
        yield reason, ["no-tls"]
        yield from encryption(options.coturn, tls=False, dtls=False)
        return
    cert = options.cert or f"/usr/local/etc/{relay.name}.pem"
    yield (
        "The certificate and its chain, PEM. coturn runs without TLS if it can't read it.",
        [f"cert={_text(cert)}"],
    )
    reason = "The key of the certificate, PEM; it may be in the same file."
    yield reason, [f"pkey={_text(options.key or cert)}"]
    dtls = any(uri.scheme == "turns" and uri.transport == "udp" for uri in relay.uris)
    yield from encryption(options.coturn, tls=True, dtls=dtls)


def _text(value: str) -> str:
    """Return a value, quoted where coturn would read another one."""
    if re.fullmatch(r"[^\s=\"](.*[^\s;])?", value):
        return value
    return quoted(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _relay(relay: Relay, options: RelayOptions) -> Iterator[Block]:
    first, last = options.relay_ports
    reason = "UDP ports of relays, one each; the firewall has to let them in."
    yield reason, [f"min-port={first}", f"max-port={last}"]
    total = min(options.total_quota, last - first + 1)
    yield (
        "All allocations at once; what keeps one leaked credential from taking all ports.",
        [f"total-quota={total}"],
    )
    if not relay.names_users:
        yield (
            "A quota for each user does nothing while 'username' in od.config is 'timestamp'; "
            "write 'userid' or 'pseudonym' there.",
            [f"#user-quota={options.user_quota}"],
        )
    else:
        yield (
            "Allocations of one user: one for each url and network, and those of closed pages "
            "stay for 10 minutes.",
            [f"user-quota={options.user_quota}"],
        )


def _own_addresses(relay: Relay, options: RelayOptions) -> Iterator[Address]:
    """Yield the addresses that relays of this server may have, as far as they are known."""
    for host in relay.hosts:
        address = host_address(host)
        if address is not None:
            yield plain(address)
        elif host == LOCALHOST:
            yield from LOCAL
    yield from _relay_addresses(relay, options)
    for pair in options.external_ips:
        yield from (address for address in pair if address is not None)
