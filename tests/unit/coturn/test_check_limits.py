"""turnserver.conf: limits in which no call has room, and what sends clients away."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest

from support.turnserver_entry import compare

FAMILY = "allocation-default-address-family"

WRONG: Dict[str, Tuple[str, str, str, str]] = {
    "max-bps of bits": ("max-bps=1000", "error", "max-bps", "packets are lost"),
    "a little": ("max-bps=8000", "warning", "max-bps", "packets are lost"),
    "no capacity": (
        "max-bps=64000\nbps-capacity=64000",
        "error",
        "bps-capacity",
        "is not above max-bps=64000",
    ),
    "less than one": ("max-bps=64000\nbps-capacity=9", "error", "bps-capacity", "(486)"),
    "a few": (
        "max-bps=64000\nbps-capacity=200000",
        "warning",
        "bps-capacity",
        "holds 4 allocations of max-bps=64000 at once",
    ),
    "one allocation": ("-total-quota\ntotal-quota=1", "error", "total-quota", "is 1, and a call"),
    "one relay port": (
        "min-port=50000\nmax-port=50000",
        "error",
        "min-port",
        "leaves one relay port, 50000",
    ),
    "its own port": ("min-port=3000\nlistening-port=3478", "warning", "min-port", "includes 3478"),
    "a low port": (
        "tls-listening-port=443",
        "warning",
        "tls-listening-port",
        "443 is below 1024, where Debian's unit",
    ),
    "a low aux-server": (
        "aux-server=192.0.2.1:80",
        "warning",
        "aux-server",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    ),
    "CA-file": ("CA-file=/etc/ssl/chain.pem", "error", "CA-file", "a certificate of each client"),
    "MODERN": ("cipher-list=MODERN", "error", "cipher-list", "no cipher that OpenSSL knows"),
    "nonsense": ("cipher-list=TLS for ever", "error", "cipher-list", "remove it"),
    "another server": (
        "alternate-server=203.0.113.9:3478",
        "warning",
        "alternate-server",
        "(300): there is sound only if it takes the same credentials",
    ),
    "of a name": ("tls-alternate-server=other.local", "warning", "tls-alternate-server", "(300)"),
    "itself": (
        "listening-ip=8.8.8.8\nalternate-server=8.8.8.8:3478",
        "error",
        "alternate-server",
        "back to here",
    ),
    "itself behind NAT": (
        "external-ip=8.8.8.8/10.0.0.5\nalternate-server=8.8.8.8",
        "error",
        "alternate-server",
        "back to here",
    ),
    "IPv6": (f"{FAMILY}=ipv6", "error", FAMILY, "440"),
    "no family": (f"{FAMILY}=both", "warning", FAMILY, "is neither ipv4, ipv6 nor keep"),
}


@pytest.mark.parametrize(("text", "level", "path", "words"), WRONG.values(), ids=WRONG)
def test_what_leaves_no_room_for_a_call_is_found(
    text: str, level: str, path: str, words: str
) -> None:
    found = [item for item in compare(text) if "does not fit" not in item.message]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("max-bps=64000", {}),
        ("max-bps=0", {}),
        ("max-bps=64000\nbps-capacity=0", {}),
        ("max-bps=64000\nbps-capacity=6400000", {}),
        ("min-port=50000\nmax-port=50001", {}),
        ("tls-listening-port=1024", {}),
        ("proc-user=turnserver\nlistening-port=80", {"url": "turn.domain.local:80"}),
        ("cipher-list=HIGH:!aNULL", {}),
        ("cipher-list=ECDHE-RSA-AES128-GCM-SHA256", {}),
        (f"{FAMILY}=ipv4", {}),
        (f"{FAMILY}=keep", {}),
        ("no-tls\nno-dtls\n-cert\n-pkey\nCA-file=/ca.pem", {"protocol": "turn"}),
    ],
)
def test_what_has_room_for_calls_is_not_found_wrong(text: str, changes: Any) -> None:
    assert compare(text, **changes) == []


def test_what_only_tls_needs_is_a_warning_where_no_url_is_turns() -> None:
    for line in ("CA-file=/ca.pem", "cipher-list=MODERN"):
        assert [item.level for item in compare(line, protocol="turn")] == ["warning"]


def test_a_file_that_debians_coturn_can_not_read_is_told() -> None:
    (item,) = compare("", around={"unreadable": {"pkey": "chmod 640 /k.pem"}})
    assert (item.level, item.path) == ("warning", "pkey")
    assert "can't be read by turnserver, the user of Debian's unit: chmod 640" in item.message
