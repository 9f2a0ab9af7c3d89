"""The lines of the access log, and the address in them."""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import List

import pytest

from abcwebrtc.cli.main import main, make_parser
from abcwebrtc.web.access_log import MAX_PROXIES, ClientAddresses, access_line, client_address
from support import RTC_PATH, bearer, call
from support.testpage_site import Site

PROXIES = [ipaddress.ip_network(one) for one in ("10.0.0.0/24", "192.0.2.7", "fd00::/64")]
ME = "10.0.0.1"
PATHS = [RTC_PATH, "/", "/testpage/main.js", "/API/healthz", "/nowhere"]


def logged(caplog: pytest.LogCaptureFixture) -> List[str]:
    return [one.getMessage() for one in caplog.records if one.name.startswith("cherrypy.access")]


# the address


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # the header of a peer that is not a trusted proxy is ignored
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("203.0.113.5", ME, "203.0.113.5"),
        ("fd00:0:0:1::1", "198.51.100.1", "fd00:0:0:1::1"),
        ("", "198.51.100.1", ""),
        # the last address that does not belong to a proxy
        (ME, "198.51.100.1", "198.51.100.1"),
        (ME, " 198.51.100.1 ", "198.51.100.1"),
        (ME, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (ME, "6.6.6.6, 198.51.100.1, 192.0.2.7,10.0.0.9", "198.51.100.1"),
        (ME, "2001:DB8::0001", "2001:db8::1"),
        ("fd00::2", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (ME, "::ffff:198.51.100.1", "198.51.100.1"),
        (ME, "10.0.0.8, 10.0.0.9", "10.0.0.8"),  # only proxies: the first of them
        # neither a word that is not an address nor what precedes it is believed
        (ME, "", ME),
        (ME, "unknown", ME),
        (ME, "6.6.6.6, unknown", ME),
        (ME, "6.6.6.6, unknown, 10.0.0.9", "10.0.0.9"),
        (ME, "6.6.6.6,", ME),
        (ME, "198.51.100.1:4711", ME),
        (ME, "[2001:db8::1]", ME),
        (ME, "fe80::1%\x1b[31m", ME),
        (ME, '1.2.3.4" 200', ME),
        (ME, "1" * 40_000, ME),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy_s(
    peer: str, forwarded: str, expected: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected


def test_without_a_trusted_proxy_it_is_the_peer() -> None:
    assert client_address(ME, "198.51.100.1", []) == ME


@pytest.mark.parametrize(("hops", "expected"), [(MAX_PROXIES - 1, "6.6.6.6"), (9999, "10.0.0.2")])
def test_an_endless_list_is_not_read_to_its_begin(hops: int, expected: str) -> None:
    assert client_address(ME, ", ".join(["6.6.6.6", *["10.0.0.2"] * hops]), PROXIES) == expected


@pytest.mark.parametrize("path", PATHS)
def test_every_line_has_the_client_s_address(path: str, caplog: pytest.LogCaptureFixture) -> None:
    app = ClientAddresses(Site().app, PROXIES)
    with caplog.at_level(logging.INFO, "cherrypy"):
        for peer in (ME, "203.0.113.5"):
            headers = {"X-Forwarded-For": "6.6.6.6, 198.51.100.1"}
            call(app, "GET", path, headers=headers, REMOTE_ADDR=peer)
    assert [line.partition(" ")[0] for line in logged(caplog)] == ["198.51.100.1", "203.0.113.5"]


# the rest of the line


@pytest.mark.parametrize("path", PATHS)
def test_the_referer_is_not_in_it(path: str, caplog: pytest.LogCaptureFixture) -> None:
    headers = {"Referer": "https://a.example/?key=marked", "User-Agent": "a-browser", **bearer()}
    with caplog.at_level(logging.INFO, "cherrypy"):
        call(Site().app, "GET", path, headers=headers)
    (line,) = logged(caplog)
    assert re.fullmatch(rf'\S+ - - \[[^]]+\] "GET {path} HTTP/1.1" \d+ \d+ "-" "a-browser"', line)
    assert "marked" not in caplog.text


HOSTILE = 'a\\" 200 5 "-" "\n\r\x1b[31m\x7f\x9b\xff\\'


@pytest.mark.parametrize("path", PATHS)
def test_what_a_client_calls_itself_is_escaped_and_cut(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cherrypy"):
        call(Site().app, "GET", path, headers={"User-Agent": HOSTILE + "x" * 30_000})
    (line,) = logged(caplog)
    assert line.isprintable()
    assert line.isascii()
    assert len(line) < 500
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"(?= |$)', line)
    assert len(quoted) == 3
    assert quoted[2].startswith(r"a\\\" 200 5 \"-\" \"\n\r\x1b[31m\x7f\x9b\xff\\x")


def test_a_line_is_one_that_other_programs_read() -> None:
    request, answer = ("GET", "/a b", "HTTP/1.1"), (200, 5)
    line = access_line("192.0.2.1", "[29/Nov/2026:21:53:05]", request, answer, "x")
    assert line == '192.0.2.1 - - [29/Nov/2026:21:53:05] "GET /a b HTTP/1.1" 200 5 "-" "x"'


# the option


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("", "write an address such as"),
        ("nginx", "write an address such as"),
        ("10.0.0.1:80", "write an address such as"),
        ("10.0.0.1/16", "write an address such as"),  # a network or one of its addresses?
        ("0.0.0.0/0", "0.0.0.0/0 lets anybody forge the address"),
        ("::/0", "::/0 lets anybody forge the address"),
        ("::ffff:0:0/96", "::ffff:0:0/96 lets anybody forge the address"),
    ],
)
def test_a_proxy_that_is_none_is_refused(
    value: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["serve", "od.config", "--trusted-proxy", value])
    assert exit_info.value.code == 2
    assert f"argument --trusted-proxy: {part}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/120", "10.0.0.0/24"),
        ("fd00::/64", "fd00::/64"),
    ],
)
def test_a_proxy_may_be_written_as_a_log_has_it(value: str, proxy: str) -> None:
    """A listener on :: sees IPv4 addresses as IPv6, and logs them so."""
    parsed = make_parser().parse_args(["serve", "od.config", "--trusted-proxy", value])
    assert parsed.trusted_proxy == [ipaddress.ip_network(proxy)]
