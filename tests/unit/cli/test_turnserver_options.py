"""What the options of turnserver-conf mean: coturn's version, and its addresses behind NAT."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, List, Optional

import pytest

from abcwebrtc.cli import turnserver_options
from abcwebrtc.cli.main import main
from abcwebrtc.coturn import this_machine
from abcwebrtc.coturn.options import USUAL, CoturnVersion
from support import Result, run_main, write_od_config
from support.certificates import HOST
from support.turnserver_entry import ENTRY

ADDRESS_LINES = re.compile("(?:listening|relay|external|allowed-peer)-ip=.*", re.MULTILINE)


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run the command, and return as `out` the lines with addresses; `url` is the server's."""

    def command(*arguments: str, url: Any = HOST) -> Result:
        coturn = {**ENTRY, "url": url if isinstance(url, str) else list(url)}
        od_config = write_od_config(tmp_path, webrtc__coturn=coturn)
        line = ("turnserver-conf", od_config, "--coturn", "4.6", *arguments)
        status, out, err = run_main(capfd, *line)
        found = [line for line in out.splitlines() if ADDRESS_LINES.fullmatch(line)]
        return Result(status, found, err)

    return command


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set this machine's address, and whether it has a coturn."""

    def be(address: Optional[str], coturn: bool = True) -> None:
        own = ipaddress.ip_address(address) if address else None
        monkeypatch.setattr(this_machine, "own_address", lambda _: own)
        version = USUAL if coturn else None
        monkeypatch.setattr(this_machine, "installed_version", lambda: version)

    return be


PAIR = ["external-ip=203.0.113.20/10.0.0.5"]
ALLOWED = ["allowed-peer-ip=203.0.113.20", "allowed-peer-ip=10.0.0.5"]
LISTENING = ["listening-ip=10.0.0.5", "relay-ip=10.0.0.5"]


def test_both_halves_are_taken_as_they_are(run: Any, here: Any) -> None:
    here("10.9.9.9")
    result = run("--external-ip", "203.0.113.20/10.0.0.5")
    assert result.out == PAIR + ALLOWED
    assert "--external-ip" not in result.err


def test_the_private_half_is_the_address_to_listen_on(run: Any, here: Any) -> None:
    here("10.9.9.9")
    result = run("--external-ip", "203.0.113.20", "--listening-ip", "10.0.0.5")
    assert result.out == LISTENING + PAIR + ALLOWED[::-1]
    expected = "note: --external-ip 203.0.113.20 becomes 203.0.113.20/10.0.0.5, with "
    assert expected + "--listening-ip; for another one, write PUBLIC/PRIVATE\n" in result.err


@pytest.mark.parametrize("listening", [[], ["--listening-ip", "0.0.0.0"]])
def test_the_private_half_is_this_machines_own(run: Any, here: Any, listening: List[str]) -> None:
    here("10.0.0.5")
    result = run("--external-ip", "203.0.113.20", *listening)
    assert result.out == PAIR + ALLOWED
    assert "10.0.0.5, with this machine's own address; for another one, write" in result.err


@pytest.mark.parametrize(
    ("address", "coturn", "words"),
    [
        ("10.0.0.5", False, "coturn is not installed on this machine"),
        (None, True, "this machine has no route to it"),
        (
            "203.0.113.20",
            True,
            "this machine's own address: if coturn runs here, leave the option out",
        ),
        ("8.8.8.8", True, "this machine's own address, 8.8.8.8, is public too"),
        ("127.0.0.1", True, "this machine's own address, 127.0.0.1, is public too"),
    ],
)
def test_without_a_private_half_nothing_is_made(
    run: Any, here: Any, address: Optional[str], coturn: bool, words: str
) -> None:
    here(address, coturn)
    result = run("--external-ip", "203.0.113.20")
    assert (result.status, result.out) == (2, [])
    assert words in result.err
    assert "such as --external-ip 203.0.113.20/10.0.0.5" in result.err


