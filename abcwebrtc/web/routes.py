"""What reaches CherryPy: requests for a path that has a handler, and of them what handlers read.

Before it knows who asks, CherryPy's dispatcher is quadratic in the segments of a path, its
reader of Content-Type in the commas, and it reads every cookie, parameter and encoded word.
The paths are few and known, so the whole path is looked up here first, and a header or a
query that no handler reads is not there for CherryPy.
"""

from __future__ import annotations

import inspect
import io
import json
import re
from http import HTTPStatus
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Tuple
from urllib.parse import quote

from abcwebrtc.web.access_log import access_line

MAX_BODY_BYTES = 4 * 1024
"""What the largest request of any route needs, several times over."""
MAX_QUERY_BYTES = 1024
MAX_VALUE_BYTES = 512
"""Of a header that handlers read, the user's token excepted."""
COOKIE = "abcwebrtc_operator"
"""The one cookie that a handler reads."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "abcwebrtc",
}
"""What every answer has."""
_MAX_PATH = 256
_SHOWN = 200
"""Characters of a path, or of what a client calls itself."""
_TOKEN, _AGENT, _COOKIES = "HTTP_ABCAUTHORIZATION", "HTTP_USER_AGENT", "HTTP_COOKIE"
_SMALL = (
    "CONTENT_TYPE",
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
)
# The name comes first, so that a search through 40 KB of other cookies is a fast one.
_SESSION = re.compile(rf"{COOKIE}=(?<![^;,\s]{COOKIE}=)([\w-]{{1,64}})(?![^;,\s])", re.ASCII)

Headers = List[Tuple[str, str]]


class _Route(NamedTuple):
    methods: List[str]
    takes_query: bool


class _RefusedError(Exception):
    """A request gets this status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KnownRoutes:
    """A WSGI application that refuses itself, and at once, what no handler of `app` takes.

    `app` is a ``cherrypy.Application``, and `root` the object with its handlers.
    """

    def __init__(self, app: Any, root: Any) -> None:
        self._app = app
        self._routes: Dict[str, _Route] = dict(_routes_of(root, ""))

    def __call__(
        self, environ: Dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Have `app` answer, or say why not."""
        path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        route = self._route(path)
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

    def _route(self, path: str) -> _Route:
        """Return the route of a path; one that has no handler has no methods."""
        none = _Route([], takes_query=False)
        if len(path) > _MAX_PATH:
            return none
        key = "".join(f"/{part}" for part in path.lower().split("/") if part)
        folder, _, name = key.rpartition("/")
        # CherryPy would find attributes such as __class__, too
        any_name = none if name.startswith("_") else self._routes.get(f"{folder}/*", none)
        return self._routes.get(key, any_name)

    def _log(self, environ: Dict[str, Any], path: str, status: int, length: int) -> None:
        """Write a line as CherryPy does for what it answers itself."""
        asked = (
            environ["REQUEST_METHOD"],
            quote(path, encoding="latin-1"),
            environ.get("SERVER_PROTOCOL", ""),
        )
        log, address = self._app.log, environ.get("REMOTE_ADDR", "")
        agent = environ.get("HTTP_USER_AGENT", "")
        log.access_log.info("%s", access_line(address, log.time(), asked, (status, length), agent))


def _check(environ: Dict[str, Any], path: str, route: _Route) -> None:
    """Raise `_RefusedError` for what is no request that a route takes."""
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
    """Return of a WSGI environment what handlers read, with a body that is whole.

    `_RefusedError` where a header that they read is too large.
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
        if name in environ:  # CherryPy would decode "=?", as no HTTP has it (RFC 9110)
            kept[name] = environ[name].replace("=?", "= ?")
    if _AGENT in kept:
        kept[_AGENT] = kept[_AGENT][:_SHOWN]
    session = _SESSION.search(environ.get(_COOKIES, ""))
    if session:  # the others are of other programs on the same host
        kept[_COOKIES] = f"{COOKIE}={session.group(1)}"
    length = int(environ.get("CONTENT_LENGTH") or "0")
    # what takes too long, or ends too early, is no fault to trace
    kept["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
    return kept


def json_error(status: int, message: str = "") -> Tuple[str, Headers, bytes]:
    """Return the status line, the headers and the body of an error."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps({"status": status, "message": message or phrase}).encode("ascii")
    own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return f"{status} {phrase}", [*own.items(), *HEADERS.items()], body


def _routes_of(node: Any, prefix: str) -> Iterator[Tuple[str, _Route]]:
    """Yield each path below a node of CherryPy's tree, in lower case, and what it takes.

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
    """Return a path of WSGI, which has a character for each byte, as it was meant."""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path
