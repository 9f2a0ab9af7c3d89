"""The turnserver.conf that is printed has the right lines, and only options of coturn's version."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from abcwebrtc.cli.main import main
from abcwebrtc.coturn.conf import ConfOptions, turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from abcwebrtc.coturn.external_ip import External
from abcwebrtc.coturn.options import NEWEST, OLDEST, USUAL, CoturnVersion, deprecation, knows
from support import write_od_config
from support.certificates import HOST
from support.turnserver_entry import ENTRY, OLD, SECRET, one_coturn


def lines_of(options: Optional[ConfOptions] = None, **changes: Any) -> List[str]:
    """Return the lines of a generated file without comments and denied ranges."""
    text = turnserver_conf(one_coturn(**changes), "od.config", options, True)
    found = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in found if not line.startswith("denied-peer-ip=")]


HARDENING = [
    "fingerprint",
    "no-cli",
    "no-tcp-relay",
    "no-rfc5780",
    "response-origin-only-with-rfc5780",
    "no-software-attribute",
    "no-multicast-peers",
]


def test_the_documents_configuration_gives_the_documents_lines() -> None:
    assert lines_of(protocol="turns", ttl=3600) == [
        "listening-port=3478",
        "tls-listening-port=5349",
        "use-auth-secret",
        f'static-auth-secret="{SECRET}"',
        f"server-name={HOST}",
        f"realm={HOST}",
        "stale-nonce=600",
        f"cert=/usr/local/etc/{HOST}.pem",
        f"pkey=/usr/local/etc/{HOST}.pem",
        "no-tlsv1",
        "no-tlsv1_1",
        "no-dtls",
        "min-port=49152",
        "max-port=65535",
        "total-quota=1200",
        *HARDENING,
    ]


def test_every_option_leads_to_its_line() -> None:
    options = ConfOptions(
        cert="/etc/c.pem",
        key="/etc/k.pem",
        relay_ports=(50000, 50099),
        allow_peers=(range_network("10.1.0.0/16"), range_network("2001:db8::/64")),
        listening_ips=(parse("192.168.0.5"), parse("fd00::5")),
        external_ips=(External(parse("198.18.0.1"), parse("192.168.0.5")),),
        realm="a.realm",
        user_quota=3,
        total_quota=50,
    )
    assert lines_of(options, username="userid") == [
        "listening-port=3478",
        "tls-listening-port=5349",
        "listening-ip=192.168.0.5",
        "listening-ip=fd00::5",
        "relay-ip=192.168.0.5",
        "relay-ip=fd00::5",
        "external-ip=198.18.0.1/192.168.0.5",
        "use-auth-secret",
        f'static-auth-secret="{SECRET}"',
        f"server-name={HOST}",
        "realm=a.realm",
        "stale-nonce=600",
        "cert=/etc/c.pem",
        "pkey=/etc/k.pem",
        "no-tlsv1",
        "no-tlsv1_1",
        "no-dtls",
        "min-port=50000",
        "max-port=50099",
        "total-quota=50",
        "user-quota=3",
        *HARDENING,
        "allowed-peer-ip=192.168.0.5",
        "allowed-peer-ip=fd00::5",
        "allowed-peer-ip=198.18.0.1",
        "allowed-peer-ip=10.1.0.0-10.1.255.255",
        "allowed-peer-ip=2001:db8::-2001:db8::ffff:ffff:ffff:ffff",
    ]


def parse(text: str) -> Any:
    return ipaddress.ip_address(text)


def range_network(text: str) -> Any:
    return ipaddress.ip_network(text)


def test_every_line_has_a_reason_above_it() -> None:
    lines = turnserver_conf(one_coturn(protocol="turns"), "od.config").splitlines()
    bare = [
        (above, line)
        for above, line in zip(lines, lines[1:])
        if not line.startswith("# ") and not above.startswith("# ")
    ]
    assert bare == [("no-tlsv1", "no-tlsv1_1"), ("min-port=49152", "max-port=65535")]
    assert lines[0] == "# Made by abcwebrtc turnserver-conf, for coturn 4.6."


def test_the_reader_reads_every_generated_line() -> None:
    for changes in ({}, {"protocol": "turns"}, {"username": "userid"}, {"url": "localhost"}):
        text = turnserver_conf(one_coturn(**changes), "od.config", None, True)
        conf = parse_turnserver_conf(text.encode(), "")
        assert conf.problems == ()
        assert conf.all("static-auth-secret")[0].text == SECRET


def test_a_quota_for_users_needs_usernames() -> None:
    assert "user-quota=32" not in lines_of()
    assert "user-quota=32" in lines_of(username="pseudonym")


def test_the_total_quota_is_no_more_than_the_ports() -> None:
    assert "total-quota=11" in lines_of(ConfOptions(relay_ports=(50000, 50010)))


def test_without_turns_there_is_no_tls() -> None:
    lines = lines_of()
    assert lines[0] == "listening-port=3478"
    assert {"no-tls", "no-dtls"} < set(lines)
    assert not [line for line in lines if line.startswith(("cert", "pkey", "tls-", "no-tlsv1"))]


def test_turns_over_udp_keeps_dtls() -> None:
    lines = lines_of(protocol="turns", transport=["udp", "tcp"])
    assert "no-dtls" not in lines


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.0.0.5", ["allowed-peer-ip=10.0.0.5"]),
        ("[fd00::5]", ["allowed-peer-ip=fd00::5"]),
        ("127.0.0.1", ["allowed-peer-ip=127.0.0.1", "allow-loopback-peers"]),
        (
            "localhost",
            ["allowed-peer-ip=127.0.0.1", "allowed-peer-ip=::1", "allow-loopback-peers"],
        ),
        ("8.8.8.8", []),
        (HOST, []),
        ("[::ffff:10.0.0.5]", ["allowed-peer-ip=10.0.0.5"]),
        ("0.0.0.0", []),
        ("[::ffff:0.0.0.0]", []),
        ("169.254.169.254", []),
        ("[64:ff9b::10.0.0.5]", []),
    ],
)
def test_a_server_in_a_denied_range_is_its_own_exception(host: str, allowed: List[str]) -> None:
    lines = lines_of(url=host)
    assert lines[lines.index("no-multicast-peers") + 1 :] == allowed


def test_a_third_port_needs_the_address_of_relays() -> None:
    urls = [f"{HOST}:3478", f"{HOST}:80", f"{HOST}:81"]
    text = turnserver_conf(one_coturn(url=urls), "od.config")
    assert "\n#aux-server=0.0.0.0:80\n#aux-server=0.0.0.0:81\n" in text
    pair = External(parse("203.0.113.20"), parse("10.0.0.5"))
    for options in (
        ConfOptions(external_ips=(pair,)),
        ConfOptions(relay_ips=(parse("10.0.0.5"),)),
    ):
        lines = lines_of(options, url=urls)
        assert [line for line in lines if "aux" in line or "relay-ip" in line] == [
            "relay-ip=10.0.0.5",
            "aux-server=0.0.0.0:80",
            "aux-server=0.0.0.0:81",
        ]
        assert "allowed-peer-ip=10.0.0.5" in lines
        assert not [line for line in lines_of(options) if "relay-ip" in line]


def test_a_third_port_is_an_aux_server() -> None:
    urls = [f"{HOST}:3478", f"{HOST}:80", f"{HOST}:81"]
    options = ConfOptions(listening_ips=(parse("2606:4700::1"), parse("8.8.8.8")))
    assert [line for line in lines_of(options, url=urls) if "aux" in line] == [
        "aux-server=[2606:4700::1]:80",
        "aux-server=[2606:4700::1]:81",
        "aux-server=8.8.8.8:80",
        "aux-server=8.8.8.8:81",
    ]


def test_without_being_asked_no_secret_is_in_the_text() -> None:
    text = turnserver_conf(one_coturn(coturn_static_auth_secret=[SECRET, OLD]), "od.config")
    assert SECRET not in text
    assert OLD not in text
    assert (
        '\n#static-auth-secret="<secret 1 of 2>"\n#static-auth-secret="<secret 2 of 2>"\n' in text
    )
    assert parse_turnserver_conf(text.encode(), "").all("static-auth-secret") == ()


# versions

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


@pytest.mark.parametrize(("version", "said"), [("4.6", 0), ("4.7", 1), ("4.9", 1), ("4.10", 0)])
def test_a_version_that_answers_no_desktop_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, said: int
) -> None:
    od_config = str(write_od_config(tmp_path, webrtc__coturn=ENTRY))
    assert main(["turnserver-conf", od_config, "--coturn", version, "--show-secret"]) == 0
    words = f"warning: coturn {version} does not answer STUN in the form of RFC 3489"
    assert capsys.readouterr().err.count(words) == said


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