def test_several_addresses_are_each_in_the_file_once(run: Any) -> None:
    result = run(
        *("--listening-ip", "10.0.0.5", "--listening-ip", "10.0.0.6", "--listening-ip", "fd00::5"),
        *("--external-ip", "8.8.8.8/10.0.0.5", "--external-ip", "8.8.4.4/10.0.0.6"),
        *("--external-ip", "2606:4700::1"),
    )
    own = ["10.0.0.5", "10.0.0.6", "fd00::5"]
    assert result.out == [
        *(f"listening-ip={address}" for address in own),
        *(f"relay-ip={address}" for address in own),
        "external-ip=8.8.8.8/10.0.0.5",
        "external-ip=8.8.4.4/10.0.0.6",
        "external-ip=2606:4700::1/fd00::5",
        *(f"allowed-peer-ip={address}" for address in own),
    ]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::0", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"])
def test_every_address_is_the_default_and_no_own_one(run: Any, address: str) -> None:
    assert run("--listening-ip", address) == run() == Result(0, [], run().err)
    assert run(url=f"[{address}]:3478" if ":" in address else address).out == []


def test_all_of_ipv4_and_of_ipv6_are_two_addresses(run: Any) -> None:
    assert run("--listening-ip", "0.0.0.0", "--listening-ip", "::").out == []


def test_an_address_mapped_into_ipv6_is_one_of_ipv4(run: Any) -> None:
    result = run("--listening-ip", "::ffff:10.0.0.5")
    assert result.out == [*LISTENING, "allowed-peer-ip=10.0.0.5"]


TWICE = ["--external-ip", "8.8.8.8/10.0.0.5", "--external-ip"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listening-ip", "host"], "write an IP address, without a port or a mask"),
        (["--listening-ip", "169.254.169.254"], "no server has the address 169.254.169.254"),
        (["--listening-ip", "224.0.0.1"], "no server has the address"),
        (["--listening-ip", "10.0.0.5"] * 2, "--listening-ip 10.0.0.5 is given twice"),
        (
            ["--listening-ip", "10.0.0.5", "--listening-ip", "0.0.0.0"],
            "--listening-ip 0.0.0.0 means every address, so leave it or 10.0.0.5 out",
        ),
        (
            ["--listening-ip", "::", "--listening-ip", "10.0.0.5"],
            "--listening-ip :: means every address, so leave it or 10.0.0.5 out",
        ),
        (["--external-ip", "1.1.1.1/2.2.2.2/3.3.3.3"], "write PUBLIC/PRIVATE, two IP addresses"),
        (["--external-ip", "$(curl ifconfig.me)"], "write PUBLIC/PRIVATE, two IP addresses"),
        (["--external-ip", "0.0.0.0"], "has an address that no server has"),
        (["--external-ip", "8.8.8.8/169.254.169.254"], "has an address that no server has"),
        (["--external-ip", "8.8.8.8/127.0.0.1"], "has a loopback address"),
        (["--external-ip", "8.8.8.8/fd00::5"], "mixes IPv4 and IPv6"),
        (["--external-ip", "8.8.8.8/8.8.8.8"], "has the same address twice"),
        (["--external-ip", "10.0.0.5/8.8.8.8"], "has its halves swapped; write 8.8.8.8/10.0.0.5"),
        ([*TWICE, "8.8.8.8/10.0.0.6"], "has the public address 8.8.8.8 twice"),
        ([*TWICE, "8.8.4.4/10.0.0.5"], "has the private address 10.0.0.5 twice"),
        (
            ["--external-ip", "2606:4700::1/fd00::5", "--listening-ip", "10.0.0.5"],
            "--external-ip 2606:4700::1/fd00::5 is IPv6; add a --listening-ip that is IPv6 too",
        ),
        (
            ["--external-ip", "8.8.8.8/10.0.0.6", "--listening-ip", "10.0.0.5"],
            "--external-ip 8.8.8.8/10.0.0.6 needs 10.0.0.6 as a --listening-ip; add it",
        ),
        (
            ["--external-ip", "8.8.8.8", "--listening-ip", "8.8.8.8"],
            "--external-ip 8.8.8.8 is this server's own --listening-ip; leave it out",
        ),
        (
            ["--external-ip=8.8.8.8", "--listening-ip=10.0.0.5", "--listening-ip=10.0.0.6"],
            "has no private half, and there are several --listening-ip; write coturn's own",
        ),
        (
            ["--external-ip", "8.8.8.8", "--listening-ip", "127.0.0.1"],
            "has no private half, and --listening-ip 127.0.0.1 is the loopback",
        ),
    ],
)
def test_what_contradicts_is_exit_2(run: Any, arguments: List[str], words: str) -> None:
    result = run(*arguments)
    assert (result.status, result.out) == (2, [])
    assert words in result.err


