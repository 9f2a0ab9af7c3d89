"""What turns clients away: no STUN, redirects, families, ciphers."""

from __future__ import annotations

from typing import Any, List

import pytest

from support.certificates import HOST
from support.turnserver_entry import compare

FAMILY = "allocation-default-address-family"
SIX = "listening-ip=2001:470::5"
STUN = f"stun:{HOST}:3478"
OLD, BETWEEN, NEW = (
    *("no-stun-backward-compatibility", "stun-backward-compatibility"),
    "rfc3489-compatibility",
)


@pytest.mark.parametrize(
    ("text", "level", "path", "words"),
    [
        ("CA-file=/etc/ssl/chain.pem", "error", "CA-file", "a certificate from each client"),
        ("cipher-list=MODERN", "error", "cipher-list", "no cipher that OpenSSL knows"),
        (
            "alternate-server=203.0.113.9:3478",
            "warning",
            "alternate-server",
            "(300): there is sound only if that server accepts the same credentials",
        ),
        ("tls-alternate-server=other.local", "warning", "tls-alternate-server", "(300)"),
        (
            "listening-ip=8.8.8.8\nalternate-server=8.8.8.8:3478",
            "error",
            "alternate-server",
            "to this same server",
        ),
        (
            "external-ip=8.8.8.8/10.0.0.5\nalternate-server=8.8.8.8",
            "error",
            "alternate-server",
            "to this same server",
        ),
        (f"{FAMILY}=ipv6", "error", FAMILY, "440"),
        (f"{FAMILY}=both", "warning", FAMILY, "is not ipv4, ipv6 or keep"),
    ],
)
def test_what_sends_clients_away_is_found(text: str, level: str, path: str, words: str) -> None:
    (found,) = compare(text)
    assert (found.level, found.path) == (level, path)
    assert words in found.message


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("cipher-list=HIGH:!aNULL", {}),
        (f"{FAMILY}=ipv4", {}),
        (f"{FAMILY}=keep", {}),
        ("no-tls\nno-dtls\n-cert\n-pkey\nCA-file=/ca.pem", {"protocol": "turn"}),
    ],
)
def test_what_clients_can_live_with_is_not_found_wrong(text: str, changes: Any) -> None:
    assert compare(text, **changes) == []


def test_what_only_tls_needs_is_a_warning_where_no_url_is_turns() -> None:
    for line in ("CA-file=/ca.pem", "cipher-list=MODERN"):
        assert [item.level for item in compare(line, protocol="turn")] == ["warning"]


@pytest.mark.parametrize("version", ["4.17", "4.18"])
def test_client_certificates_matter_where_coturn_speaks_tls(version: str) -> None:
    off: Any = {"version": version, "protocol": "turn"}
    assert "CA-file" not in [i.path for i in compare("CA-file=/c\nno-tls", **off)]
    assert "CA-file" in [i.path for i in compare("CA-file=/c\nno-tls\ndtls", **off)]
    assert "CA-file" in [i.path for i in compare("CA-file=/c", **off)]


# families


@pytest.mark.parametrize(
    ("text", "version", "path", "cure"),
    [
        (SIX, "4.6", FAMILY, f"write {FAMILY}=keep"),
        (SIX, "4.18", FAMILY, f"write {FAMILY}=keep"),
        (SIX, "4.5", "keep-address-family", "write keep-address-family"),
        (f"{SIX}\n{FAMILY}=ipv4", "4.6", FAMILY, "is ipv4, and relays have IPv6 addresses alone: "),
        ("relay-ip=2001:470::5", "4.6", FAMILY, f"write {FAMILY}=ipv6"),
        ("relay-ip=2001:470::5\nkeep-address-family", "4.6", FAMILY, f"write {FAMILY}=ipv6"),
        ("relay-ip=2001:470::5", "4.5", "keep-address-family", "add an IPv4 relay-ip"),
    ],
)
def test_relays_of_ipv6_alone_have_to_be_the_default(
    text: str, version: str, path: str, cure: str
) -> None:
    (found,) = [item for item in compare(text, version=version) if item.level == "error"]
    assert found.path == path
    assert "440" in found.message
    assert cure in found.message


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (f"{SIX}\n{FAMILY}=keep", "4.6"),
        (f"{SIX}\n{FAMILY}=ipv6", "4.6"),
        (f"relay-ip=2001:470::5\n{FAMILY}=ipv6", "4.18"),
        (f"{SIX}\nkeep-address-family", "4.5"),
        (f"{SIX}\nlistening-ip=198.51.100.7", "4.6"),
        (f"{SIX}\nrelay-ip=198.51.100.7", "4.6"),
        (f"{SIX}\nrelay-device=eth0", "4.6"),
    ],
)
def test_relays_that_clients_get_are_no_error(text: str, version: str) -> None:
    assert [item for item in compare(text, version=version) if item.level == "error"] == []


