"""The operator's test page of ``abcwebrtc serve``, as CherryPy handlers.

``GET /`` is a page that tests sound from the operator's own browser. Its files are in the
folder ``static``. It needs a user token, as the endpoint does, or a session, which a one-time
link opens.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple, Optional, Union
from urllib.parse import urlsplit

import cherrypy

from abcwebrtc import __version__
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import TokenError
from abcwebrtc.probe import causes
from abcwebrtc.web.look import Looks
from abcwebrtc.web.rest import (
    Identity,
    LeftOut,
    answer,
    get_file,
    none_left_out,
    post_json,
    rtc_answer,
)
from abcwebrtc.web.routes import COOKIE
from abcwebrtc.web.tokens import User

OPERATOR = "operator"
"""The userid in the credentials of a session."""
FOLDER = Path(__file__).with_name("static")
OPEN = ("login.js", "style.css", "icon.svg")
"""The files of the login page, which need no login."""

LINK_SECONDS = 600.0
"""How long a link can be used."""
SESSION_SECONDS = 3600.0
"""How long a session lasts, whether it is used or not."""
MAX_SESSIONS = 100
"""One session more than this ends the oldest one."""
_BYTES = 32
"""256 bits can't be guessed, so guesses need not be counted."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class _Link(NamedTuple):
    digest: bytes
    ends_at: float


