"""Marked secrets go through every public path, and are then looked for everywhere."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
import pprint
import subprocess
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

import abcwebrtc
from abcwebrtc import WebRTCConfig, build_rtc_configuration, load_od_config
from abcwebrtc.cli import main
from abcwebrtc.rtc import server_credentials
from abcwebrtc.secrets import Secret
from abcwebrtc.tokens import UserTokenVerifier, bearer_token
from support import (
    RTC_PATH,
    WAIT,
    Answer,
    ServerProcess,
    bearer,
    command,
    environment,
    make_token,
    private_pem,
    request,
    rsa_key,
    running_server,
    wait_for,
    write_od_config,
)

INLINE, OLD, FILE = "markInlineQ7x2Jd8s", "markOldV4n9Lq1cZ", "markFileH3k8Wp5rT"
ENVIRONMENT, KEY, STATIC = "markEnvG6t1Bz0yU", "markKeyM2f7Sx4aE", "markStaticC9w3Nv6oI"
SECRETS = (INLINE, OLD, FILE, ENVIRONMENT, KEY)
MARKS = (*SECRETS, STATIC)
VARIABLE = "ABCWEBRTC_TEST_SECRET"

DEBUG_EVERYTHING = """\
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, force=True)
logging.getLogger("abcwebrtc").debug("debug logging is on")
"""


# what is looked for


def forms(mark: str) -> List[str]:
    """Return a mark as it is, in hex, and in base64 wherever it stands in the text."""
    assert len(mark) > 12, "too short to be looked for"
    data = mark.encode()
    found = [mark, data.hex()]
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + data).decode()
        found.append(coded[4 if offset else 0 : -4])
    return found


def shown(text: str, *marks: str) -> List[str]:
    """Return the marks that a text shows in any form."""
    return [mark for mark in marks if any(form in text for form in forms(mark))]


def exception_text(error: Optional[BaseException]) -> str:
    """Return all that an exception can show, with its contexts, the suppressed ones too."""
    texts: List[str] = []
    while error is not None:
        texts += [repr(error), str(error), repr(error.args), repr(vars(error))]
        texts += traceback.format_exception(type(error), error, error.__traceback__)
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def credentials_in(answer: Answer) -> List[str]:
    """Return the passwords that were minted in an answer."""
    data = answer.json()
    servers = data.get("result", {}).get("iceServers", [])
    found = [server.get("credential") for server in servers] + [data.get("password")]
    return [credential for credential in found if credential and credential != STATIC]


def test_a_mark_is_found_in_every_form() -> None:
    coded = base64.b64encode(b"a" + INLINE.encode() + b"z").decode()
    for text in (f"x{INLINE}y", INLINE.encode().hex(), repr([INLINE]), coded):
        assert shown(text, *MARKS) == [INLINE]
    assert not shown("nothing here", *MARKS)


def test_a_suppressed_context_is_looked_at() -> None:
    error = KeyError("quiet")
    error.__context__, error.__suppress_context__ = ValueError(INLINE), True
    assert shown(exception_text(error), INLINE)


# a configuration with every kind of secret


def server_entry(**changes: Any) -> Dict[str, Any]:
    return {"url": "turn.example.org:3478", "protocol": "turn", "ttl": 600, **changes}


def entries(folder: Path) -> Dict[str, Any]:
    (folder / "secret").write_text(f"{FILE}\n", encoding="utf-8")
    static = {"urls": "turn:old.example.org:3478", "username": "all", "credential": STATIC}
    stun = {"urls": "stun:stun.example.org:3478"}
    return {
        "webrtc.enable": True,
        "webrtc.rtc_configuration": {"iceServers": [stun, static]},
        "webrtc.coturn": [
            server_entry(coturn_static_auth_secret=[INLINE, OLD], username="userid"),
            server_entry(
                coturn_static_auth_secret_file="secret", username="pseudonym", pseudonym_key=KEY
            ),
            server_entry(coturn_static_auth_secret_env=VARIABLE, username="timestamp"),
        ],
    }


@pytest.fixture
def od_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, ENVIRONMENT)
    return write_od_config(tmp_path, entries(tmp_path))


# the library


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Return a function that gives all that was logged, arguments and all."""
    with caplog.at_level(logging.DEBUG):
        yield lambda: _logged(caplog)


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    logging.getLogger("abcwebrtc").debug("debug logging is on")
    text = caplog.text + "\n".join(repr(vars(record)) for record in caplog.records)
    assert "debug logging is on" in text
    return text


