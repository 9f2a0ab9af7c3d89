"""Options of other versions, options that cancel each other, and options that open coturn."""

from __future__ import annotations

import pytest

from support.turnserver_entry import compare

BETWEEN, NEW = "stun-backward-compatibility", "rfc3489-compatibility"


@pytest.mark.parametrize(
    ("text", "version", "words"),
    [
        ("no-tlsv1", "4.18", "is unknown to coturn 4.18, which ignores this line: TLS"),
        ("no-dtls", "4.18", "DTLS is off by default"),
        ("prod", "4.7", "is unknown to coturn 4.7"),
        ("no-cli", "4.18", "deprecated in coturn 4.18, which logs an error"),
        ("no-rfc5780", "4.7", "is deprecated in coturn 4.7: "),
        ("stateless-nonce", "4.6", "coturn 4.16 and later have it"),
        ("no-rfc5780", "4.5", "coturn 4.6 and later have it"),
        ("cli", "4.18", "so the console stays off"),
        ("tlsv1", "4.18", "allows TLS 1.0"),
        (NEW, "4.6", "answers such requests by default"),
        (NEW, "4.10", f"only coturn 4.16 and later have it; write {BETWEEN}"),
        ("keep-address-family", "4.6", "is deprecated"),
    ],
)
def test_a_line_is_judged_by_version(text: str, version: str, words: str) -> None:
    found = [item for item in compare(f"-no-cli\n{text}", version=version) if item.path == text]
    assert [item.level for item in found] == ["warning"]
    assert words in found[0].message


def test_a_port_with_more_behind_it_ends_the_newest_coturn() -> None:
    text = "-listening-port\nlistening-port=3478 # udp"
    assert [item.level for item in compare(text)] == ["warning"]
    found = [item for item in compare(text, version="4.18") if item.path == "listening-port"]
    assert [item.level for item in found] == ["warning", "error"]
    assert found[1].message.endswith("is not a port, so coturn 4.18 does not start; write 3478")
    found = compare("-total-quota\ntotal-quota=100 # all", version="4.18")
    assert "error" not in [item.level for item in found]


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        ("no-udp-relay\nno-tcp-relay", "error", "no-udp-relay", "not start"),
        ("no-udp-relay", "error", "no-udp-relay", "leaves no relay for sound"),
        ("stun-only", "error", "stun-only", "turns TURN off"),
        (
            "no-tlsv1\nno-tlsv1_1\nno-tlsv1_2",
            "error",
            "no-tlsv1_2",
            "turns off the last version of TLS",
        ),
        ("-no-multicast-peers", "warning", "no-multicast-peers", "is missing"),
        ("-total-quota\ntotal-quota=0", "warning", "total-quota", "is 0, which means"),
        ("-total-quota", "warning", "total-quota", "write total-quota=1200"),
        ("stale-nonce=0", "warning", "stale-nonce", "never expires"),
        ("allow-loopback-peers", "warning", "allow-loopback-peers", "remove it"),
        ("-no-cli", "warning", "no-cli", "is missing"),
        ("-no-cli\ncli-password=x", "warning", "cli-password", "write no-cli"),
        ("server-relay", "error", "server-relay", "without permission"),
        ("web-admin", "warning", "web-admin", "remove it"),
    ],
)
def test_what_cancels_out_or_opens_is_found(text: str, level: str, path: str, words: str) -> None:
    (found,) = compare(text)
    assert (found.level, found.path) == (level, path)
    assert words in found.message


@pytest.mark.parametrize("text", ["stale-nonce", "no-tlsv1\nno-tlsv1_2", "no-tlsv1_1\nno-tlsv1_2"])
def test_what_is_right_is_not_found_wrong(text: str) -> None:
    assert compare(text) == []


def test_a_console_and_loopback_peers_do_not_start() -> None:
    found = compare("-no-cli\nallow-loopback-peers")
    assert [(item.level, item.path) for item in found] == [
        ("error", "no-cli"),
        ("warning", "allow-loopback-peers"),
    ]
