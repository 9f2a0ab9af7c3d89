"""docs/pyos.md, fitted into a miniature of pyos, and what pyos's clients then get."""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import logging
import re
import socket
import subprocess
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import unquote, urlsplit

import cherrypy
import pytest

import abcwebrtc.pyos
from abcwebrtc import ConfigError, PreparedPod, verify_turn_credentials
from abcwebrtc.pyos import (
    WebRTCEndpoint,
    configure,
    create_desktop,
    current_config,
    desktop_environment,
    inject_webrtc,
    prepare_desktop,
)
from pyos_host import (
    BASIC,
    CONTROLLER_FILE,
    WAYS,
    fit,
    host_command,
    lines_to_add,
    running_host,
    sections,
)
from pyos_host.apiserver import ApiServer, running_api_server
from support import (
    ENTRIES,
    RTC_PATH,
    SECRET,
    WAIT,
    Answer,
    ServerProcess,
    bearer,
    environment,
    make_token,
    post,
    request,
    rsa_key,
    spoil,
    write_od_config,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # google-auth warns of Python 3.9
    from kubernetes import client

KEYINFO_PATH = "/API/core/getkeyinfo"
LAUNCH_PATH = "/API/composer/launchdesktop"
COTURN = ENTRIES["webrtc.coturn"]
STATIC_PASSWORD = "a-static-password"
STATIC_TURN = {"urls": "turn:t.example.org", "username": "u", "credential": STATIC_PASSWORD}
STUN = {"urls": "stun:stun.example.org:3478"}
SOUND = {"image": "sound:1", "enable": True, "tcpport": 4714, "acl": {"permit": ["loud"]}}
BAD_USER = "o'brien"
SECRET_WAY, MANIFEST_WAY, ENVIRONMENT_WAY = WAYS


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(tmp_path_factory.mktemp("pyos") / "host")


@contextlib.contextmanager
def host(fitted: Path, folder: Path, **changes: Any) -> Iterator[ServerProcess]:
    with running_host(fitted, write_od_config(folder, **changes)) as running:
        yield running


@pytest.fixture(scope="module")
def pyos(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A host with the entries of `ENTRIES`, for tests that only ask."""
    with host(fitted, tmp_path_factory.mktemp("plain"), banned=["mallory"]) as running:
        yield running


def ask(running: ServerProcess, user: str = "alice", path: str = RTC_PATH) -> Answer:
    return request(running.base_url + path, {}, bearer(make_token(user)))


def key_info(running: ServerProcess, provider: str) -> Any:
    answer = request(running.base_url + KEYINFO_PATH, {"provider": provider})
    assert answer.status == 200
    assert list(answer.json()) == ["id", "callbackurl"]
    return answer.json()["id"]


def check_error(answer: Answer, status: int, message: str = "") -> None:
    """Check that an error is as pyos's handlers make it, and that nobody keeps it."""
    content = answer.json()
    assert answer.status == status
    assert list(content) == ["status", "message"]
    assert content["status"] == status
    assert message in content["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def turn_login(answer: Answer) -> Tuple[str, str]:
    server = answer.json()["result"]["iceServers"][-1]
    return server["username"], server["credential"]


# the page


def test_every_line_to_add_belongs_to_a_section_that_is_fitted() -> None:
    assert sorted(lines_to_add()) == sorted([*BASIC, *WAYS])


@pytest.mark.parametrize("title", [*BASIC, *WAYS])
def test_the_lines_to_add_are_few_and_hold_no_logic(title: str) -> None:
    plain = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign, ast.ClassDef, ast.Pass)
    for block in lines_to_add()[title]:
        assert len([line for line in block.splitlines() if line.strip()]) <= 6
        statements = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.stmt)]
        assert [node for node in statements if not isinstance(node, plain)] == []


def test_the_table_of_names_is_complete() -> None:
    named = re.findall(r"^\| `(\w+)", sections()["Names"], re.MULTILINE)
    public = [
        name
        for name, value in vars(abcwebrtc.pyos).items()
        if getattr(value, "__module__", "") == "abcwebrtc.pyos" and not name.startswith("_")
    ]
    assert sorted(named) == sorted(public)


# the endpoint, inside pyos


