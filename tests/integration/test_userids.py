"""Which userids a TURN username can hold, by coturn and by abcwebrtc.

`check_userid` may be stricter than coturn only for a reason that is written here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any, Dict

import pytest

from abcwebrtc import CredentialError, mint_turn_credentials
from abcwebrtc.turn.credentials import check_userid, pseudonym
from integration.conftest import SECRET
from integration.turn import Turnserver, raw_refusal

ACCEPTED: Dict[str, str] = {
    "a name": "alice",
    "a mail address": "alice@domain.local",
    "a domain's user": "domain/alice",
    "a colon": "a:b",
    "colons at the ends": ":a:",
    "a question mark": "a?b",
    "a number sign": "a#b",
    "a percent sign": "a%20b",
    "an ampersand": "a&b",
    "a semicolon": "a;b",
    "other ASCII punctuation": "!$()*+,-.<=>[]^_`{|}~",
    "an LDAP name": "cn=alice,ou=people,dc=domain,dc=local",
    "digits alone": "1703086872",
    "accents": "éloïse",
    "combining accents": "e\u0301lo\u0308ise",
    "Chinese": "王小明",
    "Arabic": "محمد",
    "an emoji": "😀",
    "beyond the BMP": "𐍈",
    "a no-break space": "a\u00a0b",
    "an em space": "a\u2003b",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    "an ideographic space": "a\u3000b",
    "a zero width space": "a\u200bb",
    "a byte order mark": "a\ufeffb",
    "a right-to-left override": "a\u202eb",
    "typographic quotes": "‘a’“b”",
    "a full-width quote": "a＇b",
    "union alone": "western-union",
    "select alone": "selection",
    "almost union": "unlon-select",
    "union with a dotted I": "un\u0130on-select",
    "union with a Cyrillic letter": "uni\u043en-select",
    "497 bytes": "x" * 497,
    "497 bytes of Unicode": "é" * 248 + "x",
}
REFUSED: Dict[str, str] = {
    "a space": "alice smith",
    "a space at the end": "alice ",
    "a space alone": " ",
    "a tab": "a\tb",
    "a line feed": "a\nb",
    "a carriage return": "a\rb",
    "a single quote": "o'hara",
    "a double quote": 'a"b',
    "a backslash": "domain\\alice",
    "a NUL": "a\0b",
    "union and select": "union-select",
    "select and union": "selectunion",
    "UNION and SELECT": "UNION,SELECT",
    "union and select in mixed case": "uNiOn@sElEcT",
    "reunions and selections": "reunions-of-selected",
    "502 bytes": "x" * 502,
    "1000 bytes": "x" * 1000,
}
CHROMIUM = "Chromium gathers nothing with a username above 508 bytes"
CONTROL = "a control character in a log or a pipeline is nobody's wish"
STRICTER: Dict[str, str] = {
    **{f"{size} bytes, as {CHROMIUM}": "x" * size for size in (498, 499, 500, 501)},
    f"499 bytes of Unicode, as {CHROMIUM}": "é" * 249 + "x",
    f"a bell, as {CONTROL}": "a\x07b",
    f"a vertical tab, as {CONTROL}": "a\x0bb",
    f"a form feed, as {CONTROL}": "a\x0cb",
    f"an escape, as {CONTROL}": "a\x1bb",
    f"a delete, as {CONTROL}": "a\x7fb",
    f"the C1 control next line, as {CONTROL}": "a\x85b",
    f"the C1 control CSI, as {CONTROL}": "a\x9bb",
    "nothing, as it names nobody": "",
}


def coturns_answer(server: Turnserver, user: str) -> Any:
    """Return the STUN error that coturn gives for a userid, or None if it accepts it."""
    username = f"{int(time.time()) + 600}:{user}"
    digest = hmac.new(SECRET.encode(), username.encode(), hashlib.sha1).digest()
    return raw_refusal(server.port, username, base64.b64encode(digest).decode())


@pytest.mark.parametrize("user", ACCEPTED.values(), ids=ACCEPTED)
def test_coturn_and_abcwebrtc_take(user: str, turnserver: Turnserver) -> None:
    check_userid(user)
    assert coturns_answer(turnserver, user) is None
    made = mint_turn_credentials(SECRET, 600, user)
    assert raw_refusal(turnserver.port, made.username, made.password) is None


@pytest.mark.parametrize("user", REFUSED.values(), ids=REFUSED)
def test_coturn_and_abcwebrtc_refuse(user: str, turnserver: Turnserver) -> None:
    assert coturns_answer(turnserver, user) in (400, 401)
    with pytest.raises(CredentialError):
        check_userid(user)


@pytest.mark.parametrize("user", STRICTER.values(), ids=STRICTER)
def test_coturn_takes_and_abcwebrtc_refuses(user: str, turnserver: Turnserver) -> None:
    assert coturns_answer(turnserver, user) is None
    with pytest.raises(CredentialError):
        check_userid(user)


def accepts(user: str) -> bool:
    try:
        check_userid(user)
    except CredentialError:
        return False
    return True


CONTROLS = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))
RANGES = {
    "ASCII and Latin-1": range(0x01, 0x100),
    "general punctuation": range(0x2000, 0x2070),
    "other spaces and marks": (0x1680, 0x180E, 0x3000, 0xFEFF, 0xFFFD, 0xFFFF, 0x10FFFF),
}


@pytest.mark.parametrize("codes", RANGES.values(), ids=RANGES)
def test_each_character_is_judged_as_coturn_does_apart_from_controls(
    codes: Any, turnserver: Turnserver
) -> None:
    for character in map(chr, codes):
        user = f"a{character}b"
        taken = coturns_answer(turnserver, user) is None
        assert accepts(user) == (taken and character not in CONTROLS), ascii(character)


@pytest.mark.parametrize("user", REFUSED.values(), ids=REFUSED)
def test_as_a_pseudonym_coturn_takes(user: str, turnserver: Turnserver) -> None:
    made = mint_turn_credentials(SECRET, 600, pseudonym("the-key-of-the-pseudonyms", user))
    assert raw_refusal(turnserver.port, made.username, made.password) is None
