"""To which peers a coturn relays: what its turnserver.conf denies, and what lifts that again.

Pure. Measured with coturn 4.6.1 and 4.18.0: ``allowed-peer-ip`` wins over ``denied-peer-ip``; a
mapping of ``external-ip`` allows its private half, for which the public one counts; ``0.0.0.0`` and
``::`` allow everything, but for what 4.18 denies whatever the file says; ``no-multicast-peers``
denies 240.0.0.0/4 as well.
"""

from __future__ import annotations

import contextlib
import re
from typing import Iterator, List, NamedTuple

from abcwebrtc.coturn.addresses import (
    DENIED,
    METADATA,
    NEVER,
    VITAL,
    Range,
    covered,
    denied_ranges,
    parse_range,
    range_of,
)
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf_file import Setting, TurnserverFile
from abcwebrtc.coturn.options import STRICT_RANGES, CoturnVersion
from abcwebrtc.errors import Problem

DENIES_BY_ITSELF = CoturnVersion(4, 14)
"""From here on, or 4.13.1, coturn denies `NEVER` without being told."""
_NAME = re.compile(r"(?=[^-]*[A-Za-z])[A-Za-z0-9_.]{1,253}")


class Lift(NamedTuple):
    """A range to which coturn relays though it is denied, and the line that says so."""

    range: Range
    setting: Setting


def ranges(conf: TurnserverFile, name: str) -> List[Range]:
    """Return the ranges of an option that coturn can read."""
    return [setting.range for setting in conf.all(name) if setting.range]


def lifts(conf: TurnserverFile) -> Iterator[Lift]:
    """Yield what lifts denials, in the order of the lines."""
    for setting in conf.all("allowed-peer-ip", "external-ip"):
        found = setting.range if setting.name == "allowed-peer-ip" else None
        if setting.name == "external-ip" and setting.pair:
            found = Range(setting.pair[1], setting.pair[1])
        if found:
            yield Lift(found, setting)


def check_peers(conf: KnownConf) -> Iterator[Problem]:
    """Yield ranges that coturn can't read, denials that are lifted, and those that are missing."""
    for setting in conf.all("denied-peer-ip", "allowed-peer-ip"):
        found = setting.range
        if not setting.value:
            continue  # that is an error already
        if found is None:
            yield _unreadable(conf, setting)
        elif found.unbounded and setting.name == "denied-peer-ip":
            message = (
                "holds every IPv4 address, since coturn takes :: and a last 0.0.0.0 for no bound"
            )
            yield conf.error(setting, message)
        elif not found.unbounded and int(found.first) > int(found.last):
            yield conf.error(setting, "ends before it begins, so it holds no address")
    denied = ranges(conf, "denied-peer-ip")
    yield from _lifted(conf, denied)
    yield from _left_open(conf, denied)


def _unreadable(conf: KnownConf, setting: Setting) -> Problem:
    text, version = setting.text, conf.version
    without = "the range is not denied" if setting.name[0] == "d" else "the range is not allowed"
    effect = f"coturn {version} passes over it: {without}"
    if version >= STRICT_RANGES:
        effect = f"coturn {version} does not start with it"
    if re.fullmatch("[0-9.-]+", text):
        effect = f"coturn reads it as other addresses: {without}"
    elif _NAME.fullmatch(text):
        message = (
            f"is a name, which coturn asks for once, when it starts; without an answer {effect}; "
            "write the address"
        )
        return conf.warning(setting, message)
    message = f"is not first-last, such as 10.0.0.0-10.255.255.255, and {effect}"
    bare = re.sub(r"\s", "", text)
    with contextlib.suppress(ValueError):  # where it is not clear what was meant
        message += f"; write {parse_range(bare) or range_of(bare)}"
    return conf.error(setting, message)


def _lifted(conf: KnownConf, denied: List[Range]) -> Iterator[Problem]:
    """Yield what wins over denials. One network may be the desktops', one address the server's."""
    bounded: List[Range] = []
    for allowed, setting in lifts(conf):
        if allowed.unbounded and setting.name == "external-ip":
            message = (
                "maps 0.0.0.0 or ::, which means every address and lifts every denied-peer-ip; "
                "write external-ip=PUBLIC/PRIVATE with this machine's own private address"
            )
            yield conf.error(setting, message)
        elif allowed.unbounded:
            message = (
                "holds every address, since coturn takes :: and 0.0.0.0 for no bound, and lifts "
                "every denied-peer-ip; write the one address, or the smallest network, that is "
                "needed"
            )
            yield conf.error(setting, message)
        else:
            bounded.append(allowed)
            undone = [item for item in denied if allowed.holds(item)]
            if undone and allowed.first != allowed.last:
                message = (
                    f"wins over denied-peer-ip={undone[0]}, of which nothing is left; name the "
                    "smallest network that does"
                )
                report = conf.error if len(undone) > 1 else conf.warning
                yield report(setting, message)
            if allowed.holds(range_of(METADATA)) and conf.version < DENIES_BY_ITSELF:
                yield conf.warning(setting, f"lets users reach {METADATA}, the metadata of clouds")
    for item in denied:
        alone = any(other.holds(item) for other in bounded)
        if int(item.first) < int(item.last) and not alone and covered(item, bounded):
            message = f"lines lift denied-peer-ip={item} together; take out those that nobody needs"
            yield conf.warning("allowed-peer-ip", message)


def _left_open(conf: KnownConf, denied: List[Range]) -> Iterator[Problem]:
    """Yield what is not denied and should be, or that no peer is left, not even another relay."""
    bounded = [item for item in denied if not item.unbounded]
    if covered(range_of("0.0.0.0/0"), bounded) and not list(lifts(conf)):
        message = (
            "denies every IPv4 address, this server too: every call is refused (403); add "
            "allowed-peer-ip with this server's address, or take the ranges that abcwebrtc "
            "turnserver-conf prints"
        )
        yield conf.error("denied-peer-ip", message)
    open_nets = _open(conf, denied)
    if not open_nets:
        return
    vital = [net for net in VITAL if net in open_nets]
    message = "does not deny " + ", ".join(vital or open_nets)
    if not denied:
        message = "is missing, so that whoever has a credential reaches the networks around"
    elif not vital:
        message += ": special addresses, where no browser is, and no desktop but in some clouds"
    elif len(vital) < len(open_nets):
        message += f", and {len(open_nets) - len(vital)} more"
    yield conf.warning("denied-peer-ip", f"{message}; see what abcwebrtc turnserver-conf prints")


def _open(conf: KnownConf, denied: List[Range]) -> List[str]:
    """Return which of `DENIED` are neither denied by a line nor by coturn itself."""
    by_itself = list(NEVER) if conf.version >= DENIES_BY_ITSELF else []
    if not conf.on("allow-loopback-peers"):
        by_itself.append("127.0.0.0/8")
    if conf.on("no-multicast-peers"):
        by_itself.append("240.0.0.0/4")
    shut = [*denied, *map(range_of, by_itself)]
    no_ipv4 = any(item.unbounded for item in denied)
    return [
        text
        for (text, _), (wanted, _) in zip(DENIED, denied_ranges())
        if not (covered(wanted, shut) or (no_ipv4 and wanted.first.version == 4))
    ]
