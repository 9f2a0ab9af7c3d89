"""Rules of nftables that keep relays from the services of coturn's own machine.

Relays of one server have its public address, and have to reach each other there, so coturn can't
deny it; but every UDP service that listens on all addresses has that address too. A relay sends
from its own port, by which its packets are known: coturn's own answers come from other ports.

The packets are marked where they leave and dropped where they arrive. Dropped where they leave,
they are an error of coturn's socket, and it closes the whole relay (measured with 4.6.1 and
4.18.0): calls would end whenever one side only tries an address of this machine. Broadcasts need no
rule, since coturn's sockets may not send any.
"""

from __future__ import annotations

import re
from typing import Tuple

ROOT = ("root", "0")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}|0|[1-9][0-9]{0,8}")
_MARK = 0x7475726E
"""Whoever else looks at marks sees it only on packets that are dropped."""
_TEMPLATE = """\
# Made by abcwebrtc turnserver-conf, for nft -f. Relays of coturn reach no UDP service of this
# machine, at none of its addresses. They reach each other, and other machines, as before.
# It is for a coturn that runs as {name}, in this network namespace, with relays on the ports
# {first} to {last}. A service on one of these ports stays within reach.
table inet coturn_relays
delete table inet coturn_relays
table inet coturn_relays {{
    chain output {{
        type filter hook output priority 300; policy accept;
        # coturn's own questions to a resolver on the loopback, which it denies to relays.
        ip daddr 127.0.0.0/8 udp dport 53 accept
        ip6 daddr ::1 udp dport 53 accept
        # Only marked here: a packet that can't leave is an error, on which coturn ends the relay.
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
            "is root, from whose other programs coturn can't be told; run it as a user of its own, "
            "such as proc-user=turnserver"
        )
    return text


def firewall_rules(user: str, relay_ports: Tuple[int, int]) -> str:
    """Return rules for ``nft -f``, for a coturn of a user, with relays on ports from first to last.

    They replace those of before, and leave all other rules alone.
    """
    first, last = relay_ports
    quoted = user if user.isdecimal() else f'"{user}"'
    return _TEMPLATE.format(user=quoted, name=user, first=first, last=last, mark=_MARK)
