"""The part of a Kubernetes API server that creating a desktop needs."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple
from urllib.parse import parse_qs, urlsplit

from support.desktop_pod import assert_valid


class Call(NamedTuple):
    method: str
    path: str
    query: Dict[str, List[str]]
    body: Any

    @property
    def what(self) -> Tuple[str, str]:
        """The method, and the kind of object in the path."""
        return self.method, self.path.split("/")[5]


class ApiServer:
    """Keeps pods and secrets, and the calls that it got, in order.

    What is in `refused`, such as ``("POST", "pods")``, gets a 403.
    """

    def __init__(self) -> None:
        self.url = ""
        self.calls: List[Call] = []
        self.refused: Set[Tuple[str, str]] = set()
        self.objects: Dict[str, Any] = {}

    def answer(self, call: Call) -> Tuple[int, Any]:
        self.calls.append(call)
        if call.what in self.refused:
            return 403, {"kind": "Status", "code": 403, "reason": "Forbidden"}
        if call.method == "POST":
            if f"{call.path}/{call.body['metadata']['name']}" in self.objects:
                return 409, {"kind": "Status", "code": 409, "reason": "AlreadyExists"}
            return 201, self._create(call)
        if call.method == "PATCH":
            stored = self.objects[call.path]
            stored["metadata"].update(call.body["metadata"])
            return 200, stored
        assert call.method == "DELETE"
        return 200, {"kind": "Status", "status": "Success", "old": self.objects.pop(call.path)}

    def _create(self, call: Call) -> Any:
        assert_valid(call.body)  # else the client gets no answer
        made = json.loads(json.dumps(call.body))
        made["metadata"]["uid"] = f"uid-{len(self.calls)}"
        if "stringData" in made:
            texts = made.pop("stringData").items()
            made["data"] = {key: base64.b64encode(v.encode()).decode() for key, v in texts}
        if not call.query.get("dryRun"):
            self.objects[f"{call.path}/{made['metadata']['name']}"] = made
        return made


@contextlib.contextmanager
def running_api_server() -> Iterator[ApiServer]:
    api = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            url = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(content.decode("utf-8")) if content else None
            status, result = api.answer(Call(self.command, url.path, parse_qs(url.query), body))
            data = json.dumps(result).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_DELETE = do_any  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
