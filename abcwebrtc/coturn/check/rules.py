"""What is wrong in a turnserver.conf by itself: options that cancel each other, and openness.

Pure. What the options do together was tried with coturn 4.6.1 and 4.18.0.
"""

from __future__ import annotations

from abcwebrtc.coturn.check.limits import check_limits
from abcwebrtc.coturn.check.login import check_login
from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.check.peers import check_peers
from abcwebrtc.coturn.check.versions import check_versions
from abcwebrtc.coturn.conf import STALE_NONCE, TOTAL_QUOTA
from abcwebrtc.coturn.options import DTLS_ON_DEMAND, INVERTED

_CHECKS = (check_versions, check_login, check_limits, check_peers)


def check_rules(notes: Notes) -> None:
    """Note what is wrong, or unwise, in a turnserver.conf whatever od.config says."""
    for check in (*_CHECKS, _contradictions, _openness, _dangers):
        check(notes)


def _contradictions(notes: Notes) -> None:
    conf = notes.conf
    if conf.on("no-udp-relay") and conf.on("no-tcp-relay"):
        notes.error("no-udp-relay", "stands beside no-tcp-relay: coturn does not start")
    elif conf.on("no-udp-relay"):
        notes.error("no-udp-relay", "leaves no relay for sound, which is UDP; remove it")
    if conf.on("stun-only"):
        notes.error("stun-only", "turns TURN off; remove it")
    no_dtls = conf.on("no-dtls") or notes.version >= DTLS_ON_DEMAND
    if conf.all("cert", "pkey") and conf.on("no-tls") and no_dtls:
        notes.warn("no-tls", "leaves the certificate without use")
    if all(conf.on(name) for name in ("no-tlsv1", "no-tlsv1_1", "no-tlsv1_2")):
        notes.error("no-tlsv1_2", "leaves no version of TLS: coturn answers none; remove it")


def _openness(notes: Notes) -> None:
    conf = notes.conf
    if not conf.on("no-multicast-peers"):
        notes.warn("no-multicast-peers", "is missing: users can relay to multicast addresses")
    if not conf.number("total-quota", 0):
        what = "is 0, which is no limit" if conf.all("total-quota") else "is missing"
        message = f"{what}, so one user can take every port; write total-quota={TOTAL_QUOTA}"
        notes.warn("total-quota", message)
    nonce = conf.last("stale-nonce")
    if nonce and nonce.value and not nonce.number:
        message = f"is off, so a captured nonce is good for ever; write stale-nonce={STALE_NONCE}"
        notes.warn("stale-nonce", message)
    if conf.on("allow-loopback-peers"):
        notes.warn("allow-loopback-peers", "lets users reach services of this machine; remove it")


def _dangers(notes: Notes) -> None:
    conf = notes.conf
    _console(notes)
    if conf.on("server-relay"):
        notes.error("server-relay", "lets anybody send to a relay, without permission; remove it")
    if conf.on("web-admin"):
        notes.warn("web-admin", "opens a page for administration; remove it")
    for name, tls in (("tlsv1", "1.0"), ("tlsv1_1", "1.1")):
        if conf.on(name):
            notes.warn(name, f"allows TLS {tls}, which is deprecated (RFC 8996); remove it")


def _console(notes: Notes) -> None:
    """Note what opens the console; before 4.7 it is on, and later off unless ``cli`` is set."""
    conf, by_itself = notes.conf, notes.version < INVERTED
    if conf.on("no-cli") if by_itself else not conf.on("cli"):
        return
    name, cure = ("no-cli", "write no-cli instead") if by_itself else ("cli", "remove cli")
    if conf.text("cli-password"):
        message = f"opens a console by telnet, its password stands here; {cure}"
        notes.warn("cli-password", message)
    elif conf.on("allow-loopback-peers"):
        what = "is missing beside" if by_itself else "has no cli-password beside"
        notes.error(name, f"{what} allow-loopback-peers: coturn does not start")
    elif by_itself:
        notes.warn(name, "is missing; coturn then looks for a cli-password, and complains")
    else:
        notes.warn(name, "has no cli-password, so the console stays off; remove it")
