"""Secrets: hidden values, keyed hashes, and what a file of them holds."""

from __future__ import annotations

import base64
import copy
import hmac
import json
import pickle
import pprint

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc.config.secret_sources import FileSecrets, FixedSecrets, Secret, split_secrets
from abcwebrtc.errors import ConfigError, CredentialError

MARK = "marked-0123456789-hush"


# A secret shows itself nowhere.

SHOWING = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "format with !r": "{!r}".format,
    "percent": lambda secret: f"{secret!s} {secret!a}",
    "inside a list": lambda secret: str([secret]),
    "pprint": pprint.pformat,
    "json": lambda secret: json.dumps({"secret": secret}, default=str),
    "copy": lambda secret: repr(copy.copy(secret)),
    "deepcopy": lambda secret: repr(copy.deepcopy([secret])),
}


@pytest.mark.parametrize("show", SHOWING.values(), ids=SHOWING.keys())
@pytest.mark.parametrize("value", [MARK, MARK.encode()])
def test_a_secret_hides_its_value(show, value):
    shown = show(Secret(value))
    assert "<Secret: hidden>" in shown
    assert MARK not in shown


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: [s], lambda s: FixedSecrets((s,))])
def test_a_secret_can_not_be_pickled(protocol, wrap):
    with pytest.raises(TypeError, match="a Secret can't be pickled"):
        pickle.dumps(wrap(Secret(MARK)), protocol)


def test_a_secret_has_no_dict_to_look_into():
    with pytest.raises(TypeError):
        vars(Secret(MARK))
    with pytest.raises(AttributeError):
        Secret(MARK).note = 1


def test_a_copied_secret_still_signs():
    secret = copy.deepcopy(copy.copy(Secret(MARK)))
    assert secret.sign("x") == Secret(MARK).sign("x")


def test_secrets_are_equal_when_their_values_are():
    assert Secret("north") == Secret(b"north")
    assert Secret("north") != Secret("south")
    assert Secret("north") != "north"
    assert (Secret("north") == "north") is False


def test_secrets_are_compared_in_constant_time(monkeypatch):
    pairs = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: pairs.append(pair) or True)
    assert Secret("north") == Secret("south")
    assert pairs == [(b"north", b"south")]


def test_a_secret_has_no_hash_that_would_tell_its_value():
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(MARK))


@pytest.mark.parametrize("empty", ["", b""])
def test_an_empty_secret_is_refused(empty):
    with pytest.raises(CredentialError, match="the secret is empty"):
        Secret(empty)


@pytest.mark.parametrize("wrong", [3600, [110], 1.5, True])
def test_a_secret_that_is_no_text_is_refused(wrong):
    # bytes(3600) is 3,600 zero bytes: swapped arguments would mint with those.
    with pytest.raises((CredentialError, TypeError)):
        Secret(wrong)


def test_a_secret_that_is_not_unicode_is_refused_without_showing_it():
    with pytest.raises((CredentialError, UnicodeError)) as caught:
        Secret(MARK + "\ud800")
    assert MARK not in repr(caught.value)
    assert isinstance(caught.value, CredentialError)


# Signing.


@settings(max_examples=100)
@given(st.binary(min_size=1, max_size=200), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_secret_signs_as_hmac_does_again_and_again(key, text):
    secret = Secret(key)
    expected = base64.b64encode(hmac.new(key, text.encode(), "sha1").digest()).decode()
    assert [secret.sign(text), secret.sign(text)] == [expected, expected]


def test_a_secret_that_is_text_signs_as_its_utf_8():
    assert Secret("été").reveal() == b"\xc3\xa9t\xc3\xa9"
    assert Secret("été").sign("x") == Secret("été".encode()).sign("x")


# What a file holds.


@pytest.mark.parametrize(
    ("data", "secrets"),
    [
        (b"", []),
        (b"\n \t\r\n\n", []),
        (b"one", [b"one"]),
        (b"one\n", [b"one"]),
        (b"  one \r\ntwo\r\n", [b"one", b"two"]),
        (b"\n\nnew\n\nold\n\n", [b"new", b"old"]),
        (b"in side\n", [b"in side"]),
        (b"\xff\xfe raw\n", [b"\xff\xfe raw"]),
    ],
)
def test_a_file_holds_one_secret_a_line_newest_first(data, secrets):
    assert split_secrets(data) == secrets


@pytest.mark.parametrize(
    "line",
    [
        "[global]",
        "[/] ",
        " webrtc.enable: True\r",
        "static-auth-secret=hush",
        'static-auth-secret = "hush"',
        "listening-port=3478",
        "apiVersion: v1",
        "-----BEGIN EC PRIVATE KEY-----",
    ],
)
def test_another_file_is_no_file_of_secrets(tmp_path, line):
    """Its lines would be secrets, which sign, and which the commands of a rotation print."""
    path = tmp_path / "file"
    path.write_text(f"# a file\n{line}\nhush\n")
    with pytest.raises(ConfigError, match="has a line of an od") as error:
        FileSecrets(str(path))
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    "secret", ["[x]y", "realm", "webrtc", "a=b", "realm-of-mine=", "--BEGIN", "cert:x", "[a b]"]
)
def test_a_secret_may_look_a_little_like_a_line_of_another_file(tmp_path, secret):
    path = tmp_path / "file"
    path.write_text(secret)
    (found,) = FileSecrets(str(path)).current()
    assert found == Secret(secret)


def test_fixed_secrets_stay_as_they_are():
    secrets = (Secret("new"), Secret("old"))
    assert FixedSecrets(secrets).current() is secrets


def test_only_fixed_secrets_equal_fixed_secrets(tmp_path):
    file = tmp_path / "secret"
    file.write_text("first")
    fixed = FixedSecrets((Secret("first"),))
    assert fixed == FixedSecrets((Secret("first"),))
    assert fixed != FileSecrets(str(file))
    assert fixed != FixedSecrets((Secret("second"),))
