"""Results that browsers may have, for the scripts of the test page."""

from __future__ import annotations

from typing import Any, Dict, List

WORKS = "As far as a browser can tell, sound will work from this network over"
CALL = {
    **{"state": "connected", "errors": [], "heard": True, "hz": 440, "ms": 90},
    **{"packetsReceived": 100, "packetsLost": 0, "roundTripMs": 5, "relayProtocol": "udp"},
}


def seen(url: str = "turn:a.example", **changes: Any) -> Dict[str, Any]:
    """Return the result of a call in which nothing was heard, with changes."""
    made = {"url": url, "candidates": [], "errors": [], "ended": "complete"}
    return {**made, "call": None, "look": None, **changes}


def relayed(url: str = "turn:a.example", **call: Any) -> Dict[str, Any]:
    relay = {"type": "relay", "address": "192.0.2.1", "port": 1, "protocol": "UDP", "ms": 1}
    return seen(url, candidates=[relay], call={**CALL, **call})


SRFLX = {"type": "srflx", "address": "192.0.2.9", "port": 1, "protocol": "UDP", "ms": 1}


def error(code: int, text: str = "") -> List[Dict[str, Any]]:
    return [{"code": code, "text": text}]
