"""The files with the public keys for user tokens."""

from __future__ import annotations

import base64
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from abcwebrtc.errors import ConfigError
from abcwebrtc.web.tokens import UserTokenVerifier, read_public_keys
from support import (
    RTC_PATH,
    bearer,
    make_token,
    private_pem,
    public_pem,
    request,
    rsa_key,
    run_main,
    running_server,
    write_od_config,
)

TOKEN = make_token(ttl=86400)


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


def other_form(encoding: str, form: str) -> bytes:
    return (
        rsa_key()
        .public_key()
        .public_bytes(
            getattr(serialization.Encoding, encoding), getattr(serialization.PublicFormat, form)
        )
    )


@pytest.mark.parametrize("pem", [public_pem(), other_form("PEM", "PKCS1")], ids=["usual", "older"])
def test_the_key_is_read_from_a_file(tmp_path: Path, pem: bytes) -> None:
    verifier = UserTokenVerifier.from_file(write(tmp_path, pem))
    assert verifier.user(TOKEN).userid == "alice"
    assert verifier.weakness is None


EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_OID, NO_OID = (bytes.fromhex(f"2a864886f70d0101{last}") for last in ("01", "63"))


def of_no_known_kind() -> bytes:
    """Return a public key of an unknown kind."""
    lines = public_pem().splitlines()
    der = base64.b64decode(b"".join(lines[1:-1])).replace(RSA_OID, NO_OID)
    return b"\n".join([lines[0], base64.b64encode(der), lines[-1], b""])


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
    assert verifier.user(token).userid == "alice"


def tiny_pem(bits: int) -> bytes:
    """Return a public key that is shorter than cryptography can generate."""
    numbers = rsa.RSAPublicNumbers(65537, (1 << (bits - 1)) + 15)
    return public_pem(SimpleNamespace(public_key=numbers.public_key))


@pytest.mark.parametrize("bits", [512, 768, 1023])
def test_a_key_that_can_be_factored_is_refused(tmp_path: Path, bits: int) -> None:
    (tmp_path / "good.pem").write_bytes(public_pem())
    path = write(tmp_path, public_pem() + tiny_pem(bits))
    with pytest.raises(ConfigError) as caught:
        UserTokenVerifier.from_file(str(tmp_path / "good.pem"), path, entry="an.entry")
    line = 1 + public_pem().count(b"\n")
    reason = f"{bits} bits; use one of 2048 or more; anybody who factors it can sign tokens"
    assert str(caught.value) == f"{path}:{line}: an.entry: the key file has a key of {reason}"


def test_a_verifier_takes_no_key_that_can_be_factored() -> None:
    key = serialization.load_pem_public_key(tiny_pem(512))
    with pytest.raises(ValueError, match=r"^a key has 512 bits; use one of 2048 or more$"):
        UserTokenVerifier(rsa_key().public_key(), key)  # type: ignore[arg-type]


def test_serve_does_not_start_with_a_key_that_can_be_factored(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "jwtuser.pem").write_bytes(tiny_pem(512))
    result = run_main(capsys, "serve", write_od_config(tmp_path), "--port=0")
    assert (result.status, result.out) == (1, "")
    assert "the key file has a key of 512 bits; use one of 2048 or more" in result.err


# several keys, and certificates


def read(folder: Path, *parts: bytes) -> Any:
    return read_public_keys([write(folder, b"".join(parts))], "an.entry")


