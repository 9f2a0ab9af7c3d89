"""Ports of the tests' own servers."""

from __future__ import annotations

from integration.turn import free_ports


def test_a_port_is_given_once() -> None:
    """Else two servers of a test, each with a port before it listens, may have the same."""
    given = [port for _ in range(300) for port in free_ports(2)]
    assert len(set(given)) == len(given)
