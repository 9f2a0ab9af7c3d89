"""Target: STUN and TURN URIs, and GStreamer's form of them.

The first line of an input is the URI, the rest is a userid.
"""

from __future__ import annotations

import ipaddress
import re
from random import Random
from typing import Optional
from urllib.parse import unquote, urlsplit

from abcwebrtc.config.desktop import gstreamer_stun
from abcwebrtc.config.uris import STUN_SCHEMES, TURN_SCHEMES, IceURI, parse_ice_uri, parse_server
from abcwebrtc.config.webrtc import WebRTCConfig
from abcwebrtc.desktop.environment import gstreamer_turn
from abcwebrtc.errors import ConfigError, CredentialError
from abcwebrtc.turn.credentials import mint_turn_credentials
from fuzz.common import MARK, NOW, STATIC, assert_silent, everything_about, splice

MAX_LENGTH = 600
RUNS = 80_000
FRAGMENTS = (
    *("stun:", "stuns:", "turn:", "turns:", "TURN:", "http://", "//", "stun://", "turn:turn:"),
    *("?transport=udp", "?transport=tcp", "?transport=", "?", "&a=b", "#", "@", "user:pw@"),
    *(":3478", ":0", ":65536", ":", ":53", ":+1", ":1_0", ":\u0663", "[2001:db8::1]", "[::1%eth0]"),
    *("::ffff:1.2.3.4", "[", "]", "1.2.3.4", "256.1.1.1", "0x7f.1", "127.1", "a.b.", "..", "-a"),
    *("xn--bcher-kva", "b\u00fccher", "_a", "a" * 64, "%41", " ", "\t", "\n", "\x00", "\n" + MARK),
)
DICTIONARY = FRAGMENTS
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_URI = re.compile(rf"(stuns?|turns?):{_HOST}(:[0-9]+)?(\?transport=(udp|tcp))?")
_STUN = re.compile(rf"stun://{_HOST}:[0-9]+")
_TURN = re.compile(
    rf"turns?://[A-Za-z0-9._~%-]+:[A-Za-z0-9._~%-]+@{_HOST}:[0-9]+(\?transport=(udp|tcp))?"
)


def check(data: bytes) -> None:
    """Fail if a URI changes when parsed and printed, or a form of it has an unsafe character."""
    text, _, user = data.decode("utf-8", "replace").partition("\n")
    uri = _parsed(parse_ice_uri, text)
    if uri:
        _check_uri(uri, user)
    for scheme in (*STUN_SCHEMES, *TURN_SCHEMES):
        server = _parsed(lambda address, scheme=scheme: parse_server(scheme, address), text)
        if server:
            assert server.scheme == scheme
            _check_uri(server, user)
    _check_configuration(text)


def _parsed(parse, text: str) -> Optional[IceURI]:
    try:
        return parse(text)
    except ConfigError as error:
        assert_silent(everything_about(error), MARK)
    return None


def _check_uri(uri: IceURI, user: str) -> None:
    assert _URI.fullmatch(str(uri)), uri
    assert parse_ice_uri(str(uri)) == uri, "printed and parsed again, it is another one"
    assert uri.port is None or 1 <= uri.port <= 65535
    split = urlsplit(f"x://{str(uri).partition(':')[2]}")
    assert (split.port, split.username) == (uri.port, None)
    assert (split.hostname or "") == uri.bare_host.lower()
    if uri.host.startswith("["):
        ipaddress.IPv6Address(uri.host[1:-1])
    if uri.scheme in STUN_SCHEMES:
        assert uri.transport is None
        assert _STUN.fullmatch(gstreamer_stun(uri))
    else:
        _check_gstreamer(uri, user)


def _check_gstreamer(uri: IceURI, user: str) -> None:
    try:
        credentials = mint_turn_credentials(STATIC, 600, user or None, NOW)
    except CredentialError:
        return
    text = gstreamer_turn(uri, credentials)
    assert _TURN.fullmatch(text), text
    login = text.partition("//")[2].partition("@")[0].split(":")
    assert list(map(unquote, login)) == [credentials.username, credentials.password]
    assert_silent(text, STATIC)


def _check_configuration(text: str) -> None:
    """Fail if od.config accepts only a part of the text as a URI."""
    server = {"urls": [text], "username": "a", "credential": "b"}
    entries = {
        "webrtc.rtc_configuration": {"iceServers": [server]},
        "webrtc.coturn": {"coturn_static_auth_secret": STATIC, "url": text},
        "desktop.envlocal": {"STUN_SERVER": text},
    }
    for name, value in entries.items():
        try:
            config = WebRTCConfig.from_mapping({name: value}, {}, NOW)
        except ConfigError as error:
            assert_silent(everything_about(error), MARK, STATIC)
            continue
        for uri in config.uris:
            assert _URI.fullmatch(str(uri)), uri
        stun = config.desktop.stun_server
        assert stun is None or _STUN.fullmatch(stun), stun


def mutate(data: bytes, random: Random) -> bytes:
    return splice(data, random, FRAGMENTS)


def generate(random: Random) -> bytes:
    """Return something like a URI."""
    parts = [random.choice(FRAGMENTS) for _ in range(random.randrange(1, 5))]
    return ("turn:" * random.randrange(2) + "".join(parts)).encode()
