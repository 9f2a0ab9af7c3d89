"""The test page through the WSGI callable, its login, and the links that `serve` prints."""

from __future__ import annotations

import datetime
import json
import logging
import os
import pty
import re
import signal
import socket
import ssl
import subprocess
import threading
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import pytest
import trustme

from abcwebrtc import operatorlogin, testpage, tlslook
from abcwebrtc.cli import main
from abcwebrtc.commands.serve import page_url
from abcwebrtc.errors import TokenError
from abcwebrtc.operatorlogin import LINK_SECONDS, SESSION_SECONDS, OperatorLogin
from abcwebrtc.rest import create_app, token_identity
from abcwebrtc.testpage import COOKIE, FOLDER, OPEN, OperatorPage, tls_targets
from abcwebrtc.tokens import UserTokenVerifier
from support import (
    ENTRIES,
    RTC_PATH,
    SECRET,
    WAIT,
    Answer,
    bearer,
    call,
    command,
    environment,
    make_config,
    post,
    request,
    rsa_key,
    running_server,
    wait_for,
    write_od_config,
)

FILES = sorted(file.name for file in FOLDER.iterdir())
CLOSED = [name for name in FILES if name not in OPEN and not name.endswith(".html")]
COTURN = ENTRIES["webrtc.coturn"]
LINK = re.compile(r"test page, once within 10 minutes: (\S+)#([A-Za-z0-9_-]{43})\n")


class Site:
    """The application with its page, a clock that is set by hand, and one browser."""

    def __init__(self, **changes: Any) -> None:
        self.now = 1000.0
        self.login = OperatorLogin(lambda: self.now)
        self.cookie = ""
        config = make_config(**changes)
        identity = token_identity(UserTokenVerifier(rsa_key().public_key()))
        self.app = create_app(config, identity, OperatorPage(config, identity, self.login))

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        return call(self.app, method, path, None, {"Cookie": self.cookie, **_named(headers)})

    def post(self, path: str, body: Any = "{}", **headers: str) -> Answer:
        return call(self.app, "POST", path, body, {"Cookie": self.cookie, **_named(headers)})

    def redeem(self, key: str, **headers: str) -> Answer:
        return self.post("/login", {"key": key}, **headers)

    def log_in(self) -> Site:
        self.cookie = f"{COOKIE}={morsel(self.redeem(self.login.new_key())).value}"
        return self


def _named(headers: Dict[str, str]) -> Dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def morsel(answer: Answer) -> "Morsel[str]":
    assert answer.status == 200, answer.body
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]


