"""turnserver.conf compared with od.config: the secrets, the login, and every other rule."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Dict, Optional, Tuple

import pytest

from abcwebrtc.coturn.check.compare import check_turnserver_conf
from abcwebrtc.coturn.check.login import login_of
from abcwebrtc.coturn.conf import ConfOptions, turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from support.turnserver_entry import ENTRY, FILES, GOOD, OLD, SECRET, compare, one_coturn
from unit.coturn.test_certificate import HOST, NOW

THIRD_PORTS = ConfOptions(relay_ips=(ip_address("8.8.8.8"),))
"""Ports beyond coturn's two need the address of relays."""


def test_a_good_file_has_no_findings() -> None:
    assert compare("") == []


def test_what_is_printed_has_no_findings() -> None:
    for changes in (
        {},
        {"username": "userid"},
        {"url": "turn.domain.local:4443"},
        {"coturn_static_auth_secret": [SECRET, OLD]},
        {"url": [f"{HOST}:4001", f"{HOST}:4002", f"{HOST}:4003", f"{HOST}:4004"]},
        {"protocol": "turn", "transport": ["udp", "tcp"]},
        {"url": "10.0.0.5", "protocol": "turn"},
        {"transport": ["udp", "tcp"]},
    ):
        server = one_coturn(**{"protocol": "turns", **changes})
        conf = parse_turnserver_conf(turnserver_conf(server, "", THIRD_PORTS, True).encode(), "")
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
    "a name": ("denied-peer-ip=na me", {}, "error", "denied-peer-ip", "is not first-last"),
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
    "a quota of 0": ("-total-quota\ntotal-quota=0", {}, "warning", "total-quota", "is 0, which is"),
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
    "one allocation": (
        "user-quota=1",
        {"username": "userid"},
        "warning",
        "user-quota",
        "leaves a user one allocation",
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


BEHIND_NAT = "listening-ip=10.0.0.5\nexternal-ip=198.51.100.7"
"""So coturn asks whether 10.0.0.5 is denied, and not the public address, which is."""


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
        (f"{BEHIND_NAT}\nallowed-peer-ip=10.0.0.5", {"url": "198.51.100.7", "protocol": "turn"}),
        ("no-tls\nno-dtls\n-cert\n-pkey", {"protocol": "turn"}),
        ("bps-capacity=6400000\nmax-bps=64000", {}),
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


def test_what_is_wrong_with_a_line_is_found_too() -> None:
    (found,) = compare("use-auth-secrets")
    assert (found.level, found.line) == ("warning", GOOD.count("\n") + 1)
    assert "did you mean 'use-auth-secret'?" in found.message