def certificate(name: str, key: Any, issuer: str = "", signer: Any = None, days: int = 1) -> bytes:
    """Return a certificate, self-signed by default; with negative `days` it has expired."""

    def dn(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(dn(name))
        .issuer_name(dn(issuer or name))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
    )
    made = builder.sign(signer or key, SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


OTHER, THIRD = rsa_key("other"), rsa_key("third")


def numbers(*keys: Any) -> List[int]:
    return [key.public_numbers().n for key in keys]


def test_one_file_may_have_several_keys_in_their_order(tmp_path: Path) -> None:
    parts = (b"# the new one\n", public_pem(OTHER), b"\n# the old one\n", public_pem())
    keys, problems = read(tmp_path, *parts, public_pem(OTHER))
    assert numbers(*keys) == numbers(OTHER.public_key(), rsa_key().public_key())
    assert problems == []


def test_several_files_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(public_pem(OTHER))
    paths = [str(tmp_path / "other.pem"), write(tmp_path, public_pem())]
    verifier = UserTokenVerifier.from_file(*paths)
    assert verifier.user(TOKEN).userid == "alice"
    assert verifier.user(make_token("bob", key=OTHER)).userid == "bob"


@pytest.mark.parametrize("days", [1, -1], ids=["valid", "ended"])
@pytest.mark.parametrize("word", [b"CERTIFICATE", b"X509 CERTIFICATE"])
def test_the_key_of_a_certificate_is_taken_and_that_is_said(
    tmp_path: Path, days: int, word: bytes
) -> None:
    pem = certificate("tokens", rsa_key(), days=days).replace(b"CERTIFICATE", word)
    keys, (note,) = read(tmp_path, pem)
    assert numbers(*keys) == numbers(rsa_key().public_key())
    assert (note.level, note.path, note.file) == ("note", "an.entry", str(tmp_path / "key.pem"))
    assert note.message.startswith("the key file has a certificate; only its public key is used")


def test_who_issues_certificates_is_not_who_signs_tokens(tmp_path: Path) -> None:
    chain = [
        certificate("tokens", rsa_key(), "middle", OTHER),
        certificate("middle", OTHER, "root", THIRD),
        certificate("root", THIRD),
    ]
    for parts in (chain, chain[::-1]):
        keys, problems = read(tmp_path, *parts)
        assert numbers(*keys) == numbers(rsa_key().public_key())
        assert len(problems) == 1


def test_two_certificates_that_issue_themselves_are_two_keys(tmp_path: Path) -> None:
    keys, _ = read(
        tmp_path, certificate("a", rsa_key()), certificate("a", OTHER), public_pem(THIRD)
    )
    expected = (key.public_key() for key in (rsa_key(), OTHER, THIRD))
    assert numbers(*keys) == numbers(*expected)


NO_KEY = "is not a PEM public key"
REFUSED = [
    ([private_pem()], f"{NO_KEY} but a private one; `openssl pkey -pubout`"),
    ([encrypted_pem()], f"{NO_KEY} but a private one; "),
    ([public_pem(), private_pem()], f"{NO_KEY} but a private one; "),
    ([public_pem(EC_KEY)], "is not an RSA key, which RS256 needs"),
    ([public_pem(), certificate("a", EC_KEY)], "is not an RSA key, which RS256 needs"),
    ([b""], NO_KEY),
    ([b"\0\xff" * 10_000], NO_KEY),
    ([public_pem()[:200]], f"{NO_KEY}; it is cut off"),
    ([public_pem(), public_pem()[:200]], f"{NO_KEY}; it is cut off"),
    ([public_pem()[:-30], public_pem()], f"{NO_KEY}; it is cut off"),
    ([public_pem().replace(b"MII", b"AAA")], f"{NO_KEY}; it is damaged"),
    ([certificate("a", OTHER).replace(b"MII", b"AAA")], f"{NO_KEY}; it is damaged"),
    (
        [certificate("a", OTHER).replace(b"CERTIFICATE", b"CERTIFICATE REQUEST")],
        f"{NO_KEY} but a CERTIFICATE REQUEST",
    ),
    (
        [certificate("a", OTHER, "b"), certificate("b", THIRD, "a")],
        f"{NO_KEY}; its certificates only issue each other",
    ),
    (
        [other_form("OpenSSH", "OpenSSH")],
        f"{NO_KEY} but an OpenSSH key; `ssh-keygen -e -m PKCS8 -f` prints it",
    ),
    (
        [other_form("DER", "SubjectPublicKeyInfo")],
        f"{NO_KEY} but DER; `openssl pkey -pubin -inform DER` prints it",
    ),
    ([public_pem(), b" " * 70_000], "can't be read: larger than 64 KiB"),
]


@pytest.mark.parametrize(("parts", "message"), REFUSED, ids=range(len(REFUSED)))
def test_one_that_is_no_public_key_refuses_all(tmp_path: Path, parts: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, *parts)
    (problem,) = caught.value.problems
    assert problem.message.startswith(f"the key file {message}")
    assert (problem.path, problem.file) == ("an.entry", str(tmp_path / "key.pem"))


def test_a_key_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    """Older versions of cryptography can't tell it from a damaged one."""
    with pytest.raises(ConfigError, match=r"not an RSA key, which RS256 needs|it is damaged"):
        read(tmp_path, of_no_known_kind())


def test_a_name_that_is_none_is_refused_too() -> None:
    with pytest.raises(ConfigError, match="the key file can't be read: not a file name"):
        read_public_keys(["a\0b"])


def test_of_several_the_one_that_is_none_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, public_pem(), public_pem(EC_KEY))
    lines = public_pem().count(b"\n")
    assert str(caught.value).startswith(f"{tmp_path / 'key.pem'}:{lines + 1}: an.entry: the key")


def test_serve_takes_the_users_of_all_keys_and_says_that_one_is_a_certificate(
    tmp_path: Path,
) -> None:
    write(tmp_path, public_pem(OTHER) + certificate("tokens", rsa_key()))
    od_config = write_od_config(tmp_path, jwt_token_user={"jwtuserpublickeyfile": "key.pem"})
    with running_server(od_config) as running:
        for key, status in ((rsa_key(), 200), (OTHER, 200), (THIRD, 401)):
            headers = bearer(make_token(key=key))
            assert request(running.base_url + RTC_PATH, {}, headers).status == status
        assert (
            f"{tmp_path / 'key.pem'}: note: jwt_token_user.jwtuserpublickeyfile: "
            "the key file has a certificate; " in running.output
        )
