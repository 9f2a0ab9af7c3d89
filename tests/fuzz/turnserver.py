"""Target: turnserver.conf, read as coturn reads it and compared with od.config.

An input is the file. A certificate may follow after a line ``--cert--``, a key after ``--key--``.
"""

from __future__ import annotations

from random import Random
from typing import Any, Dict, List

from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.coturn.check.clients import DesktopStun
from abcwebrtc.coturn.check.compare import Around, check_turnserver_conf
from abcwebrtc.coturn.check.urls import certificate_files
from abcwebrtc.coturn.conf_file import (
    TurnserverFile,
    parse_turnserver_conf,
    quoted,
    with_options,
)
from abcwebrtc.coturn.options import DATABASES, NEWEST, OLDEST, OPTIONS
from abcwebrtc.coturn.server import Coturn, coturns_of
from abcwebrtc.errors import ConfigError
from fuzz.common import MARK, NOW, STATIC, assert_placed, assert_silent, nothing_but, splice

MAX_LENGTH = 4096
RUNS = 4000
FILE = "turnserver.conf"
_SHARED = {"coturn_static_auth_secret": STATIC, "url": "turn.example.org:3478"}
_SERVERS: List[Any] = [
    {**_SHARED, "username": "userid", "transport": ["udp", "tcp"]},
    {
        "coturn_static_auth_secret": [STATIC, MARK],
        "url": ["192.0.2.7:5349", "[2001:db8::7]", "turn.example.org"],
        "protocol": "turns",
    },
    [_SHARED, {**_SHARED, "protocol": "turns", "url": "turn.example.org:443?transport=tcp"}],
]
_ICE = {"iceServers": [{"urls": ["stun:turn.example.org:3478", "stun:192.0.2.7"]}]}
CONFIGS = [
    WebRTCConfig.from_mapping({"webrtc.coturn": server, "webrtc.rtc_configuration": _ICE}, {}, NOW)
    for server in _SERVERS
]
RELAYS = [(coturns_of(config.coturn)[0], config.static_uris) for config in CONFIGS]
_VALUES = (
    *("", "=", " ", "0", "1", "no", "yes", "-1", "65536", "9" * 30, "on", "\u0661", ";", " #x"),
    *(MARK, f'"{MARK}"', f"'{MARK}'", f"{MARK};", f"={MARK}", '"', "turn.example.org", "a b", "::"),
    *("10.0.0.0-10.255.255.255", "10.0.0.0/8", "0.0.0.0-255.255.255.255", "192.0.2.7", "1-2-3"),
    *(
        "$(x)",
        "${X}/10.0.0.5",
        "eth0",
        "198.51.100.7/0.0.0.0",
        "/",
        "1.2.3.4/24",
        "10.0.0.5/8.8.8.8",
    ),
    *("::1-::ffff:ffff", "fe80::-fe80::1%eth0", "9.9.9.9-1.1.1.1", "1.2.3.4:99999", "[::1]:3478"),
)
FRAGMENTS = (
    *(name for name in OPTIONS),
    *(f"{name}={MARK}" for name in ("static-auth-secret", "user", "cli-password", "pkey-pwd")),
    *_VALUES,
    *("#", "\x00", "\xef\xbb\xbf", "x" * 1023, "\r", "\t", "\x0b", "--cert--", "--key--"),
    *("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "MIIB", "-----BEGIN "),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "0\x82"),
)
DICTIONARY = (*(f"{name}=" for name in OPTIONS), *_VALUES, "--cert--\n", "--key--\n")


def check(data: bytes) -> None:
    """Fail if reading raises, or a finding shows a secret or names a line that does not exist."""
    text, files = _parts(data)
    with nothing_but(lambda *_: False):
        conf = parse_turnserver_conf(text, FILE)
    assert_silent(repr(conf) + repr(conf.settings), MARK)
    _check_settings(conf, text)
    options = [line.decode("utf-8", "surrogateescape") for line in text.split(b"\n")[:20]]
    with nothing_but(lambda *_: False):
        told = with_options(conf, options)
    assert_silent(repr(told.problems) + repr(told.settings), MARK)
    for coturn, stun in RELAYS:
        _check_findings(conf, coturn, stun, files)
    for paths in certificate_files(conf, "/folder").values():
        assert all(path.startswith("/") for path in paths)


def _parts(data: bytes) -> Any:
    text, _, rest = data.partition(b"\n--cert--\n")
    cert, _, key = rest.partition(b"\n--key--\n")
    files: Dict[str, Any] = {"cert": cert or "No such file or directory"}
    if key:
        files["pkey"] = key
    return text, files


def _check_settings(conf: TurnserverFile, text: bytes) -> None:
    lines = text.count(b"\n") + 1
    assert_placed(conf.problems, FILE, lines)
    again = parse_turnserver_conf(text, FILE)
    assert (again.settings, again.problems) == (conf.settings, conf.problems)
    for setting in conf.settings:
        assert setting.name in OPTIONS
        assert 1 <= setting.line <= lines
        assert isinstance(setting.number, int)
        assert isinstance(setting.on, bool)
        _check_round_trip(setting.name, setting.value)


def _check_round_trip(name: str, value: bytes) -> None:
    """Fail if a value that abcwebrtc writes reads back differently."""
    try:
        line = name.encode() + b"=" + quoted(value)
    except ConfigError as error:
        assert_silent(str(error), MARK)
        return
    (setting,) = parse_turnserver_conf(line, FILE).settings
    if len(line) <= 1023:
        assert setting.value == value, "quoted and read again, it is another value"


def _check_findings(conf: TurnserverFile, coturn: Coturn, stun: Any, files: Dict[str, Any]) -> None:
    lines = max([setting.line for setting in conf.settings], default=0)
    lines = max([lines, *(problem.line or 0 for problem in conf.problems)])
    for version in (OLDEST, NEWEST):
        around = Around(DesktopStun(stun[0]), {443}, {"pkey": "chmod 640"})
        others = check_turnserver_conf(conf, coturn, stun, files, NOW, version, around)
        assert_placed(others, FILE, max(lines, 1))
        assert_silent(repr(others), MARK, STATIC)
    found = check_turnserver_conf(conf, coturn, stun, files, NOW)
    assert_placed(found, FILE, max(lines, 1))
    assert_silent(repr(found), MARK, STATIC)
    secrets = [setting.value for setting in conf.all("static-auth-secret")]
    if STATIC.encode() not in secrets and not any(problem.level == "error" for problem in found):
        assert conf.all(*DATABASES), "no error, and coturn refuses every login"


def mutate(data: bytes, random: Random) -> bytes:
    return splice(data, random, FRAGMENTS)


def generate(random: Random) -> bytes:
    """Return a file with some options, with or without STATIC."""
    names = random.sample(list(OPTIONS), random.randrange(1, 8))
    lines = [f"{name}{random.choice('= ')}{random.choice(_VALUES)}" for name in names]
    secret = random.choice((STATIC, MARK))
    lines += ["use-auth-secret", f"static-auth-secret={secret}", "realm=example.org"]
    return "\n".join(lines).encode()