# STUN


@pytest.mark.parametrize(
    ("option", "stun", "paths"),
    [
        ("no-stun", f"stun:{HOST}", ["no-stun"]),
        ("secure-stun", STUN, ["secure-stun"]),
        ("no-stun", "stun:stun.another.org", []),
    ],
)
def test_stun_of_browsers_that_is_off_is_found(option: str, stun: str, paths: List[str]) -> None:
    found = compare(option, stun=[stun])
    assert [item.path for item in found] == paths
    assert all("of od.config without an answer" in item.message for item in found)


@pytest.mark.parametrize(
    ("text", "version", "path"),
    [
        (OLD, "4.6", OLD),
        ("", "4.7", BETWEEN),
        (BETWEEN, "4.9", BETWEEN),
        (f"{BETWEEN}=0", "4.10", BETWEEN),
        (NEW, "4.10", BETWEEN),
        ("", "4.18", NEW),
        (BETWEEN, "4.18", NEW),
        (OLD, "4.18", NEW),
    ],
)
def test_what_takes_stun_from_desktops_is_found(text: str, version: str, path: str) -> None:
    found = compare(text, version=version, desktop=STUN)
    (item,) = (item for item in found if "libnice" in item.message)
    assert (item.level, item.path) == ("error", path)
    assert f"libnice asks {STUN}" in item.message
    assert f"coturn {version}" in item.message
    beside = compare(text, version=version, desktop=STUN, has_turn=True)
    assert [item.level for item in beside if "libnice" in item.message] == ["warning"]


@pytest.mark.parametrize(
    ("text", "version", "desktop"),
    [
        ("", "4.6", STUN),
        (f"{OLD}=0", "4.6", STUN),
        (f"{OLD}\n{OLD}=no", "4.6", STUN),
        (BETWEEN, "4.10", STUN),
        (NEW, "4.18", STUN),
        (OLD, "4.6", "stun:stun.l.google.com:19302"),
        ("listening-ip=8.8.8.8", "4.18", "stun:8.8.4.4:3478"),
        (OLD, "4.6", ""),
    ],
)
def test_what_leaves_stun_to_desktops_is_not_found_wrong(
    text: str, version: str, desktop: str
) -> None:
    found = compare(text, version=version, desktop=desktop)
    assert not [item for item in found if "libnice" in str(item)]


def test_an_address_of_the_file_is_this_server_too() -> None:
    for line in ("listening-ip=8.8.8.8", "external-ip=8.8.8.8/10.0.0.5"):
        found = compare(f"{line}\n{OLD}", desktop="stun:8.8.8.8:3478")
        assert [item.level for item in found if item.path == OLD] == ["error"]


def test_an_address_that_may_be_this_server_is_a_warning() -> None:
    (item,) = compare(OLD, desktop="stun:8.8.8.8:3478")
    assert (item.level, item.path) == ("warning", OLD)
    assert item.message.count("if stun:8.8.8.8:3478 is this server") == 1


def test_stun_that_is_off_is_said_once() -> None:
    (item,) = compare("no-stun", stun=[STUN], desktop=STUN)
    assert item.path == "no-stun"
    (item,) = compare("no-stun", desktop=STUN)
    assert "leaves the desktops' STUN_SERVER" in item.message
