"""Target: the HTTP endpoints, through WSGI.

An input is a request as on the wire: a request line, headers, an empty line, and the body. In a
header, ``{good}``, ``{expired}``, ``{stranger}``, ``{unsigned}`` and ``{symmetric}`` stand for
tokens, ``{claims:...}`` for a token in which pyos signed these bytes, and ``{length}`` for the
length of the body.
"""

from __future__ import annotations

import base64
import functools
import hmac
import io
import json
import logging
import re
from random import Random
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import cherrypy
import jwt

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.turn.credentials import verify_turn_credentials
from abcwebrtc.web.rest import create_app, token_identity
from abcwebrtc.web.tokens import LEEWAY, REQUIRED_CLAIMS, UserTokenVerifier
from fuzz.common import MARK, STATIC, assert_silent, splice
from support import claims, public_pem, rsa_key, wsgi_environ

MAX_LENGTH = 2048
RUNS = 400_000
STATUSES = (200, 301, 303, 307, 308, 400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 417, 431)
CREDENTIALS = ("api/webrtc/coturn_rtcconfiguration", "api/webrtc/turn")
FOREVER = 4102444800
"""2100-01-01, in unix seconds."""
_SERVER = {
    "urls": "turn:static.example.org",
    "username": "static",
    "credential": MARK,
}
_ENTRIES = {
    "webrtc.enable": True,
    "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:stun.example.org"}, _SERVER]},
    "webrtc.coturn": {
        "coturn_static_auth_secret": STATIC,
        "ttl": 600,
        "url": "turn.example.org:3478",
        "username": "pseudonym",
    },
}
_PATHS = (
    *("/API/webrtc/coturn_rtcconfiguration", "/API/webrtc/turn?service=turn", "/API/webrtc"),
    *("/API/core/getkeyinfo", "/API/healthz", "/API/version", "/API", "/", "/API/healthz/", "*"),
    *("/%2e%2e/", "//", "/API//webrtc", "/API/webrtc/_identity", "/API/core/_answers", "?a=b"),
    *("/api/webrtc/turn?service=turn&service=turn", "?service=%FF", "/API/webrtc/turn/turn"),
    *("/API/webrtc/answer", "/API/__class__", "/API/default", "/API/index", "?self=1", "?;&=%zz"),
)
_TOKENS = ("{good}", "{expired}", "{stranger}", "{unsigned}", "{symmetric}", "x.y.z", "...", "")
_CLAIMS = (
    json.dumps({**claims("bob"), "exp": FOREVER}),
    json.dumps({**claims("a b"), "exp": FOREVER, "nbf": None}),
    '{"exp":1e400,"nbf":0,"auth":0,"user":{"userid":"a"},"roles":0}',
    '{"exp":"9999999999","nbf":true,"auth":{},"user":{"userid":"\\ud800"},"roles":[]}',
    '{"exp":9999999999,"nbf":0,"auth":{},"user":[],"roles":[]}',
    *("[]", "null", "[[[[[[", "{", '"', "\xff", "1" * 5000, "{}", '{"user":{"userid":""}}'),
)
_HEADERS = (
    *("Content-Type", "Content-Length", "ABCAuthorization", "Host", "Accept", "Cookie", "Range"),
    *("Transfer-Encoding", "Expect", "Accept-Encoding", "Accept-Charset", "If-None-Match"),
    *("If-Modified-Since", "X-Forwarded-Host", "Authorization", "Content-Encoding", "Connection"),
)
FRAGMENTS = (
    *(f"POST {path} HTTP/1.1" for path in _PATHS),
    *(f"GET {path} HTTP/1.0" for path in _PATHS),
    *("HEAD", "OPTIONS", "TRACE", "PUT", "CONNECT", "M-SEARCH", "HTTP/0.9", "HTTP/9.9", ""),
    *_PATHS,
    *(f"ABCAuthorization: Bearer {token}" for token in _TOKENS),
    *(f"ABCAuthorization: bearer {{claims:{text}}}" for text in _CLAIMS),
    *(f"{name}: " for name in _HEADERS),
    *("Content-Length: {length}", "Content-Length: 0", "Content-Length: \xb2", "-1", "+2", "1e1"),
    *("Content-Type: application/json", "text/javascript", "multipart/form-data; boundary=a"),
    *("application/json; charset=utf-9", "application/x-www-form-urlencoded", "; q=\xff", "*/*"),
    *("=?utf-8?q?a?=", "=?utf-9?b?a?=", "=?=?=", "bytes=0-1", "gzip;q=-1", "session_id=../a; a"),
    *(
        "{}",
        "[]",
        '{"provider":"webrtc.enable"}',
        '{"provider":["webrtc.configuration"]}',
        "[" * 99,
    ),
    *('{"provider":{}}', '{"provider":"\\ud800"}', "NaN", "\x00", "\xff", "a=b&c=d", "--a--"),
)
DICTIONARY = FRAGMENTS
_TOKEN = re.compile(
    r"\{(?P<name>good|expired|stranger|unsigned|symmetric)\}|\{claims:(?P<claims>.*)\}"
)
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class Answer(NamedTuple):
    status: int
    headers: List[Tuple[str, str]]
    body: bytes
    log: str


