"""The NetworkPolicy for the servers that a test names, and its rules."""

from __future__ import annotations

from typing import Any, Dict, Optional

from abcwebrtc import WebRTCConfig
from abcwebrtc.cluster.network_policy import Policy, PolicyOptions, network_policy
from support import ENTRIES, SECRET

NOW = 1700000000
COTURN: Dict[str, Any] = dict(ENTRIES["webrtc.coturn"])


def policy(
    stun: Any = (),
    turn: Any = (),
    options: Optional[PolicyOptions] = None,
    addresses: Any = None,
    **entries: Any,
) -> Policy:
    """Return the policy for stun URIs, and for coturn urls (or whole coturn entries)."""
    servers = [item if isinstance(item, dict) else {"url": item} for item in turn]
    mapping = {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": {"iceServers": [{"urls": item} for item in stun]},
        "webrtc.coturn": [{"coturn_static_auth_secret": SECRET, **item} for item in servers],
        **{name.replace("__", "."): value for name, value in entries.items()},
    }
    return network_policy(WebRTCConfig.from_mapping(mapping, now=NOW), options, addresses, NOW)


def egress(*arguments: Any, **entries: Any) -> Any:
    return policy(*arguments, **entries).manifest["spec"]["egress"]


def port(protocol: str, number: int, end: Optional[int] = None) -> Dict[str, Any]:
    made: Dict[str, Any] = {"protocol": protocol, "port": number}
    return made if end is None else {**made, "endPort": end}


def rule(cidr: str, *ports: Any) -> Dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": cidr}}], "ports": list(ports)}


V4, V6 = "192.0.2.1", "[2001:db8::1]"
RELAY = PolicyOptions(relay_ports=(49152, 65535))
FOUND = {"a.example.org": ["192.0.2.7", "2001:db8::7"], "b.example.org": ["192.0.2.7"]}
