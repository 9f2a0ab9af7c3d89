"""Ports for the tests' servers."""

from __future__ import annotations

from integration.turn import free_ports


def test_a_port_is_given_once() -> None:
    """Otherwise two servers that choose their ports before they listen may get the same one."""
    given = [port for _ in range(300) for port in free_ports(2)]
    assert len(set(given)) == len(given)