def test_the_answer_is_that_of_pyos_byte_for_byte(pyos: ServerProcess) -> None:
    before = int(time.time())
    answer = ask(pyos)
    username, password = turn_login(answer)
    expected = (
        '{"status": 200, "result": {"iceServers": [{"urls": "stun:stun.example.org:3478"}, '
        f'{{"urls": "turn:turn.example.org:3478", "username": "{username}", '
        f'"credential": "{password}"}}]}}, "message": "ok"}}'
    )
    assert answer.body.decode() == expected
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert verify_turn_credentials(SECRET, username, password)
    expiry, _, user = username.partition(":")
    assert user == "alice"
    assert before + 600 <= int(expiry) <= time.time() + 600  # the ttl of the entry


@pytest.mark.parametrize("content_type", ["application/json", "text/javascript"])
@pytest.mark.parametrize("path", [RTC_PATH, RTC_PATH.lower(), RTC_PATH.upper(), RTC_PATH + "/"])
def test_paths_and_content_types_are_those_of_pyos(
    pyos: ServerProcess, path: str, content_type: str
) -> None:
    headers = {**bearer(), "Content-Type": content_type}
    assert request(pyos.base_url + path, {}, headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ABCAuthorization": "Bearer x"},
        bearer(make_token(ttl=-60)),
        bearer(make_token(key=rsa_key("other"))),
        bearer(make_token(userid="")),
        bearer(make_token(userid=None)),
        bearer(make_token(userid=7)),
    ],
    ids=["none", "junk", "old", "other key", "nobody", "null", "number"],
)
def test_without_a_good_token_it_is_401(pyos: ServerProcess, headers: Dict[str, str]) -> None:
    answer = request(pyos.base_url + RTC_PATH, {}, headers)
    check_error(answer, 401)
    assert answer.body.strip() == b'{"status": 401, "message": "Invalid token"}'


def test_what_validate_env_raises_goes_to_the_client_as_it_is(pyos: ServerProcess) -> None:
    check_error(ask(pyos, "mallory"), 400, "the user is banned")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405(pyos: ServerProcess, method: str) -> None:
    check_error(request(pyos.base_url + RTC_PATH, headers=bearer(), method=method), 405)


@pytest.mark.parametrize("token", [make_token(ttl=86400), ""])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{}", "text/plain", 415),
        ("{}", "application/x-www-form-urlencoded", 415),
        ("{", "application/json", 400),
        ("", "application/json", 400),
        ("[]", "application/json", 400),
        (" " * 65536 + "{}", "application/json", 413),
    ],
    ids=["text", "form", "bad", "empty", "list", "large"],
)
def test_a_bad_body_is_said_before_401(
    pyos: ServerProcess, body: str, content_type: str, status: int, token: str
) -> None:
    headers = {"Content-Type": content_type, **bearer(token)}
    check_error(request(pyos.base_url + RTC_PATH, body, headers), status)


def test_a_body_without_a_length_is_411(pyos: ServerProcess) -> None:
    address = urlsplit(pyos.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=WAIT) as connection:
        head = f"POST {RTC_PATH} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\n\r\n"
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b'{"status": 411, ' in answer


@pytest.mark.parametrize("path", ["/API/webrtc/turn", RTC_PATH + "/more", RTC_PATH + "?a=1"])
def test_there_is_nothing_else_to_ask(pyos: ServerProcess, path: str) -> None:
    check_error(ask(pyos, path=path), 404)


def test_a_class_that_is_only_assigned_is_not_mounted(fitted: Path, tmp_path: Path) -> None:
    """The host scans as pyos does, so the page's class statement is what counts."""
    folder = fit(tmp_path / "host")
    text = (folder / CONTROLLER_FILE).read_text()
    header, _, _ = text.partition("class ")
    other = "WebRTCController = type('WebRTCController', (abcwebrtc.pyos.WebRTCEndpoint, "
    (folder / CONTROLLER_FILE).write_text(header + other + "BaseController), {})\n")
    with host(folder, tmp_path) as running:
        assert ask(running).status == 404
        assert key_info(running, "webrtc.enable") is True


