"""A rotation on a real coturn with the commands of `rotate plan`, and new secrets in every form."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest

from abcwebrtc.config.secret_sources import split_secrets
from abcwebrtc.turn.usernames import parse_username
from conftest import require_program
from integration.rotating import (
    NEW,
    OLD,
    TTL,
    Rotation,
    Start,
    follow,
    minted,
    run_in_shell,
    started_rotation,
    wait_until_zero,
)
from integration.turn import (
    LOOPBACK,
    REALM,
    Turnserver,
    TurnUrl,
    allocated,
    refusal,
    refused,
    run_client,
)
from support import command, environment, run_command, wait_for

PAUSE = 0.05
"""Seconds between two calls of a client; coturn takes a while to free a relay's port."""


@pytest.fixture
def rotation(tmp_path: Path, start_turnserver: Start) -> Rotation:
    return started_rotation(tmp_path, start_turnserver)


class Calls:
    """Clients that allocate all the time; `refused` has the errors that they got."""

    def __init__(self, rotation: Rotation) -> None:
        self.refused: List[str] = []
        self.made = {"fresh": 0, "old": 0}
        self._rotation = rotation
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(client,))
            for client in (self._fresh_client, self._reconnecting_client)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _run(self, client: Callable[[], None]) -> None:
        try:
            while not self._stop.wait(PAUSE):
                client()
        except Exception as error:
            self.refused.append(f"{client.__name__} ended: {error!r}")

    def _fresh_client(self) -> None:
        self._call("fresh", self._rotation.fresh())

    def _reconnecting_client(self) -> None:
        """Use one credential until it expires, as abcdesktop's browser client does."""
        url = self._rotation.fresh()
        # What is sent in the last second may arrive in the next.
        while time.time() < int(url.username) - 0.5 and not self._stop.wait(PAUSE):
            self._call("old", url)

    def _call(self, kind: str, url: TurnUrl) -> None:
        code = refusal(url)
        self.made[kind] += 1
        if code is not None and time.time() <= int(url.username):
            self.refused.append(f"{kind}: {code}")


def test_a_rotation_by_the_plan_refuses_no_call(rotation: Rotation) -> None:
    names = ["prepare", "make", "give", "verify", "switch", "wait", "take", "clean", "end"]
    steps = rotation.plan()
    assert [step["name"] for step in steps] == names
    rotation.prepare()  # once more is no harm to the calls below
    calls = Calls(rotation)
    with calls.running():
        wait_for(lambda: min(calls.made.values()) > 5)
        follow(rotation, steps)
        made = sum(calls.made.values())
        wait_for(lambda: sum(calls.made.values()) > made + 10)
        wait_for(lambda: min(calls.made.values()) > 20)
    assert calls.refused == []
    (new,) = rotation.secret_file.read_text().split()
    assert len(new) == 64
    assert refusal(minted(rotation.server.port, OLD)) == 401
    assert refusal(minted(rotation.server.port, new)) is None
    assert not (rotation.folder / "new-secret").exists()


def test_the_same_clients_see_it_when_the_old_secret_goes_too_early(rotation: Rotation) -> None:
    rotation.prepare()
    calls = Calls(rotation)
    with calls.running():
        wait_for(lambda: min(calls.made.values()) > 5)
        assert calls.refused == []
        names = ("make", "give", "verify")
        follow(rotation, [step for step in rotation.plan() if step["name"] in names])
        rotation.turnadmin("-X", OLD)  # while it mints, so that no ttl is over before
        wait_for(lambda: calls.refused)
    assert any("401" in refused for refused in calls.refused)


def test_the_same_clients_see_it_when_the_new_secret_mints_too_early(rotation: Rotation) -> None:
    rotation.prepare()
    calls = Calls(rotation)
    with calls.running():
        wait_for(lambda: min(calls.made.values()) > 5)
        steps = {step["name"]: step for step in rotation.plan()}
        follow(rotation, [steps["make"], steps["switch"]])
        wait_for(lambda: calls.refused)
    assert any("401" in refused for refused in calls.refused)


