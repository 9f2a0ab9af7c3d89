"""turnserver.conf judged by coturn's version, and what is given on coturn's command line."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest

from abcwebrtc.config.uris import parse_ice_uri
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.conf import ConfOptions, turnserver_conf
from abcwebrtc.coturn.conf_file import parse_turnserver_conf
from abcwebrtc.coturn.options import CoturnVersion
from support.turnserver_entry import FILES, SECRET, compare, one_coturn
from unit.coturn.test_certificate import HOST, NOW

STUN = f"stun:{HOST}:3478"
OLD, BETWEEN, NEW = (
    *("no-stun-backward-compatibility", "stun-backward-compatibility"),
    "rfc3489-compatibility",
)
VERSIONS = ["4.5", "4.6", "4.7", "4.10", "4.15", "4.16", "4.18"]

LINES: Dict[str, Tuple[str, str, str, str]] = {
    "no-tlsv1": ("no-tlsv1", "4.18", "no-tlsv1", "does not know it and passes over this line: TLS"),
    "no-dtls": ("no-dtls", "4.18", "no-dtls", "DTLS is off anyway"),
    "prod": ("prod", "4.7", "prod", "coturn 4.7 does not know it"),
    "no-cli": ("no-cli", "4.18", "no-cli", "deprecated in coturn 4.18, which logs an error"),
    "no-rfc5780": ("no-rfc5780", "4.7", "no-rfc5780", "is deprecated in coturn 4.7: "),
    "too new": ("stateless-nonce", "4.6", "stateless-nonce", "coturn 4.16 and later have it"),
    "too new for 4.5": ("no-rfc5780", "4.5", "no-rfc5780", "coturn 4.6 and later have it"),
    "cli": ("cli", "4.18", "cli", "so the console stays off"),
    "tlsv1": ("tlsv1", "4.18", "tlsv1", "allows TLS 1.0"),
    "rfc3489 before": (NEW, "4.6", NEW, "answers such requests by itself"),
    "rfc3489 between": (NEW, "4.10", NEW, f"write {BETWEEN}; coturn 4.16 and later"),
    "keep-address-family": ("keep-address-family", "4.6", "keep-address-family", "is deprecated"),
}


@pytest.mark.parametrize(("text", "version", "path", "words"), LINES.values(), ids=LINES)
def test_a_line_is_judged_by_version(text: str, version: str, path: str, words: str) -> None:
    findings = [i for i in compare(f"-no-cli\n{text}", version=version) if i.path == path]
    assert [item.level for item in findings] == ["warning"]
    assert words in findings[0].message


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"username": "userid"},
        {"protocol": "turn", "transport": ["udp", "tcp"]},
        {"transport": "udp"},
        {"url": ["203.0.113.7:3478", "turn.domain.local"]},
    ],
    ids=str,
)
def test_what_is_printed_for_a_version_has_no_findings(version: str, changes: Any) -> None:
    number = CoturnVersion(*map(int, version.split(".")))
    server = one_coturn(**{"protocol": "turns", **changes})
    text = turnserver_conf(server, "", ConfOptions(version=number), True)
    conf = parse_turnserver_conf(text.encode(), "")
    files = {**FILES} if conf.all("cert") else {}
    if "203.0.113.7:3478" in str(changes):
        files = {}
    around = Around(DesktopStun(parse_ice_uri(STUN)))
    found = check_turnserver_conf(conf, server, (), files, NOW, number, around)
    assert found == ()


# STUN of desktops


@pytest.mark.parametrize(
    ("text", "version", "path"),
    [
        (OLD, "4.6", OLD),
        (f"{OLD}=1", "4.6", OLD),
        ("", "4.7", BETWEEN),
        (f"{BETWEEN}=0", "4.10", BETWEEN),
        (NEW, "4.10", BETWEEN),
        ("", "4.18", NEW),
        (f"{NEW}=off", "4.18", NEW),
        (BETWEEN, "4.18", NEW),
        (OLD, "4.18", NEW),
    ],
)
def test_what_takes_stun_from_desktops_is_found(text: str, version: str, path: str) -> None:
    findings = compare(text, version=version, desktop=STUN)
    (item,) = (item for item in findings if "libnice" in item.message)
    assert (item.level, item.path) == ("error", path)
    assert f"libnice asks {STUN}" in item.message
    assert f"coturn {version}" in item.message
    beside = compare(text, version=version, desktop=STUN, has_turn=True)
    assert [i.level for i in beside if "libnice" in i.message] == ["warning"]


@pytest.mark.parametrize(
    ("text", "version", "desktop"),
    [
        ("", "4.6", STUN),
        (f"{OLD}=0", "4.6", STUN),
        (f"{OLD}\n{OLD}=no", "4.6", STUN),
        (BETWEEN, "4.10", STUN),
        (NEW, "4.18", STUN),
        (OLD, "4.6", "stun:stun.l.google.com:19302"),
        ("", "4.18", "stun:stun.l.google.com:19302"),
        ("listening-ip=8.8.8.8", "4.18", "stun:8.8.4.4:3478"),
        (OLD, "4.6", ""),
    ],
)
def test_what_leaves_stun_to_desktops_is_not_found_wrong(
    text: str, version: str, desktop: str
) -> None:
    assert not [i for i in compare(text, version=version, desktop=desktop) if "libnice" in str(i)]


def test_an_address_of_the_file_is_this_server_too() -> None:
    for line in ("listening-ip=8.8.8.8", "external-ip=8.8.8.8/10.0.0.5"):
        findings = compare(f"{line}\n{OLD}", desktop="stun:8.8.8.8:3478")
        assert [item.level for item in findings if item.path == OLD] == ["error"]


def test_an_address_that_may_be_this_server_is_a_warning() -> None:
    (item,) = compare(OLD, desktop="stun:8.8.8.8:3478")
    assert (item.level, item.path) == ("warning", OLD)
    assert item.message.count("if stun:8.8.8.8:3478 is this server") == 1


def test_stun_that_is_off_is_said_once() -> None:
    (item,) = compare("no-stun", stun=[STUN], desktop=STUN)
    assert item.path == "no-stun"
    (item,) = compare("no-stun", desktop=STUN)
    assert "STUN_SERVER of desktops" in item.message


def test_a_port_with_more_behind_it_ends_the_newest_coturn() -> None:
    text = "-listening-port\nlistening-port=3478 # udp"
    assert [item.level for item in compare(text)] == ["warning"]
    found = [item for item in compare(text, version="4.18") if item.path == "listening-port"]
    assert [item.level for item in found] == ["warning", "error"]
    assert found[1].message.endswith("does not start with it; write 3478")
    found = compare("-total-quota\ntotal-quota=100 # all", version="4.18")
    assert "error" not in [item.level for item in found]


# coturn's command line


def test_an_option_counts_after_the_file() -> None:
    assert compare(OLD, desktop=STUN, options=[f"{OLD}=0"]) == []
    (item,) = compare("", desktop=STUN, options=[f"--{OLD}"])
    assert str(item).startswith(f"--option: {OLD}: takes STUN away")


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


def test_a_command_on_the_command_line_may_be_run_by_a_shell() -> None:
    for value in ("$(detect-external-ip)", "${PUBLIC_IP}", "$IP/10.0.0.5"):
        (item,) = compare("", options=[f"--external-ip={value}"])
        assert (item.level, item.path) == ("warning", "external-ip")
        assert item.message.endswith("give that with --option")


def test_a_secret_that_a_shell_fills_in_is_not_compared() -> None:
    for value in ("$TURN_SECRET", "${TURN_SECRET}", "$(cat /run/secrets/turn)"):
        options = [f"static-auth-secret={value}"]
        found = compare("-static-auth-secret", options=options)
        assert {(item.level, item.path) for item in found} == {("warning", "static-auth-secret")}
        assert any("is not compared" in item.message for item in found)
    found = compare("-static-auth-secret\nstatic-auth-secret=$TURN_SECRET")
    assert [(item.level, item.path) for item in found] == [("error", "static-auth-secret")]


@pytest.mark.parametrize("version", ["4.17", "4.18"])
def test_client_certificates_matter_where_coturn_speaks_tls(version: str) -> None:
    off: Any = {"version": version, "protocol": "turn"}
    assert "CA-file" not in [i.path for i in compare("CA-file=/c\nno-tls", **off)]
    assert "CA-file" in [i.path for i in compare("CA-file=/c\nno-tls\ndtls", **off)]
    assert "CA-file" in [i.path for i in compare("CA-file=/c", **off)]


WRONG: Dict[str, Tuple[List[str], str, str]] = {
    "unknown": (["no-such-thing=1"], "", "coturn does not start with it"),
    "misspelled": (["lisening-ip=1.1.1.1"], "lisening-ip", "did you mean 'listening-ip'?"),
    "of another version": (["stateless-nonce"], "stateless-nonce", "does not start: coturn 4.16"),
    "no number": (["total-quota=ten"], "total-quota", "is not a whole number"),
}


@pytest.mark.parametrize(("options", "path", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_an_option_is_said(options: List[str], path: str, words: str) -> None:
    item = next(item for item in compare("", options=options) if item.file == "--option")
    assert (item.level, item.path, item.line) == ("error", path, None)
    assert words in item.message


def test_a_secret_on_the_command_line_is_not_shown() -> None:
    found = compare("-static-auth-secret", options=[f"static-auth-secret={SECRET}"])
    assert [(item.level, item.path) for item in found] == [("warning", "static-auth-secret")]
    assert SECRET not in str(compare("", options=[SECRET, f"{SECRET}=1"]))


# a proxy


def test_a_tls_port_of_a_proxy_needs_nothing_here() -> None:
    changes: Any = {"url": f"{HOST}:443", "around": {"proxied": {443}}}
    assert compare("no-tls\nno-dtls\n-cert\n-pkey", **changes) == []
    assert compare("CA-file=/ca.pem", **changes)[0].level == "warning"
    other = {**changes, "around": {"proxied": {8443}}}
    assert [i.path for i in compare("no-tls\nno-dtls\n-cert\n-pkey", **other)] == ["no-tls"]
    plain = {**changes, "protocol": "turn"}
    assert [i.path for i in compare("", **plain)] == ["listening-port"]