def policy(answer: Answer) -> Dict[str, str]:
    """Return the Content-Security-Policy by directive."""
    parts = answer.headers["content-security-policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)  # type: ignore[misc]


# the login itself


def test_a_link_works_once() -> None:
    login = OperatorLogin()
    key = login.new_key()
    session = login.redeem(key)
    assert session is not None
    assert login.is_session(session)
    assert login.redeem(key) is None


def test_wrong_keys_open_nothing_and_leave_the_link_as_it_is() -> None:
    login = OperatorLogin()
    assert login.redeem("") is None  # there is no link yet
    key = login.new_key()
    for wrong in ("", key[:-1], key + "x", key.swapcase(), "\udcff\0", "é"):
        assert login.redeem(wrong) is None
        assert not login.is_session(wrong)
    assert login.redeem(key)


def test_a_new_link_ends_the_one_before_it() -> None:
    login = OperatorLogin()
    old, new = login.new_key(), login.new_key()
    assert login.redeem(old) is None
    assert login.redeem(new)


@pytest.mark.parametrize(("late", "works"), [(-0.001, True), (0.0, False), (1e9, False)])
def test_links_and_sessions_end(late: float, works: bool) -> None:
    now = 50.0
    login = OperatorLogin(lambda: now)
    key = login.new_key()
    now = 50.0 + LINK_SECONDS + late
    assert bool(login.redeem(key)) is works
    now = 50.0
    session = login.redeem(login.new_key()) or ""
    now = 50.0 + SESSION_SECONDS + late
    assert login.is_session(session) is works


def test_keys_and_sessions_can_not_be_guessed() -> None:
    login = OperatorLogin()
    keys = [login.new_key() for _ in range(50)]
    sessions = [login.redeem(login.new_key()) or "" for _ in range(50)]
    assert len({*keys, *sessions}) == 100
    assert {len(one) for one in (*keys, *sessions)} == {43}  # 256 bits in base64url


def test_neither_key_nor_session_is_kept() -> None:
    login = OperatorLogin()
    session = login.redeem(login.new_key()) or ""
    key = login.new_key()
    kept = repr(vars(login))
    assert key not in kept
    assert session not in kept


def test_sessions_are_bounded_and_the_oldest_goes_first() -> None:
    now = 0.0
    login = OperatorLogin(lambda: now)
    sessions = []
    for _ in range(operatorlogin.MAX_SESSIONS + 2):
        now += 1
        sessions.append(login.redeem(login.new_key()) or "")
    assert [login.is_session(one) for one in sessions[:3]] == [False, False, True]
    assert login.is_session(sessions[-1])


def test_a_key_that_many_threads_redeem_opens_one_session() -> None:
    login = OperatorLogin()
    key = login.new_key()
    opened: List[Optional[str]] = []
    threads = [threading.Thread(target=lambda: opened.append(login.redeem(key))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 20
    assert len([one for one in opened if one]) == 1


# who gets what


def test_without_a_login_there_is_the_login_page() -> None:
    answer = Site().get()
    assert answer.status == 401
    assert answer.headers["content-type"] == "text/html;charset=utf-8"
    assert answer.body == (FOLDER / "login.html").read_bytes()
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("name", CLOSED)
def test_without_a_login_there_is_no_script_of_the_page(name: str) -> None:
    answer = Site().get(f"/testpage/{name}")
    assert answer.status == answer.json()["status"] == 401
    assert answer.headers["content-type"] == "application/json"


def test_the_login_page_names_no_file_that_needs_a_login() -> None:
    text = (FOLDER / "login.html").read_text(encoding="utf-8")
    named = set(re.findall(r'(?:src|href)="testpage/([^"]+)"', text))
    assert named == set(OPEN)
    assert "import" not in (FOLDER / "login.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*OPEN, *CLOSED])
def test_a_session_gets_every_file_as_it_is_and_with_its_type(name: str) -> None:
    answer = Site().log_in().get(f"/testpage/{name}")
    assert answer.status == 200
    assert answer.body == (FOLDER / name).read_bytes()
    types = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].split(";")[0] == types[name.rpartition(".")[2]]


def test_a_session_gets_the_page() -> None:
    answer = Site().log_in().get()
    assert (answer.status, answer.body) == (200, (FOLDER / "index.html").read_bytes())


def test_a_user_token_gets_the_page_its_files_and_a_credential_of_its_own() -> None:
    site = Site()
    assert site.get(**bearer()).body == (FOLDER / "index.html").read_bytes()
    assert site.get("/testpage/main.js", **bearer()).status == 200
    servers = site.post("/credential", **bearer()).json()["result"]["iceServers"]
    assert servers[1]["username"].endswith(":alice")


def test_the_credential_of_a_session_is_the_endpoint_s_answer_for_the_operator() -> None:
    site = Site().log_in()
    answer = site.post("/credential").json()
    servers = answer["result"]["iceServers"]
    assert servers[1]["username"].endswith(":operator")
    assert list(answer) == list(site.post(RTC_PATH, **bearer()).json())


def test_a_session_is_no_login_for_the_documented_endpoints() -> None:
    site = Site().log_in()
    assert site.post(RTC_PATH).status == 401
    assert site.get("/API/webrtc/turn?service=turn").status == 401


@pytest.mark.parametrize(
    "cookie",
    ["", f"{COOKIE}=", f"{COOKIE}=x", "other=x", f'{COOKIE}="\\303"', f"{COOKIE}=" + "x" * 9999],
)
def test_other_cookies_are_no_session(cookie: str) -> None:
    site = Site()
    site.cookie = cookie
    assert site.get().status == 401
    assert site.get("/testpage/main.js").status == 401
    for path in ("/credential", "/certificates"):
        answer = site.post(path)
        assert answer.status == 401
        assert b"iceServers" not in answer.body


def test_a_session_ends_after_an_hour() -> None:
    site = Site().log_in()
    site.now += SESSION_SECONDS
    assert site.get().status == site.post("/credential").status == 401


def test_a_link_that_has_ended_is_refused() -> None:
    site = Site()
    key = site.login.new_key()
    site.now += LINK_SECONDS
    answer = site.redeem(key)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_sound_that_is_off_is_told_as_the_endpoint_tells_it() -> None:
    answer = Site(webrtc__enable=False).log_in().post("/credential")
    assert (answer.status, answer.json()["error"]) == (403, "webrtc_disabled")


def test_with_an_open_endpoint_the_page_is_open_too() -> None:
    config = make_config()
    app = create_app(
        config, lambda: "anonymous", OperatorPage(config, lambda: "anonymous", OperatorLogin())
    )
    assert call(app, "GET", "/").status == 200
    servers = post(app, "/credential").json()["result"]["iceServers"]
    assert servers[1]["username"].endswith(":anonymous")


# the cookie


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_ends() -> None:
    site = Site()
    cookie = morsel(site.redeem(site.login.new_key()))
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert int(cookie["max-age"]) == SESSION_SECONDS
    assert not cookie["secure"]  # over http the browser would not keep it
    # no Path and no Domain: it is for this host, and the folder where the page is
    assert (cookie["path"], cookie["domain"]) == ("", "")


@pytest.mark.parametrize(
    "changes", [{"wsgi.url_scheme": "https"}, {"HTTP_X_FORWARDED_PROTO": "https"}]
)
def test_the_cookie_is_secure_under_tls(changes: Dict[str, str]) -> None:
    site = Site()
    answer = call(site.app, "POST", "/login", {"key": site.login.new_key()}, **changes)
    assert morsel(answer)["secure"]


# headers


@pytest.mark.parametrize("path", ["/", *(f"/testpage/{name}" for name in OPEN)])
@pytest.mark.parametrize("logged_in", [True, False])
def test_headers_let_in_nothing_but_the_page_s_own_files(path: str, logged_in: bool) -> None:
    site = Site().log_in() if logged_in else Site()
    answer = site.get(path)
    assert policy(answer) == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "img-src", "connect-src"), "'self'"),
        **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
    }
    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    assert {name: answer.headers[name] for name in expected} == expected


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".html")])
def test_pages_have_no_inline_script_or_style_and_nothing_from_elsewhere(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert re.findall(r"""(?:src|href)=["'](?!testpage/)""", text) == []


def test_scripts_import_what_is_there_and_make_no_markup_of_text() -> None:
    for name in FILES:
        if name.endswith(".js"):
            text = (FOLDER / name).read_text(encoding="utf-8")
            assert set(re.findall(r' from "\./([^"]+)"', text)) <= set(FILES), name
            assert not re.search(
                r"innerHTML|insertAdjacentHTML|document\.write|eval\(|https?:", text
            )


# methods and paths


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/testpage/style.css"])
def test_files_answer_get_and_head_only(method: str, path: str) -> None:
    assert call(Site().app, method, path, "{}").status == 405


@pytest.mark.parametrize("path", ["/", "/testpage/style.css"])
def test_head_is_get_without_the_body(path: str) -> None:
    site = Site().log_in()
    head, get = site.get(path, "HEAD"), site.get(path)
    assert head.status == 200
    assert head.body == b""
    same = ("content-type", "content-length", "content-security-policy")
    assert [head.headers[name] for name in same] == [get.headers[name] for name in same]


@pytest.mark.parametrize("path", ["/login", "/credential", "/certificates"])
def test_actions_take_json_by_post_only(path: str) -> None:
    site = Site().log_in()
    assert site.get(path).status == 405
    assert site.post(path, "{}", Content_Type="text/plain").status == 415
    form = "application/x-www-form-urlencoded"
    assert site.post(path, "key=x", Content_Type=form).status == 415
    assert site.post(path, "[]").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/testpage",
        "/testpage/",
        "/testpage/nowhere.js",
        "/testpage/login.html",
        "/testpage/index.html",
        "/testpage/../testpage.py",
        "/testpage/..",
        "/testpage/../../pyproject.toml",
        "/testpage//etc/passwd",
        "/testpage/style.css/x",
        "/testpage/style.css\0",
        "/testpage.py",
        "/webpage/style.css",
        "/index.html",
        "/nowhere",
    ],
)
def test_there_is_nothing_else(path: str) -> None:
    answer = Site().log_in().get(path)
    assert answer.status == answer.json()["status"] == 404


