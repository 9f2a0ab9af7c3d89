"""The turnserver.conf that is printed: its lines, and the servers and ports of od.config."""

from __future__ import annotations

import ipaddress
from typing import Any, List, Optional

import pytest

from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.coturn.addresses import External
from abcwebrtc.coturn.conf import ConfOptions, turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from abcwebrtc.coturn.server import Ports, server_ports
from support.turnserver_entry import ENTRY, OLD, SECRET, coturns_in, one_coturn
from unit.coturn.test_certificate import HOST


def lines_of(options: Optional[ConfOptions] = None, **changes: Any) -> List[str]:
    """Return what is no comment in a generated file, the denied ranges left out."""
    text = turnserver_conf(one_coturn(**changes), "od.config", options, True)
    found = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in found if not line.startswith("denied-peer-ip=")]


HARDENING = [
    "fingerprint",
    "no-cli",
    "no-tcp-relay",
    "no-rfc5780",
    "response-origin-only-with-rfc5780",
    "no-software-attribute",
    "no-multicast-peers",
]


def test_the_documents_configuration_gives_the_documents_lines() -> None:
    assert lines_of(protocol="turns", ttl=3600) == [
        "listening-port=3478",
        "tls-listening-port=5349",
        "use-auth-secret",
        f'static-auth-secret="{SECRET}"',
        f"server-name={HOST}",
        f"realm={HOST}",
        "stale-nonce=600",
        f"cert=/usr/local/etc/{HOST}.pem",
        f"pkey=/usr/local/etc/{HOST}.pem",
        "no-tlsv1",
        "no-tlsv1_1",
        "no-dtls",
        "min-port=49152",
        "max-port=65535",
        "total-quota=1200",
        *HARDENING,
    ]


def test_every_option_leads_to_its_line() -> None:
    options = ConfOptions(
        cert="/etc/c.pem",
        key="/etc/k.pem",
        relay_ports=(50000, 50099),
        allow_peers=(range_network("10.1.0.0/16"), range_network("2001:db8::/64")),
        listening_ips=(parse("192.168.0.5"), parse("fd00::5")),
        external_ips=(External(parse("198.18.0.1"), parse("192.168.0.5")),),
        realm="a.realm",
        user_quota=3,
        total_quota=50,
    )
    assert lines_of(options, username="userid") == [
        "listening-port=3478",
        "tls-listening-port=5349",
        "listening-ip=192.168.0.5",
        "listening-ip=fd00::5",
        "relay-ip=192.168.0.5",
        "relay-ip=fd00::5",
        "external-ip=198.18.0.1/192.168.0.5",
        "use-auth-secret",
        f'static-auth-secret="{SECRET}"',
        f"server-name={HOST}",
        "realm=a.realm",
        "stale-nonce=600",
        "cert=/etc/c.pem",
        "pkey=/etc/k.pem",
        "no-tlsv1",
        "no-tlsv1_1",
        "no-dtls",
        "min-port=50000",
        "max-port=50099",
        "total-quota=50",
        "user-quota=3",
        *HARDENING,
        "allowed-peer-ip=192.168.0.5",
        "allowed-peer-ip=fd00::5",
        "allowed-peer-ip=198.18.0.1",
        "allowed-peer-ip=10.1.0.0-10.1.255.255",
        "allowed-peer-ip=2001:db8::-2001:db8::ffff:ffff:ffff:ffff",
    ]


def parse(text: str) -> Any:
    return ipaddress.ip_address(text)


def range_network(text: str) -> Any:
    return ipaddress.ip_network(text)


def test_every_line_has_a_reason_above_it() -> None:
    lines = turnserver_conf(one_coturn(protocol="turns"), "od.config").splitlines()
    bare = [
        (above, line)
        for above, line in zip(lines, lines[1:])
        if not line.startswith("# ") and not above.startswith("# ")
    ]
    assert bare == [("no-tlsv1", "no-tlsv1_1"), ("min-port=49152", "max-port=65535")]
    assert lines[0] == "# Made by abcwebrtc turnserver-conf, for coturn 4.6."


def test_the_reader_reads_every_generated_line() -> None:
    for changes in ({}, {"protocol": "turns"}, {"username": "userid"}, {"url": "localhost"}):
        text = turnserver_conf(one_coturn(**changes), "od.config", None, True)
        conf = parse_turnserver_conf(text.encode(), "")
        assert conf.problems == ()
        assert conf.all("static-auth-secret")[0].text == SECRET


def test_a_quota_for_users_needs_usernames() -> None:
    assert "user-quota=32" not in lines_of()
    assert "user-quota=32" in lines_of(username="pseudonym")


def test_the_total_quota_is_no_more_than_the_ports() -> None:
    assert "total-quota=11" in lines_of(ConfOptions(relay_ports=(50000, 50010)))


def test_without_turns_there_is_no_tls() -> None:
    lines = lines_of()
    assert lines[0] == "listening-port=3478"
    assert {"no-tls", "no-dtls"} < set(lines)
    assert not [line for line in lines if line.startswith(("cert", "pkey", "tls-", "no-tlsv1"))]


