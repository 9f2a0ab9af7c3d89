"""pyos's user tokens: which are accepted; all others raise TokenError, and nothing else."""

from __future__ import annotations

import base64
import json
import time
import warnings
from typing import Any, Dict, Optional

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.errors import TokenError
from abcwebrtc.web import tokens
from abcwebrtc.web.tokens import LEEWAY, REQUIRED_CLAIMS, UserTokenVerifier, bearer_token
from support import claims, make_token, rsa_key
from support.badtokens import bad_tokens, with_header

VERIFIER = UserTokenVerifier(rsa_key().public_key())
TOKEN = make_token(ttl=86400)  # the whole suite may take longer than a user's token lasts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: bytes, header: bytes = b'{"alg":"RS256","typ":"JWT"}') -> str:
    """Return a token with a valid signature, whatever its claims."""
    message = f"{encode(header)}.{encode(payload)}"
    signature = rsa_key().sign(message.encode(), padding.PKCS1v15(), SHA256())
    return f"{message}.{encode(signature)}"


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def refuse(token: Any, reason: str = "^the token ") -> str:
    with pytest.raises(TokenError, match=reason) as caught:
        VERIFIER.user(token)
    return str(caught.value)


# good tokens


@pytest.mark.parametrize("userid", ["alice", "a b", "zo\u00eb@example.org", "x" * 5000])
def test_a_good_token_names_its_user(userid: str) -> None:
    assert VERIFIER.user(make_token(userid)).userid == userid


def test_a_token_may_hold_more_than_is_required() -> None:
    token = make_token(iat=time.time() - 1, locale="en_US", user={"userid": "bob", "more": [1]})
    assert VERIFIER.user(token).userid == "bob"


@pytest.mark.parametrize("late", [0.5, LEEWAY - 5])
def test_a_clock_may_be_off_by_the_leeway_of_pyos(late: float) -> None:
    assert LEEWAY == 20
    assert VERIFIER.user(make_token(ttl=-late)).userid == "alice"
    assert VERIFIER.user(make_token(nbf=time.time() + late)).userid == "alice"


# bad tokens


@pytest.mark.parametrize("name", bad_tokens())
def test_no_bad_token_names_a_user(name: str) -> None:
    refuse(bad_tokens()[name])
    several = UserTokenVerifier(rsa_key("third").public_key(), rsa_key().public_key())
    with pytest.raises(TokenError):
        several.user(bad_tokens()[name])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("alg none", "InvalidAlgorithm"),
        ("HS256 with the public key", "InvalidAlgorithm"),
        ("RS512", "InvalidAlgorithm"),
        ("another key", "InvalidSignature"),
        ("changed payload", "InvalidSignature"),
        ("expired just now", "ExpiredSignature"),
        ("not yet valid", "ImmatureSignature"),
        ("user is a list", "names no user"),
        ("userid is a number", "names no user"),
    ],
)
def test_a_bad_token_is_refused_for_its_own_reason(name: str, reason: str) -> None:
    refuse(bad_tokens()[name], reason)


@pytest.mark.parametrize("kid", ["another", "", "../../../dev/null"])
def test_a_token_for_a_key_with_an_id_is_refused_though_it_is_signed(kid: str) -> None:
    assert VERIFIER.user(with_header(typ="JWT")).userid == "alice"
    refuse(with_header(kid=kid), "it is for another key")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_is_refused(part: int) -> None:
    other = make_token("mallory", user={"userid": "mallory", "roles": ["admin"]})
    parts = TOKEN.split(".")
    parts[part] = other.split(".")[part] if part else encode(b'{"alg":"RS256"}')
    refuse(".".join(parts), "InvalidSignature")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"aud": "somebody else"}, "InvalidAudience"),
        ({"exp": "soon"}, "DecodeError"),
        ({"exp": []}, "not valid"),
        ({"exp": 1e400}, "not valid"),
        ({"nbf": {}}, "not valid"),
        ({"user": None}, "MissingRequiredClaim"),
        ({"user": "alice"}, "names no user"),
        ({"user": {}}, "names no user"),
        ({"userid": None}, "names no user"),
    ],
    ids=str,
)
def test_claims_that_do_not_hold_are_refused(changes: Dict[str, Any], reason: str) -> None:
    refuse(make_token(**changes), reason)


@pytest.mark.parametrize("name", ["exp", "nbf", "auth", "user", "roles"])
def test_every_claim_that_pyos_requires_is_required(name: str) -> None:
    assert name in REQUIRED_CLAIMS
    refuse(make_token(**{name: ...}), "MissingRequiredClaim")


@pytest.mark.parametrize(
    "token",
    [
        *("", "..", "a.b.c", "\0", "\ud800", "\u2603.\u2603.\u2603"),
        *(TOKEN[:-1], TOKEN + "." + TOKEN, "x" * 1_000_000, "." * 1_000_000),
        *(b"\xff.\xff.\xff", b"a.b.c", None, 1, {"a": 1}),
    ],
    ids=lambda token: repr(token)[:20],
)
def test_what_is_no_token_is_refused(token: Any) -> None:
    refuse(token, "not valid")


@pytest.mark.parametrize("nest", ['{"a":', "["])
@pytest.mark.parametrize("place", ["header", "payload"])
def test_json_that_is_nested_without_end_is_refused(place: str, nest: str) -> None:
    deep = (nest * 100_000).encode()
    refuse(signed(deep) if place == "payload" else signed(dumps(claims()), deep), "not valid")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"alg":"RS256","b64":false}',
        b'{"alg":[]}',
        b'{"alg":"rs256"}',
    ],
)
def test_a_strange_header_is_refused_though_it_is_signed(header: bytes) -> None:
    refuse(signed(dumps(claims()), header))


