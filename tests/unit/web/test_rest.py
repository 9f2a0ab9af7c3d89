"""The endpoints by path, through the WSGI callable; `test_serve` has the sockets."""

from __future__ import annotations

import re
import time
from typing import Any, Dict

import pytest

import abcwebrtc
from abcwebrtc.web.rest import create_app
from abcwebrtc.web.tokens import User
from support import RTC_PATH, SECRET, call, make_config, post
from support.rest_apps import (
    COTURN,
    INTERNAL_ERROR,
    KEYINFO_PATH,
    STATIC_TURN,
    TURN_PATH,
    check_error,
    check_headers,
    coturn,
    make_app,
    password_for,
    verifying_app,
)

# coturn_rtcconfiguration


def test_the_answer_is_that_of_pyos_byte_for_byte_with_ttl_and_expiry_after_it() -> None:
    before = int(time.time())
    answer = post(make_app())
    expires_at = answer.json()["expires_at"]
    username = f"{expires_at}:alice"
    expected = (
        '{"status": 200, "result": {"iceServers": [{"urls": "stun:stun.example.org:3478"}, '
        f'{{"urls": "turn:turn.example.org:3478", "username": "{username}", '
        f'"credential": "{password_for(username)}"}}]}}, "message": "ok", '
        f'"ttl": 600, "expires_at": {expires_at}}}'
    )
    assert answer.body.decode() == expected
    assert answer.status == 200
    assert before + 600 <= expires_at <= time.time() + 600
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    check_headers(answer)


def test_ttl_and_expiry_are_those_of_the_server_that_expires_first() -> None:
    servers = [{**COTURN, "ttl": ttl, "url": f"turn{ttl}.example.org"} for ttl in (900, 300)]
    content = post(make_app(webrtc__coturn=servers)).json()
    first, second = content["result"]["iceServers"][1:]
    assert content["ttl"] == 300
    assert second["username"] == f"{content['expires_at']}:alice"
    assert first["username"] == f"{content['expires_at'] + 600}:alice"


@pytest.mark.parametrize(
    "path",
    ["/api/webrtc/coturn_rtcconfiguration", "/Api/WebRTC/Coturn_RtcConfiguration", RTC_PATH + "/"],
)
def test_paths_are_matched_in_any_case(path: str) -> None:
    assert post(make_app(), path).status == 200


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "text/javascript"]
)
def test_json_is_taken_under_the_content_types_of_pyos(content_type: str) -> None:
    assert post(make_app(), Content_Type=content_type).status == 200


@pytest.mark.parametrize("body", ["{}", b" " * 4094 + b"{}", '{"anything": ["\u00e9"]}'], ids=len)
def test_any_json_object_up_to_4_kib_is_taken(body: Any) -> None:
    assert post(make_app(), body=body).status == 200


BAD_BODIES = [
    pytest.param("", "Invalid JSON document", id="empty"),
    pytest.param("{", "Invalid JSON document", id="unfinished"),
    pytest.param("{} {}", "Invalid JSON document", id="two"),
    pytest.param(b'{"a": "\xff"}', "Invalid JSON document", id="not UTF-8"),
    pytest.param("[" * 4000, "Invalid JSON document", id="deep list"),
    pytest.param('{"a":' * 800, "Invalid JSON document", id="deep object"),
    pytest.param("[" * 2000 + "]" * 2000, "JSON", id="deep and closed"),
    pytest.param("[]", "Expected a JSON object", id="list"),
    pytest.param("1", "Expected a JSON object", id="number"),
]


@pytest.mark.parametrize(("body", "message"), BAD_BODIES)
@pytest.mark.parametrize("path", [RTC_PATH, KEYINFO_PATH])
def test_a_body_that_is_no_json_object_is_400(path: str, body: Any, message: str) -> None:
    check_error(post(make_app(), path, body), 400, message)


