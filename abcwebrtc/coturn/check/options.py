"""Options of a turnserver.conf: those of other versions, those that cancel each other, openness.

Pure. What the options do together was tried with coturn 4.6.1 and 4.18.0.
"""

from __future__ import annotations

from typing import Iterator

from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf import STALE_NONCE, TOTAL_QUOTA
from abcwebrtc.coturn.conf_file import Setting, goes_on
from abcwebrtc.coturn.options import (
    CLASSIC_STUN,
    DTLS_ON_DEMAND,
    INVERTED,
    NEWEST,
    OPTIONS,
    PORT,
    SINCE,
    deprecation,
    knows,
)
from abcwebrtc.errors import Problem

_GONE = {
    "no-tlsv1": "TLS 1.0 is off anyway",
    "no-tlsv1_1": "TLS 1.1 is off anyway",
    "no-dtls": "DTLS is off anyway",
    "no-sslv2": "SSL is off anyway",
    "no-sslv3": "SSL is off anyway",
    "no-stun-backward-compatibility": "it is what coturn does anyway",
    "prod": "the version is sent only where 'software-attribute' is set",
    "secret-ts-exp-time": "it had no effect before either",
    "ne": "it chooses by itself",
}
_WRONG = {
    "stun-only": "turns TURN off",
    "server-relay": "lets anybody send to a relay, without permission",
}
_UNWISE = {
    "allow-loopback-peers": "lets users reach services of this machine",
    "web-admin": "opens a page for administration",
    "tlsv1": "allows TLS 1.0, which is deprecated (RFC 8996)",
    "tlsv1_1": "allows TLS 1.1, which is deprecated (RFC 8996)",
}


def check_options(conf: KnownConf) -> Iterator[Problem]:
    """Yield what is wrong, or unwise, with options whatever od.config says."""
    for check in (_versions, _contradictions, _openness, _console):
        yield from check(conf)


def _versions(conf: KnownConf) -> Iterator[Problem]:
    """Yield the options that the version of coturn does not know, and those that it deprecates."""
    for setting in conf.whole.settings:
        name, version = setting.name, conf.version
        if not knows(version, name):
            yield from _unknown(conf, setting)
            continue
        found = deprecation(version, name)
        if found and name != "rfc3489-compatibility":  # what desktops need is no problem
            logs = ", which logs an error" if found.is_error else ""
            message = f"is deprecated in coturn {version}{logs}: {found.message}; remove it"
            yield conf.warning(setting, message)
        # 4.6.1 reads a port up to its last digit
        is_read = OPTIONS[name] == PORT and setting.text[:1].isdecimal()
        if is_read and goes_on(setting.text) and version >= NEWEST:
            message = f"is no port to coturn {version}, which does not start with it; write "
            yield conf.error(setting, f"{message}{setting.number}")


def _unknown(conf: KnownConf, setting: Setting) -> Iterator[Problem]:
    name, version = setting.name, conf.version
    since = SINCE.get(name)
    if name == "no-dtls" and version < DTLS_ON_DEMAND:
        return  # when it went is not known, and coturn does without
    passes = f"coturn {version} does not know it and passes over this line"
    if setting.file:
        passes = f"coturn {version} does not know it and does not start"
    if name == "rfc3489-compatibility" and version < INVERTED:
        reason = "it answers such requests by itself; remove it"
    elif name == "rfc3489-compatibility" and version < CLASSIC_STUN:
        reason = f"write stun-backward-compatibility; coturn {since} and later have this one"
    elif since and version < since:
        reason = f"coturn {since} and later have it; remove it"
    else:
        reason = f"{_GONE.get(name, 'it is gone')}; remove it"
    yield (conf.error if setting.file else conf.warning)(setting, f"{passes}: {reason}")


def _contradictions(conf: KnownConf) -> Iterator[Problem]:
    if conf.on("no-udp-relay") and conf.on("no-tcp-relay"):
        yield conf.error("no-udp-relay", "stands beside no-tcp-relay: coturn does not start")
    elif conf.on("no-udp-relay"):
        yield conf.error("no-udp-relay", "leaves no relay for sound, which is UDP; remove it")
    if conf.all("cert", "pkey") and not conf.has_use_for_certificate:
        yield conf.warning("no-tls", "leaves the certificate without use")
    if all(conf.on(name) for name in ("no-tlsv1", "no-tlsv1_1", "no-tlsv1_2")):
        yield conf.error("no-tlsv1_2", "leaves no version of TLS: coturn answers none; remove it")


def _openness(conf: KnownConf) -> Iterator[Problem]:
    if not conf.on("no-multicast-peers"):
        yield conf.warning(
            "no-multicast-peers", "is missing: users can relay to multicast addresses"
        )
    if not conf.number("total-quota", 0):
        what = "is 0, which is no limit" if conf.all("total-quota") else "is missing"
        message = f"{what}, so one user can take every port; write total-quota={TOTAL_QUOTA}"
        yield conf.warning("total-quota", message)
    nonce = conf.last("stale-nonce")
    if nonce and nonce.value and not nonce.number:
        message = f"is off, so a captured nonce is good for ever; write stale-nonce={STALE_NONCE}"
        yield conf.warning("stale-nonce", message)
    for report, flags in ((conf.error, _WRONG), (conf.warning, _UNWISE)):
        for name, effect in flags.items():
            if conf.on(name):
                yield report(name, f"{effect}; remove it")


def _console(conf: KnownConf) -> Iterator[Problem]:
    """Yield what opens the console; before 4.7 it is on, and later off unless ``cli`` is set."""
    by_itself = conf.version < INVERTED
    if conf.on("no-cli") if by_itself else not conf.on("cli"):
        return
    name, cure = ("no-cli", "write no-cli instead") if by_itself else ("cli", "remove cli")
    if conf.text("cli-password"):
        message = f"opens a console by telnet, its password stands here; {cure}"
        yield conf.warning("cli-password", message)
    elif conf.on("allow-loopback-peers"):
        what = "is missing beside" if by_itself else "has no cli-password beside"
        yield conf.error(name, f"{what} allow-loopback-peers: coturn does not start")
    elif by_itself:
        yield conf.warning(name, "is missing; coturn then looks for a cli-password, and complains")
    else:
        yield conf.warning(name, "has no cli-password, so the console stays off; remove it")