@pytest.mark.parametrize("every", ["0.0.0.0", "::"])
@pytest.mark.parametrize("pair", ["8.8.8.8/10.0.0.5", "2606:4700::1/fd00::5"])
def test_every_address_is_that_of_either_family(run: Any, every: str, pair: str) -> None:
    result = run("--listening-ip", every, "--external-ip", pair)
    assert result.status == 0, result.err
    assert f"external-ip={pair}" in result.out
    assert not [line for line in result.out if line.startswith("listening-ip=")]


def test_two_public_addresses_need_two_private_ones(run: Any, here: Any) -> None:
    here("10.0.0.5")
    result = run("--external-ip", "8.8.8.8", "--external-ip", "8.8.4.4")
    assert (result.status, result.out) == (2, [])
    assert "has the private address 10.0.0.5 twice; each pair needs its own" in result.err


THREE = f"{HOST}:3478", f"{HOST}:5000", f"{HOST}:5001"


@pytest.mark.parametrize("arguments", [[], ["--listening-ip", "0.0.0.0"]])
def test_a_third_port_has_relays_of_this_machines_address(
    run: Any, here: Any, arguments: List[str]
) -> None:
    here("10.0.0.5")
    result = run(*arguments, url=THREE)
    assert result.out == ["relay-ip=10.0.0.5", "allowed-peer-ip=10.0.0.5"]
    said = "note: the relays of port 5000 and 5001 have this machine's own address, 10.0.0.5; "
    assert f"{said}for another one, give --listening-ip\n" in result.err


@pytest.mark.parametrize(("address", "coturn"), [("10.0.0.5", False), (None, True)])
def test_a_third_port_is_shut_where_no_address_is_known(
    run: Any, here: Any, address: Optional[str], coturn: bool
) -> None:
    here(address, coturn)
    result = run(url=THREE)
    assert (result.status, result.out) == (0, [])
    assert (
        "warning: coturn has two ports, and for port 5000 and 5001 it needs its own" in result.err
    )


def test_ports_of_relays_where_coturn_listens_are_said(run: Any) -> None:
    result = run("--relay-ports", "3000-4000")
    assert "warning: coturn listens on 3478, which is also a relay port" in result.err
    assert "gives to relays" not in run("--relay-ports", "3479-4000").err


# the version


@pytest.mark.parametrize(
    ("found", "arguments", "note"),
    [
        (
            (4, 18),
            [],
            "note: for coturn 4.18, this machine's version; for another one, give",
        ),
        (
            None,
            [],
            "note: for coturn 4.6, since none is installed on this machine; for another one, give",
        ),
        ((4, 18), ["--coturn", "4.6.1"], ""),
        (
            None,
            ["--coturn", "5.2"],
            "note: abcwebrtc does not know coturn 5.2, and treats it as 4.18",
        ),
        ((4, 99), [], "note: abcwebrtc does not know coturn 4.99, and treats it as 4.18"),
    ],
)
@pytest.mark.parametrize("checking", [False, True])
def test_what_is_assumed_is_said_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: Any,
    arguments: Any,
    note: str,
    checking: bool,
) -> None:
    def installed() -> Optional[CoturnVersion]:
        return CoturnVersion(*found) if found else None

    monkeypatch.setattr(turnserver_options, "installed_version", installed)
    od_config = write_od_config(tmp_path, webrtc__coturn=ENTRY)
    conf = tmp_path / "turnserver.conf"
    assert main(["turnserver-conf", str(od_config), "--output", str(conf), *arguments]) == 0
    if checking:
        capsys.readouterr()
        assert main(["turnserver-conf", str(od_config), "--check", str(conf), *arguments]) == 0
    err = capsys.readouterr().err
    assert note in err
    assert err.count("note: ") == bool(note) + (found == (4, 99))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("4.4", "coturn before 4.5 is too old; install a newer version"),
        ("latest", "write coturn's version, such as 4.6 or 4.18.0"),
        ("", "write coturn's version, such as 4.6 or 4.18.0"),
    ],
)
def test_a_version_that_is_none_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, words: str
) -> None:
    od_config = write_od_config(tmp_path, webrtc__coturn=ENTRY)
    with pytest.raises(SystemExit) as ended:
        main(["turnserver-conf", str(od_config), "--coturn", version])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
