"""A generated turnserver.conf on each installed coturn: it starts, relays, and answers STUN."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Callable, List

import pytest

from abcwebrtc.coturn.this_machine import installed_version
from conftest import newest_turnserver, require_program
from integration.generated import (
    SECRET,
    Coturn,
    answers_classic_stun,
    check,
    entry,
    generate,
    permissions,
    running,
)
from integration.turn import LOOPBACK, Certificate, free_ports, relayed_address, turn_urls
from support import listens, run_command, wait_for

CLASSIC = {"rfc3489-compatibility", "stun-backward-compatibility"}


def plain(certificate: Certificate) -> List[str]:
    return []


def with_tls(certificate: Certificate) -> List[str]:
    return ["--cert", str(certificate.cert_file), "--key", str(certificate.key_file)]


def on_one_address(certificate: Certificate) -> List[str]:
    return ["--listening-ip", LOOPBACK]


def everywhere(certificate: Certificate) -> List[str]:
    return ["--listening-ip", "0.0.0.0", "--listening-ip", "::"]


def with_peers(certificate: Certificate) -> List[str]:
    return ["--allow-peer", "10.244.0.0/16", "--allow-peer", "fd00:7::/64"]


def on_several(certificate: Certificate) -> List[str]:
    return ["--listening-ip", LOOPBACK, "--listening-ip", "127.0.0.2", "--listening-ip", "::1"]


ARGUMENTS = [plain, with_tls, on_one_address, everywhere, with_peers, on_several]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.usefixtures("ipv6_loopback")
def test_it_starts_without_a_complaint_and_relays(
    each_coturn: Coturn,
    tmp_path: Path,
    certificate: Certificate,
    arguments: Callable[..., List[str]],
) -> None:
    port, tls_port = free_ports(2)
    servers = [entry(port, username="userid")]
    servers += [entry(tls_port, protocol="turns")] if arguments is with_tls else []
    conf = generate(tmp_path, servers, *each_coturn.options, *arguments(certificate))
    minted = run_command("mint", tmp_path / "od.config", "--user", "alice").stdout
    with running(conf, port=port, program=each_coturn.program) as started:
        for url in turn_urls(json.loads(minted)):
            wait_for(lambda url=url: listens(LOOPBACK, url.port))
            assert relayed_address(url, certificate.trust)[0] in ("127.0.0.1", "127.0.0.2")
        assert started.complaints() == []
        assert answers_classic_stun(port)
    found = check(tmp_path, conf, *each_coturn.options[:1])[1]
    of_a_trial = ("allow-loopback-peers", "cert")  # the loopback, and an authority of its own
    assert [item for item in found if item["path"] not in of_a_trial] == []


@pytest.mark.usefixtures("ipv6_loopback")
def test_where_all_is_ipv6_there_are_relays(each_coturn: Coturn, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = entry(port, url=f"[::1]:{port}")
    arguments = [*each_coturn.options, "--listening-ip", "::1"]
    conf = generate(tmp_path, server, *arguments, webrtc__rtc_configuration=None)
    with running(conf, port=port, host="::1", program=each_coturn.program) as started:
        report = json.loads(run_command("probe", tmp_path / "od.config", "--json").stdout)
        assert started.complaints() == []
    (result,) = report["results"]
    words = [one["word"] for one in result["diagnoses"]]
    assert (result["level"], words) == ("ok", ["outside-untried"])  # this machine is the server


def test_without_its_line_or_with_the_one_against_it_stun_is_gone(
    each_coturn: Coturn, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port), *each_coturn.options)
    lines = [line for line in conf.read_text().splitlines() if line not in CLASSIC]
    lines += ["no-stun-backward-compatibility"] if each_coturn.version < (4, 7) else []
    conf.write_text("\n".join(lines) + "\n")
    with running(conf, port=port, program=each_coturn.program):
        assert not answers_classic_stun(port)


DENIED = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.2"]
DENIED += ["0.0.0.0", "168.63.129.16", "224.0.0.1", "255.255.255.255"]
OPENING: Any = [
    ([], {}),
    (["--listening-ip", "0.0.0.0"], {}),
    (["--listening-ip", "::", "--listening-ip", "0.0.0.0"], {}),
    (["--external-ip", "203.0.113.20/10.0.0.5"], {"10.0.0.5": None, "203.0.113.20": None}),
    (["--allow-peer", "10.244.0.0/16"], {"10.244.1.2": None}),
    ([], {"url": "0.0.0.0"}),
    ([], {"url": "[::]"}),
]


@pytest.mark.parametrize(("arguments", "also"), OPENING)
def test_it_opens_no_denied_range(
    each_coturn: Coturn, tmp_path: Path, arguments: List[str], also: Any
) -> None:
    (port,) = free_ports(1)
    reached = dict(also)
    host = reached.pop("url", None)
    urls = [f"{LOOPBACK}:{port}", *([f"{host}:{port}"] if host else [])]
    conf = generate(tmp_path, entry(port, url=urls), *each_coturn.options, *arguments)
    with running(conf, port=port, program=each_coturn.program) as started:
        assert started.complaints() == []
        answers = permissions(port, SECRET, LOOPBACK, "8.8.8.8", *reached, *DENIED)
    assert answers == {LOOPBACK: None, "8.8.8.8": None, **reached, **dict.fromkeys(DENIED, 403)}


def test_both_coturns_say_their_version() -> None:
    for program in (require_program("turnserver", "coturn"), newest_turnserver()):
        said = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True).stdout
        version = installed_version(program)
        assert version
        assert said.startswith(f"{version}.")