@pytest.mark.parametrize(("prepared", "code"), [(False, 401), (True, None)])
def test_while_a_secret_is_written_coturn_reads_only_a_prepared_database(
    rotation: Rotation, prepared: bool, code: Optional[int]
) -> None:
    if prepared:
        rotation.prepare()
    assert refusal(minted(rotation.server.port, OLD)) is None
    with contextlib.closing(sqlite3.connect(rotation.database, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        assert refusal(minted(rotation.server.port, OLD)) == code
        writer.execute("rollback")
    assert refusal(minted(rotation.server.port, OLD)) is None


def test_a_running_call_goes_on_when_its_secret_is_gone(rotation: Rotation) -> None:
    url = minted(rotation.server.port, OLD)

    async def run() -> None:
        async with allocated(url) as relay:
            rotation.turnadmin("-s", NEW)
            rotation.turnadmin("-X", OLD)
            assert await refused(url) == 401
            async with allocated(minted(rotation.server.port, NEW)) as other:
                relay.transport.sendto(b"permit", other.address)
                assert await other.send_until_received(b"still here", relay) == b"still here"
        # Leaving freed the allocation by a Refresh, signed with the old secret.

    run_client(run())
    wait_for(lambda: re.search(r"refreshed, .*lifetime=0", rotation.server.output))


# new-secret


@pytest.mark.parametrize(
    "secret", ["", "a#b;c%d", "=leading", "trailing ", "'quoted'", "q83vEjRWeJC+/8="], ids=repr
)
def test_the_line_for_turnserver_conf_is_read_as_the_secret(
    tmp_path: Path, start_turnserver: Start, secret: str
) -> None:
    file = tmp_path / "new"
    if secret:
        file.write_bytes(split_secrets(secret.encode())[0] + b"\n")
    else:
        assert run_command("rotate", "new-secret", "--output", file).returncode == 0
    line = run_command("rotate", "new-secret", "--from", file, "--format", "turnserver").stdout
    server = start_turnserver(options=[line.rstrip("\n")])
    assert refusal(minted(server.port, file.read_text().rstrip("\n"))) is None
    assert refusal(minted(server.port, OLD)) == 401


def test_the_line_for_turnadmin_gives_coturn_the_first_secret_of_the_file(
    rotation: Rotation,
) -> None:
    require_program("turnadmin", "coturn")
    file = rotation.folder / "it's new"
    file.write_text(f"\n{NEW}\nan-older-one-behind-it\n")
    options = ["--from", file, "--format", "turnadmin", "--realm", REALM]
    line = run_command("rotate", "new-secret", *options, "--database", rotation.database).stdout
    assert NEW not in line
    assert refusal(minted(rotation.server.port, NEW)) == 401
    assert run_in_shell(rotation.folder, line) == 0
    assert refusal(minted(rotation.server.port, NEW)) is None
    assert refusal(minted(rotation.server.port, "an-older-one-behind-it")) == 401


ODD = [OLD, 'it\'s an "old" one; --', "back\\slash'", "'); delete from turn_secret; --", "ümläut"]


@pytest.mark.parametrize("old", ODD)
def test_an_inline_secret_is_rotated_and_never_typed(rotation: Rotation, old: str) -> None:
    """`apply` has its own tests, and the editor is this test."""
    with contextlib.closing(sqlite3.connect(rotation.database, isolation_level=None)) as writer:
        writer.execute("update turn_secret set value = ?", [old])  # turnadmin takes no quote
    inline: Dict[str, Any] = {"url": f"{LOOPBACK}:{rotation.server.port}", "ttl": TTL}

    def write(*secrets: str) -> None:
        rotation.write({**inline, "coturn_static_auth_secret": list(secrets)})

    def accepted() -> List[bool]:
        port = rotation.server.port
        return [refusal(minted(port, secret)) is None for secret in (old, new)]

    write(old)
    steps = {step["name"]: step for step in rotation.plan()}
    new_file = rotation.folder / "new-secret"
    follow(rotation, [steps["prepare"], steps["make"]])
    new = new_file.read_text().strip()
    assert accepted() == [True, False]
    follow(rotation, [steps["give"], steps["give"], steps["verify"]])  # twice is no harm
    assert accepted() == [True, True]
    write(new, old)
    follow(rotation, [steps["take"]])
    assert accepted() == [False, True]
    write(new)
    follow(rotation, [steps["end"]])
    assert not new_file.exists()


def test_the_plan_is_pasted_as_it_is_printed_whatever_the_names_are(rotation: Rotation) -> None:
    """A no-break space is invisible, so it can't be printed as it is."""
    odd = '-it\'s a\u00a0"file" \\ $(id) \u00fc'
    rotation.secret_file = rotation.secret_file.rename(rotation.folder / odd)
    rotation.od_config = rotation.folder / f"{odd}.config"
    url = f"{LOOPBACK}:{rotation.server.port}"
    rotation.write({"coturn_static_auth_secret_file": odd, "url": url, "ttl": TTL})
    (rotation.folder / f"{odd}.db").symlink_to(rotation.database)
    options = ("--realm", REALM, "--database", f"{odd}.db", "--margin", "1")
    result = rotation.rotate("plan", *options)
    assert result.returncode == 0, result.stderr
    printed = result.stdout.splitlines()
    lines = [line.strip() for line in printed if line.startswith("       ")]
    assert sum("printf" in line for line in lines) > 5
    for line in lines:
        if " --since " in line:
            wait_until_zero(rotation.folder, re.sub(" --since \\S+", "", line))
        elif "kubectl" not in line:
            assert run_in_shell(rotation.folder, line) == 0, line
    (new,) = rotation.secret_file.read_text().split()
    assert refusal(minted(rotation.server.port, OLD)) == 401
    assert refusal(minted(rotation.server.port, new)) is None


def test_the_manifest_patches_a_secret_and_leaves_its_other_keys(tmp_path: Path) -> None:
    kubectl = require_program("kubectl", "kubernetes-client")
    here = tmp_path / "there.yaml"
    here.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: turn, namespace: abcdesktop}\n"
        "data: {pseudonym-key: c3RheXM=, static-auth-secret: b2xk}\n"
    )
    (tmp_path / "new").write_text(NEW)
    options = ("--keep", "-", "--format", "kubernetes", "--name", "turn")
    patch = subprocess.run(
        command("rotate", "new-secret", "--from", "new", *options),
        cwd=tmp_path,
        env=environment(),
        input=f"{OLD}\n".encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    line = [kubectl, "patch", "--local", "-f", str(here), "-o", "json"]
    line += ["--patch-file", "/dev/stdin"]
    env = environment(HOME=str(tmp_path), KUBECONFIG=str(tmp_path / "none"))
    result = subprocess.run(line, input=patch, env=env, stdout=subprocess.PIPE, check=True)
    data = json.loads(result.stdout)["data"]
    assert base64.b64decode(data["static-auth-secret"]).decode() == f"{NEW}\n{OLD}\n"
    assert base64.b64decode(data["pseudonym-key"]) == b"stays"


# whois, from the log that coturn writes


def logged(server: Turnserver, text: str) -> List[str]:
    """Return the lines with a text, once an allocation has come and gone in the log."""
    lines = [line for line in server.output.splitlines(keepends=True) if text in line]
    return lines if any("REFRESH processed" in line and line[-1] == "\n" for line in lines) else []


@pytest.mark.parametrize("name", ["alice", "bob:x<y>,z", "ürsula@domain.local", "a>:b"])
def test_whois_finds_the_user_in_each_line_of_coturns_log(rotation: Rotation, name: str) -> None:
    server = rotation.server
    assert refusal(minted(server.port, OLD, name)) is None
    lines = wait_for(lambda: logged(server, f":{name}>"))
    found = {(parse_username(line).name) for line in lines}
    assert found == {name}
    result = run_command("whois", "--json", lines[-1], rotation.od_config)
    assert (result.returncode, json.loads(result.stdout)["user"]) == (0, name)
