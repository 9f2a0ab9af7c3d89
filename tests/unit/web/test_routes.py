"""Which requests reach CherryPy, and the answers and log lines of the others."""

from __future__ import annotations

import logging
from typing import Any, Dict, List, Optional

import pytest

from abcwebrtc.web.routes import COOKIE, MAX_BODY_BYTES, MAX_QUERY_BYTES, KnownRoutes
from support import RTC_PATH, bearer, call
from support.rest_apps import KEYINFO_PATH, check_error, make_app
from support.testpage_site import Site

API = ["/api/core/getkeyinfo", "/api/healthz", "/api/version"]
CREDENTIALS = ["/api/webrtc/coturn_rtcconfiguration", "/api/webrtc/turn"]
PAGE = ["", "/certificates", "/credential", "/login", "/testpage/*"]


def seen(app: KnownRoutes, monkeypatch: pytest.MonkeyPatch) -> List[Dict[str, Any]]:
    """Record the requests that reach CherryPy."""
    environs: List[Dict[str, Any]] = []

    class Asked:
        log = app._app.log

        def __call__(self, environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            environs.append(environ)
            start_response("200 OK", [])
            return []

    monkeypatch.setattr(app, "_app", Asked())
    return environs


def test_the_routes_are_those_that_the_handlers_have() -> None:
    assert sorted(make_app()._routes) == sorted(API + CREDENTIALS)
    assert sorted(Site().app._routes) == sorted(PAGE + API + CREDENTIALS)


@pytest.mark.parametrize("path", ["/API" + "/a" * 31_000, "/" * 60_000 + "API/healthz", "/nowhere"])
def test_a_path_without_a_handler_does_not_reach_cherrypy(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    check_error(call(app, "GET", path), 404, path[:200])
    environs = seen(app, monkeypatch)
    assert call(app, "GET", path).status == 404
    assert environs == []
    assert call(app, "GET", "/API//healthz/").status == 200
    assert [environ["PATH_INFO"] for environ in environs] == ["/API//healthz/"]


@pytest.mark.parametrize("length", ["=?u1e1?q?a?=b", "-1", "+2", "1e1", "\xb2", "1_0"])
def test_a_length_that_is_no_number_does_not_reach_cherrypy(
    length: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    environs = seen(app, monkeypatch)
    answer = call(app, "GET", "/API/healthz", CONTENT_LENGTH=length)
    check_error(answer, 400, "Content-Length is not a number")
    assert environs == []


SLOW = {
    "Cookie": 'a="' + r"\1" * 12_000 + '"',
    "User-Agent": "=?utf-8?q?a?=" * 2_000,
    "Content-Disposition": "," * 30_000,
    "Accept": "a/b;q=0.1," * 3_000,
    "Accept-Encoding": "gzip," * 6_000,
    "If-None-Match": '"a",' * 7_000,
    "Range": "bytes=" + "0-1," * 7_000,
    "Authorization": "Basic " + "a" * 30_000,
    "CGI-Authorization": "Basic " + "a" * 30_000,
    "Referer": "x" * 30_000,
    "X-Other": "=?utf-8?q?a?= " * 2_000,
    "X\xb5": "x",
}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", RTC_PATH), ("GET", "/API/healthz"), ("GET", "/")]
)
def test_cherrypy_gets_what_a_handler_reads_and_no_more(
    method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, token = Site().app, bearer()
    environs = seen(app, monkeypatch)
    call(app, method, path, None, {**SLOW, **token})
    headers = {name: value for name, value in environs[0].items() if name.startswith("HTTP_")}
    agent = headers.pop("HTTP_USER_AGENT")
    assert headers.pop("HTTP_ABCAUTHORIZATION") == token["ABCAuthorization"]
    assert headers == {"HTTP_HOST": "127.0.0.1"}
    assert len(agent) == 200
    assert "=?" not in agent


def test_what_is_not_read_may_be_anything() -> None:
    assert call(make_app(), "POST", RTC_PATH, "{}", SLOW).status == 200


@pytest.mark.parametrize(
    ("cookies", "session"),
    [
        (f"{COOKIE}=a-B_1", "a-B_1"),
        (f"abcdesktop={'x' * 30_000}; {COOKIE}=a; other=b", "a"),
        (f"a=b;{COOKIE}=a, c=d", "a"),
        (f"x{COOKIE}=a; {COOKIE}=b", "b"),
        (f"{COOKIE}=a; {COOKIE}=b", "a"),
        ("", None),
        (f"x{COOKIE}=a", None),
        (f"{COOKIE}=", None),
        (f'{COOKIE}="a"', None),
        (f"{COOKIE}=a=b", None),
        (f"{COOKIE}=\xe9", None),
        (f"{COOKIE}=" + "x" * 65, None),
    ],
)
def test_of_all_cookies_one_is_read(
    cookies: str, session: Optional[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    environs = seen(app, monkeypatch)
    call(app, "GET", "/API/healthz", None, {"Cookie": cookies})
    assert environs[0].get("HTTP_COOKIE") == (session and f"{COOKIE}={session}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (RTC_PATH + "?" + "&".join(f"a{n}=1" for n in range(7_000)), 404),
        (f"/API/webrtc/turn?service=turn&x={'x' * MAX_QUERY_BYTES}", 414),
    ],
)
def test_a_query_that_is_not_taken_does_not_reach_cherrypy(
    path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    environs = seen(app, monkeypatch)
    method = "POST" if path.startswith(RTC_PATH) else "GET"
    check_error(call(app, method, path, None), status)
    assert environs == []
    query = "service=turn&x=" + "x" * (MAX_QUERY_BYTES - len("service=turn&x="))
    assert call(app, "GET", f"/API/webrtc/turn?{query}").status == 200
    assert environs[0]["QUERY_STRING"] == query


@pytest.mark.parametrize(
    "header",
    ["Content-Type", "Host", "Origin", "Sec-Fetch-Site", "X-Forwarded-Host", "X-Forwarded-Proto"],
)
def test_a_header_that_is_read_has_a_limit(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    environs = seen(app, monkeypatch)
    answer = call(app, "POST", RTC_PATH, "{}", {header: "," * 513})
    check_error(answer, 431, f"{header} is larger than 512 bytes")
    assert environs == []
    assert call(app, "POST", RTC_PATH, "{}", {header: "," * 512}).status == 200


@pytest.mark.parametrize(
    ("path", "methods"), [(RTC_PATH, "POST"), (KEYINFO_PATH, "POST"), ("/API/healthz", "GET, HEAD")]
)
def test_another_method_is_told_the_right_one(path: str, methods: str) -> None:
    answer = call(make_app(), "BREW", path)
    check_error(answer, 405, "Specified method is invalid for this resource")
    assert answer.headers["allow"] == methods


def test_a_body_that_is_too_large_is_not_read() -> None:
    app = make_app()
    assert call(app, "POST", RTC_PATH, b" " * (MAX_BODY_BYTES - 2) + b"{}").status == 200
    for length in (str(MAX_BODY_BYTES + 1), "9" * 5000):
        answer = call(app, "POST", RTC_PATH, "{}", {"Content_Length": length})
        check_error(answer, 413, "4096")


def test_what_it_answers_is_one_line_in_the_log_and_none_of_it_is_taken_for_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    path, agent = "/no\n\x1b[31m\u00e9" + "x" * 9000 + "?token=secret", "a\nb\x1b" + "y" * 9000
    call(make_app(), "GET", path, headers={"User-Agent": agent})
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.isprintable()
    assert len(line) < 700
    assert '"GET /no%0A%1B%5B31m%E9xxx' in line
    assert " 404 " in line
    assert "secret" not in line
