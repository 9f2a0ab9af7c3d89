"""Compares a turnserver.conf with a coturn of od.config, by every rule.

Pure: the caller reads the files that the turnserver.conf names.
"""

from __future__ import annotations

from typing import Collection, Mapping, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.check.addresses import check_addresses
from abcwebrtc.coturn.check.clients import DesktopStun, check_clients, check_stun
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.check.limits import check_limits
from abcwebrtc.coturn.check.login import check_login
from abcwebrtc.coturn.check.nat import check_nat
from abcwebrtc.coturn.check.options import check_options
from abcwebrtc.coturn.check.peers import check_peers
from abcwebrtc.coturn.check.urls import Content, check_urls
from abcwebrtc.coturn.conf_file import TurnserverFile
from abcwebrtc.coturn.options import USUAL, CoturnVersion
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem


class Around(NamedTuple):
    """What else is known of a coturn, besides its turnserver.conf and the urls of od.config.

    `desktop` is the desktops' STUN_SERVER. `proxied` holds the ports of ``turns`` urls at
    which a proxy terminates TLS for coturn. `unreadable` maps ``cert`` and ``pkey`` to the
    reason, in words, why coturn's user can't read that file.
    """

    desktop: Optional[DesktopStun] = None
    proxied: Collection[int] = ()
    unreadable: Mapping[str, str] = {}


def check_turnserver_conf(
    conf: TurnserverFile,
    coturn: Coturn,
    stun: Sequence[IceURI],
    files: Mapping[str, Content],
    now: float,
    version: CoturnVersion = USUAL,
    around: Optional[Around] = None,
) -> Tuple[Problem, ...]:
    """Return what is wrong, or unwise, in a turnserver.conf for a coturn of od.config.

    `stun` holds the STUN servers of od.config. `files` maps ``cert`` and ``pkey``, if
    `conf` sets them, to the contents of their files. `now` is in unix seconds, and
    `version` is coturn's. The problems are in line order, with those about command-line
    options last; none shows a value that may be secret.
    """
    around = around or Around()
    known = KnownConf(conf, version)
    uris = [
        uri
        for uri in coturn.uris
        if uri.scheme == "turn" or uri.effective_port not in around.proxied
    ]
    found = (
        *conf.problems,
        *check_options(known),
        *check_login(known, coturn),
        *check_limits(known, coturn),
        *check_peers(known),
        *check_addresses(known, coturn),
        *check_nat(known, coturn),
        *check_urls(known, uris, files, around.unreadable, now),
        *check_stun(known, coturn, stun, around.desktop),
        *check_clients(known, any(uri.scheme == "turns" for uri in uris)),
    )
    return tuple(
        sorted(dict.fromkeys(found), key=lambda one: (one.file != conf.file, one.line or 0))
    )
