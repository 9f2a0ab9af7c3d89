"""Rules for options: those of other versions, those that cancel each other, those that open coturn.

Pure. How the options combine was tried with coturn 4.6.1 and 4.18.0.
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
    "no-tlsv1": "TLS 1.0 is off by default",
    "no-tlsv1_1": "TLS 1.1 is off by default",
    "no-dtls": "DTLS is off by default",
    "no-sslv2": "SSL is off by default",
    "no-sslv3": "SSL is off by default",
    "no-stun-backward-compatibility": "it is the default",
    "prod": "coturn sends its version only if 'software-attribute' is set",
    "secret-ts-exp-time": "it never had an effect",
    "ne": "coturn chooses by itself",
}
_WRONG = {
    "stun-only": "turns TURN off",
    "server-relay": "lets anybody send to a relay without permission",
}
_UNWISE = {
    "allow-loopback-peers": "lets users reach services of coturn's own machine",
    "web-admin": "opens an administration page",
    "tlsv1": "allows TLS 1.0, which is deprecated (RFC 8996)",
    "tlsv1_1": "allows TLS 1.1, which is deprecated (RFC 8996)",
}


def check_options(conf: KnownConf) -> Iterator[Problem]:
    """Yield what is wrong or unwise in the options, whatever od.config says."""
    for check in (_versions, _contradictions, _openness, _console):
        yield from check(conf)


def _versions(conf: KnownConf) -> Iterator[Problem]:
    """Yield the options that this version of coturn does not know or deprecates."""
    for setting in conf.whole.settings:
        name, version = setting.name, conf.version
        if not knows(version, name):
            yield from _unknown(conf, setting)
            continue
        found = deprecation(version, name)
        if found and name != "rfc3489-compatibility":  # desktops need that one
            logs = ", which logs an error" if found.is_error else ""
            message = f"is deprecated in coturn {version}{logs}: {found.message}; remove it"
            yield conf.warning(setting, message)
        # coturn 4.6.1 reads the digits and ignores the rest
        is_read = OPTIONS[name] == PORT and setting.text[:1].isdecimal()
        if is_read and goes_on(setting.text) and version >= NEWEST:
            message = f"is not a port, so coturn {version} does not start; write {setting.number}"
            yield conf.error(setting, message)


def _unknown(conf: KnownConf, setting: Setting) -> Iterator[Problem]:
    name, version = setting.name, conf.version
    since = SINCE.get(name)
    if name == "no-dtls" and version < DTLS_ON_DEMAND:
        return  # which version dropped it is not known, and coturn works without it
    effect = f"is unknown to coturn {version}, which ignores this line"
    if setting.file:
        effect = f"is unknown to coturn {version}, which does not start with it"
    if name == "rfc3489-compatibility" and version < INVERTED:
        reason = "that version answers such requests by default; remove it"
    elif name == "rfc3489-compatibility" and version < CLASSIC_STUN:
        reason = f"only coturn {since} and later have it; write stun-backward-compatibility"
    elif since and version < since:
        reason = f"only coturn {since} and later have it; remove it"
    else:
        reason = f"{_GONE.get(name, 'it was removed')}; remove it"
    yield (conf.error if setting.file else conf.warning)(setting, f"{effect}: {reason}")


def _contradictions(conf: KnownConf) -> Iterator[Problem]:
    if conf.on("no-udp-relay") and conf.on("no-tcp-relay"):
        message = "is set together with no-tcp-relay, so coturn does not start; remove it"
        yield conf.error("no-udp-relay", message)
    elif conf.on("no-udp-relay"):
        yield conf.error("no-udp-relay", "leaves no relay for sound, which is UDP; remove it")
    if conf.all("cert", "pkey") and not conf.has_use_for_certificate:
        message = "turns TLS off, so coturn ignores the certificate; remove one or the other"
        yield conf.warning("no-tls", message)
    if all(conf.on(name) for name in ("no-tlsv1", "no-tlsv1_1", "no-tlsv1_2")):
        message = "turns off the last version of TLS, so TLS never works; remove it"
        yield conf.error("no-tlsv1_2", message)


def _openness(conf: KnownConf) -> Iterator[Problem]:
    if not conf.on("no-multicast-peers"):
        message = "is missing, so users can relay to multicast addresses; write no-multicast-peers"
        yield conf.warning("no-multicast-peers", message)
    if not conf.number("total-quota", 0):
        what = "is 0, which means no limit" if conf.all("total-quota") else "is missing"
        message = f"{what}, so one user can take every port; write total-quota={TOTAL_QUOTA}"
        yield conf.warning("total-quota", message)
    nonce = conf.last("stale-nonce")
    if nonce and nonce.value and not nonce.number:
        message = f"is 0, so a captured nonce never expires; write stale-nonce={STALE_NONCE}"
        yield conf.warning("stale-nonce", message)
    for report, flags in ((conf.error, _WRONG), (conf.warning, _UNWISE)):
        for name, effect in flags.items():
            if conf.on(name):
                yield report(name, f"{effect}; remove it")


def _console(conf: KnownConf) -> Iterator[Problem]:
    """Yield what opens the console: on by default before 4.7, later off unless ``cli`` is set."""
    by_itself = conf.version < INVERTED
    if conf.on("no-cli") if by_itself else not conf.on("cli"):
        return
    name, cure = ("no-cli", "write no-cli instead") if by_itself else ("cli", "remove cli")
    if conf.text("cli-password"):
        message = f"opens a telnet console whose password is in this file; {cure}"
        yield conf.warning("cli-password", message)
    elif conf.on("allow-loopback-peers"):
        what = "is missing" if by_itself else "is set without cli-password"
        message = f"{what}, and allow-loopback-peers is set, so coturn does not start"
        yield conf.error(name, f"{message}; {'write no-cli' if by_itself else cure}")
    elif by_itself:
        message = "is missing, so coturn complains that it has no cli-password; write no-cli"
        yield conf.warning(name, message)
    else:
        yield conf.warning(name, "is set without cli-password, so the console stays off; remove it")
