"""Whether a coturn answers what browsers and desktops ask of STUN.

Pure. libnice up to 0.1.22, which webrtcbin has, asks in the form of RFC 3489, without the magic
cookie. Measured: coturn 4.6.1 answers that unless ``no-stun-backward-compatibility`` is set, 4.18.0
only with ``rfc3489-compatibility``.
"""

from __future__ import annotations

from typing import FrozenSet, NamedTuple, Optional, Sequence

from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.addresses import host_address
from abcwebrtc.coturn.check.addresses import own_addresses
from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.options import CLASSIC_STUN, INVERTED
from abcwebrtc.coturn.server import Coturn

_OLD, _BETWEEN, _NEW = (
    *("no-stun-backward-compatibility", "stun-backward-compatibility"),
    "rfc3489-compatibility",
)


class DesktopStun(NamedTuple):
    """The STUN_SERVER of desktops, and whether they have a TURN_SERVER beside it."""

    uri: IceURI
    has_turn: bool = False


def check_stun(
    notes: Notes, coturn: Coturn, stun: Sequence[IceURI], desktop: Optional[DesktopStun]
) -> None:
    """Note what turns STUN off where od.config has this server for STUN as well."""
    uris = [uri for uri in stun if _host(uri) in _hosts(notes, coturn)]
    for name in ("no-stun", "secure-stun"):
        for uri in uris if notes.conf.on(name) else ():
            notes.error(name, f"keeps {uri} of od.config from being answered; remove it")
    if desktop and (_is_own(notes, coturn, desktop.uri) or _may_be_own(notes, coturn, desktop.uri)):
        _classic(notes, desktop, not _is_own(notes, coturn, desktop.uri))


def _hosts(notes: Notes, coturn: Coturn) -> FrozenSet[str]:
    return frozenset((*coturn.hosts, *own_addresses(notes.conf)))


def _host(uri: IceURI) -> str:
    return str(host_address(uri.host) or uri.host_key)


def _is_own(notes: Notes, coturn: Coturn, uri: IceURI) -> bool:
    return _host(uri) in _hosts(notes, coturn)


def _may_be_own(notes: Notes, coturn: Coturn, uri: IceURI) -> bool:
    """Say whether an address can be this server's: nothing says which one it has."""
    known = own_addresses(notes.conf) or any(host_address(host) for host in coturn.hosts)
    return bool(host_address(_host(uri))) and not known


def _classic(notes: Notes, desktop: DesktopStun, unsure: bool) -> None:
    """Note what leaves desktops without an answer."""
    conf, version = notes.conf, notes.version
    if conf.on("no-stun") and not unsure:
        if not any(problem.path == "no-stun" for problem in notes.problems):
            notes.error("no-stun", f"keeps STUN_SERVER of desktops, {desktop.uri}, from answers")
        return
    report = notes.warn if unsure or desktop.has_turn else notes.error
    asks = (
        f"libnice asks {desktop.uri}, their STUN_SERVER, without the magic cookie (RFC 3489), and "
        f"coturn {version}"
    )
    if unsure:
        asks = f"if {desktop.uri} is this server: {asks}"
    if version < INVERTED and conf.on(_OLD):
        report(_OLD, f"takes STUN away from desktops: {asks} then gives no answer; remove it")
    elif INVERTED <= version < CLASSIC_STUN and not conf.on(_BETWEEN):
        later = f"from coturn {CLASSIC_STUN} on: {_NEW}"
        message = f"is missing, so desktops have no STUN: {asks} gives no answer without it"
        report(_BETWEEN, f"{message}; write {_BETWEEN} ({later})")
    elif version >= CLASSIC_STUN and not conf.on(_NEW):
        message = f"is missing, so desktops have no STUN: {asks} gives no answer without it"
        report(_NEW, f"{message}; write {_NEW}")
