"""An od.config without warnings, as a file and as a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional

import abcwebrtc
from support.tokens import public_pem

SECRET = "a-secret-that-only-coturn-knows"

ENTRIES: Mapping[str, Any] = {
    "webrtc.enable": True,
    "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:stun.example.org:3478"}]},
    "webrtc.coturn": {
        "coturn_static_auth_secret": SECRET,
        "ttl": 600,
        "protocol": "turn",
        "url": "turn.example.org:3478",
        "username": "userid",
    },
}
"""Entries without warnings; `write_od_config` adds the key for user tokens."""


def write_od_config(
    folder: Path, entries: Optional[Mapping[str, Any]] = None, **changes: Any
) -> Path:
    """Write an od.config and the public key that it names, and return its path.

    `entries` are `ENTRIES` by default. Name changes as in ``webrtc__enable=False``; ... removes an
    entry.
    """
    key_file = folder / "jwtuser.pem"
    if not key_file.exists():
        key_file.write_bytes(public_pem())
    kept = dict(ENTRIES if entries is None else entries)
    kept.setdefault("jwt_token_user", {"exp": 360, "jwtuserpublickeyfile": str(key_file)})
    kept.update((name.replace("__", "."), value) for name, value in changes.items())
    lines = [f"{name}: {value!r}" for name, value in kept.items() if value is not ...]
    path = folder / "od.config"
    path.write_text("[global]\n" + "\n".join(lines).replace("%", "%%") + "\n", encoding="utf-8")
    return path


def make_config(**changes: Any) -> abcwebrtc.WebRTCConfig:
    """Return `ENTRIES` as a configuration, changed as in `write_od_config`."""
    entries = {**ENTRIES, **{name.replace("__", "."): changes[name] for name in changes}}
    return abcwebrtc.WebRTCConfig.from_mapping(
        {name: value for name, value in entries.items() if value is not ...}
    )
