"""What is wrong in a turnserver.conf by itself: options that cancel each other, and openness.

Pure. What the options do together was tried with coturn 4.6.1.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional, Tuple

from abcwebrtc.errors import Problem
from abcwebrtc.peerranges import VITAL, Range, covered, parse_range, range_of
from abcwebrtc.turnserver import RELAY_PORTS, STALE_NONCE, TOTAL_QUOTA
from abcwebrtc.turnserverfile import Setting, TurnserverFile

LOGIN = ("use-auth-secret", "static-auth-secret", "lt-cred-mech", "no-auth")


class Notes:
    """Collects what is found in one turnserver.conf."""

    def __init__(self, conf: TurnserverFile) -> None:
        self.conf = conf
        self.problems: List[Problem] = []

    def error(self, name: str, message: str, at: Optional[Setting] = None) -> None:
        """Note an error at an option, by default where it was last set."""
        self._note("error", name, message, at)

    def warn(self, name: str, message: str, at: Optional[Setting] = None) -> None:
        """Note something that is allowed but unwise."""
        self._note("warning", name, message, at)

    def note(self, name: str, message: str, at: Optional[Setting] = None) -> None:
        """Note something to know, which is no fault."""
        self._note("note", name, message, at)

    def _note(self, level: str, name: str, message: str, at: Optional[Setting]) -> None:
        setting = at or self.conf.last(name)
        line = setting.line if setting else None
        self.problems.append(Problem(message, name, self.conf.file, line, level))


def check_rules(conf: TurnserverFile) -> Tuple[Problem, ...]:
    """Return what is wrong, or unwise, in a turnserver.conf whatever od.config says."""
    notes = Notes(conf)
    for check in (_login, _contradictions, _relay_ports, _peer_ranges, _openness, _dangers):
        check(notes)
    return tuple(notes.problems)


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


def _login(notes: Notes) -> None:
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
        message = "is missing; coturn 4.6 takes it from static-auth-secret, but write it"
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


def _contradictions(notes: Notes) -> None:
    conf = notes.conf
    if conf.on("no-udp-relay") and conf.on("no-tcp-relay"):
        notes.error("no-udp-relay", "stands beside no-tcp-relay: coturn does not start")
    elif conf.on("no-udp-relay"):
        notes.error("no-udp-relay", "leaves no relay for sound, which is UDP; remove it")
    if conf.number("bps-capacity", 0) and not conf.number("max-bps", 0):
        notes.error("bps-capacity", "needs max-bps: coturn does not start")
    if conf.on("stun-only"):
        notes.error("stun-only", "turns TURN off; remove it")
    if conf.all("cert", "pkey") and conf.on("no-tls") and conf.on("no-dtls"):
        notes.warn("no-tls", "leaves the certificate without use")
    if all(conf.on(name) for name in ("no-tlsv1", "no-tlsv1_1", "no-tlsv1_2")):
        notes.error("no-tlsv1_2", "leaves no version of TLS: coturn 4.6 answers none; remove it")


def _relay_ports(notes: Notes) -> None:
    conf = notes.conf
    first = conf.number("min-port", RELAY_PORTS[0])
    last = conf.number("max-port", RELAY_PORTS[1])
    if first > last:
        name = "min-port" if conf.all("min-port") else "max-port"
        notes.error(name, f"min-port {first} is above max-port {last}: there is no relay port")
    quota = conf.number("total-quota", 0)
    if quota < 0:
        notes.error("total-quota", "is below 0, and coturn refuses every allocation (486)")


def _peer_ranges(notes: Notes) -> None:
    for setting in notes.conf.all("denied-peer-ip", "allowed-peer-ip"):
        found = parse_range(setting.text)
        if found is None:
            notes.error(setting.name, _range_hint(setting), setting)
        elif found.unbounded:
            message = (
                "holds every IPv4 address, since coturn takes :: and a last 0.0.0.0 for no bound"
            )
            notes.error(setting.name, message, setting)
        elif int(found.first) > int(found.last):
            notes.error(setting.name, "ends before it begins, so it holds no address", setting)
    denied, allowed = ranges(notes.conf, "denied-peer-ip"), ranges(notes.conf, "allowed-peer-ip")
    for setting in notes.conf.all("allowed-peer-ip"):
        exception = parse_range(setting.text)
        undone = [item for item in denied if exception and exception.holds(item)]
        if undone:
            message = f"wins over denied-peer-ip={undone[0]}, of which nothing is left"
            # One network may be that of the desktops, several are a slip.
            report = notes.error if len(undone) > 1 else notes.warn
            report("allowed-peer-ip", f"{message}; name the smallest network that does", setting)
    _open_ranges(notes, denied, allowed)


def _range_hint(setting: Setting) -> str:
    message = "is not first-last, such as 10.0.0.0-10.255.255.255, and coturn passes over it"
    try:
        return f"{message}; write {range_of(setting.text)}"
    except ValueError:
        return message


def ranges(conf: TurnserverFile, name: str) -> List[Range]:
    """Return the ranges of an option that coturn can read."""
    found = [parse_range(setting.text) for setting in conf.all(name)]
    return [item for item in found if item]


def _open_ranges(notes: Notes, denied: List[Range], allowed: List[Range]) -> None:
    missing = [net for net in VITAL if not covered(range_of(net), denied)]
    if not notes.conf.on("allow-loopback-peers") and "127.0.0.0/8" in missing:
        missing.remove("127.0.0.0/8")  # coturn refuses it by itself
    if missing:
        message = "does not deny " + ", ".join(missing)
        if not denied:
            message = "is missing, so that whoever has a credential reaches the networks around"
        notes.warn("denied-peer-ip", f"{message}; see what abcwebrtc turnserver-conf prints")
    metadata = range_of("169.254.169.254")
    if any(item.holds(metadata) for item in allowed):
        notes.warn("allowed-peer-ip", "lets users reach 169.254.169.254, the metadata of clouds")


def _openness(notes: Notes) -> None:
    conf = notes.conf
    if not conf.on("no-multicast-peers"):
        notes.warn("no-multicast-peers", "is missing: users can relay to multicast addresses")
    if not conf.number("total-quota", 0):
        message = f"is missing, so one user can take every port; write total-quota={TOTAL_QUOTA}"
        notes.warn("total-quota", message)
    nonce = conf.last("stale-nonce")
    if nonce and nonce.value and not nonce.number:
        message = f"is off, so a captured nonce is good for ever; write stale-nonce={STALE_NONCE}"
        notes.warn("stale-nonce", message)
    if conf.on("allow-loopback-peers"):
        notes.warn("allow-loopback-peers", "lets users reach services of this machine; remove it")


def _dangers(notes: Notes) -> None:
    conf = notes.conf
    if not conf.on("no-cli"):
        if conf.text("cli-password"):
            message = "opens a console by telnet, its password stands here; write no-cli instead"
            notes.warn("cli-password", message)
        elif conf.on("allow-loopback-peers"):
            notes.error("no-cli", "is missing beside allow-loopback-peers: coturn does not start")
        else:
            notes.warn("no-cli", "is missing; coturn then looks for a cli-password, and complains")
    if conf.on("server-relay"):
        notes.error("server-relay", "lets anybody send to a relay, without permission; remove it")
    if conf.on("web-admin"):
        notes.warn("web-admin", "opens a page for administration; remove it")
