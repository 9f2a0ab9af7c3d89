"""The rtc_configuration that a browser gets: static entries and fresh credentials."""

from __future__ import annotations

import time
from typing import Any, Collection, Dict, Optional

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
from abcwebrtc.turn.selection import choose


def build_rtc_configuration(
    config: WebRTCConfig,
    user: Optional[str] = None,
    now: Optional[float] = None,
    *,
    labels: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Dict[str, Any]:
    """Return an RTCConfiguration (W3C WebRTC) for one user's RTCPeerConnection.

    It is the static ``webrtc.rtc_configuration`` plus one entry of ``iceServers`` for each coturn
    server of this user, with credentials that are valid from `now` (unix seconds, the clock by
    default) for that server's ttl. The result is a copy that the caller may change.

    `labels` are the names of the user's labels, for the acls. `left_out` are the names of servers
    that are known to be dead. `abcwebrtc.turn.selection.choose` says which servers a user gets.

    Raises `WebRTCDisabledError` if ``webrtc.enable`` is False, and `CredentialError` if no
    credential can be minted for `user`.
    """
    if not isinstance(config, WebRTCConfig):  # saves a call in the usual case
        check_config(config)
    if not config.enable:
        raise WebRTCDisabledError
    moment = int(time.time()) if now is None else unix_seconds(now)
    result: Dict[str, Any] = thaw(config.rtc_configuration)
    servers = result["iceServers"]
    if config.gives_all and not left_out:  # saves a call in the usual case
        chosen, policy = config.coturn, None
    else:
        chosen, policy = choose(config, user, labels, left_out)
        if policy and policy.ice_transport_policy:
            result["iceTransportPolicy"] = policy.ice_transport_policy
    for server in chosen:
        urls = server.urls
        name = None if server.username == TIMESTAMP else _name(server, user)
        ttl = policy.ttl if policy and policy.ttl else server.ttl
        username = turn_username(moment + ttl, name)
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

    Raises `CredentialError` if the style needs a `user` and there is none.
    """
    secret = server.secrets.current()[0]
    ttl = server.ttl if ttl is None else ttl
    return mint_turn_credentials(secret, ttl, _name(server, user), now)


def takes_the_credential_of(server: CoturnServer, other: CoturnServer) -> bool:
    """Return whether a credential of another server is right for this one too.

    This server must accept the secret that signed the credential, and name users in the same way.
    """
    secret = other.secrets.current()[0]
    same = (server.username, server.pseudonym_keys) == (other.username, other.pseudonym_keys)
    return same and secret in server.secrets.current()


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
