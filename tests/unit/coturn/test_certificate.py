"""Certificates and keys: what is wrong in their files, and what a port's certificate says."""

from __future__ import annotations

import datetime
import ssl
from typing import Any, List, Optional, Tuple

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from abcwebrtc.coturn.certificate import MAX_NAMES, check_certificate, read_certificate
from abcwebrtc.errors import Problem
from support import private_pem, rsa_key
from support.certificates import ABOVE, CERT, HOST, KEY, NOW, issue

DAY = 86400.0
CA = trustme.CA()


def with_bytes(pem: bytes, old: bytes, new: bytes) -> bytes:
    """Return a certificate with some bytes changed, so that its signature is wrong."""
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    assert old in der
    return ssl.DER_cert_to_PEM_cert(der.replace(old, new)).encode()


def encrypted(style: Any = serialization.PrivateFormat.PKCS8) -> bytes:
    return rsa_key().private_bytes(
        serialization.Encoding.PEM, style, serialization.BestAvailableEncryption(b"pass phrase")
    )


def problems(
    cert: bytes = CERT,
    key: Optional[bytes] = KEY,
    password: bytes = b"",
    hosts: Tuple[str, ...] = (HOST,),
    now: float = NOW,
) -> List[Problem]:
    above = ABOVE if cert.count(b"CERTIFICATE-----") == 2 else b""  # one from BEGIN to END
    return check_certificate(cert + above, key, password, hosts, now)


def test_a_certificate_without_the_one_that_signed_it_is_a_warning() -> None:
    (found,) = check_certificate(CERT, KEY, b"", [HOST], NOW)
    assert (found.path, found.level) == ("cert", "warning")
    assert "append the intermediate certificates, as in fullchain.pem" in found.message


@pytest.mark.parametrize(
    "pem",
    [KEY + CERT, CERT + KEY, b"a line before\r\n" + CERT + KEY],
    ids=["key first", "certificate first", "a line before"],
)
def test_one_file_for_both_works(pem: bytes) -> None:
    assert problems(pem, pem) == []


def test_a_key_that_is_damaged_is_not_the_certificate_s_fault() -> None:
    pem = CERT + KEY[:200] + KEY[264:]
    (found,) = problems(pem, pem)
    assert (found.path, found.message) == ("pkey", "the key can't be read")


def test_a_real_authoritys_chain_is_good() -> None:
    issued = CA.issue_cert(HOST)
    cert = b"".join(pem.bytes() for pem in issued.cert_chain_pems) + CA.cert_pem.bytes()
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert problems(cert, issued.private_key_pem.bytes(), now=now) == []


def test_the_old_label_of_openssl_is_good() -> None:
    assert problems(CERT.replace(b" CERTIFICATE", b" X509 CERTIFICATE")) == []


# What `openssl x509 -trustout` appends to a certificate: nothing, -addtrust serverAuth, and
# -setalias hello -addreject emailProtection
TRUST = [
    "",
    "300c300a06082b06010505070301",
    "3013a00a06082b060105050703040c0568656c6c6f",
]


def trusted(pem: bytes, trust: str) -> bytes:
    """Return a certificate in the format of `openssl x509 -trustout`."""
    der = ssl.PEM_cert_to_DER_cert(pem.decode()) + bytes.fromhex(trust)
    return ssl.DER_cert_to_PEM_cert(der).replace(" CERT", " TRUSTED CERT").encode()


@pytest.mark.parametrize("trust", TRUST)
def test_a_trusted_certificate_is_read_as_coturn_does(trust: str) -> None:
    assert problems(trusted(CERT, trust) + trusted(ABOVE, trust)) == []
    (problem,) = problems(trusted(issue("other.domain.local"), trust))
    assert problem.message.startswith(f"the certificate is not for {HOST}, but for other.domain")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 300])
