"""What the options for logins in a turnserver.conf come to.

Pure. What the options do together was tried with coturn 4.6.1.
"""

from __future__ import annotations

from typing import Iterable, NamedTuple, Optional

from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.conf_file import Setting

LOGIN = ("use-auth-secret", "static-auth-secret", "lt-cred-mech", "no-auth")


class Login(NamedTuple):
    """What the options for logins come to, in their order.

    `open_by` is the setting that leaves coturn without a login. `starts` is
    False where coturn refuses to run.
    """

    open_by: Optional[Setting]
    starts: bool


def login_of(settings: Iterable[Setting]) -> Login:
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
    return Login(culprit, not (asked and anonymous))


def check_login(notes: Notes) -> None:
    """Note what keeps those out who have a credential, or lets everybody in."""
    conf = notes.conf
    login = login_of(conf.settings)
    uses_secret = bool(conf.all(*LOGIN[:2]))
    if not login.starts:
        notes.error("no-auth", "stands beside options that ask for a login: coturn does not start")
    elif login.open_by:
        message = "turns every login off, also those asked for above: anybody can relay; remove it"
        notes.error(login.open_by.name, message, login.open_by)
    elif not uses_secret:
        message = "is missing, so credentials of od.config are refused; write use-auth-secret"
        notes.error(LOGIN[0], message)
    elif not conf.all(LOGIN[0]):
        message = "is missing; coturn takes it from static-auth-secret, but write it"
        notes.warn(LOGIN[0], message)
    if uses_secret and conf.on("lt-cred-mech"):
        notes.warn(
            "lt-cred-mech", "is part of use-auth-secret, and coturn warns of both; remove it"
        )
    if uses_secret and conf.all("user"):
        notes.warn("user", "can't log in beside use-auth-secret; remove it")
    _realm(notes)


def wrong_realm(realm: str) -> bool:
    """Say whether coturn refuses every login to a realm."""
    return any(char in " \t'\"\\" for char in realm)


def _realm(notes: Notes) -> None:
    if not notes.conf.all("realm"):
        notes.error("realm", "is missing; write realm= and the host of the url")
    elif wrong_realm(notes.conf.text("realm")):
        notes.error(
            "realm", "has a blank, a quote or a backslash: coturn refuses every login (400)"
        )
