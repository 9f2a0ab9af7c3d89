"""A rotation on a separate coturn, with the commands of its plan run in a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from abcwebrtc import WebRTCConfig, build_rtc_configuration, mint_turn_credentials
from conftest import require_program
from integration.turn import LOOPBACK, REALM, Turnserver, TurnUrl, turn_urls
from support import command, environment, run_command, wait_for

Start = Callable[..., Turnserver]

OLD, NEW = "the-secret-until-yesterday", "the-secret-from-today-on"
TTL = 3
RELAY_PORTS = ("min-port=50000", "max-port=60900")


class Rotation:
    """An od.config with a secret file, and a coturn that has the secret in its database."""

    def __init__(self, folder: Path, server: Turnserver) -> None:
        self.folder, self.server = folder, server
        self.database = folder / f"turnserver-{server.port}.db"
        self.secret_file = folder / "static-auth-secret"
        self.secret_file.write_text(f"{OLD}\n", encoding="utf-8")
        self.od_config = folder / "od.config"
        entry = {
            "coturn_static_auth_secret_file": self.secret_file.name,
            "url": f"{LOOPBACK}:{server.port}",
            "transport": "tcp",  # over UDP, a port that comes again too soon is a 437
            "ttl": TTL,
        }
        self.write(entry)
        self.turnadmin("-s", OLD)
        self.config = WebRTCConfig.from_file(self.od_config)

    def write(self, *entries: Dict[str, Any]) -> None:
        coturn = repr(list(entries))
        self.od_config.write_text(f"[global]\nwebrtc.enable: True\nwebrtc.coturn: {coturn}\n")

    def prepare(self) -> None:
        require_program("sqlite3", "sqlite3")
        (step,) = [step for step in self.plan() if step["name"] == "prepare"]
        follow(self, [step])

    def turnadmin(self, *arguments: str) -> None:
        program = require_program("turnadmin", "coturn")
        subprocess.run(
            [program, *arguments, "-r", REALM, "-b", str(self.database)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )

    def rotate(self, name: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return run_command("rotate", name, self.od_config, *arguments, cwd=self.folder)

    def check(self, *arguments: object) -> Any:
        result = self.rotate("check", "--json", *arguments)
        (group,) = json.loads(result.stdout)["groups"]
        group["status"] = result.returncode
        return group

    def plan(self) -> List[Dict[str, Any]]:
        options = ("--realm", REALM, "--database", self.database, "--margin", "1")
        result = self.rotate("plan", "--json", *options)
        assert result.returncode == 0, result.stderr
        steps: List[Dict[str, Any]] = json.loads(result.stdout)["groups"][0]["steps"]
        return steps

    def fresh(self) -> TurnUrl:
        return turn_urls(build_rtc_configuration(self.config))[0]


def started_rotation(folder: Path, start_turnserver: Start) -> Rotation:
    return Rotation(folder, start_turnserver(options=[*RELAY_PORTS, "verbose"]))


def run_in_shell(folder: Path, line: str) -> int:
    """Run a line of the plan in a shell that finds the abcwebrtc under test.

    The shell tells every command with its arguments: no secret is one, and none is printed.
    """
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    script = programs / "abcwebrtc"
    script.write_text('#!/bin/sh\nexec {} {} {} "$@"\n'.format(*command()))
    script.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
    result = subprocess.run(
        ["sh", "-xc", line],
        cwd=folder,
        env=environment(PATH=path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"$ {line}\n{result.stdout}")
    new = folder / "new-secret"
    for secret in (OLD, *(new.read_text().split() if new.exists() else ())):
        assert secret not in line + result.stdout
    return result.returncode


def follow(rotation: Rotation, steps: List[Dict[str, Any]]) -> None:
    """Follow a plan; if it says to wait, wait until `check` says to go on."""
    for step in steps:
        for line in step["commands"]:
            if step["name"] == "wait":
                # The time of the switch is the file's.
                wait_until_zero(rotation.folder, re.sub(" --since \\S+", "", line))
            else:
                assert run_in_shell(rotation.folder, line) == 0, step


def wait_until_zero(folder: Path, line: str) -> None:
    def may_go_on() -> bool:
        status = run_in_shell(folder, line)
        assert status in (0, 1)
        return status == 0

    wait_for(may_go_on)


def minted(port: int, secret: str, user: Optional[str] = None) -> TurnUrl:
    made = mint_turn_credentials(secret, 600, user)
    return TurnUrl(LOOPBACK, port, "udp", False, made.username, made.password)
