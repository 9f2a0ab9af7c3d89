"""The user of a request: tokens, identities that fail, and what is logged about them."""

from __future__ import annotations

import logging
from typing import Any, Dict, List

import cherrypy
import pytest

import abcwebrtc
from abcwebrtc.errors import ConfigError, TokenError
from abcwebrtc.web.rest import create_app
from support import RTC_PATH, SECRET, bearer, call, make_config, make_token, post, rsa_key
from support.badtokens import bad_tokens
from support.rest_apps import (
    INTERNAL_ERROR,
    KEYINFO_PATH,
    TURN_PATH,
    check_error,
    raising_app,
    verifying_app,
)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ABCAuthorization": make_token()},
        {"ABCAuthorization": "Bearer"},
        {"ABCAuthorization": "Bearer x"},
        {"ABCAuthorization": "Basic YWxpY2U6cHc="},
        {"ABCAuthorization": "Bearer \xff\xfe"},
        {"Authorization": f"Bearer {make_token()}"},
        bearer(make_token(ttl=-60)),
        bearer(make_token(userid="")),
        bearer(make_token(key=rsa_key("other"))),
    ],
    ids=["none", "bare", "empty", "junk", "basic", "bytes", "wrong name", "old", "nobody", "other"],
)
@pytest.mark.parametrize(("method", "path"), [("POST", RTC_PATH), ("GET", TURN_PATH)])
def test_without_a_good_token_it_is_401_as_in_pyos(
    method: str, path: str, headers: Dict[str, str]
) -> None:
    answer = call(verifying_app(), method, path, "{}" if method == "POST" else None, headers)
    check_error(answer, 401)
    assert answer.body == b'{"status": 401, "message": "Invalid token"}'


@pytest.mark.parametrize(("method", "path"), [("POST", RTC_PATH), ("GET", TURN_PATH)])
def test_all_bad_tokens_get_the_very_same_answer(method: str, path: str) -> None:
    body = "{}" if method == "POST" else None
    expected = call(verifying_app(), method, path, body)
    for name, token in bad_tokens().items():
        answer = call(verifying_app(), method, path, body, bearer(token))
        # Only the time may differ.
        differing = {h for h in answer.headers if answer.headers[h] != expected.headers.get(h)}
        assert differing <= {"date"}, name
        assert set(answer.headers) == set(expected.headers), name
        assert (answer.status, answer.body) == (401, expected.body), name


def test_a_good_token_gives_its_user_a_credential() -> None:
    answer = call(verifying_app(), "POST", RTC_PATH, "{}", bearer(make_token("zo\u00eb@example")))
    assert answer.json()["result"]["iceServers"][1]["username"].endswith(":zo\u00eb@example")


@pytest.mark.parametrize(
    "header", ["=?foo?q?abc?=", "=?utf-8?q?abc?=d", "=?utf-8?b?a?=", "=?utf-8?b?/w==?="]
)
def test_an_encoded_word_is_no_token_whatever_it_says(header: str) -> None:
    """RFC 2047 is for mail; CherryPy decodes it, and fails if it is cut off."""
    answer = call(verifying_app(), "POST", RTC_PATH, "{}", {"ABCAuthorization": header})
    check_error(answer, 401, "Invalid token")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content_Type": "text/plain"}, 415), ({"Content_Length": ""}, 411)],
)
def test_what_is_wrong_with_the_body_is_said_before_401(
    headers: Dict[str, str], status: int
) -> None:
    check_error(post(verifying_app(), **headers), status)


def test_the_log_says_why_a_token_is_refused_and_not_what_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = make_token(ttl=-60)
    with caplog.at_level(logging.INFO, "abcwebrtc"):
        call(verifying_app(), "POST", RTC_PATH, "{}", bearer(token))
    assert "ExpiredSignatureError" in caplog.text
    assert token not in caplog.text


def test_no_header_of_a_request_that_fails_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """By default CherryPy logs all headers with the traceback, including the user's token."""
    with caplog.at_level(logging.DEBUG):
        answer = post(
            raising_app(RuntimeError("a fault")), ABCAuthorization="Bearer a-marked-token"
        )
    check_error(answer, 500)
    assert "a fault" in caplog.text
    assert "marked" not in caplog.text


@pytest.mark.parametrize("path", [TURN_PATH + "&key=a-marked-key", "/a%3Fkey=a-marked-key"])
@pytest.mark.parametrize("token", [make_token(), "x"], ids=["a token", "none"])
def test_the_access_log_has_no_query(
    path: str, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cherrypy"):
        call(verifying_app(), "GET", path.replace("%3F", "?"), headers=bearer(token))
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("cherrypy.access")]
    assert f'"GET {path.partition("?")[0].partition("%")[0]} HTTP/1.1"' in line
    assert "marked" not in caplog.text


def test_an_identity_that_raises_token_error_is_401_and_its_text_stays_inside() -> None:
    answer = post(raising_app(TokenError("the inside")))
    check_error(answer, 401, "Invalid token")
    assert b"inside" not in answer.body


def test_an_identity_may_raise_an_http_error_of_its_own() -> None:
    class PaymentRequired(cherrypy.HTTPError):
        def __init__(self) -> None:
            super().__init__(402, "Insert a coin & a <token>")

    check_error(post(raising_app(PaymentRequired())), 402, "Insert a coin & a <token>")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        ConfigError(abcwebrtc.Problem(SECRET)),
        KeyError(SECRET),
        RecursionError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("path", [RTC_PATH, TURN_PATH])
def test_an_unexpected_exception_is_500_and_nothing_of_it_gets_out(
    path: str, error: Exception
) -> None:
    app = raising_app(error)
    answer = post(app, path) if path == RTC_PATH else call(app, "GET", path)
    check_error(answer, 500)
    assert answer.json() == INTERNAL_ERROR


@pytest.mark.parametrize(("method", "path"), [("POST", RTC_PATH), ("GET", TURN_PATH)])
def test_without_an_identity_there_is_no_endpoint(method: str, path: str) -> None:
    app = create_app(make_config())
    answer = call(app, method, path, "{}" if method == "POST" else None, bearer())
    check_error(answer, 404)
    assert call(app, "GET", "/API/healthz").status == 200
    assert post(app, KEYINFO_PATH, {"provider": "webrtc.enable"}).status == 200


@pytest.mark.parametrize("user", ["alice", "a b"])
@pytest.mark.parametrize(("method", "path"), [("POST", RTC_PATH), ("GET", TURN_PATH)])
def test_pyos_is_told_not_to_log_the_answer(method: str, path: str, user: str) -> None:
    seen: List[Any] = []

    def identity() -> str:
        seen.append(cherrypy.serving.response)
        return user

    call(create_app(make_config(), identity), method, path, "{}" if method == "POST" else None)
    assert [response.notrace for response in seen] == [True]
