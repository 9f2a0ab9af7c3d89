"""``abcwebrtc apply`` when the cluster does not know the user, and when a proxy refuses."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import aiohttp.web
import jwt
import pytest
import trustme
import yaml
from kubernetes.config import kube_config

from abcwebrtc.cli.main import main
from abcwebrtc.cluster.answers import CERTIFICATE, Login, login_of
from integration.apply.conftest import TOKEN, fail, header, only
from integration.cluster import Server
from integration.kubeconfig import write_kubeconfig
from integration.turn import free_ports
from support import SECRET, rsa_key

ANONYMOUS = 'configmaps "x" is forbidden: User "system:anonymous" cannot get resource "configmaps"'
NOT_ALLOWED = 'configmaps "x" is forbidden: User "alice" cannot get resource "configmaps"'
NOTHING_SENT = "the kubeconfig has no credentials for this user; log in again"


KNOWS_PROXIES = "proxy-url" in Path(kube_config.__file__).read_text(encoding="utf-8")
by_proxy = pytest.mark.skipif(not KNOWS_PROXIES, reason="this kubernetes client has no proxies")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the machine's own proxies."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def apply(server: Server, od_config: Path, tmp_path: Path, capsys: Any) -> Any:
    """Return a function that runs the command as a user, and returns the error that it prints."""

    def call(user: Dict[str, Any], **cluster: Any) -> str:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", server.url)
        content = yaml.safe_load(kubeconfig.read_text())
        content["users"] = [{"name": "u", "user": user}]
        content["clusters"][0]["cluster"].update(cluster)
        kubeconfig.write_text(yaml.safe_dump(content))
        status = main(["apply", str(od_config), "--kubeconfig", str(kubeconfig)])
        err = capsys.readouterr().err
        assert SECRET not in err
        assert status == 3, err
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        return str(line[len("error: ") :])

    return call


def a_token(end: float) -> str:
    return str(jwt.encode({"exp": end, "sub": SECRET}, rsa_key(), algorithm="RS256"))


# who asks

LOGINS: List[Tuple[Dict[str, Any], int, str, str]] = [
    ({}, 401, "Unauthorized", f"you are not logged in to HOST (401): {NOTHING_SENT}"),
    ({}, 403, ANONYMOUS, f"logged in to HOST (403 for system:anonymous): {NOTHING_SENT}"),
    ({"token": TOKEN}, 401, "Unauthorized", "HOST does not accept your credentials (401): log in"),
    ({"token": TOKEN}, 403, ANONYMOUS, "anonymous), although a token was sent: the server"),
    ({"token": TOKEN}, 403, NOT_ALLOWED, "you are not allowed to get ConfigMap abcdesktop-config"),
    (
        {"token": a_token(1700000000)},
        401,
        "Unauthorized",
        "HOST does not accept your credentials (401): the token expired at 2023-11-14T22:13:20Z; ",
    ),
    (
        {"token": a_token(time.time() + 86400)},
        401,
        "Unauthorized",
        "HOST does not accept your credentials (401): log in again, or choose another --context",
    ),
    ({"username": "me", "password": SECRET}, 403, ANONYMOUS, "although a name and a password was"),
]


@pytest.mark.parametrize(("user", "status", "message", "expected"), LOGINS)
def test_who_is_not_known_is_told_apart_from_who_is_not_allowed(
    cluster: Any,
    server: Server,
    apply: Any,
    user: Dict[str, Any],
    status: int,
    message: str,
    expected: str,
) -> None:
    cluster.before = only("GET", "configmaps", fail(status, "Whatever", message))
    error = apply(user)
    assert expected.replace("HOST", server.url) in error
    assert ("a Role needs the rule" in error) == (message == NOT_ALLOWED)


def test_the_client_that_sends_no_token_is_named(
    cluster: Any, apply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 36.0.0 stores the token under one name and looks it up under another."""
    import kubernetes
    from kubernetes.client import Configuration

    monkeypatch.setattr(Configuration, "auth_settings", lambda self: {})
    cluster.before = only("GET", "configmaps", fail(403, "Forbidden", ANONYMOUS))
    error = apply({"token": TOKEN})
    version = kubernetes.__version__
    assert (
        f"the installed kubernetes client, {version}, does not send the token; replace it" in error
    )


class Configuration:
    cert_file = ""


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (1700000000, "the client certificate expired at 2023-11-14T22:13:20Z; log in again"),
        (time.time() + 86400, "(401): log in again, or choose another --context"),
    ],
    ids=["ended", "not ended"],
)
def test_a_client_certificate_that_has_ended_is_named(
    tmp_path: Path, end: float, words: str
) -> None:
    from datetime import datetime, timezone

    moment = datetime.fromtimestamp(end, timezone.utc)
    made = trustme.CA().issue_cert("me", not_after=moment)
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    configuration = Configuration()
    configuration.cert_file = str(tmp_path / "cert.pem")
    login = login_of(configuration, {})
    assert login.kind == CERTIFICATE
    assert words in login.refused("https://cluster")


