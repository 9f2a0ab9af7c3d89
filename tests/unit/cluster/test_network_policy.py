"""The NetworkPolicy for desktop pods: rules, notes and warnings, and Kubernetes's own schema."""

from __future__ import annotations

import copy
import ipaddress
import random
from typing import Any, List, Optional, Set, Tuple

import kubernetes_validate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import ConfigError, WebRTCDisabledError
from abcwebrtc.cluster.network_policy import Policy, PolicyOptions
from support import spoil
from support.desktop_pod import VERSIONS
from support.policies import FOUND, RELAY, V4, V6, egress, policy, port, rule


def test_the_whole_manifest() -> None:
    assert policy([f"stun:{V4}"]).manifest == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "desktop-webrtc", "namespace": "abcdesktop"},
        "spec": {
            "podSelector": {"matchLabels": {"type": "x11server"}},
            "policyTypes": ["Egress"],
            "egress": [rule("192.0.2.1/32", port("UDP", 3478))],
        },
    }


def test_what_it_is_called_and_whom_it_selects() -> None:
    options = PolicyOptions("a", "b", {"k": "v", "l": ""})
    manifest = policy([f"stun:{V4}"], options=options).manifest
    assert manifest["metadata"] == {"name": "a", "namespace": "b"}
    assert manifest["spec"]["podSelector"] == {"matchLabels": {"k": "v", "l": ""}}


@pytest.mark.parametrize(
    ("stun", "turn", "expected"),
    [
        ([f"stun:{V4}:19302"], [], port("UDP", 19302)),
        ([], [V4], port("UDP", 3478)),
        ([], [f"{V4}?transport=udp"], port("UDP", 3478)),
        ([], [f"{V4}:80?transport=tcp"], port("TCP", 80)),
        ([], [{"url": V4, "transport": "tcp"}], port("TCP", 3478)),
        ([], [{"url": V4, "protocol": "turns"}], port("TCP", 5349)),
        ([], [{"url": f"{V4}:3478", "protocol": "turns"}], port("TCP", 3478)),
        ([], [{"url": f"{V4}?transport=tcp", "protocol": "turns"}], port("TCP", 5349)),
        ([], [{"url": f"{V4}?transport=udp", "protocol": "turns"}], port("UDP", 5349)),
    ],
)
def test_the_port_and_protocol_of_a_uri(stun: Any, turn: Any, expected: Any) -> None:
    assert egress(stun, turn) == [rule("192.0.2.1/32", expected)]


def test_a_turn_server_of_rtc_configuration_is_opened_too() -> None:
    server = {"urls": [f"turn:{V4}?transport=tcp"], "username": "u", "credential": "c"}
    found = egress(webrtc__rtc_configuration={"iceServers": [server]})
    assert found == [rule("192.0.2.1/32", port("TCP", 3478))]


@pytest.mark.parametrize("where", ["webrtc__desktop", "desktop__envlocal"])
def test_the_stun_server_of_desktops_is_opened_too(where: str) -> None:
    key = "stun_server" if where == "webrtc__desktop" else "STUN_SERVER"
    entries = {where: {key: "stun://[2001:db8::2]:99"}}
    assert egress(**entries) == [rule("2001:db8::2/128", port("UDP", 99))]
    both = egress([f"stun:{V4}"], **entries)
    assert both == [
        rule("192.0.2.1/32", port("UDP", 3478)),
        rule("2001:db8::2/128", port("UDP", 99)),
    ]


def test_each_address_has_one_rule_in_order_with_its_ports_in_order() -> None:
    turn = [
        {"url": ["[2001:db8::1]:5349", "192.0.2.10"], "protocol": "turns"},
        {"url": ["192.0.2.9:3478"], "transport": ["udp", "tcp"]},
        {"url": ["[2001:DB8:0::1]:5349"], "protocol": "turns"},
        {"url": ["[::ffff:192.0.2.9]:80"]},
    ]
    assert egress(["stun:192.0.2.9", "stun:192.0.2.10"], turn) == [
        rule("192.0.2.9/32", port("UDP", 80), port("TCP", 3478), port("UDP", 3478)),
        rule("192.0.2.10/32", port("UDP", 3478), port("TCP", 5349)),
        rule("2001:db8::1/128", port("TCP", 5349)),
    ]


