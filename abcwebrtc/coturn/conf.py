"""Writes a turnserver.conf for one coturn server of od.config, hardened for a public network.

Pure: text in, text out. A comment above each line gives its reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Dict, Iterator, List, Optional, Tuple

from abcwebrtc.config.coturn import RELAY_PORTS
from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import (
    LOOPBACK,
    Network,
    Range,
    denied_ranges,
    host_address,
    is_exception,
    range_of,
    unmapped,
)
from abcwebrtc.coturn.conf_file import quoted
from abcwebrtc.coturn.external_ip import External
from abcwebrtc.coturn.options import (
    CLASSIC_STUN_MENDED,
    INVERTED,
    USUAL,
    CoturnVersion,
    deprecation,
    knows,
)
from abcwebrtc.coturn.server import Coturn, server_ports

USER_QUOTA, TOTAL_QUOTA = 32, 1200
TWO = "a call takes two allocations, the browser's and the desktop's"
STALE_NONCE = 600
FIRST_UNPRIVILEGED = 1024
LISTEN_BELOW = (
    "Debian's unit needs AmbientCapabilities=CAP_NET_BIND_SERVICE in [Service]; add it with "
    "systemctl edit coturn"
)
LOCALHOST = "localhost"
LOCAL = (ip_address("127.0.0.1"), ip_address("::1"))
EVERYWHERE = "0.0.0.0"  # noqa: S104, a server listens
Block = Tuple[str, List[str]]
"""A reason, and the lines that need it."""

_CLASSIC_STUN = "rfc3489-compatibility"
_CLASSIC_STUN_BEFORE = "stun-backward-compatibility"
_HARDENING = (
    ("Lets clients tell STUN from other traffic (RFC 8489, 14.7).", "fingerprint"),
    ("No telnet console.", "no-cli"),
    ("Sound is UDP; no TCP connections from here into a network (RFC 6062).", "no-tcp-relay"),
    ("Short answers to STUN, which are less useful for amplifying an attack.", "no-rfc5780"),
    ("The same: no address of this server in the answers.", "response-origin-only-with-rfc5780"),
    ("Do not tell everybody the version of coturn.", "no-software-attribute"),
    ("No relaying to multicast: 224.0.0.0 and above, and ff00::/8.", "no-multicast-peers"),
)
_MADE_FOR = "Desktops send STUN requests in the form of RFC 3489 (libnice up to 0.1.22). "


@dataclass(frozen=True)
class ConfOptions:
    """What od.config does not say about a TURN server.

    `cert` and `key` name PEM files; None means the place that abcdesktop's documentation
    uses. `relay_ports` holds the first and the last UDP port of relays. `allow_peers` holds
    networks to which coturn relays although they are denied by default. `listening_ips`
    holds the addresses to listen on, none for every address, and `external_ips` the pairs
    of public and private addresses behind NAT. `relay_ips` holds the addresses of relays
    where a port needs them and neither of the two gives them. `realm` is the host of the
    first url by default; `user_quota` and `total_quota` count allocations. `version` is the
    version of the coturn that reads the file.
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
    version: CoturnVersion = USUAL


def turnserver_conf(
    coturn: Coturn, origin: str, options: Optional[ConfOptions] = None, show: bool = False
) -> str:
    """Return the text of a turnserver.conf for a coturn.

    `origin` says where its secrets are. With `show` the text holds the secrets, without it
    placeholders in comments. Bytes of a secret that are not UTF-8 become surrogates (PEP
    383).

    Raises `ConfigError` for a secret that no line of the file can hold.
    """
    options = options or ConfOptions()
    blocks = [
        *_listeners(coturn, options),
        *_login(coturn, origin, options, show),
        *_tls(coturn, options),
        *_limits(coturn, options),
        *_hardening(options.version),
        *_peers(coturn, options),
    ]
    lines = [f"# Made by abcwebrtc turnserver-conf, for coturn {options.version}."]
    for reason, found in blocks:
        lines += [f"# {reason}", *found]
    return "\n".join(lines) + "\n"


def conf_warnings(coturn: Coturn, options: ConfOptions) -> Iterator[str]:
    """Yield, in words, what no line of the file can fix."""
    if INVERTED <= options.version < CLASSIC_STUN_MENDED:
        yield (
            f"coturn {options.version} does not answer STUN in the form of RFC 3489, which "
            "desktops use, whatever this file says; install 4.10 or later, or 4.6"
        )
    low = [str(port) for port in _all_ports(coturn, options) if port < FIRST_UNPRIVILEGED]
    if low:
        yield f"for port {' and '.join(low)}, {LISTEN_BELOW}"
    yield from shared_ports(coturn, options)


