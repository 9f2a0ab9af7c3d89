"""The rtc_configuration that a browser gets: static entries and fresh credentials."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional

from abcwebrtc.config.coturn import TIMESTAMP, USERID, CoturnServer
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.webrtc import WebRTCConfig, check_config
from abcwebrtc.errors import CredentialError, WebRTCDisabledError
from abcwebrtc.times import unix_seconds
from abcwebrtc.turn.credentials import (
    TurnCredentials,
    mint_turn_credentials,
    pseudonym,
    turn_username,
)


def build_rtc_configuration(
    config: WebRTCConfig, user: Optional[str] = None, now: Optional[float] = None
) -> Dict[str, Any]:
    """Return an RTCConfiguration (W3C WebRTC) for one user's RTCPeerConnection.

    It is the static ``webrtc.rtc_configuration`` plus one entry of ``iceServers`` for each coturn
    server, with credentials that are valid from `now` (unix seconds, the clock by default) for that
    server's ttl. The result is a copy that the caller may change.

    Raise `WebRTCDisabledError` if ``webrtc.enable`` is False, and `CredentialError` if no
    credential can be minted for `user`.
    """
    if not isinstance(config, WebRTCConfig):  # saves a call in the usual case
        check_config(config)
    if not config.enable:
        raise WebRTCDisabledError
    moment = int(time.time()) if now is None else unix_seconds(now)
    result: Dict[str, Any] = thaw(config.rtc_configuration)
    servers = result["iceServers"]
    for server in config.coturn:
        urls = server.urls
        name = None if server.username == TIMESTAMP else _name(server, user)
        username = turn_username(moment + server.ttl, name)
        servers.append(
            {
                "urls": urls[0] if len(urls) == 1 else list(urls),
                "username": username,
                "credential": server.secrets.current()[0].sign(username),
            }
        )
    return result


def server_credentials(
    server: CoturnServer,
    user: Optional[str] = None,
    now: Optional[float] = None,
    ttl: Optional[int] = None,
) -> TurnCredentials:
    """Return credentials for one coturn server, in its username style.

    The newest secret signs. `ttl`, in seconds, replaces the server's own.

    Raise `CredentialError` if the style needs a `user` and there is none.
    """
    secret = server.secrets.current()[0]
    ttl = server.ttl if ttl is None else ttl
    return mint_turn_credentials(secret, ttl, _name(server, user), now)


def _name(server: CoturnServer, user: Optional[str]) -> Optional[str]:
    """Return the user's part of the username, or None."""
    if server.username == TIMESTAMP:
        return None
    if user is None:
        raise CredentialError(
            f"the username style '{server.username}' needs a user: add --user NAME, "
            "or pass user in Python"
        )
    if server.username == USERID:
        return user
    return pseudonym((server.pseudonym_keys or server.secrets).current()[0], user)
