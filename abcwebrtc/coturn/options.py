"""The options of turnserver.conf: their kinds of value, and which version of coturn has which.

Tried with coturn 4.5.2, 4.6.1 and 4.18.0: which options they accept, and which they log as "Bad
configuration format" or as deprecated. The versions of changes between 4.6.1 and 4.18.0 are from
coturn's change log, which Debian's package contains. It names no version for ``no-dtls``, and 4.10
for ``no-cli``; here both count as deprecated from 4.7 on, and nothing is open without them.
"""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, NamedTuple, Optional

FLAG, SWITCH, NUMBER, PORT, TEXT, LIST = "flag", "switch", "number", "port", "text", "list"
"""What an option takes: yes or no; nothing (it is on whatever the value); a whole number; a port;
text, of which the last counts; text, of which all count."""

_FLAGS = """
lt-cred-mech no-auth verbose Verbose daemon prod no-software-attribute software-attribute
fingerprint check-origin-consistency no-udp no-tcp no-tls no-dtls no-udp-relay no-tcp-relay
stun-only no-stun no-stdout-log syslog simple-log udp-self-balance no-multicast-peers
allow-loopback-peers secure-stun mobility no-cli web-admin web-admin-listen-on-workers
server-relay dh566 dh1066 no-tlsv1 no-tlsv1_1 no-tlsv1_2 keep-address-family log-binding
no-stun-backward-compatibility stun-backward-compatibility response-origin-only-with-rfc5780 oauth
respond-http-unsupported cli dtls tlsv1 tlsv1_1 rfc5780 rfc3489-compatibility
rfc5766-channel-numbers stateless-nonce unauthorized-ratelimit multiplex-peer udp-gso udp-recvmmsg
udp-recvmmsg-log udp-sendmmsg-log drop-invalid-packets drop-invalid-packets-log
include-reason-string raw-public-keys
"""
_SWITCHES = """
use-auth-secret no-auth-pings no-dynamic-ip-list no-dynamic-realms secret-ts-exp-time
new-log-timestamp no-rfc5780 prometheus prometheus-username-labels no-sslv2 no-sslv3
"""
_NUMBERS = """
relay-threads user-quota total-quota max-bps bps-capacity stale-nonce max-allocate-lifetime
channel-lifetime permission-lifetime max-allocate-timeout cli-max-output-sessions ne cpus
unauthorized-ratelimit-rps drain-min-allocations multiplex-peer-max-peers sock-buf-size
"""
_PORTS = """
listening-port tls-listening-port alt-listening-port alt-tls-listening-port tcp-proxy-port
min-port max-port cli-port web-admin-port prometheus-port
multiplex-peer-port
"""
_LISTS = """
static-auth-secret listening-ip relay-ip external-ip user aux-server alternate-server
tls-alternate-server tcp-alternate-server udp-alternate-server allowed-peer-ip denied-peer-ip
"""
_TEXTS = """
listening-device relay-device realm server-name cert pkey pkey-pwd log-file
new-log-timestamp-format rest-api-separator cipher-list pidfile CA-file dh-file proc-user
proc-group cli-ip cli-password web-admin-ip ec-curve-name secret-key-file
allocation-default-address-family acme-redirect syslog-facility userdb db psql-userdb sql-userdb
mysql-userdb mongo-userdb redis-userdb redis-statsdb prometheus-address prometheus-path
log-min-level stateless-nonce-secret
"""


_KINDS = {
    **{FLAG: _FLAGS, SWITCH: _SWITCHES, NUMBER: _NUMBERS, PORT: _PORTS},
    **{TEXT: _TEXTS, LIST: _LISTS},
}
OPTIONS: Dict[str, str] = {name: kind for kind, names in _KINDS.items() for name in names.split()}
"""The kind of every option, by its name. Names are case-sensitive."""

DEFAULTED: FrozenSet[str] = frozenset({"stale-nonce", "max-allocate-lifetime", "channel-lifetime"})
"""Numbers that may be written without a value."""

DATABASES = (
    *("userdb", "db", "psql-userdb", "sql-userdb"),
    *("mysql-userdb", "mongo-userdb", "redis-userdb"),
)
"""Options that name a database in which coturn looks for secrets too."""

_SHORT = """
d listening-device p listening-port L listening-ip i relay-device E relay-ip X external-ip
m relay-threads v verbose V Verbose o daemon f fingerprint a lt-cred-mech z no-auth u user r realm
q user-quota Q total-quota s max-bps B bps-capacity b userdb e psql-userdb M mysql-userdb
N redis-userdb O redis-statsdb l log-file S stun-only C rest-api-separator K keep-address-family
"""
SHORT: Dict[str, str] = dict(zip(_SHORT.split()[::2], _SHORT.split()[1::2]))
"""Options by their letter on coturn's command line (turnserver(1))."""


# versions


