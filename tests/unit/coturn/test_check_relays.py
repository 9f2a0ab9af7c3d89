"""turnserver.conf: relays that clients don't get, or that don't reach each other."""

from __future__ import annotations

from typing import Dict, List, Tuple

import pytest

from support.turnserver_entry import compare

FAMILY = "allocation-default-address-family"
SIX = "listening-ip=2001:470::5"
ALL = "-denied-peer-ip\ndenied-peer-ip=0.0.0.0-255.255.255.255\n"


def errors(text: str, version: str = "4.6") -> List[Tuple[str, str]]:
    found = compare(text, version=version)
    return [(item.path, item.message) for item in found if item.level == "error"]


@pytest.mark.parametrize(
    ("text", "version", "path", "cure"),
    [
        (SIX, "4.6", FAMILY, f"write {FAMILY}=keep"),
        (SIX, "4.18", FAMILY, f"write {FAMILY}=keep"),
        (SIX, "4.5", "keep-address-family", "write keep-address-family"),
        (f"{SIX}\n{FAMILY}=ipv4", "4.6", FAMILY, "is ipv4, and relays have IPv6 alone: "),
        ("relay-ip=2001:470::5", "4.6", FAMILY, f"write {FAMILY}=ipv6"),
        ("relay-ip=2001:470::5\nkeep-address-family", "4.6", FAMILY, f"write {FAMILY}=ipv6"),
        ("relay-ip=2001:470::5", "4.5", "keep-address-family", "add a relay-ip of IPv4"),
    ],
)
def test_relays_of_ipv6_alone_have_to_be_the_default(
    text: str, version: str, path: str, cure: str
) -> None:
    ((found, message),) = errors(text, version)
    assert found == path
    assert "440" in message
    assert cure in message


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (f"{SIX}\n{FAMILY}=keep", "4.6"),
        (f"{SIX}\n{FAMILY}=ipv6", "4.6"),
        (f"relay-ip=2001:470::5\n{FAMILY}=ipv6", "4.18"),
        (f"{SIX}\nkeep-address-family", "4.5"),
        (f"{SIX}\nlistening-ip=198.51.100.7", "4.6"),
        (f"{SIX}\nrelay-ip=198.51.100.7", "4.6"),
        (f"{SIX}\nrelay-device=eth0", "4.6"),
    ],
)
def test_relays_that_clients_get_are_no_error(text: str, version: str) -> None:
    assert errors(text, version) == []


OWN: Dict[str, Tuple[str, str]] = {
    "its own public address": ("listening-ip=10.0.0.5\nexternal-ip=10.0.0.5", "10.0.0.5"),
    "that of relays": ("relay-ip=10.0.0.5\nexternal-ip=10.0.0.5", "10.0.0.5"),
    "one that is not mapped": (
        "listening-ip=10.0.0.5\nlistening-ip=10.0.0.6\nexternal-ip=198.51.100.7/10.0.0.5",
        "10.0.0.6",
    ),
}


@pytest.mark.parametrize(("text", "address"), OWN.values(), ids=OWN)
def test_an_address_of_relays_that_external_ip_leaves_as_it_is_may_be_denied(
    text: str, address: str
) -> None:
    (item,) = [item for item in compare(text) if item.path == "denied-peer-ip"]
    assert item.message.endswith(f"write allowed-peer-ip={address}")
    assert compare(f"{text}\nallowed-peer-ip={address}") == []


@pytest.mark.parametrize("version", ["4.6", "4.18"])
def test_a_relay_that_denies_every_peer_carries_no_call(version: str) -> None:
    ((path, message),) = errors(ALL, version)
    assert path == "denied-peer-ip"
    assert "every call is refused (403)" in message
    assert errors(f"{ALL}allowed-peer-ip=198.51.100.7", version) == []
    assert errors(f"{ALL}external-ip=198.51.100.7/10.0.0.5", version) == []
    in_halves = ALL.replace("255.255.255.255", "127.255.255.255")
    assert errors(f"{in_halves}denied-peer-ip=128.0.0.0-255.255.255.255", version)


@pytest.mark.parametrize(("allowed", "paths"), [("10.0.0.5", []), ("10.0.0.6", ["external-ip"])])
def test_a_public_address_alone_is_that_of_the_first_address_of_relays(
    allowed: str, paths: List[str]
) -> None:
    text = "listening-ip=10.0.0.5\nlistening-ip=10.0.0.6\nexternal-ip=198.51.100.7"
    assert [path for path, _ in errors(f"{text}\nallowed-peer-ip={allowed}")] == paths