@pytest.mark.parametrize("key", [None, 1, [], {}, True])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    assert Site().redeem(key).status == 403


# other sites


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
    {"Origin": "http://127.0.0.1:81"},
]
OWN = [
    {},
    {"Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://a.example"},  # a proxy changes Host
    {"Origin": "https://a.example", "X-Forwarded-Host": "a.example"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_get_nothing_with_a_session_s_cookie(headers: Dict[str, str]) -> None:
    site = Site().log_in()
    for path in ("/credential", "/certificates"):
        assert site.post(path, **headers).status == 403
    key = site.login.new_key()
    assert site.redeem(key, **headers).status == 403
    assert site.redeem(key).status == 200  # it was not used up


@pytest.mark.parametrize("headers", OWN)
def test_the_page_itself_gets_what_it_asks_for(headers: Dict[str, str]) -> None:
    site = Site()
    site.cookie = f"{COOKIE}={morsel(site.redeem(site.login.new_key(), **headers)).value}"
    assert site.post("/credential", **headers).status == 200


# secrets


def test_no_answer_and_no_log_line_holds_a_key_or_a_session(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    site = Site().log_in()
    key, session = site.login.new_key(), site.cookie.partition("=")[2]
    answers = [
        *(site.get(path) for path in ("/", "/testpage/main.js", "/nowhere")),
        site.redeem(key[:-1]),
        site.post("/login", json.dumps({"key": key})[:-1]),
        site.post("/certificates"),
        site.redeem(key),
        site.redeem(key),
    ]
    for text in (*(answer.body.decode() for answer in answers), caplog.text):
        for secret in (key, session, SECRET):
            assert secret not in text
    assert "POST /login" in caplog.text  # there was something to be in


# what TLS shows to this machine


STUN_ERROR = b"\x01\x11\0\0\x21\x12\xa4\x42" + bytes(12)
"""A Binding error response without attributes (RFC 8489, section 5)."""
HTTP_ERROR = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class TLSServer:
    """A socket that greets with TLS, or with something else; `answer` is what it says then."""

    def __init__(self, context: Optional[ssl.SSLContext], answer: bytes = STUN_ERROR) -> None:
        self._context, self._answer = context, answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            try:
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                else:
                    connection.sendall(b"SSH-2.0-nothing\r\n")
                connection.recv(1)
                connection.sendall(self._answer)
                connection.recv(9999)
            except OSError:
                pass
            finally:
                connection.close()

    def close(self) -> None:
        self._socket.close()


AUTHORITY = trustme.CA()


@pytest.fixture
def trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def tls_server(*names: str, answer: bytes = STUN_ERROR, **issued: Any) -> TLSServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names, **issued).configure_cert(context)
    return TLSServer(context, answer)


@pytest.fixture
def servers() -> Iterator[List[TLSServer]]:
    made: List[TLSServer] = []
    yield made
    for one in made:
        one.close()


def test_a_trusted_certificate(servers: List[TLSServer], trust: ssl.SSLContext) -> None:
    servers.append(tls_server("127.0.0.1"))
    assert tlslook.look("127.0.0.1", servers[0].port, trust=trust).word == tlslook.TRUSTED


@pytest.mark.parametrize(
    "answer", [HTTP_ERROR, STUN_ERROR[:4], STUN_ERROR[:7] + b"\0", b"", b"\xff"]
)
def test_what_speaks_tls_but_no_stun(
    servers: List[TLSServer], trust: ssl.SSLContext, answer: bytes
) -> None:
    servers.append(tls_server("127.0.0.1", answer=answer))
    seen = tlslook.look("127.0.0.1", servers[0].port, timeout=WAIT if answer else 0.2, trust=trust)
    where = f"127.0.0.1 port {servers[0].port}"
    assert seen == ("not-stun", f"{where} speaks TLS, but neither STUN nor TURN")


def test_a_certificate_of_an_unknown_authority(servers: List[TLSServer]) -> None:
    servers.append(tls_server("127.0.0.1"))
    seen = tlslook.look("127.0.0.1", servers[0].port)
    assert seen.word == "certificate-untrusted"
    assert "is not trusted: its issuer" in seen.message


def test_that_a_certificate_ends_soon_does_not_hide_why_it_is_refused(
    servers: List[TLSServer],
) -> None:
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=5)
    servers.append(tls_server("127.0.0.1", not_after=soon))
    assert tlslook.look("127.0.0.1", servers[0].port).word == "certificate-untrusted"


def test_a_certificate_that_has_ended(servers: List[TLSServer], trust: ssl.SSLContext) -> None:
    past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=5)
    servers.append(tls_server("127.0.0.1", not_after=past))
    assert tlslook.look("127.0.0.1", servers[0].port, trust=trust).word == "certificate-expired"


