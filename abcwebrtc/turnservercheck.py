"""Compares a turnserver.conf with a coturn server of od.config: secret, ports, realm, certificate.

Pure; the files that it names are read by the caller. What coturn does with its
listeners was tried with coturn 4.6.1.
"""

from __future__ import annotations

import os
from typing import Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Union

from abcwebrtc.certificates import CERT, KEY, check_certificate
from abcwebrtc.coturnversion import USUAL, CoturnVersion
from abcwebrtc.errors import Problem
from abcwebrtc.peerranges import host_address, range_of
from abcwebrtc.secrets import Secret
from abcwebrtc.turnserver import PLAIN_PORT, TLS_PORT, Relay, default_port
from abcwebrtc.turnserverfile import Setting, TurnserverFile
from abcwebrtc.turnserveroptions import DATABASES
from abcwebrtc.turnserverrules import Notes, check_rules, ranges, wrong_realm
from abcwebrtc.uris import IceURI

Given = Sequence[Tuple[Setting, Secret]]
Content = Union[bytes, str]
"""What is in a file, or, as text, why it can't be read."""

FOLDERS = (
    *("", "turnserver", "coturn", "etc", "etc/turnserver", "etc/coturn"),
    *("/etc", "/etc/turnserver", "/etc/coturn"),
    *("/usr/local/etc", "/usr/local/etc/turnserver", "/usr/local/etc/coturn"),
)
"""Where coturn looks for a file whose name is not absolute."""


def check_turnserver_conf(
    conf: TurnserverFile,
    relay: Relay,
    stun: Sequence[IceURI],
    files: Mapping[str, Content],
    now: float,
    version: CoturnVersion = USUAL,
) -> Tuple[Problem, ...]:
    """Return what is wrong, or unwise, in a turnserver.conf for a coturn of od.config.

    `stun` are the STUN servers of od.config, `files` the contents of the
    certificate and the key by the names of their options (``cert``, ``pkey``),
    as far as `conf` names them. `now` is in unix seconds, `version`
    coturn's. Errors and warnings
    are in the order of the lines; none shows a value that may be secret.
    """
    notes = Notes(conf)
    _secrets(notes, relay)
    _style(notes, relay)
    _realm(notes, relay)
    for uri in relay.uris:
        _url(notes, uri, _has_tls(conf, files))
    _stun(notes, relay, stun)
    _own_address(notes, relay)
    _certificate(notes, relay, files, now)
    found = (*conf.problems, *check_rules(conf), *notes.problems)
    return tuple(sorted(dict.fromkeys(found), key=lambda problem: problem.line or 0))


# secrets


def _secrets(notes: Notes, relay: Relay) -> None:
    settings = notes.conf.all("static-auth-secret")
    for setting in settings:
        if not setting.value:
            message = "is empty, and whoever knows that can sign a credential; write a secret"
            notes.error(setting.name, message, setting)
    given = [(setting, Secret(setting.value)) for setting in settings if setting.value]
    if given and not relay.secrets_are_here:
        message = "is not compared: the secret of od.config is not on this machine"
        notes.note("static-auth-secret", message, given[0][0])
    elif given:
        _compare(notes, given, relay)
    elif not settings:
        _no_secret(notes)


def _compare(notes: Notes, given: Given, relay: Relay) -> None:
    here = [secret for _, secret in given]
    lists = [server.secrets.current() for server in relay.servers]
    missing = [items for items in lists if not _among(items[0], here)]
    for items in missing:
        _first_missing(notes, given, items)
    for setting, secret in given if not missing else ():
        if not _among(secret, relay.secrets):
            message = "is none of those in od.config; remove it once nothing else signs with it"
            notes.warn(setting.name, message, setting)
    for place, secret in ((n, s) for items in lists for n, s in enumerate(items[1:], 2)):
        if not _among(secret, here):
            message = f"secret {place} of od.config is not here, so what it signed is refused"
            notes.warn("static-auth-secret", message)


def _among(secret: Secret, others: Iterable[Secret]) -> bool:
    """Say whether a secret is one of the others, in a time that does not depend on which."""
    return any([secret == other for other in others])  # noqa: C419, no early end


