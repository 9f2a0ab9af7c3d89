"""The ``webrtc.coturn`` entry: TURN servers, typed and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional, Set, Tuple

from abcwebrtc.config.problems import Findings, kind
from abcwebrtc.config.secret_reader import SecretReader
from abcwebrtc.config.secret_sources import (
    FixedSecrets,
    Secret,
    SecretsElsewhere,
    SecretSource,
    secrets_here,
)
from abcwebrtc.config.unexpanded import has_unexpanded, is_unexpanded
from abcwebrtc.config.uris import (
    NO_DTLS,
    TRANSPORTS,
    TURN_SCHEMES,
    IceURI,
    parse_server,
    why_refused,
    why_unwise,
)
from abcwebrtc.errors import KeyPath
from abcwebrtc.times import MAX_EXPIRY, unix_seconds

DEFAULT_TTL = 3600
"""Seconds, as in abcdesktop's documentation."""
DAY = 86400
_WHOLE = re.compile(r"\s*([0-9]{1,15})(?:\.0*)?\s*")
_ROUND = 300
"""Seconds that a ttl is a multiple of; one of whole days is none in milliseconds before day 125."""
MIN_SECRET_BYTES = 16
USERNAME_STYLES = ("timestamp", "userid", "pseudonym")

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
_ADDRESS = "write it into the url: 'url': 'host:port'"
_NO_LOGIN = (
    "abcwebrtc mints a login for each user; "
    "write coturn's static-auth-secret as 'coturn_static_auth_secret'"
)
HINTS: Mapping[str, str] = {
    **dict.fromkeys(("port", "host", "hostname", "server", "address", "ip", "domain"), _ADDRESS),
    **dict.fromkeys(("tlsport", "listeningport", "tlslisteningport", "turnport"), _ADDRESS),
    **dict.fromkeys(("user", "password", "credential", "credentials", "login"), _NO_LOGIN),
    **dict.fromkeys(("realm", "externalip"), "coturn's own setting; write it in turnserver.conf"),
    **dict.fromkeys(("secret", "staticauthsecret", "authsecret"), f"did you mean '{SECRET_KEY}'?"),
    **dict.fromkeys(("expiry", "expires", "lifetime"), "did you mean 'ttl', in seconds?"),
    **dict.fromkeys(("scheme", "tls", "secure"), "write 'protocol': 'turns' for TLS"),
    "uris": "did you mean 'url'?",
    "stun": "write it into webrtc.rtc_configuration",
}
"""What is written for a key that others have, by its letters."""
_UNEXPANDED = (
    "is a variable or a placeholder that nobody fills in: od.config is read as it is; write the "
    "secret itself, or name its file or variable with _file or _env behind the key"
)
_TWICE = "is given twice; keep one of them"
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
    findings: Findings, value: Any, path: KeyPath, reader: SecretReader, now: float
) -> Tuple[CoturnServer, ...]:
    """Return the servers of ``webrtc.coturn``; errors and warnings go to `findings`."""
    if value is None or value == {}:
        return ()
    if isinstance(value, Mapping):
        server = _Parser(findings, value, path, reader, now).parse()
        return (server,) if server else ()
    if not isinstance(value, (list, tuple)):
        findings.error(path, f"must be a dict, or a list of dicts, not {kind(value)}")
        return ()
    servers: List[CoturnServer] = []
    for index, item in enumerate(value):
        if isinstance(item, Mapping):
            server = _Parser(findings, item, (*path, index), reader, now).parse()
            servers += [server] if server else []
        else:
            findings.error((*path, index), f"must be a dict, not {kind(item)}")
    return tuple(servers)


def check_ttl(findings: Findings, path: KeyPath, ttl: Any, now: float) -> Optional[int]:
    """Return a ttl in seconds, or note what is wrong with it and return None."""
    if type(ttl) is not int:
        hint = _hint_of_milliseconds(ttl)
        message = f"must be a whole number of seconds, such as 3600, not {kind(ttl)}{hint}"
        findings.error(path, message)
    elif ttl < 1:
        findings.error(path, "must be 1 second or more, such as 3600")
    elif unix_seconds(now) + ttl > MAX_EXPIRY:
        right = f"not in milliseconds: {ttl // 1000}" if is_milliseconds(ttl) else "such as 3600"
        findings.error(
            path,
            "leads past 2038-01-19, and coturn refuses a credential that expires later; "
            f"the ttl is in seconds, {right}",
        )
    else:
        if is_milliseconds(ttl):
            message = f"looks like milliseconds, and it is in seconds: write {ttl // 1000}"
            findings.warn(path, message)
        return ttl
    return None


