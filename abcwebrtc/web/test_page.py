"""The operator's test page of ``abcwebrtc serve``, as CherryPy handlers.

``GET /`` is a page that tries sound from the operator's own browser. Its files are
in the folder ``static``. It is reached with a user token, as the endpoint is, or with
a session that the one-time link of `abcwebrtc.web.operator_login` opens.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import urlsplit

import cherrypy

from abcwebrtc.config.uris import IceURI
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import TokenError
from abcwebrtc.probe import causes
from abcwebrtc.web.operator_login import SESSION_SECONDS, OperatorLogin
from abcwebrtc.web.rest import Identity, answer, get_file, post_json, rtc_answer
from abcwebrtc.web.tls_look import Look, look, look_for_redirect

COOKIE = "abcwebrtc_operator"
OPERATOR = "operator"
"""The userid in the credentials that a session gets."""
FOLDER = Path(__file__).with_name("static")
OPEN = ("login.js", "style.css", "icon.svg")
"""The files that the login page needs, so those that need no login."""
KEPT_SECONDS = 30.0
"""How long what was seen of certificates is told again instead of looked up."""
PATIENCE = 1.0
"""Seconds to wait for somebody else's look."""

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


class Files:
    """``/testpage/``: what the page is made of, read once."""

    def __init__(self, guard: "Guard") -> None:
        self._guard = guard
        self._files = {
            file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in _TYPES
        }
        # not every browser imports JSON
        self._files["causes.js"] = b"export default " + causes.FILE.read_bytes()

    def send(self, name: str) -> bytes:
        """Return a file, and set the headers that go with it."""
        headers = cherrypy.serving.response.headers
        headers.update(_HEADERS)
        headers["Content-Type"] = _TYPES[Path(name).suffix]
        return self._files[name]

    @get_file
    def default(self, name: str = "") -> bytes:
        """Answer with a script, a style or an image; pages have addresses of their own."""
        if name not in self._files or name.endswith(".html"):
            raise cherrypy.NotFound
        if name not in OPEN:
            self._guard.user_or_401()
        return self.send(name)


class Guard:
    """Who is asking: a session, or what the endpoint's own identity says."""

    def __init__(self, identity: Identity, login: OperatorLogin) -> None:
        self._identity, self._login = identity, login

    def user(self) -> str:
        """Return the userid, or raise `TokenError`."""
        cookie = cherrypy.serving.request.cookie.get(COOKIE)
        if cookie is not None and self._login.is_session(cookie.value):
            return OPERATOR
        return self._identity()

    def user_or_401(self) -> str:
        """Return the userid, or raise the HTTPError."""
        try:
            return self.user()
        except TokenError:
            pass
        raise cherrypy.HTTPError(401, "Not logged in")


class OperatorPage:
    """The root of the site of `abcwebrtc serve`; ``/API`` is added to it."""

    def __init__(self, config: WebRTCConfig, identity: Identity, login: OperatorLogin) -> None:
        self._config, self._login = config, login
        self._guard = Guard(identity, login)
        self._certificates = Certificates(config)
        self.testpage = Files(self._guard)

    @get_file
    def index(self) -> bytes:
        """Answer with the page, or with the one that says how to get in."""
        try:
            self._guard.user()
        except TokenError:
            cherrypy.serving.response.status = 401
            return self.testpage.send("login.html")
        return self.testpage.send("index.html")

    @post_json
    def login(self) -> Dict[str, Any]:
        """Take the key of a link, and open a session in a cookie."""
        _refuse_other_sites()
        cherrypy.serving.response.notrace = True
        key = cherrypy.serving.request.json.get("key")
        session = self._login.redeem(key) if isinstance(key, str) else None
        if session is None:
            raise cherrypy.HTTPError(403, "This link was used, has ended, or never was one")
        _set_cookie(session)
        return {"status": 200, "message": "ok"}

    @post_json
    def credential(self) -> Dict[str, Any]:
        """Answer as POST /API/webrtc/coturn_rtcconfiguration does, for a session too."""
        _refuse_other_sites()
        return answer(self._guard.user, lambda user: rtc_answer(self._config, user))

    @post_json
    def certificates(self) -> Dict[str, Any]:
        """Answer with what the TLS ports of the configuration show to this machine."""
        _refuse_other_sites()
        self._guard.user_or_401()
        return {"status": 200, "message": "ok", "result": self._certificates.looks()}


class Certificates:
    """Looks at the configured servers, and at no others: what TLS shows, and who redirects."""

    def __init__(self, config: WebRTCConfig) -> None:
        self._targets, self._plain = tls_targets(config), plain_targets(config)
        self._lock = threading.Lock()
        self._kept: Dict[str, Any] = {}
        self._kept_until = 0.0

    def looks(self) -> Dict[str, Any]:
        """Return what was seen at each ``host:port`` with TLS, and who redirects.

        That is ``udp:host:port`` and ``tcp:host:port``. Many who ask cause one look.

        Who comes while a slow one is under way gets what was seen before it, so that
        no more than one thread of the server waits for a name or a connection.
        """
        if self._lock.acquire(timeout=PATIENCE):
            try:
                if time.monotonic() >= self._kept_until:
                    self._kept = self._look()
                    self._kept_until = time.monotonic() + KEPT_SECONDS
            finally:
                self._lock.release()
        return self._kept

    def _look(self) -> Dict[str, Any]:
        if not (self._targets or self._plain):
            return {}
        with ThreadPoolExecutor(len(self._targets) + len(self._plain)) as pool:
            redirects = pool.map(lambda one: look_for_redirect(*one), self._plain)
            seen: List[Look] = list(pool.map(lambda one: look(*one), self._targets))
            found = {f"{host}:{port}": one for (host, port), one in zip(self._targets, seen)}
            for (host, port, transport), redirect in zip(self._plain, redirects):
                if redirect:
                    found[f"{transport}:{host}:{port}"] = redirect
        return {place: one._asdict() for place, one in found.items()}


def tls_targets(config: WebRTCConfig) -> List[Tuple[str, int]]:
    """Return host and port of each server with TLS, once, without brackets."""
    uris = [uri for uri in config.uris if uri.scheme in ("stuns", "turns")]
    return list(dict.fromkeys(_place(uri) for uri in uris))


def plain_targets(config: WebRTCConfig) -> List[Tuple[str, int, str]]:
    """Return host, port and transport of each TURN server without TLS, once."""
    uris = [uri for uri in config.uris if uri.scheme == "turn"]
    return list(dict.fromkeys((*_place(uri), uri.transport or "udp") for uri in uris))


def _place(uri: IceURI) -> Tuple[str, int]:
    return uri.bare_host.lower(), uri.effective_port


def _set_cookie(session: str) -> None:
    """Set the cookie, for the folder that the page is in, whatever a proxy calls that.

    Without a Path, a cookie is for the folder of the request. ``X-Forwarded-Proto``
    is believed since all that it can do is to make the cookie stricter.
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

    Browsers send ``Sec-Fetch-Site`` to https and localhost, and ``Origin`` with every
    POST; what is no browser sends neither.
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
