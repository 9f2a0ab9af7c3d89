"""What `abcwebrtc turnserver-conf` prints runs a real turnserver, and what it reports is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, List

import pytest

from integration.generated import (
    ON_LOOPBACK,
    SECRET,
    Coturn,
    Running,
    check,
    entry,
    generate,
    permissions,
    running,
    sign,
)
from integration.turn import (
    LOOPBACK,
    Certificate,
    allocated,
    free_ports,
    raw_refusal,
    relayed_address,
    run_client,
    turn_urls,
)
from support import WAIT, listens, run_command, wait_for, write_od_config


@pytest.fixture
def single_pem(tmp_path: Path, certificate: Certificate) -> Path:
    """The key and the certificate in one file, as in abcdesktop's documentation."""
    path = tmp_path / "turn.domain.local.pem"
    path.write_bytes(certificate.key_file.read_bytes() + certificate.cert_file.read_bytes())
    return path


def documents(folder: Path) -> Any:
    (port,) = free_ports(1)
    return entry(port, protocol="turns", ttl=3600)


def plain(folder: Path) -> Any:
    (port,) = free_ports(1)
    return entry(port, transport=["udp", "tcp"], username="userid")


def two_entries(folder: Path) -> Any:
    first, second = free_ports(2)
    return [
        entry(first, transport="udp", username="userid"),
        entry(second, protocol="turns", coturn_static_auth_secret="another-secret-of-its-own"),
    ]


def rotation(folder: Path) -> Any:
    (port,) = free_ports(1)
    return entry(port, coturn_static_auth_secret=["the-new-secret;", "the older 'secret' #1"])


def from_a_file(folder: Path) -> Any:
    (port,) = free_ports(1)
    (folder / "static").write_bytes(b"new-\xff\xfe-secret-not-unicode\nold-secret-of-the-file\n")
    changes = {"coturn_static_auth_secret_file": "static", "username": "pseudonym"}
    return entry(port, coturn_static_auth_secret=None, **changes)


def three_ports(folder: Path) -> Any:
    urls = [f"{LOOPBACK}:{port}" for port in free_ports(3)]
    return entry(0, url=urls, transport=["tcp", "udp"])


def tls_on_three_ports(folder: Path) -> Any:
    return entry(0, url=[f"{LOOPBACK}:{port}" for port in free_ports(3)], protocol="turns")


CONFIGURATIONS = [
    documents,
    plain,
    two_entries,
    rotation,
    from_a_file,
    three_ports,
    tls_on_three_ports,
]


def ports_of(coturn: Any) -> List[int]:
    entries = coturn if isinstance(coturn, list) else [coturn]
    urls = [item["url"] for item in entries]
    flat = [url for item in urls for url in (item if isinstance(item, list) else [item])]
    return [int(url.rpartition(":")[2]) for url in flat]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_generated_file_runs_a_turnserver_that_takes_every_url(
    configuration: Callable[[Path], Any], tmp_path: Path, single_pem: Path, certificate: Certificate
) -> None:
    coturn = configuration(tmp_path)
    tls = "turns" in str(coturn)
    arguments = ["--cert", str(single_pem)] if tls else []
    if (
        len(ports_of(coturn)) > 2
    ):  # with an aux-server everywhere, coturn chooses the relay's address
        arguments += ["--listening-ip", LOOPBACK]
    conf = generate(tmp_path, coturn, *arguments, webrtc__rtc_configuration=None)
    assert check(tmp_path, conf)[0] == 0
    minted = run_command("mint", tmp_path / "od.config", "--user", "alice").stdout
    urls = turn_urls(json.loads(minted))
    assert len(urls) >= len(ports_of(coturn))
    with running(conf, port=ports_of(coturn)[0]) as server:
        for url in urls:
            wait_for(lambda url=url: listens(LOOPBACK, url.port))
            assert relayed_address(url, certificate.trust)[0] == LOOPBACK
        assert server.complaints() == []
        assert_a_probe_is_clean(tmp_path / "od.config", certificate)


def assert_a_probe_is_clean(od_config: Path, certificate: Certificate) -> None:
    result = run_command("probe", od_config, "--json", "--ca", certificate.authority)
    report = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert report["results"]
    said = [one for found in report["results"] for one in found["diagnoses"]]
    assert {one["word"] for one in said} == {"outside-untried"}  # on the server's own machine


def test_data_passes_between_two_relays_of_a_generated_file(tmp_path: Path) -> None:
    coturn = plain(tmp_path)
    conf = generate(tmp_path, coturn)
    minted = run_command("mint", tmp_path / "od.config", "--user", "alice").stdout
    url = turn_urls(json.loads(minted))[0]

    async def exchange() -> None:
        async with allocated(url) as browser, allocated(url) as desktop:
            desktop.transport.sendto(b"permit", browser.address)
            assert await browser.send_until_received(b"sound", desktop) == b"sound"

    with running(conf, port=url.port):
        run_client(exchange())