def test_a_trusted_certificate_that_is_cut_off_is_one_error(size: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(CERT.decode())[:size]
    check_unreadable(ssl.DER_cert_to_PEM_cert(der).replace("CERT", "TRUSTED CERT").encode())


@pytest.mark.parametrize("body", ["!", "\u00e9", "====", "a"])
def test_a_trusted_certificate_that_is_no_base64_is_one_error(body: str) -> None:
    label = "TRUSTED CERTIFICATE-----"
    check_unreadable(f"-----BEGIN {label}\n{body}\n-----END {label}\n".encode())


def check_unreadable(pem: bytes) -> None:
    (problem,) = problems(pem)
    assert (problem.path, problem.level) == ("cert", "error")
    assert problem.message == "holds a certificate that can't be read; create the file again"


def test_of_several_keys_the_first_counts() -> None:
    other = private_pem(rsa_key("another"))
    assert problems(key=KEY + other) == []
    assert problems(key=KEY + encrypted()) == []
    (problem,) = problems(key=other + KEY)
    assert "is not the key of the certificate" in problem.message
    (problem,) = problems(key=encrypted() + KEY)
    assert "the key is encrypted" in problem.message


@pytest.mark.parametrize(
    ("changes", "option", "words"),
    [
        ({"cert": b""}, "cert", "holds no certificate in PEM form; it is empty"),
        ({"cert": b"0\x82\x01"}, "cert", "looks like DER"),
        ({"cert": KEY}, "cert", "holds no certificate"),
        ({"cert": CERT[:200] + CERT[260:]}, "cert", "can't be read"),
        ({"key": b""}, "pkey", "holds no private key in PEM form; it is empty"),
        ({"key": CERT}, "pkey", "holds no private key"),
        ({"key": private_pem(rsa_key("another"))}, "pkey", "is not the key of the certificate"),
        ({"key": encrypted()}, "pkey", "the key is encrypted; write its password as pkey-pwd"),
        ({"key": encrypted(), "password": b"other"}, "pkey", "pkey-pwd is not the password"),
        ({"now": NOW + 91 * DAY}, "cert", "expired on 2024-02-12; renew it"),
        ({"now": NOW - 2 * DAY}, "cert", "is not valid before 2023-11-13"),
        ({"hosts": ("other.local",)}, "cert", "is not for other.local, but for " + HOST),
        ({"hosts": ("192.0.2.1",)}, "cert", "is not for 192.0.2.1, but for " + HOST),
        ({"cert": issue()}, "cert", "has no subjectAltName"),
    ],
)
def test_what_is_wrong_is_said_in_one_error(changes: Any, option: str, words: str) -> None:
    (problem,) = problems(**changes)
    assert (problem.path, problem.level) == (option, "error")
    assert words in problem.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"now": NOW + 80 * DAY}, "expires on 2024-02-12"),
        ({"cert": issue(HOST, issuer="turn")}, "is self-signed"),
        ({"cert": CERT + issue(HOST, subject="somebody else")}, "out of order"),
    ],
)
def test_what_is_unwise_is_a_warning(changes: Any, words: str) -> None:
    (problem,) = problems(**changes)
    assert (problem.path, problem.level) == ("cert", "warning")
    assert words in problem.message


@pytest.mark.parametrize(
    "style", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_an_encrypted_key_with_its_password_is_good(style: Any) -> None:
    assert problems(key=encrypted(style), password=b"pass phrase") == []


def test_a_password_for_a_key_without_one_is_no_matter() -> None:
    assert problems(password=b"of no use") == []


def test_a_key_that_is_not_known_is_not_judged() -> None:
    assert problems(key=None) == []


@pytest.mark.parametrize(
    ("names", "host", "good"),
    [
        ([HOST.upper()], HOST, True),
        ([HOST], HOST.upper() + ".", True),
        (["*.domain.local"], HOST, True),
        (["*.domain.local"], "domain.local", False),
        (["*.domain.local"], "a.turn.domain.local", False),
        (["domain.local"], HOST, False),
        (["192.0.2.1"], "192.0.2.2", False),
        (["2001:db8::1"], "2001:DB8:0::1", True),
        ([HOST, "192.0.2.1"], "192.0.2.1", True),
    ],
)
def test_a_host_is_found_among_the_names(names: List[str], host: str, good: bool) -> None:
    assert (problems(issue(*names), hosts=(host,)) == []) is good


def test_every_host_that_is_missing_is_said() -> None:
    first, second = problems(hosts=("a.local", HOST, "b.local"))
    assert ("a.local" in first.message, "b.local" in second.message) == (True, True)


def test_no_problem_shows_a_key_or_a_password() -> None:
    shown = str(problems(key=encrypted(), password=b"a-secret-password"))
    assert "a-secret-password" not in shown
    assert "BEGIN" not in shown


# certificates that are damaged


def test_a_name_that_can_not_be_read_is_one_message() -> None:
    pem = with_bytes(issue(HOST, issuer="an issuer"), b"an issuer", b"an \xff\xff\xff\xff\xff\xff")
    check_unreadable(pem)
    with pytest.raises(ValueError):
        read_certificate([ssl.PEM_cert_to_DER_cert(pem.decode())])


def test_two_extensions_of_a_kind_are_as_none() -> None:
    again = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\x30\x00")
    pem = with_bytes(issue(HOST, more=(again,)), b"\x06\x03\x55\x1d\x63", b"\x06\x03\x55\x1d\x11")
    assert ["has no subjectAltName" in one.message for one in problems(pem, None)] == [True]
    assert read_certificate([ssl.PEM_cert_to_DER_cert(pem.decode())]).names == ()


# the certificate of a port


def test_what_a_server_says_of_itself_is_safe_for_a_terminal() -> None:
    names = ["192.0.2.1", *(f"{number}.local" for number in range(MAX_NAMES))]
    chain = [issue(*names, subject="\x1b[31m" + "x" * 57, issuer="\u202ea root"), ABOVE]
    seen = read_certificate([ssl.PEM_cert_to_DER_cert(pem.decode()) for pem in chain], 20, "no")
    assert seen.subject == r"\x1b[31m" + "x" * 57
    assert seen.issuer == r"\u202ea root"
    assert seen.names == tuple(names[:MAX_NAMES])
    assert seen.chain == (seen.subject, "an issuer")
    assert (seen.not_before, seen.not_after) == (NOW - DAY, NOW + 90 * DAY)
    assert seen.days_left(NOW) == 90
    assert (seen.verify_error, seen.verify_message) == (20, "no")
