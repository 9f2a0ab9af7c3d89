"""A certificate and its key, judged from their files."""

from __future__ import annotations

import datetime
import ssl
import warnings
from typing import Any, List, Optional, Tuple

import pytest
import trustme

from abcwebrtc.coturn.certificate import check_certificate, read_certificate
from abcwebrtc.errors import Problem
from support import private_pem, rsa_key

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cryptography warns of Python 3.8
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

NOW = 1700000000.0
DAY = 86400.0
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20)  # NOW, in UTC
HOST = "turn.domain.local"
CA = trustme.CA()


def issue(*names: str, days: Tuple[int, int] = (-1, 90), **changes: Any) -> bytes:
    """Return a certificate of `rsa_key()` for names, valid for days from NOW."""
    import ipaddress

    def general(name: str) -> Any:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, changes.get("subject", "turn"))])
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, changes.get("issuer", "an issuer"))]
    )
    builder = x509.CertificateBuilder(
        issuer,
        subject,
        rsa_key().public_key(),
        7,
        MOMENT + datetime.timedelta(days=days[0]),
        MOMENT + datetime.timedelta(days=days[1]),
    )
    if names:
        alternative = x509.SubjectAlternativeName([general(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    made = builder.sign(rsa_key("issuer"), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def with_bytes(pem: bytes, old: bytes, new: bytes) -> bytes:
    """Return a certificate with some of its bytes changed; its signature is wrong then."""
    der = ssl.PEM_cert_to_DER_cert(pem.decode())
    assert old in der
    return ssl.DER_cert_to_PEM_cert(der.replace(old, new)).encode()


def encrypted(style: Any = serialization.PrivateFormat.PKCS8) -> bytes:
    return rsa_key().private_bytes(
        serialization.Encoding.PEM, style, serialization.BestAvailableEncryption(b"pass phrase")
    )


KEY = private_pem()
CERT = issue(HOST)
ABOVE = issue("an authority", subject="an issuer", issuer="a root")
"""What signed `CERT`, and belongs below it in the file."""


def findings(
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
    assert "append the certificates between, as in fullchain.pem" in found.message


def test_a_good_pair_has_no_findings() -> None:
    assert findings() == []


@pytest.mark.parametrize(
    "pem",
    [KEY + CERT, CERT + KEY, b"a line before\r\n" + CERT + KEY],
    ids=["key first", "certificate first", "a line before"],
)
def test_one_file_for_both_works(pem: bytes) -> None:
    assert findings(pem, pem) == []


def test_a_real_authoritys_chain_is_good() -> None:
    issued = CA.issue_cert(HOST)
    cert = b"".join(pem.bytes() for pem in issued.cert_chain_pems) + CA.cert_pem.bytes()
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    assert findings(cert, issued.private_key_pem.bytes(), now=now) == []


def test_the_old_label_of_openssl_is_good() -> None:
    assert findings(CERT.replace(b" CERTIFICATE", b" X509 CERTIFICATE")) == []


# What `openssl x509 -trustout` puts behind a certificate: nothing, -addtrust serverAuth, and
# -setalias hello -addreject emailProtection
TRUST = [
    "",
    "300c300a06082b06010505070301",
    "3013a00a06082b060105050703040c0568656c6c6f",
]


def trusted(pem: bytes, trust: str) -> bytes:
    """Return a certificate in the form of `openssl x509 -trustout`."""
    der = ssl.PEM_cert_to_DER_cert(pem.decode()) + bytes.fromhex(trust)
    return ssl.DER_cert_to_PEM_cert(der).replace(" CERT", " TRUSTED CERT").encode()


@pytest.mark.parametrize("trust", TRUST)
def test_a_trusted_certificate_is_read_as_coturn_does(trust: str) -> None:
    assert findings(trusted(CERT, trust) + trusted(ABOVE, trust)) == []
    (finding,) = findings(trusted(issue("other.domain.local"), trust))
    assert finding.message.startswith(f"the certificate is not for {HOST}, but for other.domain")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 300])
def test_a_trusted_certificate_that_is_cut_off_is_one_error(size: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(CERT.decode())[:size]
    pem = ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "TRUSTED CERTIFICATE").encode()
    (finding,) = findings(pem)
    assert (finding.path, finding.level) == ("cert", "error")
    assert finding.message == "holds a certificate that can't be read; make the file again"


@pytest.mark.parametrize("body", ["!", "\u00e9", "====", "MIIB\nA", "a"])
def test_a_trusted_certificate_that_is_no_base64_is_one_error(body: str) -> None:
    label = "TRUSTED CERTIFICATE-----"
    pem = f"-----BEGIN {label}\n{body}\n-----END {label}\n".encode()
    (finding,) = findings(pem)
    assert finding.message == "holds a certificate that can't be read; make the file again"


def test_of_several_keys_the_first_counts() -> None:
    other = private_pem(rsa_key("another"))
    assert findings(key=KEY + other) == []
    assert findings(key=KEY + encrypted()) == []
    (finding,) = findings(key=other + KEY)
    assert "is not the key of the certificate" in finding.message
    (finding,) = findings(key=encrypted() + KEY)
    assert "the key is encrypted" in finding.message


@pytest.mark.parametrize(
    ("changes", "option", "words"),
    [
        ({"cert": b""}, "cert", "holds no certificate in PEM form; it is empty"),
        ({"cert": b"hello"}, "cert", "holds no certificate in PEM form"),
        ({"cert": b"0\x82\x01"}, "cert", "looks like DER"),
        ({"cert": KEY}, "cert", "holds no certificate"),
        ({"cert": CERT[:200] + CERT[260:]}, "cert", "can't be read"),
        ({"key": b""}, "pkey", "holds no private key in PEM form; it is empty"),
        ({"key": CERT}, "pkey", "holds no private key"),
        ({"key": KEY[:200] + KEY[264:]}, "pkey", "the key can't be read"),
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
    (finding,) = findings(**changes)
    assert (finding.path, finding.level) == (option, "error")
    assert words in finding.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"now": NOW + 80 * DAY}, "expires on 2024-02-12"),
        ({"cert": issue(HOST, issuer="turn")}, "is signed by itself"),
        ({"cert": CERT + issue(HOST, subject="somebody else")}, "out of order"),
    ],
)
def test_what_is_unwise_is_a_warning(changes: Any, words: str) -> None:
    (finding,) = findings(**changes)
    assert (finding.path, finding.level) == ("cert", "warning")
    assert words in finding.message


@pytest.mark.parametrize(
    "style", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
def test_an_encrypted_key_with_its_password_is_good(style: Any) -> None:
    assert findings(key=encrypted(style), password=b"pass phrase") == []


def test_a_password_for_a_key_without_one_is_no_matter() -> None:
    assert findings(password=b"of no use") == []


def test_a_key_that_is_not_known_is_not_judged() -> None:
    assert findings(key=None) == []


@pytest.mark.parametrize(
    ("names", "host", "good"),
    [
        ([HOST], HOST, True),
        ([HOST.upper()], HOST, True),
        ([HOST], HOST.upper() + ".", True),
        (["*.domain.local"], HOST, True),
        (["*.domain.local"], "domain.local", False),
        (["*.domain.local"], "a.turn.domain.local", False),
        (["*.local"], HOST, False),
        (["domain.local"], HOST, False),
        (["192.0.2.1"], "192.0.2.1", True),
        (["192.0.2.1"], "192.0.2.2", False),
        (["2001:db8::1"], "2001:DB8:0::1", True),
        ([HOST, "192.0.2.1"], "192.0.2.1", True),
    ],
)
def test_a_host_is_found_among_the_names(names: List[str], host: str, good: bool) -> None:
    assert (findings(issue(*names), hosts=(host,)) == []) is good


def test_every_host_that_is_missing_is_said() -> None:
    messages = [finding.message for finding in findings(hosts=("a.local", HOST, "b.local"))]
    assert ["a.local" in messages[0], "b.local" in messages[1], len(messages)] == [True, True, 2]


def test_no_finding_shows_a_key_or_a_password() -> None:
    shown = str(findings(key=encrypted(), password=b"a-secret-password"))
    assert "a-secret-password" not in shown
    assert "BEGIN" not in shown


# certificates that are damaged


def test_a_name_that_can_not_be_read_is_one_message() -> None:
    pem = with_bytes(issue(HOST, issuer="an issuer"), b"an issuer", b"an \xff\xff\xff\xff\xff\xff")
    (found,) = check_certificate(pem, None, b"", [HOST], NOW)
    assert (found.path, found.level) == ("cert", "error")
    assert "holds a certificate that can't be read" in found.message


SAME_NAMES = b"\x06\x03\x55\x1d\x11"
OTHER = b"\x06\x03\x55\x1d\x63"


def twice_the_same_extension() -> bytes:
    """Return a certificate with two subjectAltName, which no tool would make."""
    again = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\x30\x00")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "turn")])
    start, end = (MOMENT + datetime.timedelta(days=days) for days in (-1, 90))
    builder = x509.CertificateBuilder(name, name, rsa_key().public_key(), 7, start, end)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), False)
    made = builder.add_extension(again, False).sign(rsa_key(), hashes.SHA256())
    return with_bytes(made.public_bytes(serialization.Encoding.PEM), OTHER, SAME_NAMES)


def test_two_extensions_of_a_kind_are_as_none() -> None:
    pem = twice_the_same_extension()
    assert any(
        "has no subjectAltName" in one.message
        for one in check_certificate(pem, None, b"", [HOST], NOW)
    )
    shown = read_certificate([ssl.PEM_cert_to_DER_cert(pem.decode())], 0, "")
    assert shown.names == ()
