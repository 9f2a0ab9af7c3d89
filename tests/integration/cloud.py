"""A network as a cloud's: a machine with a private address, a public one for it, and a client."""

from __future__ import annotations

from conftest import require_program
from integration.netns import INTERFACE, Namespace, ip_program

PUBLIC, PRIVATE, CLIENT = "203.0.113.20", "10.0.0.5", "11.0.0.9"
_LINK = f"type nat hook postrouting priority srcnat; oifname {INTERFACE}"
_NAT = f"""\
table ip nat {{
  chain in {{ type nat hook prerouting priority dstnat; ip daddr {PUBLIC} dnat to {PRIVATE}; }}
  chain out {{ {_LINK} ip saddr {PRIVATE} snat to {PUBLIC}; }}
}}
"""


def put_behind_nat(server: Namespace, client: Namespace) -> None:
    """Give the server `PRIVATE`, which is `PUBLIC` for the client, and nothing else to reach."""
    _ip(server, f"link add {INTERFACE} type veth peer name {INTERFACE} netns {client.pid}")
    _ip(server, f"addr add {PRIVATE}/24 dev {INTERFACE}")
    _ip(client, f"addr add {CLIENT}/32 dev {INTERFACE}")
    for namespace in (server, client):
        _ip(namespace, "link set lo up", f"link set {INTERFACE} up")
    _ip(server, f"route add default dev {INTERFACE}")
    _ip(client, f"route add {PRIVATE} dev {INTERFACE}")
    _ip(client, f"route add {PUBLIC} via {PRIVATE} dev {INTERFACE} onlink")
    server.run(require_program("nft", "nftables"), "--file", "-", input=_NAT)


def _ip(namespace: Namespace, *commands: str) -> None:
    namespace.run(ip_program(), "-batch", "-", input="\n".join(commands) + "\n")
