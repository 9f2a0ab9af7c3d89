"""What od.config says of the desktop's own WebRTC stack, GStreamer's webrtcbin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from abcwebrtc.config.coturn import DAY, check_ttl
from abcwebrtc.config.hosts import INSIDE, THIS_MACHINE, why_unreachable
from abcwebrtc.config.problems import Findings, kind
from abcwebrtc.config.uris import IceURI, parse_server
from abcwebrtc.errors import KeyPath

DESKTOP, ENVLOCAL = "webrtc.desktop", "desktop.envlocal"
KEYS = ("turn", "ttl", "stun_server")
STUN_SERVER, TURN_SERVER = "STUN_SERVER", "TURN_SERVER"
_GSTREAMER = "stun://"
_GSTREAMER_TURN = re.compile(
    r"turns?://((?P<user>[^@/\s]*?)(:(?P<password>[^@\s]*))?@)?[^@/?\s]+(\?\S*)?", re.DOTALL
)
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
"""What pyos renders in the values of ``desktop.envlocal``."""
_FILLED = "\0"
"""Stands for what pyos renders: no od.config has it."""
_LEFT = "is a template, which pyos fills in for each desktop; left unchecked"
_MAX_LENGTH = 2000
"""Characters of a server that are looked at for a template, a user and a password."""


@dataclass(frozen=True)
class DesktopSettings:
    """The ``webrtc.desktop`` entry, and STUN_SERVER of ``desktop.envlocal``.

    `turn` says whether the desktop gets a TURN server, `ttl` is that
    credential's in seconds, `stun_uri` is the STUN server, or None where
    od.config gives none for desktops.
    """

    turn: bool = False
    ttl: int = DAY
    stun_uri: Optional[IceURI] = None

    @property
    def stun_server(self) -> Optional[str]:
        """`stun_uri` in GStreamer's form, ``stun://host:port``."""
        return gstreamer_stun(self.stun_uri) if self.stun_uri else None


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
    local = _environment(findings, mapping.get(ENVLOCAL))
    _check_turn_server(findings, local.get(TURN_SERVER))
    stun = _local_stun_server(findings, local.get(STUN_SERVER)) or stun
    return DesktopSettings(turn is True, ttl, stun)


def gstreamer_stun(uri: IceURI) -> str:
    """Return a STUN URI in GStreamer's form, ``stun://host:port``."""
    return f"{_GSTREAMER}{uri.host}:{uri.effective_port}"


def _dict_or_none(findings: Findings, key: str, value: Any) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        findings.error((key,), f"must be a dict, not {kind(value)}")
        return {}
    return value


def _stun_server(findings: Findings, path: KeyPath, value: Any) -> Optional[IceURI]:
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith(_GSTREAMER):
        findings.error(path, _wrong_form(value))
        return None
    address = value[len(_GSTREAMER) :]
    uri: Optional[IceURI] = findings.attempt(path, lambda: parse_server("stun", address))
    why = why_unreachable(uri.host) if uri else ""
    if why == THIS_MACHINE:
        findings.warn(path, "names the desktop itself, where no STUN server is")
    elif why and why != INSIDE:  # which is where desktops are
        findings.warn(path, why)
    return uri


def _environment(findings: Findings, value: Any) -> Mapping[Any, Any]:
    """Return ``desktop.envlocal``, which is pyos's own."""
    if value is None or isinstance(value, Mapping):
        return value or {}
    findings.warn((ENVLOCAL,), f"must be a dict, not {kind(value)}: pyos makes no variables of it")
    return {}


def _local_stun_server(findings: Findings, value: Any) -> Optional[IceURI]:
    path = (ENVLOCAL, STUN_SERVER)
    if isinstance(value, str) and _TEMPLATE.search(value[:_MAX_LENGTH]):
        findings.note(path, _LEFT)
        return None
    return _stun_server(findings, path, value)


def _check_turn_server(findings: Findings, value: Any) -> None:
    """Warn of a TURN_SERVER that each container of each desktop gets, and never quote it."""
    if value is None:
        return
    path = (ENVLOCAL, TURN_SERVER)
    better = "take it out, and write webrtc.coturn and webrtc.desktop: { 'turn': True }"
    text = _TEMPLATE.sub(_FILLED, value[:_MAX_LENGTH]) if isinstance(value, str) else None
    match = _GSTREAMER_TURN.fullmatch(text) if text is not None else None
    password = match.group("password") if match else None
    if text and _FILLED in text and (not password or _FILLED in password):
        findings.note(path, _LEFT)
    elif value == "":
        findings.warn(path, f"is empty, which breaks webrtcbin's pipeline; {better}")
    elif match is None:
        right = "turn://user:password@host:port"
        message = f"is not in GStreamer's form, {right}, so it gives no relay"
        findings.warn(path, f"{message}, while every container of every desktop gets it; {better}")
    elif password:
        message = (
            "has a password that never expires, which every container of every desktop gets and "
            f"its user can read; {better}, for a login that ends"
        )
        findings.warn(path, message)
    else:
        findings.warn(path, f"has no user and password, so it gives no relay; {better}")


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