def shared_ports(coturn: Coturn, options: ConfOptions) -> Iterator[str]:
    """Yield, in words, that coturn listens on ports of relays."""
    ports, (first, last) = _all_ports(coturn, options), options.relay_ports
    shared = " and ".join(str(port) for port in ports if first <= port <= last)
    if shared:
        yield (
            f"coturn listens on {shared}, which is also a relay port; exclude it with --relay-ports"
        )


def _all_ports(coturn: Coturn, options: ConfOptions) -> Tuple[int, ...]:
    plain, tls, others = server_ports(coturn.uris)
    return (plain, *((tls,) if _has_tls(coturn, options) else ()), *others)


def _listeners(coturn: Coturn, options: ConfOptions) -> Iterator[Block]:
    ports = server_ports(coturn.uris)
    reason = "The port of turn: urls. coturn detects TLS by itself, so turns: works on it too."
    yield reason, [f"listening-port={ports.plain}"]
    if _has_tls(coturn, options):
        reason = "The port of turns: urls, if they have another one."
        yield reason, [f"tls-listening-port={ports.tls}"]
    if min(_all_ports(coturn, options)) < FIRST_UNPRIVILEGED:
        yield f"To listen below {FIRST_UNPRIVILEGED}, {LISTEN_BELOW}.", []
    own = options.listening_ips
    if own:
        yield "The addresses to listen on.", [f"listening-ip={address}" for address in own]
    relays = _relay_addresses(coturn, options)
    if relays:
        yield "The addresses of relays.", [f"relay-ip={address}" for address in relays]
    if relays and all(address.version == 6 for address in relays):
        reason = "There are no IPv4 relays, which clients get by default."
        yield from _usual(options.version, reason, "keep-address-family")
        if knows(options.version, "allocation-default-address-family"):
            yield reason, ["allocation-default-address-family=keep"]
    if options.external_ips:
        reason = "Behind NAT: the address that the Internet sees, and the machine's own."
        yield reason, [f"external-ip={pair}" for pair in options.external_ips]
    if ports.others:
        hosts = [f"[{ip}]" if ip.version == 6 else str(ip) for ip in own] or [EVERYWHERE]
        lines = [f"aux-server={host}:{port}" for host in hosts for port in ports.others]
        reason = "coturn has two ports; these are the other ports of the urls."
        if not relays:
            reason += " Set relay-ip= to its own address first, or these make relays of 0.0.0.0."
            lines = [f"#{line}" for line in lines]
        yield reason, lines


def lacks_relay_address(coturn: Coturn, options: ConfOptions) -> bool:
    """Return whether a third port needs the address of relays, which is not known."""
    return bool(server_ports(coturn.uris).others) and not _relay_addresses(coturn, options)


def _relay_addresses(coturn: Coturn, options: ConfOptions) -> Tuple[Address, ...]:
    """Return the addresses of relays that the file has to give.

    By default coturn uses the address at which a client arrives. On an aux-server
    without an address of its own that is ``0.0.0.0`` (measured with 4.6.1 and 4.18.0).
    """
    if options.listening_ips or not server_ports(coturn.uris).others:
        return options.listening_ips
    private = tuple(pair.private for pair in options.external_ips if pair.private)
    return private or options.relay_ips


def _login(coturn: Coturn, origin: str, options: ConfOptions, show: bool) -> Iterator[Block]:
    yield (
        "Credentials are signed with the secret (TURN REST API). This implies lt-cred-mech; with "
        "both, coturn warns.",
        ["use-auth-secret"],
    )
    if show:
        values = [quoted(secret.reveal(), origin) for secret in coturn.secrets]
        lines = [b"static-auth-secret=" + value for value in values]
        yield f"From {origin}.", [line.decode("utf-8", "surrogateescape") for line in lines]
    else:
        reason = (
            f"Write the secret here, in double quotes, from {origin}. Without it nobody gets in."
        )
        count = len(coturn.secrets) if coturn.secrets_are_here else 1
        names = [f"<secret {place} of {count}>" for place in range(1, count + 1)]
        yield reason, [f'#static-auth-secret="{name}"' for name in names]
    yield "The server's name, for OAuth.", [f"server-name={coturn.name}"]
    reason = "The realm that clients log in to; without one, coturn complains."
    yield reason, [f"realm={options.realm or coturn.name}"]
    reason = "A login's nonce expires after these seconds, so a captured one can't be reused."
    yield reason, [f"stale-nonce={STALE_NONCE}"]


def _has_tls(coturn: Coturn, options: ConfOptions) -> bool:
    return coturn.has_tls or options.cert is not None


