"""The ``webrtc.coturn`` entry: TURN servers, typed and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Collection, Iterator, List, Mapping, Optional, Set, Tuple

from abcwebrtc.config.acl import MEANT, Acl, parse_acl
from abcwebrtc.config.coturn_secrets import PLACES, PSEUDONYM_KEY, SECRET_KEY, parse_secrets
from abcwebrtc.config.problems import (
    Where,
    has_error,
    kind,
    read_bool,
    too_many,
    unknown_keys,
)
from abcwebrtc.config.secret_sources import SecretReader, SecretSource
from abcwebrtc.config.uris import NO_DTLS, TRANSPORTS, TURN_SCHEMES, IceURI, read_uri
from abcwebrtc.errors import Problem
from abcwebrtc.texts import is_like_secret
from abcwebrtc.times import MAX_EXPIRY, unix_seconds

DEFAULT_TTL = 3600
"""Seconds, as in abcdesktop's documentation."""
DAY = 86400
RELAY_PORTS = (49152, 65535)
"""coturn's defaults for min-port and max-port: the UDP ports of relays."""
_WHOLE = re.compile(r"\s*([0-9]{1,15})(?:\.0*)?\s*")
_ROUND = 300
"""A ttl in milliseconds is a multiple of this; whole days in seconds are not, before day 125."""
_NO_TIME = 10**15
"""Even in milliseconds this is 31,000 years, so it can't be a time."""
MAX_SERVERS, MAX_URLS = 1024, 64
"""More than any od.config needs."""
MIN_WEIGHT, MAX_WEIGHT = 0.000_001, 1_000_000
TIMESTAMP, USERID, PSEUDONYM = USERNAME_STYLES = ("timestamp", "userid", "pseudonym")

KEYS = (
    *(SECRET_KEY + place for place in PLACES),
    "ttl",
    "protocol",
    "url",
    "transport",
    "username",
    *(PSEUDONYM_KEY + place for place in PLACES),
    "name",
    "weight",
    "acl",
    "drain",
)
_SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|(stuns?|turns?):(?![0-9]+(\?|$))", re.IGNORECASE)
_SEVERAL = re.compile(r"\S[,;\s]+\S")
_KNOWN_SCHEME = re.compile(r"(stuns?|turns?|https?|wss?)(:|://)", re.IGNORECASE)
_ADDRESS = "put it into the url: 'url': 'host:port'"
_NO_LOGIN = (
    "abcwebrtc mints a login for each user; "
    "write coturn's static-auth-secret as 'coturn_static_auth_secret'"
)
_MEANT: Mapping[str, str] = {
    **dict.fromkeys(("port", "host", "hostname", "server", "address", "ip", "domain"), _ADDRESS),
    **dict.fromkeys(("tlsport", "listeningport", "tlslisteningport", "turnport"), _ADDRESS),
    **dict.fromkeys(("user", "password", "credential", "credentials", "login"), _NO_LOGIN),
    **dict.fromkeys(("realm", "externalip"), "coturn's own setting; write it in turnserver.conf"),
    **dict.fromkeys(("secret", "staticauthsecret", "authsecret"), f"did you mean '{SECRET_KEY}'?"),
    **dict.fromkeys(("expiry", "expires", "lifetime"), "did you mean 'ttl', in seconds?"),
    **dict.fromkeys(("scheme", "tls", "secure"), "write 'protocol': 'turns' for TLS"),
    "uris": "did you mean 'url'?",
    "stun": "put it into webrtc.rtc_configuration",
    **dict.fromkeys(("draining", "drained", "disabled"), "did you mean 'drain'?"),
    **MEANT,
}
"""What to write instead of a key that others use, by its letters."""


@dataclass(frozen=True)
class CoturnServer:
    """One coturn server, as browsers reach it.

    `uris` and their texts `urls` are what browsers get; `ttl` is in seconds;
    `username` is the style of the TURN username, one of `USERNAME_STYLES`;
    `secrets` gives the static auth secrets, newest first. The key of the
    pseudonyms comes from `pseudonym_keys`, or, where that is None, from
    `secrets`.

    `name` stands for the server in the choice of servers, in logs and in metrics;
    by default it is the first url. `weight` is its share of the users, in relation
    to other weights. `acl` says who gets it, None that everybody does. A server
    that is `drain` goes to nobody new, and its secrets stay valid.
    """

    uris: Tuple[IceURI, ...]
    ttl: int
    username: str
    secrets: SecretSource
    pseudonym_keys: Optional[SecretSource] = None
    name: str = ""
    weight: float = 1
    acl: Optional[Acl] = None
    drain: bool = False
    urls: Tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", tuple(map(str, self.uris)))
        object.__setattr__(self, "name", self.name or self.urls[0])

    def permits(self, labels: Collection[str]) -> bool:
        """Return whether new calls of a user with these labels may use the server."""
        return not self.drain and (self.acl is None or self.acl.permits(labels))

    @property
    def desktop_uri(self) -> IceURI:
        """The one that a desktop's webrtcbin gets: the first turn URI, else the first turns one."""
        return next((uri for uri in self.uris if uri.scheme == "turn"), self.uris[0])


