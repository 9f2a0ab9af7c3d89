"""STUN and TURN URIs."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.config.uris import (
    INSIDE,
    THIS_MACHINE,
    IceURI,
    parse_ice_uri,
    parse_server,
    why_unreachable,
)
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError
from support import ENTRIES

LETTERS = "abcXYZ019"
LABELS = st.builds(
    "{}{}{}".format,
    st.sampled_from("abZ"),
    st.text(LETTERS + "-_", max_size=10),
    st.sampled_from(LETTERS),
)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
HOSTS = (
    NAMES
    | NAMES.map("{}.".format)
    | st.ip_addresses(v=4).map(str)
    | st.ip_addresses(v=6).map("[{}]".format)
)
PORTS = st.none() | st.integers(1, 65535)
URIS = st.one_of(
    st.builds(IceURI, st.sampled_from(["stun", "stuns"]), HOSTS, PORTS),
    st.builds(
        IceURI,
        st.sampled_from(["turn", "turns"]),
        HOSTS,
        PORTS,
        st.sampled_from([None, "udp", "tcp"]),
    ),
)
ALMOST = st.text("[]:?/@%.-_ abz019=\nüstunrp", max_size=30)

GOOD = [
    ("stun:stun.l.google.com:19302", IceURI("stun", "stun.l.google.com", 19302)),
    ("stun:host", IceURI("stun", "host")),
    ("stuns:host:5349", IceURI("stuns", "host", 5349)),
    ("turn:turn.domain.local:3478", IceURI("turn", "turn.domain.local", 3478)),
    ("turn:10.0.0.1:1", IceURI("turn", "10.0.0.1", 1)),
    ("turns:[2001:db8::1]:65535", IceURI("turns", "[2001:db8::1]", 65535)),
    ("turn:[::ffff:10.0.0.1]", IceURI("turn", "[::ffff:10.0.0.1]")),
    ("turn:host?transport=udp", IceURI("turn", "host", None, "udp")),
    ("turns:host:443?transport=tcp", IceURI("turns", "host", 443, "tcp")),
    ("turn:host.example.:3478", IceURI("turn", "host.example.", 3478)),
    ("turn:my_turn.my-ns:3478", IceURI("turn", "my_turn.my-ns", 3478)),
    ("turn:xn--mnchen-3ya.de", IceURI("turn", "xn--mnchen-3ya.de")),
    ("turn:1host.2b", IceURI("turn", "1host.2b")),
    ("turn:" + "a" * 63, IceURI("turn", "a" * 63)),
    ("turn:" + "a." * 126 + "a", IceURI("turn", "a." * 126 + "a")),
]

NUMBER = "port that is not a number from 1 to 65535"
NO_NAME = "neither a DNS name nor an IP address"
BRACKETS = "put an IPv6 address in brackets"
BAD = [
    ("", "must begin with stun:, stuns:, turn: or turns:"),
    ("host:3478", "must begin with stun:, stuns:, turn: or turns:"),
    ("turn", "must begin with stun:"),
    ("turn://host", "has '//' after 'turn:', which browsers refuse; remove it"),
    ("turn:", "has no host; write host:port"),
    ("turn:?transport=udp", "has no host"),
    ("turn:host:0", NUMBER),
    ("turn:host:65536", NUMBER),
    ("turn:host:-1", NUMBER),
    ("turn:host:000080", NUMBER),
    ("turn:host:٣٤", NUMBER),
    ("turn:host:", NUMBER),
    ("turn:host:80\n", NUMBER),
    ("turn:host:80:90", BRACKETS),
    ("turn:2001:db8::1", "without brackets; write '[2001:db8::1]:3478'"),
    ("turn:fe80::1%eth0", BRACKETS),
    ("turn:[::1", BRACKETS),
    ("turn:[::1]80", BRACKETS),
    ("turn:[host]:3478", "brackets around something that is not an IPv6 address"),
    ("turn:[fe80::1%eth0]", "brackets around something that is not an IPv6 address"),
    ("turn:user:pass@host", "user or password before '@', which no browser accepts; remove it"),
    ("turn:ho st", "has a comma or a space in it"),
    ("turn: host", NO_NAME),
    ("turn:host\n", NO_NAME),
    ("turn:host/path", NO_NAME),
    ("turn:a..b", NO_NAME),
    ("turn:host-", NO_NAME),
    ("turn:" + "a" * 64, NO_NAME),
    ("turn:" + "a." * 126 + "aa", "a host of more than 253 characters"),
    ("turn:münchen.de", "not ASCII; write its punycode form"),
    ("turn:host.１", "not ASCII"),
    ("turn:10.1", "looks like an IPv4 address, but is not one"),
    ("turn:10.0.0.1.", "looks like an IPv4 address, but is not one"),
    ("turn:host?", "something other than transport=udp or transport=tcp after '?'"),
    ("turn:host?transport=UDP", "something other than transport=udp or transport=tcp after '?'"),
    ("turn:host?ttransport=udp", "something other than transport=udp or transport=tcp after '?'"),
    ("turn:host?transport=udp\n", "something other than transport=udp or transport=tcp after '?'"),
    ("stun:host?transport=udp", "which a stun or stuns URI can't have"),
    ("stuns:host?", "which a stun or stuns URI can't have"),
]


@pytest.mark.parametrize(("text", "uri"), GOOD)
def test_a_good_uri_parses_and_prints_as_it_was(text, uri):
    assert parse_ice_uri(text) == uri
    assert str(uri) == text


@pytest.mark.parametrize(("text", "words"), BAD)
def test_a_bad_uri_is_refused_with_its_reason(text, words):
    with pytest.raises(ConfigError) as caught:
        parse_ice_uri(text)
    assert len(caught.value.problems) == 1
    assert words in str(caught.value)


def test_a_refusal_never_shows_a_password():
    with pytest.raises(ConfigError) as caught:
        parse_ice_uri("turn:user:hush@host:3478")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("TURN:host", "turn:host"), ("Stuns:Host:1", "stuns:Host:1"), ("turn:h:00080", "turn:h:80")],
)
def test_a_scheme_has_any_case_and_prints_small(text, canonical):
    assert str(parse_ice_uri(text)) == canonical


@settings(max_examples=200)
@given(URIS)
def test_a_printed_uri_parses_to_itself(uri):
    assert parse_ice_uri(str(uri)) == uri


@settings(max_examples=300)
@given(st.text(max_size=40) | ALMOST | ALMOST.map("turn:{}".format) | ALMOST.map("stun:{}".format))
def test_arbitrary_text_is_a_uri_or_a_config_error(text):
    try:
        uri = parse_ice_uri(text)
    except ConfigError:
        return
    assert parse_ice_uri(str(uri)) == uri
    assert uri.port is None or 1 <= uri.port <= 65535
    assert re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]", uri.host)


@settings(max_examples=100)
@given(st.ip_addresses(v=6).map(str))
def test_an_ipv6_address_needs_brackets(address):
    assert parse_server("turn", f"[{address}]:3478").host == f"[{address}]"
    with pytest.raises(ConfigError, match="without brackets"):
        parse_server("turn", address)
    assert ipaddress.IPv6Address(parse_server("turn", f"[{address}]").host[1:-1])


@pytest.mark.parametrize(
    ("host", "is_address"),
    [("192.0.2.1", True), ("[2001:db8::1]", True), ("turn", False), ("192.0.2.1.nip.io", False)],
)
def test_an_address_is_told_from_a_name(host, is_address):
    assert parse_server("turns", f"{host}:5349").is_address is is_address


@pytest.mark.parametrize(
    ("scheme", "port"), [("stun", 3478), ("turn", 3478), ("stuns", 5349), ("turns", 5349)]
)
def test_the_default_port_is_that_of_the_scheme(scheme, port):
    assert parse_server(scheme, "host").effective_port == port
    assert parse_server(scheme, "host").port is None
    assert parse_server(scheme, "host:99").effective_port == 99


@pytest.mark.parametrize(
    ("host", "bare", "key"),
    [
        ("Turn.Domain.Local.", "Turn.Domain.Local.", "turn.domain.local"),
        ("[2001:DB8::1]", "2001:DB8::1", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_host_is_compared_without_brackets_case_and_last_dot(host, bare, key):
    uri = parse_server("turn", host)
    assert (uri.bare_host, uri.host_key) == (bare, key)


def test_a_uri_is_frozen_and_hashable():
    uri = parse_ice_uri("turn:host")
    with pytest.raises(AttributeError):
        uri.port = 1
    assert len({uri, IceURI("turn", "host")}) == 1


# Hosts that no browser on another machine reaches.

REACHABLE = """
    turn.example.org coturn svc cluster.local.example.org localhost.example.org mysvc notlocalhost
    192.0.2.1 10.0.0.1 100.64.0.1 [2001:db8::1] [fd00::1] [::ffff:192.0.2.1]
