"""What several test modules need: keys, tokens, an od.config, WSGI calls, a server."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple, Union

import abcwebrtc
from abcwebrtc.cli.main import main

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cryptography warns of Python 3.8
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

SECRET = "a-secret-that-only-coturn-knows"
RTC_PATH = "/API/webrtc/coturn_rtcconfiguration"
WAIT = 30.0
"""Seconds that anything may take on a slow machine before a test fails."""

ENTRIES: Mapping[str, Any] = {
    "webrtc.enable": True,
    "webrtc.rtc_configuration": {"iceServers": [{"urls": "stun:stun.example.org:3478"}]},
    "webrtc.coturn": {
        "coturn_static_auth_secret": SECRET,
        "ttl": 600,
        "protocol": "turn",
        "url": "turn.example.org:3478",
        "username": "userid",
    },
}
"""A configuration without a warning; `write_od_config` adds the user token's key."""

Body = Union[None, bytes, str, Dict[str, Any]]


def spoil(value: Any) -> None:
    """Change every dict and list in a value, to see what else changes with it."""
    if isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")
    elif isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True


# keys and tokens


@functools.lru_cache(maxsize=None)
def rsa_key(name: str = "pyos", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key of this name, the same for the whole run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_pem(key: Any = None) -> bytes:
    key = rsa_key() if key is None else key
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: Any = None) -> bytes:
    key = rsa_key() if key is None else key
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def claims(userid: Any = "alice", ttl: float = 360, **changes: Any) -> Dict[str, Any]:
    """Return the claims of a user token as pyos makes it; a change to ... removes one."""
    now = time.time()
    made = {
        "exp": now + ttl,
        "nbf": now - 1,
        "auth": {"provider": "local", "providertype": "implicit"},
        "user": {"userid": userid, "name": "A user"},
        "roles": [],
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not ...}


def make_token(userid: Any = "alice", ttl: float = 360, key: Any = None, **changes: Any) -> str:
    """Return a user token as pyos signs it."""
    return jwt.encode(claims(userid, ttl, **changes), key or rsa_key(), algorithm="RS256")


def bearer(token: Optional[str] = None) -> Dict[str, str]:
    """Return the header that carries a token, a good one of alice by default."""
    return {"ABCAuthorization": f"Bearer {make_token() if token is None else token}"}


# od.config


def write_od_config(
    folder: Path, entries: Optional[Mapping[str, Any]] = None, **changes: Any
) -> Path:
    """Write an od.config, and the public key that it names, and return its path.

    `entries` are `ENTRIES` by default. Changes are named as in
    ``webrtc__enable=False``; one to ... removes the entry.
    """
    key_file = folder / "jwtuser.pem"
    if not key_file.exists():
        key_file.write_bytes(public_pem())
    kept = dict(ENTRIES if entries is None else entries)
    kept.setdefault("jwt_token_user", {"exp": 360, "jwtuserpublickeyfile": str(key_file)})
    kept.update((name.replace("__", "."), value) for name, value in changes.items())
    lines = [f"{name}: {value!r}" for name, value in kept.items() if value is not ...]
    path = folder / "od.config"
    path.write_text("[global]\n" + "\n".join(lines).replace("%", "%%") + "\n", encoding="utf-8")
    return path


def make_config(**changes: Any) -> abcwebrtc.WebRTCConfig:
    """Return `ENTRIES`, changed as in `write_od_config`, as a configuration."""
    entries = {**ENTRIES, **{name.replace("__", "."): changes[name] for name in changes}}
    return abcwebrtc.WebRTCConfig.from_mapping(
        {name: value for name, value in entries.items() if value is not ...}
    )


# requests


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
    """Call a WSGI application. With a body, JSON and its length are announced.

    A header given as "" is left out; `environ` changes the WSGI environment,
    where ... removes a variable.
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
    """POST JSON to a WSGI application; headers are named as in ``Content_Type=""``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return call(app, "POST", path, body, sent)


def wsgi_environ(method: str, path: str, query: str, data: bytes) -> Dict[str, Any]:
    """Return what a server gives to a WSGI application, without headers."""
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
    """Send a request over the network: a POST of JSON with a body, else a GET."""
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


# processes


def command(*arguments: object, before: str = "") -> Tuple[str, ...]:
    """Return the command line of ``abcwebrtc``; `before` is Python to run first."""
    code = f"{before}\nimport sys\nfrom abcwebrtc.cli.main import main\nsys.exit(main())"
    start = ("-c", code) if before else ("-m", "abcwebrtc")
    return (sys.executable, *start, *map(str, arguments))


def environment(**changes: str) -> Dict[str, str]:
    """Return an environment in which the abcwebrtc under test is the one that runs."""
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(abcwebrtc.__file__).parent.parent),
        "PYTHONUTF8": "1",
    }
    env.pop("PYTHONUNBUFFERED", None)  # with it no write is left to fail at exit
    env.update(changes)
    return env


def run_command(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run ``abcwebrtc`` with nothing on stdin and return what it printed."""
    settings = {"stdin": subprocess.DEVNULL, "env": environment(), "timeout": WAIT, **options}
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )


class Result:
    """The exit status of a command that ran in this process, and what it printed."""

    def __init__(self, status: Any, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


def run_main(capsys: Any, *arguments: object) -> Result:
    """Run ``abcwebrtc`` in this process; `capsys` is pytest's."""
    try:
        status: Any = main(list(map(str, arguments)))
    except SystemExit as error:
        status = error.code
    return Result(status, *capsys.readouterr())


class ServerProcess:
    """A running ``abcwebrtc serve``; `output` is stdout and stderr so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log
        self.base_url = ""

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self) -> None:
        wait_for(lambda: self._announced() or self.process.poll() is not None)
        announced = self._announced()
        assert announced, self.output
        self.base_url = announced.group(1)

    def _announced(self) -> Optional["re.Match[str]"]:
        # To the end of the line: it may be read while it is being written.
        return re.search(r"serving on (\S+)\n", self.output)

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.terminate()
        return self.process.wait(WAIT)


@contextlib.contextmanager
def running_server(
    od_config: Path, *arguments: object, log: Optional[Path] = None, before: str = ""
) -> Iterator[ServerProcess]:
    """Run ``abcwebrtc serve`` on a free port; what it prints is kept in `log`.

    `before` is Python that the process runs first.
    """
    log = log or od_config.with_suffix(".log")
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command("serve", od_config, "--port", "0", *arguments, before=before),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(),
        )
    server = ServerProcess(process, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT)


def wait_for(condition: Callable[[], Any], seconds: float = WAIT) -> Any:
    """Return the condition's value once it is true; fail when it never is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
