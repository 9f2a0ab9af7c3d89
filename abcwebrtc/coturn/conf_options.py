"""The options of coturn's turnserver.conf: their names, and what values they take.

The names are those of coturn 4.5.2, 4.6.1 and 4.18.0, as they take them, and those that other
versions or builds know beside. `coturnoptions` says which version has which.
"""

from __future__ import annotations

from typing import Dict, FrozenSet

FLAG, SWITCH, NUMBER, PORT, TEXT, LIST = "flag", "switch", "number", "port", "text", "list"
"""What an option takes: yes or no; nothing (it is on, whatever the value); a
whole number; a port; text, of which the last counts; text, of which all count."""

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


def _table() -> Dict[str, str]:
    kinds = ((FLAG, _FLAGS), (SWITCH, _SWITCHES), (NUMBER, _NUMBERS), (PORT, _PORTS))
    named = {name: kind for kind, names in kinds for name in names.split()}
    named.update(dict.fromkeys(_LISTS.split(), LIST))
    named.update(dict.fromkeys(_TEXTS.split(), TEXT))
    return named


OPTIONS: Dict[str, str] = _table()
"""The kind of every option, by its name. coturn tells upper from lower case."""

DEFAULTED: FrozenSet[str] = frozenset({"stale-nonce", "max-allocate-lifetime", "channel-lifetime"})
"""Numbers that may stand without a value."""

DATABASES = (
    *("userdb", "db", "psql-userdb", "sql-userdb"),
    *("mysql-userdb", "mongo-userdb", "redis-userdb"),
)
"""Options that name a database in which coturn looks for secrets as well."""

_SHORT = """
d listening-device p listening-port L listening-ip i relay-device E relay-ip X external-ip
m relay-threads v verbose V Verbose o daemon f fingerprint a lt-cred-mech z no-auth u user r realm
q user-quota Q total-quota s max-bps B bps-capacity b userdb e psql-userdb M mysql-userdb
N redis-userdb O redis-statsdb l log-file S stun-only C rest-api-separator K keep-address-family
"""
SHORT: Dict[str, str] = dict(zip(_SHORT.split()[::2], _SHORT.split()[1::2]))
"""Options by the letter that stands for them on coturn's command line (turnserver(1))."""