def test_the_reason_never_quotes_the_token() -> None:
    token = make_token("carol", ttl=-60)
    reason = refuse(token)
    assert "carol" not in reason
    assert not any(part in reason for part in token.split("."))


@given(st.one_of(st.text(), st.binary()))
def test_random_text_is_refused_and_raises_nothing_else(token: Any) -> None:
    refuse(token)


@given(st.lists(st.one_of(st.binary(), JSON.map(dumps)), min_size=3, max_size=3))
def test_random_parts_are_refused_and_raise_nothing_else(parts: Any) -> None:
    refuse(".".join(map(encode, parts)))


@given(JSON)
def test_a_signed_payload_that_is_no_token_is_refused(payload: Any) -> None:
    refuse(signed(dumps(payload)))


@given(st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti", "user", "auth"]), JSON)
def test_a_strange_claim_is_ignored_or_refused(name: str, value: Any) -> None:
    try:
        userid = VERIFIER.user(signed(dumps({**claims(), name: value}))).userid
    except TokenError:
        return
    assert userid == (value["userid"] if name == "user" else "alice")


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk"]), JSON))
def test_a_strange_signed_header_is_ignored_or_refused(header: Any) -> None:
    try:
        userid = VERIFIER.user(signed(dumps(claims()), dumps({"alg": "RS256", **header}))).userid
    except TokenError:
        return
    assert userid == "alice"
    assert header.get("alg", "RS256") == "RS256"


# the header


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc  ", "abc"),
        ("Bearer a b", "a b"),
    ],
)
def test_the_token_follows_bearer(header: str, token: str) -> None:
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    "header", [None, "", " ", "abc", "Bearer", "Bearer ", "Bearer  ", "Basic abc", " Bearer abc"]
)
def test_any_other_header_is_refused(header: Optional[str]) -> None:
    with pytest.raises(TokenError, match="no bearer token"):
        bearer_token(header)


# the keys


def test_any_of_several_keys_may_have_signed() -> None:
    other = rsa_key("other")
    for keys in ([rsa_key(), other], [other, rsa_key()]):
        verifier = UserTokenVerifier(*(key.public_key() for key in keys))
        assert verifier.user(TOKEN).userid == "alice"
        assert verifier.user(make_token("bob", key=other)).userid == "bob"
        with pytest.raises(TokenError, match="InvalidSignature"):
            verifier.user(make_token(key=rsa_key("third")))


@pytest.mark.parametrize("first", [True, False])
def test_what_a_key_has_signed_is_refused_for_its_own_reason(first: bool) -> None:
    keys = [rsa_key().public_key(), rsa_key("other").public_key()]
    verifier = UserTokenVerifier(*(keys if first else keys[::-1]))
    for token, reason in (
        (make_token(ttl=-60), "ExpiredSignature"),
        (with_header(kid="x"), "another key"),
        (make_token(user=None), "MissingRequiredClaim"),
        ("a.b.c", "DecodeError"),
    ):
        with pytest.raises(TokenError, match=reason):
            verifier.user(token)


def test_where_the_first_key_has_signed_no_other_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    real = tokens.decode_complete

    def decode(token: str, key: Any, **options: Any) -> Any:
        tried.append(key)
        return real(token, key=key, **options)

    monkeypatch.setattr(tokens, "decode_complete", decode)
    keys = [rsa_key().public_key(), rsa_key("other").public_key()]
    assert UserTokenVerifier(*keys).user(TOKEN).userid == "alice"
    assert tried == keys[:1]


def test_a_verifier_without_a_key_would_know_nobody() -> None:
    with pytest.raises(TypeError, match="needs a public key"):
        UserTokenVerifier()


def test_the_shortest_key_is_the_weakness() -> None:
    keys = [rsa_key().public_key(), rsa_key("short", 1024).public_key()]
    assert UserTokenVerifier(*keys).weakness == "a key has 1024 bits; use one of 2048 or more"


def test_a_short_key_silences_no_other_warning() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        UserTokenVerifier(rsa_key("short", 1024).public_key())
        warnings.warn("of something else", UserWarning, stacklevel=1)
    assert [str(one.message) for one in said] == ["of something else"]


# labels


@pytest.mark.parametrize(
    ("auth", "labels"),
    [
        ({"data": {"labels": {"paris": "true", "staff": "true"}}}, {"paris", "staff"}),
        ({"data": {"labels": ["paris"]}}, {"paris"}),
        *[({"data": {"labels": nothing}}, set()) for nothing in ({}, [], None, "")],
        ({"data": {}}, set()),
        ({"data": None}, set()),
        ({}, set()),
    ],
)
def test_labels_are_the_keys_in_the_data_of_the_login(auth: Any, labels: Any) -> None:
    assert VERIFIER.user(make_token(auth=auth)) == ("alice", labels)


@pytest.mark.parametrize(
    "auth",
    [
        *[{"data": {"labels": given}} for given in ("paris", 1, True, [1], [["paris"]], [None])],
        *[{"data": given} for given in (["paris"], "paris", [], 1)],
        *[["data"], "local", 1],
    ],
    ids=repr,
)
def test_labels_that_cannot_be_read_are_refused(auth: Any) -> None:
    """An acl may deny what they would have named."""
    refuse(make_token(auth=auth), "the token's labels can't be read")
