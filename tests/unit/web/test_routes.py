"""Which requests reach CherryPy, and what the others get, here and in the log."""

from __future__ import annotations

import logging
from typing import Any, Dict, List

import pytest

from abcwebrtc.web.routes import MAX_BODY_BYTES, KnownRoutes
from support import RTC_PATH, call
from support.rest_apps import KEYINFO_PATH, check_error, make_app
from support.testpage_site import Site

API = ["/api/core/getkeyinfo", "/api/healthz", "/api/version"]
CREDENTIALS = ["/api/webrtc/coturn_rtcconfiguration", "/api/webrtc/turn"]
PAGE = ["", "/certificates", "/credential", "/login", "/testpage/*"]


def reached(app: KnownRoutes, monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """Note the paths that CherryPy is asked for."""
    paths: List[str] = []

    class Asked:
        log = app._app.log

        def __call__(self, environ: Dict[str, Any], start_response: Any) -> List[bytes]:
            paths.append(environ["PATH_INFO"])
            start_response("200 OK", [])
            return []

    monkeypatch.setattr(app, "_app", Asked())
    return paths


def test_the_routes_are_those_that_the_handlers_have() -> None:
    assert sorted(make_app()._routes) == sorted(API + CREDENTIALS)
    assert sorted(Site().app._routes) == sorted(PAGE + API + CREDENTIALS)


@pytest.mark.parametrize("path", ["/API" + "/a" * 31_000, "/" * 60_000 + "API/healthz", "/nowhere"])
def test_a_path_without_a_handler_does_not_reach_cherrypy(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    check_error(call(app, "GET", path), 404, path[:200])
    paths = reached(app, monkeypatch)
    assert call(app, "GET", path).status == 404
    assert paths == []
    assert call(app, "GET", "/API//healthz/").status == 200
    assert paths == ["/API//healthz/"]


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
