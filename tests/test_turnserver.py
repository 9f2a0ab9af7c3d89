"""turnserver.conf: printed, read, and compared with od.config."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import ConfigError, WebRTCConfig
from abcwebrtc.cli import main
from abcwebrtc.errors import Problem
from abcwebrtc.peerranges import DENIED, VITAL, Range, covered, denied_ranges, parse_range, range_of
from abcwebrtc.turnserver import (
    Ports,
    Relay,
    RelayOptions,
    relays_of,
    server_ports,
    turnserver_conf,
)
from abcwebrtc.turnservercheck import certificate_files, check_turnserver_conf
from abcwebrtc.turnserverfile import TurnserverFile, parse_turnserver_conf, quoted
from abcwebrtc.turnserveroptions import DATABASES, DEFAULTED, OPTIONS
from abcwebrtc.turnserverrules import login_of
from abcwebrtc.uris import parse_ice_uri
from support import run_command, write_od_config
from test_certificates import CERT, HOST, NOW
from test_certificates import KEY as PRIVATE_KEY
from test_docs import table_keys
from test_imports import loaded_by

SECRET = "the-static-auth-secret-of-coturn"
OLD = "an-older-static-auth-secret"
ENTRY: Dict[str, Any] = {"coturn_static_auth_secret": SECRET, "url": f"{HOST}:3478"}
FILES = {"cert": CERT, "pkey": PRIVATE_KEY}


def relays(coturn: Any) -> List[Relay]:
    config = WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": coturn}, now=NOW)
    return relays_of(config.coturn)


def relay(**changes: Any) -> Relay:
    (found,) = relays({**ENTRY, **changes})
    return found


def lines_of(options: Optional[RelayOptions] = None, **changes: Any) -> List[str]:
    """Return what is no comment in a generated file, the denied ranges left out."""
    text = turnserver_conf(relay(**changes), "od.config", options, True)
    found = [line for line in text.splitlines() if not line.startswith("#")]
    return [line for line in found if not line.startswith("denied-peer-ip=")]


HARDENING = [
    "fingerprint",
    "no-cli",
    "no-tcp-relay",
    "no-rfc5780",
    "no-stun-backward-compatibility",
    "response-origin-only-with-rfc5780",
    "no-software-attribute",
    "no-multicast-peers",
]


# what is printed


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
    options = RelayOptions(
        cert="/etc/c.pem",
        key="/etc/k.pem",
        relay_ports=(50000, 50099),
        allow_peers=(range_network("10.1.0.0/16"), range_network("2001:db8::/64")),
        listening_ip="192.168.0.5",
        external_ip="198.18.0.1/192.168.0.5",
        realm="a.realm",
        user_quota=3,
        total_quota=50,
    )
    assert lines_of(options, username="userid") == [
        "listening-port=3478",
        "tls-listening-port=5349",
        "listening-ip=192.168.0.5",
        "relay-ip=192.168.0.5",
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
        "allowed-peer-ip=198.18.0.1",
        "allowed-peer-ip=10.1.0.0-10.1.255.255",
        "allowed-peer-ip=2001:db8::-2001:db8::ffff:ffff:ffff:ffff",
    ]


def range_network(text: str) -> Any:
    return ipaddress.ip_network(text)


def test_every_line_has_a_reason_above_it() -> None:
    lines = turnserver_conf(relay(protocol="turns"), "od.config").splitlines()
    bare = [
        (above, line)
        for above, line in zip(lines, lines[1:])
        if not line.startswith("# ") and not above.startswith("# ")
    ]
    assert bare == [("no-tlsv1", "no-tlsv1_1"), ("min-port=49152", "max-port=65535")]


def test_the_reader_reads_every_generated_line() -> None:
    for changes in ({}, {"protocol": "turns"}, {"username": "userid"}, {"url": "localhost"}):
        text = turnserver_conf(relay(**changes), "od.config", None, True)
        conf = parse_turnserver_conf(text.encode(), "")
        assert conf.problems == ()
        assert conf.all("static-auth-secret")[0].text == SECRET


def test_a_quota_for_users_needs_usernames() -> None:
    assert "user-quota=32" not in lines_of()
    assert "user-quota=32" in lines_of(username="pseudonym")


def test_the_total_quota_is_no_more_than_the_ports() -> None:
    assert "total-quota=11" in lines_of(RelayOptions(relay_ports=(50000, 50010)))


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
        ("198.18.0.1", ["allowed-peer-ip=198.18.0.1"]),
        ("[fd00::5]", ["allowed-peer-ip=fd00::5"]),
        ("127.0.0.1", ["allowed-peer-ip=127.0.0.1", "allow-loopback-peers"]),
        (
            "localhost",
            ["allowed-peer-ip=127.0.0.1", "allowed-peer-ip=::1", "allow-loopback-peers"],
        ),
        ("8.8.8.8", []),
        ("[2606:4700::1]", []),
        (HOST, []),
    ],
)
def test_a_server_in_a_denied_range_is_its_own_exception(host: str, allowed: List[str]) -> None:
    lines = lines_of(url=host)
    assert lines[lines.index("no-multicast-peers") + 1 :] == allowed
    assert f"realm={host.strip('[]')}" in lines


@pytest.mark.parametrize(
    ("urls", "ports"),
    [
        (["turn:a"], Ports(3478, 5349, ())),
        (["turns:a"], Ports(3478, 5349, ())),
        (["turns:a:3478"], Ports(3478, 5349, ())),
        (["turns:a:443"], Ports(3478, 443, ())),
        (["turns:a:443", "turns:a:3478"], Ports(3478, 443, ())),
        (["turns:a:443", "turns:a:5349"], Ports(3478, 443, (5349,))),
        (["turn:a:80"], Ports(80, 5349, ())),
        (["turn:a:80", "turns:a:443"], Ports(80, 443, ())),
        (["turn:a:80", "turns:a:80"], Ports(80, 5349, ())),
        (["turn:a", "turn:a:80", "turns:a:443"], Ports(3478, 443, (80,))),
        (["turn:a:5349"], Ports(5349, 3478, ())),
        (["turn:a:5349", "turn:a:3478"], Ports(5349, 5350, (3478,))),
        (["turn:a:5349", "turns:a:3478"], Ports(5349, 3478, ())),
    ],
)
def test_which_port_is_which(urls: List[str], ports: Ports) -> None:
    assert server_ports([parse_ice_uri(url) for url in urls]) == ports


def test_a_third_port_is_an_aux_server() -> None:
    urls = [f"{HOST}:3478", f"{HOST}:80", f"{HOST}:81"]
    assert [line for line in lines_of(url=urls) if "aux" in line] == [
        "aux-server=0.0.0.0:80",
        "aux-server=0.0.0.0:81",
    ]
    options = RelayOptions(listening_ip="2606:4700::1")
    assert "aux-server=[2606:4700::1]:80" in lines_of(options, url=urls)


def test_entries_of_one_host_are_one_coturn() -> None:
    found = relays(
        [
            {**ENTRY, "coturn_static_auth_secret": [SECRET, OLD]},
            {**ENTRY, "url": "other.local"},
            {**ENTRY, "protocol": "turns", "coturn_static_auth_secret": "a-third-static-secret"},
            {**ENTRY, "url": ["third.local", "192.0.2.1"]},
            {**ENTRY, "url": ["192.0.2.1:443", "Other.Local."]},
        ]
    )
    assert [item.hosts for item in found] == [
        (HOST,),
        ("other.local", "third.local", "192.0.2.1"),
    ]
    values = [secret.reveal().decode() for secret in found[0].secrets]
    assert values == [SECRET, "a-third-static-secret", OLD]
    assert found[0].has_tls
    assert not found[1].has_tls


def test_the_name_of_a_server_is_rather_a_name() -> None:
    assert relay(url=["192.0.2.1", f"{HOST}."]).name == HOST
    assert relay(url=["192.0.2.1", "[2001:db8::1]"]).name == "192.0.2.1"


def test_without_being_asked_no_secret_is_in_the_text() -> None:
    text = turnserver_conf(relay(coturn_static_auth_secret=[SECRET, OLD]), "od.config")
    assert SECRET not in text
    assert OLD not in text
    assert (
        '\n#static-auth-secret="<secret 1 of 2>"\n#static-auth-secret="<secret 2 of 2>"\n' in text
    )
    assert parse_turnserver_conf(text.encode(), "").all("static-auth-secret") == ()


# secrets in the file


@given(st.binary(min_size=1, max_size=200).filter(lambda value: not set(value) & set(b"\0\r\n")))
def test_a_quoted_value_is_read_back(value: bytes) -> None:
    conf = parse_turnserver_conf(b"static-auth-secret=" + quoted(value) + b"\r\n", "")
    assert [setting.value for setting in conf.settings] == [value]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    conf = parse_turnserver_conf(b"static-auth-secret=" + data, "a.conf")
    assert all(problem.line for problem in conf.problems)


@pytest.mark.parametrize("value", [b"a\nb", b"a\rb", b"a\0b", b"a" * 1003])
def test_what_no_line_can_hold_is_refused(value: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^here: .*turnserver\.conf can't hold$") as caught:
        quoted(value, "here")
    assert value.decode() not in str(caught.value)


def test_settings_show_no_value() -> None:
    conf = parse_turnserver_conf(b"static-auth-secret=" + SECRET.encode(), "a.conf")
    assert SECRET not in repr(conf) + repr(conf.settings)


# the reader


def problems(text: str) -> List[Tuple[Optional[int], str, str, str]]:
    conf = parse_turnserver_conf(text.encode(), "a.conf")
    return [(item.line, item.level, item.path, item.message) for item in conf.problems]


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        ("denied-peer-ips=a", "warning", "", "did you mean 'denied-peer-ip'?"),
        ("use_auth_secret", "warning", "", "did you mean 'use-auth-secret'?"),
        ("static-auth-secret: x", "warning", "", "did you mean 'static-auth-secret'?"),
        ("--realm=x", "warning", "", "did you mean 'realm'?"),
        ("zzzz-zzzz", "warning", "", "no such option; coturn passes over this line"),
        ("no-loopback-peers", "warning", "", "since coturn 4.5.2"),
        ("fingerprint=maybe", "error", "fingerprint", "is neither yes nor no"),
        ("mobility=oFF", "error", "mobility", "is neither yes nor no"),
        ("use-auth-secret=no", "warning", "use-auth-secret", "is on whatever its value"),
        ("total-quota=ten", "error", "total-quota", "is not a whole number"),
        ("total-quota", "error", "total-quota", "is not a whole number"),
        ("listening-port=70000", "error", "listening-port", "is not a port"),
        ("listening-port=34x", "error", "listening-port", "is not a whole number"),
        ("realm=", "error", "realm", "has no value"),
        ("realm='x'", "warning", "realm", "single quotes"),
        ("realm=x # the realm", "warning", "realm", "only a whole line is a comment"),
        ("realm=x;", "warning", "realm", "coturn writes such a line to its log"),
        ("realm=" + "x" * 1100, "error", "", "is longer than 1023 bytes"),
        ("\ufefflistening-port=1", "error", "", "byte order mark"),
        ("realm=a\0b", "error", "", "holds a NUL"),
        ("realm=a\nrealm=b", "warning", "realm", "takes the place of line 1"),
    ],
)
def test_what_is_wrong_with_a_line(text: str, level: str, path: str, words: str) -> None:
    ((line, found_level, found_path, message),) = problems(text)
    assert (line, found_level, found_path) == (text.count("\n") + 1, level, path)
    assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n\t\n",
        "# realm\n  # x",
        "realm=a\r\nfingerprint\r\n",
        "stale-nonce",
        "fingerprint=on\nno-cli yes\nno-tls = 1\nmobility=Off",
        "static-auth-secret=a\nstatic-auth-secret=b",
        "realm=a\nrealm=a",
        'realm="a;"',
        "max-bps=-1",
    ],
)
def test_what_is_right_has_no_problems(text: str) -> None:
    assert problems(text) == []


def test_a_line_that_is_not_understood_is_not_shown() -> None:
    for text in (SECRET, f"static-auth-secret:{SECRET}", f"{SECRET}=realm", f"x {SECRET}"):
        assert SECRET not in str(problems(text))


@pytest.mark.parametrize(
    ("text", "on"),
    [
        *(("", True), ("=", True), ("=1", True), ("=yes", True), ("=True", True), ("=ON", True)),
        *(("=0", False), (" no", False), ("=false", False), ("=off", False), ("=Off", False)),
    ],
)
def test_a_flag_is_what_coturn_makes_of_it(text: str, on: bool) -> None:
    conf = parse_turnserver_conf(f"no-cli{text}".encode(), "")
    assert conf.on("no-cli") is on
    assert conf.problems == ()


@pytest.mark.parametrize("text", ["many", "+", "-", "- 1", "\u0661"])
def test_a_number_without_a_digit_is_0_as_for_coturn(text: str) -> None:
    conf = parse_turnserver_conf(f"max-port={text}".encode(), "")
    assert conf.number("max-port", 5) == 0
    assert [problem.message for problem in conf.problems] == ["is not a whole number"]


def test_the_tables_of_options_fit_together() -> None:
    assert set(OPTIONS) >= {*DATABASES, *DEFAULTED}
    assert all(name == name.strip("-") for name in OPTIONS)


# ranges


def test_the_denied_ranges_hold_what_they_are_for() -> None:
    ranges = [item for item, _ in denied_ranges()]
    for address in ("10.9.8.7", "127.0.0.1", "169.254.169.254", "100.100.100.200", "fd00:ec2::254"):
        assert any(item.holds(range_of(address)) for item in ranges)
    for address in ("8.8.8.8", "100.128.0.1", "172.32.0.1", "2606:4700::1", "2a00::1"):
        assert not any(item.holds(range_of(address)) for item in ranges)


def test_no_denied_range_is_one_that_coturn_takes_for_everything() -> None:
    assert not [str(item) for item, _ in denied_ranges() if item.unbounded]
    assert set(VITAL) < {text for text, _ in DENIED}


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.1-10.0.0.9", "10.0.0.1-10.0.0.9"),
        ("10.0.0.1 - 10.0.0.9", "10.0.0.1-10.0.0.9"),
        ("fc00::-fdff::", "fc00::-fdff::"),
        ("10.0.0.0/8", "None"),
        ("10.0.0.1-::1", "None"),
        ("name", "None"),
        ("", "None"),
    ],
)
def test_a_range_is_read_as_coturn_reads_it(text: str, printed: str) -> None:
    assert str(parse_range(text)) == printed


def test_ranges_cover_what_they_hold_together() -> None:
    def made(*texts: str) -> List[Range]:
        return [item for item in map(parse_range, texts) if item]

    wanted = range_of("10.0.0.0/8")
    assert covered(wanted, made("10.128.0.0-10.255.255.255", "9.0.0.0-10.127.255.255"))
    assert not covered(wanted, made("10.0.0.0-10.0.0.255", "10.0.1.1-10.255.255.255"))
    assert not covered(wanted, made("::-ffff::"))
    assert not covered(wanted, [])


# comparing


GOOD = f"""\
use-auth-secret
static-auth-secret={SECRET}
realm={HOST}
no-cli
no-multicast-peers
total-quota=100
cert=/c.pem
pkey=/k.pem
""" + "".join(f"denied-peer-ip={item}\n" for item, _ in denied_ranges())


def compare(
    text: str, files: Any = None, stun: Sequence[str] = (), coturn: Any = None, **changes: Any
) -> List[Problem]:
    """Return the findings for `GOOD` and these lines; a line that begins with - takes one away."""
    lines = [line for line in GOOD.splitlines() if f"-{line.partition('=')[0]}" not in text.split()]
    lines += [line for line in text.splitlines() if not line.startswith("-")]
    conf = parse_turnserver_conf("\n".join(lines).encode(), "t.conf")
    server = relays(coturn)[0] if coturn else relay(**{"protocol": "turns", **changes})
    uris = [parse_ice_uri(uri) for uri in stun]
    found = check_turnserver_conf(conf, server, uris, FILES if files is None else files, NOW)
    assert SECRET not in str(found)
    return list(found)


def test_a_good_file_has_no_findings() -> None:
    assert compare("") == []


def test_what_is_printed_has_no_findings() -> None:
    for changes in (
        {},
        {"username": "userid"},
        {"url": "turn.domain.local:443"},
        {"coturn_static_auth_secret": [SECRET, OLD]},
        {"url": [f"{HOST}:1", f"{HOST}:2", f"{HOST}:3", f"{HOST}:4"]},
        {"protocol": "turn", "transport": ["udp", "tcp"]},
        {"url": "10.0.0.5", "protocol": "turn"},
        {"transport": ["udp", "tcp"]},
    ):
        server = relay(**{"protocol": "turns", **changes})
        conf = parse_turnserver_conf(turnserver_conf(server, "", None, True).encode(), "")
        assert check_turnserver_conf(conf, server, (), FILES if conf.all("cert") else {}, NOW) == ()


SECRETS: Dict[str, Tuple[str, Any, str, str, str]] = {
    "another": (
        "-static-auth-secret\nstatic-auth-secret=another",
        {},
        "error",
        "static-auth-secret",
        "is none of those in od.config",
    ),
    "none": ("-static-auth-secret", {}, "error", "static-auth-secret", "is missing"),
    "in a database": (
        "-static-auth-secret\nuserdb=/var/lib/turn/turndb",
        {},
        "warning",
        "userdb",
        "which this can't see",
    ),
    "another, and a database": (
        "-static-auth-secret\nstatic-auth-secret=x\nredis-userdb=ip=1",
        {},
        "warning",
        "static-auth-secret",
        "may be in the database",
    ),
    "single quotes": (
        f"-static-auth-secret\nstatic-auth-secret='{SECRET}-'",
        {"coturn_static_auth_secret": f"{SECRET}-"},
        "error",
        "static-auth-secret",
        "but for blanks, quotes",
    ),
    "a leading = is lost": (
        f"-static-auth-secret\nstatic-auth-secret==x{SECRET}",
        {"coturn_static_auth_secret": f"=x{SECRET}"},
        "error",
        "static-auth-secret",
        "but for blanks, quotes",
    ),
    "only the old one": (
        f"-static-auth-secret\nstatic-auth-secret={OLD}",
        {"coturn_static_auth_secret": [SECRET, OLD]},
        "error",
        "static-auth-secret",
        "is an older one of od.config",
    ),
    "only the new one": (
        "",
        {"coturn_static_auth_secret": [SECRET, OLD]},
        "warning",
        "static-auth-secret",
        "secret 2 of od.config is not here",
    ),
    "one more": (
        "static-auth-secret=of-somebody-else",
        {},
        "warning",
        "static-auth-secret",
        "remove it once nothing else signs with it",
    ),
}


@pytest.mark.parametrize(
    ("text", "changes", "level", "path", "words"), SECRETS.values(), ids=SECRETS
)
def test_secrets_are_compared(text: str, changes: Any, level: str, path: str, words: str) -> None:
    found = [item for item in compare(text, **changes) if "single quotes, which" not in str(item)]
    assert [(item.level, item.path) for item in found] == [(level, path)]
    assert words in found[0].message
    assert OLD not in str(found)


@pytest.mark.parametrize("take", ["-static-auth-secret\n", ""])
def test_an_empty_secret_is_one_error(take: str) -> None:
    (found,) = compare(f'{take}static-auth-secret=""')
    assert (found.level, found.path) == ("error", "static-auth-secret")
    assert "whoever knows that can sign a credential" in found.message


def test_a_file_without_any_login_says_what_is_missing() -> None:
    found = compare("-use-auth-secret\n-static-auth-secret")
    assert [(item.level, item.path, item.message[:10]) for item in found] == [
        ("error", "use-auth-secret", "is missing"),
        ("error", "static-auth-secret", "is missing"),
    ]


def test_a_console_and_loopback_peers_do_not_start() -> None:
    found = compare("-no-cli\nallow-loopback-peers")
    assert [(item.level, item.path) for item in found] == [
        ("error", "no-cli"),
        ("warning", "allow-loopback-peers"),
    ]


def test_a_secret_that_is_wrong_is_said_with_its_line() -> None:
    (found,) = compare("-static-auth-secret\nstatic-auth-secret=another")
    line = GOOD.count("\n")  # one line went, one came
    assert str(found).startswith(f"t.conf:{line}: static-auth-secret: is none of those")


def test_every_entry_of_a_host_needs_its_secret() -> None:
    entries = [
        {**ENTRY, "protocol": "turns"},
        {**ENTRY, "coturn_static_auth_secret": "of-the-other-entry"},
    ]
    (found,) = compare("", coturn=entries)
    assert found.message.startswith("is none of those")


RULES: Dict[str, Tuple[str, Any, str, str, str]] = {
    "no-auth": ("no-auth", {}, "error", "no-auth", "does not start"),
    "no-auth=no": ("no-auth=no", {}, "error", "no-auth", "turns every login off"),
    "lt-cred-mech=no": ("lt-cred-mech=no", {}, "error", "lt-cred-mech", "every login off"),
    "lt-cred-mech": ("lt-cred-mech", {}, "warning", "lt-cred-mech", "is part of use-auth-secret"),
    "no use-auth-secret": ("-use-auth-secret", {}, "warning", "use-auth-secret", "is missing"),
    "user": ("user=a:b", {}, "warning", "user", "can't log in"),
    "no realm": ("-realm", {}, "error", "realm", "is missing"),
    "a realm with a blank": ("-realm\nrealm=a b", {}, "error", "realm", "(400)"),
    "a realm of another name": ("-realm\nrealm=x.org", {}, "warning", "realm", f"neither {HOST}"),
    "neither relay": ("no-udp-relay\nno-tcp-relay", {}, "error", "no-udp-relay", "not start"),
    "no-udp-relay": ("no-udp-relay", {}, "error", "no-udp-relay", "leaves no relay for sound"),
    "bps-capacity": ("bps-capacity=9", {}, "error", "bps-capacity", "needs max-bps"),
    "stun-only": ("stun-only", {}, "error", "stun-only", "turns TURN off"),
    "no TLS left": (
        "no-tlsv1\nno-tlsv1_1\nno-tlsv1_2",
        {},
        "error",
        "no-tlsv1_2",
        "leaves no version of TLS",
    ),
    "min above max": ("min-port=60000\nmax-port=50000", {}, "error", "min-port", "no relay port"),
    "max below the usual min": ("-min-port\nmax-port=9", {}, "error", "max-port", "49152 is above"),
    "a negative quota": ("-total-quota\ntotal-quota=-1", {}, "error", "total-quota", "486"),
    "a network": ("denied-peer-ip=10.0.0.0/8", {}, "error", "denied-peer-ip", "10.255.255.255"),
    "a name": ("denied-peer-ip=name", {}, "error", "denied-peer-ip", "is not first-last"),
    "backwards": ("denied-peer-ip=10.0.0.9-10.0.0.1", {}, "error", "denied-peer-ip", "no address"),
    "no bound": ("denied-peer-ip=::-::1", {}, "error", "denied-peer-ip", "every IPv4 address"),
    "undone": ("allowed-peer-ip=10.0.0.0-11.0.0.0", {}, "warning", "allowed-peer-ip", "is left"),
    "all undone": ("allowed-peer-ip=1.0.0.0-129.0.0.0", {}, "error", "allowed-peer-ip", "is left"),
    "nothing denied": ("-denied-peer-ip", {}, "warning", "denied-peer-ip", "is missing"),
    "little denied": (
        "-denied-peer-ip\ndenied-peer-ip=10.0.0.0-10.255.255.255",
        {},
        "warning",
        "denied-peer-ip",
        "does not deny 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, ::ffff:0:0/96",
    ),
    "metadata": (
        "allowed-peer-ip=169.254.169.254",
        {},
        "warning",
        "allowed-peer-ip",
        "the metadata of clouds",
    ),
    "multicast": ("-no-multicast-peers", {}, "warning", "no-multicast-peers", "is missing"),
    "no quota": ("-total-quota", {}, "warning", "total-quota", "write total-quota=1200"),
    "stale-nonce": ("stale-nonce=0", {}, "warning", "stale-nonce", "is off"),
    "loopback": ("allow-loopback-peers", {}, "warning", "allow-loopback-peers", "remove it"),
    "no no-cli": ("-no-cli", {}, "warning", "no-cli", "is missing"),
    "a console": ("-no-cli\ncli-password=x", {}, "warning", "cli-password", "write no-cli"),
    "server-relay": ("server-relay", {}, "error", "server-relay", "without permission"),
    "web-admin": ("web-admin", {}, "warning", "web-admin", "remove it"),
    "separator": (
        "rest-api-separator=|",
        {"username": "userid"},
        "error",
        "rest-api-separator",
        "is not ':'",
    ),
    "user-quota": ("user-quota=9", {}, "warning", "user-quota", "does nothing"),
    "no-stun": ("no-stun", {"stun": [f"stun:{HOST}"]}, "error", "no-stun", "from being answered"),
    "secure-stun": (
        "secure-stun",
        {"stun": [f"stun:{HOST}:3478"]},
        "error",
        "secure-stun",
        "from being answered",
    ),
    "its own address": (
        "",
        {"url": "10.0.0.5", "protocol": "turn"},
        "warning",
        "denied-peer-ip",
        "write allowed-peer-ip=10.0.0.5",
    ),
}


@pytest.mark.parametrize(("text", "changes", "level", "path", "words"), RULES.values(), ids=RULES)
def test_what_is_wrong_is_found(text: str, changes: Any, level: str, path: str, words: str) -> None:
    (found,) = compare(text, **changes)
    assert (found.level, found.path) == (level, path)
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("lt-cred-mech=no\nno-auth=no\nuse-auth-secret", {}),
        ("-realm\nrealm=domain.local", {}),
        ("-realm\nrealm=DOMAIN.local", {}),
        ("rest-api-separator=|", {}),
        ("user-quota=9", {"username": "userid"}),
        ("no-stun", {"stun": ["stun:stun.another.org"]}),
        ("stale-nonce", {}),
        ("allowed-peer-ip=10.0.0.5", {"url": "10.0.0.5", "protocol": "turn"}),
        ("no-tls\nno-dtls\n-cert\n-pkey", {"protocol": "turn"}),
        ("bps-capacity=9\nmax-bps=1", {}),
        ("no-tlsv1\nno-tlsv1_2", {}),
        ("no-tlsv1_1\nno-tlsv1_2", {}),
    ],
)
def test_what_is_right_is_not_found_wrong(text: str, changes: Any) -> None:
    assert compare(text, **changes) == []


@pytest.mark.parametrize(
    ("text", "starts", "culprit"),
    [
        ("use-auth-secret", True, None),
        ("static-auth-secret=x\nlt-cred-mech", True, None),
        ("no-auth=no\nuse-auth-secret", True, None),
        ("use-auth-secret\nno-auth=no", True, "no-auth"),
        ("use-auth-secret\nno-auth", False, "no-auth"),
        ("no-auth\nuse-auth-secret", False, None),
        ("use-auth-secret\nlt-cred-mech=no\nno-auth", True, "no-auth"),
        ("no-auth", True, "no-auth"),
        ("", True, None),
    ],
)
def test_the_order_of_the_login_options_counts(
    text: str, starts: bool, culprit: Optional[str]
) -> None:
    login = login_of(parse_turnserver_conf(text.encode(), "").settings)
    assert (login.starts, login.open_by and login.open_by.name) == (starts, culprit)


URLS: Dict[str, Tuple[str, Any, str, str]] = {
    "another port": ("", {"url": f"{HOST}:443"}, "listening-port", "listens on 3478 and 5349"),
    "another plain port": (
        "listening-port=80",
        {"protocol": "turn", "transport": "udp"},
        "listening-port",
        f"does not fit turn:{HOST}:3478?transport=udp of od.config",
    ),
    "another TLS port": (
        "tls-listening-port=444",
        {"url": f"{HOST}:443"},
        "tls-listening-port",
        "listens on 444 and 3478",
    ),
    "no-tls": ("no-tls", {}, "no-tls", f"shuts turns:{HOST}:3478 out"),
    "no-tcp": ("no-tcp", {"protocol": "turn", "transport": "tcp"}, "no-tcp", "shuts turn"),
    "no-tcp shuts TLS out": ("no-tcp", {}, "no-tcp", "listens on 5349"),
    "no-udp": ("no-udp\nno-dtls", {"protocol": "turn"}, "no-udp", "shuts turn"),
    "no-udp leaves the other port": ("no-udp", {"protocol": "turn"}, "no-udp", "listens on 5349"),
    "no-dtls": ("no-dtls", {"transport": "udp"}, "no-dtls", "shuts turns"),
    "no certificate": ("-cert", {}, "cert", "is missing, so coturn runs without TLS"),
    "no key": ("-pkey", {}, "pkey", "is missing, so coturn runs without TLS"),
}


@pytest.mark.parametrize(("text", "changes", "path", "words"), URLS.values(), ids=URLS)
def test_a_url_that_coturn_does_not_answer_is_found(
    text: str, changes: Any, path: str, words: str
) -> None:
    found = [item for item in compare(text, **changes) if item.level == "error"]
    assert [item.path for item in found] == [path]
    assert words in found[0].message


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("", {"url": f"{HOST}:5349"}),
        ("", {"protocol": "turn", "url": f"{HOST}:5349", "transport": ["udp", "tcp"]}),
        ("listening-port=443", {"url": f"{HOST}:443"}),
        ("aux-server=192.0.2.1:443", {"url": f"{HOST}:443"}),
        ("aux-server=[::1]:443", {"url": f"{HOST}:443"}),
        ("no-udp", {}),
        ("no-tls\nno-dtls\n-cert\n-pkey", {"protocol": "turn"}),
        ("no-tcp", {"protocol": "turn"}),
    ],
)
def test_a_url_that_coturn_answers_is_not_found_wrong(text: str, changes: Any) -> None:
    assert compare(text, **changes) == []


def test_an_address_without_a_port_opens_none() -> None:
    assert compare("aux-server=192.0.2.1") == []


def test_a_tls_port_without_a_certificate_that_can_be_read_is_shut() -> None:
    """Also to plain TURN: without TLS, coturn does not listen there."""
    missing = {"cert": "No such file or directory", "pkey": PRIVATE_KEY}
    for plain in ("", "listening-port=80"):
        found = compare(plain, missing, protocol="turn", url=f"{HOST}:5349")
        (error,) = [item for item in found if item.level == "error"]
        assert f"does not fit turn:{HOST}:5349 of od.config" in error.message


def test_what_is_wrong_with_a_line_is_found_too() -> None:
    (found,) = compare("use-auth-secrets")
    assert (found.level, found.line) == ("warning", GOOD.count("\n") + 1)
    assert "did you mean 'use-auth-secret'?" in found.message


def test_files_are_judged() -> None:
    (cert,) = compare("", {"cert": b"", "pkey": PRIVATE_KEY})
    assert (cert.line, cert.path, cert.message[:20]) == (7, "cert", "holds no certificate")
    (key,) = compare("", {"cert": CERT, "pkey": b""})
    assert (key.line, key.path, key.message[:20]) == (8, "pkey", "holds no private key")
    (name,) = compare("-realm\nrealm=local", url="other.local")
    assert name.message == f"the certificate is not for other.local, but for {HOST}"


def test_files_that_can_not_be_read_are_an_error_where_turns_needs_them() -> None:
    missing = {"cert": "No such file or directory", "pkey": "Permission denied"}
    found = compare("", missing)
    assert [(item.level, item.path) for item in found] == [("error", "cert"), ("error", "pkey")]
    assert "can't be read: Permission denied; coturn then runs without TLS" in found[1].message
    levels = [item.level for item in compare("", missing, protocol="turn")]
    assert levels == ["warning", "warning"]


def test_files_are_not_judged_where_tls_is_off() -> None:
    found = compare("no-tls\nno-dtls", {"cert": b"", "pkey": b""}, protocol="turn")
    assert [item.path for item in found] == ["no-tls"]
    assert "without use" in found[0].message


def test_relative_names_are_looked_for_where_coturn_looks() -> None:
    conf = parse_turnserver_conf(b"cert=a.pem\npkey=/etc/b.pem", "")
    places = certificate_files(conf, "/run")
    assert places["pkey"] == ("/etc/b.pem",)
    assert places["cert"][0] == "/run/a.pem"
    assert {"/etc/a.pem", "/usr/local/etc/a.pem", "/run/etc/a.pem"} < set(places["cert"])
    for root in ("/run/", "/run/etc/", "/etc/", "/usr/local/etc/"):
        assert {f"{root}turnserver/a.pem", f"{root}coturn/a.pem"} < set(places["cert"])
    assert certificate_files(TurnserverFile("", [], []), "/run") == {}


# the command


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes]) -> Any:
    """Run the command in this process; `out` is decoded as its bytes are."""

    def command(*arguments: object) -> Result:
        try:
            status = main(["turnserver-conf", *map(str, arguments)])
        except SystemExit as error:
            status = int(str(error.code))
        out, err = capfdbinary.readouterr()
        return Result(status, out.decode("utf-8", "surrogateescape"), err.decode())

    return command


@pytest.fixture
def od_config(tmp_path: Path) -> Path:
    return write_od_config(tmp_path, webrtc__coturn={**ENTRY, "protocol": "turns"})


def test_the_command_prints_without_the_secret_and_says_so(run: Any, od_config: Path) -> None:
    result = run(od_config)
    assert (result.status, SECRET in result.out + result.err) == (0, False)
    assert "from webrtc.coturn.coturn_static_auth_secret, in double quotes" in result.out
    expected = "warning: the secret is left out; --output FILE writes it, --show-secret prints it\n"
    assert result.err == expected


def test_show_secret_prints_it(run: Any, od_config: Path) -> None:
    result = run(od_config, "--show-secret")
    assert f'\nstatic-auth-secret="{SECRET}"\n' in result.out
    assert result.err == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"coturn_static_auth_secret_file": "static"},
            "the file static (webrtc.coturn.coturn_static_auth_secret_file)",
        ),
        (
            {"coturn_static_auth_secret_env": "TURN_SECRET"},
            "the environment variable TURN_SECRET (webrtc.coturn.coturn_static_auth_secret_env)",
        ),
    ],
)
def test_the_place_of_a_secret_is_named(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, words: str
) -> None:
    (tmp_path / "static").write_bytes(b"\xff-not-unicode-but-long-enough\n")
    monkeypatch.setenv("TURN_SECRET", "\udcff-not-unicode-but-long-enough")
    path = write_od_config(tmp_path, webrtc__coturn={"url": HOST, **changes})
    assert words in run(path).out
    shown = run(path, "--show-secret").out
    assert 'static-auth-secret="\udcff-not-unicode-but-long-enough"\n' in shown


def test_a_secret_that_no_line_can_hold_is_one_message(run: Any, tmp_path: Path) -> None:
    coturn = {"url": HOST, "coturn_static_auth_secret": "a-secret-with-a-\0-in-it"}
    result = run(write_od_config(tmp_path, webrtc__coturn=coturn), "--show-secret")
    assert (result.status, result.out, "a-secret" in result.err) == (1, "", False)
    assert "has a control character, which turnserver.conf can't hold" in result.err
    assert result.err.count("\n") == 1


def test_a_long_name_of_a_file_is_no_way_into_the_options(run: Any, tmp_path: Path) -> None:
    name = "/".join(["x" * 200] * 5 + ["no-auth\nno-auth"])
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"a-secret-that-is-long-enough")
    coturn = {"url": HOST, "coturn_static_auth_secret_file": name}
    text = run(write_od_config(tmp_path, webrtc__coturn=coturn)).out
    assert max(map(len, text.splitlines())) < 1000
    assert parse_turnserver_conf(text.encode(), "").all("no-auth") == ()


def test_output_is_for_its_owner_alone(run: Any, od_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "turnserver.conf"
    before = os.umask(0)
    try:
        result = run(od_config, "--output", path)
    finally:
        os.umask(before)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"wrote {path} with the secret in it; ")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == run(od_config, "--show-secret").out
    assert sorted(os.listdir(tmp_path)) == ["jwtuser.pem", "od.config", "turnserver.conf"]


def test_output_never_replaces_a_file_unasked(run: Any, od_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "turnserver.conf"
    path.write_text("mine")
    path.chmod(0o646)
    result = run(od_config, "--output", path)
    assert (result.status, path.read_text()) == (1, "mine")
    assert "is there already; add --force to replace it" in result.err
    assert run(od_config, "--output", path, "--force").status == 0
    assert SECRET in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_output_loses_a_race_for_its_name(
    run: Any, od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "turnserver.conf"
    path.write_text("of somebody who was faster")
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    result = run(od_config, "--output", path)
    assert (result.status, path.read_text()) == (1, "of somebody who was faster")
    assert result.err == f"error: can't write {path}: File exists\n"
    assert len(os.listdir(tmp_path)) == 3


def test_warnings_of_od_config_are_on_stderr(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn={**ENTRY, "coturn_static_auth_secret": "short"})
    result = run(path)
    assert f"warning: {path}:" in result.err
    assert "is shorter than 16 characters" in result.err
    assert "short" not in result.out


def test_output_follows_a_link(run: Any, od_config: Path, tmp_path: Path) -> None:
    real, link = tmp_path / "real.conf", tmp_path / "link.conf"
    real.write_text("mine")
    link.symlink_to(real)
    assert run(od_config, "--output", link, "--force").status == 0
    assert link.is_symlink()
    assert SECRET in real.read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [("folder", "is not a regular file"), ("missing/x", "No such file or directory")],
)
def test_output_that_can_not_be_written_is_one_message(
    run: Any, od_config: Path, tmp_path: Path, name: str, words: str
) -> None:
    (tmp_path / "folder").mkdir()
    result = run(od_config, "--output", tmp_path / name, "--force")
    assert (result.status, result.err.count("\n"), SECRET in result.err) == (1, 1, False)
    assert words in result.err


SERVERS = [
    {**ENTRY, "coturn_static_auth_secret": SECRET},
    {**ENTRY, "url": "turn.other.local"},
    {**ENTRY, "url": "[2001:db8::1]:443"},
]


@pytest.mark.parametrize(
    ("arguments", "name", "note"),
    [
        ([], HOST, "od.config has 3 coturn servers; this is for the first"),
        (["--server", HOST], HOST, ""),
        (["--server", "TURN.other.local"], "turn.other.local", ""),
        (["--server", "2"], "turn.other.local", ""),
        (["--server", "[2001:db8::1]"], "2001:db8::1", ""),
    ],
)
def test_one_of_several_servers_is_chosen(
    run: Any, tmp_path: Path, arguments: List[str], name: str, note: str
) -> None:
    result = run(write_od_config(tmp_path, webrtc__coturn=SERVERS), *arguments)
    assert f"\nrealm={name}\n" in result.out
    assert note in result.err
    assert ("coturn servers" in result.err) == bool(note)


def test_a_server_that_is_not_there_is_one_message(run: Any, tmp_path: Path) -> None:
    for name in ("4", "0", "nobody.local"):
        result = run(write_od_config(tmp_path, webrtc__coturn=SERVERS), "--server", name)
        assert (result.status, result.out) == (1, "")
        assert f"has: 1 {HOST}, 2 turn.other.local, 3 2001:db8::1" in result.err


def test_without_a_server_there_is_nothing_to_print(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn=...)
    result = run(path)
    assert (result.status, result.out) == (1, "")
    assert f"{path}: error: webrtc.coturn: has no server; write one" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strict"], "--strict goes with --check"),
        (["--json"], "--json goes with --check"),
        (["--check", "x", "--output", "y"], "--output goes without --check"),
        (["--check", "x", "--show-secret"], "--show-secret goes without --check"),
        (["--check", "x", "--allow-peer", "10.0.0.0/8"], "--allow-peer goes without --check"),
        (["--force"], "--force goes with --output"),
        (["--key", "x"], "--key goes with --cert"),
        (["--allow-peer", "10.0.0.1/8"], "has bits beside the network; write 10.0.0.0/8"),
        (["--allow-peer", "ten"], "write a network such as"),
        (["--allow-peer", "0.0.0.0/0"], "would undo most of what is denied"),
        (["--allow-peer", "::/96"], "would undo most of what is denied"),
        (["--allow-peer", "0.0.0.0"], "would undo most of what is denied"),
        (["--allow-peer", "::/0"], "would undo most of what is denied"),
        (["--relay-ports", "5"], "write two ports"),
        (["--relay-ports", "60000-50000"], "write two ports"),
        (["--relay-ports", "80-70000"], "write two ports"),
        (["--listening-ip", "host"], "write an IP address"),
        (["--external-ip", "1.1.1.1/2.2.2.2/3.3.3.3"], "write PUBLIC, or PUBLIC/PRIVATE"),
        (["--external-ip", "1.1.1.1/"], "write an IP address"),
        (["--realm", "a realm"], "write a realm such as"),
        (["--user-quota", "0"], "write a number from 1 up"),
        (["--total-quota", "many"], "write a number from 1 up"),
        (["--cert", "a\nno-auth"], "write the name of a file"),
    ],
)
def test_a_wrong_line_is_exit_2(
    run: Any, od_config: Path, arguments: List[str], words: str
) -> None:
    result = run(od_config, *arguments)
    assert (result.status, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize("name", [" x.pem", '"x".pem', "=x.pem", "x.pem ", "x;"])
def test_a_name_that_coturn_would_change_is_quoted(run: Any, od_config: Path, name: str) -> None:
    text = run(od_config, "--cert", name).out
    assert parse_turnserver_conf(text.encode(), "").text("cert") == name


@pytest.fixture
def conf(run: Any, od_config: Path, tmp_path: Path) -> Path:
    """What the command writes, with a certificate that is not for `HOST`."""
    cert = tmp_path / "c.pem"
    cert.write_bytes(CERT + PRIVATE_KEY)
    path = tmp_path / "turnserver.conf"
    assert run(od_config, "--output", path, "--cert", cert).status == 0
    return path


def test_check_says_what_is_wrong_with_lines(run: Any, od_config: Path, conf: Path) -> None:
    conf.write_text(conf.read_text().replace(SECRET, "another-one") + "no-auth=no\n")
    result = run(od_config, "--check", conf)
    last = conf.read_text().count("\n")
    lines = result.out.splitlines()
    assert result.status == 1
    assert f"{conf}:9: error: static-auth-secret: is none of those" in lines[0]
    assert f"{conf}:{last}: error: no-auth: turns every login off" in lines[-2]
    assert lines[-1] == "3 errors, no warnings"  # with the certificate, which has expired
    assert SECRET not in result.out + result.err


def test_check_as_json(run: Any, od_config: Path, conf: Path) -> None:
    conf.write_text(conf.read_text() + "lt-cred-mech\n")
    report = json.loads(run(od_config, "--check", conf, "--json").out)
    assert (report["file"], report["ok"]) == (str(conf), False)
    assert [item["path"] for item in report["errors"]] == ["cert"]
    (warning,) = report["warnings"]
    last = conf.read_text().count("\n")
    assert (warning["line"], warning["path"], warning["file"]) == (last, "lt-cred-mech", str(conf))


def test_check_is_strict_where_it_is_asked_to(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn=ENTRY)
    conf = tmp_path / "turnserver.conf"
    assert run(path, "--output", conf).status == 0
    assert run(path, "--check", conf, "--strict") == Result(0, "no errors, no warnings\n", "")
    conf.write_text(conf.read_text() + "lt-cred-mech\n")
    assert run(path, "--check", conf).status == 0
    assert run(path, "--check", conf, "--strict").status == 1


def test_check_reads_copies_of_the_certificate(run: Any, od_config: Path, tmp_path: Path) -> None:
    conf = tmp_path / "turnserver.conf"
    assert run(od_config, "--output", conf, "--cert", "/elsewhere/turn.pem").status == 0
    result = run(od_config, "--check", conf)
    assert result.out.count("can't be read: No such file or directory") == 2
    (tmp_path / "copy.pem").write_bytes(CERT + PRIVATE_KEY)
    result = run(od_config, "--check", conf, "--cert", tmp_path / "copy.pem")
    assert "can't be read" not in result.out
    assert "the certificate expired on" in result.out


@pytest.mark.parametrize(
    ("arguments", "words"), [([], ": error: can't be read: "), (["--json"], "")]
)
def test_check_of_a_file_that_is_not_there(
    run: Any, od_config: Path, tmp_path: Path, arguments: List[str], words: str
) -> None:
    result = run(od_config, "--check", tmp_path / "missing.conf", *arguments)
    assert (result.status, result.err) == (1, "")
    assert words in result.out
    if arguments:
        (error,) = json.loads(result.out)["errors"]
        assert error["message"] == "can't be read: No such file or directory"


def test_check_of_what_is_no_text_is_one_message(run: Any, od_config: Path, tmp_path: Path) -> None:
    conf = tmp_path / "turnserver.conf"
    conf.write_text("use-auth-secret\nrealm=x\n", encoding="utf-16")
    result = run(od_config, "--check", conf)
    assert result.out == (
        f"{conf}: error: can't be read: not a plain text file; save it as UTF-8\n"
        "1 error, no warnings\n"
    )


def test_output_goes_where_there_are_no_hard_links(
    run: Any, od_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert run(od_config, "--output", tmp_path / "a.conf").status == 0
    assert SECRET in (tmp_path / "a.conf").read_text()


def test_check_of_a_broken_od_config_is_json_as_well(run: Any, tmp_path: Path) -> None:
    path = write_od_config(tmp_path, webrtc__coturn={"url": HOST})
    result = run(path, "--check", tmp_path / "x", "--json")
    assert result.status == 1
    assert json.loads(result.out)["errors"][0]["file"] == str(path)


def test_printing_loads_no_framework(od_config: Path) -> None:
    code = "from abcwebrtc.cli import main\nassert main(sys.argv[1:]) == 0"
    heavy = {"cherrypy", "kubernetes", "aioice", "yaml", "jwt", "cryptography"}
    assert not loaded_by(code, "turnserver-conf", od_config) & heavy


def test_a_secret_is_in_no_output_of_the_process(od_config: Path, conf: Path) -> None:
    for arguments in ([], ["--check", conf], ["--check", conf, "--json"], ["--output", conf]):
        result = run_command("turnserver-conf", od_config, *arguments)
        assert SECRET not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr


def test_the_table_of_options_is_complete(run: Any) -> None:
    offered = set(re.findall(r"--[a-z-]+", run("--help").out)) - {"--help"}
    listed = {key.split()[0] for key in table_keys("turnserver.md", "## Options")}
    assert {key for key in listed if key.startswith("--")} == offered


def test_the_page_says_what_the_table_of_ranges_says() -> None:
    listed = table_keys("turnserver.md", "## Denied addresses")
    assert listed == [text for text, _ in DENIED]