def _no_secret(notes: Notes) -> None:
    databases = notes.conf.all(*DATABASES)
    if databases:
        message = "may hold the secrets, which this can't see; there is no static-auth-secret"
        notes.warn(databases[-1].name, message)
    else:
        message = "is missing; write that of od.config, as abcwebrtc turnserver-conf --output does"
        notes.error("static-auth-secret", message)


def _first_missing(notes: Notes, given: Given, wanted: Sequence[Secret]) -> None:
    """Note that coturn has not the secret that mints, with what it has instead."""
    databases = notes.conf.all(*DATABASES)
    name = "static-auth-secret"
    near = [setting for setting, secret in given if _ends(secret) == _ends(wanted[0])]
    if near:
        message = (
            "is that of od.config but for blanks, quotes, '=' or ';' at its ends; write "
            'static-auth-secret="..." with the secret as od.config has it'
        )
        notes.error(name, message, near[0])
    elif databases:
        message = "is not the first of od.config, which may be in the database; this can't see it"
        notes.warn(name, message, given[0][0])
    elif any(_among(secret, wanted) for _, secret in given):
        message = "is an older one of od.config; the first one, which signs, is missing here"
        notes.error(name, message, given[0][0])
    else:
        for setting, _ in given:
            notes.error(name, "is none of those in od.config: all logins are refused", setting)


def _ends(secret: Secret) -> Secret:
    """Return a secret without what coturn's reader, or a person, may have changed."""
    return Secret(secret.reveal().strip(b" \t\r\n\v\f=;'\"") or b"\0")


def _style(notes: Notes, relay: Relay) -> None:
    separator = notes.conf.text("rest-api-separator")
    if separator and separator[0] != ":" and relay.names_users:
        message = "is not ':', which stands before the name in od.config's usernames"
        notes.error("rest-api-separator", message)
    if notes.conf.number("user-quota", 0) and not relay.names_users:
        message = "does nothing while 'username' in od.config is 'timestamp'; write 'userid' there"
        notes.warn("user-quota", message)


# names and ports


def _realm(notes: Notes, relay: Relay) -> None:
    realm = notes.conf.text("realm").lower()
    if wrong_realm(realm):
        return  # that is an error already
    names = [host for host in relay.hosts if host_address(host) is None]
    if realm and names and not any(f".{host}".endswith(f".{realm}") for host in names):
        message = (
            f"is neither {names[0]}, the host in od.config, nor its domain; clients take any, "
            "but secrets in a database belong to one"
        )
        notes.warn("realm", message)


def _has_tls(conf: TurnserverFile, files: Mapping[str, Content]) -> bool:
    """Say whether coturn can read a certificate and a key; without, it runs without TLS."""
    return all(conf.text(name) and not isinstance(files.get(name), str) for name in (CERT, KEY))


def _url(notes: Notes, uri: IceURI, has_tls: bool) -> None:
    """Note what keeps coturn from answering at a url."""
    conf = notes.conf
    tls = uri.scheme == "turns"
    udp = uri.transport == "udp" if uri.transport else not tls
    open_ports = _open_ports(conf, tls, udp, has_tls)
    off = _switched_off(conf, tls, udp)
    if default_port(uri) in open_ports:
        return
    if off:
        notes.error(off, f"shuts {uri} out, which od.config has; remove it")
    elif tls and not (conf.text(CERT) and conf.text(KEY)):
        name = KEY if conf.text(CERT) else CERT
        notes.error(name, f"is missing, so coturn runs without TLS, and {uri} needs it")
    elif has_tls or not tls:  # else the file that can't be read is an error already
        _wrong_port(notes, uri, open_ports)


def _switched_off(conf: TurnserverFile, tls: bool, udp: bool) -> str:
    """Return the option that turns the way to a url off on every port, or nothing."""
    secure = "no-dtls" if udp else "no-tls"
    plain = "no-udp" if udp else "no-tcp"
    if tls:
        return secure if conf.on(secure) else ""
    if conf.on(plain) and (plain == "no-tcp" or conf.on(secure)):
        return plain
    return ""


