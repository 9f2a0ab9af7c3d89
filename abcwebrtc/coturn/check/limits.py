"""Ports, quotas and rates of a turnserver.conf: whether a call fits into them.

Pure. Measured with coturn 4.6.1 and 4.18.0: an allocation is given while what is given so far is
less than ``bps-capacity``, each of ``max-bps``; then it is 486. A call takes two allocations.
"""

from __future__ import annotations

from typing import Iterator, Tuple

from abcwebrtc.config.coturn import RELAY_PORTS
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf import FIRST_UNPRIVILEGED, LISTEN_BELOW, TOTAL_QUOTA, TWO, USER_QUOTA
from abcwebrtc.coturn.conf_file import Setting
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem

OPUS = 10_000
"""Bytes per second of one Opus stream as browsers send it, with all that is around it."""
SPEECH = 5_000
"""With less, half of the packets are lost."""


def check_limits(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield ports and limits with which no call, or only a few, can be."""
    yield from _relay_ports(conf)
    yield from _quotas(conf, coturn)
    yield from _rates(conf)
    yield from _low_ports(conf)


def _relay_ports(conf: KnownConf) -> Iterator[Problem]:
    first = conf.number("min-port", RELAY_PORTS[0])
    last = conf.number("max-port", RELAY_PORTS[1])
    name = "min-port" if conf.all("min-port") else "max-port"
    if first > last:
        yield conf.error(name, f"min-port {first} is above max-port {last}: there is no relay port")
    elif last == first:
        yield conf.error(name, f"leaves one relay port, {first}, and {TWO}; write a wider range")
    inside = [port for _, port in _listening(conf) if first <= port <= last]
    if inside and first <= last:
        message = f"includes {inside[0]}, where coturn listens; take it out of the relay ports"
        yield conf.warning(name, message)


def _quotas(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    quota = conf.number("total-quota", 0)
    if quota < 0:
        yield conf.error("total-quota", "is below 0, and coturn refuses every allocation (486)")
    elif quota == 1:
        yield conf.error("total-quota", f"is 1, and {TWO} (486); write total-quota={TOTAL_QUOTA}")
    if conf.number("user-quota", 0) and not coturn.names_users:
        message = "does nothing while 'username' in od.config is 'timestamp'; write 'userid' there"
        yield conf.warning("user-quota", message)
    elif conf.number("user-quota", 0) == 1:
        message = "leaves a user one allocation at once: a second page, or the desktop, gets 486"
        yield conf.warning("user-quota", f"{message}; write user-quota={USER_QUOTA}")


def _rates(conf: KnownConf) -> Iterator[Problem]:
    rate, capacity = conf.number("max-bps", 0), conf.number("bps-capacity", 0)
    if capacity and not rate:
        yield conf.error("bps-capacity", "needs max-bps: coturn does not start")
    elif 0 < capacity <= rate:
        message = f"is not above max-bps={rate}, so there is one allocation, and {TWO} (486)"
        yield conf.error(
            "bps-capacity", f"{message}; write max-bps times the number of allocations"
        )
    elif 0 < rate < capacity < 10 * rate:
        message = f"holds {-(-capacity // rate)} allocations of max-bps={rate} at once; {TWO}"
        yield conf.warning("bps-capacity", message)
    if 0 < rate < OPUS:
        message = f"is bytes per second, and one stream of sound has {OPUS}: packets are lost; "
        report = conf.error if rate < SPEECH else conf.warning
        yield report("max-bps", f"{message}write max-bps=64000, or take it out")


def _low_ports(conf: KnownConf) -> Iterator[Problem]:
    """Yield ports that need a right which Debian's unit does not give."""
    if conf.text("proc-user"):
        return  # then coturn is started as root
    for setting, port in _listening(conf):
        if 0 < port < FIRST_UNPRIVILEGED:
            message = f"{port} is below {FIRST_UNPRIVILEGED}, where {LISTEN_BELOW}"
            yield conf.warning(setting, message)


def _listening(conf: KnownConf) -> Iterator[Tuple[Setting, int]]:
    for name in ("listening-port", "tls-listening-port"):
        setting = conf.last(name)
        if setting:
            yield setting, setting.number
    yield from conf.aux_ports()