class OperatorLogin:
    """The current link and the sessions; safe to use from several threads.

    `clock` returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._link: Optional[_Link] = None
        self._sessions: Dict[bytes, float] = {}

    def new_key(self) -> str:
        """Return the key of a new link; an earlier one stops working."""
        key = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._link = _Link(_digest(key), self._clock() + LINK_SECONDS)
        return key

    def redeem(self, key: str) -> Optional[str]:
        """Return a new session for the key of the current link, None for any other key.

        The key works once. A wrong one does not use up the link.
        """
        digest = _digest(key)
        with self._lock:
            link, now = self._link, self._clock()
            if link is None or now >= link.ends_at:
                return None
            if not hmac.compare_digest(link.digest, digest):
                return None
            self._link = None
            return self._open(now)

    def is_session(self, session: str) -> bool:
        """Return whether a session exists and has not ended."""
        digest = _digest(session)
        with self._lock:
            ends_at = self._sessions.get(digest)
            return ends_at is not None and self._clock() < ends_at

    def _open(self, now: float) -> str:
        running = {one: end for one, end in self._sessions.items() if now < end}
        while len(running) >= MAX_SESSIONS:
            del running[min(running, key=lambda one: running[one])]
        session = secrets.token_urlsafe(_BYTES)
        running[_digest(session)] = now + SESSION_SECONDS
        self._sessions = running
        return session


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Files:
    """``/testpage/``: the files of the page, read once."""

    def __init__(self, guard: "Guard") -> None:
        self._guard = guard
        self._files = {
            file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in _TYPES
        }
        # as scripts, since not every browser imports JSON
        self._files["version.js"] = f"export default {json.dumps(__version__)}".encode()
        self._files["causes.js"] = f"export default {json.dumps(causes.TABLE)}".encode()

    def send(self, name: str) -> bytes:
        """Return a file, and set its headers."""
        headers = cherrypy.serving.response.headers
        headers.update(_HEADERS)
        headers["Content-Type"] = _TYPES[Path(name).suffix]
        return self._files[name]

    @get_file
    def default(self, name: str = "") -> bytes:
        """Answer with a script, a style sheet or an image; pages have their own paths."""
        if name not in self._files or name.endswith(".html"):
            raise cherrypy.NotFound
        if name not in OPEN:
            self._guard.user_or_401()
        return self.send(name)


class Guard:
    """Who the user is: the operator, if there is a session, or whomever the identity names."""

    def __init__(self, identity: Identity, login: Optional[OperatorLogin]) -> None:
        self._identity, self._login = identity, login

    def user(self) -> Union[str, User]:
        """Return the user, or raise `TokenError`."""
        return OPERATOR if self._has_session() else self._identity()

    def user_or_401(self) -> None:
        """Raise an HTTPError 401 unless there is a user."""
        try:
            self.user()
            return
        except TokenError:
            pass
        raise cherrypy.HTTPError(401, "Not logged in")

    def operator_only(self) -> None:
        """Raise an HTTPError unless the user is the operator."""
        self.user_or_401()
        if not self.is_operator():
            raise cherrypy.HTTPError(403, "This needs a session, which the printed link opens")

    def is_operator(self) -> bool:
        """Return whether the user has a session; without sessions, everybody is the operator."""
        return not self._login or self._has_session()

    def _has_session(self) -> bool:
        cookie = cherrypy.serving.request.cookie.get(COOKIE) if self._login else None
        return bool(self._login and cookie and self._login.is_session(cookie.value))


class OperatorPage:
    """The root of the site of `abcwebrtc serve`; ``/API`` is added to it.

    Without a `login` there are no sessions, and anybody whom `identity` lets in is the operator.
    The operator tests every coturn server. Any other user tests the servers that the endpoint gives
    them, without those whose names `left_out` returns.
    """

    def __init__(
        self,
        config: WebRTCConfig,
        identity: Identity,
        login: Optional[OperatorLogin],
        left_out: LeftOut = none_left_out,
    ) -> None:
        self._config, self._login, self._left_out = config, login, left_out
        self._operators_config = config.with_every_server()
        self._guard = Guard(identity, login)
        self._looks = Looks(config)
        self.testpage = Files(self._guard)

    @get_file
    def index(self) -> bytes:
        """Answer with the page, or with the one that says how to log in."""
        try:
            self._guard.user()
        except TokenError:
            cherrypy.serving.response.status = 401
            return self.testpage.send("login.html")
        return self.testpage.send("index.html")

    @post_json
    def login(self) -> Dict[str, Any]:
        """Exchange the key of a link for a session in a cookie."""
        _refuse_other_sites()
        cherrypy.serving.response.notrace = True
        key = cherrypy.serving.request.json.get("key")
        session = self._login.redeem(key) if self._login and isinstance(key, str) else None
        if session is None:
            raise cherrypy.HTTPError(403, "This link has been used, has expired, or is not valid")
        _set_cookie(session)
        return {"status": 200, "message": "ok"}

    @post_json
    def credential(self) -> Dict[str, Any]:
        """Answer like the endpoint; the operator gets every server."""
        _refuse_other_sites()
        return answer(self._guard.user, self._rtc_configuration)

    def _rtc_configuration(self, user: User) -> Dict[str, Any]:
        if self._guard.is_operator():
            return rtc_answer(self._operators_config, user)
        return rtc_answer(self._config, user, self._left_out())

    @post_json
    def certificates(self) -> Dict[str, Any]:
        """Answer with what this machine has seen of the configured servers so far.

        This is for the operator only, not for users.
        """
        _refuse_other_sites()
        self._guard.operator_only()
        return {"status": 200, "message": "ok", "result": self._looks.told()}


def _set_cookie(session: str) -> None:
    """Set the cookie for the page's folder, whatever path a proxy gives it.

    Without a Path, a cookie applies to the folder of the request. ``X-Forwarded-Proto``
    needs no trusted proxy, since it can only make the cookie stricter.
    """
    cookie = cherrypy.serving.response.cookie
    cookie[COOKIE] = session
    cookie[COOKIE]["max-age"] = int(SESSION_SECONDS)
    cookie[COOKIE]["httponly"] = True
    cookie[COOKIE]["samesite"] = "Strict"
    request = cherrypy.serving.request
    forwarded = request.headers.get("X-Forwarded-Proto", "").strip().lower()
    if "https" in (request.scheme, forwarded):
        cookie[COOKIE]["secure"] = True


def _refuse_other_sites() -> None:
    """Refuse a request that a page of another site made.

    Browsers send ``Sec-Fetch-Site`` to https and localhost, and ``Origin`` with every POST;
    other programs send neither.
    """
    headers = cherrypy.serving.request.headers
    site = headers.get("Sec-Fetch-Site")
    ours = site == "same-origin" if site else _is_own_origin(headers.get("Origin"))
    if not ours:
        raise cherrypy.HTTPError(403, "This request comes from another site")


def _is_own_origin(origin: Optional[str]) -> bool:
    if not origin:
        return True
    headers = cherrypy.serving.request.headers
    hosts = (headers.get("Host"), headers.get("X-Forwarded-Host"))
    try:
        return urlsplit(origin).netloc in hosts
    except ValueError:
        return False
