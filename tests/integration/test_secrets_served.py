"""No secret, token or credential is shown by `serve`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest

from integration.hidden import (
    DEBUG_EVERYTHING,
    FILE,
    MARKS,
    SECRETS,
    STATIC,
    credentials_in,
    shown,
    write_marked_od_config,
)
from support import (
    RTC_PATH,
    Answer,
    ServerProcess,
    bearer,
    make_token,
    request,
    rsa_key,
    running_server,
    wait_for,
)


@dataclass
class Conversation:
    """What was sent to a server; tokens and minted credentials are secrets too."""

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
    """Send every kind of request that ends in an error."""
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
def od_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return write_marked_od_config(tmp_path, monkeypatch)


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