def test_a_certificate_for_another_name(servers: List[TLSServer], trust: ssl.SSLContext) -> None:
    servers.append(tls_server("turn.domain.local"))
    seen = tlslook.look("127.0.0.1", servers[0].port, trust=trust)
    assert seen.word == "certificate-name"
    assert seen.message.endswith("not for 127.0.0.1, but for turn.domain.local")


def test_what_does_not_speak_tls(servers: List[TLSServer]) -> None:
    servers.append(TLSServer(None))
    assert tlslook.look("127.0.0.1", servers[0].port).word == "no-tls"


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    seen = tlslook.look("127.0.0.1", port)
    assert seen == ("refused", f"nothing listens on 127.0.0.1 port {port}, TCP")


def test_a_silent_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        seen = tlslook.look("127.0.0.1", listening.getsockname()[1], timeout=0.2)
    assert seen.word == "no-answer"


def test_a_name_that_does_not_resolve() -> None:
    assert tlslook.look("nowhere.invalid", 5349).word == "no-name"


def test_only_configured_servers_with_tls_are_looked_at() -> None:
    config = make_config(
        webrtc__rtc_configuration={
            "iceServers": [{"urls": ["stun:a.example", "stuns:B.example:5350"]}]
        },
        webrtc__coturn=[
            {**COTURN, "protocol": "turns", "url": "turn.example.org"},
            {**COTURN, "protocol": "turns", "url": "turn.example.org:5349"},
            {**COTURN, "protocol": "turns", "url": "[2001:db8::1]:443"},
            COTURN,
        ],
    )
    assert tls_targets(config) == [
        ("b.example", 5350),
        ("turn.example.org", 5349),
        ("2001:db8::1", 443),
    ]


