"""Good and wrong od.config entries for pyos, and the logins that they lead to."""

from __future__ import annotations

from typing import Any, Dict
from urllib.parse import unquote, urlsplit

from abcwebrtc import verify_turn_credentials
from support import ENTRIES, SECRET

COTURN = ENTRIES["webrtc.coturn"]
STATIC_PASSWORD = "a-static-password"
STATIC_TURN = {"urls": "turn:t.example.org", "username": "u", "credential": STATIC_PASSWORD}
STUN = {"urls": "stun:stun.example.org:3478"}
SOUND = {"image": "sound:1", "enable": True, "tcpport": 4714, "acl": {"permit": ["loud"]}}
BAD_USER = "o'brien"


def coturn(**changes: Any) -> Dict[str, Any]:
    return {"webrtc__coturn": {**COTURN, **changes}}


WRONG_ENTRIES = [
    (coturn(coturn_static_auth_secret=""), "webrtc.coturn.coturn_static_auth_secret: is empty"),
    (coturn(protocol="http"), "webrtc.coturn.protocol: must be"),
    (coturn(url="turn:turn.example.org"), "webrtc.coturn.url: begins with 'turn:'"),
    (coturn(ttl=0), "webrtc.coturn.ttl: must be 1 second or more"),
    (
        coturn(coturn_static_auth_secret_file="f"),
        "coturn_static_auth_secret_file: is given as well as",
    ),
    ({"webrtc__coturn": [COTURN, 5]}, "webrtc.coturn[1]: must be a dict"),
    ({"webrtc__enable": "True"}, "webrtc.enable: must be True or False without quotes"),
    ({"webrtc__enable": None}, "webrtc.enable: must be True or False"),
    ({"webrtc__rtc_constraints": []}, "webrtc.rtc_constraints: must be a dict"),
    (
        {"desktop__envlocal": {"STUN_SERVER": "stun:s.example.org"}},
        "desktop.envlocal.STUN_SERVER: is in the browser's form",
    ),
]


DESKTOP = {
    "webrtc__desktop": {"turn": True},
    "desktop__pod": {"sound": SOUND},
    "desktop__envlocal": {"DISPLAY": ":0.0"},
}


def password_in(turn_server: str) -> str:
    url = urlsplit(turn_server)
    assert url.scheme == "turn"
    assert url.hostname == "turn.example.org"
    username, password = unquote(url.username or ""), unquote(url.password or "")
    assert verify_turn_credentials(SECRET, username, password)
    return url.password or ""
