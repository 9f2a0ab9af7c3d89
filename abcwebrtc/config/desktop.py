"""What od.config says about the desktop's WebRTC stack, GStreamer's webrtcbin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Collection, Iterator, List, Mapping, Optional, Tuple

from abcwebrtc.config.acl import MEANT, Acl, parse_acl
from abcwebrtc.config.coturn import DAY, check_ttl
from abcwebrtc.config.entries import DESKTOP, ENVLOCAL
from abcwebrtc.config.problems import Where, has_error, kind, read_bool, unknown_keys
from abcwebrtc.config.uris import INSIDE, THIS_MACHINE, IceURI, parse_server, why_unreachable
from abcwebrtc.errors import ConfigError, Problem

KEYS = ("turn", "ttl", "stun_server", "acl")
STUN_SERVER, TURN_SERVER = "STUN_SERVER", "TURN_SERVER"
_GSTREAMER = "stun://"
_GSTREAMER_TURN = re.compile(
    r"turns?://((?P<user>[^@/\s]*?)(:(?P<password>[^@\s]*))?@)?[^@/?\s]+(\?\S*)?", re.DOTALL
)
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
"""What pyos renders in the values of ``desktop.envlocal``."""
_FILLED = "\0"
"""Stands for what pyos renders; no od.config contains it."""
_LEFT = "is a template, which pyos fills in for each desktop; it is not checked"
_MAX_LENGTH = 2000
"""Characters of a server that are searched for a template, a user and a password."""


@dataclass(frozen=True)
class DesktopSettings:
    """The ``webrtc.desktop`` entry, and STUN_SERVER of ``desktop.envlocal``.

    `turn` says whether the desktop gets a TURN server, `acl` for which users (None: for all), and
    `ttl` is the ttl of that credential in seconds. `stun_uri` is the STUN server, or None if
    od.config gives desktops none.
    """

    turn: bool = False
    ttl: int = DAY
    stun_uri: Optional[IceURI] = None
    acl: Optional[Acl] = None

    def gives_turn(self, labels: Collection[str]) -> bool:
        """Return whether the desktop of a user with these labels gets a TURN server."""
        return self.turn and (self.acl is None or self.acl.permits(labels))

    @property
    def stun_server(self) -> Optional[str]:
        """`stun_uri` in GStreamer's form, ``stun://host:port``."""
        return gstreamer_stun(self.stun_uri) if self.stun_uri else None


def parse_desktop(
    mapping: Mapping[str, Any], root: Where, now: float
) -> Tuple[DesktopSettings, List[Problem]]:
    """Return the settings of an od.config, and what is wrong with them.

    STUN_SERVER of ``desktop.envlocal`` takes precedence over ``webrtc.desktop``.
    """
    settings, problems = mapping.get(DESKTOP), []
    where = root[DESKTOP]
    if not isinstance(settings, (Mapping, type(None))):
        problems.append(
            where.error(f"must be a dict such as {{ 'turn': True }}, not {kind(settings)}")
        )
    if not isinstance(settings, Mapping):
        settings = {}
    problems += unknown_keys(settings, KEYS, where, MEANT)
    turn, of_turn = read_bool(settings.get("turn", False), where["turn"])
    acl, of_acl = parse_acl(settings, where)
    if turn and acl and acl.permits_nobody:
        message = "permits nobody, so no desktop gets a TURN server; write label names in 'permit'"
        of_acl.append(where["acl"].warning(message))
    if acl and not (turn or of_turn):
        message = "is not True, so the acl has no effect; write 'turn': True, or remove the acl"
        of_acl.append(where["turn"].warning(message))
    ttl = settings.get("ttl", DAY)
    wrong = list(check_ttl(ttl, where["ttl"], now))
    if not has_error(wrong) and ttl < DAY:
        message = "is less than a day; a desktop that lives longer can't reconnect through TURN"
        wrong.append(where["ttl"].warning(message))
    stun, of_stun = _stun_server(settings.get("stun_server"), where["stun_server"])
    own_stun, of_local = _local_environment(mapping.get(ENVLOCAL), root[ENVLOCAL])
    problems += [*of_turn, *of_acl, *wrong, *of_stun, *of_local]
    return DesktopSettings(turn, ttl, own_stun or stun, acl), problems


def gstreamer_stun(uri: IceURI) -> str:
    """Return a STUN URI in GStreamer's form, ``stun://host:port``."""
    return f"{_GSTREAMER}{uri.host}:{uri.effective_port}"


def _stun_server(value: Any, where: Where) -> Tuple[Optional[IceURI], List[Problem]]:
    if value is None:
        return None, []
    if not isinstance(value, str) or not value.startswith(_GSTREAMER):
        return None, [where.error(_wrong_form(value))]
    try:
        uri = parse_server("stun", value[len(_GSTREAMER) :])
    except ConfigError as error:
        return None, [where.error(problem.message) for problem in error.problems]
    why = why_unreachable(uri)
    if why == THIS_MACHINE:
        why = "names the desktop itself, which has no STUN server"
    elif why == INSIDE:  # where desktops are
        why = ""
    return uri, [where.warning(why)] if why else []


def _local_environment(value: Any, where: Where) -> Tuple[Optional[IceURI], List[Problem]]:
    """Return STUN_SERVER of pyos's ``desktop.envlocal``, and what is unwise about it."""
    if value is None:
        return None, []
    if not isinstance(value, Mapping):
        message = f"must be a dict, not {kind(value)}: pyos can't make variables of it"
        return None, [where.warning(message)]
    problems = list(_check_turn_server(value.get(TURN_SERVER), where[TURN_SERVER]))
    text, here = value.get(STUN_SERVER), where[STUN_SERVER]
    if isinstance(text, str) and _TEMPLATE.search(text[:_MAX_LENGTH]):
        return None, [*problems, here.note(_LEFT)]
    uri, more = _stun_server(text, here)
    return uri, problems + more


def _check_turn_server(value: Any, where: Where) -> Iterator[Problem]:
    """Warn about a TURN_SERVER that every container of every desktop gets; never quote it."""
    if value is None:
        return
    better = "remove it, and write webrtc.coturn and webrtc.desktop: { 'turn': True }"
    text = _TEMPLATE.sub(_FILLED, value[:_MAX_LENGTH]) if isinstance(value, str) else None
    match = _GSTREAMER_TURN.fullmatch(text) if text is not None else None
    password = match["password"] if match else None
    if text and _FILLED in text and (not password or _FILLED in password):
        yield where.note(_LEFT)
    elif value == "":
        yield where.warning(f"is empty, which breaks webrtcbin's pipeline; {better}")
    elif match is None:
        right = "turn://user:password@host:port"
        message = f"is not in GStreamer's form, {right}, so it gives no relay"
        yield where.warning(f"{message}, while every container of every desktop gets it; {better}")
    elif password:
        message = (
            "has a password that never expires, which every container of every desktop gets and "
            f"its user can read; {better}, for a login that expires"
        )
        yield where.warning(message)
    else:
        yield where.warning(f"has no user and password, so it gives no relay; {better}")


def _wrong_form(value: Any) -> str:
    """Say what is wrong with a STUN_SERVER, and which form GStreamer reads."""
    right = "'stun://stun.domain.local:3478'"
    if value == "":
        return f"is empty, which breaks webrtcbin's pipeline; remove it, or write {right}"
    text = value if isinstance(value, str) else ""
    if text.startswith("stuns:"):
        return f"is stuns, which webrtcbin does not speak; write {right}"
    if text.startswith("stun:"):
        return f"is in the browser's form; GStreamer's has '//', such as {right}"
    return f"must be in GStreamer's form, such as {right}"
