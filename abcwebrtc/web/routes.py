"""Which requests reach CherryPy: those for a path that has a handler, and no others.

CherryPy's dispatcher is quadratic in the segments of a path, before it knows who asks.
The paths are few and known, so the whole path is looked up here first.
"""

from __future__ import annotations

import io
import json
from http import HTTPStatus
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple
from urllib.parse import quote

from abcwebrtc.web.access_log import access_line

MAX_BODY_BYTES = 4 * 1024
"""What the largest request of any route needs, several times over."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Server": "abcwebrtc",
}
"""What every answer has."""
_MAX_PATH = 256
_SHOWN = 200
"""Characters of a path in an answer."""

Headers = List[Tuple[str, str]]


class KnownRoutes:
    """A WSGI application that answers 404, 405 and 413 itself, as `app` would, but at once.

    `app` is a ``cherrypy.Application``, and `root` the object with its handlers.
    """

    def __init__(self, app: Any, root: Any) -> None:
        self._app = app
        self._routes: Dict[str, List[str]] = dict(_routes_of(root, ""))

    def __call__(
        self, environ: Dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Have `app` answer, or say why not."""
        path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        methods = self._methods(path)
        length = environ.get("CONTENT_LENGTH") or "0"
        if not methods:
            status, message = 404, f"The path '{_as_text(path)[:_SHOWN]}' was not found."
        elif environ["REQUEST_METHOD"] not in methods:
            status, message = 405, HTTPStatus.METHOD_NOT_ALLOWED.description
        elif length.isdecimal() and (len(length) > 9 or int(length) > MAX_BODY_BYTES):
            status, message = 413, f"The body is larger than {MAX_BODY_BYTES} bytes"
        else:
            if length.isdecimal():  # what takes too long, or ends too early, is no fault to trace
                environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(length)))
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer
        line, headers, body = json_error(status, message)
        if status == 405:
            headers.append(("Allow", ", ".join(methods)))
        self._log(environ, path, status, len(body))
        start_response(line, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _methods(self, path: str) -> List[str]:
        """Return the methods of a path, none for one that has no handler."""
        if len(path) > _MAX_PATH:
            return []
        key = "".join(f"/{part}" for part in path.lower().split("/") if part)
        folder, _, name = key.rpartition("/")
        # CherryPy would find attributes such as __class__, too
        any_name = [] if name.startswith("_") else self._routes.get(f"{folder}/*", [])
        return self._routes.get(key) or any_name

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


def json_error(status: int, message: str = "") -> Tuple[str, Headers, bytes]:
    """Return the status line, the headers and the body of an error."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps({"status": status, "message": message or phrase}).encode("ascii")
    own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return f"{status} {phrase}", [*own.items(), *HEADERS.items()], body


def _routes_of(node: Any, prefix: str) -> Iterator[Tuple[str, List[str]]]:
    """Yield each path below a node of CherryPy's tree, in lower case, and its methods.

    ``index`` is the node itself, and ``default`` any one name below it.
    """
    for name in (name for name in dir(node) if not name.startswith("_")):
        member = getattr(node, name)
        if getattr(member, "exposed", False):
            last = {"index": "", "default": "/*"}.get(name, f"/{name}")
            yield prefix + last, member._cp_config["tools.allow.methods"]
        elif not callable(member):
            yield from _routes_of(member, f"{prefix}/{name}")


def _as_text(path: str) -> str:
    """Return a path of WSGI, which has a character for each byte, as it was meant."""
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return path