def logins_in_one_second(running: ServerProcess) -> List[Tuple[str, str]]:
    """Return the logins of alice, bob and alice again, with one expiry."""
    while True:
        logins = [turn_login(ask(running, user)) for user in ("alice", "bob", "alice")]
        if len({username.partition(":")[0] for username, _ in logins}) == 1:
            return logins


@pytest.mark.parametrize(
    ("style", "differ"), [("userid", True), ("pseudonym", True), ("timestamp", False)]
)
def test_two_users_in_the_same_second_differ_where_the_username_style_says_so(
    fitted: Path, tmp_path: Path, style: str, differ: bool
) -> None:
    with host(fitted, tmp_path, webrtc__coturn={**COTURN, "username": style}) as running:
        alice, bob, again = logins_in_one_second(running)
    assert alice == again
    assert (alice[0] != bob[0], alice[1] != bob[1]) == (differ, differ)


def test_webrtc_that_is_off_gives_nothing(fitted: Path, tmp_path: Path) -> None:
    with host(fitted, tmp_path, webrtc__enable=False) as running:
        answer = ask(running)
        check_error(request(running.base_url + RTC_PATH, {}), 401)
        assert key_info(running, "webrtc.enable") is False
    assert answer.status == 403
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "status": 403,
        "message": "webrtc.enable is False; set webrtc.enable: True for sound",
        "error": "webrtc_disabled",
    }


@pytest.mark.parametrize("nothing", [..., None, {}], ids=repr)
def test_stun_alone_is_200(fitted: Path, tmp_path: Path, nothing: Any) -> None:
    with host(fitted, tmp_path, webrtc__coturn=nothing) as running:
        answer = ask(running)
    assert answer.body == (
        b'{"status": 200, "result": {"iceServers": [{"urls": "stun:stun.example.org:3478"}]}, '
        b'"message": "ok"}'
    )


@pytest.mark.parametrize("empty", [None, {}], ids=repr)
def test_turn_alone_is_200(fitted: Path, tmp_path: Path, empty: Any) -> None:
    with host(fitted, tmp_path, webrtc__rtc_configuration=empty) as running:
        (server,) = ask(running).json()["result"]["iceServers"]
        assert server["urls"] == "turn:turn.example.org:3478"
        assert key_info(running, "webrtc.configuration") == {"iceServers": []}
        assert key_info(running, "webrtc.rtc_constraints") == {"video": False, "audio": False}


def test_getkeyinfo_gives_no_password(fitted: Path, tmp_path: Path) -> None:
    static = {"iceServers": [STUN, STATIC_TURN], "iceTransportPolicy": "all"}
    constraints = {"video": False, "audio": {"echoCancellation": True}}
    changes = {"webrtc__rtc_configuration": static, "webrtc__rtc_constraints": constraints}
    with host(fitted, tmp_path, **changes) as running:
        public = {"iceServers": [STUN], "iceTransportPolicy": "all"}
        assert key_info(running, "webrtc.configuration") == public
        assert key_info(running, "webrtc.rtc_constraints") == constraints
        assert key_info(running, "webrtc.enable") is True
        assert key_info(running, "webrtc.coturn") is None
        assert ask(running).json()["result"]["iceServers"][:2] == [STUN, STATIC_TURN]


ENTRY_OF_CONTROLLERS = [
    ({}, [({}, 200)]),
    ({"enable": False}, [({}, 403)]),
    (
        {"permitip": ["10.0.0.0/8"]},
        [({"X-Forwarded-For": "10.1.2.3"}, 200), ({"X-Forwarded-For": "192.0.2.1"}, 403)],
    ),
    ({"apikey": ["a-key"]}, [({"X-API-Key": "a-key"}, 200), ({}, 403)]),
    ({"requestsallowed": {"coturn_rtcconfiguration": True, "another": False}}, [({}, 200)]),
    ({"requestsallowed": {"coturn_rtcconfiguration": False}}, [({}, 403)]),
]