@pytest.mark.parametrize("path", [RTC_PATH, KEYINFO_PATH])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Length": ""}, 411),
        ({"Content_Length": "", "Transfer_Encoding": "chunked"}, 411),
        ({"Content_Type": ""}, 415),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Length": "4097"}, 413),
        ({"Content_Length": "9" * 100}, 413),
        ({"Content_Length": "many"}, 400),
    ],
    ids=str,
)
def test_a_body_that_is_not_announced_well_is_refused(
    path: str, headers: Dict[str, str], status: int
) -> None:
    check_error(post(make_app(), path, **headers), status)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", [RTC_PATH, KEYINFO_PATH])
def test_only_post_is_allowed(path: str, method: str) -> None:
    answer = call(make_app(), method, path, "{}" if method == "PUT" else None)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    check_headers(answer)
    if method == "HEAD":
        assert answer.body == b""
    else:
        check_error(answer, 405)


# what the configuration makes of it


@pytest.mark.parametrize(("method", "path"), [("POST", RTC_PATH), ("GET", TURN_PATH)])
def test_webrtc_that_is_off_is_403_with_a_word_for_programs(method: str, path: str) -> None:
    app = make_app(webrtc__enable=False)
    answer = call(app, method, path, "{}" if method == "POST" else None)
    assert answer.status == 403
    assert answer.json() == {
        "status": 403,
        "message": "webrtc.enable is False; set webrtc.enable: True for sound",
        "error": "webrtc_disabled",
    }
    check_headers(answer)


def test_webrtc_that_is_off_is_401_for_nobody() -> None:
    check_error(post(verifying_app(webrtc__enable=False)), 401)


@pytest.mark.parametrize("nothing", [..., None, {}, []], ids=repr)
def test_stun_alone_is_200_without_a_ttl(nothing: Any) -> None:
    answer = post(make_app(webrtc__coturn=nothing))
    assert answer.status == 200
    assert answer.json() == {
        "status": 200,
        "result": {"iceServers": [{"urls": "stun:stun.example.org:3478"}]},
        "message": "ok",
        "ttl": None,
        "expires_at": None,
    }


