"""`verify_turn_credentials` agrees with a real coturn."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Callable, Dict, Tuple

import pytest

from abcwebrtc import verify_turn_credentials
from integration.conftest import SECRET
from integration.turn import Turnserver, raw_refusal

Make = Callable[[int], Tuple[str, str]]
OTHER = "not-the-secret-of-this-coturn"


def signed(username: str, secret: str = SECRET) -> Tuple[str, str]:
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def swapped(signed_name: str, shown_name: str) -> Tuple[str, str]:
    """Return a password that was made for another username."""
    return shown_name, signed(signed_name)[1]


HELD: Dict[str, Make] = {
    "a fresh one": lambda now: signed(f"{now + 600}:alice"),
    "a bare timestamp": lambda now: signed(str(now + 600)),
    "one that ends in a minute": lambda now: signed(f"{now + 60}:alice"),
    "the last expiry of all": lambda now: signed(f"{2**31 - 1}:alice"),
    "a userid with colons": lambda now: signed(f"{now + 600}:a:b:c"),
    "a Unicode userid": lambda now: signed(f"{now + 600}:王小明"),
}
REFUSED: Dict[str, Make] = {
    "one that ended": lambda now: signed(f"{now - 5}:alice"),
    "one of long ago": lambda now: signed("1:alice"),
    "one that ends a second after 2038-01-19T03:14:07Z": lambda now: signed(f"{2**31}:alice"),
    "an expiry in milliseconds": lambda now: signed(f"{(now + 600) * 1000}:alice"),
    "another secret": lambda now: signed(f"{now + 600}:alice", OTHER),
    "a later expiry than was signed": lambda now: swapped(f"{now + 1}:alice", f"{now + 600}:alice"),
    "another userid": lambda now: swapped(f"{now + 600}:alice", f"{now + 600}:bob"),
    "a userid added": lambda now: swapped(f"{now + 600}", f"{now + 600}:alice"),
    "a userid in other case": lambda now: swapped(f"{now + 600}:alice", f"{now + 600}:Alice"),
    "an empty password": lambda now: (f"{now + 600}:alice", ""),
    "a name without a time": lambda now: signed("alice"),
    "a negative time": lambda now: signed(f"-{now + 600}:alice"),
}
UNUSABLE: Dict[str, Make] = {
    "a space": lambda now: signed(f"{now + 600}:alice smith"),
    "a single quote": lambda now: signed(f"{now + 600}:o'hara"),
    "a backslash": lambda now: signed(f"{now + 600}:domain\\alice"),
    "a line feed": lambda now: signed(f"{now + 600}:a\nb"),
    "a NUL": lambda now: signed(f"{now + 600}:a\0b"),
    "union and select": lambda now: signed(f"{now + 600}:union-select"),
    "502 bytes": lambda now: signed(f"{now + 600}:" + "x" * 502),
}
UNMADE: Dict[str, Make] = {
    "a leading zero": lambda now: signed(f"0{now + 600}:alice"),
    "the userid first": lambda now: signed(f"alice:{now + 600}"),
    "letters after the time": lambda now: signed(f"{now + 600}abc"),
    "an empty userid": lambda now: signed(f"{now + 600}:"),
    "498 bytes, too many for Chromium": lambda now: signed(f"{now + 600}:" + "x" * 498),
    "a control character": lambda now: signed(f"{now + 600}:a\x07b"),
    "an expiry that wraps around in 32 bits": lambda now: signed(f"{2**32 + now + 600}:alice"),
}


def coturn_takes(server: Turnserver, username: str, password: str) -> bool:
    return raw_refusal(server.port, username, password) is None


@pytest.mark.parametrize("make", HELD.values(), ids=HELD)
def test_both_take(make: Make, turnserver: Turnserver) -> None:
    username, password = make(int(time.time()))
    assert coturn_takes(turnserver, username, password)
    assert verify_turn_credentials(SECRET, username, password)
    assert verify_turn_credentials([OTHER, SECRET], username, password)
    assert verify_turn_credentials([SECRET, OTHER], username, password)
    assert not verify_turn_credentials([OTHER], username, password)


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_both_refuse(make: Make, turnserver: Turnserver) -> None:
    username, password = make(int(time.time()))
    assert not coturn_takes(turnserver, username, password)
    assert not verify_turn_credentials(SECRET, username, password)


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE)
def test_both_refuse_a_well_signed_userid_with(make: Make, turnserver: Turnserver) -> None:
    username, password = make(int(time.time()))
    assert not coturn_takes(turnserver, username, password)
    assert not verify_turn_credentials(SECRET, username, password)


@pytest.mark.parametrize("make", UNMADE.values(), ids=UNMADE)
def test_coturn_takes_what_nobody_mints_and_verification_does_not(
    make: Make, turnserver: Turnserver
) -> None:
    username, password = make(int(time.time()))
    assert coturn_takes(turnserver, username, password)
    assert not verify_turn_credentials(SECRET, username, password)
