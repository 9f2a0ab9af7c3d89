"""The operator's page through the WSGI callable."""

from __future__ import annotations

import json
import logging
import re
from typing import Any, Dict, List

import pytest

from abcwebrtc.probe.causes import CAUSES
from abcwebrtc.web.look import Looks
from abcwebrtc.web.rest import create_app
from abcwebrtc.web.test_page import (
    COOKIE,
    FOLDER,
    LINK_SECONDS,
    OPEN,
    OPERATOR,
    SESSION_SECONDS,
    OperatorLogin,
    OperatorPage,
)
from support import RTC_PATH, SECRET, Answer, bearer, call, make_config, make_token, post
from support.testpage_site import COTURN, Site, morsel

FILES = sorted(file.name for file in FOLDER.iterdir())
MADE = ("causes.js", "version.js")
CLOSED = [name for name in FILES if name not in OPEN and not name.endswith(".html")]


def policy(answer: Answer) -> Dict[str, str]:
    """Return the Content-Security-Policy by directive."""
    parts = answer.headers["content-security-policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)  # type: ignore[misc]


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


FLEET = {
    "webrtc__coturn": [
        {**COTURN, "name": "own", "url": "own.example.org"},
        {**COTURN, "name": "other", "url": "other.example.org", "acl": {"permit": ["other"]}},
        {**COTURN, "name": "drained", "url": "drained.example.org", "drain": True},
    ],
    "webrtc__coturn_servers": 1,
    "webrtc__policies": [{"iceTransportPolicy": "relay", "ttl": 60}],
}


def turn_urls(answer: Answer) -> List[str]:
    return [server["urls"] for server in answer.json()["result"]["iceServers"][1:]]


def test_the_operator_tests_every_server_and_not_what_some_user_gets() -> None:
    answer = Site(**FLEET).log_in().post("/credential")
    every = ["turn:own.example.org", "turn:other.example.org", "turn:drained.example.org"]
    assert turn_urls(answer) == every
    assert "iceTransportPolicy" not in answer.json()["result"]
    assert answer.json()["ttl"] == COTURN["ttl"]


def test_a_user_token_opens_no_other_server_on_the_page_than_on_the_endpoint() -> None:
    site = Site(**FLEET)
    answer = site.post("/credential", **bearer())
    assert turn_urls(answer) == ["turn:own.example.org"]
    assert answer.json()["ttl"] == 60
    assert answer.json()["result"]["iceTransportPolicy"] == "relay"
    labels = {"data": {"labels": {"other": "true"}}}
    users = [bearer(make_token(f"user{number}", auth=labels)) for number in range(20)]
    found = {url for user in users for url in turn_urls(site.post("/credential", **user))}
    assert found == {"turn:own.example.org", "turn:other.example.org"}


def test_a_user_token_gets_no_server_that_is_left_out_and_the_operator_tests_it() -> None:
    changes = {**FLEET, "webrtc__coturn_servers": None}
    site = Site(lambda: ["own"], **changes)
    token = bearer(make_token(auth={"data": {"labels": {"other": "true"}}}))
    assert turn_urls(site.post("/credential", **token)) == ["turn:other.example.org"]
    assert "turn:own.example.org" in turn_urls(site.log_in().post("/credential"))


def test_a_session_is_no_login_for_the_documented_endpoints() -> None:
    site = Site().log_in()
    assert site.post(RTC_PATH).status == 401
    assert site.get("/API/webrtc/turn?service=turn").status == 401


@pytest.mark.parametrize(
    "cookie",
    ["", f"{COOKIE}=", "other=x", f'{COOKIE}="\\303"', f"{COOKIE}=" + "x" * 9999],
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


@pytest.mark.parametrize("userid", ["alice", OPERATOR])
def test_a_user_is_not_told_what_the_servers_show_and_has_none_looked_at(
    userid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Looks, "told", lambda _: pytest.fail("a look"))
    answer = Site().post("/certificates", **bearer(make_token(userid)))
    assert answer.status == 403
    assert answer.json()["message"] == "This needs a session, which the printed link opens"


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
    app = create_app(config, lambda: "anonymous", OperatorPage(config, lambda: "anonymous", None))
    assert call(app, "GET", "/").status == 200
    servers = post(app, "/credential").json()["result"]["iceServers"]
    assert servers[1]["username"].endswith(":anonymous")
    assert post(app, "/certificates").status == 200
    assert post(app, "/login", {"key": "x"}).status == 403


# the cookie


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites_and_ends() -> None:
    site = Site()
    cookie = morsel(site.redeem(site.login.new_key()))
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert int(cookie["max-age"]) == SESSION_SECONDS
    assert not cookie["secure"]  # over http the browser would discard it
    # no Path and no Domain: for this host and the page's folder
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


def test_the_table_of_causes_is_a_module_of_the_page() -> None:
    answer = Site().log_in().get("/testpage/causes.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    begin, table = answer.body.split(b" default ", 1)
    assert (begin, json.loads(table)["causes"]) == (b"export", CAUSES)


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
            assert set(re.findall(r' from "\./([^"]+)"', text)) <= {*FILES, *MADE}, name
            assert not re.search(
                r"innerHTML|insertAdjacentHTML|document\.write|eval\(|https?:", text
            )


# methods and paths


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
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
        "/testpage/__class__",
        "/testpage//__init__",
        "/testpage/_guard",
        "/testpage",
        "/testpage/",
        "/testpage/nowhere.js",
        "/testpage/index.html",
        "/testpage/../test_page.py",
        "/testpage/..",
        "/testpage//etc/passwd",
        "/testpage/style.css/x",
        "/testpage/style.css\0",
        "/static/style.css",
        "/index.html",
    ],
)
def test_there_is_nothing_else(path: str) -> None:
    answer = Site().log_in().get(path)
    assert answer.status == answer.json()["status"] == 404


@pytest.mark.parametrize("key", [None, 1, []])
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
    assert site.redeem(key).status == 200  # it has not been used up


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
    assert "POST /login" in caplog.text  # the log is not empty


def test_an_identity_that_fails_otherwise_is_not_taken_for_a_missing_login() -> None:
    def identity() -> str:
        raise RuntimeError("broken")

    config = make_config()
    app = create_app(config, identity, OperatorPage(config, identity, OperatorLogin()))
    assert call(app, "GET", "/").status == 500
