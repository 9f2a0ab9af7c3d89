"""The turnserver.conf that is printed for each version of coturn: only what that version takes."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Dict, List

import pytest

from abcwebrtc.cli.main import main
from abcwebrtc.coturn.conf import ConfOptions, turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from abcwebrtc.coturn.options import NEWEST, OLDEST, USUAL, CoturnVersion, deprecation, knows
from support import write_od_config
from support.turnserver_entry import ENTRY, one_coturn

VERSIONS = [CoturnVersion(4, minor) for minor in range(OLDEST.minor, NEWEST.minor + 1)]
ENTRIES: List[Dict[str, Any]] = [
    {},
    {"protocol": "turns"},
    {"protocol": "turns", "transport": ["udp", "tcp"]},
    {"url": ["localhost:3478", "localhost:80", "localhost:81"], "username": "userid"},
]
CLASSIC_STUN = "rfc3489-compatibility"


def options_of(version: CoturnVersion, **changes: Any) -> List[str]:
    text = turnserver_conf(one_coturn(**changes), "od.config", ConfOptions(version=version), True)
    return [setting.name for setting in parse_turnserver_conf(text.encode(), "").settings]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("changes", ENTRIES)
def test_every_option_is_one_that_the_version_takes(
    version: CoturnVersion, changes: Dict[str, Any]
) -> None:
    names = options_of(version, **changes)
    assert [name for name in names if not knows(version, name)] == []
    deprecated = {name for name in names if deprecation(version, name)}
    assert deprecated == ({CLASSIC_STUN} if version >= (4, 16) else set())


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_stun_in_its_old_form_is_answered_as_far_as_an_option_can(version: CoturnVersion) -> None:
    names = options_of(version)
    assert "no-stun-backward-compatibility" not in names
    assert (CLASSIC_STUN in names) == (version >= (4, 16))
    assert ("stun-backward-compatibility" in names) == ((4, 7) <= version < (4, 16))


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_version_that_answers_no_desktop_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: CoturnVersion
) -> None:
    od_config = str(write_od_config(tmp_path, webrtc__coturn=ENTRY))
    assert main(["turnserver-conf", od_config, "--coturn", str(version), "--show-secret"]) == 0
    said = f"warning: coturn {version} answers no STUN in the form of RFC 3489"
    assert (said in capsys.readouterr().err) == ((4, 7) <= version <= (4, 9))


def test_what_a_newer_coturn_leaves_off_by_itself_is_not_turned_off() -> None:
    only_before = ["no-dtls", "no-tlsv1", "no-tlsv1_1", "no-cli", "no-rfc5780"]
    only_before += ["response-origin-only-with-rfc5780", "no-software-attribute"]
    for version, there in ((USUAL, True), (CoturnVersion(4, 7), False), (NEWEST, False)):
        names = options_of(version, protocol="turns")
        assert [name in names for name in only_before] == [there] * len(only_before)


def test_dtls_is_turned_on_where_a_url_needs_it() -> None:
    secure = {"protocol": "turns", "transport": ["udp", "tcp"]}
    assert "dtls" in options_of(NEWEST, **secure)
    assert "dtls" not in options_of(NEWEST, protocol="turns")
    assert not {"dtls", "no-dtls"} & set(options_of(USUAL, **secure))


@pytest.mark.parametrize(
    ("addresses", "version", "expected"),
    [
        (["fd00::5"], (4, 5), ["keep-address-family"]),
        (["fd00::5", "fd00::6"], (4, 6), ["allocation-default-address-family"]),
        (["fd00::5"], (4, 18), ["allocation-default-address-family"]),
        (["fd00::5", "10.0.0.5"], (4, 18), []),
        ([], (4, 18), []),
    ],
)
def test_relays_are_of_ipv6_where_the_server_has_no_other(
    addresses: List[str], version: Any, expected: List[str]
) -> None:
    listening = tuple(map(ipaddress.ip_address, addresses))
    options = ConfOptions(version=CoturnVersion(*version), listening_ips=listening)
    conf = parse_turnserver_conf(turnserver_conf(one_coturn(), "od.config", options).encode(), "")
    names = ("allocation-default-address-family", "keep-address-family")
    assert [setting.name for setting in conf.all(*names)] == expected


def test_the_first_line_says_for_which_version() -> None:
    text = turnserver_conf(one_coturn(), "od.config", ConfOptions(version=NEWEST))
    assert text.startswith(f"# Made by abcwebrtc turnserver-conf, for coturn {NEWEST}.\n")
