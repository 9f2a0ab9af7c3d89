"""The NetworkPolicy that lets desktop pods reach the STUN and TURN servers: plain data."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass, field
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from abcwebrtc.abcdesktop import DESKTOP_LABELS, NAMESPACE
from abcwebrtc.config.coturn import RELAY_PORTS
from abcwebrtc.config.uris import TURN_SCHEMES, Address, IceURI
from abcwebrtc.config.webrtc import RTC_CONFIGURATION, WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem, WebRTCDisabledError
from abcwebrtc.times import utc_text

POLICY_NAME = "desktop-webrtc"
_DNS_PORT = 53

Ports = Set[Tuple[int, str]]
Addresses = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class PolicyOptions:
    """What a policy is called, whom it selects, and what it opens beside the servers.

    `selector` is the labels of the pods. `relay_ports` is the first and the last
    UDP port that is opened to each TURN server for the relays of browsers, or
    None; `dns` opens the cluster's DNS.
    """

    name: str = POLICY_NAME
    namespace: str = NAMESPACE
    selector: Mapping[str, str] = field(default_factory=lambda: dict(DESKTOP_LABELS))
    relay_ports: Optional[Tuple[int, int]] = None
    dns: bool = False


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy: `manifest` is plain data, and the caller's own.

    `notes` say what it opens, and what it can't, a sentence or two each;
    `warnings` say what keeps desktops without sound.
    """

    manifest: Dict[str, Any]
    notes: Tuple[str, ...]
    warnings: Tuple[str, ...]


def network_policy(
    config: WebRTCConfig,
    options: Optional[PolicyOptions] = None,
    addresses: Optional[Addresses] = None,
    now: Optional[float] = None,
) -> Policy:
    """Return the egress NetworkPolicy (networking.k8s.io/v1) for desktop pods.

    It opens the port of every STUN and TURN URI of `config`, that of
    STUN_SERVER included, to the address in the URI. A name is opened to its
    `addresses`, which were resolved at `now` (unix seconds, the clock by
    default); a name that has none there is opened to any address, on its ports.

    Raises `WebRTCDisabledError` when ``webrtc.enable`` is False, and
    `ConfigError` when there is no server.
    """
    options = options or PolicyOptions()
    addresses = addresses or {}
    uris = server_uris(config)
    manifest = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": options.name, "namespace": options.namespace},
        "spec": {
            "podSelector": {"matchLabels": dict(options.selector)},
            "policyTypes": ["Egress"],
            "egress": _egress(uris, options, addresses),
        },
    }
    notes = _notes(config, uris, options, addresses, time.time() if now is None else now)
    return Policy(manifest, tuple(notes), tuple(_warnings(config, uris, options, addresses)))


def server_uris(config: WebRTCConfig) -> List[IceURI]:
    """Return the URIs of all STUN and TURN servers, STUN_SERVER's first.

    Raises `WebRTCDisabledError` when ``webrtc.enable`` is False, and
    `ConfigError` when there is no server.
    """
    if not config.enable:
        raise WebRTCDisabledError
    stun = config.desktop.stun_uri
    uris = list(dict.fromkeys((*((stun,) if stun else ()), *config.uris)))
    if not uris:
        message = (
            "there is no STUN or TURN server to open; write one here, or into webrtc.coturn, "
            "such as { 'iceServers': [ { 'urls': 'stun:stun.domain.local:3478' } ] }"
        )
        raise ConfigError(Problem(message, RTC_CONFIGURATION))
    return uris


def server_names(uris: Iterable[IceURI]) -> List[str]:
    """Return the hosts of URIs that are names and not addresses, each once."""
    return list(dict.fromkeys(uri.host for uri in uris if _address(uri.host) is None))


def _protocol(uri: IceURI) -> str:
    """Return ``UDP`` or ``TCP``: the URI's transport, else the scheme's (RFC 7064, RFC 7065)."""
    if uri.transport:
        return uri.transport.upper()
    return "TCP" if uri.scheme in ("stuns", "turns") else "UDP"


def _parse(text: str) -> Address:
    """Return an address; one of IPv4 that is mapped into IPv6 is on the wire, and here, IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _address(host: str) -> Optional[Address]:
    """Return the address that a URI's host is, or None for a name."""
    try:
        return _parse(host.strip("[]"))
    except ValueError:
        return None


def _peers(host: str, addresses: Addresses) -> List[Optional[Address]]:
    """Return the addresses of a host; None is any address."""
    own = _address(host)
    return [own] if own else [_parse(text) for text in addresses.get(host, ())] or [None]


