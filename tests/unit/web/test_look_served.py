"""The look at servers in a real `serve` whose DNS never answers."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from support import (
    RTC_PATH,
    ServerProcess,
    bearer,
    request,
    running_server,
    wait_for,
    write_od_config,
)
from support.testpage_site import COTURN

HOSTS = ("a.example", "b.example")
SILENT_DNS = f"""
import os, socket, threading
resolve = socket.getaddrinfo
def silent(host, *rest, **more):
    if host in {HOSTS}:
        os.write(2, f"asked the DNS for {{host}}\\n".encode())  # in one piece
        threading.Event().wait()
    return resolve(host, *rest, **more)
socket.getaddrinfo = silent
"""
REQUESTS = 200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    coturn = [{**COTURN, "protocol": "turns", "url": host} for host in HOSTS]
    od_config = write_od_config(tmp_path, webrtc__coturn=coturn)
    with running_server(od_config, "--print-link", before=SILENT_DNS) as running:
        yield running


def session(server: ServerProcess) -> Dict[str, str]:
    (key,) = wait_for(lambda: re.findall(r"#(\S+)", server.output))
    answer = request(server.base_url + "/login", {"key": key})
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


def questions(server: ServerProcess) -> Any:
    return sorted(re.findall("asked the DNS for (.*)", server.output))


def test_the_operator_s_page_waits_for_no_dns_and_neither_does_a_stop(
    server: ServerProcess,
) -> None:
    cookie = session(server)
    for _ in range(REQUESTS):  # many more than there are threads
        answer = request(server.base_url + "/certificates", {}, cookie)
        assert answer.json()["result"] == {"looking": True, "seen": {}}
    assert request(server.base_url + RTC_PATH, {}, bearer()).status == 200
    wait_for(lambda: len(questions(server)) == len(HOSTS))
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert questions(server) == list(HOSTS)  # one look, however many ask
    assert server.output.endswith("abcwebrtc: stopped\n")


def test_a_user_asks_the_dns_for_nothing(server: ServerProcess) -> None:
    for headers, status in ((bearer(), 403), ({}, 401)):
        for _ in range(REQUESTS // 10):
            assert request(server.base_url + "/certificates", {}, headers).status == status
    assert server.stop() == 0
    assert questions(server) == []
