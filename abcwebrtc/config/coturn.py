"""The ``webrtc.coturn`` entry: TURN servers, typed and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Iterator, List, Mapping, Optional, Set, Tuple

from abcwebrtc.config.problems import (
    UNEXPANDED,
    Where,
    has_error,
    is_unexpanded,
    kind,
    too_many,
    unknown_keys,
)
from abcwebrtc.config.secret_sources import (
    MAX_SECRETS,
    FixedSecrets,
    Secret,
    SecretReader,
    SecretSource,
    secrets_here,
)
from abcwebrtc.config.uris import NO_DTLS, TRANSPORTS, TURN_SCHEMES, IceURI, read_uri
from abcwebrtc.errors import Problem
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
MIN_SECRET_BYTES = 16
MAX_SERVERS, MAX_URLS = 256, 64
"""More than any od.config needs; every browser asks each url."""
TIMESTAMP, USERID, PSEUDONYM = USERNAME_STYLES = ("timestamp", "userid", "pseudonym")

SECRET_KEY = "coturn_static_auth_secret"  # noqa: S105, the name of a key
PSEUDONYM_KEY = "pseudonym_key"
_PLACES = ("", "_file", "_env")
KEYS = (
    *(SECRET_KEY + place for place in _PLACES),
    "ttl",
    "protocol",
    "url",
    "transport",
    "username",
    *(PSEUDONYM_KEY + place for place in _PLACES),
)
_PLACEHOLDER = re.compile(
    rb"change.?me|super.?secret|your.?(secret|coturn)|placeholder|example|^<.*>$", re.IGNORECASE
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|(stuns?|turns?):(?![0-9]+(\?|$))", re.IGNORECASE)
_SEVERAL = re.compile(r"\S[,;\s]+\S")
_KNOWN_SCHEME = re.compile(r"(stuns?|turns?|https?|wss?)(:|://)", re.IGNORECASE)
_QUOTED = re.compile(rb"([\s=].*|.*\s|'.*'|\".*\")", re.DOTALL)
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
}
"""What to write instead of a key that others use, by its letters."""
_FEWER_SECRETS = "list the one in use first, then older ones that must still be accepted"
_INSTEAD = "write the secret itself, or add _file or _env to the key and name a file or variable"
_BARE_PLACEHOLDERS = (b"secret", b"password", b"static-auth-secret", b"north")


@dataclass(frozen=True)
class CoturnServer:
    """One coturn server, as browsers reach it.

    `uris` and their texts `urls` are what browsers get; `ttl` is in seconds;
    `username` is the style of the TURN username, one of `USERNAME_STYLES`;
    `secrets` gives the static auth secrets, newest first. The key of the
    pseudonyms comes from `pseudonym_keys`, or, where that is None, from
    `secrets`.
    """

    uris: Tuple[IceURI, ...]
    ttl: int
    username: str
    secrets: SecretSource
    pseudonym_keys: Optional[SecretSource] = None
    urls: Tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "urls", tuple(map(str, self.uris)))


def parse_coturn(
    value: Any, where: Where, reader: SecretReader, now: float
) -> Tuple[Tuple[CoturnServer, ...], List[Problem]]:
    """Return the servers of ``webrtc.coturn`` that have no errors, and what is wrong."""
    if value is None or value == {}:
        return (), []
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
    for entry, here in entries:
        if not isinstance(entry, Mapping):
            problems.append(here.error(f"must be a dict, not {kind(entry)}"))
            continue
        parser = _Parser(entry, here, reader, now)
        server = parser.parse()
        problems += parser.problems
        servers += [server] if server else []
    return tuple(servers), problems


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


def is_milliseconds(ttl: int) -> bool:
    """Return whether a ttl is clearly meant in milliseconds: round as such, but days in seconds.

    ``3600000`` is an hour, or 41 days and 16 hours; nobody writes the latter.
    """
    return DAY < ttl < _NO_TIME and ttl % (1000 * _ROUND) == 0


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
        if has_error(self.problems) or not secrets:
            return None
        return CoturnServer(uris, ttl, username, secrets, keys)

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
        problems = list(check_ttl(ttl, self._where["ttl"], self._now))
        self.problems += problems
        if not problems and ttl > DAY:
            self._warn(
                "ttl", f"is {ttl} seconds, more than a day: a leaked credential works that long"
            )
        return ttl

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
        """Return the secrets of a key, which are inline, in a file, or in the environment."""
        given = [name + place for place in _PLACES if name + place in self._server]
        if len(given) > 1:
            self._error(given[1], f"is given as well as '{given[0]}'; keep one of them")
        elif not given and name == SECRET_KEY:
            right = f"write coturn's static-auth-secret here, or use {name}_file"
            self._error(name, f"is missing; {right}")
        if len(given) != 1:
            return None
        (key,) = given
        if key == name:
            source = self._inline(key)
        elif not isinstance(self._server[key], str) or not self._server[key]:
            self._error(key, "must be the name of a file or variable, as text")
            return None
        else:
            read = (
                self._reader.from_file if key.endswith("_file") else self._reader.from_environment
            )
            source, problems = read(self._server[key], self._where[key])
            self.problems += problems
        secrets = secrets_here(source) if source else ()
        self._judge(key, secrets)
        return source

    def _inline(self, key: str) -> Optional[SecretSource]:
        items = self._items(key, MAX_SECRETS, _FEWER_SECRETS)
        if not items:
            if not self._server[key]:
                self._error(key, "is an empty list; write at least one secret")
            return None
        reasons = [(_wrong_secret(item, key == PSEUDONYM_KEY), where) for item, where in items]
        wrong = [where.error(reason) for reason, where in reasons if reason]
        if wrong:
            self.problems += wrong
            return None
        return FixedSecrets(tuple(Secret(item) for item, _ in items))

    def _judge(self, key: str, secrets: Tuple[Secret, ...]) -> None:
        """Warn of secrets that are placeholders, weak, or changed by turnserver.conf."""
        many = isinstance(self._server[key], (list, tuple))
        seen: Set[bytes] = set()
        for index, secret in enumerate(secrets):
            where = self._where[key][index] if many else self._where[key]
            value = secret.reveal()
            if value in seen:
                self.problems.append(where.warning("is listed twice; keep one of them"))
                continue
            seen.add(value)
            message = ""
            if is_unexpanded(value.decode("utf-8", "replace")):
                message = f"{UNEXPANDED}; {_INSTEAD}"
            elif _PLACEHOLDER.search(value) or value.lower() in _BARE_PLACEHOLDERS:
                message = "is a placeholder that anybody can guess; make a random one"
            elif len(value) < MIN_SECRET_BYTES:
                message = f"is shorter than {MIN_SECRET_BYTES} characters; make a random one"
            self.problems += [where.warning(message)] if message else []
            if key.startswith(SECRET_KEY) and _QUOTED.fullmatch(value):
                message = (
                    "begins or ends with characters that turnserver.conf drops unless it is quoted"
                )
                self.problems.append(where.warning(message))


def _wrong_secret(value: Any, own: bool) -> str:
    """Return why a value can't be a secret, or "". Never show the value.

    coturn never gets one of your `own`, the pseudonym key.
    """
    if not isinstance(value, str):
        return f"must be text in quotes, not {kind(value)}"
    if not value.strip():
        return "is empty; write " + ("a random text" if own else "coturn's static-auth-secret")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    if re.search(r"[\x00-\x1f\x7f]", value):
        end = "; remove it" if own else ", which turnserver.conf can't hold"
        return "has a control character" + end
    return ""
