"""The reader of turnserver.conf: quoted values, and what is wrong with a line by itself."""

from __future__ import annotations

from typing import List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc import ConfigError
from abcwebrtc.coturn.conf_file import parse_turnserver_conf, quoted, with_options
from abcwebrtc.coturn.options import DATABASES, DEFAULTED, OPTIONS
from support.turnserver_entry import SECRET

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
    with pytest.raises(ConfigError, match=r"^here: .*turnserver\.conf can('t)? hold$") as caught:
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
        ("REALM=x", "warning", "", "did you mean 'realm'?"),
        ("zzzz-zzzz", "warning", "", "no such option; coturn ignores this line"),
        ("no-loopback-peers", "warning", "", "since coturn 4.5.2"),
        ("fingerprint=maybe", "error", "fingerprint", "is neither yes nor no"),
        ("use-auth-secret=no", "warning", "use-auth-secret", "is on whatever its value"),
        ("total-quota=ten", "error", "total-quota", "is not a whole number"),
        ("listening-port=70000", "error", "listening-port", "is not a port"),
        (
            "listening-port=3478 # udp",
            "warning",
            "listening-port",
            "has more text after the number",
        ),
        ("min-port=70000x", "error", "min-port", "is not a port"),
        ("realm=", "error", "realm", "has no value"),
        ("realm='x'", "warning", "realm", "single quotes"),
        ("realm=x # the realm", "warning", "realm", "only a whole line is a comment"),
        ("realm=x;", "warning", "realm", "part of the value, and logs"),
        ("realm=" + "x" * 1100, "error", "", "is longer than 1023 bytes"),
        ("\ufefflistening-port=1", "error", "", "byte order mark"),
        ("realm=a\0b", "error", "", "has a NUL"),
        ("realm=a\nrealm=b", "warning", "realm", "overrides line 1"),
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


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("static-auth-secret-Q7xLm2Zp", ""),
        ("static-auth-secretQ7xL", ""),
        ("realm\x1b", ""),
        ("Q7xLm2Zp", ""),
        ("static-auth-secrets", "static-auth-secrets"),
        ("relam", "relam"),
    ],
)
def test_an_option_that_there_is_not_is_shown_where_no_secret_stands_in_it(
    option: str, path: str
) -> None:
    (problem,) = with_options(parse_turnserver_conf(b"", "a.conf"), [f"--{option}=1"]).problems
    assert problem.path == path
    assert "Q7x" not in problem.message
