"""Compares a turnserver.conf with a coturn server of od.config: secret, ports, realm, certificate.

Pure; the files that it names are read by the caller.
"""

from __future__ import annotations

import os
import re
from typing import Collection, Iterable, Mapping, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.addresses import host_address
from abcwebrtc.coturn.certificate import CERT, KEY, check_certificate
from abcwebrtc.coturn.check.addresses import check_addresses
from abcwebrtc.coturn.check.clients import check_clients
from abcwebrtc.coturn.check.login import wrong_realm
from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.check.rules import check_rules
from abcwebrtc.coturn.check.stun import DesktopStun, check_stun
from abcwebrtc.coturn.check.urls import Content, check_url, has_tls_files
from abcwebrtc.coturn.conf import USER_QUOTA
from abcwebrtc.coturn.conf_file import Setting, TurnserverFile
from abcwebrtc.coturn.options import DATABASES, DTLS_ON_DEMAND, USUAL, CoturnVersion
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem

Given = Sequence[Tuple[Setting, Secret]]
FOLDERS = (
    *("", "turnserver", "coturn", "etc", "etc/turnserver", "etc/coturn"),
    *("/etc", "/etc/turnserver", "/etc/coturn"),
    *("/usr/local/etc", "/usr/local/etc/turnserver", "/usr/local/etc/coturn"),
)
"""Where coturn looks for a file whose name is not absolute."""
_IN_DATABASE = "unless coturn's database has it (turnadmin -S shows it)"
"""coturn opens a database also where turnserver.conf names none."""


class Around(NamedTuple):
    """What is around a coturn, beside its turnserver.conf and the urls of od.config.

    `desktop` is the STUN_SERVER of desktops, `proxied` the ports of ``turns``
    urls at which a proxy speaks TLS in coturn's place, `unreadable` the files
    of ``cert`` and ``pkey`` that coturn's user can't read, by their options:
    what keeps it from it, in words.
    """

    desktop: Optional[DesktopStun] = None
    proxied: Collection[int] = ()
    unreadable: Mapping[str, str] = {}


def check_turnserver_conf(
    conf: TurnserverFile,
    coturn: Coturn,
    stun: Sequence[IceURI],
    files: Mapping[str, Content],
    now: float,
    version: CoturnVersion = USUAL,
    around: Optional[Around] = None,
) -> Tuple[Problem, ...]:
    """Return what is wrong, or unwise, in a turnserver.conf for a coturn of od.config.

    `stun` are the STUN servers of od.config, `files` the contents of the
    certificate and the key by the names of their options (``cert``, ``pkey``),
    as far as `conf` names them. `now` is in unix seconds, `version` coturn's.
    The findings are in the order of the lines, those about options of the
    command line at the end; none shows a value that may be secret.
    """
    around = around or Around()
    notes = Notes(conf, version)
    uris = [uri for uri in coturn.uris if not _is_proxied(uri, around)]
    has_tls = any(uri.scheme == "turns" for uri in uris)
    check_rules(notes)
    _secrets(notes, coturn)
    _style(notes, coturn)
    _realm(notes, coturn)
    for uri in uris:
        check_url(notes, uri, has_tls_files(notes.conf, files))
    check_stun(notes, coturn, stun, around.desktop)
    check_addresses(notes, coturn)
    check_clients(notes, has_tls)
    _certificate(notes, uris, files, now)
    _unreadable(notes, around)
    found = dict.fromkeys((*conf.problems, *notes.problems))
    return tuple(sorted(found, key=lambda item: (item.file != conf.file, item.line or 0)))


def _is_proxied(uri: IceURI, around: Around) -> bool:
    return uri.scheme == "turns" and uri.effective_port in around.proxied


# secrets


