"""The REST endpoints for browsers and programs, as CherryPy handlers.

Requests and answers are those of pyos, so abcdesktop's browser client can't tell the two servers
apart. Exceptions become HTTP errors here and nowhere else.
"""

from __future__ import annotations

import html
import ipaddress
import json
import re
import time
from typing import Any, Callable, Collection, Dict, Mapping, Optional, Union
from urllib.parse import urlsplit

import cherrypy
from cherrypy._cplogging import LogManager
from cherrypy._cprequest import HookMap, Request, hookpoints

import abcwebrtc
from abcwebrtc.config.frozen import thaw
from abcwebrtc.config.ice_servers import public_rtc_configuration
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.errors import AbcWebRTCError, TokenError, WebRTCDisabledError
from abcwebrtc.texts import harmless_logger
from abcwebrtc.turn.rtc_configuration import (
    build_rtc_configuration,
    server_credentials,
    takes_the_credential_of,
)
from abcwebrtc.turn.selection import Choice, choose
from abcwebrtc.web.access_log import Access
from abcwebrtc.web.routes import HEADERS, KnownRoutes
from abcwebrtc.web.tokens import User, UserTokenVerifier, bearer_token

Identity = Callable[[], Union[str, User]]
"""Return the user of the current request, or just the userid of one without labels.

Raise `TokenError`, which becomes a 401, or an HTTPError."""
LeftOut = Callable[[], Collection[str]]
"""Return the names of the coturn servers that are known to be dead."""
Given = Callable[[Choice], None]
"""Count the credentials that a user is given."""

DISABLED = "webrtc_disabled"
"""The ``error`` member of the answer when ``webrtc.enable`` is False."""
MAX_JSON_BYTES = 64 * 1024

_log = harmless_logger(__name__)


def token_identity(verifier: UserTokenVerifier) -> Identity:
    """Return an identity that reads pyos's user token from the request."""

    def identify() -> User:
        header = cherrypy.serving.request.headers.get("ABCAuthorization")
        return verifier.user(bearer_token(header))

    return identify


def anybody(host: str) -> Identity:
    """Return an identity that needs no login, for a server on loopback.

    `host` is the name or address that the server listens on. Requests for any other name
    get 403: a site may point its own name at this machine, and its pages would then be of
    the same origin as this server.
    """

    def identify() -> str:
        header = cherrypy.serving.request.headers.get("Host", "")  # some programs send none
        name = _host_name(header)
        if header and name != host.lower() and not _means_this_machine(name):
            raise cherrypy.HTTPError(403, "Without a login, this answers only under loopback names")
        return "anonymous"

    return identify


