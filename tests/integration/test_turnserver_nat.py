"""A coturn behind a real NAT: calls need the private half, and all commands agree on that."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import pytest

from integration.cloud import OTHER_PAIR, PAIR, PRIVATE, PUBLIC, put_behind_nat
from integration.generated import SECRET, Coturn
from integration.netns import Namespace, required_pair
from support import WAIT, environment, wait_for, write_od_config
from support.programs import running_program

PORT = 3478


class Cloud:
    """A machine with a private address and a public one outside, and a client there."""

    def __init__(
        self, server: Namespace, client: Namespace, folder: Path, pairs: Sequence[Tuple[str, str]]
    ) -> None:
        self.server, self.client, self.folder = server, client, folder
        self.pairs = pairs
        put_behind_nat(server, client, pairs)
        self.od_config = write_od_config(
            folder,
            webrtc__coturn={
                "coturn_static_auth_secret": SECRET,
                "url": [f"{public}:{PORT}" for public, _ in pairs],
                "username": "pseudonym",
            },
            webrtc__rtc_configuration={"iceServers": [{"urls": f"stun:{PUBLIC}:{PORT}"}]},
        )

    def run(self, where: Namespace, *words: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            where.command(sys.executable, "-m", "abcwebrtc", *words),
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=4 * WAIT,
        )

    def probe(self) -> Dict[str, Any]:
        """Return what a client outside observes."""
        report: Dict[str, Any] = json.loads(
            self.run(self.client, "probe", self.od_config, "--json").stdout
        )
        print(json.dumps(report, indent=1))
        return report

    def problems(self, conf: Path, *options: str) -> List[Dict[str, Any]]:
        words = ("turnserver-conf", self.od_config, "--check", conf, "--json", *options)
        report = json.loads(self.run(self.server, *words).stdout)
        return [*report["errors"], *report["warnings"]]

    @contextlib.contextmanager
    def running(self, conf: Path, program: str) -> Iterator[None]:
        files = (f"--{name}={self.folder / name}" for name in ("pidfile", "userdb"))
        command = self.server.command(program, "-c", conf, "--log-file=stdout", *files)
        log = self.folder / "coturn.log"
        try:
            with running_program(command, log, cwd=self.folder) as process:
                more = re.findall(r"(?m)^aux-server=.*:(\d+)$", conf.read_text())
                ports = [PORT, *map(int, more)]
                places = [(private, port) for _, private in self.pairs for port in ports]

                def listens() -> bool:
                    return all(self.server.listens_at("udp", *place) for place in places)

                wait_for(lambda: listens() or process.poll() is not None)
                yield
        finally:
            print(log.read_text(errors="replace")[-3000:])


@pytest.fixture(params=[[PAIR]])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cloud]:
    with required_pair() as (server, client):
        yield Cloud(server, client, tmp_path, request.param)


def made(cloud: Cloud, each_coturn: Coturn, *arguments: str) -> Path:
    """Return the file that the command writes on coturn's machine."""
    conf = cloud.folder / "turnserver.conf"
    words = ("turnserver-conf", cloud.od_config, "--output", conf, "--force", *each_coturn.options)
    done = cloud.run(cloud.server, *words, *arguments)
    assert done.returncode == 0, done.stderr
    if "--external-ip" in arguments and "/" not in "".join(arguments):
        assert f"note: --external-ip {PUBLIC} becomes {PUBLIC}/{PRIVATE}, with " in done.stderr
    return conf


@pytest.mark.parametrize(
    "arguments",
    [
        ["--external-ip", PUBLIC],
        ["--external-ip", PUBLIC, "--listening-ip", PRIVATE],
        ["--external-ip", f"{PUBLIC}/{PRIVATE}"],
    ],
)
def test_calls_work_behind_nat_and_the_check_agrees(
    cloud: Cloud,
    each_coturn: Coturn,
    arguments: List[str],
) -> None:
    conf = made(cloud, each_coturn, *arguments)
    assert f"\nexternal-ip={PUBLIC}/{PRIVATE}\n" in conf.read_text()
    with cloud.running(conf, each_coturn.program):
        report = cloud.probe()
    assert [found["level"] for found in report["results"]] == ["ok", "ok"]
    assert cloud.problems(conf, *each_coturn.options[:1]) == []


def test_the_public_address_alone_forbids_every_call(
    cloud: Cloud,
    each_coturn: Coturn,
) -> None:
    conf = made(cloud, each_coturn, "--external-ip", PUBLIC)
    lines = [line for line in conf.read_text().splitlines() if PRIVATE not in line]
    conf.write_text("\n".join([*lines, f"external-ip={PUBLIC}", ""]))
    with cloud.running(conf, each_coturn.program):
        stun, turn = cloud.probe()["results"]
    assert (stun["level"], turn["level"]) == ("ok", "error")
    assert "403" in json.dumps(turn["diagnoses"])


@pytest.mark.parametrize("cloud", [[PAIR, OTHER_PAIR]], indirect=True)
def test_each_of_two_addresses_is_mapped_to_its_own(cloud: Cloud, each_coturn: Coturn) -> None:
    arguments = [f"--external-ip={public}/{private}" for public, private in (PAIR, OTHER_PAIR)]
    arguments += [f"--listening-ip={private}" for _, private in (PAIR, OTHER_PAIR)]
    conf = made(cloud, each_coturn, *arguments)
    with cloud.running(conf, each_coturn.program):
        report = cloud.probe()
    assert {found["level"] for found in report["results"]} == {"ok"}
    relays = {found["relayed"].split(":")[0] for found in report["results"] if found["relayed"]}
    assert relays <= {public for public, _ in (PAIR, OTHER_PAIR)}
    assert len(report["results"]) == 3
    assert cloud.problems(conf, *each_coturn.options[:1]) == []


@pytest.mark.parametrize("arguments", [[], ["--external-ip", PUBLIC]])
def test_a_third_port_has_relays_too(
    cloud: Cloud, each_coturn: Coturn, arguments: List[str]
) -> None:
    coturn = {
        "coturn_static_auth_secret": SECRET,
        "url": [f"{PUBLIC if arguments else PRIVATE}:{port}" for port in (PORT, 5000, 5001)],
        "username": "pseudonym",
    }
    write_od_config(cloud.folder, webrtc__coturn=coturn, webrtc__rtc_configuration=None)
    conf = made(cloud, each_coturn, *arguments)
    assert conf.read_text().count("\naux-server=") == 2
    with cloud.running(conf, each_coturn.program):
        report = cloud.probe()
    assert [found["level"] for found in report["results"]] == ["ok"] * 3
    assert cloud.problems(conf, *each_coturn.options[:1]) == []
    lines = [line for line in conf.read_text().splitlines() if not line.startswith("relay-ip=")]
    conf.write_text("\n".join(lines) + "\n")
    with cloud.running(conf, each_coturn.program):
        report = cloud.probe()
    assert [found["level"] for found in report["results"]] == ["ok", "error", "error"]
    found = cloud.problems(conf, *each_coturn.options[:1])
    assert {item["path"] for item in found if item["level"] == "error"} == {"aux-server"}
