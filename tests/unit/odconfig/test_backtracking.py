"""No text makes a regular expression run for hours: a file that is hostile, or broken, is read.

Each text takes hours where the time grows with the square of its length.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from support import WAIT, environment

SIZE = 1024 * 1024
READERS = {
    "certificates that don't end": (
        "from abcwebrtc.coturn.certificate import check_certificate\n"
        "print(check_certificate(b'-----BEGIN CERTIFICATE-----\\n' * {n}, None, b'', [], 0))",
        28,
        "no certificate in PEM form",
    ),
    "quotes in od.configs that differ": (
        "from abcwebrtc.odconfig.difference import differences\n"
        "print(*differences('[global]\\na: 1', '[global]\\na: ' + '\"\\'a\\\\' * {n}))",
        4,
        " line 2: (changed)",
    ),
    "an od.config that can't be read": (
        "from abcwebrtc.odconfig.difference import differences\n"
        "print(*differences('a\\nb\\n' * {n}, '[global]\\n' + 'b\\na\\n' * {n}))",
        5,
        "-lines 1 to ",
    ),
    "braces of a url that don't end": (
        "from abcwebrtc.errors import ConfigError\n"
        "from abcwebrtc.config.uris import parse_server\n"
        "try: parse_server('turn', '{{{{' * {n})\n"
        "except ConfigError as error: print(error)",
        2,
        "has a host of more than 253 characters",
    ),
    "braces of a STUN_SERVER that don't end": (
        "from abcwebrtc import ConfigError, WebRTCConfig\n"
        "values = {{'STUN_SERVER': '{{{{' * {n}}}\n"
        "try: WebRTCConfig.from_mapping({{'desktop.envlocal': values}})\n"
        "except ConfigError as error: print(error)",
        2,
        "must be in GStreamer's form",
    ),
    "a TURN_SERVER that does not end": (
        "from abcwebrtc import WebRTCConfig\n"
        "values = {{'TURN_SERVER': 'turn://' + ':' * {n}}}\n"
        "print(*WebRTCConfig.from_mapping({{'desktop.envlocal': values}}).warnings)",
        1,
        "TURN_SERVER: ",
    ),
    "usernames that don't end": (
        "from abcwebrtc.errors import AbcWebRTCError\n"
        "from abcwebrtc.turn.usernames import parse_username\n"
        "try: parse_username('username=<' * {n})\n"
        "except AbcWebRTCError as error: print(error)",
        10,
        "this is not a TURN username",
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_a_hostile_text_is_read_to_its_end(name: str) -> None:
    code, length, expected = READERS[name]
    command = [sys.executable, "-c", code.format(n=SIZE // length)]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, timeout=WAIT, env=environment(), check=True
    )
    assert expected in result.stdout