def is_milliseconds(ttl: int) -> bool:
    """Say whether a ttl is plainly meant in milliseconds: round as such, and days as seconds.

    ``3600000`` is an hour, or 41 days and 16 hours; nobody writes the latter.
    """
    return ttl > DAY and ttl % (1000 * _ROUND) == 0


def _hint_of_milliseconds(ttl: Any) -> str:
    """Return what to write instead of milliseconds that are text or have a point, or nothing."""
    text = repr(ttl) if isinstance(ttl, float) else ttl
    match = _WHOLE.fullmatch(text) if isinstance(text, str) else None
    number = int(match.group(1)) if match else 0
    return (
        f"; it looks like milliseconds: write {number // 1000}" if is_milliseconds(number) else ""
    )


class _Parser:
    """Parses one server; what is wrong with it goes to the findings."""

    def __init__(
        self,
        findings: Findings,
        server: Mapping[Any, Any],
        path: KeyPath,
        reader: SecretReader,
        now: float,
    ) -> None:
        self._findings = findings
        self._server = server
        self._path = path
        self._reader = reader
        self._now = now

    def parse(self) -> Optional[CoturnServer]:
        """Return the server, or None when there are errors."""
        before = len(self._findings.errors)
        self._findings.unknown_keys(self._path, self._server, KEYS, HINTS)
        uris = self._uris()
        ttl = self._ttl()
        username = self._choice("username", USERNAME_STYLES, "timestamp")
        secrets = self._secrets(SECRET_KEY, required=True)
        keys = self._secrets(PSEUDONYM_KEY, required=False)
        if keys and username != "pseudonym":
            self._warn("username", f"is '{username}', so the pseudonym key is not used")
        if len(self._findings.errors) > before or not (secrets and ttl):
            return None
        return CoturnServer(uris, ttl, username, secrets, keys)

    def _error(self, key: str, message: str) -> None:
        self._findings.error((*self._path, key), message)

    def _warn(self, key: str, message: str) -> None:
        self._findings.warn((*self._path, key), message)

    def _choice(self, key: str, choices: Tuple[str, ...], default: str) -> str:
        value = self._server.get(key, default)
        if value in choices:
            return str(value)
        what = ", the way in which usernames are made" if key == "username" else ""
        self._error(key, "must be " + " or ".join(map(repr, choices)) + what)
        return default

    def _ttl(self) -> Optional[int]:
        path = (*self._path, "ttl")
        ttl = check_ttl(self._findings, path, self._server.get("ttl", DEFAULT_TTL), self._now)
        if ttl and ttl > DAY and not is_milliseconds(ttl):
            self._warn("ttl", f"is {ttl} seconds, more than a day: a leaked credential lasts long")
        return ttl

    def _list(self, key: str) -> List[Any]:
        value = self._server[key]
        return list(value) if isinstance(value, (list, tuple)) else [value]

    def _item_path(self, key: str, index: int) -> KeyPath:
        many = isinstance(self._server[key], (list, tuple))
        return (*self._path, key, index) if many else (*self._path, key)

    def _uris(self) -> Tuple[IceURI, ...]:
        protocol = self._choice("protocol", TURN_SCHEMES, "turn")
        transports = self._transports(protocol)
        if "url" not in self._server or self._server["url"] in ([], ()):
            self._error("url", "is missing; write 'url': 'host:port', your coturn server's address")
            return ()
        uris: List[IceURI] = []
        for index, text in enumerate(self._list("url")):
            uri = self._uri(protocol, text, self._item_path("url", index))
            uris += _expand(uri, transports) if uri else []
        return tuple(dict.fromkeys(uris))

    def _uri(self, protocol: str, text: Any, path: KeyPath) -> Optional[IceURI]:
        if not isinstance(text, str):
            self._findings.error(path, f"must be text such as 'host:3478', not {kind(text)}")
            return None
        if text.strip() not in ("", text):
            self._findings.warn(path, "has a blank at an end, which is left out; take it out")
            text = text.strip()
        scheme = None if _SEVERAL.search(text) else _SCHEME.match(text)
        if scheme:
            # What stands before the slashes may be anything, a secret too.
            known = _KNOWN_SCHEME.fullmatch(scheme.group())
            start = f"begins with '{scheme.group()}'" if known else "has '://' in it"
            message = f"{start}; write host:port alone, the scheme is 'protocol'"
            self._findings.error(path, message)
            return None
        uri: Optional[IceURI] = self._findings.attempt(path, lambda: parse_server(protocol, text))
        for message in why_refused(uri) if uri else ():
            self._findings.error(path, message)
        for message in why_unwise(uri) if uri else ():
            self._findings.warn(path, message)
        return uri

    def _transports(self, protocol: str) -> Tuple[str, ...]:
        if "transport" not in self._server:
            return ()
        given = self._list("transport")
        if not given or any(item not in TRANSPORTS for item in given):
            self._error("transport", "must be 'udp', 'tcp' or the list ['udp', 'tcp']")
            return ()
        if protocol == "turns" and "udp" in given:
            self._warn("transport", NO_DTLS)
        return tuple(dict.fromkeys(given))

    def _secrets(self, name: str, required: bool) -> Optional[SecretSource]:
        given = [name + place for place in _PLACES if name + place in self._server]
        if len(given) > 1:
            self._error(given[1], f"stands beside '{given[0]}'; keep one of them")
        elif given:
            return self._secrets_from(name, given[0])
        elif required:
            self._error(
                name, f"is missing; write coturn's static-auth-secret here, or use {name}_file"
            )
        return None

    def _secrets_from(self, name: str, key: str) -> Optional[SecretSource]:
        source: Optional[SecretSource] = None
        if key == name:
            source = self._inline(key)
        elif not isinstance(self._server[key], str) or not self._server[key]:
            self._error(key, "must be the name of a file or variable, as text")
        elif key.endswith("_file"):
            file = self._server[key]
            path = (*self._path, key)
            source = self._findings.attempt(path, lambda: self._reader.from_file(file))
        else:
            source = self._from_environment(key, self._server[key])
        if isinstance(source, SecretsElsewhere):
            message = f"{source.reason}; it is left unchecked, and has to be where pyos runs"
            self._findings.note((*self._path, key), message)
        values: Set[bytes] = set()
        for index, secret in enumerate(secrets_here(source) if source else ()):
            if secret.reveal() in values:
                self._findings.warn(self._item_path(key, index), _TWICE)
                continue
            values.add(secret.reveal())
            self._judge(self._item_path(key, index), secret.reveal())
            if name == SECRET_KEY and _QUOTED.fullmatch(secret.reveal()):
                message = "begins or ends with what turnserver.conf drops unless it is quoted"
                self._findings.warn(self._item_path(key, index), message)
        return source

    def _from_environment(self, key: str, variable: str) -> Optional[SecretSource]:
        source = self._reader.from_environment(variable)
        if source is None:
            message = "the environment has no such variable, or it is empty; set it"
            right = (
                "must be the name of a variable alone, such as TURN_SECRET, without '$' or braces"
            )
            self._error(key, right if has_unexpanded(variable) else message)
        return source

    def _inline(self, key: str) -> Optional[SecretSource]:
        items = self._list(key)
        if not items:
            self._error(key, "is an empty list; write at least one secret")
            return None
        for index, item in enumerate(items):
            reason = _wrong_secret(item, key == PSEUDONYM_KEY)
            if reason:
                self._findings.error(self._item_path(key, index), reason)
                return None
        return FixedSecrets(tuple(map(Secret, items)))

    def _judge(self, path: KeyPath, value: bytes) -> None:
        warn = self._findings.warn
        if is_unexpanded(value.decode("utf-8", "replace")):
            warn(path, _UNEXPANDED)
        elif _PLACEHOLDER.search(value) or value.lower() in _BARE_PLACEHOLDERS:
            warn(path, "is a placeholder that anybody can guess; make a random one")
        elif len(value) < MIN_SECRET_BYTES:
            warn(path, f"is shorter than {MIN_SECRET_BYTES} characters; make a random one")


def _wrong_secret(value: Any, own: bool) -> str:
    """Return what makes a value no secret, or nothing. Never shows the value.

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
        end = "; take it out" if own else ", which turnserver.conf can't hold"
        return "has a control character" + end
    return ""


def _expand(uri: IceURI, transports: Tuple[str, ...]) -> List[IceURI]:
    """Return a URI once for each transport, or as it is where it names one."""
    if uri.transport or not transports:
        return [uri]
    return [IceURI(uri.scheme, uri.host, uri.port, transport) for transport in transports]
