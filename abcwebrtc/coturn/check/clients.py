"""Rules for what turns clients away: STUN off, redirects, families, certificates, ciphers.

Pure, except that this machine's OpenSSL says which ciphers exist. Tried with coturn 4.6.1 and
4.18.0. webrtcbin's libnice, up to 0.1.22, sends STUN requests in the form of RFC 3489, without the
magic cookie: coturn 4.6.1 answers them unless ``no-stun-backward-compatibility`` is set, 4.18.0
only with ``rfc3489-compatibility``.
"""

from __future__ import annotations

import ssl
from typing import Iterator, NamedTuple, Optional, Sequence, Set

from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.addresses import host_address
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf_file import Setting
from abcwebrtc.coturn.options import CLASSIC_STUN, CLASSIC_STUN_MENDED, INVERTED, knows
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem

_ALTERNATES = (
    *("alternate-server", "tls-alternate-server"),
    *("udp-alternate-server", "tcp-alternate-server"),
)
_FAMILY = "allocation-default-address-family"


def check_clients(conf: KnownConf, has_tls: bool) -> Iterator[Problem]:
    """Yield what prevents an allocation; `has_tls` says whether a url is ``turns``."""
    for setting in conf.all(*_ALTERNATES):
        yield from _alternate(conf, setting)
    yield from _family(conf)
    yield from _client_certificates(conf, has_tls)
    yield from _ciphers(conf, has_tls)


def _own_addresses(conf: KnownConf) -> Set[str]:
    """Return the addresses that a file gives to coturn, as `ipaddress` writes them."""
    texts = [setting.text for setting in conf.all("listening-ip", "relay-ip")]
    texts += [half for setting in conf.all("external-ip") for half in setting.text.split("/")]
    found = [host_address(text) for text in texts]
    return {str(address) for address in found if address and not address.is_unspecified}


def _alternate(conf: KnownConf, setting: Setting) -> Iterator[Problem]:
    host, port = setting.text, ""
    if setting.text.count(":") == 1 or setting.text.startswith("["):
        host, _, port = setting.text.rpartition(":")
    own_ports = (conf.plain_port, conf.tls_port)
    same = not port or (port.isdecimal() and int(port) in own_ports)
    if not setting.value or (host.strip("[]") in _own_addresses(conf) and same):
        message = "redirects every client to this same server, so nobody gets an allocation"
        yield conf.error(setting, f"{message}; remove it")
    else:
        message = (
            "redirects every client to that server (300): there is sound only if that server "
            "accepts the same credentials and relays; otherwise remove it"
        )
        yield conf.warning(setting, message)


def _family(conf: KnownConf) -> Iterator[Problem]:
    value = conf.text(_FAMILY)
    if _has_only_ipv6(conf, "relay-ip", "listening-ip"):
        yield from _only_ipv6(conf, value)
    elif value == "ipv6":
        message = (
            "makes IPv6 relays for clients that ask for no family, such as browsers: without an "
            "IPv6 relay address they get 440; write ipv4"
        )
        yield conf.error(_FAMILY, message)
    elif value and value not in ("ipv4", "keep"):
        yield conf.warning(_FAMILY, "is not ipv4, ipv6 or keep, so coturn ignores it; remove it")


def _has_only_ipv6(conf: KnownConf, *names: str) -> bool:
    """Return whether the first of these options that is set has IPv6 addresses alone."""
    settings = next(filter(None, map(conf.all, names)), ())
    found = [setting.address for setting in settings if setting.address]
    relays_elsewhere = conf.all("relay-device") and "relay-ip" in names
    if not found or relays_elsewhere:
        return False
    return all(one.version == 6 and not one.is_unspecified for one in found)


def _only_ipv6(conf: KnownConf, value: str) -> Iterator[Problem]:
    """Yield an error where there are no IPv4 relays, the default for clients."""
    has_option = knows(conf.version, _FAMILY)
    keeps = value == "keep" or (not value and conf.on("keep-address-family"))
    from_ipv6 = _has_only_ipv6(conf, "listening-ip")  # then clients come from IPv6 too
    if value == "ipv6" or (keeps and from_ipv6):
        return
    cure = "add an IPv4 relay-ip"
    if has_option:
        cure = f"write {_FAMILY}={'keep' if from_ipv6 else 'ipv6'}"
    elif from_ipv6:
        cure = "write keep-address-family"
    what = f"is {value}" if value in ("ipv4", "keep") else "is invalid" if value else "is missing"
    message = (
        f"{what}, and relays have IPv6 addresses alone: clients that ask for no family, such as "
        f"browsers, get 440; {cure}"
    )
    yield conf.error(_FAMILY if has_option else "keep-address-family", message)


