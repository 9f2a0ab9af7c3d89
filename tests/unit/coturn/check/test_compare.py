"""A turnserver.conf compared with od.config as a whole, and coturn's command line."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Dict, List, Tuple

import pytest

from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.conf import ConfOptions, turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from abcwebrtc.coturn.options import CoturnVersion
from support.certificates import HOST, NOW
from support.turnserver_entry import FILES, GOOD, SECRET, compare, one_coturn
from support.turnserver_entry import OLD as OLD_SECRET

STUN = f"stun:{HOST}:3478"
OLD = "no-stun-backward-compatibility"


def test_a_good_file_has_no_problems() -> None:
    assert compare("") == []


def test_what_is_wrong_with_a_line_is_found_too() -> None:
    (found,) = compare("use-auth-secrets")
    assert (found.level, found.line) == ("warning", GOOD.count("\n") + 1)
    assert "did you mean 'use-auth-secret'?" in found.message


@pytest.mark.parametrize("version", [(4, 5), (4, 6), (4, 10), (4, 15), (4, 16), (4, 18)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"username": "userid"},
        {"protocol": "turn", "transport": ["udp", "tcp"]},
        {"transport": "udp"},
        {"url": ["203.0.113.7:3478", HOST]},
        {"coturn_static_auth_secret": [SECRET, OLD_SECRET]},
        {"url": [f"{HOST}:4001", f"{HOST}:4002", f"{HOST}:4003", f"{HOST}:4004"]},
        {"url": "10.0.0.5", "protocol": "turn"},
    ],
    ids=range(8),
)
def test_what_is_printed_for_a_version_has_no_problems(version: Any, changes: Any) -> None:
    server = one_coturn(**{"protocol": "turns", **changes})
    # Ports beyond coturn's two need the address of relays.
    made = ConfOptions(version=CoturnVersion(*version), relay_ips=(ip_address("8.8.8.8"),))
    conf = parse_turnserver_conf(turnserver_conf(server, "", made, True).encode(), "")
    files = FILES if conf.all("cert") and "203.0.113.7" not in str(changes) else {}
    around = Around(DesktopStun(parse_ice_uri(STUN)))
    assert check_turnserver_conf(conf, server, (), files, NOW, made.version, around) == ()


# coturn's command line


def test_an_option_counts_after_the_file() -> None:
    assert compare(OLD, desktop=STUN, options=[f"{OLD}=0"]) == []
    (item,) = compare("", desktop=STUN, options=[f"--{OLD}"])
    assert str(item).startswith(f"--option: {OLD}: leaves desktops without STUN")


def test_options_of_which_several_count_are_added() -> None:
    found = compare("external-ip=198.51.100.7/10.0.0.5", options=["external-ip=$(x)/10.0.0.6"])
    assert [(item.file, item.line, item.path) for item in found] == [
        ("--option", None, "external-ip")
    ]


def test_options_alone_are_a_configuration() -> None:
    take = "\n".join(f"-{name}" for name in ("use-auth-secret", "realm", "listening-port"))
    options = ["use-auth-secret", f"realm={HOST}", "listening-port=3478"]
    assert compare(take, options=options) == []


@pytest.mark.parametrize(
    "options",
    [
        ["-a", f"-r {HOST}", "-p 3478"],
        [f"-r{HOST}", "-p3478", "-v", "-f"],
        [f"--realm {HOST}", "--listening-port\t3478"],
    ],
)
def test_options_are_read_as_on_a_command_line(options: List[str]) -> None:
    found = compare("-realm\nlistening-port=5000", protocol="turn", options=options)
    assert [item.path for item in found if item.path != "lt-cred-mech"] == []


def test_a_file_that_coturn_is_told_not_to_read_does_not_count() -> None:
    assert {item.path for item in compare("", options=["-n"])} >= {"use-auth-secret", "realm"}
    assert compare("", options=["-c /etc/turnserver.conf"]) == []


WRONG: Dict[str, Tuple[List[str], str, str]] = {
    "unknown": (["no-such-thing=1"], "", "which does not start with it"),
    "misspelled": (["lisening-ip=1.1.1.1"], "lisening-ip", "did you mean 'listening-ip'?"),
    "of another version": (
        ["stateless-nonce"],
        "stateless-nonce",
        "does not start with it: only coturn 4.16",
    ),
    "no number": (["total-quota=ten"], "total-quota", "is not a whole number"),
}


@pytest.mark.parametrize(("options", "path", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_an_option_is_said(options: List[str], path: str, words: str) -> None:
    item = next(item for item in compare("", options=options) if item.file == "--option")
    assert (item.level, item.path, item.line) == ("error", path, None)
    assert words in item.message