def test_turns_over_udp_keeps_dtls() -> None:
    lines = lines_of(protocol="turns", transport=["udp", "tcp"])
    assert "no-dtls" not in lines


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.0.0.5", ["allowed-peer-ip=10.0.0.5"]),
        ("198.18.0.1", ["allowed-peer-ip=198.18.0.1"]),
        ("[fd00::5]", ["allowed-peer-ip=fd00::5"]),
        ("127.0.0.1", ["allowed-peer-ip=127.0.0.1", "allow-loopback-peers"]),
        (
            "localhost",
            ["allowed-peer-ip=127.0.0.1", "allowed-peer-ip=::1", "allow-loopback-peers"],
        ),
        ("8.8.8.8", []),
        ("[2606:4700::1]", []),
        (HOST, []),
        ("[::ffff:10.0.0.5]", ["allowed-peer-ip=10.0.0.5"]),
        ("0.0.0.0", []),
        ("[::]", []),
        ("[::ffff:0.0.0.0]", []),
        ("0.1.2.3", []),
        ("169.254.169.254", []),
        ("168.63.129.16", []),
        ("192.0.0.192", []),
        ("255.255.255.255", []),
        ("[64:ff9b::10.0.0.5]", []),
        ("[2002:a00:5::1]", []),
        ("[2001:0:a00:5::1]", []),
        ("[fe80::1]", []),
    ],
)
def test_a_server_in_a_denied_range_is_its_own_exception(host: str, allowed: List[str]) -> None:
    lines = lines_of(url=host)
    assert lines[lines.index("no-multicast-peers") + 1 :] == allowed


@pytest.mark.parametrize(
    ("urls", "ports"),
    [
        (["turn:a"], Ports(3478, 5349, ())),
        (["turns:a"], Ports(3478, 5349, ())),
        (["turns:a:3478"], Ports(3478, 5349, ())),
        (["turns:a:443"], Ports(3478, 443, ())),
        (["turns:a:443", "turns:a:3478"], Ports(3478, 443, ())),
        (["turns:a:443", "turns:a:5349"], Ports(3478, 443, (5349,))),
        (["turn:a:80"], Ports(80, 5349, ())),
        (["turn:a:80", "turns:a:443"], Ports(80, 443, ())),
        (["turn:a:80", "turns:a:80"], Ports(80, 5349, ())),
        (["turn:a", "turn:a:80", "turns:a:443"], Ports(3478, 443, (80,))),
        (["turn:a:5349"], Ports(5349, 3478, ())),
        (["turn:a:5349", "turn:a:3478"], Ports(5349, 5350, (3478,))),
        (["turn:a:5349", "turns:a:3478"], Ports(5349, 3478, ())),
    ],
)
def test_which_port_is_which(urls: List[str], ports: Ports) -> None:
    assert server_ports([parse_ice_uri(url) for url in urls]) == ports


def test_a_third_port_needs_the_address_of_relays() -> None:
    urls = [f"{HOST}:3478", f"{HOST}:80", f"{HOST}:81"]
    text = turnserver_conf(one_coturn(url=urls), "od.config")
    assert "\n#aux-server=0.0.0.0:80\n#aux-server=0.0.0.0:81\n" in text
    pair = External(parse("203.0.113.20"), parse("10.0.0.5"))
    for options in (
        ConfOptions(external_ips=(pair,)),
        ConfOptions(relay_ips=(parse("10.0.0.5"),)),
    ):
        lines = lines_of(options, url=urls)
        assert [line for line in lines if "aux" in line or "relay-ip" in line] == [
            "relay-ip=10.0.0.5",
            "aux-server=0.0.0.0:80",
            "aux-server=0.0.0.0:81",
        ]
        assert "allowed-peer-ip=10.0.0.5" in lines
        assert not [line for line in lines_of(options) if "relay-ip" in line]


def test_a_third_port_is_an_aux_server() -> None:
    urls = [f"{HOST}:3478", f"{HOST}:80", f"{HOST}:81"]
    options = ConfOptions(listening_ips=(parse("2606:4700::1"), parse("8.8.8.8")))
    assert [line for line in lines_of(options, url=urls) if "aux" in line] == [
        "aux-server=[2606:4700::1]:80",
        "aux-server=[2606:4700::1]:81",
        "aux-server=8.8.8.8:80",
        "aux-server=8.8.8.8:81",
    ]


def test_entries_of_one_host_are_one_coturn() -> None:
    found = coturns_in(
        [
            {**ENTRY, "coturn_static_auth_secret": [SECRET, OLD]},
            {**ENTRY, "url": "other.local"},
            {**ENTRY, "protocol": "turns", "coturn_static_auth_secret": "a-third-static-secret"},
            {**ENTRY, "url": ["third.local", "192.0.2.1"]},
            {**ENTRY, "url": ["192.0.2.1:443", "Other.Local."]},
        ]
    )
    assert [item.hosts for item in found] == [
        (HOST,),
        ("other.local", "third.local", "192.0.2.1"),
    ]
    values = [secret.reveal().decode() for secret in found[0].secrets]
    assert values == [SECRET, "a-third-static-secret", OLD]
    assert found[0].has_tls
    assert not found[1].has_tls


def test_the_name_of_a_server_is_rather_a_name() -> None:
    assert one_coturn(url=["192.0.2.1", f"{HOST}."]).name == HOST
    assert one_coturn(url=["192.0.2.1", "[2001:db8::1]"]).name == "192.0.2.1"


def test_without_being_asked_no_secret_is_in_the_text() -> None:
    text = turnserver_conf(one_coturn(coturn_static_auth_secret=[SECRET, OLD]), "od.config")
    assert SECRET not in text
    assert OLD not in text
    assert (
        '\n#static-auth-secret="<secret 1 of 2>"\n#static-auth-secret="<secret 2 of 2>"\n' in text
    )
    assert parse_turnserver_conf(text.encode(), "").all("static-auth-secret") == ()