def _tls(coturn: Coturn, options: ConfOptions) -> Iterator[Block]:
    dtls = any(uri.scheme == "turns" and uri.transport == "udp" for uri in coturn.uris)
    if _has_tls(coturn, options):
        cert = options.cert or f"/usr/local/etc/{coturn.name}.pem"
        reason = "The certificate and its chain, PEM. If coturn can't read it, it runs without TLS."
        yield reason, [f"cert={_text(cert)}"]
        reason = "The certificate's key, PEM; it may be in the same file."
        yield reason, [f"pkey={_text(options.key or cert)}"]
        reason = "TLS 1.0 and 1.1 are deprecated (RFC 8996)."
        yield from _usual(options.version, reason, "no-tlsv1", "no-tlsv1_1")
    else:
        reason = "od.config has no turns: url, so coturn needs no certificate and no TLS port."
        yield reason, ["no-tls"]
    if dtls:
        yield from _usual(options.version, "For the turns: url over UDP.", "dtls")
    else:
        yield from _usual(options.version, "Browsers speak no DTLS to a TURN server.", "no-dtls")


def _text(value: str) -> str:
    """Return a value, in quotes if coturn would read a bare one differently."""
    if re.fullmatch(r"[^\s=\"](.*[^\s;])?", value):
        return value
    return quoted(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _limits(coturn: Coturn, options: ConfOptions) -> Iterator[Block]:
    first, last = options.relay_ports
    reason = "The UDP ports of relays, one per relay; open them in the firewall."
    yield reason, [f"min-port={first}", f"max-port={last}"]
    total = min(options.total_quota, last - first + 1)
    reason = "Allocations of all users at once; keeps one leaked credential from taking all ports."
    yield reason, [f"total-quota={total}"]
    quota = f"user-quota={options.user_quota}"
    if coturn.names_users:
        yield (
            "Allocations of one user at once: one for each url and network, and those of closed "
            "pages stay for 10 minutes.",
            [quota],
        )
    else:
        yield (
            "A quota per user has no effect while 'username' in od.config is 'timestamp'; write "
            "'userid' or 'pseudonym' there.",
            [f"#{quota}"],
        )


def _hardening(version: CoturnVersion) -> Iterator[Block]:
    """Yield the lines that every server gets; none of them turns STUN off for desktops."""
    for reason, name in _HARDENING:
        yield from _usual(version, reason, name)
    if knows(version, _CLASSIC_STUN):
        yield (
            f"{_MADE_FOR}Without this coturn does not answer them. It warns that this is "
            "deprecated.",
            [_CLASSIC_STUN],
        )
    elif knows(version, _CLASSIC_STUN_BEFORE):
        yield (
            f"{_MADE_FOR}Without this coturn does not answer them. From 4.16 on the option is "
            f"{_CLASSIC_STUN}; 4.7 to 4.9 never answer them.",
            [_CLASSIC_STUN_BEFORE],
        )


def _peers(coturn: Coturn, options: ConfOptions) -> Iterator[Block]:
    """Yield the denied ranges and their exceptions: this server's addresses, and allowed peers."""
    for denied, reason in denied_ranges():
        yield f"No relaying to {reason}.", [f"denied-peer-ip={denied}"]
    yield (
        "Relays reach UDP services of this machine at its public address. coturn can't deny that "
        "address, because other relays have it too. Load the nft rules that abcwebrtc "
        "turnserver-conf --firewall prints.",
        [],
    )
    own: List[Address] = []  # the addresses that this server's relays may have, if known
    for host in coturn.hosts:
        address = host_address(host)
        if address is not None:
            own.append(unmapped(address))
        elif host == LOCALHOST:
            own += LOCAL
    own += _relay_addresses(coturn, options)
    own += [half for pair in options.external_ips for half in pair if half is not None]
    exceptions: Dict[Range, str] = {}
    for address in filter(is_exception, own):
        reason = "This server itself: the relays of a browser and a desktop are peers."
        exceptions[Range(address, address)] = reason
    for network in options.allow_peers:
        reason = "Allowed by --allow-peer; this overrides the ranges above."
        exceptions.setdefault(range_of(network), reason)
    for exception, reason in exceptions.items():
        yield reason, [f"allowed-peer-ip={exception}"]
    if any(exception.meets(local) for exception in exceptions for local in LOOPBACK):
        yield "For a trial on one machine; remove this on a server.", ["allow-loopback-peers"]
    if not options.allow_peers:
        yield (
            "If desktops or this server have a private address, allow it with --allow-peer or a "
            "line like this.",
            ["#allowed-peer-ip=10.0.0.0-10.0.255.255"],
        )


def _usual(version: CoturnVersion, reason: str, *names: str) -> Iterator[Block]:
    """Yield those options that this version knows and does not deprecate."""
    kept = [name for name in names if knows(version, name) and not deprecation(version, name)]
    if kept:
        yield reason, kept
