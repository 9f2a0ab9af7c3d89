"""A turnserver.conf for one coturn server of od.config, hardened for a public network.

Pure: text in, text out. Each line of it has a reason in a comment above, and
was tried with coturn 4.6.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.coturn import CoturnServer
from abcwebrtc.peerranges import LOOPBACK, Network, Range, denied_ranges, host_address, range_of
from abcwebrtc.secrets import Secret
from abcwebrtc.turnserverfile import quoted
from abcwebrtc.uris import IceURI

PLAIN_PORT, TLS_PORT = 3478, 5349
"""coturn's own listening-port and tls-listening-port."""
RELAY_PORTS = (49152, 65535)
"""coturn's own min-port and max-port."""
USER_QUOTA, TOTAL_QUOTA = 32, 1200
STALE_NONCE = 600
LOCALHOST = "localhost"

Block = Tuple[str, List[str]]
"""A reason, and the lines that it is for."""


@dataclass(frozen=True)
class RelayOptions:
    """What od.config does not say of a TURN server.

    `cert` and `key` are names of PEM files, None for the document's place.
    `relay_ports` are the first and the last UDP port of relays. `allow_peers`
    are networks to which it relays though they are denied by default.
    `listening_ip` and `external_ip` are coturn's options of these names;
    `realm` is the host of the first url by default; `user_quota` and
    `total_quota` count allocations.
    """

    cert: Optional[str] = None
    key: Optional[str] = None
    relay_ports: Tuple[int, int] = RELAY_PORTS
    allow_peers: Tuple[Network, ...] = field(default=())
    listening_ip: Optional[str] = None
    external_ip: Optional[str] = None
    realm: Optional[str] = None
    user_quota: int = USER_QUOTA
    total_quota: int = TOTAL_QUOTA


class Ports(NamedTuple):
    """The ports of a server: coturn's two, and those for which it takes an aux-server."""

    plain: int
    tls: int
    others: Tuple[int, ...]


def turnserver_conf(
    server: CoturnServer,
    secrets: Optional[Sequence[Secret]],
    origin: str,
    options: Optional[RelayOptions] = None,
) -> str:
    """Return the text of a turnserver.conf for a server.

    `origin` names where its secrets stand; with `secrets` they are in the text,
    with None a comment says where to find them. Bytes of a secret that are not
    UTF-8 are surrogates (PEP 383).

    Raises `ConfigError` for a secret that no line of the file can hold.
    """
    options = options or RelayOptions()
    blocks = [
        *_listeners(server, options),
        *_login(server, secrets, origin, options),
        *_tls(server, options),
        *_relay(server, options),
        *_peers(server, options),
    ]
    parts = ["\n".join((f"# {reason}", *lines)) for reason, lines in blocks]
    return "\n".join(("# Made by abcwebrtc turnserver-conf.", *parts)) + "\n"


def default_port(uri: IceURI) -> int:
    """Return the port of a URI, that of its scheme where it names none (RFC 7065)."""
    return uri.port or uri.default_port


def server_ports(uris: Sequence[IceURI]) -> Ports:
    """Return which of the urls' ports is which of coturn's.

    A port of a ``turn`` url is never the TLS one, since coturn closes that where
    it has no certificate.
    """
    turn = [default_port(uri) for uri in uris if uri.scheme == "turn"]
    turns = [default_port(uri) for uri in uris if uri.scheme == "turns"]
    plain = (*turn, *(port for port in turns if port == PLAIN_PORT), PLAIN_PORT)[0]
    tls = next((port for port in turns if port not in (plain, *turn)), None)
    if tls is None:
        spare = (TLS_PORT, PLAIN_PORT, *range(TLS_PORT + 1, 65536))
        tls = next(port for port in spare if port not in (plain, *turn))
    others = dict.fromkeys(port for port in (*turn, *turns) if port not in (plain, tls))
    return Ports(plain, tls, tuple(others))


def server_host(server: CoturnServer) -> str:
    """Return the first host in the urls that is a name, else the first address."""
    hosts = [uri.host.strip("[]").rstrip(".") for uri in server.uris]
    return next((host for host in hosts if host_address(host) is None), hosts[0])


def needs_tls(server: CoturnServer) -> bool:
    """Say whether a url of the server is ``turns``."""
    return any(uri.scheme == "turns" for uri in server.uris)


def _listeners(server: CoturnServer, options: RelayOptions) -> Iterator[Block]:
    ports = server_ports(server.uris)
    reason = "The port of turn: urls. coturn sees by itself whether TLS comes, so turns: works too."
    yield reason, [f"listening-port={ports.plain}"]
    if _has_tls(server, options):
        reason = "The port of turns: urls, where it is another one."
        yield reason, [f"tls-listening-port={ports.tls}"]
    if options.listening_ip:
        address = options.listening_ip
        yield "The address to listen on.", [f"listening-ip={address}"]
        yield "The address of relays.", [f"relay-ip={address}"]
    if options.external_ip:
        reason = "The address that the Internet sees, where NAT is in between."
        yield reason, [f"external-ip={options.external_ip}"]
    if ports.others:
        address = options.listening_ip or "0.0.0.0"  # noqa: S104, a server listens
        address = f"[{address}]" if ":" in address else address
        yield (
            "coturn has two ports; these are the others of the urls.",
            [f"aux-server={address}:{port}" for port in ports.others],
        )


