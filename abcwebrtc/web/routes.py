"""The guard in front of CherryPy: it lets through known paths, and what their handlers read.

Before CherryPy knows the user, its dispatcher takes quadratic time in the segments of a path, its
Content-Type parser takes quadratic time in the commas, and CherryPy parses every cookie, parameter
and encoded word. The paths are few and known, so the whole path is looked up here first, and
headers and queries that no handler reads never reach CherryPy.
"""

from __future__ import annotations

import inspect
import io
import json
import re
from http import HTTPStatus
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Tuple
from urllib.parse import quote

from abcwebrtc.web.access_log import Access

MAX_BODY_BYTES = 4 * 1024
"""Several times the size of the largest valid request."""
MAX_QUERY_BYTES = 1024
MAX_VALUE_BYTES = 512
"""Limit of each header that handlers read, except the user's token."""
COOKIE = "abcwebrtc_operator"
"""The only cookie that a handler reads."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "abcwebrtc",
}
"""The headers of every answer."""
_MAX_PATH = 256
_SHOWN = 200
"""Characters kept of a path or a User-Agent."""
_TOKEN, _AGENT, _COOKIES = "HTTP_ABCAUTHORIZATION", "HTTP_USER_AGENT", "HTTP_COOKIE"
_SMALL = (
    "CONTENT_TYPE",
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
)
# The name comes first, so that searching 40 KB of other cookies is fast.
_SESSION = re.compile(rf"{COOKIE}=(?<![^;,\s]{COOKIE}=)([\w-]{{1,64}})(?![^;,\s])", re.ASCII)

Headers = List[Tuple[str, str]]


class _Route(NamedTuple):
    methods: List[str]
    takes_query: bool


_NONE = _Route([], takes_query=False)
"""The route of a path without a handler."""


class _RefusedError(Exception):
    """Refuse a request with this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KnownRoutes:
    """WSGI middleware that refuses at once what no handler of `app` accepts.

    `app` is a ``cherrypy.Application``, and `root` the object with its handlers.
    """

    def __init__(self, app: Any, root: Any) -> None:
        self._app = app
        self._routes: Dict[str, _Route] = dict(_routes_of(root, ""))

    def __call__(
        self, environ: Dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Pass the request to `app`, or answer with an error."""
        path = _path(environ)
        route = self._routes.get(self._key(path), _NONE)
        try:
            _check(environ, path, route)
            readable = _readable(environ)
        except _RefusedError as refused:
            line, headers, body = json_error(refused.status, str(refused))
            status = refused.status
        else:
            answer: Iterable[bytes] = self._app(readable, start_response)
            return answer
        if status == 405:
            headers.append(("Allow", ", ".join(route.methods)))
        self._log(environ, path, status, len(body))
        start_response(line, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def route_name(self, environ: Dict[str, Any]) -> str:
        """Return the path of the handler that a request is for, in lower case, or an empty text.

        The path of a handler that takes any name ends in ``/*``. There are only as many paths as
        handlers.
        """
        key = self._key(_path(environ))
        return (key or "/") if key in self._routes else ""

    def _key(self, path: str) -> str:
        """Return the key in `_routes` for a path; if it has no handler, a key that is not there."""
        if len(path) > _MAX_PATH:
            return "/"
        key = "".join(f"/{part}" for part in path.lower().split("/") if part)
        folder, _, name = key.rpartition("/")
        # CherryPy would also find attributes such as __class__
        return key if key in self._routes or name.startswith("_") else f"{folder}/*"

    def _log(self, environ: Dict[str, Any], path: str, status: int, length: int) -> None:
        """Write the same line that CherryPy writes for its own answers."""
        asked = (
            environ["REQUEST_METHOD"],
            quote(path, encoding="latin-1"),
            environ.get("SERVER_PROTOCOL", ""),
        )
        log, address = self._app.log, environ.get("REMOTE_ADDR", "")
        agent = environ.get("HTTP_USER_AGENT", "")
        log.access_log.info("%s", Access(address, log.time(), asked, (status, length), agent))


def _path(environ: Dict[str, Any]) -> str:
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path


def _check(environ: Dict[str, Any], path: str, route: _Route) -> None:
    """Raise `_RefusedError` unless the route accepts the request."""
    query, length = environ.get("QUERY_STRING", ""), environ.get("CONTENT_LENGTH") or "0"
    if not route.methods:
        raise _RefusedError(404, f"The path '{_as_text(path)[:_SHOWN]}' was not found.")
    if environ["REQUEST_METHOD"] not in route.methods:
        raise _RefusedError(405, HTTPStatus.METHOD_NOT_ALLOWED.description)
    if query and not route.takes_query:
        raise _RefusedError(404, "This path takes no parameters")
    if len(query) > MAX_QUERY_BYTES:
        raise _RefusedError(414, f"The query is larger than {MAX_QUERY_BYTES} bytes")
    if not length.isdecimal():  # CherryPy would decode it
        raise _RefusedError(400, "Content-Length is not a number")
    if len(length) > 9 or int(length) > MAX_BODY_BYTES:
        raise _RefusedError(413, f"The body is larger than {MAX_BODY_BYTES} bytes")


def _readable(environ: Dict[str, Any]) -> Dict[str, Any]:
    """Return the part of a WSGI environment that handlers read, with the whole body.

    Raises `_RefusedError` if a header that they read is too large.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("HTTP_") and name != "CONTENT_TYPE"
    }
    for name in _SMALL:
        if len(environ.get(name, "")) > MAX_VALUE_BYTES:
            header = name.replace("HTTP_", "").replace("_", "-").title()
            raise _RefusedError(431, f"{header} is larger than {MAX_VALUE_BYTES} bytes")
    for name in (_TOKEN, _AGENT, *_SMALL):
        if name in environ:  # CherryPy would decode "=?", which HTTP doesn't have (RFC 9110)
            kept[name] = environ[name].replace("=?", "= ?")
    if _AGENT in kept:
        kept[_AGENT] = kept[_AGENT][:_SHOWN]
    session = _SESSION.search(environ.get(_COOKIES, ""))
    if session:  # the others belong to other programs on the same host
        kept[_COOKIES] = f"{COOKIE}={session.group(1)}"
    length = int(environ.get("CONTENT_LENGTH") or "0")
    # a body that is too slow or cut off needs no traceback
    kept["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
    return kept


def json_error(status: int, message: str = "") -> Tuple[str, Headers, bytes]:
    """Return the status line, headers and body of an error."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps({"status": status, "message": message or phrase}).encode("ascii")
    own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return f"{status} {phrase}", [*own.items(), *HEADERS.items()], body


def _routes_of(node: Any, prefix: str) -> Iterator[Tuple[str, _Route]]:
    """Yield each path below a node of CherryPy's tree, in lower case, and its route.

    ``index`` is the node itself, and ``default`` any one name below it.
    """
    for name in (name for name in dir(node) if not name.startswith("_")):
        member = getattr(node, name)
        if getattr(member, "exposed", False):
            last = {"index": "", "default": "/*"}.get(name, f"/{name}")
            kinds = {one.kind for one in inspect.signature(member).parameters.values()}
            takes_query = inspect.Parameter.VAR_KEYWORD in kinds
            yield prefix + last, _Route(member._cp_config["tools.allow.methods"], takes_query)
        elif not callable(member):
            yield from _routes_of(member, f"{prefix}/{name}")


def _as_text(path: str) -> str:
    """Return a WSGI path, which has one character for each byte, decoded if it is UTF-8."""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path