@pytest.mark.parametrize(("entry", "requests"), ENTRY_OF_CONTROLLERS, ids=str)
def test_the_entry_of_the_controller_holds(
    fitted: Path,
    tmp_path: Path,
    entry: Dict[str, Any],
    requests: List[Tuple[Dict[str, str], int]],
) -> None:
    paths = [RTC_PATH, RTC_PATH.upper(), RTC_PATH.replace("webrtc/", "webrtc//")]
    with host(fitted, tmp_path, controllers={"WebRTCController": entry}) as running:
        for headers, status in requests:
            for path in paths:
                answer = request(running.base_url + path, {}, {**bearer(), **headers})
                assert (path, answer.status) == (path, status)
                assert (b"credential" in answer.body) == (status == 200)


def test_a_userid_that_coturn_can_not_take_is_500_and_the_log_says_why(
    fitted: Path, tmp_path: Path
) -> None:
    with host(fitted, tmp_path) as running:
        check_error(ask(running, BAD_USER), 500)
        assert "no credential for this user: " in running.output
        assert "brien" not in running.output


def test_no_credential_is_in_any_log_at_debug(fitted: Path, tmp_path: Path) -> None:
    servers = [COTURN, {**COTURN, "url": "other.example.org", "username": "timestamp"}]
    with host(fitted, tmp_path, webrtc__coturn=servers) as running:
        answers = [ask(running, user) for user in ("alice", "bob")]
        key_info(running, "webrtc.rtc_constraints")
        for user in (BAD_USER, "", "mallory"):
            ask(running, user)
        request(running.base_url + RTC_PATH, "[", bearer())
        output = running.output
    credentials = [
        server["credential"]
        for answer in answers
        for server in answer.json()["result"]["iceServers"]
        if "credential" in server
    ]
    assert len(credentials) == 4
    assert [word for word in [*credentials, SECRET] if word in output] == []
    assert '"video": false' in output  # the host logs what it is not told to leave out
    assert "DEBUG:" in output


# the start