@pytest.mark.parametrize("user", ["a b", "o'brien", "", "x" * 498, "\ud800"], ids=ascii)
@pytest.mark.parametrize(("method", "path"), [("POST", RTC_PATH), ("GET", TURN_PATH)])
def test_a_userid_that_coturn_can_not_take_is_a_fault_of_the_server(
    method: str, path: str, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = call(make_app(user), method, path, "{}" if method == "POST" else None)
    check_error(answer, 500)
    assert answer.json() == INTERNAL_ERROR
    reasons = [r.getMessage() for r in caplog.records if r.name == "abcwebrtc.web.rest"]
    assert len(reasons) == 1
    assert reasons[0].startswith("can't make a credential for this user: ")


def test_the_log_of_a_refused_userid_does_not_hold_it(caplog: pytest.LogCaptureFixture) -> None:
    post(make_app("carol the marked"))
    assert "pseudonym" in caplog.text
    assert "marked" not in caplog.text


@pytest.mark.parametrize("user", ["alice", "o'brien", "union select", "\ud800"])
def test_the_pseudonym_style_takes_every_userid(user: str) -> None:
    server = post(make_app(user, **coturn(username="pseudonym"))).json()["result"]["iceServers"][1]
    assert re.fullmatch("[0-9]{10}:[0-9a-f]{32}", server["username"])
    assert server["credential"] == password_for(server["username"])


@pytest.mark.parametrize("style", ["userid", "pseudonym"])
def test_two_users_in_one_second_get_two_credentials(style: str) -> None:
    apps = [make_app(user, **coturn(username=style)) for user in ("alice", "bob", "alice")]
    answers = [post(app).json()["result"]["iceServers"][1] for app in apps]
    names = [answer["username"].split(":", 1)[1] for answer in answers]
    assert names[0] == names[2] != names[1]
    assert answers[0]["credential"] != answers[1]["credential"]


# turn: the standard shape


@pytest.mark.parametrize(
    ("change", "is_there"),
    [
        ({}, True),
        ({"coturn_static_auth_secret": ["a-newer-secret-of-usual-length", SECRET]}, True),
        ({"coturn_static_auth_secret": "another-secret-of-a-usual-length"}, False),
        ({"username": "timestamp"}, False),  # it may not learn who the user is
        ({"ttl": 60}, False),
    ],
)
def test_turn_has_the_uris_of_every_server_for_which_the_credential_is_right(
    change: Dict[str, Any], is_there: bool
) -> None:
    servers = [COTURN, {**COTURN, "url": "two.example.org", **change}]
    content = call(make_app(webrtc__coturn=servers), "GET", TURN_PATH).json()
    uris = ["turn:turn.example.org:3478", "turn:two.example.org"]
    assert content["uris"] == (uris if is_there else uris[:1])
    assert content["password"] == password_for(content["username"])


def test_turn_answers_with_the_first_server_of_the_user() -> None:
    servers = [{**COTURN, "url": f"turn{number}.example.org"} for number in range(5)]
    firsts = set()
    for user in ("alice", "bob", "carol", "dave", "erin"):
        app = make_app(user, webrtc__coturn=servers, webrtc__coturn_servers=1)
        (uri,) = call(app, "GET", TURN_PATH).json()["uris"]
        (entry,) = post(app).json()["result"]["iceServers"][1:]
        assert entry["urls"] == uri
        firsts.add(uri)
    assert len(firsts) > 1


def labelled_app(*labels: str, left_out: Any = lambda: (), **changes: Any) -> Any:
    user = User("alice", frozenset(labels))
    return create_app(make_config(**changes), lambda: user, left_out=left_out)


PARIS = {
    "webrtc__coturn": [
        {**COTURN, "name": "paris", "url": "paris.example.org", "acl": {"permit": ["paris"]}},
        {**COTURN, "name": "lyon", "url": "lyon.example.org", "acl": {"permit": ["lyon", "paris"]}},
    ],
    "webrtc__coturn_servers": 1,
    "webrtc__policies": [
        {"acl": {"permit": ["lyon"]}, "iceTransportPolicy": "relay", "ttl": 60},
    ],
}


def test_labels_decide_which_servers_a_user_gets_and_how() -> None:
    before = int(time.time())
    answer = post(labelled_app("lyon", **PARIS)).json()
    assert [one["urls"] for one in answer["result"]["iceServers"][1:]] == ["turn:lyon.example.org"]
    assert answer["result"]["iceTransportPolicy"] == "relay"
    assert answer["ttl"] == 60
    assert before + 60 <= answer["expires_at"] <= time.time() + 60
    turn = call(labelled_app("lyon", **PARIS), "GET", TURN_PATH).json()
    assert (turn["ttl"], turn["uris"]) == (60, ["turn:lyon.example.org"])


def test_a_user_for_whom_no_server_is_left_gets_none_and_a_404_of_turn() -> None:
    answer = post(labelled_app("rome", **PARIS)).json()
    assert len(answer["result"]["iceServers"]) == 1
    assert (answer["ttl"], answer["expires_at"]) == (None, None)
    check_error(call(labelled_app("rome", **PARIS), "GET", TURN_PATH), 404, "for this user")


@pytest.mark.parametrize(("dead", "url"), [("paris", "lyon"), ("lyon", "paris")])
def test_a_server_that_is_left_out_goes_to_nobody(dead: str, url: str) -> None:
    app = labelled_app("paris", left_out=lambda: [dead], **PARIS)
    (entry,) = post(app).json()["result"]["iceServers"][1:]
    assert entry["urls"] == f"turn:{url}.example.org"
    assert call(app, "GET", TURN_PATH).json()["uris"] == [entry["urls"]]


def test_turn_answers_in_the_shape_of_the_draft() -> None:
    other = {**COTURN, "coturn_static_auth_secret": "another-secret-of-a-usual-length"}
    servers = [{**COTURN, "url": ["one.example.org", "two.example.org:3479"]}, other]
    before = int(time.time())
    answer = call(make_app(webrtc__coturn=servers), "GET", TURN_PATH)
    content = answer.json()
    assert answer.status == 200
    assert list(content) == ["username", "password", "ttl", "uris"]
    expires_at, _, user = content["username"].partition(":")
    assert before + 600 <= int(expires_at) <= time.time() + 600
    assert user == "alice"
    assert content["password"] == password_for(content["username"])
    assert content["ttl"] == 600
    assert content["uris"] == ["turn:one.example.org", "turn:two.example.org:3479"]
    check_headers(answer)


def test_turn_leaves_the_other_parameters_of_the_draft_alone() -> None:
    assert call(make_app(), "GET", TURN_PATH + "&username=bob&key=x").status == 200


@pytest.mark.parametrize("query", ["", "?service=stun", "?service=turn&service=turn"])
def test_turn_wants_the_service(query: str) -> None:
    check_error(call(make_app(), "GET", "/API/webrtc/turn" + query), 400, "Write ?service=turn")


def test_turn_takes_no_query_for_a_fault_of_its_own() -> None:
    assert call(make_app(), "GET", TURN_PATH + "&self=1").status < 500


def test_turn_without_a_turn_server_is_404() -> None:
    answer = call(make_app(webrtc__coturn=None), "GET", TURN_PATH)
    check_error(answer, 404, "webrtc.coturn has no TURN server")


@pytest.mark.parametrize("path", [TURN_PATH, "/API/healthz", "/API/version"])
def test_what_is_got_is_not_posted(path: str) -> None:
    answer = call(make_app(), "POST", path, "{}")
    check_error(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


# getkeyinfo


@pytest.mark.parametrize(
    ("provider", "value"),
    [
        ("webrtc.enable", True),
        ("webrtc.rtc_constraints", {"video": False, "audio": {"echoCancellation": True}}),
        (
            "webrtc.configuration",
            {"iceServers": [{"urls": ["stun:a.example.org"]}], "bundlePolicy": "balanced"},
        ),
    ],
)
def test_getkeyinfo_answers_without_a_login(provider: str, value: Any) -> None:
    app = verifying_app(
        webrtc__rtc_constraints={"video": False, "audio": {"echoCancellation": True}},
        webrtc__rtc_configuration={
            "iceServers": [{"urls": ["stun:a.example.org"]}],
            "bundlePolicy": "balanced",
        },
    )
    answer = post(app, KEYINFO_PATH, {"provider": provider})
    assert answer.status == 200
    assert answer.json() == {"id": value, "callbackurl": None}
    assert list(answer.json()) == ["id", "callbackurl"]
    check_headers(answer)


@pytest.mark.parametrize(
    ("provider", "value"),
    [
        ("webrtc.enable", False),
        ("webrtc.rtc_constraints", {"video": False, "audio": False}),
        ("webrtc.configuration", {"iceServers": []}),
    ],
)
def test_getkeyinfo_answers_with_the_defaults_of_pyos(provider: str, value: Any) -> None:
    app = create_app(abcwebrtc.WebRTCConfig.from_mapping({}))
    assert post(app, KEYINFO_PATH, {"provider": provider}).json()["id"] == value


@pytest.mark.parametrize(
    "body",
    [{"provider": p} for p in ("webrtc.coturn", "WEBRTC.ENABLE", None, ["a"])]
    + [{}, {"Provider": "webrtc.enable"}],
    ids=str,
)
def test_getkeyinfo_of_another_provider_is_400(body: Dict[str, Any]) -> None:
    check_error(post(make_app(), KEYINFO_PATH, body), 400, "Unknown provider")


def test_getkeyinfo_never_shows_a_static_turn_password() -> None:
    stun = {"urls": "stun:stun.example.org"}
    app = make_app(webrtc__rtc_configuration={"iceServers": [STATIC_TURN, stun]})
    answer = post(app, KEYINFO_PATH, {"provider": "webrtc.configuration"})
    assert answer.json()["id"] == {"iceServers": [stun]}
    assert b"static" not in answer.body
    assert STATIC_TURN in post(app).json()["result"]["iceServers"]
