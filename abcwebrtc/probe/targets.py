"""Turns a configuration, or a desktop's environment, into targets to probe."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import List, Mapping, Optional, Sequence, Tuple
from urllib.parse import unquote

from abcwebrtc.config.coturn import CoturnServer
from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.config.ice_servers import StaticServer
from abcwebrtc.config.secret_sources import FixedSecrets
from abcwebrtc.config.uris import TURN_SCHEMES, IceURI, parse_server
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import gstreamer_turn, stun_server
from abcwebrtc.errors import ConfigError, ProbeError, Problem
from abcwebrtc.probe.model import TCP, TLS, UDP, Account, Login, Target
from abcwebrtc.turn.rtc_configuration import server_credentials

_GSTREAMER_STUN = "stun://"
_GSTREAMER_TURN = re.compile(r"(turns?)://([^:@/?#]+):([^:@/?#]+)@([^@]*)")
_MINTED = re.compile(r"([0-9]{1,10})(:.*)?", re.DOTALL)


def config_targets(config: WebRTCConfig, user: str) -> List[Target]:
    """Return every STUN and TURN URI that browsers and desktops get, with a login for `user`.

    Those that new desktops may get, whatever their user and labels are, are marked.
    """
    targets: List[Target] = []
    for server in config.static_servers:
        targets += [browser_target(uri, _static_account(server)) for uri in server.uris]
    for coturn in config.coturn:
        account = minted_account(coturn, user)
        targets += [browser_target(uri, account) for uri in coturn.uris]
    return with_desktops(list(dict.fromkeys(targets)), _desktops_targets(config, user))


def _desktops_targets(config: WebRTCConfig, user: str) -> List[Target]:
    stun, ttl = stun_server(config), config.desktop.ttl
    found = environment_targets({STUN_SERVER: stun}) if stun else []
    for server, uri in config.desktop_turns if config.enable else []:
        if not server.drain:
            login = server_credentials(server, user, None, ttl)
            found += environment_targets({TURN_SERVER: gstreamer_turn(uri, login)})
    return found


def with_desktops(browsers: Sequence[Target], desktops: Sequence[Target]) -> List[Target]:
    """Mark the targets that desktops have too, and add those that only desktops have."""
    found = list(browsers)
    for one in desktops:
        same = [index for index, other in enumerate(found) if _place(other) == _place(one)]
        for index in same:
            found[index] = replace(found[index], desktop=True)
        found += [] if same else [one]
    return found


def _place(target: Target) -> Tuple[object, ...]:
    return target.is_turn, target.host, target.port, target.transport


def minted_account(server: CoturnServer, user: str) -> Account:
    """Return an account that signs logins with the secrets of a coturn server."""
    secrets = server.secrets.current()

    def mint(position: int, expiry: int) -> Login:
        one = replace(server, secrets=FixedSecrets((secrets[position],)))
        made = server_credentials(one, user, expiry - 1, 1)
        return Login(made.username, made.password)

    mint(0, 2)  # fails for a user that can't be in a username, before anything is sent
    return Account(mint=mint, secrets=len(secrets), ttl=server.ttl)


def browser_target(uri: IceURI, account: Optional[Account] = None) -> Target:
    """Return the target for a url of browsers; for DTLS, it is probed by TLS over TCP."""
    is_tls = uri.scheme in ("stuns", "turns")
    transport = TLS if is_tls else uri.transport or UDP
    unspoken = "dtls" if is_tls and uri.transport == UDP else ""
    return Target(uri, transport, account if uri.scheme in TURN_SCHEMES else None, unspoken)


def environment_targets(environ: Mapping[str, str]) -> List[Target]:
    """Return what a desktop's webrtcbin uses: STUN_SERVER and TURN_SERVER.

    Raises `ProbeError` if neither is set, or `ConfigError` if one can't be read. Messages hold
    no part of the values.
    """
    targets: List[Target] = []
    if environ.get(STUN_SERVER):
        targets.append(Target(_stun_uri(environ[STUN_SERVER]), UDP, desktop=True))
    if environ.get(TURN_SERVER):
        targets += _turn_targets(environ[TURN_SERVER])
    if not targets:
        raise ProbeError(
            f"neither {STUN_SERVER} nor {TURN_SERVER} is set; run this in a desktop's container, "
            "or name an od.config whose desktops get a server"
        )
    return targets


def _static_account(server: StaticServer) -> Optional[Account]:
    if server.credential is None:
        return None
    return Account(static=Login(server.username, server.credential))


def _stun_uri(text: str) -> IceURI:
    if not text.startswith(_GSTREAMER_STUN):
        message = "can't be read: write stun://host:port, GStreamer's form"
        raise ConfigError(Problem(message, STUN_SERVER))
    return _server(STUN_SERVER, "stun", text[len(_GSTREAMER_STUN) :])


def _turn_targets(text: str) -> List[Target]:
    """Return a target for each transport over which webrtcbin tries a TURN_SERVER."""
    match = _GSTREAMER_TURN.fullmatch(text)
    if not match:
        right = "turn://user:password@host:port, with user and password percent-encoded"
        raise ConfigError(Problem(f"can't be read: write {right}", TURN_SERVER))
    uri = _server(TURN_SERVER, match.group(1), match.group(4))
    login = Login(unquote(match.group(2)), unquote(match.group(3)))
    minted = _MINTED.fullmatch(login.username)
    account = Account(static=login, expires_at=int(minted.group(1)) if minted else None)
    if uri.scheme == "turns":
        return [Target(uri, TCP, account, "tls", desktop=True)]
    if uri.transport:
        return [Target(uri, uri.transport, account, desktop=True)]
    either = Target(uri, UDP, account, either=True, desktop=True)
    return [either, replace(either, transport=TCP)]


def _server(name: str, scheme: str, text: str) -> IceURI:
    try:
        return parse_server(scheme, text)
    except ConfigError as error:
        reason = error.problems[0].message
    raise ConfigError(Problem(reason, name))
