"""Faults around `serve`: a stop under load, a jumping clock, output that can't be written."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import List, Tuple

import pytest

from conftest import missing
from integration.faulty import (
    HOST,
    RawAnswer,
    connect,
    credential,
    fetch,
    read_all,
    read_answer,
    rtc_request,
    serving,
)
from support import WAIT, listens, make_token, request, wait_for

# the stop


class Caller(threading.Thread):
    """Fetches again and again until the server is gone, and counts the results."""

    def __init__(self, port: int, keeps: bool) -> None:
        super().__init__(daemon=True)
        self.port, self.keeps = port, keeps
        self.token = make_token()
        self.whole, self.refused = 0, 0
        self.broken: List[bytes] = []

    def run(self) -> None:
        while not self.refused:
            try:
                client = connect(self.port)
            except OSError:
                self.refused += 1
                return
            with client:
                self.call_on(client)

    def call_on(self, client: socket.socket) -> None:
        """Send requests on one connection until an answer says that it closes."""
        while True:
            try:
                client.sendall(rtc_request(self.token, close=not self.keeps))
                data = read_answer(client)
            except OSError:
                data = b""
            answer = RawAnswer(data)
            if answer.status == 200 and answer.is_whole:
                self.whole += 1
            elif data:  # or it met the moment in which the listening socket is closed
                self.broken.append(data)
            if not data or answer.headers.get("connection") == "close":
                return


@pytest.mark.parametrize("keeps", [True, False], ids=["kept connections", "new connections"])
def test_a_stop_under_load_cuts_no_answer(tmp_path: Path, keeps: bool) -> None:
    with serving(tmp_path) as (server, port):
        callers = [Caller(port, keeps) for _ in range(12)]
        for caller in callers:
            caller.start()
        wait_for(lambda: all(caller.whole > 3 for caller in callers))
        status = server.stop()
        for caller in callers:
            caller.join(WAIT)
        assert status == 0
        assert "Traceback" not in server.output
    assert [caller.broken for caller in callers] == [[]] * 12
    assert [caller.refused for caller in callers] == [1] * 12


UNHURRIED = "import abcwebrtc.web.serve; abcwebrtc.web.serve.GRACE_SECONDS = 5"
"""In half a second, a slow machine may accept none of those who have connected."""


def test_what_began_before_the_stop_is_answered(tmp_path: Path) -> None:
    """Requests of which one byte has arrived, and those that are not accepted yet."""
    whole = rtc_request()
    with serving(tmp_path, before=UNHURRIED) as (server, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(40)]
        for number, client in enumerate(clients):
            client.sendall(whole[: 1 + number * len(whole) // 41])
        server.process.send_signal(15)
        wait_for(lambda: not listens(HOST, port))
        for number, client in enumerate(clients):
            client.sendall(whole[1 + number * len(whole) // 41 :])
        answers = [RawAnswer(read_all(client)) for client in clients]
        assert [answer.status for answer in answers] == [200] * 40
        assert all(answer.is_whole for answer in answers)
        assert all(answer.headers["connection"] == "close" for answer in answers)
        assert server.process.wait(WAIT) == 0


# the clock


SLEEP = "import time, threading; time.sleep = lambda seconds: threading.Event().wait(seconds)"
"""libfaketime makes Python's sleep fail, which cheroot uses."""


def test_a_clock_that_jumps_changes_what_is_minted_and_nothing_else(tmp_path: Path) -> None:
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        missing("libfaketime is not installed; apt-get install libfaketime")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    env = {
        "LD_PRELOAD": libraries[0],
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with serving(tmp_path, env=env, before=SLEEP) as (server, port):
        for jump in (0, 86_400, -86_400, 5, 0):
            offset.write_text(f"{jump:+d}\n")
            now = time.time() + jump
            token = make_token(exp=now + 360, nbf=now - 1)
            expiry = int(credential(fetch(port, token))["username"].split(":")[0])
            assert abs(expiry - 600 - now) < WAIT
            assert fetch(port, make_token(exp=now - 60, nbf=now - 120)).status == 401
            assert fetch(port, make_token(exp=now + 360, nbf=now + 60)).status == 401
        assert server.stop() == 0


# output that can't be written


def reachable(port: int) -> List[int]:
    """Return what many requests get; the log of them is larger than any buffer."""
    token = make_token()
    return [fetch(port, token).status for _ in range(200)]


@pytest.mark.parametrize("full", [("stdout",), ("stderr",), ("stdout", "stderr")], ids=str)
def test_it_outlives_a_full_disk(tmp_path: Path, full: Tuple[str, ...]) -> None:
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(open("/dev/full", "w"))
        streams = dict.fromkeys(full, disk)
        server, port = stack.enter_context(serving(tmp_path, **streams))
        assert set(reachable(port)) == {200}
        assert server.stop() == 0


def test_it_outlives_whoever_read_its_output(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    with serving(tmp_path, stdout=theirs, stderr=theirs) as (server, port):
        os.close(theirs)
        with open(ours, "rb", buffering=0) as output:
            # To its end, since whoever can't read where it serves makes it end.
            assert b"serving on" in next(line for line in output if b"serving" in line)
        assert set(reachable(port)) == {200}
        server.process.send_signal(signal.SIGUSR1)  # a link that nobody can read
        assert set(reachable(port)) == {200}
        assert server.stop() == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_it_starts_and_answers_though_nobody_can_read_its_log(tmp_path: Path, form: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    options = ("--log-format", form, "--probe", "1")
    warned = {"webrtc__enabled": True}  # not the name of an entry
    with serving(tmp_path, *options, entries=warned, stderr=theirs) as (server, port):
        os.close(theirs)
        assert set(reachable(port)) == {200}
        assert server.stop() == 0
    assert "Traceback" not in server.output


def test_the_log_goes_on_when_the_disk_has_room_again(tmp_path: Path) -> None:
    """On a real full file system, in its own mount namespace."""
    unshare = shutil.which("unshare") or missing("unshare is not there; apt-get install util-linux")
    made = [unshare, "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run(
        [*made, "mount", "-t", "tmpfs", "none", str(tmp_path)], check=False
    ).returncode:
        missing("no file system can be mounted here")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=256k none {disk} && exec >{disk}/log 2>&1 && "
        f'head -c 250000 /dev/zero >{disk}/filler; exec "$@"'
    )
    prefix = [*made, "sh", "-c", script, "sh"]
    with serving(tmp_path, prefix=prefix) as (server, port):
        inside = Path(f"/proc/{server.process.pid}/root{disk}")
        assert set(reachable(port)) == {200}
        size = (inside / "log").stat().st_size
        assert set(reachable(port)) == {200}
        assert (inside / "log").stat().st_size == size  # the disk is full
        (inside / "filler").unlink()
        request(f"http://{HOST}:{port}/API/healthz", headers={"User-Agent": "room-again"})
        wait_for(lambda: b"room-again" in (inside / "log").read_bytes())
        assert server.stop() == 0
