"""All other paths and methods, and errors before and during error handling."""

from __future__ import annotations

import json

import pytest

import abcwebrtc
from abcwebrtc.web.rest import create_app
from support import RTC_PATH, SECRET, bearer, call, make_config, post
from support.rest_apps import KEYINFO_PATH, TURN_PATH, check_error, check_headers, make_app


@pytest.mark.parametrize("path", ["/API/healthz", "/api/healthz", "/API/HealthZ"])
def test_healthz_answers_that_it_answers(path: str) -> None:
    answer = call(create_app(make_config()), "GET", path)
    assert answer.body == b'{"status": 200, "message": "ok"}'
    check_headers(answer)


def test_version_is_that_of_the_package() -> None:
    answer = call(make_app(), "GET", "/API/version")
    assert answer.json() == {"name": "abcwebrtc", "version": abcwebrtc.__version__}


@pytest.mark.parametrize("path", ["/API/healthz", "/API/version", TURN_PATH])
def test_head_is_get_without_the_body(path: str) -> None:
    got, head = (call(make_app(), method, path) for method in ("GET", "HEAD"))
    assert head.status == got.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(got.body))
    check_headers(head)


@pytest.mark.parametrize(
    "path",
    [
        "/__class__/index",
        "/API/__class__/healthz",
        "/API/healthz/__func__",
        "/API/healthz/__self__/healthz",
        "/API/healthz/__self__/webrtc/turn?service=turn",
        "/API//__self__/healthz",
        "/API/webrtc/_identity",
    ],
)
def test_an_attribute_of_python_is_no_address(path: str) -> None:
    """With a second path of an endpoint, a request would pass a proxy that denies the first."""
    check_error(call(make_app(), "GET", path, headers=bearer()), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/API"),
        ("GET", "/API/"),
        ("GET", "/API/webrtc"),
        ("GET", "/API/webrtc/_config"),
        ("POST", "/API/webrtc/_rtc_configuration"),
        ("GET", "/API/webrtc/__init__"),
        ("GET", "/API/core/_answers"),
        ("GET", "/API/healthz/more"),
        ("GET", "/API/healthz?x=1"),
        ("POST", RTC_PATH + "?x=1"),
        ("POST", RTC_PATH + "/x"),
        ("GET", "/API/\xff\xfe"),
        ("GET", "/static/../etc/passwd"),
    ],
)
def test_everything_else_is_404(method: str, path: str) -> None:
    check_error(call(make_app(), method, path, "{}" if method == "POST" else None), 404)


def test_a_message_is_not_escaped_as_if_it_were_html() -> None:
    answer = call(make_app(), "GET", '/API/<b>&"')
    check_error(answer, 404, "The path '/API/<b>&\"' was not found.")


def test_an_error_before_dispatch_is_json_too() -> None:
    answer = call(make_app(), "POST", RTC_PATH, "{}", {"Host": ""})
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"status": 400, "message": "HTTP/1.1 requires a 'Host' request header."}


def test_an_error_before_dispatch_has_the_headers_of_every_answer() -> None:
    answer = call(make_app(), "POST", RTC_PATH, "{}", {"Host": ""})
    check_error(answer, 400, "Host")


def test_a_fault_of_the_error_page_itself_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(abcwebrtc.web.rest, "_finish", failing)
    answer = post(make_app("a b"))
    assert answer.status == 500
    assert b"Traceback" not in answer.body
    assert SECRET.encode() not in answer.body


def test_answers_are_never_shared() -> None:
    app = make_app()
    first = json.dumps(post(app, KEYINFO_PATH, {"provider": "webrtc.configuration"}).json())
    post(app)
    assert json.dumps(post(app, KEYINFO_PATH, {"provider": "webrtc.configuration"}).json()) == first
