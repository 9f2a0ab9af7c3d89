"""coturn's own addresses in its turnserver.conf, one by one."""

from __future__ import annotations

import pytest

from support.turnserver_entry import compare


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        ("listening-ip=192.0.2.1:3478", "error", "listening-ip", "write 192.0.2.1,"),
        ("listening-ip=[2001:db8::1]", "error", "listening-ip", "write 2001:db8::1"),
        ("listening-ip=192.0.2.1/24", "error", "listening-ip", "has a mask"),
        ("listening-ip=eth0", "error", "listening-ip", "is a network interface"),
        ("relay-ip=enp0s31f6", "error", "relay-ip", "is a network interface"),
        ("relay-ip=192.0.2.1, 192.0.2.2", "error", "relay-ip", "write one address per line"),
        ("relay-ip=0.0.0.0", "error", "relay-ip", "gives clients 0.0.0.0"),
        ("relay-ip=192.0.2", "error", "relay-ip", "coturn reads it as 192.0.0.2"),
        (
            "external-ip=198.51.100.020/10.0.0.5",
            "error",
            "external-ip",
            "coturn reads it as 198.51.100.16",
        ),
        ("listening-ip=turn.domain.local", "warning", "listening-ip", "resolves only once"),
        ("external-ip=turn.domain.local", "warning", "external-ip", "is a name"),
        ("external-ip=$(detect-external-ip)", "error", "external-ip", "runs no shell"),
        ("external-ip=${PUBLIC_IP}", "error", "external-ip", "runs no shell"),
        ("external-ip=<your ip>", "error", "external-ip", "is a command or a variable"),
        ("external-ip=192.0.2.1/24", "error", "external-ip", "external-ip=PUBLIC/PRIVATE"),
        ("external-ip=192.0.2.1,192.0.2.2", "error", "external-ip", "more than one"),
        ("external-ip=192.0.2.1/10.0.0.5/1", "error", "external-ip", "has a mask"),
        ("external-ip=/10.0.0.5", "error", "external-ip", "gives clients 0.0.0.0"),
        ("external-ip=0.0.0.0", "error", "external-ip", "gives clients 0.0.0.0"),
        (
            "external-ip=10.0.0.5/198.51.100.7",
            "error",
            "external-ip",
            "write external-ip=198.51.100.7/10.0.0.5",
        ),
        ("external-ip=198.51.100.7/fd00::5", "error", "external-ip", "between IPv4 and IPv6"),
        ("aux-server=[::]:4443", "error", "aux-server", "the address ::, to which"),
        (
            "listening-ip=127.0.0.1\nlistening-ip=::1\nallowed-peer-ip=127.0.0.1\nallowed-peer-ip=::1",
            "warning",
            "listening-ip",
            "is the loopback alone",
        ),
    ],
)
def test_an_address_that_does_not_work_is_found(
    text: str, level: str, path: str, words: str
) -> None:
    found = [item for item in compare(text) if "metadata" not in item.message]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        "listening-ip=0.0.0.0",
        "relay-ip=8.8.8.8\naux-server=0.0.0.0:4443",
        "aux-server=8.8.8.8:4443",
        "listening-ip=::",
        "listening-ip=192.0.78.1\nlistening-ip=2606:2800::1",
    ],
)
def test_an_address_that_works_is_not_found_wrong(text: str) -> None:
    assert compare(text) == []


def test_quotes_are_told_with_the_address_inside() -> None:
    assert any("write 192.0.2.7" in str(item) for item in compare("external-ip='192.0.2.7'"))


def test_a_command_on_the_command_line_may_be_run_by_a_shell() -> None:
    for value in ("$(detect-external-ip)", "${PUBLIC_IP}", "$IP/10.0.0.5"):
        (item,) = compare("", options=[f"--external-ip={value}"])
        assert (item.level, item.path) == ("warning", "external-ip")
        assert item.message.endswith("give the result with --option")


def test_a_further_port_everywhere_needs_the_address_of_relays() -> None:
    urls = {"url": ["turn.domain.local:3478", "turn.domain.local:5000"], "protocol": "turn"}
    line = "aux-server=0.0.0.0:5000"
    (error,) = (item for item in compare(line, **urls) if item.path == "aux-server")
    assert (error.level, "add a relay-ip with coturn's own address" in error.message) == (
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
