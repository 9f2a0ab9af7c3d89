"""docs/reference/openapi.yaml against the running ``abcwebrtc serve``, by schemathesis."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import urlsplit

import jsonschema_rs
import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, assume, settings
from schemathesis import checks

import abcwebrtc
from abcwebrtc.web.routes import MAX_QUERY_BYTES
from integration.endpoint import Endpoint
from support import ENTRIES, RTC_PATH, WAIT, bearer, make_token

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml"
TURN_PATH, KEY_PATH = "/API/webrtc/turn", "/API/core/getkeyinfo"
HEALTH_PATH, VERSION_PATH = "/API/healthz", "/API/version"

schemathesis.serializer.alias("text/javascript", "application/json")
schema = schemathesis.openapi.from_path(DOCUMENT)
document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
RESPONSES = {
    (path, method.upper()): operation["responses"]
    for path, operations in document["paths"].items()
    for method, operation in operations.items()
    if method != "parameters"
}
credentials = schema.include(tag="credentials")
bounded = settings(
    max_examples=30,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
CONFORMANCE = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
# It takes any other parameter, and schemathesis knows no way to say so.
TAKES_ANYTHING = {TURN_PATH: [checks.negative_data_rejection]}


# servers in every state

COTURN: Dict[str, Any] = dict(ENTRIES["webrtc.coturn"])
STATES: Dict[str, Dict[str, Any]] = {
    "enabled": {},
    "disabled": {"webrtc__enable": False},
    "STUN alone": {"coturn": None},
    "nothing for alice": {"coturn": {**COTURN, "acl": {"permit": ["paris"]}}},
    "a fleet": {
        "coturn": [COTURN, {**COTURN, "transport": ["udp", "tcp"]}],
        "webrtc__coturn_servers": 1,
        "webrtc__policies": [{"iceTransportPolicy": "relay", "ttl": 60}],
    },
    "many servers": {"coturn": [COTURN, {**COTURN, "transport": ["udp", "tcp"]}]},
}


class Servers:
    """The endpoints; each is started at its first use."""

    def __init__(self, factory: pytest.TempPathFactory, stack: Any) -> None:
        self._factory = factory
        self._stack = stack
        self._running: Dict[str, Endpoint] = {}

    def __getitem__(self, state: str) -> str:
        if state not in self._running:
            folder = self._factory.mktemp("openapi")
            entries = {"coturn": COTURN, **STATES[state]}
            running = Endpoint.running(folder, **entries)
            self._running[state] = self._stack.enter_context(running)
        return self._running[state].server.base_url

    @property
    def output(self) -> str:
        return "".join(endpoint.server.output for endpoint in self._running.values())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with contextlib.ExitStack() as stack:
        yield Servers(tmp_path_factory, stack)


# what schemathesis makes up

FRAMING = {"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}
"""Headers of HTTP itself: a bad one is refused before there is a request."""


def well_framed(case: Any) -> Any:
    """Return a case without generated headers that say where its request ends."""
    for name in [name for name in case.headers or () if name.lower() in FRAMING]:
        del case.headers[name]
    return case


@schema.parametrize()
@bounded
def test_every_answer_to_a_user_is_as_documented(case: Any, servers: Servers) -> None:
    sent = requests.Request(**case.as_transport_kwargs(base_url=servers["enabled"])).prepare()
    assume(len(urlsplit(sent.url).query) <= MAX_QUERY_BYTES)  # a longer one is 414
    well_framed(case).call_and_validate(
        base_url=servers["enabled"],
        headers=bearer(),
        excluded_checks=TAKES_ANYTHING.get(case.path, []),
    )
    assert "Traceback" not in servers.output


@credentials.parametrize()
@bounded
def test_without_a_token_there_is_no_credential(case: Any, servers: Servers) -> None:
    case.headers.pop("ABCAuthorization", None)
    answer = well_framed(case).call(base_url=servers["enabled"])
    case.validate_response(answer, checks=CONFORMANCE)
    assert answer.status_code in (400, 401, 404, 405, 411, 414, 415)
    assert b"credential" not in answer.content


@credentials.parametrize()
@bounded
def test_a_disabled_configuration_gives_no_credential(case: Any, servers: Servers) -> None:
    answer = well_framed(case).call(base_url=servers["disabled"], headers=bearer())
    case.validate_response(answer, checks=CONFORMANCE)
    assert answer.status_code in (400, 401, 403, 404, 405, 411, 414, 415)
    assert b"credential" not in answer.content


# each documented answer, on purpose

Request = Tuple[str, str, Dict[str, Any]]


def post(path: str, data: Any = b"{}", **headers: str) -> Request:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return "POST", path, {"data": body, "headers": {"Content-Type": "application/json", **headers}}


def get(path: str, method: str = "GET", **headers: str) -> Request:
    return method, path, {"headers": headers}


def chunked(path: str) -> Request:
    method, _, sent = post(path)
    return method, path, {**sent, "data": iter([b"{}"])}


DAY = 86400  # seconds: the suite may take longer than a user's token lasts
ALICE, NOBODY = bearer(make_token("alice", DAY)), {"ABCAuthorization": "Bearer none"}
SPACED = bearer(make_token("alice smith", DAY))
TURN = f"{TURN_PATH}?service=turn"
LONG_QUERY = f"{TURN}&key={'x' * 1024}"
ENABLE = {"provider": "webrtc.enable"}
ANSWERS: List[Tuple[str, Request, int]] = [
    ("enabled", post(RTC_PATH, **ALICE), 200),
    ("many servers", post(RTC_PATH, **ALICE), 200),
    ("a fleet", post(RTC_PATH, **ALICE), 200),
    ("STUN alone", post(RTC_PATH, **ALICE), 200),
    ("nothing for alice", post(RTC_PATH, **ALICE), 200),
    ("enabled", post(RTC_PATH, b"[]", **ALICE), 400),
    ("enabled", post(RTC_PATH, b"{", **ALICE), 400),
    ("enabled", post(RTC_PATH), 401),
    ("enabled", post(RTC_PATH, **NOBODY), 401),
    ("disabled", post(RTC_PATH, **ALICE), 403),
    ("enabled", post(RTC_PATH + "?x=1", **ALICE), 404),
    ("enabled", get(RTC_PATH, **ALICE), 405),
    ("enabled", chunked(RTC_PATH), 411),
    ("enabled", post(RTC_PATH, b" " * 70000, **ALICE), 413),
    ("enabled", post(RTC_PATH, **{**ALICE, "Content-Type": "text/plain"}), 415),
    ("enabled", post(RTC_PATH, **SPACED), 500),
    ("enabled", get(TURN, **ALICE), 200),
    ("many servers", get(TURN, **ALICE), 200),
    ("enabled", get(TURN + "&key=x&username=bob", **ALICE), 200),
    ("enabled", get(TURN_PATH, **ALICE), 400),
    ("enabled", get(f"{TURN_PATH}?service=stun", **ALICE), 400),
    ("enabled", get(f"{TURN}&service=turn", **ALICE), 400),
    ("enabled", get(TURN), 401),
    ("disabled", get(TURN, **ALICE), 403),
    ("a fleet", get(TURN, **ALICE), 200),
    ("STUN alone", get(TURN, **ALICE), 404),
    ("nothing for alice", get(TURN, **ALICE), 404),
    ("enabled", get(TURN_PATH, "PUT"), 405),
    ("enabled", get(LONG_QUERY, **ALICE), 414),
    ("enabled", get(TURN, **SPACED), 500),
    ("enabled", get(TURN, "HEAD", **ALICE), 200),
    ("enabled", get(TURN_PATH, "HEAD", **ALICE), 400),
    ("enabled", get(TURN, "HEAD"), 401),
    ("disabled", get(TURN, "HEAD", **ALICE), 403),
    ("STUN alone", get(TURN, "HEAD", **ALICE), 404),
    ("enabled", get(LONG_QUERY, "HEAD", **ALICE), 414),
    ("enabled", get(TURN, "HEAD", **SPACED), 500),
    *(
        (state, post(KEY_PATH, {"provider": f"webrtc.{name}"}), 200)
        for state in STATES
        for name in ("enable", "rtc_constraints", "configuration")
    ),
    ("enabled", post(KEY_PATH, {"provider": "webrtc.coturn"}), 400),
    ("enabled", post(KEY_PATH, b"\xff"), 400),
    ("enabled", post(KEY_PATH + "?provider=x", ENABLE), 404),
    ("enabled", get(KEY_PATH, "DELETE"), 405),
    ("enabled", chunked(KEY_PATH), 411),
    ("enabled", post(KEY_PATH, b" " * 70000), 413),
    ("enabled", post(KEY_PATH, ENABLE, **{"Content-Type": "text/plain"}), 415),
    *(
        ("disabled", get(path + query, method), status)
        for path in (HEALTH_PATH, VERSION_PATH)
        for method, query, status in (
            ("GET", "", 200),
            ("HEAD", "", 200),
            ("GET", "?x=1", 404),
            ("HEAD", "?x=1", 404),
            ("POST", "", 405),
        )
    ),
    *(
        ("enabled", get(path, method, **{"Content-Length": "x"}), 400)
        for path in (TURN, HEALTH_PATH, VERSION_PATH)
        for method in ("GET", "HEAD")
    ),
]
NAMES = [f"{state}, {method} {path}: {status}" for state, (method, path, _), status in ANSWERS]


def documented(path: str, method: str) -> Tuple[str, str]:
    """Return where the answer is documented: a 405 is listed at an allowed method."""
    path = path.partition("?")[0]
    allowed = [name for place, name in RESPONSES if place == path]
    return path, method if method in allowed else allowed[0]


@pytest.mark.parametrize(("state", "sent", "status"), ANSWERS, ids=NAMES)
def test_an_answer_is_as_documented(
    state: str, sent: Request, status: int, servers: Servers
) -> None:
    method, path, options = sent
    answer = requests.request(method, servers[state] + path, timeout=WAIT, **options)
    assert answer.status_code == status
    place, name = documented(path, method)
    assert str(status) in RESPONSES[place, name]
    schema[place][name].validate_response(answer)


UNPROVOKED = {(path, "500") for path in (KEY_PATH, HEALTH_PATH, VERSION_PATH)}


def test_each_documented_answer_has_been_asked_for() -> None:
    asked = {(*documented(path, method), str(status)) for _, (method, path, _), status in ANSWERS}
    described = {(*place, status) for place in RESPONSES for status in RESPONSES[place]}
    assert {each for each in described if (each[0], each[2]) not in UNPROVOKED} == asked


# the document itself


def media_types(node: Any) -> Iterator[Dict[str, Any]]:
    """Yield everything in the document that has a schema and examples."""
    if isinstance(node, dict):
        if "schema" in node and "examples" in node:
            yield node
        for item in node.values():
            yield from media_types(item)
    elif isinstance(node, list):
        for item in node:
            yield from media_types(item)


def test_every_example_fits_its_schema() -> None:
    found = list(media_types(document))
    assert len(found) > 15
    for media_type in found:
        validator = jsonschema_rs.validator_for({**document, **media_type["schema"]})
        for name, example in media_type["examples"].items():
            assert validator.is_valid(example["value"]), name


def test_the_document_has_the_version_of_the_package() -> None:
    assert document["info"]["version"] == abcwebrtc.__version__