def parse_coturn(
    value: Any, where: Where, reader: SecretReader, now: float
) -> Tuple[Tuple[CoturnServer, ...], List[Problem]]:
    """Return the servers of ``webrtc.coturn`` that have no errors, and what is wrong."""
    if value is None or value == {}:
        return (), []
    if isinstance(value, Mapping) and _is_dict_of_dicts(value):
        message = "has a dict in each key; for several servers write a list, [ { ... }, { ... } ]"
        return (), [where.error(f"{message}, and their names as 'name'")]
    if isinstance(value, Mapping):
        entries = [(value, where)]
    elif isinstance(value, (list, tuple)):
        wrong = too_many(value, MAX_SERVERS, where, "write fewer servers")
        if wrong:
            return (), wrong
        entries = [(item, where[index]) for index, item in enumerate(value)]
    else:
        return (), [where.error(f"must be a dict, or a list of dicts, not {kind(value)}")]
    servers: List[CoturnServer] = []
    problems: List[Problem] = []
    names: Set[str] = set()
    for entry, here in entries:
        if not isinstance(entry, Mapping):
            problems.append(here.error(f"must be a dict, not {kind(entry)}"))
            continue
        parser = _Parser(entry, here, reader, now)
        server = parser.parse()
        problems += parser.problems
        servers += [server] if server else []
        name: Any = entry.get("name")
        if not _is_server_name(name):
            continue
        if name in names:
            problems.append(here["name"].error("is the name of an earlier server; write another"))
        names.add(name)
    return tuple(servers), problems


def _is_dict_of_dicts(value: Mapping[Any, Any]) -> bool:
    return "acl" not in value and all(isinstance(item, Mapping) for item in value.values())


def check_ttl(ttl: Any, where: Where, now: float) -> Iterator[Problem]:
    """Yield what is wrong with a ttl in seconds."""
    if type(ttl) is not int:
        text = repr(ttl) if isinstance(ttl, float) else ttl
        match = _WHOLE.fullmatch(text) if isinstance(text, str) else None
        number = int(match[1]) if match else 0
        right = f"; it looks like milliseconds: write {number // 1000}"
        message = f"must be a whole number of seconds, such as 3600, not {kind(ttl)}"
        yield where.error(message + (right if is_milliseconds(number) else ""))
    elif ttl < 1:
        yield where.error("must be 1 second or more, such as 3600")
    elif unix_seconds(now) + ttl > MAX_EXPIRY:
        right = f"not in milliseconds: {ttl // 1000}" if is_milliseconds(ttl) else "such as 3600"
        yield where.error(
            "would make credentials expire after 2038-01-19, which coturn refuses; "
            f"the ttl is in seconds, {right}"
        )
    elif is_milliseconds(ttl):
        right = f"write {ttl // 1000}"
        yield where.warning(f"looks like milliseconds, but the ttl is in seconds: {right}")


def check_browser_ttl(ttl: Any, where: Where, now: float) -> List[Problem]:
    """Return what is wrong with the ttl of browsers' credentials, and a warning of a long one."""
    problems = list(check_ttl(ttl, where, now))
    if not problems and ttl > DAY:
        message = f"is {ttl} seconds, more than a day: a leaked credential works that long"
        problems.append(where.warning(message))
    return problems


def is_milliseconds(ttl: int) -> bool:
    """Return whether a ttl is clearly meant in milliseconds: round as such, but days in seconds.

    ``3600000`` is an hour, or 41 days and 16 hours; nobody writes the latter.
    """
    return DAY < ttl < _NO_TIME and ttl % (1000 * _ROUND) == 0


def _is_server_name(value: Any) -> bool:
    return isinstance(value, str) and _SERVER_NAME.fullmatch(value) is not None


