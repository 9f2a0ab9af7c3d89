"""pyos's user tokens: which are taken, and that nothing else than TokenError comes out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import warnings
from pathlib import Path
from typing import Any, Dict, Optional

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from abcwebrtc.errors import ConfigError, TokenError
from abcwebrtc.tokens import LEEWAY, REQUIRED_CLAIMS, UserTokenVerifier, bearer_token
from badtokens import bad_tokens, with_header
from support import claims, make_token, private_pem, public_pem, rsa_key

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
    """Return a token that is signed well, whatever it says."""
    message = f"{encode(header)}.{encode(payload)}"
    signature = rsa_key().sign(message.encode(), padding.PKCS1v15(), SHA256())
    return f"{message}.{encode(signature)}"


def dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def refuse(token: Any, reason: str = "^the token ") -> str:
    with pytest.raises(TokenError, match=reason) as caught:
        VERIFIER.userid(token)
    return str(caught.value)


# good tokens


@pytest.mark.parametrize("userid", ["alice", "a b", "zo\u00eb@example.org", "x" * 5000])
def test_a_good_token_names_its_user(userid: str) -> None:
    assert VERIFIER.userid(make_token(userid)) == userid


def test_a_token_may_hold_more_than_is_required() -> None:
    token = make_token(iat=time.time() - 1, locale="en_US", user={"userid": "bob", "more": [1]})
    assert VERIFIER.userid(token) == "bob"


@pytest.mark.parametrize("late", [0.5, LEEWAY - 5])
def test_a_clock_may_be_off_by_the_leeway_of_pyos(late: float) -> None:
    assert LEEWAY == 20
    assert VERIFIER.userid(make_token(ttl=-late)) == "alice"
    assert VERIFIER.userid(make_token(nbf=time.time() + late)) == "alice"


# bad tokens


def test_a_token_without_a_signature_is_refused() -> None:
    refuse(jwt.encode(claims(), None, algorithm="none"), "InvalidAlgorithm")


def test_a_token_signed_with_the_public_key_as_a_password_is_refused() -> None:
    # Made by hand: PyJWT itself refuses to sign with such a key.
    message = f"{encode(dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{encode(dumps(claims()))}"
    digest = hmac.new(public_pem(), message.encode(), hashlib.sha256).digest()
    refuse(f"{message}.{encode(digest)}", "InvalidAlgorithm")


@pytest.mark.parametrize("name", bad_tokens())
def test_no_bad_token_names_a_user(name: str) -> None:
    refuse(bad_tokens()[name])


@pytest.mark.parametrize("kid", ["another", "", "../../../dev/null"])
def test_a_token_for_a_key_with_an_id_is_refused_though_it_is_signed(kid: str) -> None:
    assert VERIFIER.userid(with_header(typ="JWT")) == "alice"
    refuse(with_header(kid=kid), "it is for another key")


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_a_token_of_another_algorithm_is_refused(algorithm: str) -> None:
    refuse(jwt.encode(claims(), rsa_key(), algorithm=algorithm), "InvalidAlgorithm")


def test_a_token_of_another_key_is_refused() -> None:
    refuse(make_token(key=rsa_key("other")), "InvalidSignature")


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_is_refused(part: int) -> None:
    other = make_token("mallory", user={"userid": "mallory", "roles": ["admin"]})
    parts = TOKEN.split(".")
    parts[part] = other.split(".")[part] if part else encode(b'{"alg":"RS256"}')
    refuse(".".join(parts), "InvalidSignature")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ttl": -(LEEWAY + 5)}, "ExpiredSignature"),
        ({"nbf": 4_000_000_000}, "ImmatureSignature"),
        ({"aud": "somebody else"}, "InvalidAudience"),
        ({"exp": "soon"}, "DecodeError"),
        ({"exp": []}, "not valid"),
        ({"exp": 1e400}, "not valid"),
        ({"nbf": {}}, "not valid"),
        ({"user": None}, "MissingRequiredClaim"),
        ({"user": "alice"}, "names no user"),
        ({"user": ["userid"]}, "names no user"),
        ({"user": {}}, "names no user"),
        ({"user": {"name": "alice"}}, "names no user"),
        ({"userid": ""}, "names no user"),
        ({"userid": None}, "names no user"),
        ({"userid": 1}, "names no user"),
        ({"userid": ["alice"]}, "names no user"),
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
        *("", " ", ".", "..", "...", "a.b.c", "\0", "\ud800", "\u2603.\u2603.\u2603"),
        *(TOKEN[:-1], TOKEN + "x", TOKEN + "." + TOKEN, TOKEN * 1000),
        *("x" * 1_000_000, "." * 1_000_000),
        *(b"", b"\xff.\xff.\xff", b"a.b.c", None, 1, ["a"], {"a": 1}),
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
        *(b"", b"null", b"[]", b"1", b"{}", b"\xff", b'{"alg":"RS256","b64":false}'),
        *(b'{"alg":null}', b'{"alg":[]}', b'{"alg":{}}', b'{"alg":"rs256"}'),
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


@given(st.sampled_from(["exp", "nbf", "iat", "aud", "iss", "sub", "jti", "user"]), JSON)
def test_a_strange_claim_is_ignored_or_refused(name: str, value: Any) -> None:
    try:
        userid = VERIFIER.userid(signed(dumps({**claims(), name: value})))
    except TokenError:
        return
    assert userid == (value["userid"] if name == "user" else "alice")


@given(st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jwk"]), JSON))
def test_a_strange_signed_header_is_ignored_or_refused(header: Any) -> None:
    try:
        userid = VERIFIER.userid(signed(dumps(claims()), dumps({"alg": "RS256", **header})))
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


# the key


def write(folder: Path, data: bytes) -> str:
    path = folder / "key.pem"
    path.write_bytes(data)
    return str(path)


def encrypted_pem() -> bytes:
    return rsa_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"pass phrase"),
    )


def test_the_key_is_read_from_a_file(tmp_path: Path) -> None:
    verifier = UserTokenVerifier.from_file(write(tmp_path, public_pem()))
    assert verifier.userid(TOKEN) == "alice"
    assert verifier.weakness is None


def test_the_key_may_be_in_the_older_pem_form(tmp_path: Path) -> None:
    key = rsa_key().public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    assert UserTokenVerifier.from_file(write(tmp_path, pem)).userid(TOKEN) == "alice"


EC_KEY = ec.generate_private_key(ec.SECP256R1())
BAD_KEYS = [
    pytest.param(private_pem(), "not a PEM public key; it is the private one", id="private"),
    pytest.param(encrypted_pem(), "not a PEM public key; it is the private one", id="encrypted"),
    pytest.param(public_pem(EC_KEY), "not an RSA key, which RS256 needs", id="EC"),
    pytest.param(b"", "not a PEM public key", id="empty"),
    pytest.param(b"\0\xff" * 100_000, "not a PEM public key", id="rubbish"),
    pytest.param(public_pem()[:200], "not a PEM public key", id="cut"),
    pytest.param(public_pem().replace(b"MII", b"AAA"), "not a PEM public key", id="broken"),
]


@pytest.mark.parametrize(("data", "message"), BAD_KEYS)
def test_another_file_is_refused_with_its_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(ConfigError) as caught:
        UserTokenVerifier.from_file(path)
    (problem,) = caught.value.problems
    assert problem.message.startswith("the key file is " + message)
    assert ("private" in problem.message) == ("private" in message)
    assert problem.file == path


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.pem", "No such file or directory"), ("", "Is a directory")]
)
def test_a_file_that_can_not_be_read_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    path = str(tmp_path / name)
    with pytest.raises(ConfigError) as caught:
        UserTokenVerifier.from_file(path)
    assert str(caught.value) == f"{path}: the key file can't be read: {reason}"


def test_a_short_key_works_and_its_weakness_is_said_once(tmp_path: Path) -> None:
    key = rsa_key("short", 1024)
    verifier = UserTokenVerifier.from_file(write(tmp_path, public_pem(key)))
    assert verifier.weakness == "the key has 1024 bits; use one of 2048 or more"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = make_token(key=key)
    assert verifier.userid(token) == "alice"


def test_a_short_key_silences_no_other_warning() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        UserTokenVerifier(rsa_key("short", 1024).public_key())
        warnings.warn("of something else", UserWarning, stacklevel=1)
    assert [str(one.message) for one in said] == ["of something else"]