def _open_ports(conf: TurnserverFile, tls: bool, udp: bool, has_tls: bool) -> Set[int]:
    """Return the ports where coturn takes what comes to a url.

    Its TLS port is open only where TLS is, and takes plain traffic as well,
    unless ``no-tcp`` is set.
    """
    secure, plain = ("no-dtls", "no-udp") if udp else ("no-tls", "no-tcp")
    secured = has_tls and not conf.on(secure)
    ports: Set[int] = set()
    if not conf.on(plain) and (secured or not tls):
        aux = [setting.text.rpartition(":")[2] for setting in conf.all("aux-server")]
        ports.add(conf.number("listening-port", PLAIN_PORT))
        ports.update(int(port) for port in aux if port.isdecimal())
    if secured and (tls or udp or not conf.on("no-tcp")):
        ports.add(conf.number("tls-listening-port", TLS_PORT))
    return ports


def _wrong_port(notes: Notes, uri: IceURI, open_ports: Set[int]) -> None:
    """Note that coturn does not listen where a url leads."""
    conf = notes.conf
    ports = " and ".join(map(str, sorted(open_ports))) or "no port"
    secure = uri.scheme == "turns" and bool(conf.all("tls-listening-port"))
    name = "tls-listening-port" if secure else "listening-port"
    for off in ("no-tcp", "no-udp"):
        if conf.on(off) and default_port(uri) == conf.number("listening-port", PLAIN_PORT):
            name = off
    message = f"does not fit {uri} of od.config, for which coturn listens on {ports}"
    notes.error(name, f"{message}; make them the same, unless something in front of it forwards")


def _stun(notes: Notes, relay: Relay, stun: Sequence[IceURI]) -> None:
    """Note what turns STUN off where od.config has this server for STUN as well."""
    for name in ("no-stun", "secure-stun"):
        for uri in stun:
            if notes.conf.on(name) and uri.host.strip("[]").rstrip(".").lower() in relay.hosts:
                notes.error(name, f"keeps {uri} of od.config from being answered; remove it")


def _own_address(notes: Notes, relay: Relay) -> None:
    """Note where two relays of this server can't reach each other."""
    denied = ranges(notes.conf, "denied-peer-ip")
    allowed = ranges(notes.conf, "allowed-peer-ip")
    for host in relay.hosts:
        address = host_address(host)
        if not address:
            continue
        own = range_of(str(address))
        if any(item.holds(own) for item in denied) and not any(r.holds(own) for r in allowed):
            message = f"denies {host}, this server: a browser's relay can't reach a desktop's; "
            notes.warn("denied-peer-ip", f"{message}write allowed-peer-ip={host}")


# the certificate


def certificate_files(conf: TurnserverFile, folder: str) -> Mapping[str, Tuple[str, ...]]:
    """Return where the certificate and the key may be: paths by the name of their option.

    A relative name starts in `folder`, the one in which coturn runs, and in
    coturn's own `FOLDERS`.
    """
    return {
        name: tuple(os.path.join(folder, place, conf.text(name)) for place in FOLDERS)
        if not os.path.isabs(conf.text(name))
        else (conf.text(name),)
        for name in (CERT, KEY)
        if conf.text(name)
    }


def _certificate(notes: Notes, relay: Relay, files: Mapping[str, Content], now: float) -> None:
    conf = notes.conf
    if conf.on("no-tls") and conf.on("no-dtls"):
        return
    report = notes.error if relay.has_tls else notes.warn
    for name in (CERT, KEY):
        content = files.get(name)
        if isinstance(content, str):
            message = "coturn then runs without TLS; if it runs elsewhere, name a copy with --cert"
            report(name, f"can't be read: {content}; {message}")
    cert, key = files.get(CERT), files.get(KEY)
    if not isinstance(cert, bytes):
        return
    password = conf.text("pkey-pwd").encode("utf-8", "surrogateescape")
    hosts = _secure_hosts(relay)
    known_key: Optional[bytes] = key if isinstance(key, bytes) else None
    for finding in check_certificate(cert, known_key, password, hosts, now):
        (notes.error if finding.level == "error" else notes.warn)(finding.option, finding.message)


def _secure_hosts(relay: Relay) -> List[str]:
    uris = [uri for uri in relay.uris if uri.scheme == "turns"]
    return list(dict.fromkeys(uri.host.strip("[]").rstrip(".").lower() for uri in uris))
