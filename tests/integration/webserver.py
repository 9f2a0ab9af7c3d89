"""A real nginx with the shipped location, in front of abcwebrtc and a stand-in for pyos."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import socket
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from integration.turn import LOOPBACK, Certificate, free_ports
from support import RTC_PATH, Answer, bearer, beside, make_token, request, wait_for
from support.front import running_nginx

SERVICE = "abcwebrtc.abcdesktop.svc.cluster.local"

# As abcdesktop's web server has it: pyos behind a regular expression, and an
# expiry for the static files, which must not reach the credentials.
_CONF = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
worker_processes 2;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  {upstream}
  server {{
    listen {loopback}:{port} ssl;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    resolver {resolver} ipv6=off;
    resolver_timeout {patience};
    expires modified +24h;
    {locations}
  }}
}}
"""
DEAD_RESOLVER = "127.0.0.1:1"
_PYOS = "location ~ ^/(oauth|API|status) {{ proxy_pass http://{address}; }}"


def service(*base_urls: str) -> str:
    """Return an upstream that stands for the Service, which is kube-proxy's work."""
    servers = " ".join(f"server {url.partition('//')[2]};" for url in base_urls)
    return f"upstream {SERVICE} {{ {servers} keepalive 4; }}"


class Nginx:
    """A running nginx that gets https requests as from a browser."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        (self.port,) = free_ports(1)
        self.folder = folder
        self._certificate = certificate

    @contextlib.contextmanager
    def running(
        self,
        program: str,
        pyos: "Pyos",
        upstream: str = "",
        resolver: str = "",
        replacements: Optional[Mapping[str, str]] = None,
        location_first: bool = True,
    ) -> Iterator["Nginx"]:
        shipped = beside.shipped_location(dict(replacements or {}))
        locations = [shipped, _PYOS.format(address=pyos.address)]
        conf = self.folder / "nginx.conf"
        conf.write_text(
            _CONF.format(
                user="" if os.geteuid() else "user root;",
                folder=self.folder,
                upstream=upstream,
                loopback=LOOPBACK,
                port=self.port,
                cert=self._certificate.cert_file,
                key=self._certificate.key_file,
                resolver=resolver or DEAD_RESOLVER,
                patience="60s" if resolver else "2s",
                locations="\n".join(locations if location_first else locations[::-1]),
            )
        )
        try:
            with running_nginx(program, conf, self.folder / "error.log", self.port):
                yield self
        finally:
            print(self.log("error.log"), self.log("access.log"))

    def log(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def ask(
        self, path: str, body: Any = None, headers: Optional[Mapping[str, str]] = None
    ) -> Answer:
        url = f"https://{LOOPBACK}:{self.port}{path}"
        return request(url, body, headers, context=self._certificate.trust)


class Asking:
    """Sends nginx 50 requests a second, for four users in turn, until the block ends."""

    RATE = 50

    def __init__(self, web: Nginx) -> None:
        self._web = web
        self._tokens = itertools.cycle([bearer(make_token(f"user{n}")) for n in range(4)])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._futures: List["Future[Answer]"] = []

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begin = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            for number in itertools.count():
                if self._stop.wait(max(0.0, begin + number / self.RATE - time.monotonic())):
                    return
                headers = next(self._tokens)
                self._futures.append(pool.submit(self._web.ask, RTC_PATH, {}, headers))

    @property
    def answers(self) -> List[Answer]:
        return [future.result() for future in list(self._futures) if future.done()]

    def wait_for_more(self, number: int) -> None:
        wanted = len(self.answers) + number
        wait_for(lambda: len(self.answers) >= wanted)


class Pyos:
    """Answers the browser client's requests to pyos, and records them."""

    def __init__(self, keys: Mapping[str, Any]) -> None:
        self.asked: List[Tuple[str, Mapping[str, str]]] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                asked.append((self.path, dict(self.headers)))
                self._answer(_pyos_answer(self.path, json.loads(body or b"{}"), keys))

            def _answer(self, answer: Dict[str, Any]) -> None:
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.address = "{}:{}".format(*self._server.server_address)

    @contextlib.contextmanager
    def running(self) -> Iterator["Pyos"]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    @property
    def paths(self) -> List[str]:
        return [path for path, _ in self.asked]


def _pyos_answer(path: str, data: Mapping[str, Any], keys: Mapping[str, Any]) -> Dict[str, Any]:
    if path.lower() == "/api/core/getkeyinfo":
        return {"id": keys.get(data["provider"]), "callbackurl": None}
    return {"status": 200, "result": "from pyos", "message": "ok"}


class Resolver:
    """A DNS server with the same address for every name, which counts the questions."""

    def __init__(self, address: str) -> None:
        self.questions = 0
        self._answer = socket.inet_aton(address)
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((LOOPBACK, 0))
        self.place = "{}:{}".format(*self._udp.getsockname())

    @contextlib.contextmanager
    def running(self) -> Iterator["Resolver"]:
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield self
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                udp.sendto(b"", self._udp.getsockname())
            thread.join()
            self._udp.close()

    def _serve(self) -> None:
        """Answer A questions (RFC 1035) until an empty datagram comes."""
        while True:
            query, client = self._udp.recvfrom(512)
            if not query:
                return
            self.questions += 1
            end = query.index(b"\0", 12) + 5
            counts = b"\0\1\0\1\0\0\0\0"
            record = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + self._answer
            self._udp.sendto(query[:2] + b"\x81\x80" + counts + query[12:end] + record, client)