def test_a_client_certificate_that_something_took_away_is_named() -> None:
    text = Login(CERTIFICATE).anonymous("https://cluster")
    assert (
        "although a client certificate was sent: a proxy in front of the server terminates" in text
    )


@pytest.mark.parametrize(
    "token",
    ["", ".", "a.b.c", "a." + base64.b64encode(b"[]").decode(), "a." + "[" * 99, "\u2603.\u2603"]
    + [f"a.{base64.urlsafe_b64encode(json.dumps({'exp': e}).encode()).decode()}" for e in ("x", -1)]
    + [f"a.{base64.urlsafe_b64encode(json.dumps({'exp': e}).encode()).decode()}" for e in (1e40,)],
)
def test_a_token_that_tells_no_end_is_a_token(token: str) -> None:
    assert login_of(object(), {"authorization": f"Bearer {token}"}) == Login("a token")


# what stands in between


@pytest.mark.parametrize("status", [401, 403, 407])
def test_what_stands_in_front_is_not_taken_for_the_cluster(
    cluster: Any, server: Server, apply: Any, status: int
) -> None:
    async def handle(request: Any) -> Any:
        return aiohttp.web.Response(body=b"<html>", status=status)

    object.__setattr__(cluster, "_handle", handle)
    assert apply({"token": TOKEN}) == (
        f"{server.url} answers {status}, but not as a Kubernetes API server does: "
        "something in front of it refuses the request; is this the right --context?"
    )


@contextlib.contextmanager
def proxy(answer: bytes) -> Iterator[Tuple[str, List[bytes]]]:
    """Yield the address of a proxy that gives one answer to all, and the requests that it got."""
    seen: List[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        seen.append(connection.recv(65536))
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def refusal_of(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>".encode()


REFUSALS = {
    "403 No": "refuses (403 Forbidden)",
    "407 Login": "refuses (407 Proxy Authentication Required); it needs a login",
    "502 Gone": "refuses (502 Bad Gateway)",
}


@by_proxy
@pytest.mark.parametrize("status", REFUSALS)
def test_a_proxy_that_refuses_is_named_without_its_password(apply: Any, status: str) -> None:
    with proxy(refusal_of(status)) as (address, seen):
        options = {
            "server": "https://cluster.invalid",
            "proxy-url": f"http://me:{SECRET}@{address}",
        }
        error = apply({"token": TOKEN}, **options)
    assert error.startswith(
        "can't reach the cluster at https://cluster.invalid: "
        f"the proxy http://{address} {REFUSALS[status]}"
    )
    assert error.endswith("or from proxy-url in the kubeconfig; to bypass it, set NO_PROXY")
    login = base64.b64encode(f"me:{SECRET}".encode())
    assert seen[0].startswith(b"CONNECT cluster.invalid:443 ")
    assert b"proxy-authorization: basic " + login.lower() in seen[0].lower()


@by_proxy
@pytest.mark.parametrize("status", ["403 No", "407 Login"])
def test_a_proxy_that_refuses_plain_http_is_named_too(
    apply: Any, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    with proxy(refusal_of(status)) as (address, _):
        monkeypatch.setenv("http_proxy", f"http://{address}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")  # that of older clients
        error = apply({"token": TOKEN}, server="http://cluster.invalid")
    assert error.startswith(f"the proxy http://{address} {REFUSALS[status]}")


@by_proxy
def test_a_proxy_that_is_not_there_is_named(apply: Any) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = {"server": "https://cluster.invalid", "proxy-url": f"http://me:{SECRET}@{address}"}
    error = apply({"token": TOKEN}, **options)
    assert error.startswith(
        f"can't reach the proxy http://{address} to the cluster at https://cluster.invalid: "
        "connection refused; the proxy comes from HTTPS_PROXY"
    )


@by_proxy
def test_a_proxy_that_says_nothing_is_in_the_message(apply: Any) -> None:
    with proxy(b"") as (address, _):
        options = {"server": "https://cluster.invalid", "proxy-url": f"http://{address}"}
        error = apply({"token": TOKEN}, **options)
    assert f"cluster at https://cluster.invalid through the proxy http://{address}: " in error


@by_proxy
def test_a_proxy_that_lets_through_is_no_obstacle(
    cluster: Any, od_config: Path, server: Server, tmp_path: Path
) -> None:
    """The mock also accepts the absolute url of a request to a proxy."""
    kubeconfig = write_kubeconfig(
        tmp_path / "kubeconfig", "http://cluster.invalid", **{"proxy-url": server.url}
    )
    line = ["apply", str(od_config), "--kubeconfig", str(kubeconfig), "--restart", "none"]
    assert main(line) == 0
    assert header(cluster.seen[0], "host") == "cluster.invalid"


def test_no_proxy_leaves_the_proxy_out(
    cluster: Any, apply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(request: Any) -> Any:
        return aiohttp.web.Response(body=b"<html>", status=403)

    object.__setattr__(cluster, "_handle", handle)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    error = apply({"token": TOKEN})
    assert "something in front of it refuses" in error
    assert "proxy" not in error