def test_the_page_is_told_what_tls_shows_once_for_many_who_ask(servers: List[TLSServer]) -> None:
    servers.append(tls_server("127.0.0.1"))
    where = f"127.0.0.1:{servers[0].port}"
    site = Site(webrtc__coturn={**COTURN, "protocol": "turns", "url": where}).log_in()
    first = site.post("/certificates").json()
    assert list(first["result"]) == [where]
    assert first["result"][where]["word"] == "certificate-untrusted"
    servers[0].close()
    assert site.post("/certificates").json() == first


def test_a_slow_look_keeps_nobody_else_waiting_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> tlslook.Look:
        begun.set()
        go_on.wait()
        return tlslook.Look("trusted", "")

    monkeypatch.setattr(testpage, "look", slow)
    monkeypatch.setattr(testpage, "PATIENCE", 0.01)
    certificates = testpage.Certificates(
        make_config(webrtc__coturn={**COTURN, "protocol": "turns"})
    )
    first = threading.Thread(target=certificates.looks)
    first.start()
    try:
        assert begun.wait(WAIT)
        assert certificates.looks() == {}
    finally:
        go_on.set()
        first.join()
    assert [one["word"] for one in certificates.looks().values()] == ["trusted"]


def test_without_tls_there_is_nothing_to_tell() -> None:
    assert Site().log_in().post("/certificates").json()["result"] == {}


