"""Ports, quotas and rates of a turnserver.conf that leave no room for a call."""

from __future__ import annotations

from typing import Any

import pytest

from support.turnserver_entry import compare


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        ("bps-capacity=9", "error", "bps-capacity", "needs max-bps"),
        ("max-bps=1000", "error", "max-bps", "packets are lost"),
        ("max-bps=8000", "warning", "max-bps", "packets are lost"),
        ("max-bps=64000\nbps-capacity=64000", "error", "bps-capacity", "not above max-bps=64000"),
        (
            "max-bps=64000\nbps-capacity=200000",
            "warning",
            "bps-capacity",
            "has room for 4 allocations of max-bps=64000",
        ),
        ("-total-quota\ntotal-quota=1", "error", "total-quota", "is 1, and a call"),
        ("-total-quota\ntotal-quota=-1", "error", "total-quota", "486"),
        ("min-port=60000\nmax-port=50000", "error", "min-port", "no relay port"),
        ("-min-port\nmax-port=9", "error", "max-port", "49152 is above"),
        ("min-port=50000\nmax-port=50000", "error", "min-port", "leaves one relay port, 50000"),
        ("min-port=3000\nlistening-port=3478", "warning", "min-port", "includes 3478"),
        ("tls-listening-port=443", "warning", "tls-listening-port", "443 is below 1024, where"),
        ("aux-server=192.0.2.1:80", "warning", "aux-server", "CAP_NET_BIND_SERVICE"),
        ("user-quota=9", "warning", "user-quota", "has no effect"),
    ],
)
def test_what_leaves_no_room_for_a_call_is_found(
    text: str, level: str, path: str, words: str
) -> None:
    found = [item for item in compare(text) if "does not match" not in item.message]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("max-bps=64000", {}),
        ("bps-capacity=6400000\nmax-bps=64000", {}),
        ("min-port=50000\nmax-port=50001", {}),
        ("tls-listening-port=1024", {}),
        ("proc-user=turnserver\nlistening-port=80", {"url": "turn.domain.local:80"}),
        ("user-quota=9", {"username": "userid"}),
    ],
)
def test_what_has_room_for_calls_is_not_found_wrong(text: str, changes: Any) -> None:
    assert compare(text, **changes) == []


def test_a_user_needs_two_allocations() -> None:
    (found,) = compare("user-quota=1", username="userid")
    assert (found.level, found.path) == ("warning", "user-quota")
    assert "allows a user one allocation" in found.message
