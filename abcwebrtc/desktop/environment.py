"""What abcwebrtc gives to desktop pods: plain data in, new plain data out."""

from __future__ import annotations

from typing import Collection, Dict, Optional
from urllib.parse import quote

from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER, gstreamer_stun
from abcwebrtc.config.uris import IceURI
from abcwebrtc.config.webrtc import WebRTCConfig, check_config
from abcwebrtc.turn.credentials import TurnCredentials
from abcwebrtc.turn.rtc_configuration import server_credentials
from abcwebrtc.turn.selection import desktop_choice


def desktop_environment(
    config: WebRTCConfig,
    user: Optional[str] = None,
    now: Optional[float] = None,
    *,
    labels: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Dict[str, str]:
    """Return the environment variables that a desktop's webrtcbin reads.

    STUN_SERVER is in GStreamer's form: that of ``desktop.envlocal``, else of
    ``webrtc.desktop``, else the first stun URI that browsers get. If there is none, it is left
    out, and never empty.

    TURN_SERVER is set only if ``webrtc.desktop`` asks for it and ``webrtc.enable`` is True. It is
    one of the servers that the user's browser gets from `abcwebrtc.build_rtc_configuration` with
    the same `labels` and `left_out`. Its credential is for `user`, and valid from `now` (unix
    seconds, the clock by default) for the ttl of ``webrtc.desktop``. Whoever can read the
    container's environment knows it.

    Raises `CredentialError` if no credential can be minted for `user`.
    """
    check_config(config)
    turn = turn_server(config, user, now, labels=labels, left_out=left_out)
    values = {STUN_SERVER: stun_server(config), TURN_SERVER: turn}
    return {name: value for name, value in values.items() if value}


def stun_server(config: WebRTCConfig) -> Optional[str]:
    """Return the desktop's STUN_SERVER, or None; see `desktop_environment`."""
    uri = config.desktop_stun_uri
    return gstreamer_stun(uri) if uri else None


def turn_server(
    config: WebRTCConfig,
    user: Optional[str] = None,
    now: Optional[float] = None,
    *,
    labels: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Optional[str]:
    """Return the desktop's TURN_SERVER, or None; see `desktop_environment`."""
    chosen = desktop_choice(config, user, labels, left_out)
    if not chosen:
        return None
    server, uri = chosen
    return gstreamer_turn(uri, server_credentials(server, user, now, config.desktop.ttl))


def gstreamer_turn(uri: IceURI, credentials: TurnCredentials) -> str:
    """Return a TURN URI in GStreamer's form, with user and password in it.

    Everything outside RFC 3986's unreserved set is percent-encoded: webrtcbin inserts it unquoted
    into the text of a pipeline.
    """
    login = f"{quote(credentials.username, safe='')}:{quote(credentials.password, safe='')}"
    query = f"?transport={uri.transport}" if uri.transport else ""
    return f"{uri.scheme}://{login}@{uri.host}:{uri.effective_port}{query}"
