"""turnserver.conf: the addresses of a coturn, NAT, and what lifts the denials."""

from __future__ import annotations

from typing import Dict, Tuple

import pytest

from support.turnserver_entry import compare

NAT = "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7"

WRONG: Dict[str, Tuple[str, str, str, str]] = {
    "listening-ip with a port": (
        "listening-ip=192.0.2.1:3478",
        "error",
        "listening-ip",
        "write 192.0.2.1,",
    ),
    "of IPv6 with a port": (
        "listening-ip=[2001:db8::1]:3478",
        "error",
        "listening-ip",
        "has a port",
    ),
    "in brackets": ("listening-ip=[2001:db8::1]", "error", "listening-ip", "write 2001:db8::1"),
    "a mask": ("listening-ip=192.0.2.1/24", "error", "listening-ip", "has a mask"),
    "an interface": ("listening-ip=eth0", "error", "listening-ip", "is a network interface"),
    "of today": ("relay-ip=enp0s31f6", "error", "relay-ip", "is a network interface"),
    "loopback's": ("relay-ip=lo", "error", "relay-ip", "is a network interface"),
    "two": ("relay-ip=192.0.2.1, 192.0.2.2", "error", "relay-ip", "each in a line of its own"),
    "any": ("relay-ip=0.0.0.0", "error", "relay-ip", "clients get 0.0.0.0"),
    "a short form": ("relay-ip=192.0.2", "error", "relay-ip", "coturn reads it as 192.0.0.2"),
    "a leading zero": (
        "external-ip=198.51.100.020/10.0.0.5",
        "error",
        "external-ip",
        "coturn reads it as 198.51.100.16",
    ),
    "a name": ("listening-ip=turn.domain.local", "warning", "listening-ip", "asks for once"),
    "external-ip of a name": (
        "external-ip=turn.domain.local",
        "warning",
        "external-ip",
        "is a name",
    ),
    "of a command": ("external-ip=$(detect-external-ip)", "error", "external-ip", "runs no shell"),
    "in backquotes": ("external-ip=`curl ifconfig.me`", "error", "external-ip", "runs no shell"),
    "of a variable": ("external-ip=${PUBLIC_IP}", "error", "external-ip", "runs no shell"),
    "of a short variable": ("external-ip=$IP/10.0.0.5", "error", "external-ip", "runs no shell"),
    "of a template": ("external-ip={{ ip }}", "error", "external-ip", "runs no shell"),
    "a placeholder": (
        "external-ip=<your ip>",
        "error",
        "external-ip",
        "is a command or a variable",
    ),
    "with a port": ("external-ip=192.0.2.1:3478", "error", "external-ip", "has a port"),
    "with a mask": (
        "external-ip=192.0.2.1/24",
        "error",
        "external-ip",
        "external-ip=PUBLIC/PRIVATE",
    ),
    "two of them": ("external-ip=192.0.2.1,192.0.2.2", "error", "external-ip", "more than one"),
    "three halves": ("external-ip=192.0.2.1/10.0.0.5/1", "error", "external-ip", "has a mask"),
    "any public half": ("external-ip=/10.0.0.5", "error", "external-ip", "gives clients 0.0.0.0"),
    "any address": ("external-ip=0.0.0.0", "error", "external-ip", "gives clients 0.0.0.0"),
    "reversed": (
        "external-ip=10.0.0.5/198.51.100.7",
        "error",
        "external-ip",
        "write external-ip=198.51.100.7/10.0.0.5",
    ),
    "two kinds": ("external-ip=198.51.100.7/fd00::5", "error", "external-ip", "IPv4 to IPv6"),
    "another's": (
        "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7/10.0.0.9",
        "error",
        "external-ip",
        "write external-ip=198.51.100.7/10.0.0.5",
    ),
    "public alone": (
        NAT,
        "error",
        "external-ip",
        "write external-ip=198.51.100.7/10.0.0.5, or add allowed-peer-ip=10.0.0.5",
    ),
    "with a relay-ip": (
        "listening-ip=0.0.0.0\nrelay-ip=10.0.0.5\nexternal-ip=198.51.100.7",
        "error",
        "external-ip",
        "takes 198.51.100.7 for 10.0.0.5",
    ),
    "allowing the wrong one": (
        NAT + "\nallowed-peer-ip=198.51.100.7",
        "error",
        "external-ip",
        "which is denied",
    ),
    "IPv6": (
        "listening-ip=fd00::5\nexternal-ip=2001:db8::7\nallocation-default-address-family=keep",
        "error",
        "external-ip",
        "write external-ip=2001:db8::7/fd00::5",
    ),
    "unseen": ("external-ip=198.51.100.7", "warning", "external-ip", "hostname -I"),
    "unseen, everywhere": (
        "listening-ip=0.0.0.0\nexternal-ip=198.51.100.7",
        "warning",
        "external-ip",
        "write external-ip=198.51.100.7/PRIVATE",
    ),
    "its own": (
        "listening-ip=10.0.0.5",
        "warning",
        "denied-peer-ip",
        "write allowed-peer-ip=10.0.0.5",
    ),
    "a third port": ("aux-server=[::]:4443", "error", "aux-server", "the address ::, to which"),
    "loopback": (
        "listening-ip=127.0.0.1\nlistening-ip=::1\nallowed-peer-ip=127.0.0.1\nallowed-peer-ip=::1",
        "warning",
        "listening-ip",
        "is this machine alone",
    ),
    "a mapping of anything": (
        "external-ip=198.51.100.7/0.0.0.0",
        "error",
        "external-ip",
        "maps 0.0.0.0",
    ),
    "of nothing": ("external-ip=198.51.100.7/", "error", "external-ip", "every denied-peer-ip"),
    "of any IPv6": ("external-ip=2001:db8::7/::", "error", "external-ip", "every denied-peer-ip"),
    "everything": ("allowed-peer-ip=0.0.0.0", "error", "allowed-peer-ip", "holds every address"),
    "all of IPv6": ("allowed-peer-ip=::", "error", "allowed-peer-ip", "holds every address"),
    "no bound": ("allowed-peer-ip=10.0.0.0-0.0.0.0", "error", "allowed-peer-ip", "every address"),
    "all of IPv4": (
        "allowed-peer-ip=0.0.0.0-255.255.255.255",
        "error",
        "allowed-peer-ip",
        "of which nothing is left",
    ),
    "in two halves": (
        "allowed-peer-ip=10.0.0.0-10.127.255.255\nallowed-peer-ip=10.128.0.0-10.255.255.255",
        "warning",
        "allowed-peer-ip",
        "lift denied-peer-ip=10.0.0.0-10.255.255.255 together",
    ),
}