"""
UNREACHABLE = [
    (
        "localhost LOCALHOST localhost. turn.localhost ip6-localhost 127.1.2.3 [::1] "
        "[::ffff:127.0.0.1] [0:0:0:0:0:0:0:1] [2002:7f00:1::]",
        THIS_MACHINE,
    ),
    (
        "coturn.abcdesktop.svc COTURN.ABCDESKTOP.SVC a.pod.cluster.local a.svc.cluster.local.",
        INSIDE,
    ),
    ("0.0.0.0 [::] [::ffff:0.0.0.0]", "is an address to listen on"),
    ("224.0.0.1 239.255.255.250 255.255.255.255 [ff02::1]", "is a multicast or broadcast address"),
    ("169.254.1.1 [fe80::1] [::ffff:169.254.1.1]", "is a link-local address"),
]


@pytest.mark.parametrize(
    ("host", "words"), [(host, words) for hosts, words in UNREACHABLE for host in hosts.split()]
)
def test_a_host_that_nobody_else_reaches_is_told_with_the_reason(host: str, words: str) -> None:
    assert why_unreachable(IceURI("stun", host)).startswith(words)


@pytest.mark.parametrize("host", REACHABLE.split())
def test_what_some_network_reaches(host: str) -> None:
    assert why_unreachable(IceURI("stun", host)) == ""


@pytest.mark.parametrize("host", ["localhost", "coturn.abcdesktop.svc", "0.0.0.0"])
def test_it_is_a_warning_in_both_places(host: str) -> None:
    entries = {
        **ENTRIES,
        "webrtc.coturn": {**ENTRIES["webrtc.coturn"], "url": f"{host}:3478"},
        "webrtc.rtc_configuration": {"iceServers": [{"urls": [f"stun:{host}:3478"]}]},
    }
    config = WebRTCConfig.from_mapping(entries)
    assert [(warning.path, warning.message) for warning in config.warnings] == [
        ("webrtc.coturn.url", why_unreachable(IceURI("stun", host))),
        ("webrtc.rtc_configuration.iceServers[0].urls[0]", why_unreachable(IceURI("stun", host))),
    ]