class _Log(logging.Handler):
    """Keep everything that is logged, including tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        formatter = logging.Formatter("%(levelname)s %(message)s")
        self.text += formatter.format(record) + "\n"


@functools.lru_cache(maxsize=None)
def _app() -> Any:
    config = WebRTCConfig.from_mapping(_ENTRIES, {})
    verifier = UserTokenVerifier(rsa_key().public_key())
    return create_app(config, token_identity(verifier))


# tokens


@functools.lru_cache(maxsize=None)
def _named_token(name: str) -> str:
    good = {**claims("alice"), "exp": FOREVER}
    if name == "expired":
        return jwt.encode(claims(ttl=-60), rsa_key(), algorithm="RS256")
    if name == "stranger":
        return jwt.encode(good, rsa_key("stranger"), algorithm="RS256")
    if name == "unsigned":
        return jwt.encode(good, "", algorithm="none")
    if name == "symmetric":  # signed with the public key, as if it were a shared key
        signed = jwt.PyJWS().encode(json.dumps(good).encode(), "x" * 32, algorithm="HS256")
        head = signed.rpartition(".")[0]
        digest = hmac.new(public_pem(), head.encode(), "sha256").digest()
        return f"{head}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
    return jwt.encode(good, rsa_key(), algorithm="RS256")


@functools.lru_cache(maxsize=4096)
def _signed(payload: bytes) -> str:
    return jwt.PyJWS().encode(payload, rsa_key(), algorithm="RS256")


def _token(match: "re.Match[str]") -> str:
    if match.group("name"):
        return _named_token(match.group("name"))
    return _signed(match.group("claims").encode("latin-1"))


def _user(header: str) -> Optional[str]:
    """Return the userid that a header of the input proves, or None."""
    scheme, _, token = header.strip().partition(" ")
    match = _TOKEN.fullmatch(token.strip())
    if scheme.lower() != "bearer" or not match:
        return None
    if match.group("name"):
        return "alice" if match.group("name") == "good" else None
    try:
        given = json.loads(match.group("claims").encode("latin-1"))
        good = given["exp"] is not None and int(given["exp"]) > 1_600_000_000 + LEEWAY
        good = good and not set(REQUIRED_CLAIMS) - set(given)
        user = given["user"]["userid"]
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None
    return user if good and isinstance(user, str) else None


# requests


def check(data: bytes) -> None:
    """Fail if an answer is a 500 or not JSON, shows a secret, or gives a stranger a credential."""
    request = _parse(data.decode("latin-1"))
    if request is None:
        return
    method, path, headers, body = request
    entitled = {_user(value) for name, value in headers if name.lower() == "abcauthorization"}
    sent = {name: _TOKEN.sub(_token, value) for name, value in headers}
    sent = {name: value.replace("{length}", str(len(body))) for name, value in sent.items()}
    answer = _call(method, path, sent, body)
    _check_answer(answer, method)
    tokens = [token for value in sent.values() for token in re.findall(r"ey[\w.-]{99,}", value)]
    assert_silent(answer.log, STATIC, MARK, *tokens)
    if answer.status == 200 and b'"username": ' in answer.body.replace(b'"static"', b""):
        _check_credential(answer, path, entitled)


def _parse(text: str) -> Any:
    head, _, body = text.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    words = first.split(" ")
    if len(words) < 2 or not _NAME.fullmatch(words[0]) or not words[1]:
        return None  # a web server does not pass this on
    headers = []
    for line in lines:
        name, sign, value = line.partition(":")
        if sign and _NAME.fullmatch(name) and not re.search(r"[\r\0]", value):
            headers.append((name, value.strip(" \t")))
    protocol = words[2] if len(words) > 2 and re.fullmatch(r"HTTP/\d\.\d", words[2]) else "HTTP/1.1"
    return words[0], (words[1], protocol), headers, body.encode("latin-1")


def _call(method: str, target: Tuple[str, str], headers: Dict[str, str], body: bytes) -> Answer:
    path, _, query = target[0].partition("?")
    errors = io.StringIO()
    environ = {
        **wsgi_environ(method, path, query, body),
        "SERVER_PROTOCOL": target[1],
        "ACTUAL_SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.errors": errors,
    }
    for name, value in headers.items():
        upper = name.upper().replace("-", "_")
        plain = upper in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[upper if plain else f"HTTP_{upper}"] = value
    log = _Log()
    with _Listening(log):
        status, sent, content = _respond(environ)
    return Answer(status, sent, content, log.text + errors.getvalue())


class _Listening:
    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler
        self._loggers = [logging.getLogger(), cherrypy.log.error_log, cherrypy.log.access_log]

    def __enter__(self) -> None:
        cherrypy.log.screen = False
        for logger in self._loggers:
            logger.addHandler(self._handler)

    def __exit__(self, *_: Any) -> None:
        for logger in self._loggers:
            logger.removeHandler(self._handler)


def _respond(environ: Dict[str, Any]) -> Any:
    started: List[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started[:] = [int(status[:3]), headers]

    chunks = _app()(environ, start_response)
    try:
        content = b"".join(chunks)
    finally:
        getattr(chunks, "close", lambda: None)()
    return (*started, content)


def _check_answer(answer: Answer, method: str) -> None:
    assert answer.status in STATUSES, f"status {answer.status}: {answer.log}"
    assert "Traceback" not in answer.log, answer.log
    for name, value in answer.headers:
        assert not re.search(r"[\r\n\0]", name + value), "a header that is two"
    headers = {name.lower(): value for name, value in answer.headers}
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "abcwebrtc"
    if method != "HEAD":
        assert headers["content-type"].startswith("application/json"), headers
        json.loads(answer.body.decode("utf-8"))
    assert b"Traceback" not in answer.body
    assert_silent(answer.body.decode("utf-8"), STATIC)


def _check_credential(answer: Answer, path: Tuple[str, str], entitled: Any) -> None:
    assert entitled - {None}, "a credential for a stranger"
    # CherryPy merges slashes, as nginx does, and does not need the first
    asked = "/".join(filter(None, path[0].lower().partition("?")[0].split("/")))
    assert asked.startswith(CREDENTIALS), path
    content = json.loads(answer.body.decode("utf-8"))
    entry = content["result"]["iceServers"][-1] if "result" in content else content
    password = entry.get("credential") or entry["password"]
    assert verify_turn_credentials(STATIC, entry["username"], password)
    assert_silent(answer.log, password)


# mutations


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.1:
        token = _random_claims(random).encode("latin-1", "replace")
        return re.sub(rb"\{(claims:[^\n]*|good|expired)\}", lambda _: token, data, count=1)
    return (
        splice(data.decode("latin-1").encode(), random, FRAGMENTS)
        .decode()
        .encode("latin-1", "replace")
    )


def _random_claims(random: Random) -> str:
    """Return claims of which one or two are missing or wrong."""
    made: Dict[str, Any] = {**claims("bob"), "exp": FOREVER, "nbf": 0}
    for name in random.sample([*made, "user"], random.randrange(3)):
        odd = ("", 0, -1, 1.5, None, True, [], {}, "1", FOREVER, [FOREVER], {"userid": "\x00"})
        made[name] = random.choice(odd)
        if random.random() < 0.5:
            del made[name]
    return "{claims:" + json.dumps(made) + "}"


def generate(random: Random) -> bytes:
    """Return a request with a good or bad token."""
    others = (f"{{claims:{text}}}" for text in _CLAIMS)
    token = random.choice(
        (random.choice(_TOKENS), random.choice([*others]), _random_claims(random))
    )
    lines = [f"{random.choice(('POST', 'GET', 'HEAD'))} {random.choice(_PATHS)} HTTP/1.1"]
    lines += ["Host: a", "Content-Type: application/json", "Content-Length: {length}"]
    lines += [f"ABCAuthorization: Bearer {token}"] * (random.random() < 0.8)
    body = random.choice(("{}", '{"provider":"webrtc.enable"}', "[]", ""))
    return "\n".join([*lines, "", body]).encode("latin-1", "replace")