class CoturnVersion(NamedTuple):
    """A version, as far as options depend on it: ``(4, 6)`` for coturn 4.6.1."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Return ``4.6``."""
        return f"{self.major}.{self.minor}"

    @property
    def known(self) -> CoturnVersion:
        """The version itself, or `NEWEST` for a later one."""
        return min(self, NEWEST)


OLDEST = CoturnVersion(4, 5)
"""The oldest version that was tried, as 4.5.2."""
USUAL = CoturnVersion(4, 6)
"""The version of Debian 12 and 13, and of Ubuntu 24.04."""
NEWEST = CoturnVersion(4, 18)
"""The newest version that was tried, as 4.18.0."""


def parse_version(text: str) -> Optional[CoturnVersion]:
    """Return the version of a text such as ``4.6`` or ``4.18.0``, None for anything else."""
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(\.[0-9]{1,3}){0,2}", text, re.ASCII)
    return CoturnVersion(int(match.group(1)), int(match.group(2))) if match else None


INVERTED = CoturnVersion(4, 7)
"""From this version on, what ``no-...`` options turned off is off by default."""
STRICT_RANGES = CoturnVersion(4, 11)
"""From this version on, coturn does not start with a range of peers that it can't read."""
CLASSIC_STUN_MENDED = CoturnVersion(4, 10)
"""From `INVERTED` up to this version, nothing makes coturn answer without the magic cookie."""
CLASSIC_STUN = CoturnVersion(4, 16)
"""From this version on, ``rfc3489-compatibility`` makes coturn answer without the magic cookie."""
DTLS_ON_DEMAND = CoturnVersion(4, 17)
"""From this version on, coturn speaks DTLS only if ``dtls`` is set."""

_SINCE = """
4.6 allocation-default-address-family no-rfc5780 no-stun-backward-compatibility
4.6 response-origin-only-with-rfc5780 syslog-facility
4.7 raw-public-keys respond-http-unsupported
4.7 rfc5780 software-attribute stun-backward-compatibility tlsv1 tlsv1_1 prometheus-path
4.8 cpus sock-buf-size
4.10 cli include-reason-string udp-recvmmsg
4.12 multiplex-peer multiplex-peer-max-peers multiplex-peer-port udp-gso
4.12 drop-invalid-packets udp-recvmmsg-log
4.13 udp-sendmmsg-log
4.14 unauthorized-ratelimit unauthorized-ratelimit-rps
4.15 drain-min-allocations log-min-level tcp-alternate-server udp-alternate-server
4.16 rfc3489-compatibility rfc5766-channel-numbers stateless-nonce stateless-nonce-secret
4.17 dtls
4.18 drop-invalid-packets-log
"""
_UNTIL = """
4.7 ne no-dtls no-sslv2 no-sslv3 no-stun-backward-compatibility no-tlsv1 no-tlsv1_1 prod
4.7 secret-ts-exp-time
4.18 drop-invalid-packets
"""


def _versions(text: str) -> Dict[str, CoturnVersion]:
    lines = [line.split() for line in text.strip().split("\n")]
    versions = [(CoturnVersion(*map(int, first.split("."))), names) for first, *names in lines]
    return {name: version for version, names in versions for name in names}


SINCE: Dict[str, CoturnVersion] = _versions(_SINCE)
"""The first version that knows an option. All others are older than 4.5.2."""
UNTIL: Dict[str, CoturnVersion] = _versions(_UNTIL)
"""The first version that no longer knows an option."""


class Deprecated(NamedTuple):
    """An option that a version still accepts: since when, whether it logs an error, and why."""

    since: CoturnVersion
    is_error: bool
    message: str


DEPRECATED: Dict[str, Deprecated] = {
    "no-cli": Deprecated(INVERTED, True, "the console is off unless 'cli' turns it on"),
    "no-rfc5780": Deprecated(INVERTED, False, "RFC 5780 is off unless 'rfc5780' turns it on"),
    "no-software-attribute": Deprecated(
        INVERTED, False, "coturn sends its version only if 'software-attribute' is set"
    ),
    "response-origin-only-with-rfc5780": Deprecated(INVERTED, False, "it is the default"),
    "rfc3489-compatibility": Deprecated(
        CLASSIC_STUN, False, "a later version of coturn will not have it"
    ),
    "keep-address-family": Deprecated(
        CoturnVersion(4, 6), False, "write allocation-default-address-family=keep"
    ),
    "secret-ts-exp-time": Deprecated(OLDEST, False, "it has no effect"),
}
"""Options that still work, or have no effect, and should no longer be used."""


def knows(version: CoturnVersion, name: str) -> bool:
    """Return whether a version of coturn has an option."""
    if name not in OPTIONS or version < SINCE.get(name, version):
        return False
    return name not in UNTIL or version < UNTIL[name]


def deprecation(version: CoturnVersion, name: str) -> Optional[Deprecated]:
    """Return why this version deprecates an option, or None."""
    found = DEPRECATED.get(name)
    return found if found and version >= found.since and knows(version, name) else None
