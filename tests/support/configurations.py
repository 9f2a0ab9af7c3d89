"""Entries of od.config, and the configurations, errors and warnings that they give."""

from __future__ import annotations

import copy

import pytest

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import ConfigError

NOW = 1_700_000_000
SECRET = "0123456789abcdefghij"
COTURN = {"coturn_static_auth_secret": SECRET, "url": "turn.domain.local:3478"}
STUN = {"iceServers": [{"urls": "stun:stun.l.google.com:19302"}]}
LOGIN = {"username": "fry", "credential": "hush"}


def load(mapping, environ=None, now=NOW, folder=""):
    return WebRTCConfig.from_mapping(mapping, environ or {}, now, str(folder))


def errors_of(mapping, **kwargs):
    with pytest.raises(ConfigError) as caught:
        load(mapping, **kwargs)
    return list(map(str, caught.value.problems))


def warnings_of(mapping):
    return list(map(str, load(mapping).warnings))


def gconfig():
    """A mapping like pyos's settings.gconfig: a plain dict with all entries of od.config."""
    return {
        "server.socket_port": 8000,
        "tools.sessions.on": False,
        "namespace": "abcdesktop",
        "auth.prelogin_url": "/API/auth/prelogin",
        "authmanagers": {"external": {"providers": {"google": {"client_secret": "x" * 20}}}},
        "jwt_token_user": {
            "exp": 360,
            "jwtuserprivatekeyfile": "/config.usersigning/private.pem",
            "jwtuserpublickeyfile": "/config.usersigning/public.pem",
        },
        "desktop.envlocal": {"STUN_SERVER": "stun://stun.domain.local:3478"},
        "desktop.pod": {"sound": {"enable": True, "image": "x", "acl": {"permit": ["all"]}}},
        "desktop.webhookencodeparams": True,
        "webrtc.enable": True,
        "webrtc.rtc_configuration": copy.deepcopy(STUN),
        "webrtc.coturn": copy.deepcopy(COTURN),
        "webrtc.rtc_constraints": {"video": False, "audio": True},
        "function": print,
        7: {"a": [{}]},
    }
