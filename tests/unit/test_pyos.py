"""docs/how-to/pyos.md applied to a miniature of pyos, and the answers to pyos's clients."""

from __future__ import annotations

import ast
import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import urlsplit

import pytest

import abcwebrtc.pyos
from abcwebrtc import verify_turn_credentials
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
from support import (
    RTC_PATH,
    SECRET,
    WAIT,
    Answer,
    ServerProcess,
    bearer,
    environment,
    make_token,
    request,
    rsa_key,
    write_od_config,
)
from support.pyos_entries import BAD_USER, COTURN, STATIC_TURN, STUN, WRONG_ENTRIES, coturn

KEYINFO_PATH = "/API/core/getkeyinfo"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(tmp_path_factory.mktemp("pyos") / "host")


@contextlib.contextmanager
def host(fitted: Path, folder: Path, **changes: Any) -> Iterator[ServerProcess]:
    with running_host(fitted, write_od_config(folder, **changes)) as running:
        yield running


@pytest.fixture(scope="module")
def pyos(fitted: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A host with `ENTRIES`, for tests that only send requests."""
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
    """Check that an error has the form of pyos's handlers, and is not cached."""
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
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert verify_turn_credentials(SECRET, username, password)
    expiry, _, user = username.partition(":")
    assert user == "alice"
    assert before + 600 <= int(expiry) <= time.time() + 600  # the ttl of the entry


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


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_another_method_is_405(pyos: ServerProcess, method: str) -> None:
    check_error(request(pyos.base_url + RTC_PATH, headers=bearer(), method=method), 405)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{}", "text/plain", 415),
        ("{}", "application/x-www-form-urlencoded", 415),
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        (" " * 65536 + "{}", "application/json", 413),
    ],
    ids=["text", "form", "bad", "list", "large"],
)
def test_a_bad_body_is_said_before_401(
    pyos: ServerProcess, body: str, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type}
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
    """The host scans for classes as pyos does, so the page's class statement matters."""
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


@pytest.mark.parametrize("nothing", [..., {}], ids=repr)
def test_stun_alone_is_200(fitted: Path, tmp_path: Path, nothing: Any) -> None:
    with host(fitted, tmp_path, webrtc__coturn=nothing) as running:
        answer = ask(running)
    assert answer.body == (
        b'{"status": 200, "result": {"iceServers": [{"urls": "stun:stun.example.org:3478"}]}, '
        b'"message": "ok"}'
    )


def test_turn_alone_is_200(fitted: Path, tmp_path: Path) -> None:
    with host(fitted, tmp_path, webrtc__rtc_configuration=None) as running:
        (server,) = ask(running).json()["result"]["iceServers"]
        assert server["urls"] == "turn:turn.example.org:3478"
        assert key_info(running, "webrtc.configuration") == {"iceServers": []}
        assert key_info(running, "webrtc.rtc_constraints") == {"video": False, "audio": False}


def test_the_settings_keep_an_empty_coturn(fitted: Path, tmp_path: Path) -> None:
    with host(fitted, tmp_path) as running:
        (settings,) = re.findall("the webrtc settings are (.*)", running.output)
    assert sorted(ast.literal_eval(settings)) == [
        "coturn",
        "enable",
        "rtc_configuration",
        "rtc_constraints",
    ]
    assert ast.literal_eval(settings)["coturn"] == {}


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


def test_a_userid_that_coturn_can_not_take_is_500_and_the_log_says_why(
    fitted: Path, tmp_path: Path
) -> None:
    with host(fitted, tmp_path) as running:
        check_error(ask(running, BAD_USER), 500)
        assert "can't make a credential for this user: " in running.output
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
    assert '"video": false' in output  # the host logs everything that it is not told to omit
    assert "DEBUG:" in output


# the start


def failed_start(folder: Path, od_config: Path) -> str:
    """Return what a host prints if it does not start."""
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