def _login(
    server: CoturnServer, secrets: Optional[Sequence[Secret]], origin: str, options: RelayOptions
) -> Iterator[Block]:
    yield (
        "Logins are signed with the secret (TURN REST API). This includes lt-cred-mech, of which "
        "coturn warns beside it.",
        ["use-auth-secret"],
    )
    if secrets is None:
        reason = f"Put the secret here, from {origin}, in double quotes. Until then nobody gets in."
        yield reason, ["#static-auth-secret="]
    else:
        yield f"From {origin}, newest first.", [_secret_line(secret, origin) for secret in secrets]
    host = server_host(server)
    yield "The name of the server, for OAuth.", [f"server-name={host}"]
    reason = "What clients are asked to log in to; without one, coturn complains."
    yield reason, [f"realm={options.realm or host}"]
    reason = "A login's nonce ends after these seconds, so that a captured one can't be used again."
    yield reason, [f"stale-nonce={STALE_NONCE}"]


def _secret_line(secret: Secret, origin: str) -> str:
    value = quoted(secret.reveal(), origin)
    return "static-auth-secret=" + value.decode("utf-8", "surrogateescape")


def _has_tls(server: CoturnServer, options: RelayOptions) -> bool:
    return needs_tls(server) or options.cert is not None


def _tls(server: CoturnServer, options: RelayOptions) -> Iterator[Block]:
    if not _has_tls(server, options):
        reason = "od.config has no turns: url, so neither a certificate nor a TLS port is needed."
        yield reason, ["no-tls", "no-dtls"]
        return
    cert = options.cert or f"/usr/local/etc/{server_host(server)}.pem"
    yield (
        "The certificate and its chain, PEM. coturn runs without TLS if it can't read it.",
        [f"cert={cert}"],
    )
    reason = "The key of the certificate, PEM; it may be in the same file."
    yield reason, [f"pkey={options.key or cert}"]
    yield "TLS 1.0 and 1.1 are deprecated (RFC 8996).", ["no-tlsv1", "no-tlsv1_1"]
    if not any(uri.scheme == "turns" and uri.transport == "udp" for uri in server.uris):
        yield "Browsers speak no DTLS to a TURN server.", ["no-dtls"]


def _text(value: str) -> str:
    """Return a value, quoted where coturn would read another one."""
    if re.fullmatch(r"[^\s=\"](.*[^\s;])?", value):
        return value
    return quoted(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _relay(server: CoturnServer, options: RelayOptions) -> Iterator[Block]:
    first, last = options.relay_ports
    reason = "UDP ports of relays, one each; the firewall has to let them in."
    yield reason, [f"min-port={first}", f"max-port={last}"]
    total = min(options.total_quota, last - first + 1)
    yield (
        "All allocations at once; what keeps one leaked credential from taking all ports.",
        [f"total-quota={total}"],
    )
    if server.username == "timestamp":
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
    yield from _HARDENING


_HARDENING: Tuple[Block, ...] = (
    ("Lets clients tell STUN from other traffic (RFC 8489, 14.7).", ["fingerprint"]),
    ("No console by telnet.", ["no-cli"]),
    ("Sound is UDP; no TCP connections from here into a network (RFC 6062).", ["no-tcp-relay"]),
    ("Short answers to STUN, which are of less use for amplifying an attack.", ["no-rfc5780"]),
    ("The same: none in the form of RFC 3489.", ["no-stun-backward-compatibility"]),
    ("The same: no address of this server in them.", ["response-origin-only-with-rfc5780"]),
    ("Does not tell everybody the version of coturn.", ["no-software-attribute"]),
    ("No relaying to multicast, 224.0.0.0 and above, and ff00::/8.", ["no-multicast-peers"]),
)


def _peers(server: CoturnServer, options: RelayOptions) -> Iterator[Block]:
    for denied, reason in denied_ranges():
        yield f"No relaying to {reason}.", [f"denied-peer-ip={denied}"]
    allowed = _allowed(server, options)
    for exception, reason in allowed.items():
        yield reason, [f"allowed-peer-ip={exception}"]
    if any(exception.meets(local) for exception in allowed for local in LOOPBACK):
        yield "For a trial on one machine; take this out on a server.", ["allow-loopback-peers"]
    if not options.allow_peers:
        yield (
            "If desktops, or this server, have a private address, let the relay reach them: "
            "--allow-peer, or a line like this.",
            ["#allowed-peer-ip=10.0.0.0-10.0.255.255"],
        )


def _allowed(server: CoturnServer, options: RelayOptions) -> Dict[Range, str]:
    """Return the exceptions from the denied ranges, with their reasons."""
    denied = [item for item, _ in denied_ranges()]
    allowed: Dict[Range, str] = {}
    for uri in server.uris:
        hosts = ("127.0.0.1", "::1") if uri.host == LOCALHOST else (uri.host,)
        for address in map(host_address, hosts):
            own = range_of(str(address)) if address else None
            if own and any(item.holds(own) for item in denied):
                allowed[own] = (
                    "This server itself: a browser's relay and a desktop's are its peers."
                )
    for network in options.allow_peers:
        allowed.setdefault(range_of(network), "Allowed by --allow-peer; this wins over the above.")
    return allowed