def _client_certificates(conf: KnownConf, has_tls: bool) -> Iterator[Problem]:
    if not (conf.text("CA-file") and conf.has_use_for_certificate):
        return
    message = (
        "makes coturn demand a certificate from each client, and browsers have none: every turns "
        "url fails; remove it, and put the chain into the file of cert"
    )
    yield (conf.error if has_tls else conf.warning)("CA-file", message)


def _ciphers(conf: KnownConf, has_tls: bool) -> Iterator[Problem]:
    wanted = conf.text("cipher-list")
    if not wanted or _has_ciphers(wanted):
        return
    cure = "remove it, or write a list such as HIGH:!aNULL"
    if conf.version >= INVERTED:
        message = f"has no cipher that OpenSSL knows, so coturn ignores it; {cure}"
        yield conf.warning("cipher-list", message)
        return
    message = f"has no cipher that OpenSSL knows, so no client can use TLS; {cure}"
    yield (conf.error if has_tls else conf.warning)("cipher-list", message)


def _has_ciphers(wanted: str) -> bool:
    """Return whether OpenSSL finds a cipher in a list in its format (ciphers(1))."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(wanted)
    except (ssl.SSLError, ValueError):
        return False
    return True


# STUN


_OLD, _BETWEEN, _NEW = (
    *("no-stun-backward-compatibility", "stun-backward-compatibility"),
    "rfc3489-compatibility",
)


class DesktopStun(NamedTuple):
    """The STUN_SERVER of desktops, and whether they have a TURN_SERVER beside it."""

    uri: IceURI
    has_turn: bool = False


def check_stun(
    conf: KnownConf, coturn: Coturn, stun: Sequence[IceURI], desktop: Optional[DesktopStun]
) -> Iterator[Problem]:
    """Yield what turns STUN off where od.config uses this server for STUN too."""
    hosts = {*coturn.hosts, *_own_addresses(conf)}
    uris = [uri for uri in stun if _host(uri) in hosts]
    for name in ("no-stun", "secure-stun"):
        for uri in uris if conf.on(name) else ():
            yield conf.error(name, f"leaves {uri} of od.config without an answer; remove it")
    if desktop is None:
        return
    is_own = _host(desktop.uri) in hosts
    # An address may be this server's where neither file says which addresses it has.
    may_be_own = host_address(desktop.uri.host) and not any(map(host_address, hosts))
    if is_own and conf.on("no-stun"):
        if not uris:
            message = f"leaves the desktops' STUN_SERVER, {desktop.uri}, without an answer"
            yield conf.error("no-stun", f"{message}; remove it")
    elif is_own or may_be_own:
        yield from _classic(conf, desktop, not is_own)


def _host(uri: IceURI) -> str:
    return str(host_address(uri.host) or uri.host_key)


def _classic(conf: KnownConf, desktop: DesktopStun, unsure: bool) -> Iterator[Problem]:
    """Yield what leaves the desktops' STUN requests without an answer."""
    version = conf.version
    report = conf.warning if unsure or desktop.has_turn else conf.error
    asks = (
        f"libnice asks {desktop.uri}, their STUN_SERVER, without the magic cookie (RFC 3489), and "
        f"coturn {version}"
    )
    if unsure:
        asks = f"if {desktop.uri} is this server, {asks}"
    if version < INVERTED and conf.on(_OLD):
        yield report(_OLD, f"leaves desktops without STUN: {asks} then does not answer; remove it")
    elif INVERTED <= version < CLASSIC_STUN_MENDED:
        message = f"does not help, so desktops have no STUN: {asks} never answers"
        yield report(_BETWEEN, f"{message}; install coturn {CLASSIC_STUN_MENDED} or later, or 4.6")
    elif INVERTED <= version < CLASSIC_STUN and not conf.on(_BETWEEN):
        later = f"{_NEW} from coturn {CLASSIC_STUN} on"
        message = f"is missing, so desktops have no STUN: {asks} does not answer without it"
        yield report(_BETWEEN, f"{message}; write {_BETWEEN} ({later})")
    elif version >= CLASSIC_STUN and not conf.on(_NEW):
        message = f"is missing, so desktops have no STUN: {asks} does not answer without it"
        yield report(_NEW, f"{message}; write {_NEW}")
