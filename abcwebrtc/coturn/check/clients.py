"""Lines of a turnserver.conf that send clients away: redirects, addresses, certificates of theirs.

Pure; which ciphers there are is asked of this machine's OpenSSL. Tried with coturn 4.6.1 and
4.18.0.
"""

from __future__ import annotations

import ssl

from abcwebrtc.coturn.check.addresses import only_ipv6, own_addresses
from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.conf_file import Setting
from abcwebrtc.coturn.options import INVERTED, knows
from abcwebrtc.coturn.server import PLAIN_PORT, TLS_PORT

_ALTERNATES = (
    *("alternate-server", "tls-alternate-server"),
    *("udp-alternate-server", "tcp-alternate-server"),
)
_FAMILY = "allocation-default-address-family"


def check_clients(notes: Notes, has_tls: bool) -> None:
    """Note what keeps clients from an allocation; `has_tls` says whether a url is ``turns``."""
    for setting in notes.conf.all(*_ALTERNATES):
        _alternate(notes, setting)
    _family(notes)
    _client_certificates(notes, has_tls)
    _ciphers(notes, has_tls)


def _alternate(notes: Notes, setting: Setting) -> None:
    host, port = setting.text, ""
    if setting.text.count(":") == 1 or setting.text.startswith("["):
        host, _, port = setting.text.rpartition(":")
    own_ports = {
        notes.conf.number("listening-port", PLAIN_PORT),
        notes.conf.number("tls-listening-port", TLS_PORT),
    }
    same = not port or (port.isdecimal() and int(port) in own_ports)
    if not setting.value or (host.strip("[]") in own_addresses(notes.conf) and same):
        message = "sends every client back to here, so nobody gets an allocation; remove it"
        notes.error(setting.name, message, setting)
    else:
        message = (
            "sends every client to that server (300): there is sound only if it takes the same "
            "credentials and relays; if not, remove it"
        )
        notes.warn(setting.name, message, setting)


def _family(notes: Notes) -> None:
    value = notes.conf.text(_FAMILY)
    if only_ipv6(notes.conf, "relay-ip", "listening-ip"):
        _only_ipv6(notes, value)
    elif value == "ipv6":
        message = "gives relays with IPv6 to clients that ask for none, and browsers don't: where "
        notes.error(_FAMILY, f"{message}it has no such address they get 440; write ipv4")
    elif value and value not in ("ipv4", "keep"):
        notes.warn(_FAMILY, "is neither ipv4, ipv6 nor keep, and coturn passes over it; remove it")


def _only_ipv6(notes: Notes, value: str) -> None:
    """Note that there are no relays of IPv4, which clients get unless they ask for others."""
    has_option = knows(notes.version, _FAMILY)
    keeps = value == "keep" or (not value and notes.conf.on("keep-address-family"))
    from_ipv6 = only_ipv6(notes.conf, "listening-ip")  # so is everybody who comes
    if value == "ipv6" or (keeps and from_ipv6):
        return
    cure = "add a relay-ip of IPv4"
    if has_option:
        cure = f"write {_FAMILY}={'keep' if from_ipv6 else 'ipv6'}"
    elif from_ipv6:
        cure = "write keep-address-family"
    message = (
        f"{'is ' + value if value else 'is missing'}, and relays have IPv6 alone: clients that ask "
        f"for no family, as browsers do, get 440; {cure}"
    )
    notes.error(_FAMILY if has_option else "keep-address-family", message)


def _client_certificates(notes: Notes, has_tls: bool) -> None:
    if not notes.conf.text("CA-file") or not (notes.secures(udp=False) or notes.secures(udp=True)):
        return
    message = (
        "makes coturn demand a certificate of each client, and browsers have none: every turns url "
        "fails; remove it, and put the chain into the file of cert"
    )
    (notes.error if has_tls else notes.warn)("CA-file", message)


def _ciphers(notes: Notes, has_tls: bool) -> None:
    wanted = notes.conf.text("cipher-list")
    if not wanted or _has_ciphers(wanted):
        return
    cure = "remove it, or write a list such as HIGH:!aNULL"
    if notes.version >= INVERTED:
        message = f"has no cipher that OpenSSL knows, so coturn passes over it; {cure}"
        notes.warn("cipher-list", message)
        return
    message = f"has no cipher that OpenSSL knows, so that no client can speak TLS; {cure}"
    (notes.error if has_tls else notes.warn)("cipher-list", message)


def _has_ciphers(wanted: str) -> bool:
    """Say whether OpenSSL finds ciphers in its own format (ciphers(1))."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(wanted)
    except (ssl.SSLError, ValueError):
        return False
    return True