DENIED = ["10.1.2.3", "127.0.0.2", "169.254.169.254", "192.168.1.1", "172.31.0.1", "100.64.0.1"]
DENIED += ["192.0.0.9", "192.31.196.1", "192.52.193.1", "192.88.99.2", "192.175.48.1"]
DENIED += ["0.0.0.0", "168.63.129.16", "224.0.0.1", "255.255.255.255", "198.51.100.1"]
DENIED_V6 = ["::ffff:10.1.2.3", "::ffff:127.0.0.1", "fd00:ec2::254", "64:ff9b::a00:1", "::7f00:1"]
DENIED_V6 += ["fe80::1", "ff02::1", "2002:a00:1::", "2001:0:a00:1::", "::"]
DENIED_V6 += ["::ffff:0:a01:203", "100:0:0:1::1", "2001:2::1", "2001:10::1", "2001:20::1"]
DENIED_V6 += ["2001:1::1", "2001:1ff:ffff::1", "2620:4f:8000::1", "3fff:fff::1", "5f00::1"]


def test_a_denied_peer_is_refused_and_another_one_is_not(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port), "--allow-peer", "10.7.0.0/16")
    with running(conf, port=port):
        answers = permissions(port, SECRET, LOOPBACK, "8.8.8.8", "10.7.3.2", *DENIED)
    assert answers == {
        LOOPBACK: None,
        "8.8.8.8": None,
        "10.7.3.2": None,
        **dict.fromkeys(DENIED, 403),
    }


def test_for_a_name_not_even_the_loopback_is_a_peer(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port, url=f"turn.domain.local:{port}"))
    with running(conf, port=port) as server:
        answers = permissions(port, SECRET, LOOPBACK, "8.8.8.8", *DENIED)
        assert ON_LOOPBACK not in server.output
    assert answers == {LOOPBACK: 403, "8.8.8.8": None, **dict.fromkeys(DENIED, 403)}


def test_ipv4_addresses_in_ipv6_are_no_way_around(tmp_path: Path, each_coturn: Coturn) -> None:
    (port,) = free_ports(1)
    url = f"turn.domain.local:{port}"  # so that it is not the loopback that is allowed
    conf = generate(tmp_path, entry(port, url=url), *each_coturn.options)
    options = ("--allocation-default-address-family=ipv6", "--relay-ip=::1")
    reached = ["2606:4700::1", "2001:200::1", "4000::1"]
    with running(conf, *options, port=port, program=each_coturn.program):
        answers = permissions(port, SECRET, *reached, "::1", *DENIED_V6)
    assert answers == {**dict.fromkeys(reached), "::1": 403, **dict.fromkeys(DENIED_V6, 403)}


def test_an_ipv6_url_and_a_listening_ip(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    conf = generate(tmp_path, entry(port, url=f"[::1]:{port}"), "--listening-ip", "::1")

    server = Running(conf)
    try:
        wait_for(lambda: server.process.poll() is not None or listens("::1", port))
        assert server.complaints() == []
        assert not listens(LOOPBACK, port)
    finally:
        server.process.terminate()
        server.process.wait(WAIT)


def test_a_placeholder_lets_nobody_in(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    od_config = write_od_config(tmp_path, webrtc__coturn=entry(port))
    result = run_command("turnserver-conf", od_config)
    conf = tmp_path / "turnserver.conf"
    conf.write_text(result.stdout)
    with running(conf, port=port):
        for secret in (SECRET.encode(), b"", b"<secret 1 of 1>", b'"<secret 1 of 1>"'):
            assert raw_refusal(port, *sign(secret)) == 401


def test_a_relative_certificate_is_none_where_coturn_runs_in_another_folder(
    tmp_path: Path, each_coturn: Coturn, single_pem: Path, certificate: Certificate
) -> None:
    """So the command writes the absolute path, with which TLS works."""
    (port,) = free_ports(1)
    coturn = entry(port, protocol="turns")
    od_config = write_od_config(tmp_path, webrtc__coturn=coturn, webrtc__rtc_configuration=None)
    (tmp_path / "run").mkdir()
    conf = tmp_path / "run" / "turnserver.conf"
    line = ("turnserver-conf", od_config, "--output", conf, *each_coturn.options)
    made = run_command(*line, "--cert", single_pem.name, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    minted = run_command("mint", od_config).stdout
    (url,) = turn_urls(json.loads(minted))
    with running(conf, port=port, program=each_coturn.program):
        assert relayed_address(url, certificate.trust)[0] == LOOPBACK
    conf.write_text(conf.read_text().replace(str(single_pem), single_pem.name))
    server = Running(conf, program=each_coturn.program)
    try:
        wait_for(lambda: "cannot start TLS" in server.output)
        assert not listens(LOOPBACK, port)
    finally:
        server.process.terminate()
        server.process.wait(WAIT)
    found = run_command("turnserver-conf", od_config, "--check", conf, cwd=tmp_path).stdout
    assert f"the name is relative, and the unit starts coturn in /; write {single_pem}" in found