@pytest.mark.parametrize(("text", "level", "path", "words"), WRONG.values(), ids=WRONG)
def test_an_address_that_does_not_work_is_found(
    text: str, level: str, path: str, words: str
) -> None:
    findings = [item for item in compare(text) if "metadata" not in item.message]
    assert [(item.level, item.path) for item in findings] == [(level, path)]
    assert words in findings[0].message


@pytest.mark.parametrize(
    "text",
    [
        "listening-ip=0.0.0.0",
        "relay-ip=8.8.8.8\naux-server=0.0.0.0:4443",
        "aux-server=8.8.8.8:4443",
        "listening-ip=::",
        "listening-ip=192.0.78.1\nlistening-ip=2606:2800::1",
        "external-ip=198.51.100.7/10.0.0.5",
        "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7/10.0.0.5",
        NAT + "\nallowed-peer-ip=10.0.0.5",
        "external-ip=198.51.100.7\nallowed-peer-ip=10.0.0.5",
        "relay-ip=8.8.8.8\nexternal-ip=8.8.8.8",
        "relay-ip=8.8.4.4\nexternal-ip=8.8.8.8",
        "external-ip=198.51.100.7/10.0.0.5\nexternal-ip=2606:2800::7/fd00::5",
        "allowed-peer-ip=10.244.0.0-10.244.255.255",
        "allowed-peer-ip=192.168.7.9",
        "allowed-peer-ip=10.0.0.1 - 10.0.0.9",
    ],
)
def test_what_works_is_not_found_wrong(text: str) -> None:
    assert compare(text) == []


