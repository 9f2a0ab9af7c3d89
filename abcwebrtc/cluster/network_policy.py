"""The NetworkPolicy that lets desktop pods reach the STUN and TURN servers, as plain data."""

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
from abcwebrtc.config.entries import RTC_CONFIGURATION
from abcwebrtc.config.uris import TURN_SCHEMES, Address, IceURI
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem, WebRTCDisabledError
from abcwebrtc.times import iso_text

POLICY_NAME = "desktop-webrtc"
_DNS_PORT = 53

Ports = Set[Tuple[int, str]]
Addresses = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class PolicyOptions:
    """The name of a policy, the pods it selects, and what it opens besides the servers.

    `selector` has the labels of the pods. `relay_ports` is the first and the last
    UDP port to open to each TURN server for the relays of browsers, or None. `dns`
    opens the cluster's DNS.
    """

    name: str = POLICY_NAME
    namespace: str = NAMESPACE
    selector: Mapping[str, str] = field(default_factory=lambda: dict(DESKTOP_LABELS))
    relay_ports: Optional[Tuple[int, int]] = None
    dns: bool = False


@dataclass(frozen=True)
class Policy:
    """A NetworkPolicy. `manifest` is plain data, which the caller may change.

    `notes` say what it opens and what it can't open, in a sentence or two each;
    `warnings` say what leaves desktops without sound.
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

    It opens the port of every STUN and TURN URI in `config`, including
    STUN_SERVER, to the address in the URI. For a name it opens the port to the
    name's `addresses`, resolved at `now` (unix seconds, by default the current
    time), or to any address if there are none.

    Raises `WebRTCDisabledError` if ``webrtc.enable`` is False, and `ConfigError`
    if there is no server.
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

    Raises `WebRTCDisabledError` if ``webrtc.enable`` is False, and
    `ConfigError` if there is no server.
    """
    if not config.enable:
        raise WebRTCDisabledError
    stun = config.desktop.stun_uri
    uris = list(dict.fromkeys((*((stun,) if stun else ()), *config.uris)))
    if not uris:
        message = (
            "there is no STUN or TURN server to open; add one to webrtc.coturn, or here, such as "
            "{ 'iceServers': [ { 'urls': 'stun:stun.domain.local:3478' } ] }"
        )
        raise ConfigError(Problem(message, RTC_CONFIGURATION))
    return uris


def server_names(uris: Iterable[IceURI]) -> List[str]:
    """Return the hosts of URIs that are names rather than addresses, each once."""
    return list(dict.fromkeys(uri.host for uri in uris if _address(uri.host) is None))


def _protocol(uri: IceURI) -> str:
    """Return ``UDP`` or ``TCP``: the URI's transport, else the scheme's (RFC 7064, RFC 7065)."""
    if uri.transport:
        return uri.transport.upper()
    return "TCP" if uri.scheme in ("stuns", "turns") else "UDP"


def _parse(text: str) -> Address:
    """Return an address; an IPv4-mapped IPv6 address becomes IPv4, as it is on the wire."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _address(host: str) -> Optional[Address]:
    """Return a URI's host as an address, or None if it is a name."""
    try:
        return _parse(host.strip("[]"))
    except ValueError:
        return None


def _peers(host: str, addresses: Addresses) -> List[Optional[Address]]:
    """Return the addresses of a host; None stands for any address."""
    own = _address(host)
    return [own] if own else [_parse(text) for text in addresses.get(host, ())] or [None]


def _is_turn(uri: IceURI) -> bool:
    return uri.scheme in TURN_SCHEMES


def _has_own_turn(config: WebRTCConfig) -> bool:
    """Return whether desktops have a TURN server of their own, TURN_SERVER."""
    return bool(config.desktop.turn and config.coturn)


def _denies_desktops(config: WebRTCConfig) -> bool:
    """Return whether the acl of webrtc.desktop denies some users' desktops a TURN server."""
    acl = config.desktop.acl
    return acl is not None and not acl.permits_everybody


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
    if options.dns:  # the cluster's DNS pods, by the labels that kubeadm gives them
        dns_pods = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
        dns_ports = _ports({(_DNS_PORT, "TCP"), (_DNS_PORT, "UDP")}, None)
        rules.append({"to": [dns_pods], "ports": dns_ports})
    return rules


def _ports(ports: Ports, relay: Optional[Tuple[int, int]]) -> List[Dict[str, Any]]:
    """Return the ports of a rule, without those that the relay range covers."""
    found: List[Dict[str, Any]] = [
        {"protocol": name, "port": port}
        for port, name in sorted(ports)
        if not (relay and name == "UDP" and relay[0] <= port <= relay[1])
    ]
    if relay:
        found.append({"protocol": "UDP", "port": relay[0], "endPort": relay[1]})
    return found


# what to tell the operator


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
        yield f"It opens UDP {first}-{last} on each TURN server, for browsers' relays."
    names = server_names(uris)
    open_to_all = [name for name in names if not addresses.get(name)]
    if open_to_all:
        yield (
            "A policy can't match a name, so the ports of these servers are open to any address: "
            f"{', '.join(open_to_all)}. --resolve writes their current addresses instead."
        )
    for name in names:
        if addresses.get(name):
            found = ", ".join(sorted(set(addresses[name])))
            yield (
                f"{name} was {found} at {iso_text(now)}; generate the policy again when that "
                "changes."
            )
    if options.dns:
        yield "It opens the cluster's DNS: the pods k8s-app=kube-dns in kube-system."
    elif names:
        yield (
            "Not open: DNS, which desktops need for names. abcdesktop's own policy allows it, "
            "and so does --dns."
        )
    if not options.relay_ports and _has_own_turn(config):
        own = "TURN server, where they have one" if _denies_desktops(config) else "TURN server"
        yield f"Sound goes through the desktops' own {own}; browsers' relays stay closed."
    yield "Not open: the browsers' own addresses, where sound goes without TURN."
    yield "Policies add up: if no other policy selects these pods, this one blocks everything else."


def _warnings(
    config: WebRTCConfig, uris: List[IceURI], options: PolicyOptions, addresses: Addresses
) -> Iterator[str]:
    if not any(map(_is_turn, uris)):
        yield (
            "there is no TURN server: sound goes to the browsers' own addresses, which this "
            "policy blocks"
        )
        if options.relay_ports:
            yield "--relay-ports has no effect without a TURN server"
    elif not options.relay_ports and not _has_own_turn(config):
        first, last = RELAY_PORTS
        yield (
            "desktops have no TURN server of their own, and can't reach the relays of browsers: "
            "set webrtc.desktop: { 'turn': True } with a webrtc.coturn, "
            f"or add --relay-ports {first}-{last}"
        )
    elif not options.relay_ports and _denies_desktops(config):
        first, last = RELAY_PORTS
        yield (
            "desktops of users whom the acl of webrtc.desktop denies have no TURN server of their "
            f"own, and can't reach the relays of browsers: add --relay-ports {first}-{last}"
        )
    for host in dict.fromkeys(uri.host for uri in uris):
        if any(peer and peer.is_loopback for peer in _peers(host, addresses)):
            yield f"{host} is a loopback address; in a pod, that is the pod itself"
