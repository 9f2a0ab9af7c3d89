"""Userids that can't be in a username, and the pseudonyms that stand for them."""

from __future__ import annotations

import hashlib
import hmac
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.errors import CredentialError
from abcwebrtc.turn.credentials import (
    MAX_USERID_BYTES,
    check_userid,
    mint_turn_credentials,
    pseudonym,
)
from unit.turn.test_credentials import NOW, SECRETS

# Userids.

TOO_LONG = "longer than 497 bytes"
REFUSED = "set 'username': 'pseudonym' in webrtc.coturn"


TAKEN = ["fry@planet.express", "a:b:c", "été", "😀", "~!$^*()_+-=[]{}|<>,.`/?#%&;", "nbsp\xa0here"]
TAKEN += ["union", "SELECT", "u" * MAX_USERID_BYTES, "é" * 248 + "e"]


@pytest.mark.parametrize("user", TAKEN)
def test_a_userid_that_coturn_takes_is_accepted(user):
    made = mint_turn_credentials("s", 60, user, NOW)
    assert made.username == f"{NOW + 60}:{user}"
    assert len(made.username.encode()) <= 508


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ("", "the userid is empty"),
        *((f"a{character}b", REFUSED) for character in " '\"\\\t\n\0\x1f\x7f\x80\x9f"),
        ("a\n", REFUSED),
        ("unionselect", REFUSED),
        ("SELECT.Union", REFUSED),
        ("u" * (MAX_USERID_BYTES + 1), TOO_LONG),
        ("é" * 249, TOO_LONG),
        ("\ud800", "not valid Unicode text"),
    ],
)
def test_a_userid_that_coturn_or_chromium_can_not_take_is_refused(user, words):
    with pytest.raises(CredentialError, match=words):
        check_userid(user)
    with pytest.raises(CredentialError, match=words) as caught:
        mint_turn_credentials("s", 60, user, NOW)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("user", [3, True, b"fry", ["fry"]])
def test_a_user_that_is_no_text_is_a_type_error(user):
    for call in (
        lambda: mint_turn_credentials("s", 60, user, NOW),
        lambda: check_userid(user),
        lambda: pseudonym("s", user),
    ):
        with pytest.raises(TypeError, match=f"user must be text, not {type(user).__name__}"):
            call()


# Pseudonyms.


@settings(max_examples=100)
@given(SECRETS, st.text(st.characters(), min_size=1, max_size=300))
def test_a_pseudonym_of_any_text_is_hex_and_mintable(key, user):
    name = pseudonym(key, user)
    assert re.fullmatch("[0-9a-f]{32}", name)
    assert name == pseudonym(Secret(key), user)
    assert mint_turn_credentials(key, 60, name, NOW).username.endswith(name)


@settings(max_examples=100)
@given(
    st.text(st.characters(), min_size=1, max_size=20),
    st.text(st.characters(), min_size=1, max_size=20),
)
def test_two_users_have_two_pseudonyms(first, second):
    assume(first != second)
    assert pseudonym("key", first) != pseudonym("key", second)


def test_a_pseudonym_needs_a_user():
    with pytest.raises(CredentialError, match="the userid is empty"):
        pseudonym("key", "")


@pytest.mark.parametrize("key", [b"key", b"another"])
def test_a_pseudonym_is_the_documented_keyed_digest(key):
    # Quotas and statistics hang on it: it may not change from release to release.
    digest = hmac.new(key, b"abcwebrtc pseudonym\0fry", hashlib.sha256).hexdigest()
    assert pseudonym(key, "fry") == digest[:32]