def test_the_cures_of_nat_satisfy() -> None:
    for cure in ("external-ip=198.51.100.7/10.0.0.5", NAT[22:] + "\nallowed-peer-ip=10.0.0.5"):
        assert compare("listening-ip=10.0.0.5\n" + cure) == []


def test_a_second_address_without_a_private_half_is_dropped() -> None:
    first, second = compare("external-ip=198.51.100.7\nexternal-ip=2001:db8::7")
    assert (first.level, second.level) == ("warning", "error")
    assert "coturn takes one address without a private half, 198.51.100.7" in second.message


def test_a_private_address_with_two_public_ones_is_told() -> None:
    (item,) = compare("external-ip=198.51.100.7/10.0.0.5\nexternal-ip=198.51.100.8/10.0.0.5")
    assert "coturn takes the first, 198.51.100.7" in item.message


def test_quotes_are_told_with_the_address_inside() -> None:
    assert any("write 192.0.2.7" in str(item) for item in compare("external-ip='192.0.2.7'"))


RANGES: Dict[str, Tuple[str, str, str]] = {
    "a network": ("denied-peer-ip=10.0.0.0/8", "error", "write 10.0.0.0-10.255.255.255"),
    "a tab": ("denied-peer-ip=10.0.0.0\t-\t10.255.255.255", "error", "10.0.0.0-10.255.255.255"),
    "two": ("denied-peer-ip=10.0.0.1,10.0.0.2", "error", "is not first-last"),
    "a word": ("allowed-peer-ip=any where", "error", "is not first-last"),
    "a name": ("allowed-peer-ip=turn.domain.local", "warning", "is a name"),
}


@pytest.mark.parametrize(("text", "level", "words"), RANGES.values(), ids=RANGES)
@pytest.mark.parametrize(
    ("version", "effect"),
    [
        ("4.5", "passes over it: the range is not"),
        ("4.6", "passes over it: the range is not"),
        ("4.10", "passes over it: the range is not"),
        ("4.11", "coturn 4.11 does not start"),
        ("4.18", "coturn 4.18 does not start"),
    ],
)
def test_a_range_that_coturn_can_not_read_is_judged_by_version(
    text: str, level: str, words: str, version: str, effect: str
) -> None:
    item = next(item for item in compare(text, version=version) if item.path in text)
    assert item.level == level
    assert words in item.message
    assert effect in item.message


def test_a_short_form_is_read_as_other_addresses_by_every_version() -> None:
    for version in ("4.6", "4.18"):
        findings = compare("denied-peer-ip=10.0.0.0-255", version=version)
        (item,) = (item for item in findings if item.path == "denied-peer-ip")
        assert "coturn reads it as other addresses" in item.message


def test_what_a_newer_coturn_denies_by_itself_is_not_missed() -> None:
    little = "-denied-peer-ip\ndenied-peer-ip=10.0.0.0-10.255.255.255"
    (old,) = compare(little)
    new = next(item for item in compare(little, version="4.18") if item.path == "denied-peer-ip")
    assert "169.254.0.0/16" in old.message
    assert "169.254.0.0/16" not in new.message
    assert compare("allowed-peer-ip=169.254.169.254", version="4.18") == compare("", version="4.18")


def test_a_further_port_everywhere_needs_the_address_of_relays() -> None:
    urls = {"url": ["turn.domain.local:3478", "turn.domain.local:5000"], "protocol": "turn"}
    line = "aux-server=0.0.0.0:5000"
    (error,) = (item for item in compare(line, **urls) if item.path == "aux-server")
    assert (error.level, "write a relay-ip with coturn's own address" in error.message) == (
        "error",
        True,
    )
    found = compare(f"{line}\nexternal-ip=198.51.100.7/10.0.0.5", **urls)
    assert [item.level for item in found if item.path == "aux-server"] == ["error"]
    for more in ("relay-ip=192.0.2.7", "listening-ip=192.0.2.7"):
        found = compare(f"{line}\n{more}", **urls)
        assert [item for item in found if item.path == "aux-server"] == []
    found = compare("aux-server=192.0.2.7:5000", **urls)
    assert [item for item in found if item.path == "aux-server"] == []