def _is_turn(uri: IceURI) -> bool:
    return uri.scheme in TURN_SCHEMES


def _has_own_turn(config: WebRTCConfig) -> bool:
    """Say whether desktops have a TURN server of their own, TURN_SERVER."""
    return bool(config.desktop.turn and config.coturn)


# rules


def _egress(
    uris: List[IceURI], options: PolicyOptions, addresses: Addresses
) -> List[Dict[str, Any]]:
    """Return a rule for each address, sorted, then the one for any address, then DNS."""
    ports: Dict[Optional[Address], Ports] = {}
    with_relays: Set[Optional[Address]] = set()
    for uri in uris:
        for peer in _peers(uri.host, addresses):
            ports.setdefault(peer, set()).add((uri.effective_port, _protocol(uri)))
            if _is_turn(uri):
                with_relays.add(peer)
    rules = []
    for peer in sorted(ports, key=lambda peer: (peer.version, int(peer)) if peer else (99, 0)):
        block = {"cidr": f"{peer}/{peer.max_prefixlen}"} if peer else {}
        rule: Dict[str, Any] = {"to": [{"ipBlock": block}]} if peer else {}
        rule["ports"] = _ports(ports[peer], options.relay_ports if peer in with_relays else None)
        rules.append(rule)
    if options.dns:  # the pods of the cluster's DNS, by the labels that kubeadm gives them
        dns_pods = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
        dns_ports = _ports({(_DNS_PORT, "TCP"), (_DNS_PORT, "UDP")}, None)
        rules.append({"to": [dns_pods], "ports": dns_ports})
    return rules


def _ports(ports: Ports, relay: Optional[Tuple[int, int]]) -> List[Dict[str, Any]]:
    """Return the ports of a rule; one that is in the range of the relays is left out."""
    found: List[Dict[str, Any]] = [
        {"protocol": name, "port": port}
        for port, name in sorted(ports)
        if not (relay and name == "UDP" and relay[0] <= port <= relay[1])
    ]
    if relay:
        found.append({"protocol": "UDP", "port": relay[0], "endPort": relay[1]})
    return found


# what is said of them


def _notes(
    config: WebRTCConfig,
    uris: List[IceURI],
    options: PolicyOptions,
    addresses: Addresses,
    now: float,
) -> Iterator[str]:
    for uri in uris:
        yield f"It opens {uri}: {_protocol(uri)} {uri.effective_port}."
    if options.relay_ports and any(map(_is_turn, uris)):
        first, last = options.relay_ports
        yield f"It opens UDP {first}-{last} of each TURN server, for browsers' relays."
    names = server_names(uris)
    open_to_all = [name for name in names if not addresses.get(name)]
    if open_to_all:
        yield (
            "A policy can't match a name, so the ports of these are open to any address: "
            f"{', '.join(open_to_all)}. --resolve writes their addresses of now instead."
        )
    for name in names:
        if addresses.get(name):
            found = ", ".join(sorted(set(addresses[name])))
            yield (
                f"{name} was {found} at {utc_text(now)}; make this policy again when that changes."
            )
    if options.dns:
        yield "It opens the cluster's DNS, the pods k8s-app=kube-dns of kube-system."
    elif names:
        yield (
            "Not open: DNS, which desktops need for names; abcdesktop's own policy allows it, "
            "and so does --dns."
        )
    if not options.relay_ports and _has_own_turn(config):
        yield "Sound passes by the desktops' own TURN server; browsers' relays stay shut."
    yield "Not open: the browsers' own addresses, to which sound goes without TURN."
    yield "Policies add up: where no other one selects these pods, this one shuts off all else."


def _warnings(
    config: WebRTCConfig, uris: List[IceURI], options: PolicyOptions, addresses: Addresses
) -> Iterator[str]:
    if not any(map(_is_turn, uris)):
        yield (
            "there is no TURN server: sound goes to the browsers' own addresses, which this "
            "policy leaves shut"
        )
        if options.relay_ports:
            yield "--relay-ports does nothing where there is no TURN server"
    elif not options.relay_ports and not _has_own_turn(config):
        first, last = RELAY_PORTS
        yield (
            "desktops have no TURN server of their own, and can't reach the relays of browsers: "
            "write webrtc.desktop: { 'turn': True } with a webrtc.coturn, "
            f"or add --relay-ports {first}-{last}"
        )
    for host in dict.fromkeys(uri.host for uri in uris):
        if any(peer and peer.is_loopback for peer in _peers(host, addresses)):
            yield f"{host} is a loopback address, which in a pod is the pod itself"