def test_no_object_of_the_library_shows_a_secret(
    od_config: Path, log: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    config = WebRTCConfig.from_file(od_config)
    made = [server_credentials(server, "alice") for server in config.coturn]
    sources = [server.secrets for server in config.coturn]
    secrets = [secret for source in sources for secret in source.current()]
    objects = [config, config.template, config.warnings, config.uris, made, sources, secrets]
    objects += [*config.coturn, *made, *sources, *secrets, *secrets[0:1] * 2]
    for item in objects:
        for text in (repr(item), str(item), f"{item}", pprint.pformat(item)):
            assert not shown(text, *MARKS, *(each.password for each in made))
        assert not shown(json.dumps(item, default=str), *MARKS)
    captured = capfd.readouterr()
    assert not shown(log() + captured.out + captured.err, *MARKS)


def test_a_secret_is_not_copied_into_a_pickle(od_config: Path) -> None:
    config = WebRTCConfig.from_file(od_config)
    for item in (Secret(INLINE), *config.coturn, *(each.secrets for each in config.coturn)):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises((TypeError, pickle.PicklingError)) as caught:
                pickle.dumps(item, protocol)
            assert not shown(exception_text(caught.value), *MARKS)
    assert not shown(repr(copy.deepcopy(Secret(INLINE))), INLINE)


def test_what_is_minted_holds_no_static_secret(od_config: Path, log: Callable[[], str]) -> None:
    config = WebRTCConfig.from_file(od_config)
    result = build_rtc_configuration(config, "alice")
    passwords = [server.get("credential", "") for server in result["iceServers"]]
    assert not shown(repr(result), *SECRETS)
    assert len(passwords) == 5
    assert not shown(log(), *MARKS, *passwords[2:])


def _userid_server(path: Path) -> Any:
    return WebRTCConfig.from_file(path).coturn[0]


MISUSE: Dict[str, Callable[[Path], Any]] = {
    "a userid with a space": lambda p: build_rtc_configuration(WebRTCConfig.from_file(p), "a b"),
    "a userid that is not Unicode": lambda p: server_credentials(_userid_server(p), "\ud800"),
    "no user": lambda p: build_rtc_configuration(WebRTCConfig.from_file(p)),
    "a user that is no text": lambda p: server_credentials(_userid_server(p), 7),  # type: ignore
    "a ttl of 0": lambda p: abcwebrtc.mint_turn_credentials(INLINE, 0),
    "a ttl past 2038": lambda p: abcwebrtc.mint_turn_credentials(INLINE, 2**31),
    "a secret as a list": lambda p: abcwebrtc.mint_turn_credentials([INLINE], 60),  # type: ignore
    "a secret that is not Unicode": lambda p: abcwebrtc.mint_turn_credentials(
        INLINE + "\ud800", 60
    ),
    "verifying with a secret that is not Unicode": lambda p: _raise_if_false(
        abcwebrtc.verify_turn_credentials(INLINE + "\ud800", "1", "password")
    ),
    "verifying a secret as a number": lambda p: abcwebrtc.verify_turn_credentials(
        [INLINE, 1.5],  # type: ignore
        "1",
        "password",
    ),
    "a frozen configuration": lambda p: setattr(WebRTCConfig.from_file(p), "enable", False),
    "a hash of a secret": lambda p: hash(Secret(INLINE)),
    "an order of secrets": lambda p: sorted([Secret(INLINE), Secret(OLD)]),  # type: ignore
    "a mapping that is none": lambda p: WebRTCConfig.from_mapping(INLINE),  # type: ignore
}


def _raise_if_false(value: bool) -> None:
    if not value:
        raise ValueError("refused")


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
def test_no_exception_shows_a_secret_after(
    misuse: Callable[[Path], Any], od_config: Path, log: Callable[[], str]
) -> None:
    with pytest.raises(Exception) as caught:
        misuse(od_config)
    assert not shown(exception_text(caught.value), *MARKS)
    assert not shown(log(), *MARKS)


# broken configurations, in the library and on the command line

SECRET_KEY = "coturn_static_auth_secret"
IN_COTURN: Dict[str, str] = {
    "no closing quote": f"'{SECRET_KEY}': '{INLINE}, 'url': 'a'",
    "no comma": f"'{SECRET_KEY}': '{INLINE}' 'url': 'a'",
    "no quotes": f"'{SECRET_KEY}': {INLINE}, 'url': 'a'",
    "a call": f"'{SECRET_KEY}': str('{INLINE}'), 'url': 'a'",
    "an attribute": f"'{SECRET_KEY}': '{INLINE}'.lower, 'url': 'a'",
    "a format": f"'{SECRET_KEY}': f'{INLINE}', 'url': 'a'",
    "a sum that can't be": f"'{SECRET_KEY}': '{INLINE}' + 5, 'url': 'a'",
    "a product that is too large": f"'{SECRET_KEY}': '{INLINE}' * 9999999, 'url': 'a'",
    "typographic quotes": f"'{SECRET_KEY}': ‘{INLINE}’, 'url': 'a'",
    "bytes": f"'{SECRET_KEY}': b'{INLINE}', 'url': 'a'",
    "a list in a list": f"'{SECRET_KEY}': [['{INLINE}']], 'url': 'a'",
    "a dict": f"'{SECRET_KEY}': {{'{INLINE}': 1}}, 'url': 'a'",
    "a control character": f"'{SECRET_KEY}': '{INLINE}\\n', 'url': 'a'",
    "a lone surrogate": f"'{SECRET_KEY}': '{INLINE}\\ud800', 'url': 'a'",
    "a misspelt key": f"'coturn_static_auth_secert': '{INLINE}', 'url': 'a'",
    "coturn's own key": f"'static-auth-secret': '{INLINE}', 'url': 'a'",
    "a second secret": f"'{SECRET_KEY}': '{INLINE}', '{SECRET_KEY}_env': 'X', 'url': 'a'",
    "no url": f"'{SECRET_KEY}': '{INLINE}'",
    "a list with an empty secret": f"'{SECRET_KEY}': ['{INLINE}', ''], 'url': 'a'",
    "a short pseudonym key": f"'{SECRET_KEY}': 1, 'pseudonym_key': '{KEY}', 'url': 'a'",
    "a pseudonym key in a list of lists": f"'pseudonym_key': [['{KEY}']], 'url': 'a'",
    "the secret as ttl": f"'ttl': '{INLINE}', 'url': 'a'",
    "the secret as transport": f"'transport': '{INLINE}', 'url': 'a'",
    "a password in the url": f"'{SECRET_KEY}': 'x' * 20, 'url': 'user:{INLINE}@host:3478'",
    "a scheme and a password in the url": f"'url': 'turn:user:{INLINE}@host:3478'",
    "a query in the url": f"'url': 'host:3478?secret={INLINE}'",
    "a secret with a percent sign": f"'{SECRET_KEY}': '{INLINE}%x', 'url': 'a'",
    "a secret with a reference": f"'{SECRET_KEY}': '%({INLINE})s', 'url': 'a'",
    "an empty secret file": f"'{SECRET_KEY}_file': 'empty', 'pseudonym_key': '{KEY}', 'url': 'a'",
    "too large a secret file": f"'{SECRET_KEY}_file': 'large', 'url': 'a'",
    "a control character after a file": f"'{SECRET_KEY}_file': 'secret', 'ttl': 0, 'url': 'a'",
}
WHOLE: Dict[str, str] = {
    "text for a dict": f"webrtc.coturn: '{INLINE}'",
    "a list of text": f"webrtc.coturn: ['{INLINE}']",
    "no indent": f"webrtc.coturn: {{\n'{SECRET_KEY}': '{INLINE}' }}",
    "no indent and no colon": f"webrtc.coturn: {{\n'{INLINE}'\n}}",
    "no indent, and a secret with an equals sign twice": "webrtc.coturn: [\n"
    f"'{INLINE}=',\n'{INLINE}=' ]",
    "no indent, and a secret with an equals and a percent sign": "webrtc.coturn: [\n"
    f"'{INLINE}=%x' ]",
    "a bracket that stays open": f"webrtc.coturn: {{ '{SECRET_KEY}': '{INLINE}',",
    "quotes that stay open": f"webrtc.coturn: {{ '{SECRET_KEY}': '''{INLINE} }}",
    "an entry twice": f"webrtc.coturn: '{INLINE}'\nwebrtc.coturn: '{INLINE}'",
    "text after the end": f"webrtc.coturn: None\n '{INLINE}'",
    "an unknown entry": f"webrtc.secret: '{INLINE}'\nwebrtc.enable: 1",
    "a static password that is a number": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:a', 'username': '{STATIC}', 'credential': 5}}]}}",
    "a static password without a username": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:a', 'credential': '{STATIC}'}}]}}",
    "a static password in a url": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:user:{STATIC}@host'}}]}}",
    "a static password as bytes": "webrtc.rtc_configuration: {'iceServers': ["
    f"{{'urls': 'turn:a', 'username': 'u', 'credential': b'{STATIC}'}}]}}",
    "a desktop's server with a password": "webrtc.desktop: "
    f"{{'stun_server': 'stun://user:{STATIC}@host'}}",
    "a bare percent sign": f"webrtc.coturn: {{'{SECRET_KEY}': '{INLINE}', 'url': '%'}}",
    "a ring of references": f"webrtc.coturn: '{INLINE} %(webrtc.coturn)s'",
    "100 brackets": f"webrtc.coturn: {'[' * 100} '{INLINE}' {']' * 100}",
}
BROKEN = {
    **{name: f"webrtc.coturn: {{ {text} }}" for name, text in IN_COTURN.items()},
    **WHOLE,
}
RAW: Dict[str, bytes] = {
    "no section": f"webrtc.coturn: '{INLINE}'\n".encode(),
    "another section": f"[other]\nwebrtc.coturn: '{INLINE}'\n".encode(),
    "Latin-1": f"[global]\nwebrtc.coturn: '{INLINE} é'\n".encode("latin-1"),
    "a byte order mark": f"[global]\nwebrtc.coturn: '{INLINE}'\n".encode("utf-8-sig"),
    "a NUL": f"[global]\nwebrtc.coturn: '{INLINE}\0'\n".encode(),
    "UTF-16": f"[global]\nwebrtc.coturn: '{INLINE}'\n".encode("utf-16"),
    **{name: f"[global]\nwebrtc.enable: True\n{text}\n".encode() for name, text in BROKEN.items()},
}


@pytest.fixture(params=RAW.values(), ids=RAW)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(FILE, encoding="utf-8")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "large").write_text(f"{FILE}\n" * 8000, encoding="utf-8")
    path = tmp_path / "od.config"
    path.write_bytes(request.param)
    return path