def failed_start(folder: Path, od_config: Path) -> str:
    """Return what a host prints that does not start."""
    result = subprocess.run(
        host_command(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT,
        env=environment(OD_CONFIG_PATH=str(od_config)),
    )
    assert result.returncode == 1
    assert "serving on" not in result.stdout
    assert SECRET not in result.stdout
    return result.stdout


def coturn(**changes: Any) -> Dict[str, Any]:
    return {"webrtc__coturn": {**COTURN, **changes}}


WRONG_ENTRIES = [
    (coturn(coturn_static_auth_secret=""), "webrtc.coturn.coturn_static_auth_secret: is empty"),
    (coturn(protocol="http"), "webrtc.coturn.protocol: must be"),
    (coturn(url="turn:turn.example.org"), "webrtc.coturn.url: begins with 'turn:'"),
    (coturn(ttl=0), "webrtc.coturn.ttl: must be 1 second or more"),
    (coturn(coturn_static_auth_secret_file="f"), "coturn_static_auth_secret_file: stands beside"),
    ({"webrtc__coturn": [COTURN, 5]}, "webrtc.coturn[1]: must be a dict"),
    ({"webrtc__enable": "True"}, "webrtc.enable: must be True or False without quotes"),
    ({"webrtc__enable": None}, "webrtc.enable: must be True or False"),
    ({"webrtc__rtc_constraints": []}, "webrtc.rtc_constraints: must be a dict"),
    (
        {"desktop__envlocal": {"STUN_SERVER": "stun:s.example.org"}},
        "desktop.envlocal.STUN_SERVER: is in the browser's form",
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG_ENTRIES[:2], ids=str)
def test_a_wrong_entry_ends_the_start_and_is_named(
    fitted: Path, tmp_path: Path, changes: Dict[str, Any], message: str
) -> None:
    od_config = write_od_config(tmp_path, **changes)
    last = failed_start(fitted, od_config).strip().splitlines()[-1]
    assert last.startswith(f"abcwebrtc.errors.ConfigError: {od_config}: ")
    assert message in last


def test_the_controller_without_the_settings_ends_the_start(tmp_path: Path) -> None:
    folder = fit(tmp_path / "host", ["Controller"])
    output = failed_start(folder, write_od_config(tmp_path))
    assert "call abcwebrtc.pyos.configure(gconfig) in pyos's settings.init" in output


def test_what_is_unwise_is_a_warning_in_the_log(fitted: Path, tmp_path: Path) -> None:
    with host(fitted, tmp_path, **coturn(ttl=7 * 86400)) as running:
        line = f"WARNING:abcwebrtc.pyos:{tmp_path / 'od.config'}: webrtc.coturn.ttl: is 604800 sec"
        assert line in running.output


def test_a_relative_secret_file_starts_in_the_folder_of_od_config(
    fitted: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    server = {"coturn_static_auth_secret_file": "secret", "url": "turn.example.org"}
    with host(fitted, tmp_path, webrtc__coturn=server) as running:
        assert verify_turn_credentials(SECRET, *turn_login(ask(running)))


# desktops, inside pyos


DESKTOP = {
    "webrtc__desktop": {"turn": True},
    "desktop__pod": {"sound": SOUND},
    "desktop__envlocal": {"DISPLAY": ":0.0"},
}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with running_api_server() as server:
        yield server


@contextlib.contextmanager
def desktop_host(way: str, folder: Path, api: ApiServer, **changes: Any) -> Iterator[ServerProcess]:
    od_config = write_od_config(folder, **{**DESKTOP, **changes})
    fitted = fit(folder / "host", (*BASIC, way))
    with running_host(fitted, od_config, KUBERNETES_URL=api.url) as running:
        yield running


def launch(running: ServerProcess, user: str = "alice", **options: Any) -> Answer:
    auth = {"provider": "local", "data": {"labels": {"loud": "true"}}}
    headers = bearer(make_token(user, auth=auth))
    return request(running.base_url + LAUNCH_PATH, options, headers)


def variables(container: Dict[str, Any]) -> Dict[str, Any]:
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}


def pod_containers(api: ApiServer) -> Dict[str, Dict[str, Any]]:
    """Return the variables of each container of the pod that was created."""
    (call,) = [call for call in api.calls if call.what == ("POST", "pods")]
    spec = call.body["spec"]
    return {c["name"][0]: variables(c) for c in spec["initContainers"] + spec["containers"]}


def password_in(turn_server: str) -> str:
    url = urlsplit(turn_server)
    assert url.scheme == "turn"
    assert url.hostname == "turn.example.org"
    username, password = unquote(url.username or ""), unquote(url.password or "")
    assert verify_turn_credentials(SECRET, username, password)
    return url.password or ""


def test_with_a_secret_the_manifest_holds_no_credential(tmp_path: Path, api: ApiServer) -> None:
    with desktop_host(SECRET_WAY, tmp_path, api) as running:
        assert launch(running).json()["result"] == "alice-887f3"
        output = running.output
    secret, pod, patch = api.calls
    assert [call.what for call in api.calls] == [
        ("POST", "secrets"),
        ("POST", "pods"),
        ("PATCH", "secrets"),
    ]
    turn_server = secret.body["stringData"]["TURN_SERVER"]
    password = password_in(turn_server)
    found = pod_containers(api)
    reference = {"name": secret.body["metadata"]["name"], "key": "TURN_SERVER"}
    assert found["s"]["TURN_SERVER"] == {"secretKeyRef": reference}
    assert "TURN_SERVER" not in found["x"]
    assert "TURN_SERVER" not in found["i"]
    assert found["x"]["STUN_SERVER"] == found["s"]["STUN_SERVER"] == "stun://stun.example.org:3478"
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "alice-887f3", "uid": "uid-2"}
    assert patch.path == f"/api/v1/namespaces/abcdesktop/secrets/{reference['name']}"
    assert patch.body == {"metadata": {"ownerReferences": [owner]}}
    encoded = base64.b64encode(turn_server.encode()).decode()
    assert [word for word in (password, unquote(password), encoded) if word in output] == []
    (logged,) = re.findall("INFO:oc.od.orchestrator:the manifest is (.*)", output)
    assert json.loads(logged) == pod.body


def test_in_the_manifest_there_is_one_call_and_a_plain_turn_server(
    tmp_path: Path, api: ApiServer
) -> None:
    with desktop_host(MANIFEST_WAY, tmp_path, api) as running:
        assert launch(running).status == 200
    assert [call.what for call in api.calls] == [("POST", "pods")]
    found = pod_containers(api)
    assert password_in(found["s"]["TURN_SERVER"])
    assert "TURN_SERVER" not in found["x"]


def test_in_the_environment_it_goes_to_every_container(tmp_path: Path, api: ApiServer) -> None:
    with desktop_host(ENVIRONMENT_WAY, tmp_path, api) as running:
        assert launch(running).status == 200
    found = pod_containers(api)
    assert sorted(found) == ["i", "s", "x"]
    for container in found.values():
        assert password_in(container["TURN_SERVER"])
        assert container["STUN_SERVER"] == "stun://stun.example.org:3478"
        assert container["ABCDESKTOP_USERID"] == "alice"


@pytest.mark.parametrize("way", WAYS)
def test_a_user_without_a_credential_gets_a_desktop_without_turn(
    tmp_path: Path, api: ApiServer, way: str
) -> None:
    with desktop_host(way, tmp_path, api) as running:
        assert launch(running, "union-select").status == 200
        assert "no TURN server for this desktop: " in running.output
    assert [call.what for call in api.calls] == [("POST", "pods")]
    found = pod_containers(api)
    assert all("TURN_SERVER" not in container for container in found.values())
    assert found["s"]["STUN_SERVER"] == "stun://stun.example.org:3478"


def test_a_dry_run_creates_no_secret(tmp_path: Path, api: ApiServer) -> None:
    with desktop_host(SECRET_WAY, tmp_path, api) as running:
        assert launch(running, dry_run="All").status == 200
    assert [(call.what, call.query) for call in api.calls] == [
        (("POST", "pods"), {"dryRun": ["All"]})
    ]


def test_a_pod_that_is_refused_leaves_no_secret(tmp_path: Path, api: ApiServer) -> None:
    api.refused.add(("POST", "pods"))
    with desktop_host(SECRET_WAY, tmp_path, api) as running:
        assert launch(running).status == 500
    assert [call.what for call in api.calls][-1] == ("DELETE", "secrets")
    assert api.objects == {}


# the functions by themselves


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is configured; what is, is forgotten after the test."""
    monkeypatch.setattr(abcwebrtc.pyos, "_config", None)


def gconfig(**changes: Any) -> Dict[str, Any]:
    entries = {**ENTRIES, **{name.replace("__", "."): changes[name] for name in changes}}
    return {"server.socket_port": 8000, **entries}


@pytest.mark.usefixtures("fresh")
class TestConfigure:
    def test_it_returns_what_anybody_may_read(self) -> None:
        rtc_configuration = {"iceServers": [STUN, STATIC_TURN]}
        given = gconfig(webrtc__rtc_configuration=rtc_configuration)
        kept = json.loads(json.dumps(given))
        returned = configure(given)
        assert returned == {
            "enable": True,
            "rtc_configuration": {"iceServers": [STUN]},
            "rtc_constraints": {"video": False, "audio": False},
        }
        assert given == kept

    def test_what_it_returns_is_the_callers_own(self) -> None:
        spoil(configure(gconfig()))
        assert current_config().rtc_configuration["iceServers"] == (STUN,)
        assert configure(gconfig())["rtc_configuration"] == {"iceServers": [STUN]}

    def test_an_od_config_without_webrtc_is_one_without_sound(self) -> None:
        assert configure({})["enable"] is False
        assert current_config().coturn == ()

    @pytest.mark.parametrize("file", ["od.config", b"od.config", Path("od.config")], ids=repr)
    @pytest.mark.parametrize(("changes", "message"), WRONG_ENTRIES, ids=str)
    def test_a_wrong_entry_is_named_and_what_was_held_stays(
        self, changes: Dict[str, Any], message: str, file: Any
    ) -> None:
        configure(gconfig())
        held = current_config()
        with pytest.raises(ConfigError) as caught:
            configure(gconfig(**changes), file)
        assert [str(p).startswith("od.config: ") for p in caught.value.problems] == [True]
        assert message in str(caught.value)
        assert SECRET not in str(caught.value)
        assert caught.value.__context__ is None
        assert current_config() is held

    def test_every_wrong_entry_is_named(self) -> None:
        with pytest.raises(ConfigError) as caught:
            configure(gconfig(webrtc__enable=1, **coturn(ttl=0, protocol="http")))
        paths = [problem.path for problem in caught.value.problems]
        assert paths == ["webrtc.enable", "webrtc.coturn.protocol", "webrtc.coturn.ttl"]
        assert {problem.file for problem in caught.value.problems} == {None}

    def test_a_second_call_replaces_the_first(self) -> None:
        configure(gconfig())
        assert configure(gconfig(webrtc__enable=False))["enable"] is False
        assert current_config().enable is False

    def test_without_a_file_relative_names_start_in_the_current_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "secret").write_text(SECRET)
        monkeypatch.chdir(tmp_path)
        server = {"coturn_static_auth_secret_file": "secret", "url": "turn.example.org"}
        configure(gconfig(webrtc__coturn=server))
        with pytest.raises(ConfigError, match="can't be read"):
            configure(gconfig(webrtc__coturn=server), tmp_path / "elsewhere" / "od.config")

    def test_warnings_are_logged_and_quote_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        configure(gconfig(**coturn(coturn_static_auth_secret="a-short-one")), "od.config")
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "od.config: webrtc.coturn.coturn_static_auth_secret: is shorter" in caplog.text
        assert "a-short-one" not in caplog.text

    def test_before_it_there_is_no_configuration(self) -> None:
        with pytest.raises(ConfigError, match=r"call abcwebrtc\.pyos\.configure"):
            current_config()


class BaseController:
    """As pyos's: it takes its entry, and calls no other constructor."""

    def __init__(self, config: Any = None) -> None:
        self.config = config
        self.requestsallowed = (config or {}).get("requestsallowed")
        self.userid: Any = "alice"

    def is_permit_request(self) -> None:
        """Permit everything."""

    def validate_env(self) -> Any:
        return None, SimpleNamespace(userid=self.userid)


@pytest.mark.usefixtures("fresh")
def test_the_base_can_stand_before_or_after_pyos_base_controller() -> None:
    class Before(WebRTCEndpoint, BaseController):
        pass

    class After(BaseController, WebRTCEndpoint):
        pass

    configure(gconfig())
    for controller in (Before({"enable": True}), After({"enable": True})):
        assert controller.config == {"enable": True}
        assert controller._cp_config["tools.auth.on"] is True


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("allowed", "userid", "status"),
    [(True, "alice", 200), (False, "alice", 403), (True, None, 401), (True, BAD_USER, 500)],
)
def test_the_base_by_itself(
    monkeypatch: pytest.MonkeyPatch, allowed: bool, userid: Any, status: int
) -> None:
    class Controller(WebRTCEndpoint, BaseController):
        pass

    configure(gconfig())
    controller = Controller({"requestsallowed": {"coturn_rtcconfiguration": allowed}})
    controller.userid = userid
    tool = cherrypy.Tool("before_handler", lambda: None)
    monkeypatch.setattr(cherrypy.tools, "auth", tool, raising=False)
    answer = post(cherrypy.Application(controller, ""), "/coturn_rtcconfiguration")
    assert answer.status == status
    assert answer.headers["cache-control"] == "no-store"


