"""Whether coturn answers at the urls of od.config, and its certificate."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest

from abcwebrtc.coturn.check.urls import certificate_files
from abcwebrtc.coturn.conf_file import TurnserverFile, parse_turnserver_conf
from support.certificates import HOST
from support.certificates import KEY as PRIVATE_KEY
from support.turnserver_entry import FILES, compare

URLS: Dict[str, Tuple[str, Any, str, str]] = {
    "another port": ("", {"url": f"{HOST}:443"}, "listening-port", "listens on 3478 and 5349"),
    "another plain port": (
        "listening-port=80",
        {"protocol": "turn", "transport": "udp"},
        "listening-port",
        f"does not match turn:{HOST}:3478?transport=udp of od.config",
    ),
    "another TLS port": (
        "tls-listening-port=444",
        {"url": f"{HOST}:443"},
        "tls-listening-port",
        "listens on 444 and 3478",
    ),
    "no-tls": ("no-tls", {}, "no-tls", f"turns off turns:{HOST}:3478 of od.config"),
    "no-tcp": ("no-tcp", {"protocol": "turn", "transport": "tcp"}, "no-tcp", "turns off turn:"),
    "no-tcp shuts TLS out": ("no-tcp", {}, "no-tcp", "listens on 5349"),
    "no-udp": ("no-udp\nno-dtls", {"protocol": "turn"}, "no-udp", "turns off turn:"),
    "no-udp leaves the other port": ("no-udp", {"protocol": "turn"}, "no-udp", "listens on 5349"),
    "no-dtls": ("no-dtls", {"transport": "udp"}, "no-dtls", "turns off turns:"),
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
        ("listening-port=4443", {"url": f"{HOST}:4443"}),
        ("aux-server=192.0.2.1:4443", {"url": f"{HOST}:4443"}),
        ("aux-server=[::1]:4443", {"url": f"{HOST}:4443"}),
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
    """Plain TURN can't use it either: without TLS, coturn does not listen there."""
    missing = {"cert": "No such file or directory", "pkey": PRIVATE_KEY}
    for plain in ("", "listening-port=80"):
        found = compare(plain, missing, protocol="turn", url=f"{HOST}:5349")
        (error,) = [item for item in found if item.level == "error"]
        assert f"does not match turn:{HOST}:5349 of od.config" in error.message


def test_files_are_judged() -> None:
    (cert,) = compare("", {"cert": b"", "pkey": PRIVATE_KEY})
    assert (cert.line, cert.path, cert.message[:20]) == (7, "cert", "holds no certificate")
    (key,) = compare("", {**FILES, "pkey": b""})
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
    assert "ignores the certificate" in found[0].message


def test_files_are_judged_where_there_is_dtls_alone() -> None:
    text, changes = "-no-cli\nno-tls\ndtls\nrfc3489-compatibility", {"transport": "udp"}
    assert compare(text, version="4.18", **changes) == []
    found = compare(text, {**FILES, "cert": b""}, version="4.18", **changes)
    assert [item.path for item in found] == ["cert"]


def test_relative_names_are_looked_for_where_coturn_looks() -> None:
    conf = parse_turnserver_conf(b"cert=a.pem\npkey=/etc/b.pem", "")
    places = certificate_files(conf, "/run")
    assert places["pkey"] == ("/etc/b.pem",)
    assert places["cert"][0] == "/run/a.pem"
    assert {"/etc/a.pem", "/usr/local/etc/a.pem", "/run/etc/a.pem"} < set(places["cert"])
    for root in ("/run/", "/run/etc/", "/etc/", "/usr/local/etc/"):
        assert {f"{root}turnserver/a.pem", f"{root}coturn/a.pem"} < set(places["cert"])
    assert certificate_files(TurnserverFile("", [], []), "/run") == {}


def test_a_file_that_debians_coturn_can_not_read_is_told() -> None:
    (item,) = compare("", around={"unreadable": {"pkey": "chmod 640 /k.pem"}})
    assert (item.level, item.path) == ("warning", "pkey")
    assert "can't be read by turnserver, the user of Debian's unit: chmod 640" in item.message


def test_a_tls_port_of_a_proxy_needs_nothing_here() -> None:
    changes: Any = {"url": f"{HOST}:443", "around": {"proxied": {443}}}
    assert compare("no-tls\nno-dtls\n-cert\n-pkey", **changes) == []
    assert compare("CA-file=/ca.pem", **changes)[0].level == "warning"
    other = {**changes, "around": {"proxied": {8443}}}
    assert [i.path for i in compare("no-tls\nno-dtls\n-cert\n-pkey", **other)] == ["no-tls"]
    plain = {**changes, "protocol": "turn"}
    assert [i.path for i in compare("", **plain)] == ["listening-port"]