class _Parser:
    """Parses one server; afterwards `problems` has what is wrong with it."""

    def __init__(
        self, server: Mapping[Any, Any], where: Where, reader: SecretReader, now: float
    ) -> None:
        self.problems: List[Problem] = list(unknown_keys(server, KEYS, where, _MEANT))
        self._server = server
        self._where = where
        self._reader = reader
        self._now = now

    def parse(self) -> Optional[CoturnServer]:
        """Return the server, or None if there are errors."""
        uris = self._uris()
        ttl = self._ttl()
        username = self._choice("username", USERNAME_STYLES, TIMESTAMP)
        secrets = self._secrets(SECRET_KEY)
        keys = self._secrets(PSEUDONYM_KEY)
        if keys and username != PSEUDONYM:
            self._warn("username", f"is '{username}', so the pseudonym key is not used")
        name, weight = self._name(), self._weight()
        acl, of_acl = parse_acl(self._server, self._where)
        drain, of_drain = read_bool(self._server.get("drain", False), self._where["drain"])
        self.problems += [*of_acl, *of_drain]
        if acl and acl.permits_nobody:
            self._warn(
                "acl", "permits nobody, so nobody gets this server; write 'permit': [ 'all' ]"
            )
        if has_error(self.problems) or not secrets:
            return None
        return CoturnServer(uris, ttl, username, secrets, keys, name, weight, acl, drain)

    def _error(self, key: str, message: str) -> None:
        self.problems.append(self._where[key].error(message))

    def _warn(self, key: str, message: str) -> None:
        self.problems.append(self._where[key].warning(message))

    def _choice(self, key: str, choices: Tuple[str, ...], default: str) -> str:
        value = self._server.get(key, default)
        if value in choices:
            return str(value)
        what = ", the style of usernames" if key == "username" else ""
        self._error(key, "must be " + " or ".join(map(repr, choices)) + what)
        return default

    def _ttl(self) -> int:
        ttl: int = self._server.get("ttl", DEFAULT_TTL)
        self.problems += check_browser_ttl(ttl, self._where["ttl"], self._now)
        return ttl

    def _name(self) -> str:
        name = self._server.get("name", "")
        if "name" in self._server and not _is_server_name(name):
            self._error("name", "must be a short text of letters, digits, '.', '-' and '_'")
            return ""
        if is_like_secret(name):
            self._warn("name", "looks like a secret, and logs and metrics show it; write a name")
        return str(name)

    def _weight(self) -> float:
        weight = self._server.get("weight", 1)
        if type(weight) in (int, float) and MIN_WEIGHT <= weight <= MAX_WEIGHT:
            return float(weight)
        right = "for a server that nobody new should get, write 'drain': True"
        numbers = f"a number from {MIN_WEIGHT:f} to {MAX_WEIGHT:,}"
        self._error("weight", f"must be {numbers}, such as 2; {right}")
        return 1

    def _items(self, key: str, most: int, right: str) -> List[Tuple[Any, Where]]:
        """Yield the items of a key, which has one or a list of them, each with its place.

        There is none where there are too many.
        """
        value, where = self._server[key], self._where[key]
        if isinstance(value, (list, tuple)):
            wrong = too_many(value, most, where, right)
            self.problems += wrong
            value = () if wrong else value
            return [(item, where[index]) for index, item in enumerate(value)]
        return [(value, where)]

    def _uris(self) -> Tuple[IceURI, ...]:
        protocol = self._choice("protocol", TURN_SCHEMES, "turn")
        transports = self._transports(protocol)
        if "url" not in self._server or self._server["url"] in ([], ()):
            self._error(
                "url", "is missing; write 'url': 'host:port' with your coturn server's address"
            )
            return ()
        uris: List[IceURI] = []
        for text, where in self._items("url", MAX_URLS, "write fewer urls"):
            uri = self._uri(protocol, text, where)
            if uri and transports and not uri.transport:
                uris += [replace(uri, transport=transport) for transport in transports]
            elif uri:
                uris.append(uri)
        return tuple(dict.fromkeys(uris))

    def _uri(self, protocol: str, text: Any, where: Where) -> Optional[IceURI]:
        if not isinstance(text, str):
            self.problems.append(where.error(f"must be text such as 'host:3478', not {kind(text)}"))
            return None
        if text.strip() not in ("", text):
            message = "begins or ends with whitespace, which is ignored; remove it"
            self.problems.append(where.warning(message))
            text = text.strip()
        scheme = None if _SEVERAL.search(text) else _SCHEME.match(text)
        if scheme:
            # What stands before the slashes may be anything, a secret too.
            known = _KNOWN_SCHEME.fullmatch(scheme.group())
            start = f"begins with '{scheme.group()}'" if known else "has '://' in it"
            message = f"{start}; write host:port alone, and the scheme as 'protocol'"
            self.problems.append(where.error(message))
            return None
        uri, problems = read_uri(text, where, protocol)
        self.problems += problems
        return uri

    def _transports(self, protocol: str) -> Tuple[str, ...]:
        if "transport" not in self._server:
            return ()
        given = self._server["transport"]
        given = given if isinstance(given, (list, tuple)) else [given]
        if not given or any(item not in TRANSPORTS for item in given):
            self._error("transport", "must be 'udp', 'tcp' or the list ['udp', 'tcp']")
            return ()
        if protocol == "turns" and "udp" in given:
            self._warn("transport", NO_DTLS)
        return tuple(dict.fromkeys(given))

    def _secrets(self, name: str) -> Optional[SecretSource]:
        source, problems = parse_secrets(self._server, name, self._where, self._reader)
        self.problems += problems
        return source