def test_names_are_one_rule_for_any_address_after_those_of_addresses() -> None:
    found = policy(["stun:a.example.org"], ["b.example.org?transport=tcp", V6])
    assert found.manifest["spec"]["egress"] == [
        rule("2001:db8::1/128", port("UDP", 3478)),
        {"ports": [port("TCP", 3478), port("UDP", 3478)]},
    ]
    (note,) = [note for note in found.notes if "any address" in note]
    assert note.startswith("A policy can't match a name")
    assert ": a.example.org, b.example.org. --resolve" in note
    assert not [note for note in found.notes if "UTC" in note]


def test_resolved_names_are_opened_to_their_addresses() -> None:
    found = policy(["stun:a.example.org"], ["b.example.org?transport=tcp"], addresses=FOUND)
    assert found.manifest["spec"]["egress"] == [
        rule("192.0.2.7/32", port("TCP", 3478), port("UDP", 3478)),
        rule("2001:db8::7/128", port("UDP", 3478)),
    ]
    assert not [note for note in found.notes if "any address" in note]
    assert (
        "a.example.org was 192.0.2.7, 2001:db8::7 at 2023-11-14T22:13:20Z; "
        "generate the policy again when that changes."
    ) in found.notes
    assert any(note.startswith("b.example.org was 192.0.2.7 at") for note in found.notes)


def test_an_address_that_is_none_is_refused_and_not_taken_for_any() -> None:
    with pytest.raises(ValueError, match="not-an-address"):
        egress(["stun:a.example.org"], addresses={"a.example.org": ["not-an-address"]})


def test_the_zone_of_an_address_is_left_out() -> None:
    found = egress(["stun:a.example.org"], addresses={"a.example.org": ["fe80::1%eth0"]})
    assert found == [rule("fe80::1/128", port("UDP", 3478))]


def test_relay_ports_are_those_of_turn_servers_only() -> None:
    turn = [V4, "192.0.2.2:50000", "192.0.2.2:50000?transport=tcp", "turn.example.org"]
    relay = port("UDP", 49152, 65535)
    assert egress([f"stun:{V6}", "stun:stun.example.org:2"], turn, RELAY) == [
        rule("192.0.2.1/32", port("UDP", 3478), relay),
        rule("192.0.2.2/32", port("TCP", 50000), relay),
        rule("2001:db8::1/128", port("UDP", 3478)),
        {"ports": [port("UDP", 2), port("UDP", 3478), relay]},
    ]


