"""A coturn entry, the turnserver.conf that fits it, and the problems if they differ."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from abcwebrtc import WebRTCConfig
from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.coturn.addresses import denied_ranges
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf, with_options
from abcwebrtc.coturn.options import USUAL, parse_version
from abcwebrtc.coturn.server import Coturn, coturns_of
from abcwebrtc.errors import Problem
from support.certificates import ABOVE, CERT, HOST, NOW
from support.certificates import KEY as PRIVATE_KEY

SECRET = "the-static-auth-secret-of-coturn"
OLD = "an-older-static-auth-secret"
ENTRY: Dict[str, Any] = {"coturn_static_auth_secret": SECRET, "url": f"{HOST}:3478"}
FILES = {"cert": CERT + ABOVE, "pkey": PRIVATE_KEY}


def coturns_in(coturn: Any) -> List[Coturn]:
    config = WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": coturn}, now=NOW)
    return coturns_of(config.coturn)


def one_coturn(**changes: Any) -> Coturn:
    (found,) = coturns_in({**ENTRY, **changes})
    return found


GOOD = f"""\
use-auth-secret
static-auth-secret={SECRET}
realm={HOST}
no-cli
no-multicast-peers
total-quota=100
cert=/c.pem
pkey=/k.pem
""" + "".join(f"denied-peer-ip={item}\n" for item, _ in denied_ranges())


def compare(
    text: str,
    files: Any = None,
    stun: Sequence[str] = (),
    coturn: Any = None,
    version: str = "4.6",
    options: Sequence[str] = (),
    desktop: str = "",
    has_turn: bool = False,
    around: Any = None,
    **changes: Any,
) -> List[Problem]:
    """Return the problems for `GOOD` and these lines; a line that begins with - removes one."""
    lines = [line for line in GOOD.splitlines() if f"-{line.partition('=')[0]}" not in text.split()]
    lines += [line for line in text.splitlines() if not line.startswith("-")]
    conf = with_options(parse_turnserver_conf("\n".join(lines).encode(), "t.conf"), options)
    server = coturns_in(coturn)[0] if coturn else one_coturn(**{"protocol": "turns", **changes})
    uris = [parse_ice_uri(uri) for uri in stun]
    made = DesktopStun(parse_ice_uri(desktop), has_turn) if desktop else None
    found = check_turnserver_conf(
        conf,
        server,
        uris,
        FILES if files is None else files,
        NOW,
        parse_version(version) or USUAL,
        Around(desktop=made, **(around or {})),
    )
    assert SECRET not in str(found)
    return list(found)
