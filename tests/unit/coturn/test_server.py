"""What od.config says about a coturn: which entries belong together, its name, and its ports."""

from __future__ import annotations

from typing import List

import pytest

from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.coturn.server import Ports, server_ports
from support.certificates import HOST
from support.turnserver_entry import ENTRY, OLD, SECRET, coturns_in, one_coturn


@pytest.mark.parametrize(
    ("urls", "ports"),
    [
        (["turn:a"], Ports(3478, 5349, ())),
        (["turns:a"], Ports(3478, 5349, ())),
        (["turns:a:443"], Ports(3478, 443, ())),
        (["turns:a:443", "turns:a:5349"], Ports(3478, 443, (5349,))),
        (["turn:a:80"], Ports(80, 5349, ())),
        (["turn:a:80", "turns:a:80"], Ports(80, 5349, ())),
        (["turn:a", "turn:a:80", "turns:a:443"], Ports(3478, 443, (80,))),
        (["turn:a:5349"], Ports(5349, 3478, ())),
        (["turn:a:5349", "turn:a:3478"], Ports(5349, 5350, (3478,))),
    ],
)
def test_which_port_is_which(urls: List[str], ports: Ports) -> None:
    assert server_ports([parse_ice_uri(url) for url in urls]) == ports


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