def test_dns_is_opened_where_it_is_asked_for_and_named_where_it_is_needed() -> None:
    (_, dns) = egress(["stun:a.example.org"], options=PolicyOptions(dns=True))
    (peer,) = dns["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "kube-system"
    }
    assert peer["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert dns["ports"] == [port("TCP", 53), port("UDP", 53)]
    assert "Not open: DNS" in " ".join(policy(["stun:a.example.org"]).notes)
    assert "DNS" not in " ".join(policy([f"stun:{V4}"]).notes)


DESKTOP = {"webrtc__desktop": {"turn": True}}


@pytest.mark.parametrize(
    ("options", "entries", "said"),
    [(None, DESKTOP, True), (None, {}, False), (RELAY, DESKTOP, False), (RELAY, {}, False)],
)
def test_that_browsers_relays_stay_shut_is_said_where_they_do(
    options: Any, entries: Any, said: bool
) -> None:
    notes = " ".join(policy([], [V4], options, **entries).notes)
    assert ("browsers' relays stay closed" in notes) is said
    assert ("for browsers' relays" in notes) is (options is RELAY)


STATIC = {
    "webrtc__rtc_configuration": {
        "iceServers": [{"urls": f"turn:{V4}", "username": "u", "credential": "c"}]
    }
}


@pytest.mark.parametrize(
    ("arguments", "entries", "words"),
    [
        (([f"stun:{V4}"],), {}, ["there is no TURN server"]),
        (([f"stun:{V4}"], [], RELAY), {}, ["there is no TURN server", "--relay-ports has no eff"]),
        (([], [V4]), {}, ["can't reach the relays"]),
        (([], [V4], RELAY), {}, []),
        (([], [V4]), DESKTOP, []),
        (([], [V4], RELAY), DESKTOP, []),
        (([],), STATIC, ["can't reach the relays"]),
        (([],), {**STATIC, **DESKTOP}, ["can't reach the relays"]),
        (([], ["127.0.0.1", "[::1]"], RELAY), {}, ["127.0.0.1 is a loo", "[::1] is a loo"]),
    ],
)
def test_what_leaves_desktops_without_sound_is_a_warning(
    arguments: Any, entries: Any, words: List[str]
) -> None:
    warnings = policy(*arguments, **entries).warnings
    assert len(warnings) == len(words)
    assert all(
        warning.startswith(word) or word in warning for warning, word in zip(warnings, words)
    )


def test_a_name_that_is_this_machine_is_a_warning() -> None:
    addresses = {"turn.example.org": ["127.0.1.1"]}
    (warning,) = policy([], ["turn.example.org"], RELAY, addresses).warnings
    assert warning == "turn.example.org is a loopback address; in a pod, that is the pod itself"


def test_without_a_server_there_is_no_policy() -> None:
    with pytest.raises(ConfigError, match=r"^webrtc\.rtc_configuration: there is no STUN or TURN"):
        policy()


def test_without_sound_there_is_no_policy() -> None:
    with pytest.raises(WebRTCDisabledError):
        policy([f"stun:{V4}"], webrtc__enable=False)


def test_a_manifest_is_the_callers_own() -> None:
    options = PolicyOptions(relay_ports=(1, 2), dns=True)
    first = policy(["stun:a"], [V4], options).manifest
    before = copy.deepcopy(first)
    spoil(first)
    assert policy(["stun:a"], [V4], options).manifest == before
    assert policy(["stun:a"], [V4]).manifest["spec"]["podSelector"] == before["spec"]["podSelector"]


MANIFESTS = [
    policy(["stun:192.0.2.1"]).manifest,
    policy(["stun:a.example.org"], [V4, V6, "turn.example.org"], RELAY).manifest,
    policy(
        ["stun:a.example.org"], [V4], PolicyOptions("n.x", "ns", {"a/b": ""}, (1, 1), True)
    ).manifest,
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=["stun", "relay", "dns"])
def test_kubernetes_takes_it(manifest: Any, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schema_would_refuse_a_field_that_is_not_there(version: str) -> None:
    manifest = copy.deepcopy(MANIFESTS[1])
    manifest["spec"]["egress"][0]["ports"][0]["ports"] = "1-2"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, version, strict=True)


# for any configuration, it opens every URI once, and nothing else

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


# a fleet


def test_every_server_is_opened_whoever_gets_it_and_a_drained_one_too() -> None:
    turn = [
        {"url": "192.0.2.1", "acl": {"permit": ["paris"]}},
        {"url": "192.0.2.2", "drain": True},
        {"url": "192.0.2.3"},
    ]
    found = egress([], turn, webrtc__coturn_servers=1, webrtc__desktop={"turn": True})
    assert found == [rule(f"192.0.2.{last}/32", port("UDP", 3478)) for last in (1, 2, 3)]


@pytest.mark.parametrize(
    ("permit", "options", "number"), [("paris", None, 1), ("all", None, 0), ("paris", RELAY, 0)]
)
def test_desktops_without_a_turn_server_of_their_own_need_the_relay_ports(
    permit: str, options: Optional[PolicyOptions], number: int
) -> None:
    desktop = {"turn": True, "acl": {"permit": [permit]}}
    found = policy([], [V4], options, webrtc__desktop=desktop)
    assert len(found.warnings) == number
    assert any("own TURN server, where they have one;" in note for note in found.notes) is bool(
        number
    )
    for text in found.warnings:
        assert "users whom the acl of webrtc.desktop denies have no TURN server" in text
        assert text.endswith("add --relay-ports 49152-65535")
