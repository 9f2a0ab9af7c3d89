"""A TURN server's certificate with its key, valid around a fixed time, and others like it."""

from __future__ import annotations

import datetime
import ipaddress
import warnings
from typing import Any, Tuple

from support import private_pem, rsa_key

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cryptography warns about Python 3.8
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

NOW = 1700000000.0
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20)  # NOW, in UTC
HOST = "turn.domain.local"


def issue(
    *names: str,
    days: Tuple[int, int] = (-1, 90),
    subject: str = "turn",
    issuer: str = "an issuer",
    more: Tuple[Any, ...] = (),
    key: Any = None,
) -> bytes:
    """Return a PEM certificate of `key`, or `rsa_key()`, for names, valid for days from NOW.

    `more` are additional extensions.
    """
    builder = x509.CertificateBuilder(
        _common_name(issuer),
        _common_name(subject),
        (key or rsa_key()).public_key(),
        7,
        MOMENT + datetime.timedelta(days=days[0]),
        MOMENT + datetime.timedelta(days=days[1]),
    )
    alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
    for extension in (*([alternative] if names else []), *more):
        builder = builder.add_extension(extension, critical=False)
    made = builder.sign(rsa_key("issuer"), hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(name: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


KEY = private_pem()
CERT = issue(HOST)
ABOVE = issue("an authority", subject="an issuer", issuer="a root")
"""The issuer of `CERT`, which follows it in the file."""
