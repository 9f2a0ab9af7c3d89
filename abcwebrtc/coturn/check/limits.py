"""Rules for ports, quotas and rates: whether a call fits into them.

Pure. Measured with coturn 4.6.1 and 4.18.0: each allocation counts ``max-bps``; coturn grants one
while the sum so far is less than ``bps-capacity``, and answers 486 after that. A call takes two.
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
"""Bytes per second of one Opus stream as browsers send it, with the headers of every layer."""
SPEECH = 5_000
"""Below this rate, half of the packets are lost."""


def check_limits(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield ports and limits that leave room for no call, or for a few only."""
    yield from _relay_ports(conf)
    yield from _quotas(conf, coturn)
    yield from _rates(conf)
    yield from _low_ports(conf)


def _relay_ports(conf: KnownConf) -> Iterator[Problem]:
    first = conf.number("min-port", RELAY_PORTS[0])
    last = conf.number("max-port", RELAY_PORTS[1])
    name = "min-port" if conf.all("min-port") else "max-port"
    if first > last:
        message = f"min-port {first} is above max-port {last}, so there is no relay port"
        yield conf.error(name, f"{message}; write a min-port below max-port")
    elif last == first:
        yield conf.error(name, f"leaves one relay port, {first}, and {TWO}; write a wider range")
    inside = [port for _, port in _listening(conf) if first <= port <= last]
    if inside and first <= last:
        message = f"includes {inside[0]}, where coturn listens; exclude it from the relay ports"
        yield conf.warning(name, message)


def _quotas(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    quota = conf.number("total-quota", 0)
    if quota < 0:
        message = "is below 0, so coturn refuses every allocation (486)"
        yield conf.error("total-quota", f"{message}; write total-quota={TOTAL_QUOTA}")
    elif quota == 1:
        yield conf.error("total-quota", f"is 1, and {TWO} (486); write total-quota={TOTAL_QUOTA}")
    if conf.number("user-quota", 0) and not coturn.names_users:
        message = (
            "has no effect while 'username' in od.config is 'timestamp'; write 'username': 'userid'"
        )
        yield conf.warning("user-quota", message)
    elif conf.number("user-quota", 0) == 1:
        message = "allows a user one allocation at a time: a second page, or the desktop, gets 486"
        yield conf.warning("user-quota", f"{message}; write user-quota={USER_QUOTA}")


def _rates(conf: KnownConf) -> Iterator[Problem]:
    rate, capacity = conf.number("max-bps", 0), conf.number("bps-capacity", 0)
    if capacity and not rate:
        message = "needs max-bps: coturn does not start without it; add max-bps, or remove this"
        yield conf.error("bps-capacity", message)
    elif 0 < capacity <= rate:
        message = f"is not above max-bps={rate}, so there is room for one only; {TWO} (486)"
        yield conf.error(
            "bps-capacity", f"{message}; write max-bps times the number of allocations"
        )
    elif 0 < rate < capacity < 10 * rate:
        message = f"has room for {-(-capacity // rate)} allocations of max-bps={rate}; {TWO}"
        yield conf.warning("bps-capacity", message)
    if 0 < rate < OPUS:
        message = f"is bytes per second, and one stream of sound needs {OPUS}: packets are lost; "
        report = conf.error if rate < SPEECH else conf.warning
        yield report("max-bps", f"{message}write max-bps=64000, or remove it")


def _low_ports(conf: KnownConf) -> Iterator[Problem]:
    """Yield ports that need a capability that Debian's unit does not give."""
    if conf.text("proc-user"):
        return  # then coturn starts as root
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
