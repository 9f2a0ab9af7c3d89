"""Configurations with several coturn servers, from which each user gets some."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from abcwebrtc.config.webrtc import WebRTCConfig
from support.configurations import NOW, SECRET


def server(name: str, **keys: Any) -> Dict[str, Any]:
    """Return an entry of webrtc.coturn, whose host is called like the server."""
    return {
        "coturn_static_auth_secret": SECRET,
        "url": f"{name.lower()}.example.org",
        "name": name,
        **keys,
    }


def servers(number: int, **keys: Any) -> List[Dict[str, Any]]:
    """Return so many entries, named t0, t1 and so on."""
    return [server(f"t{index}", **keys) for index in range(number)]


def fleet(
    entries: Iterable[Dict[str, Any]], number: Optional[int] = None, **changes: Any
) -> WebRTCConfig:
    """Return the configuration of a fleet; name changes as in ``webrtc__desktop={}``."""
    mapping = {
        "webrtc.enable": True,
        "webrtc.coturn": list(entries),
        "webrtc.coturn_servers": number,
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    return WebRTCConfig.from_mapping(mapping, {}, NOW)


def names(chosen: Iterable[Any]) -> List[str]:
    """Return the names of servers, in their order."""
    return [one.name for one in chosen]
