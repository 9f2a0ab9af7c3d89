"""A coturn behind NAT, and relays that reach each other."""

from __future__ import annotations

from typing import List

import pytest

from support.turnserver_entry import compare

NAT = "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7"
"""coturn looks whether 10.0.0.5 is denied, and not whether the public address is."""


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        (
            "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7/10.0.0.9",
            "error",
            "external-ip",
            "write external-ip=198.51.100.7/10.0.0.5",
        ),
        (
            NAT,
            "error",
            "external-ip",
            "write external-ip=198.51.100.7/10.0.0.5, or add allowed-peer-ip=10.0.0.5",
        ),
        (
            "listening-ip=0.0.0.0\nrelay-ip=10.0.0.5\nexternal-ip=198.51.100.7",
            "error",
            "external-ip",
            "maps 198.51.100.7 to 10.0.0.5",
        ),
        (NAT + "\nallowed-peer-ip=198.51.100.7", "error", "external-ip", "which is denied"),
        (
            "listening-ip=fd00::5\nexternal-ip=2001:db8::7\nallocation-default-address-family=keep",
            "error",
            "external-ip",
            "write external-ip=2001:db8::7/fd00::5",
        ),
        ("external-ip=198.51.100.7", "warning", "external-ip", "hostname -I"),
        (
            "listening-ip=0.0.0.0\nexternal-ip=198.51.100.7",
            "warning",
            "external-ip",
            "write external-ip=198.51.100.7/PRIVATE",
        ),
        ("listening-ip=10.0.0.5", "warning", "denied-peer-ip", "add allowed-peer-ip=10.0.0.5"),
    ],
)
def test_what_nat_makes_wrong_is_found(text: str, level: str, path: str, words: str) -> None:
    found = [item for item in compare(text) if "metadata" not in item.message]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "external-ip=198.51.100.7/10.0.0.5",
        "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7/10.0.0.5",
        NAT + "\nallowed-peer-ip=10.0.0.5",
        "external-ip=198.51.100.7\nallowed-peer-ip=10.0.0.5",
        "relay-ip=8.8.8.8\nexternal-ip=8.8.8.8",
        "relay-ip=8.8.4.4\nexternal-ip=8.8.8.8",
        "external-ip=198.51.100.7/10.0.0.5\nexternal-ip=2606:2800::7/fd00::5",
    ],
)
def test_what_works_behind_nat_is_not_found_wrong(text: str) -> None:
    assert compare(text) == []


@pytest.mark.parametrize(
    ("text", "url", "paths"),
    [
        ("", "10.0.0.5", ["denied-peer-ip"]),
        ("allowed-peer-ip=10.0.0.5", "10.0.0.5", []),
        (f"{NAT}\nallowed-peer-ip=10.0.0.5", "198.51.100.7", []),
    ],
)
def test_the_address_of_a_url_is_this_server_s(text: str, url: str, paths: List[str]) -> None:
    found = compare(text, url=url, protocol="turn")
    assert [item.path for item in found] == paths
    assert all(f"add allowed-peer-ip={url}" in item.message for item in found)


OWN = {
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
    assert item.message.endswith(f"add allowed-peer-ip={address}")
    assert compare(f"{text}\nallowed-peer-ip={address}") == []


@pytest.mark.parametrize(("allowed", "paths"), [("10.0.0.5", []), ("10.0.0.6", ["external-ip"])])
def test_a_public_address_alone_is_that_of_the_first_address_of_relays(
    allowed: str, paths: List[str]
) -> None:
    text = "listening-ip=10.0.0.5\nlistening-ip=10.0.0.6\nexternal-ip=198.51.100.7"
    found = compare(f"{text}\nallowed-peer-ip={allowed}")
    assert [item.path for item in found if item.level == "error"] == paths


def test_a_second_address_without_a_private_half_is_dropped() -> None:
    first, second = compare("external-ip=198.51.100.7\nexternal-ip=2001:db8::7")
    assert (first.level, second.level) == ("warning", "error")
    assert "only one address without a private half, and that is 198.51.100.7" in second.message


def test_a_private_address_with_two_public_ones_is_told() -> None:
    (item,) = compare("external-ip=198.51.100.7/10.0.0.5\nexternal-ip=198.51.100.8/10.0.0.5")
    assert "coturn uses the first mapping, to 198.51.100.7" in item.message
