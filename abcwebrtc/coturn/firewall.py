"""nftables rules that keep relays away from the services of coturn's own machine.

Relays of one server have its public address and must reach each other there, so coturn can't deny
it; but every UDP service that listens on all addresses has that address too. A relay's packets are
known by their source port, which is the relay's: coturn's own answers come from other ports.

The rules mark the packets on output and drop them on input. A drop on output is a socket error, on
which coturn closes the whole relay (measured with 4.6.1 and 4.18.0): calls would end whenever one
side merely tries an address of this machine. Broadcasts need no rule, because coturn's sockets are
not allowed to send any.
"""

from __future__ import annotations

import re
from typing import Tuple

ROOT = ("root", "0")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}|0|[1-9][0-9]{0,8}")
_MARK = 0x7475726E
"""Other users of marks see it only on packets that are dropped."""
_TEMPLATE = """\
# Made by abcwebrtc turnserver-conf, for nft -f. With these rules, relays of coturn reach no UDP
# service of this machine at any of its addresses. They still reach each other and other machines.
# They are for a coturn that runs as {name}, in this network namespace, with relays on the ports
# {first} to {last}. Relays can still reach a service on one of these ports.
table inet coturn_relays
delete table inet coturn_relays
table inet coturn_relays {{
    chain output {{
        type filter hook output priority 300; policy accept;
        # coturn's own queries to a resolver on the loopback, which coturn denies to relays.
        ip daddr 127.0.0.0/8 udp dport 53 accept
        ip6 daddr ::1 udp dport 53 accept
        # Only mark here: if a packet can't leave, coturn gets an error and closes the relay.
        meta skuid {user} udp sport {first}-{last} udp dport != {first}-{last} \\
            fib daddr type local meta mark set {mark:#x}
    }}
    chain prerouting {{
        type filter hook prerouting priority -300; policy accept;
        iif lo meta mark {mark:#x} counter drop
    }}
}}
"""


def parse_user(text: str) -> str:
    """Return the name or number of coturn's user; raise `ValueError`, which says what to write."""
    if not _USER.fullmatch(text):
        raise ValueError("write the name of a user, such as turnserver, or its number")
    if text in ROOT:
        raise ValueError(
            "is root, and the rules can't tell coturn from root's other programs; run coturn as "
            "its own user, such as proc-user=turnserver"
        )
    return text


def firewall_rules(user: str, relay_ports: Tuple[int, int]) -> str:
    """Return rules for ``nft -f``, for a coturn that runs as a user, and its first and last port.

    They replace rules that this function made before, and leave all others alone.
    """
    first, last = relay_ports
    quoted = user if user.isdecimal() else f'"{user}"'
    return _TEMPLATE.format(user=quoted, name=user, first=first, last=last, mark=_MARK)
