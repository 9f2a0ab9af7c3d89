"""A network like a cloud's: a machine with a private and a public address, and a client."""

from __future__ import annotations

from typing import Sequence, Tuple

from conftest import require_program
from integration.netns import INTERFACE, Namespace, ip

PUBLIC, PRIVATE, CLIENT = "203.0.113.20", "10.0.0.5", "11.0.0.9"
OTHER_PUBLIC, OTHER_PRIVATE = "203.0.113.21", "10.0.0.6"
PAIR, OTHER_PAIR = (PUBLIC, PRIVATE), (OTHER_PUBLIC, OTHER_PRIVATE)


def put_behind_nat(
    server: Namespace, client: Namespace, pairs: Sequence[Tuple[str, str]] = (PAIR,)
) -> None:
    """Give the server private addresses that a client sees as public ones."""
    ip(server, f"link add {INTERFACE} type veth peer name {INTERFACE} netns {client.pid}")
    ip(server, *(f"addr add {private}/24 dev {INTERFACE}" for _, private in pairs))
    ip(client, f"addr add {CLIENT}/32 dev {INTERFACE}")
    for namespace in (server, client):
        ip(namespace, "link set lo up", f"link set {INTERFACE} up")
    ip(server, f"route add default dev {INTERFACE}")
    for public, private in pairs:
        ip(client, f"route add {private} dev {INTERFACE}")
        ip(client, f"route add {public} via {private} dev {INTERFACE} onlink")
    server.run(require_program("nft", "nftables"), "--file", "-", input=_nat(pairs))


def _nat(pairs: Sequence[Tuple[str, str]]) -> str:
    there = (f"ip daddr {public} dnat to {private};" for public, private in pairs)
    back = (
        f"oifname {INTERFACE} ip saddr {private} snat to {public};" for public, private in pairs
    )
    hooks = {"in": ("prerouting", "dstnat", there), "out": ("postrouting", "srcnat", back)}
    chains = (
        f"chain {name} {{ type nat hook {hook} priority {priority}; {' '.join(rules)} }}"
        for name, (hook, priority, rules) in hooks.items()
    )
    return "table ip nat {{\n{}\n}}\n".format("\n".join(chains))
