"""Requests to a WSGI application or over the network, and their answers."""

from __future__ import annotations

import io
import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Union

from support.waiting import WAIT

RTC_PATH = "/API/webrtc/coturn_rtcconfiguration"

Body = Union[None, bytes, str, Dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What a server answered; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body.decode("utf-8"))


def _body_bytes(body: Body) -> Optional[bytes]:
    if isinstance(body, dict):
        return json.dumps(body).encode("utf-8")
    return body.encode("utf-8") if isinstance(body, str) else body


def call(
    app: Callable[..., Any],
    method: str,
    path: str,
    body: Body = None,
    headers: Optional[Mapping[str, str]] = None,
    **environ: Any,
) -> Answer:
    """Call a WSGI application; a body is sent as JSON, with its length.

    "" leaves a header out. `environ` changes the WSGI environment; ... removes a variable.
    """
    data = _body_bytes(body)
    sent = {"Host": "127.0.0.1"}
    if data is not None:
        sent.update({"Content-Type": "application/json", "Content-Length": str(len(data))})
    sent.update(headers or {})
    names = {name: name.upper().replace("-", "_") for name in sent}
    env = {
        (upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{upper}"): sent[name]
        for name, upper in names.items()
        if sent[name] != ""
    }
    path, _, query = path.partition("?")
    env = {**wsgi_environ(method, path, query, data or b""), **env, **environ}
    started: Dict[str, Any] = {}

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started.update(status=int(status[:3]), headers=headers)

    chunks = app({name: value for name, value in env.items() if value is not ...}, start_response)
    try:
        content = b"".join(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()
    return Answer(started["status"], {n.lower(): v for n, v in started["headers"]}, content)


def post(
    app: Callable[..., Any], path: str = RTC_PATH, body: Body = "{}", **headers: str
) -> Answer:
    """POST JSON to a WSGI application; name headers as in ``Content_Type=""``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(app, "POST", path, body, sent)


def wsgi_environ(method: str, path: str, query: str, data: bytes) -> Dict[str, Any]:
    """Return the environment that a server gives to a WSGI application, without headers."""
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def request(
    url: str,
    body: Body = None,
    headers: Optional[Mapping[str, str]] = None,
    method: Optional[str] = None,
    context: Any = None,
) -> Answer:
    """Send a request over the network: a POST of JSON if there is a body, else a GET."""
    data = _body_bytes(body)
    sent = {} if data is None else {"Content-Type": "application/json"}
    sent.update(headers or {})
    message = urllib.request.Request(url, data, sent, method=method)
    handlers = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        response = urllib.request.build_opener(*handlers).open(message, timeout=WAIT)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        named = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, named, response.read())
