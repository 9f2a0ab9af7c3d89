"""Rules for the peers to which coturn relays: what its file denies, and what overrides that.

Pure. Measured with coturn 4.6.1 and 4.18.0: ``allowed-peer-ip`` overrides ``denied-peer-ip``; an
``external-ip`` mapping allows its private half, to which coturn maps the public one; ``0.0.0.0``
and ``::`` allow everything except what 4.18 always denies; ``no-multicast-peers`` denies
240.0.0.0/4 too.
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
"""From this version on, or 4.13.1, coturn denies `NEVER` by default."""
_NAME = re.compile(r"(?=[^-]*[A-Za-z])[A-Za-z0-9_.]{1,253}")


class Lift(NamedTuple):
    """A range to which coturn relays even if it is denied, and the line that allows it."""

    range: Range
    setting: Setting


def ranges(conf: TurnserverFile, name: str) -> List[Range]:
    """Return those ranges of an option that coturn can read."""
    return [setting.range for setting in conf.all(name) if setting.range]


def lifts(conf: TurnserverFile) -> Iterator[Lift]:
    """Yield what overrides denials, in line order."""
    for setting in conf.all("allowed-peer-ip", "external-ip"):
        found = setting.range if setting.name == "allowed-peer-ip" else None
        if setting.name == "external-ip" and setting.pair:
            found = Range(setting.pair[1], setting.pair[1])
        if found:
            yield Lift(found, setting)


def check_peers(conf: KnownConf) -> Iterator[Problem]:
    """Yield ranges that coturn can't read, and denials that are overridden or missing."""
    for setting in conf.all("denied-peer-ip", "allowed-peer-ip"):
        found = setting.range
        if not setting.value:
            continue  # `conf_file` reports it
        if found is None:
            yield _unreadable(conf, setting)
        elif found.unbounded and setting.name == "denied-peer-ip":
            message = (
                "denies every IPv4 address, because coturn reads :: and a last 0.0.0.0 as "
                "unbounded; write other bounds, such as ::1"
            )
            yield conf.error(setting, message)
        elif not found.unbounded and int(found.first) > int(found.last):
            message = "ends before it begins, so it contains no address; swap the two"
            yield conf.error(setting, message)
    denied = ranges(conf, "denied-peer-ip")
    yield from _lifted(conf, denied)
    yield from _left_open(conf, denied)


def _unreadable(conf: KnownConf, setting: Setting) -> Problem:
    text, version = setting.text, conf.version
    without = "the range is not denied" if setting.name[0] == "d" else "the range is not allowed"
    effect = f"coturn {version} ignores it, and {without}"
    if version >= STRICT_RANGES:
        effect = f"coturn {version} does not start"
    if re.fullmatch("[0-9.-]+", text):
        effect = f"coturn reads it as other addresses, and {without}"
    elif _NAME.fullmatch(text):
        message = (
            f"is a name, which coturn resolves only once, when it starts; if that fails, {effect}; "
            "write the address"
        )
        return conf.warning(setting, message)
    message = f"is not first-last, such as 10.0.0.0-10.255.255.255, so {effect}"
    bare = re.sub(r"\s", "", text)
    with contextlib.suppress(ValueError):  # where it is not clear what was meant
        message += f"; write {parse_range(bare) or range_of(bare)}"
    return conf.error(setting, message)


def _lifted(conf: KnownConf, denied: List[Range]) -> Iterator[Problem]:
    """Yield what overrides denials; one network may be the desktops', one address the server's."""
    bounded: List[Range] = []
    for allowed, setting in lifts(conf):
        if allowed.unbounded and setting.name == "external-ip":
            message = (
                "maps 0.0.0.0 or ::, which means every address and overrides every denied-peer-ip; "
                "write external-ip=PUBLIC/PRIVATE with the private address of coturn's machine"
            )
            yield conf.error(setting, message)
        elif allowed.unbounded:
            message = (
                "allows every address, because coturn reads :: and 0.0.0.0 as unbounded, and "
                "overrides every denied-peer-ip; write only the address, or the smallest network, "
                "that you need"
            )
            yield conf.error(setting, message)
        else:
            bounded.append(allowed)
            undone = [item for item in denied if allowed.holds(item)]
            if undone and allowed.first != allowed.last:
                message = (
                    f"overrides all of denied-peer-ip={undone[0]}; write the smallest network "
                    "that you need"
                )
                report = conf.error if len(undone) > 1 else conf.warning
                yield report(setting, message)
            if allowed.holds(range_of(METADATA)) and conf.version < DENIES_BY_ITSELF:
                message = f"lets users reach {METADATA}, the metadata service of clouds"
                yield conf.warning(setting, f"{message}; write a network without it")
    for item in denied:
        alone = any(other.holds(item) for other in bounded)
        if int(item.first) < int(item.last) and not alone and covered(item, bounded):
            message = (
                f"lines together override denied-peer-ip={item}; remove those that nobody needs"
            )
            yield conf.warning("allowed-peer-ip", message)


def _left_open(conf: KnownConf, denied: List[Range]) -> Iterator[Problem]:
    """Yield what should be denied and is not, or that every peer is denied, even other relays."""
    bounded = [item for item in denied if not item.unbounded]
    if covered(range_of("0.0.0.0/0"), bounded) and not list(lifts(conf)):
        message = (
            "denies every IPv4 address, even this server's, so coturn refuses every call (403); "
            "add allowed-peer-ip with this server's address, or use the ranges that abcwebrtc "
            "turnserver-conf OD_CONFIG prints"
        )
        yield conf.error("denied-peer-ip", message)
    open_nets = _open(conf, denied)
    if not open_nets:
        return
    vital = [net for net in VITAL if net in open_nets]
    message = "does not deny " + ", ".join(vital or open_nets)
    if not denied:
        message = "is missing, so anybody with a credential reaches the networks around coturn"
    elif not vital:
        message += ": special addresses that no browser has, and desktops only in some clouds"
    elif len(vital) < len(open_nets):
        message += f" and {len(open_nets) - len(vital)} more"
    message += "; use the lines that abcwebrtc turnserver-conf OD_CONFIG prints"
    yield conf.warning("denied-peer-ip", message)


def _open(conf: KnownConf, denied: List[Range]) -> List[str]:
    """Return those of `DENIED` that neither a line nor coturn itself denies."""
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
