"""Who may log in: the secret, the options for logins, the realm, and how usernames are read.

Pure. What the options do together was tried with coturn 4.6.1.
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
"""coturn opens a database also where turnserver.conf names none. No advice prints its secrets."""


def check_login(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield what keeps those out who have a credential, or lets everybody in."""
    yield from _options(conf)
    yield from _realm(conf, coturn)
    yield from _secrets(conf, coturn)
    separator = conf.text("rest-api-separator")
    if separator and separator[0] != ":" and coturn.names_users:
        message = "is not ':', which stands before the name in od.config's usernames"
        yield conf.error("rest-api-separator", message)


class LoginRule(NamedTuple):
    """What the options for logins come to, in their order.

    `open_by` is the setting that leaves coturn without a login. `starts` is
    False where coturn refuses to run.
    """

    open_by: Optional[Setting]
    starts: bool


def login_rule(settings: Iterable[Setting]) -> LoginRule:
    """Return what coturn makes of the options for logins.

    The order counts: ``no-auth=no`` and ``lt-cred-mech=no`` forget what was
    asked for before them.
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
        yield conf.error(
            "no-auth", "stands beside options that ask for a login: coturn does not start"
        )
    elif login.open_by:
        message = "turns every login off, also those asked for above: anybody can relay; remove it"
        yield conf.error(login.open_by, message)
    elif not uses_secret:
        message = "is missing, so credentials of od.config are refused; write use-auth-secret"
        yield conf.error(LOGIN[0], message)
    elif not conf.all(LOGIN[0]):
        message = "is missing; coturn takes it from static-auth-secret, but write it"
        yield conf.warning(LOGIN[0], message)
    if uses_secret and conf.on("lt-cred-mech"):
        yield conf.warning(
            "lt-cred-mech", "is part of use-auth-secret, and coturn warns of both; remove it"
        )
    if uses_secret and conf.all("user"):
        yield conf.warning("user", "can't log in beside use-auth-secret; remove it")


def _realm(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    realm = conf.text("realm").lower()
    names = [host for host in coturn.hosts if host_address(host) is None]
    if not conf.all("realm"):
        yield conf.error("realm", "is missing; write realm= and the host of the url")
    elif any(char in " \t'\"\\" for char in realm):
        message = "has a blank, a quote or a backslash: coturn refuses every login (400)"
        yield conf.error("realm", message)
    elif realm and names and not any(f".{host}".endswith(f".{realm}") for host in names):
        message = (
            f"is neither {names[0]}, the host in od.config, nor its domain; clients take any, "
            "but secrets in a database belong to one"
        )
        yield conf.warning("realm", message)


# secrets


def _secrets(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    settings = conf.all("static-auth-secret")
    for setting in settings:
        if not setting.value:
            message = "is empty, and whoever knows that can sign a credential; write a secret"
            yield conf.error(setting, message)
        elif setting.file:
            message = "is on coturn's command line, where every user of its machine sees it"
            yield conf.warning(setting, f"{message}; write it into the file")
            if _filled_in(setting):
                message = "is not compared: it is a command or a variable, which a shell fills in"
                yield conf.warning(setting, message)
    given = [(item, Secret(item.value)) for item in settings if item.value and not _filled_in(item)]
    if given and not coturn.secrets_are_here:
        message = "is not compared: the secret of od.config is not on this machine"
        yield conf.note(given[0][0], message)
    elif given:
        yield from _compare(conf, given, coturn)
    elif not settings:
        yield from _no_secret(conf)


def _filled_in(setting: Setting) -> bool:
    """Say whether a value of the command line is one that a shell, or Compose, puts there."""
    return bool(setting.file and re.fullmatch(r"\$(\w+|\{.*\}|\(.*\))", setting.text))


def _compare(conf: KnownConf, given: Given, coturn: Coturn) -> Iterator[Problem]:
    here = [secret for _, secret in given]
    lists = [server.secrets.current() for server in coturn.servers]
    missing = [items for items in lists if not _among(items[0], here)]
    for items in missing:
        yield from _first_missing(conf, given, items)
    for setting, secret in given if not missing else ():
        if not _among(secret, coturn.secrets):
            message = "is none of those in od.config; remove it once nothing else signs with it"
            yield conf.warning(setting, message)
    for place, secret in ((n, s) for items in lists for n, s in enumerate(items[1:], 2)):
        if not _among(secret, here):
            message = f"secret {place} of od.config is not here, so what it signed is refused"
            yield conf.warning("static-auth-secret", message)


def _among(secret: Secret, others: Iterable[Secret]) -> bool:
    """Say whether a secret is one of the others, in a time that does not depend on which."""
    return any([secret == other for other in others])  # noqa: C419, no early end


def _no_secret(conf: KnownConf) -> Iterator[Problem]:
    databases = conf.all(*DATABASES)
    if databases:
        message = "may hold the secrets, which this can't see; there is no static-auth-secret"
        yield conf.warning(databases[-1], message)
    else:
        message = (
            "is missing; write that of od.config, as abcwebrtc turnserver-conf --output does, "
            f"{_IN_DATABASE}"
        )
        yield conf.error("static-auth-secret", message)


def _first_missing(conf: KnownConf, given: Given, wanted: Sequence[Secret]) -> Iterator[Problem]:
    """Yield that coturn has not the secret that mints, with what it has instead."""
    databases = conf.all(*DATABASES)
    near = [setting for setting, secret in given if _ends(secret) == _ends(wanted[0])]
    if near:
        message = (
            "is that of od.config but for blanks, quotes, '=' or ';' at its ends; write "
            'static-auth-secret="..." with the secret as od.config has it'
        )
        yield conf.error(near[0], message)
    elif databases:
        message = "is not the first of od.config, which may be in the database; this can't see it"
        yield conf.warning(given[0][0], message)
    elif any(_among(secret, wanted) for _, secret in given):
        message = "is an older one of od.config; the first one, which signs, is missing here"
        yield conf.error(given[0][0], message)
    else:
        for setting, _ in given:
            message = f"is none of those in od.config: all logins are refused, {_IN_DATABASE}"
            yield conf.error(setting, message)


def _ends(secret: Secret) -> Secret:
    """Return a secret without what coturn's reader, or a person, may have changed."""
    return Secret(secret.reveal().strip(b" \t\r\n\v\f=;'\"") or b"\0")