# serve


@pytest.mark.parametrize(
    ("base_url", "page"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080/"),
        ("https://[::]:8443", "https://[::1]:8443/"),
        ("http://[fd00::7]:80", "http://[fd00::7]:80/"),
        ("https://turn.domain.local:8443", "https://turn.domain.local:8443/"),
    ],
)
def test_a_link_is_to_an_address_that_a_browser_can_go_to(base_url: str, page: str) -> None:
    assert page_url(base_url) == page


def test_into_a_log_no_link_is_printed_unless_asked_for(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path)) as server:
        assert request(server.base_url + "/").status == 401
        assert "test page" not in server.output


def test_a_link_that_is_asked_for_opens_the_page_once(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), "--print-link") as server:
        found = wait_for(lambda: LINK.search(server.output))
        assert found[1] == server.base_url + "/"
        answer = request(server.base_url + "/login", {"key": found[2]})
        session = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert request(server.base_url + "/", headers=session).status == 200
        assert request(server.base_url + "/login", {"key": found[2]}).status == 403
        assert server.output.count(found[2]) == 1


def test_usr1_prints_a_new_link_and_the_one_before_it_ends(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), "--print-link") as server:
        old = wait_for(lambda: LINK.search(server.output))
        server.process.send_signal(signal.SIGUSR1)
        new = wait_for(lambda: LINK.search(server.output, old.end()))
        assert request(server.base_url + "/login", {"key": old[2]}).status == 403
        assert request(server.base_url + "/login", {"key": new[2]}).status == 200


def test_the_link_names_the_address_behind_a_proxy(tmp_path: Path) -> None:
    options = ("--print-link", "--page-url", "https://desktop.domain.local/webrtc")
    with running_server(write_od_config(tmp_path), *options) as server:
        found = wait_for(lambda: LINK.search(server.output))
        assert found[1] == "https://desktop.domain.local/webrtc/"


def test_an_open_endpoint_prints_an_address_without_a_key(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path)
    with running_server(od_config, "--insecure-no-auth", "--print-link") as server:
        wait_for(lambda: f"abcwebrtc: test page: {server.base_url}/\n" in server.output)
        assert request(server.base_url + "/").status == 200


def test_on_a_terminal_a_link_is_printed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("serve", write_od_config(tmp_path), "--port", "0"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    os.close(theirs)
    try:
        said = b""
        while b"#" not in said or not said.endswith(b"\n"):
            said += os.read(ours, 4096)
        assert LINK.search(said.decode().replace("\r", ""))
    finally:
        process.terminate()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(
    "url",
    [
        "desktop.domain.local",
        "ftp://desktop.domain.local/",
        "https://",
        "https://a.example/?x=1",
        "https://a.example/#x",
        "https://user:password@a.example/",
        "https://[",
        "https://a.example/\x1b[31m",
    ],
)
def test_an_address_that_is_none_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["serve", "od.config", "--page-url", url])
    assert exit_info.value.code == 2
    said = capsys.readouterr().err
    assert "--page-url: write a URL such as https://" in said
    assert "password" not in said


# the package


def test_the_files_are_where_the_package_is() -> None:
    assert Path(testpage.__file__).parent / "webpage" == FOLDER
    assert {"index.html", "login.html", "main.js", "verdict.js", *OPEN} <= set(FILES)


def test_an_identity_that_fails_otherwise_is_not_taken_for_a_missing_login() -> None:
    def identity() -> str:
        raise RuntimeError("broken")

    config = make_config()
    app = create_app(config, identity, OperatorPage(config, identity, OperatorLogin()))
    assert call(app, "GET", "/").status == 500


def test_token_errors_are_what_the_guard_takes_for_a_missing_login() -> None:
    def identity() -> str:
        raise TokenError("no bearer token")

    config = make_config()
    app = create_app(config, identity, OperatorPage(config, identity, OperatorLogin()))
    assert call(app, "GET", "/").status == 401
