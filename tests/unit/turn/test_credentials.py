"""TURN REST API credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pprint

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.errors import CredentialError
from abcwebrtc.times import MAX_EXPIRY
from abcwebrtc.turn import credentials
from abcwebrtc.turn.credentials import (
    TurnCredentials,
    mint_turn_credentials,
    verify_turn_credentials,
)

NOW = 1_700_000_000

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100)
# What coturn takes in a userid: all but blanks, quotes, backslash and control characters.
USERIDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" '\"\\"),
    min_size=1,
    max_size=120,
).filter(lambda user: not ("union" in user.lower() and "select" in user.lower()))
TTLS = st.integers(1, MAX_EXPIRY - NOW)


def by_hand(secret, username):
    """The password as the draft defines it."""
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


# Minting.


@pytest.mark.parametrize("secret", ["north", b"north", Secret("north")])
def test_the_known_vector_comes_out(secret):
    made = mint_turn_credentials(secret, 39, "mbzrxpgjys", now=12334900)
    assert made.username == "12334939:mbzrxpgjys"
    assert made.password == "Iq7YXkRon8YXJfdN1Ke9EZOw1UE="
    assert (made.ttl, made.expires_at) == (39, 12334939)


@settings(max_examples=100)
@given(SECRETS, st.none() | USERIDS, TTLS)
def test_the_password_is_that_of_the_draft(secret, user, ttl):
    made = mint_turn_credentials(secret, ttl, user, NOW)
    assert made.username == (f"{NOW + ttl}" if user is None else f"{NOW + ttl}:{user}")
    assert made.password == by_hand(secret, made.username)
    assert (made.ttl, made.expires_at) == (ttl, NOW + ttl)


@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.999])
def test_a_fraction_of_a_second_is_dropped(fraction):
    assert mint_turn_credentials("s", 60, now=NOW + fraction).expires_at == NOW + 60


def test_now_is_the_clock_by_default():
    import time

    before = int(time.time())
    made = mint_turn_credentials("s", 60)
    assert before + 60 <= made.expires_at <= int(time.time()) + 60
    assert verify_turn_credentials("s", made.username, made.password)


@pytest.mark.parametrize("ttl", [0, -1, 1.0, "60", None, True])
def test_a_ttl_that_is_not_a_whole_number_from_1_up_is_refused(ttl):
    with pytest.raises(CredentialError, match="whole number of seconds, 1 or more"):
        mint_turn_credentials("s", ttl, now=NOW)


def test_the_last_second_of_coturn_is_the_limit():
    assert MAX_EXPIRY == 2147483647
    made = mint_turn_credentials("s", 100, now=2147483547)
    assert made.username == "2147483647"
    assert verify_turn_credentials("s", made.username, made.password, now=NOW)


@pytest.mark.parametrize(("ttl", "now"), [(101, 2147483547), (100, 2147483548), (10**30, NOW)])
def test_an_expiry_after_2038_01_19_is_refused(ttl, now):
    with pytest.raises(CredentialError, match="after 2038-01-19, which coturn refuses"):
        mint_turn_credentials("s", ttl, now=now)


@pytest.mark.parametrize("empty", ["", b""])
def test_an_empty_secret_is_refused(empty):
    with pytest.raises(CredentialError, match="the secret is empty"):
        mint_turn_credentials(empty, 60, now=NOW)


def test_the_repr_hides_the_password():
    made = mint_turn_credentials("north", 39, "mbzrxpgjys", now=12334900)
    for shown in (
        repr(made),
        str(made),
        f"{made}",
        pprint.pformat([made]),
        json.dumps(made, default=str),
    ):
        assert made.password not in shown
        assert "12334939:mbzrxpgjys" in shown
        assert "ttl=39" in shown
        assert "expires_at=12334939" in shown


def test_credentials_have_no_dict_to_look_into():
    with pytest.raises(TypeError):
        vars(TurnCredentials("u", "p", 1, 2))


NO_TIME = [float("nan"), float("-inf"), -1, "1700000000", []]


@pytest.mark.parametrize("now", NO_TIME)
def test_a_now_that_is_no_unix_time_is_refused(now):
    for call in (
        lambda: mint_turn_credentials("s", 60, now=now),
        lambda: verify_turn_credentials("s", "1700000060", "x", now),
    ):
        with pytest.raises(CredentialError, match="now must be a number of unix seconds") as caught:
            call()
        assert caught.value.__cause__ is None


# Verifying.


@settings(max_examples=100)
@given(SECRETS, st.none() | USERIDS, TTLS, st.lists(SECRETS, max_size=3), st.integers(0, 3))
def test_what_was_minted_is_verified_by_any_place_in_the_secrets(secret, user, ttl, others, place):
    made = mint_turn_credentials(secret, ttl, user, NOW)
    secrets = [*others[:place], secret, *others[place:]]
    assert verify_turn_credentials(secrets, made.username, made.password, NOW)
    assert verify_turn_credentials(iter(secrets), made.username, made.password, NOW)


@settings(max_examples=150)
@given(
    SECRETS,
    st.none() | USERIDS,
    st.integers(0, 10**4),
    st.sampled_from(["", "twice"]) | st.characters(),
    st.booleans(),
)
def test_any_character_changed_missing_or_doubled_is_refused(
    secret, user, place, character, in_password
):
    made = mint_turn_credentials(secret, 60, user, NOW)
    texts = [made.username, made.password]
    old = texts[in_password]
    place %= len(old)
    assume(old[place] != character)
    new = old[place] * 2 if character == "twice" else character
    texts[in_password] = old[:place] + new + old[place + 1 :]
    assert verify_turn_credentials(secret, *texts, now=NOW) is False


@settings(max_examples=100)
@given(SECRETS, st.lists(SECRETS, max_size=3))
def test_other_secrets_refuse(secret, others):
    made = mint_turn_credentials(secret, 60, "fry", NOW)
    # HMAC fills a short key up with zeros, so "a" and "a\0" sign alike.
    others = [other for other in others if other.rstrip("\0") != secret.rstrip("\0")]
    assume(all(len(text.encode()) <= 64 for text in [*others, secret]))
    assert verify_turn_credentials(others, made.username, made.password, NOW) is False


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (NOW, True),
        (NOW + 60, True),
        (NOW + 60.999, True),
        (NOW + 61, False),
        (0, True),
    ],
)
@pytest.mark.parametrize("user", [None, "fry"])
def test_a_credential_holds_to_the_second_of_its_expiry(now, holds, user):
    made = mint_turn_credentials("s", 60, user, NOW)
    assert verify_turn_credentials("s", made.username, made.password, now) is holds


ODD_USERNAMES = ["", ":fry", "fry:1700000060", "-1700000060", " 1700000060", "1700000060\n"]
ODD_USERNAMES += ["01700000060", "17000000600", "2147483648", "1_700_000_060", "0", "\ud800"]
ODD_USERNAMES += ["١٧٠٠٠٠٠٠٦٠", "1700000060.0"]


@pytest.mark.parametrize("username", ODD_USERNAMES)
def test_a_username_that_mint_never_makes_is_refused_though_it_is_signed(username):
    password = by_hand("s", username) if username.isprintable() else "x"
    assert verify_turn_credentials("s", username, password, NOW) is False


@pytest.mark.parametrize("user", ["a b", "it's", "a\nb", "union,select"])
def test_a_userid_that_coturn_refuses_is_refused_though_it_is_signed(user):
    username = f"{NOW + 60}:{user}"
    assert verify_turn_credentials("s", username, by_hand("s", username), NOW) is False


ANYTHING = st.text(max_size=30) | st.text(st.characters(), max_size=30)


@settings(max_examples=200)
@given(ANYTHING | ANYTHING.map("1700000060:{}".format), ANYTHING)
def test_garbage_is_refused_and_never_raises(username, password):
    assert verify_turn_credentials(["s", "t"], username, password, NOW) is False


@pytest.mark.parametrize("wrong", [None, 3, b"1700000060"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_username_or_password_that_is_no_text_is_a_type_error(wrong, place):
    texts = ["1700000060", "x"]
    texts[place] = wrong
    with pytest.raises(TypeError, match="username and password must be text"):
        verify_turn_credentials("s", *texts, NOW)


@pytest.mark.parametrize("secrets", [(), [], iter(())])
def test_without_a_secret_nothing_is_accepted(secrets):
    made = mint_turn_credentials("s", 60, now=NOW)
    assert verify_turn_credentials(secrets, made.username, made.password, NOW) is False


@pytest.mark.parametrize(
    "secrets", ["one", b"one", Secret("one"), ["two", b"one"], (Secret("one"),)]
)
def test_secrets_may_be_one_or_many_of_any_form(secrets):
    made = mint_turn_credentials("one", 60, now=NOW)
    assert verify_turn_credentials(secrets, made.username, made.password, NOW)


@pytest.mark.parametrize("secrets", ["", [""], ["s", b""]])
def test_an_empty_secret_never_verifies(secrets):
    username = str(NOW + 60)
    password = base64.b64encode(hmac.new(b"", username.encode(), "sha1").digest()).decode()
    with pytest.raises(CredentialError, match="the secret is empty"):
        verify_turn_credentials(secrets, username, password, NOW)


@pytest.mark.parametrize("minted_by", ["one", "two", "three", "none of them"])
@pytest.mark.parametrize("username", [str(NOW + 60), str(NOW - 60), "rubbish"])
def test_every_secret_is_compared_in_constant_time(monkeypatch, minted_by, username):
    pairs = []
    real = hmac.compare_digest

    def counting(*pair):
        pairs.append(pair)
        return real(*pair)

    monkeypatch.setattr(credentials.hmac, "compare_digest", counting)
    verify_turn_credentials(["one", "two", "three"], username, by_hand(minted_by, username), NOW)
    assert len(pairs) == 3