def test_a_broken_configuration_is_refused_without_its_secrets(
    broken: Path, log: Callable[[], str]
) -> None:
    with pytest.raises(abcwebrtc.ConfigError) as caught:
        WebRTCConfig.from_file(broken)
    text = exception_text(caught.value) + repr(caught.value.problems)
    assert not shown(text + repr(caught.value.warnings) + log(), *MARKS)


@pytest.mark.parametrize(
    "arguments",
    [("check",), ("check", "--json"), ("mint", "--user", "alice"), ("serve", "--port", "0")],
    ids=" ".join,
)
def test_the_command_refuses_a_broken_configuration_without_its_secrets(
    arguments: Tuple[str, ...],
    broken: Path,
    log: Callable[[], str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main([arguments[0], str(broken), *arguments[1:]]) == 1
    captured = capfd.readouterr()
    assert "error" in captured.out + captured.err or "od.config" in captured.err
    assert not shown(captured.out + captured.err + log(), *MARKS)


# the command, as a process


def run_debugging(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command with every logger of the process showing everything."""
    done = subprocess.run(
        command(*arguments, before=DEBUG_EVERYTHING),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(PYTHONWARNINGS="default"),
        timeout=WAIT,
    )
    assert "debug logging is on" in done.stderr
    return done


@pytest.mark.parametrize("option", [(), ("--json",), ("--strict",)], ids=str)
def test_check_shows_no_secret(option: Tuple[str, ...], od_config: Path) -> None:
    done = run_debugging("check", od_config, *option)
    assert done.returncode == (1 if "--strict" in option else 0)
    assert "turn" in done.stdout
    assert not shown(done.stdout + done.stderr, *MARKS)


@pytest.mark.parametrize("option", [(), ("--json",)], ids=str)
def test_mint_shows_credentials_on_stdout_alone_and_no_secret(
    option: Tuple[str, ...], od_config: Path
) -> None:
    done = run_debugging("mint", od_config, "--user", "alice", *option)
    assert done.returncode == 0
    servers = json.loads(done.stdout)["iceServers"]
    minted = [server["credential"] for server in servers[2:]]
    assert len(minted) == 3
    assert not shown(done.stdout, *SECRETS)
    assert not shown(done.stderr, *MARKS, *minted)


def test_mint_refuses_a_userid_without_showing_a_secret(od_config: Path) -> None:
    done = run_debugging("mint", od_config, "--user", "a b")
    assert done.returncode == 1
    assert not shown(done.stdout + done.stderr, *MARKS)


# the server


@dataclass
class Conversation:
    """What was said to a server; tokens and minted credentials are secrets, too."""

    url: str
    tokens: List[str] = field(default_factory=list)
    answers: List[Tuple[str, Answer]] = field(default_factory=list)

    def token(self, user: str, **changes: Any) -> str:
        self.tokens.append(make_token(user, **changes))
        return self.tokens[-1]

    def ask(self, path: str, body: Any = None, token: Optional[str] = None, **sent: str) -> Answer:
        headers = {**({} if token is None else bearer(token)), **sent}
        answer = request(self.url + path, body, headers)
        self.answers.append((path, answer))
        return answer

    @property
    def credentials(self) -> List[str]:
        good = [answer for _, answer in self.answers if answer.status == 200]
        return [credential for answer in good for credential in credentials_in(answer)]


TURN_PATH, KEY_PATH = "/API/webrtc/turn?service=turn", "/API/core/getkeyinfo"


def good_requests(talk: Conversation) -> Dict[str, List[Answer]]:
    """Ask for two users, and return what each got."""
    got: Dict[str, List[Answer]] = {}
    for user in ("alice", "bob"):
        token = talk.token(user)
        got[user] = [talk.ask(RTC_PATH, {}, token), talk.ask(TURN_PATH, None, token)]
        assert [answer.status for answer in got[user]] == [200, 200]
    return got


def bad_requests(talk: Conversation) -> None:
    """Ask in all the ways that end in an error."""
    alice, spaced = talk.token("alice"), talk.token("alice smith")
    expired = talk.token("alice", ttl=-100)
    foreign = talk.token("alice", key=rsa_key("mallory"))
    for token in (expired, foreign, alice + "x", alice[:-9], "", "a.b.c", f"{alice} {alice}"):
        assert talk.ask(RTC_PATH, {}, token).status == 401
        assert talk.ask(TURN_PATH, None, token).status == 401
    assert talk.ask(RTC_PATH, {}, None, Authorization=f"Bearer {alice}").status == 401
    assert talk.ask(RTC_PATH, {}, None, ABCAuthorization=alice).status == 401
    assert talk.ask(RTC_PATH, {}, spaced).status == 500
    assert talk.ask(TURN_PATH, None, spaced).status == 500
    assert talk.ask(RTC_PATH, alice, alice).status == 400
    assert talk.ask(RTC_PATH, {}, alice, **{"Content-Type": "text/plain"}).status == 415
    assert talk.ask(RTC_PATH, b"x" * 70000, alice).status == 413
    assert talk.ask(RTC_PATH, None, alice).status == 405
    assert talk.ask("/API/webrtc/_config", None, alice).status == 404
    assert talk.ask("/API/webrtc/turn", None, alice).status == 400


def public_requests(talk: Conversation) -> List[Answer]:
    names = ("webrtc.enable", "webrtc.rtc_constraints", "webrtc.configuration", "webrtc.coturn")
    public = [talk.ask(KEY_PATH, {"provider": name}) for name in names]
    assert [answer.status for answer in public] == [200, 200, 200, 400]
    return [*public, talk.ask("/API/healthz"), talk.ask("/API/version"), talk.ask("/")]


@pytest.fixture
def server(od_config: Path) -> Iterator[ServerProcess]:
    with running_server(od_config, before=DEBUG_EVERYTHING) as running:
        yield running
    print(running.output)


def stopped_output(server: ServerProcess) -> str:
    assert server.stop() == 0
    assert "debug logging is on" in server.output
    assert RTC_PATH in server.output
    return server.output


def test_the_server_logs_no_secret_no_token_and_no_credential(server: ServerProcess) -> None:
    talk = Conversation(server.base_url)
    good_requests(talk)
    bad_requests(talk)
    public_requests(talk)
    output = stopped_output(server)
    assert len(talk.credentials) == 8
    assert not shown(output, *MARKS, *talk.credentials)
    for token in talk.tokens:
        assert not [part for part in token.split(".") if part in output]


def test_no_answer_shows_a_static_secret_or_a_token(server: ServerProcess) -> None:
    talk = Conversation(server.base_url)
    good_requests(talk)
    bad_requests(talk)
    public_requests(talk)
    for path, answer in talk.answers:
        text = answer.body.decode() + repr(answer.headers)
        secrets = SECRETS if path == RTC_PATH and answer.status == 200 else MARKS
        assert not shown(text, *secrets), (path, text)
        assert not [part for token in talk.tokens for part in token.split(".") if part in text]


def test_an_answer_to_nobody_or_an_error_shows_no_credential(server: ServerProcess) -> None:
    talk = Conversation(server.base_url)
    good_requests(talk)
    bad_requests(talk)
    public = public_requests(talk)
    errors = [answer for _, answer in talk.answers if answer.status != 200]
    for answer in public + errors:
        text = answer.body.decode()
        assert not shown(text, *talk.credentials, STATIC)
        assert "alice" not in text


def test_an_answer_shows_nothing_of_another_user(server: ServerProcess) -> None:
    talk = Conversation(server.base_url)
    got = good_requests(talk)
    for user, other in (("alice", "bob"), ("bob", "alice")):
        text = "".join(answer.body.decode() for answer in got[user])
        assert user in text
        assert other not in text
        # The timestamp style knows no users: its login may be the same in one second.
        foreign = [c for answer in got[other] for c in _of_named_users(answer)]
        assert len(foreign) == 3
        assert not shown(text, *foreign, *talk.tokens)


def _of_named_users(answer: Answer) -> List[str]:
    data = answer.json()
    if "password" in data:
        return [data["password"]]
    servers = data["result"]["iceServers"]
    return [s["credential"] for s in servers if ":" in s.get("username", "")]


def test_the_arguments_of_the_servers_process_hold_no_secret(od_config: Path) -> None:
    with running_server(od_config) as server:
        talk = Conversation(server.base_url)
        good_requests(talk)
        process = Path(f"/proc/{server.process.pid}")
        arguments = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        children = [path.read_text() for path in process.glob("task/*/children")]
    assert "serve" in arguments
    assert not shown(arguments, *MARKS, *talk.tokens)
    assert not "".join(children).strip(), "its arguments would have to be looked at, too"


STAYS, AGAIN = "the last good secret stays in use", "the secret can be read again"
FILE_STATES = [("", STAYS), (f"{FILE}\n", AGAIN), (f"{FILE}\n" * 8000, STAYS)]


def test_a_secret_file_that_goes_bad_is_logged_without_its_content(
    server: ServerProcess, od_config: Path
) -> None:
    talk = Conversation(server.base_url)
    for content, message in FILE_STATES:
        seen = server.output.count(message)
        (od_config.parent / "secret").write_text(content, encoding="utf-8")
        wait_for(lambda seen=seen, message=message: _logged_by(talk, server, message) > seen)
    output = stopped_output(server)
    assert not shown(output, *MARKS, *talk.credentials)


def _logged_by(talk: Conversation, server: ServerProcess, message: str) -> int:
    """Use the secret file, and count a message in the log."""
    time.sleep(0.2)
    good_requests(talk)
    return server.output.count(message)


def test_a_server_without_login_logs_no_secret(od_config: Path) -> None:
    options = ["--insecure-no-auth"]
    with running_server(od_config, *options, before=DEBUG_EVERYTHING) as server:
        talk = Conversation(server.base_url)
        assert talk.ask(RTC_PATH, {}).status == 200
        output = stopped_output(server)
    assert not shown(output, *MARKS, *talk.credentials)


# keys and tokens


BAD_TOKENS: Dict[str, Callable[[], str]] = {
    "expired": lambda: make_token(ttl=-100),
    "of another key": lambda: make_token(key=rsa_key("mallory")),
    "cut": lambda: make_token()[:-30],
    "of nobody": lambda: make_token(user={}),
    "without claims": lambda: make_token(auth=...),
    "with claims that are none": lambda: make_token(nbf="x" * 3),
    "rubbish": lambda: INLINE,
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_a_token_is_refused_without_showing_it(
    make: Callable[[], str], od_config: Path, log: Callable[[], str]
) -> None:
    verifier = UserTokenVerifier.from_file(str(od_config.parent / "jwtuser.pem"))
    token = make()
    with pytest.raises(abcwebrtc.TokenError) as caught:
        verifier.userid(token)
    text = exception_text(caught.value) + log()
    assert not [part for part in token.split(".") if part in text]


@pytest.mark.parametrize("header", [INLINE, f"Basic {INLINE}", f"Bearer{INLINE}"])
def test_a_header_without_a_token_is_refused_without_showing_it(header: str) -> None:
    with pytest.raises(abcwebrtc.TokenError) as caught:
        bearer_token(header)
    assert not shown(exception_text(caught.value), INLINE)


def test_a_private_key_in_place_of_the_public_one_is_not_shown(
    tmp_path: Path, log: Callable[[], str], capfd: pytest.CaptureFixture[str]
) -> None:
    pem = private_pem()
    (tmp_path / "jwtuser.pem").write_bytes(pem)
    path = write_od_config(tmp_path)
    with pytest.raises(abcwebrtc.ConfigError) as caught:
        UserTokenVerifier.from_file(str(tmp_path / "jwtuser.pem"))
    assert main(["serve", str(path)]) == 1
    captured = capfd.readouterr()
    text = exception_text(caught.value) + captured.out + captured.err + log()
    lines = pem.decode().splitlines()[1:-1]
    assert "private" in captured.err
    assert not [line for line in lines if line in text]


def test_the_raw_entries_hold_secrets_and_their_repr_shows_none(od_config: Path) -> None:
    entries = load_od_config(od_config)
    assert shown(str(dict(entries)), INLINE, OLD) == [INLINE, OLD]
    assert shown(f"{entries!r} {entries}", INLINE, OLD) == []
