"""The login of the operator's page, and the links that `serve` prints."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import threading
from pathlib import Path
from typing import List, Optional

import pytest

from abcwebrtc.cli.main import main
from abcwebrtc.cli.serve import page_url
from abcwebrtc.web.test_page import LINK_SECONDS, MAX_SESSIONS, SESSION_SECONDS, OperatorLogin
from support import (
    WAIT,
    command,
    environment,
    request,
    running_server,
    wait_for,
    write_od_config,
)

LINK = re.compile(r"test page, once within 10 minutes: (\S+)#([A-Za-z0-9_-]{43})\n")


# the login itself


def test_a_link_works_once() -> None:
    login = OperatorLogin()
    key = login.new_key()
    session = login.redeem(key)
    assert session is not None
    assert login.is_session(session)
    assert login.redeem(key) is None


def test_wrong_keys_open_nothing_and_leave_the_link_as_it_is() -> None:
    login = OperatorLogin()
    assert login.redeem("") is None  # there is no link yet
    key = login.new_key()
    for wrong in ("", key[:-1], key + "x", key.swapcase(), "\udcff\0", "é"):
        assert login.redeem(wrong) is None
        assert not login.is_session(wrong)
    assert login.redeem(key)


def test_a_new_link_ends_the_one_before_it() -> None:
    login = OperatorLogin()
    old, new = login.new_key(), login.new_key()
    assert login.redeem(old) is None
    assert login.redeem(new)


@pytest.mark.parametrize(("late", "works"), [(-0.001, True), (0.0, False), (1e9, False)])
def test_links_and_sessions_end(late: float, works: bool) -> None:
    now = 50.0
    login = OperatorLogin(lambda: now)
    key = login.new_key()
    now = 50.0 + LINK_SECONDS + late
    assert bool(login.redeem(key)) is works
    now = 50.0
    session = login.redeem(login.new_key()) or ""
    now = 50.0 + SESSION_SECONDS + late
    assert login.is_session(session) is works


def test_keys_and_sessions_can_not_be_guessed() -> None:
    login = OperatorLogin()
    keys = [login.new_key() for _ in range(50)]
    sessions = [login.redeem(login.new_key()) or "" for _ in range(50)]
    assert len({*keys, *sessions}) == 100
    assert {len(one) for one in (*keys, *sessions)} == {43}  # 256 bits in base64url


def test_neither_key_nor_session_is_kept() -> None:
    login = OperatorLogin()
    session = login.redeem(login.new_key()) or ""
    key = login.new_key()
    kept = repr(vars(login))
    assert key not in kept
    assert session not in kept


def test_sessions_are_bounded_and_the_oldest_goes_first() -> None:
    now = 0.0
    login = OperatorLogin(lambda: now)
    sessions = []
    for _ in range(MAX_SESSIONS + 2):
        now += 1
        sessions.append(login.redeem(login.new_key()) or "")
    assert [login.is_session(one) for one in sessions[:3]] == [False, False, True]
    assert login.is_session(sessions[-1])


def test_a_key_that_many_threads_redeem_opens_one_session() -> None:
    login = OperatorLogin()
    key = login.new_key()
    opened: List[Optional[str]] = []
    threads = [threading.Thread(target=lambda: opened.append(login.redeem(key))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 20
    assert len([one for one in opened if one]) == 1


# serve


@pytest.mark.parametrize(
    ("base_url", "page"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080/"),
        ("https://[::]:8443", "https://[::1]:8443/"),
        ("http://[fd00::7]:80", "http://[fd00::7]:80/"),
        ("https://turn.domain.local:8443", "https://turn.domain.local:8443/"),
    ],
)
def test_a_link_is_to_an_address_that_a_browser_can_go_to(base_url: str, page: str) -> None:
    assert page_url(base_url) == page


def test_into_a_log_no_link_is_printed_unless_asked_for(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path)) as server:
        assert request(server.base_url + "/").status == 401
        assert "test page" not in server.output


def test_a_link_that_is_asked_for_opens_the_page_once(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), "--print-link") as server:
        found = wait_for(lambda: LINK.search(server.output))
        assert found[1] == server.base_url + "/"
        answer = request(server.base_url + "/login", {"key": found[2]})
        session = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert request(server.base_url + "/", headers=session).status == 200
        assert request(server.base_url + "/login", {"key": found[2]}).status == 403
        assert server.output.count(found[2]) == 1


def test_usr1_prints_a_new_link_and_the_one_before_it_ends(tmp_path: Path) -> None:
    with running_server(write_od_config(tmp_path), "--print-link") as server:
        old = wait_for(lambda: LINK.search(server.output))
        server.process.send_signal(signal.SIGUSR1)
        new = wait_for(lambda: LINK.search(server.output, old.end()))
        assert request(server.base_url + "/login", {"key": old[2]}).status == 403
        assert request(server.base_url + "/login", {"key": new[2]}).status == 200


def test_the_link_names_the_address_behind_a_proxy(tmp_path: Path) -> None:
    options = ("--print-link", "--page-url", "https://desktop.domain.local/webrtc")
    with running_server(write_od_config(tmp_path), *options) as server:
        found = wait_for(lambda: LINK.search(server.output))
        assert found[1] == "https://desktop.domain.local/webrtc/"


def test_an_open_endpoint_prints_an_address_without_a_key(tmp_path: Path) -> None:
    od_config = write_od_config(tmp_path)
    with running_server(od_config, "--insecure-no-auth", "--print-link") as server:
        wait_for(lambda: f"abcwebrtc: test page: {server.base_url}/\n" in server.output)
        assert request(server.base_url + "/").status == 200


def test_on_a_terminal_a_link_is_printed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("serve", write_od_config(tmp_path), "--port", "0"),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    os.close(theirs)
    try:
        said = b""
        while b"#" not in said or not said.endswith(b"\n"):
            assert select.select([ours], [], [], WAIT)[0], "no link was printed"
            said += os.read(ours, 4096)
        assert LINK.search(said.decode().replace("\r", ""))
    finally:
        process.terminate()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(
    "url",
    [
        "desktop.domain.local",
        "ftp://desktop.domain.local/",
        "https://",
        "https://a.example/?x=1",
        "https://a.example/#x",
        "https://user:password@a.example/",
        "https://[",
        "https://a.example/\x1b[31m",
    ],
)
def test_an_address_that_is_none_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["serve", "od.config", "--page-url", url])
    assert exit_info.value.code == 2
    said = capsys.readouterr().err
    assert "--page-url: write a URL such as https://" in said
    assert "password" not in said
