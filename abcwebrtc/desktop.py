"""What od.config says of the desktop's own WebRTC stack, GStreamer's webrtcbin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from abcwebrtc.coturn import DAY, check_ttl
from abcwebrtc.errors import KeyPath
from abcwebrtc.findings import Findings, kind
from abcwebrtc.uris import IceURI, parse_server

DESKTOP, ENVLOCAL = "webrtc.desktop", "desktop.envlocal"
KEYS = ("turn", "ttl", "stun_server")
STUN_SERVER, TURN_SERVER = "STUN_SERVER", "TURN_SERVER"
_GSTREAMER = "stun://"


@dataclass(frozen=True)
class DesktopSettings:
    """The ``webrtc.desktop`` entry, and STUN_SERVER of ``desktop.envlocal``.

    `turn` says whether the desktop gets a TURN server, `ttl` is that
    credential's in seconds, `stun_server` is the STUN server in GStreamer's
    form, or None where od.config gives none for desktops.
    """

    turn: bool = False
    ttl: int = DAY
    stun_server: Optional[str] = None


def parse_desktop(findings: Findings, mapping: Mapping[str, Any], now: float) -> DesktopSettings:
    """Return the settings of an od.config; errors and warnings go to `findings`.

    STUN_SERVER of ``desktop.envlocal`` comes before that of ``webrtc.desktop``.
    """
    settings = _dict_or_none(findings, DESKTOP, mapping.get(DESKTOP))
    findings.unknown_keys((DESKTOP,), settings, KEYS)
    turn = settings.get("turn", False)
    if not isinstance(turn, bool):
        message = f"must be True or False without quotes, not {kind(turn)}"
        findings.error((DESKTOP, "turn"), message)
    ttl = check_ttl(findings, (DESKTOP, "ttl"), settings.get("ttl", DAY), now) or DAY
    if ttl < DAY:
        message = "is less than a day; a desktop that lives longer can't reconnect by TURN"
        findings.warn((DESKTOP, "ttl"), message)
    stun = _stun_server(findings, (DESKTOP, "stun_server"), settings.get("stun_server"))
    local = _dict_or_none(findings, ENVLOCAL, mapping.get(ENVLOCAL)).get(STUN_SERVER)
    stun = _stun_server(findings, (ENVLOCAL, STUN_SERVER), local) or stun
    return DesktopSettings(turn is True, ttl, stun)


def gstreamer_stun(uri: IceURI) -> str:
    """Return a STUN URI in GStreamer's form, ``stun://host:port``."""
    return f"{_GSTREAMER}{uri.host}:{uri.port or uri.default_port}"


def _dict_or_none(findings: Findings, key: str, value: Any) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        findings.error((key,), f"must be a dict, not {kind(value)}")
        return {}
    return value


def _stun_server(findings: Findings, path: KeyPath, value: Any) -> Optional[str]:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(_GSTREAMER):
        findings.error(path, _wrong_form(value))
        return None
    address = value[len(_GSTREAMER) :]
    uri: Optional[IceURI] = findings.attempt(path, lambda: parse_server("stun", address))
    return gstreamer_stun(uri) if uri else None


def _wrong_form(value: Any) -> str:
    """Say what is wrong with a STUN_SERVER, and show the form that GStreamer reads."""
    right = "'stun://stun.domain.local:3478'"
    if value == "":
        return f"is empty, which breaks webrtcbin's pipeline; leave it out, or write {right}"
    text = value if isinstance(value, str) else ""
    if text.startswith("stuns:"):
        return f"is stuns, which webrtcbin does not speak; write {right}"
    if text.startswith("stun:"):
        return f"is in the browser's form; GStreamer's has '//', such as {right}"
    return f"must be in GStreamer's form, such as {right}"