def test_the_base_alone_is_no_controller() -> None:
    with pytest.raises(TypeError, match="Alone needs pyos's BaseController as a second base"):
        type("Alone", (WebRTCEndpoint,), {})


@pytest.fixture
def kubeapi(api: ApiServer) -> Any:
    configuration = client.Configuration()
    configuration.host = api.url
    return client.CoreV1Api(client.ApiClient(configuration))


def manifest() -> Dict[str, Any]:
    containers = [{"name": name, "image": "i", "env": []} for name in ("x-1", "s-1")]
    metadata = {"name": "alice-1", "namespace": "abcdesktop"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers},
    }


def configured_desktop(**changes: Any) -> "PreparedPod[Dict[str, Any]]":
    configure(gconfig(**{**DESKTOP, **changes}))
    return prepare_desktop(manifest(), "alice", {"loud": "true"})


@pytest.mark.usefixtures("fresh")
@pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders")  # older kubernetes clients call it
class TestDesktops:
    def test_the_manifest_given_stays_as_it_is(self) -> None:
        configure(gconfig(**DESKTOP))
        given = manifest()
        spoil(inject_webrtc(given, "alice", {"loud": "true"}))
        spoil(prepare_desktop(given, "alice", {"loud": "true"}).pod)
        assert given == manifest()

    @pytest.mark.parametrize(("labels", "there"), [({"loud": "true"}, True), ({}, False)])
    def test_the_sound_container_is_for_the_labels_of_its_acl(
        self, labels: Dict[str, str], there: bool
    ) -> None:
        configure(gconfig(**DESKTOP))
        given = manifest()
        del given["spec"]["containers"][1]
        for pod in (inject_webrtc(given, "alice", labels), prepare_desktop(given, "a", labels).pod):
            names = [container["name"] for container in pod["spec"]["containers"]]
            assert names == ["x-1", "s-1"][: 1 + there]

    def test_what_is_left_as_it_was_is_a_warning(self, caplog: pytest.LogCaptureFixture) -> None:
        configure(gconfig(**DESKTOP))
        prepare_desktop(manifest(), "alice", {})
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "spec.containers[1]: is left as it is" in caplog.text

    def test_the_environment_is_that_of_the_configuration(self) -> None:
        configure(gconfig())
        assert desktop_environment("alice") == {"STUN_SERVER": "stun://stun.example.org:3478"}

    def test_without_a_credential_there_is_stun_and_a_line_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(gconfig(**DESKTOP))
        assert desktop_environment(BAD_USER) == {"STUN_SERVER": "stun://stun.example.org:3478"}
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "no TURN server for this desktop: " in caplog.text
        assert "brien" not in caplog.text

    def test_a_desktop_is_created_with_its_secret(self, api: ApiServer, kubeapi: Any) -> None:
        pod = create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        assert pod.metadata.name == "alice-1"
        (stored,) = [value for path, value in api.objects.items() if "/secrets/" in path]
        assert stored["metadata"]["ownerReferences"][0]["uid"] == pod.metadata.uid
        assert password_in(base64.b64decode(stored["data"]["TURN_SERVER"]).decode())

    def test_without_turn_there_is_only_the_pod(self, api: ApiServer, kubeapi: Any) -> None:
        desktop = configured_desktop(webrtc__desktop=None)
        assert create_desktop(kubeapi, desktop, "abcdesktop").metadata.name == "alice-1"
        assert [call.what for call in api.calls] == [("POST", "pods")]

    def test_a_dry_run_creates_nothing(self, api: ApiServer, kubeapi: Any) -> None:
        create_desktop(kubeapi, configured_desktop(), "abcdesktop", dry_run="All")
        assert api.objects == {}

    def test_a_secret_that_is_refused_is_the_end(self, api: ApiServer, kubeapi: Any) -> None:
        api.refused.add(("POST", "secrets"))
        with pytest.raises(Exception, match="403") as caught:
            create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        assert caught.value.status == 403
        assert [call.what for call in api.calls] == [("POST", "secrets")]

    @pytest.mark.parametrize("deletable", [True, False])
    def test_a_pod_that_is_refused_takes_its_secret_along(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture, deletable: bool
    ) -> None:
        api.refused.add(("POST", "pods"))
        if not deletable:
            api.refused.add(("DELETE", "secrets"))
        with pytest.raises(Exception, match="403") as caught:
            create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        assert caught.value.status == 403
        assert len(api.objects) == (0 if deletable else 1)
        message = "the Secret webrtc-alice-1 can't be deleted: Forbidden"
        assert (message in caplog.text) != deletable

    def test_a_secret_that_can_not_be_given_away_is_a_line_in_the_log(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.refused.add(("PATCH", "secrets"))
        assert create_desktop(kubeapi, configured_desktop(), "abcdesktop").metadata.uid
        assert "the Secret webrtc-alice-1 can't be given to its pod: Forbidden" in caplog.text

    def test_no_credential_is_logged_at_debug(
        self, api: ApiServer, kubeapi: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        api.refused.add(("PATCH", "secrets"))
        with caplog.at_level(logging.DEBUG):
            create_desktop(kubeapi, configured_desktop(), "abcdesktop")
        turn_server = api.calls[0].body["stringData"]["TURN_SERVER"]
        hidden = [password_in(turn_server), base64.b64encode(turn_server.encode()).decode(), SECRET]
        assert [word for word in hidden if word in caplog.text] == []
        assert "DEBUG" in caplog.text