def _host_name(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _means_this_machine(name: str) -> bool:
    """Return whether a name means this machine to every browser, without asking the DNS."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _read_json(entity: Any) -> None:
    """Put the JSON object in a request's body into ``request.json``."""
    length = entity.headers.get("Content-Length")
    if not length:
        entity.fp.read()  # otherwise a chunked body would pass for the next request
        raise cherrypy.HTTPError(411)
    if not length.isdecimal():
        raise cherrypy.HTTPError(400, "Content-Length is not a number")
    if int(length) > MAX_JSON_BYTES:
        raise cherrypy.HTTPError(413)
    try:
        data = json.loads(entity.fp.read().decode("utf-8"))
    except (ValueError, RecursionError):
        raise cherrypy.HTTPError(400, "Invalid JSON document") from None
    if not isinstance(data, dict):
        raise cherrypy.HTTPError(400, "Expected a JSON object")
    cherrypy.serving.request.json = data


def _write_json(*args: Any, **kwargs: Any) -> bytes:
    """Return the handler's answer as JSON in one piece; CherryPy yields one for each token."""
    value = cherrypy.serving.request._json_inner_handler(*args, **kwargs)
    return json.dumps(value).encode("utf-8")


_json_in = cherrypy.tools.json_in(processor=_read_json)
_post = cherrypy.tools.allow(methods=["POST"])
_get = cherrypy.tools.allow(methods=["GET", "HEAD"])
_json_out = cherrypy.tools.json_out(handler=_write_json)


def post_json(handler: Callable[..., Dict[str, Any]]) -> Any:
    """Expose a handler that receives a JSON object by POST, and answers with one."""
    return cherrypy.expose(_post(_json_in(_json_out(handler))))


def get_json(handler: Callable[..., Dict[str, Any]]) -> Any:
    """Expose a handler that answers a GET with a JSON object."""
    return cherrypy.expose(_get(_json_out(handler)))


def get_file(handler: Callable[..., bytes]) -> Any:
    """Expose a handler that answers a GET with bytes, and sets their type itself."""
    return cherrypy.expose(_get(handler))


def none_left_out() -> Collection[str]:
    """Return no names: without a watcher, no server is left out."""
    return ()


def not_counted(choice: Choice) -> None:
    """Count nothing: this is the default, without metrics."""


class WebRTCController:
    """``/API/webrtc``: credentials for the user that `identity` returns."""

    def __init__(
        self,
        config: WebRTCConfig,
        identity: Identity,
        left_out: LeftOut = none_left_out,
        given: Given = not_counted,
    ) -> None:
        self._config, self._identity, self._left_out = config, identity, left_out
        self._given = given

    @post_json
    def coturn_rtcconfiguration(self) -> Dict[str, Any]:
        """Answer with the rtc_configuration for one RTCPeerConnection."""
        return answer(self._identity, self._rtc_configuration)

    def _rtc_configuration(self, user: User) -> Dict[str, Any]:
        return rtc_answer(self._config, user, self._left_out(), self._given)

    @get_json
    def turn(self, /, **parameters: Any) -> Dict[str, Any]:
        """Answer in the shape of draft-uberti-behave-turn-rest-00, section 2.2.

        The draft knows one credential: that of the user's first server. The answer has the uris of
        all the user's servers for which it is valid.
        """
        if parameters.get("service") != "turn":
            raise cherrypy.HTTPError(400, "Write ?service=turn")
        return answer(self._identity, self._turn)

    def _turn(self, user: User) -> Dict[str, Any]:
        if not self._config.enable:
            raise WebRTCDisabledError
        chosen = choose(self._config, user.userid, user.labels, self._left_out())
        if not chosen.servers:
            raise cherrypy.HTTPError(404, "webrtc.coturn has no TURN server for this user")
        first, ttl = chosen.servers[0], chosen.ttl_of(chosen.servers[0])
        credentials = server_credentials(first, user.userid, ttl=ttl)
        alike = (one for one in chosen.servers if chosen.ttl_of(one) == ttl)
        self._given(Choice((first,)))
        same = [one for one in alike if takes_the_credential_of(one, first)]
        return {
            "username": credentials.username,
            "password": credentials.password,
            "ttl": credentials.ttl,
            "uris": [url for server in same for url in server.urls],
        }


def rtc_answer(
    config: WebRTCConfig,
    user: User,
    left_out: Collection[str] = (),
    counted: Given = not_counted,
) -> Dict[str, Any]:
    """Return the answer of ``coturn_rtcconfiguration`` for a user.

    Raises what `build_rtc_configuration` raises.
    """
    now = time.time()
    given = {"labels": user.labels, "left_out": left_out}
    result = build_rtc_configuration(config, user.userid, now, **given)
    chosen = choose(config, user.userid, **given)
    counted(chosen)
    ttl = min(map(chosen.ttl_of, chosen.servers), default=None)
    expires_at = None if ttl is None else int(now) + ttl
    return {
        "status": 200,
        "result": result,
        "message": "ok",
        "ttl": ttl,
        "expires_at": expires_at,
    }


def answer(identity: Identity, build: Callable[[User], Dict[str, Any]]) -> Dict[str, Any]:
    """Return what `build` returns for the user of this request, and keep it out of logs.

    An error becomes an answer: 401 for an unknown user, 403 for `WebRTCDisabledError`, 500
    for any other `AbcWebRTCError`.
    """
    cherrypy.serving.response.notrace = True  # pyos logs every answer without it
    user = _authenticate(identity)
    try:
        return build(user)
    except WebRTCDisabledError as error:
        cherrypy.serving.response.status = 403
        return {"status": 403, "message": str(error), "error": DISABLED}
    except AbcWebRTCError as error:
        reason = str(error)
    _log.error("can't make a credential for this user: %s", reason)
    raise cherrypy.HTTPError(500)


def _authenticate(identity: Identity) -> User:
    try:
        user = identity()
        return user if isinstance(user, User) else User(user)
    except TokenError as error:
        _log.info("refused: %s", error)
    raise cherrypy.HTTPError(401, "Invalid token")


def public_entries(config: WebRTCConfig) -> Dict[str, Any]:
    """Return the ``webrtc.*`` entries that anybody may read, in dicts that the caller owns.

    Servers of ``rtc_configuration`` that have a password are left out altogether: browsers
    throw on a TURN server without one.
    """
    public = public_rtc_configuration(config.rtc_configuration)
    return {
        "enable": config.enable,
        "rtc_configuration": thaw(public),
        "rtc_constraints": thaw(config.rtc_constraints),
    }


class CoreController:
    """``/API/core``: what the browser client asks for before its user is known."""

    def __init__(self, config: WebRTCConfig) -> None:
        entries = public_entries(config)
        self._answers: Mapping[str, Any] = {
            "webrtc.enable": entries["enable"],
            "webrtc.rtc_constraints": entries["rtc_constraints"],
            "webrtc.configuration": entries["rtc_configuration"],
        }

    @post_json
    def getkeyinfo(self) -> Dict[str, Any]:
        """Answer with a public value of the configuration, never a password."""
        provider = cherrypy.serving.request.json.get("provider")
        if not isinstance(provider, str) or provider not in self._answers:
            known = ", ".join(self._answers)
            raise cherrypy.HTTPError(400, f"Unknown provider; there are {known}")
        return {"id": self._answers[provider], "callbackurl": None}


class Api:
    """``/API``: the controllers, and the endpoints for monitoring."""

    def __init__(
        self, config: WebRTCConfig, identity: Optional[Identity], left_out: LeftOut, given: Given
    ) -> None:
        self.core = CoreController(config)
        if identity is not None:
            self.webrtc = WebRTCController(config, identity, left_out, given)

    @get_json
    def healthz(self) -> Dict[str, Any]:
        """Answer that the server answers."""
        return {"status": 200, "message": "ok"}

    @get_json
    def version(self) -> Dict[str, str]:
        """Answer with the version of abcwebrtc."""
        return {"name": "abcwebrtc", "version": abcwebrtc.__version__}


def create_app(
    config: WebRTCConfig,
    identity: Optional[Identity] = None,
    root: Optional[Any] = None,
    left_out: LeftOut = none_left_out,
    given: Given = not_counted,
) -> Any:
    """Return a WSGI application with the endpoints under ``/API``.

    Without an `identity` there is no ``/API/webrtc``, so no credential. `root` is an object with
    handlers for paths other than ``/API``; it gets an attribute ``api``. `left_out` returns the
    names of coturn servers that are known to be dead, such as `Watcher.left_out`. `given` is called
    with the servers of each answer that has credentials.
    """
    root = type("Root", (), {})() if root is None else root
    root.api = Api(config, identity, left_out, given)
    # By default CherryPy turns every punctuation mark into an underscore.
    dispatcher = cherrypy.dispatch.Dispatcher(translate={})
    settings = {
        "request.dispatch": lambda path: dispatcher(path.lower()),  # as pyos matches paths
        "tools.log_headers.on": False,  # the headers hold the user's token
    }
    app = cherrypy.Application(root, "", {"/": settings})
    app.request_class = _JsonRequest
    app.log = _Log(id(app), cherrypy.log.logger_root)
    return KnownRoutes(app, root)


class _Log(LogManager):
    """CherryPy's log, with the access log lines of `serve`."""

    def access(self) -> None:
        """Write the line for the request that was answered."""
        request, response = cherrypy.serving.request, cherrypy.serving.response
        status = (response.output_status or b"-").split(b" ", 1)[0].decode("ascii")
        answer = (status, response.headers.get("Content-Length") or "-")
        agent = request.headers.get("User-Agent", "")
        asked = request.request_line.split(" ")
        line = Access(request.remote.ip, self.time(), asked, answer, agent)
        self.access_log.info("%s", line)


def _error_page(status: str, message: str, traceback: str, version: str) -> str:
    cherrypy.serving.response.headers["Content-Type"] = "application/json"
    # CherryPy escapes the message for HTML.
    return json.dumps({"status": int(status[:3]), "message": html.unescape(message)})


def _finish() -> None:
    """Set the headers of every answer, and remove the padding of error pages."""
    response = cherrypy.serving.response
    response.headers.update(HEADERS)
    response.headers.pop("Content-Length", None)
    response.body = response.collapse_body().rstrip(b" ")


def _read_no_form() -> None:
    """Don't parse a body that is not JSON.

    By default CherryPy parses a form on any path, and keeps a file open for each of the
    hundreds of files that the form may contain.
    """
    cherrypy.serving.request.body.processors.clear()


class _JsonRequest(Request):
    """A request whose errors are JSON, even before its first header is read."""

    error_page = {"default": _error_page}  # noqa: RUF012, as in the base class
    show_tracebacks = False
    hooks = HookMap(hookpoints)
    _request_line = ""

    @property
    def request_line(self) -> str:
        """The first line of the request for the log, without the query, which may hold a key."""
        return self._request_line

    @request_line.setter
    def request_line(self, line: str) -> None:
        self._request_line = re.sub(r"(?s)\?.*(?= )", "", line, count=1)


_JsonRequest.hooks.attach("before_request_body", _read_no_form, priority=0)
for _hookpoint in ("before_finalize", "after_error_response"):
    _JsonRequest.hooks.attach(_hookpoint, _finish)