def _secrets(notes: Notes, coturn: Coturn) -> None:
    settings = notes.conf.all("static-auth-secret")
    for setting in settings:
        if not setting.value:
            message = "is empty, and whoever knows that can sign a credential; write a secret"
            notes.error(setting.name, message, setting)
        elif setting.file:
            message = "is on coturn's command line, where every user of its machine sees it"
            notes.warn(setting.name, f"{message}; write it into the file", setting)
            if _filled_in(setting):
                message = "is not compared: it is a command or a variable, which a shell fills in"
                notes.warn(setting.name, message, setting)
    given = [(item, Secret(item.value)) for item in settings if item.value and not _filled_in(item)]
    if given and not coturn.secrets_are_here:
        message = "is not compared: the secret of od.config is not on this machine"
        notes.note("static-auth-secret", message, given[0][0])
    elif given:
        _compare(notes, given, coturn)
    elif not settings:
        _no_secret(notes)


def _filled_in(setting: Setting) -> bool:
    """Say whether a value of the command line is one that a shell, or Compose, puts there."""
    return bool(setting.file and re.fullmatch(r"\$(\w+|\{.*\}|\(.*\))", setting.text))


def _compare(notes: Notes, given: Given, coturn: Coturn) -> None:
    here = [secret for _, secret in given]
    lists = [server.secrets.current() for server in coturn.servers]
    missing = [items for items in lists if not _among(items[0], here)]
    for items in missing:
        _first_missing(notes, given, items)
    for setting, secret in given if not missing else ():
        if not _among(secret, coturn.secrets):
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
        message = (
            "is missing; write that of od.config, as abcwebrtc turnserver-conf --output does, "
            f"{_IN_DATABASE}"
        )
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
            message = f"is none of those in od.config: all logins are refused, {_IN_DATABASE}"
            notes.error(name, message, setting)


def _ends(secret: Secret) -> Secret:
    """Return a secret without what coturn's reader, or a person, may have changed."""
    return Secret(secret.reveal().strip(b" \t\r\n\v\f=;'\"") or b"\0")


def _style(notes: Notes, coturn: Coturn) -> None:
    separator = notes.conf.text("rest-api-separator")
    if separator and separator[0] != ":" and coturn.names_users:
        message = "is not ':', which stands before the name in od.config's usernames"
        notes.error("rest-api-separator", message)
    if notes.conf.number("user-quota", 0) and not coturn.names_users:
        message = "does nothing while 'username' in od.config is 'timestamp'; write 'userid' there"
        notes.warn("user-quota", message)
    elif notes.conf.number("user-quota", 0) == 1:
        message = "leaves a user one allocation at once: a second page, or the desktop, gets 486"
        notes.warn("user-quota", f"{message}; write user-quota={USER_QUOTA}")


# names and ports


def _realm(notes: Notes, coturn: Coturn) -> None:
    realm = notes.conf.text("realm").lower()
    if wrong_realm(realm):
        return  # that is an error already
    names = [host for host in coturn.hosts if host_address(host) is None]
    if realm and names and not any(f".{host}".endswith(f".{realm}") for host in names):
        message = (
            f"is neither {names[0]}, the host in od.config, nor its domain; clients take any, "
            "but secrets in a database belong to one"
        )
        notes.warn("realm", message)


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


def _certificate(
    notes: Notes, uris: Sequence[IceURI], files: Mapping[str, Content], now: float
) -> None:
    conf = notes.conf
    if conf.on("no-tls") and (conf.on("no-dtls") or notes.version >= DTLS_ON_DEMAND):
        return
    secure = [uri for uri in uris if uri.scheme == "turns"]
    report = notes.error if secure else notes.warn
    for name in (CERT, KEY):
        content = files.get(name)
        if isinstance(content, str):
            message = "coturn then runs without TLS; if it runs elsewhere, name a copy with --cert"
            report(name, f"can't be read: {content}; {message}")
    cert, key = files.get(CERT), files.get(KEY)
    if not isinstance(cert, bytes):
        return
    password = conf.text("pkey-pwd").encode("utf-8", "surrogateescape")
    hosts = list(dict.fromkeys(uri.host_key for uri in secure))
    known_key: Optional[bytes] = key if isinstance(key, bytes) else None
    for problem in check_certificate(cert, known_key, password, hosts, now):
        (notes.error if problem.level == "error" else notes.warn)(problem.path, problem.message)


def _unreadable(notes: Notes, around: Around) -> None:
    for name, reason in around.unreadable.items():
        message = f"can't be read by turnserver, the user of Debian's unit: {reason}"
        notes.warn(name, f"{message}; coturn then runs without TLS")
