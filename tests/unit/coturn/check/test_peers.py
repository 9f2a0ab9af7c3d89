"""The peers to which coturn relays: what its turnserver.conf denies, and what overrides that."""

from __future__ import annotations

from typing import Dict, List, Tuple

import pytest

from abcwebrtc.coturn.addresses import DENIED, denied_ranges, range_of
from support.turnserver_entry import compare

ALL = "-denied-peer-ip\ndenied-peer-ip=0.0.0.0-255.255.255.255\n"


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        ("denied-peer-ip=10.0.0.0/8", "error", "denied-peer-ip", "10.255.255.255"),
        ("denied-peer-ip=na me", "error", "denied-peer-ip", "is not first-last"),
        ("denied-peer-ip=10.0.0.9-10.0.0.1", "error", "denied-peer-ip", "no address"),
        ("denied-peer-ip=::-::1", "error", "denied-peer-ip", "every IPv4 address"),
        ("allowed-peer-ip=10.0.0.0-11.0.0.0", "warning", "allowed-peer-ip", "overrides all of"),
        ("allowed-peer-ip=1.0.0.0-129.0.0.0", "error", "allowed-peer-ip", "overrides all of"),
        ("-denied-peer-ip", "warning", "denied-peer-ip", "is missing"),
        (
            "-denied-peer-ip\ndenied-peer-ip=10.0.0.0-10.255.255.255",
            "warning",
            "denied-peer-ip",
            "does not deny 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, ::ffff:0:0/96, fc00::/7, "
            "fe80::/10 and 25 more; use the lines",
        ),
        (
            "allowed-peer-ip=169.254.169.254",
            "warning",
            "allowed-peer-ip",
            "the metadata service of clouds",
        ),
        ("external-ip=198.51.100.7/0.0.0.0", "error", "external-ip", "maps 0.0.0.0"),
        ("external-ip=198.51.100.7/", "error", "external-ip", "every denied-peer-ip"),
        ("allowed-peer-ip=0.0.0.0", "error", "allowed-peer-ip", "allows every address"),
        ("allowed-peer-ip=10.0.0.0-0.0.0.0", "error", "allowed-peer-ip", "every address"),
        (
            "allowed-peer-ip=0.0.0.0-255.255.255.255",
            "error",
            "allowed-peer-ip",
            "overrides all of denied-peer-ip=0.0.0.0-0.255.255.255",
        ),
        (
            "allowed-peer-ip=10.0.0.0-10.127.255.255\nallowed-peer-ip=10.128.0.0-10.255.255.255",
            "warning",
            "allowed-peer-ip",
            "together override denied-peer-ip=10.0.0.0-10.255.255.255",
        ),
    ],
)
def test_what_is_wrong_with_denials_is_found(text: str, level: str, path: str, words: str) -> None:
    found = [one for one in compare(text) if words in one.message or "metadata" not in one.message]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "allowed-peer-ip=10.244.0.0-10.244.255.255",
        "allowed-peer-ip=192.168.7.9",
        "allowed-peer-ip=10.0.0.1 - 10.0.0.9",
    ],
)
def test_what_may_be_allowed_is_not_found_wrong(text: str) -> None:
    assert compare(text) == []


OF_LATER = {
    *("192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24", "::ffff:0:0:0/96"),
    *("100:0:0:1::/64", "2001::/23", "2620:4f:8000::/48", "3fff::/20", "5f00::/16"),
}
"""What files of earlier versions do not deny."""


def earlier(*options: str) -> str:
    """Return the lines of a file that an earlier version wrote."""
    kept = [
        item for (text, _), (item, _) in zip(DENIED, denied_ranges()) if text not in OF_LATER
    ] + [range_of("2001::/32")]
    return "\n".join(["-denied-peer-ip", *(f"denied-peer-ip={item}" for item in kept), *options])


@pytest.mark.parametrize("version", ["4.6", "4.18"])
def test_what_a_file_of_an_earlier_version_leaves_open_is_one_warning(version: str) -> None:
    (found,) = (
        item for item in compare(earlier(), version=version) if item.path == "denied-peer-ip"
    )
    listed = found.message.split("does not deny ")[1].split(": special")[0]
    assert (found.level, set(listed.split(", "))) == ("warning", OF_LATER)
    assert (
        "desktops only in some clouds; use the lines that abcwebrtc turnserver-conf"
        in found.message
    )


def test_multicast_that_is_shut_holds_what_is_reserved() -> None:
    lines = "\n".join(
        ["-denied-peer-ip"]
        + [f"denied-peer-ip={item}" for item, _ in denied_ranges() if str(item)[:3] != "240"]
    )
    assert compare(lines) == []
    found = compare(f"{lines}\n-no-multicast-peers")
    assert any("does not deny 240.0.0.0/4: special" in item.message for item in found)


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
        ("4.10", "coturn 4.10 ignores it, and the range is not"),
        ("4.11", "coturn 4.11 does not start"),
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
        found = compare("denied-peer-ip=10.0.0.0-255", version=version)
        (item,) = (item for item in found if item.path == "denied-peer-ip")
        assert "coturn reads it as other addresses" in item.message


def test_what_a_newer_coturn_denies_by_itself_is_not_missed() -> None:
    little = "-denied-peer-ip\ndenied-peer-ip=10.0.0.0-10.255.255.255"
    (old,) = compare(little)
    new = next(item for item in compare(little, version="4.18") if item.path == "denied-peer-ip")
    assert "169.254.0.0/16" in old.message
    assert "169.254.0.0/16" not in new.message
    assert compare("allowed-peer-ip=169.254.169.254", version="4.18") == compare("", version="4.18")


@pytest.mark.parametrize("version", ["4.6", "4.18"])
def test_a_relay_that_denies_every_peer_carries_no_call(version: str) -> None:
    def errors(text: str) -> List[Tuple[str, str]]:
        found = compare(text, version=version)
        return [(item.path, item.message) for item in found if item.level == "error"]

    ((path, message),) = errors(ALL)
    assert path == "denied-peer-ip"
    assert "coturn refuses every call (403)" in message
    assert errors(f"{ALL}allowed-peer-ip=198.51.100.7") == []
    assert errors(f"{ALL}external-ip=198.51.100.7/10.0.0.5") == []
    in_halves = ALL.replace("255.255.255.255", "127.255.255.255")
    assert errors(f"{in_halves}denied-peer-ip=128.0.0.0-255.255.255.255")
