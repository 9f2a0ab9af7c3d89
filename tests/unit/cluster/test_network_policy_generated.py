"""The NetworkPolicy of any configuration opens every URI once, and nothing else."""

from __future__ import annotations

import ipaddress
import random
from typing import Any, List, Optional, Set, Tuple

from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.cluster.network_policy import Policy, PolicyOptions
from support.policies import FOUND, policy

Opened = Tuple[str, str, int]
"""A network or "any", a protocol and a port."""
HOSTS = {
    "192.0.2.1": ["192.0.2.1/32"],
    "192.0.2.20": ["192.0.2.20/32"],
    "[2001:db8::1]": ["2001:db8::1/128"],
    "[2001:0DB8::0001]": ["2001:db8::1/128"],
    "a.example.org": ["192.0.2.7/32", "2001:db8::7/128"],
    "b.example.org": ["192.0.2.7/32"],
    "open.example.org": ["any"],
    "OTHER.example.org.": ["any"],
}
PORTS = st.sampled_from([None, 53, 80, 443, 3478, 5349, 49152, 60000, 65535])
SERVERS = st.lists(
    st.tuples(
        st.sampled_from(["stun", "turn", "turns"]),
        st.sampled_from(sorted(HOSTS)),
        PORTS,
        st.sampled_from([None, "udp", "tcp"]),
    ),
    min_size=1,
    max_size=8,
)
RANGES = st.none() | st.tuples(st.integers(1, 65535), st.integers(1, 65535)).map(
    lambda pair: (min(pair), max(pair))
)


def policy_for(servers: Any, relay: Any = None) -> Policy:
    stun, turn = [], []
    for scheme, host, number, transport in servers:
        address = host if number is None else f"{host}:{number}"
        if scheme.startswith("stun"):
            stun.append(f"{scheme}:{address}")
        else:
            query = f"?transport={transport}" if transport else ""
            turn.append({"protocol": scheme, "url": address + query})
    return policy(stun, turn, PolicyOptions(relay_ports=relay), FOUND)


def expected_of(scheme: str, host: str, number: Optional[int], transport: Any) -> Set[Opened]:
    secure = scheme.endswith("s")
    if scheme.startswith("stun") or transport is None:
        transport = "tcp" if secure else "udp"
    number = number or (5349 if secure else 3478)
    return {(network, transport.upper(), number) for network in HOSTS[host]}


def opened_by(manifest: Any) -> List[Tuple[Opened, Optional[int]]]:
    """Return what a manifest opens, each with the endPort of its range."""
    found = []
    for item in manifest["spec"]["egress"]:
        network = "any"
        if "to" in item:
            (peer,) = item["to"]
            network = str(ipaddress.ip_network(peer["ipBlock"]["cidr"]))
            assert network == peer["ipBlock"]["cidr"]
        for each in item["ports"]:
            found.append(((network, each["protocol"], each["port"]), each.get("endPort")))
    return found


@given(SERVERS)
def test_every_uri_is_opened_once_and_nothing_else_is(servers: Any) -> None:
    wanted: Set[Opened] = set().union(*(expected_of(*server) for server in servers))
    found = opened_by(policy_for(servers).manifest)
    assert sorted(found) == sorted((opened, None) for opened in wanted)


@given(SERVERS, RANGES)
def test_relay_ports_add_their_range_to_turn_servers_and_nothing_else(
    servers: Any, relay: Any
) -> None:
    wanted: Set[Tuple[Opened, Optional[int]]] = set()
    for server in servers:
        for network, protocol, number in expected_of(*server):
            wanted.add(((network, protocol, number), None))
            if relay and server[0].startswith("turn"):
                wanted.add(((network, "UDP", relay[0]), relay[1]))
    ranges = {opened[0] for opened, end in wanted if end}
    within = {
        ((network, protocol, number), end)
        for (network, protocol, number), end in wanted
        if end is None
        and protocol == "UDP"
        and network in ranges
        and relay[0] <= number <= relay[1]
    }
    found = opened_by(policy_for(servers, relay).manifest)
    assert len(found) == len(set(found))
    assert set(found) == wanted - within


@given(SERVERS, st.randoms())
def test_the_order_of_the_servers_does_not_matter(servers: Any, chance: random.Random) -> None:
    shuffled = [*servers, servers[0]]
    chance.shuffle(shuffled)
    assert policy_for(shuffled).manifest == policy_for(servers).manifest
