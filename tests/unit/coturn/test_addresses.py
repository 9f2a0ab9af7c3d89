"""The denied ranges: how coturn reads them, and what they contain."""

from __future__ import annotations

import csv
import ipaddress
from typing import Dict, List

import pytest

from abcwebrtc.coturn.addresses import (
    DENIED,
    VITAL,
    Range,
    covered,
    denied_ranges,
    parse_range,
    range_of,
)
from conftest import ROOT
from unit.project.test_docs import table_keys


def test_the_denied_ranges_hold_what_they_are_for() -> None:
    ranges = [item for item, _ in denied_ranges()]
    for address in ("10.9.8.7", "127.0.0.1", "169.254.169.254", "100.100.100.200", "fd00:ec2::254"):
        assert any(item.holds(range_of(address)) for item in ranges)
    for address in ("8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1", "2a00::1"):
        assert not any(item.holds(range_of(address)) for item in ranges)


# IANA's registries


def registry() -> List[Dict[str, str]]:
    """Return the rows of IANA's special-purpose address registries, of both versions of IP."""
    text = (ROOT / "tests" / "data" / "iana-special-purpose.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


COTURN_REFUSES = {"::/128"}
"""No range can contain it, since coturn reads it as unbounded; coturn always refuses that peer."""
DENIED_RANGES = [item for item, _ in denied_ranges()]


def is_denied(network: object) -> bool:
    return covered(range_of(str(network)), DENIED_RANGES)


def test_every_block_that_iana_gives_a_special_purpose_is_denied() -> None:
    """Even those that are globally reachable: no browser or desktop is in them."""
    rows = registry()
    assert len(rows) == 51
    assert {row["prefix"] for row in rows if not is_denied(row["prefix"])} == COTURN_REFUSES


def test_what_python_calls_private_is_denied() -> None:
    """Look around the ends of every block, where a range may be too short."""
    for row in registry():
        block = ipaddress.ip_network(row["prefix"])
        first, last = int(block[0]), int(block[-1])
        for number in (first - 1, first, (first + last) // 2, last, last + 1):
            if 0 < number < 2**block.max_prefixlen:
                address = type(block[0])(number)
                assert address.is_global or address.is_multicast or is_denied(address), address


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "192.31.195.255", "192.52.194.0", "2001:200::", "2606:4700::1", "3ffe::1"],
)
def test_what_the_internet_routes_is_not_denied(address: str) -> None:
    assert not is_denied(address)


def test_no_denied_range_is_one_that_coturn_takes_for_everything() -> None:
    assert not [str(item) for item, _ in denied_ranges() if item.unbounded]
    assert set(VITAL) < {text for text, _ in DENIED}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"),
        ("10.0.0.1 - 10.0.0.9", "10.0.0.1-10.0.0.9"),
        ("fc00::-fdff::", "fc00::-fdff::"),
        ("10.0.0.0/8", "None"),
        ("10.0.0.1-::1", "None"),
        ("name", "None"),
        ("", "None"),
    ],
)
def test_a_range_is_read_as_coturn_reads_it(text: str, printed: str) -> None:
    assert str(parse_range(text)) == printed


def test_ranges_cover_what_they_hold_together() -> None:
    def made(*texts: str) -> List[Range]:
        return [item for item in map(parse_range, texts) if item]

    wanted = range_of("10.0.0.0/8")
    assert covered(wanted, made("10.128.0.0-10.255.255.255", "9.0.0.0-10.127.255.255"))
    assert not covered(wanted, made("10.0.0.0-10.0.0.255", "10.0.1.1-10.255.255.255"))
    assert not covered(wanted, made("::-ffff::"))
    assert not covered(wanted, [])


def test_the_page_says_what_the_table_of_ranges_says() -> None:
    listed = table_keys("turnserver.md", "## Denied addresses")
    assert listed == [text for text, _ in DENIED]
