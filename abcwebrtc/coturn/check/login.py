"""Rules for who may log in: the secret, the login options, the realm, the format of usernames.

Pure. How the options combine was tried with coturn 4.6.1.
"""

from __future__ import annotations

import re
from typing import Iterable, Iterator, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.coturn.addresses import host_address
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf_file import Setting
from abcwebrtc.coturn.options import DATABASES
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem

Given = Sequence[Tuple[Setting, Secret]]
LOGIN = ("use-auth-secret", "static-auth-secret", "lt-cred-mech", "no-auth")
_IN_DATABASE = "unless coturn's database has it; abcwebrtc rotate check OD_CONFIG asks coturn"
"""coturn opens a database even if turnserver.conf names none. No message shows its secrets."""


def check_login(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield what locks out clients with a credential, or lets everybody in."""
    yield from _options(conf)
    yield from _realm(conf, coturn)
    yield from _secrets(conf, coturn)
    separator = conf.text("rest-api-separator")
    if separator and separator[0] != ":" and coturn.names_users:
        message = "is not ':', which od.config's usernames have before the user's name; remove it"
        yield conf.error("rest-api-separator", message)


class LoginRule(NamedTuple):
    """What the login options result in, in their order.

    `open_by` is the setting that turns logins off, if one does. `starts` is False
    where coturn refuses to start.
    """

    open_by: Optional[Setting]
    starts: bool


def login_rule(settings: Iterable[Setting]) -> LoginRule:
    """Return what coturn makes of the login options.

    The order matters: ``no-auth=no`` and ``lt-cred-mech=no`` cancel the login options
    before them.
    """
    culprit: Optional[Setting] = None
    asked = anonymous = False
    for setting in settings:
        if setting.name not in LOGIN:
            continue
        asks = setting.name in LOGIN[:2] or (setting.name == LOGIN[2] and setting.on)
        culprit = None if asks else setting
        if setting.name == "no-auth":
            anonymous = setting.on
        else:
            asked = asks
    return LoginRule(culprit, not (asked and anonymous))


def _options(conf: KnownConf) -> Iterator[Problem]:
    login = login_rule(conf.settings)
    uses_secret = bool(conf.all(*LOGIN[:2]))
    if not login.starts:
        message = "is set beside options that require a login, so coturn does not start; remove it"
        yield conf.error("no-auth", message)
    elif login.open_by:
        message = "turns logins off, even those required above, so anybody can relay; remove it"
        yield conf.error(login.open_by, message)
    elif not uses_secret:
        message = "is missing, so coturn refuses od.config's credentials; write use-auth-secret"
        yield conf.error(LOGIN[0], message)
    elif not conf.all(LOGIN[0]):
        message = "is missing; static-auth-secret implies it, but write use-auth-secret too"
        yield conf.warning(LOGIN[0], message)
    if uses_secret and conf.on("lt-cred-mech"):
        message = "is part of use-auth-secret, and coturn warns about having both; remove it"
        yield conf.warning("lt-cred-mech", message)
    if uses_secret and conf.all("user"):
        yield conf.warning("user", "can't log in while use-auth-secret is set; remove it")


def _realm(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    realm = conf.text("realm").lower()
    names = [host for host in coturn.hosts if host_address(host) is None]
    if not conf.all("realm"):
        yield conf.error("realm", f"is missing; write realm={coturn.name}")
    elif any(char in " \t'\"\\" for char in realm):
        message = "has a blank, a quote or a backslash, so coturn refuses every login (400)"
        yield conf.error("realm", f"{message}; write realm={coturn.name}")
    elif realm and names and not any(f".{host}".endswith(f".{realm}") for host in names):
        message = (
            f"is neither {names[0]}, the host in od.config, nor its domain; clients accept any "
            "realm, but a secret in coturn's database belongs to one"
        )
        yield conf.warning("realm", message)


# secrets


def _secrets(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    settings = conf.all("static-auth-secret")
    for setting in settings:
        if not setting.value:
            message = "is empty, so anybody can sign a credential; write the secret of od.config"
            yield conf.error(setting, message)
        elif setting.file:
            message = "is on coturn's command line, where every user of that machine can see it"
            yield conf.warning(setting, f"{message}; write it into the file")
            if _filled_in(setting):
                message = "was not compared: it is a command or a variable that a shell fills in"
                yield conf.warning(setting, message)
    given = [(item, Secret(item.value)) for item in settings if item.value and not _filled_in(item)]
    if given and not coturn.secrets_are_here:
        message = "was not compared: the secret of od.config is not on this machine"
        yield conf.note(given[0][0], message)
    elif given:
        yield from _compare(conf, given, coturn)
    elif not settings:
        yield from _no_secret(conf)


def _filled_in(setting: Setting) -> bool:
    """Return whether a shell, or Compose, fills in a value of the command line."""
    return bool(setting.file and re.fullmatch(r"\$(\w+|\{.*\}|\(.*\))", setting.text))


def _compare(conf: KnownConf, given: Given, coturn: Coturn) -> Iterator[Problem]:
    here = [secret for _, secret in given]
    lists = [server.secrets.current() for server in coturn.servers]
    missing = [items for items in lists if not _among(items[0], here)]
    for items in missing:
        yield from _first_missing(conf, given, items)
    for setting, secret in given if not missing else ():
        if not _among(secret, coturn.secrets):
            message = "is not a secret of od.config; remove it once nothing else signs with it"
            yield conf.warning(setting, message)
    for place, secret in ((n, s) for items in lists for n, s in enumerate(items[1:], 2)):
        if not _among(secret, here):
            message = (
                f"secret {place} of od.config is missing here, so coturn refuses credentials that "
                "it signed; add it until they have expired"
            )
            yield conf.warning("static-auth-secret", message)


def _among(secret: Secret, others: Iterable[Secret]) -> bool:
    """Return whether a secret is one of the others, in a time that does not depend on which."""
    return any([secret == other for other in others])  # noqa: C419, no early end


def _no_secret(conf: KnownConf) -> Iterator[Problem]:
    databases = conf.all(*DATABASES)
    if databases:
        message = (
            "may hold the secrets, since there is no static-auth-secret; a check of the file can't "
            "see them, but abcwebrtc rotate check OD_CONFIG asks coturn"
        )
        yield conf.warning(databases[-1], message)
    else:
        message = (
            "is missing; write the secret of od.config, as abcwebrtc turnserver-conf OD_CONFIG "
            f"--output FILE does, {_IN_DATABASE}"
        )
        yield conf.error("static-auth-secret", message)


def _first_missing(conf: KnownConf, given: Given, wanted: Sequence[Secret]) -> Iterator[Problem]:
    """Yield that the secret that mints is missing, at the secrets that coturn has instead."""
    databases = conf.all(*DATABASES)
    near = [setting for setting, secret in given if _ends(secret) == _ends(wanted[0])]
    if near:
        message = (
            "differs from the secret of od.config only in blanks, quotes, '=' or ';' at its ends; "
            'write static-auth-secret="..." with the secret as od.config has it'
        )
        yield conf.error(near[0], message)
    elif databases:
        message = (
            "is not the first secret of od.config, which may be in coturn's database; abcwebrtc "
            "rotate check OD_CONFIG asks coturn"
        )
        yield conf.warning(given[0][0], message)
    elif any(_among(secret, wanted) for _, secret in given):
        message = (
            "is an older secret of od.config, and the first one, which signs, is missing here: "
            "coturn refuses all new logins; add the first one"
        )
        yield conf.error(given[0][0], message)
    else:
        for setting, _ in given:
            message = f"is not a secret of od.config: coturn refuses all logins, {_IN_DATABASE}"
            yield conf.error(setting, message)


def _ends(secret: Secret) -> Secret:
    """Return a secret without the characters at its ends that a reader or a person may change."""
    return Secret(secret.reveal().strip(b" \t\r\n\v\f=;'\"") or b"\0")
