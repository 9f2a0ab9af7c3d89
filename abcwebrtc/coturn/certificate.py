"""The certificate and the key of a TURN server, judged without a connection.

Pure: contents of PEM files in, findings out. cryptography is imported only
when it is needed.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import warnings
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CERT, KEY = "cert", "pkey"
"""coturn's options for the two files."""
EXPIRES_SOON = timedelta(days=14)

_BEGIN = re.compile(rb"-----BEGIN (?P<label>[A-Z0-9 ]+)-----\s")
_BEGIN_TRUSTED = b"-----BEGIN TRUSTED CERTIFICATE-----"
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")


class Finding(NamedTuple):
    """What is wrong with a file: `option` is `CERT` or `KEY`, `level` "error" or "warning"."""

    option: str
    level: str
    message: str


def check_certificate(
    cert: bytes, key: Optional[bytes], password: bytes, hosts: Iterable[str], now: float
) -> List[Finding]:
    """Return what is wrong with a certificate and its key, which may be one file twice.

    `cert` and `key` are the contents of the PEM files, `key` None where it is
    not known; `password` is that of the key, empty for none; `hosts` are names
    and IP addresses that clients use; `now` is in unix seconds. Of `cert` the
    first certificate counts, as it does for coturn.
    """
    chain, finding = _certificates(cert)
    if finding:
        return [finding]
    found = [*_validity(chain[0], now), *_names(chain[0], hosts), *_chain(chain)]
    return found + (_key(chain[0], key, password) if key is not None else [])


def _error(option: str, message: str) -> Finding:
    return Finding(option, "error", message)


def _blocks(pem: bytes, suffixes: Sequence[bytes]) -> List[bytes]:
    """Return the blocks whose label ends in one of the suffixes, from BEGIN to END."""
    found: List[bytes] = []
    unfinished: Set[bytes] = set()  # each is looked for once, or broken files take hours
    begin = _BEGIN.search(pem)
    while begin:
        label, at = begin.group("label"), begin.end()
        last = b"-----END " + label + b"-----"
        end = -1 if label in unfinished else pem.find(last, at)
        if end < 0:
            unfinished.add(label)
        else:
            at = end + len(last)
            found += [pem[begin.start() : at]] if label.endswith(tuple(suffixes)) else []
        begin = _BEGIN.search(pem, at)
    return found


def _certificates(pem: bytes) -> Tuple[List["Certificate"], Optional[Finding]]:
    blocks = _blocks(pem, _CERTIFICATES)
    if not blocks:
        return [], _error(CERT, f"holds no certificate in PEM form{_instead(pem)}")
    try:
        chain = [_certificate(block) for block in blocks]
        for cert in chain:  # which is read where it is asked for
            _ = cert.issuer, cert.subject, _period(cert)
        return chain, None
    except ValueError:
        return [], _error(CERT, "holds a certificate that can't be read; make the file again")


def _certificate(pem: bytes) -> "Certificate":
    """Return a certificate; `ValueError` when it can't be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography warns of Python 3.8
        from cryptography import x509
    if not pem.startswith(_BEGIN_TRUSTED):
        return x509.load_pem_x509_certificate(pem)
    _, *lines, _ = pem.splitlines()
    return x509.load_der_x509_certificate(_first_element(base64.b64decode(b"".join(lines))))


def _first_element(der: bytes) -> bytes:
    """Return the first element of some DER (X.690, 8.1.3); what OpenSSL adds is another one."""
    length, start = int.from_bytes(der[1:2], "big"), 2
    if length > 0x7F:
        start += length - 0x80
        length = int.from_bytes(der[2:start], "big")
    return der[: start + length]


def _instead(content: bytes) -> str:
    if content[:1] == b"0":
        return "; it looks like DER: convert it with openssl x509 -inform DER -outform PEM"
    return "; it is empty" if not content.strip() else ""


def _validity(cert: "Certificate", now: float) -> List[Finding]:
    moment = datetime.fromtimestamp(now, timezone.utc)
    first, last = _period(cert)
    if last < moment:
        return [_error(CERT, f"the certificate expired on {last:%Y-%m-%d}; renew it")]
    if first > moment:
        return [_error(CERT, f"the certificate is not valid before {first:%Y-%m-%d %H:%M} UTC")]
    if last - moment < EXPIRES_SOON:
        return [Finding(CERT, "warning", f"the certificate expires on {last:%Y-%m-%d}; renew it")]
    return []


def _period(cert: "Certificate") -> Tuple[datetime, datetime]:
    return cert.not_valid_before_utc, cert.not_valid_after_utc


def _names(cert: "Certificate", hosts: Iterable[str]) -> List[Finding]:
    from cryptography import x509

    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        message = "the certificate has no subjectAltName, and browsers look at nothing else"
        return [_error(CERT, message)]
    dns: List[str] = names.get_values_for_type(x509.DNSName)
    addresses: List[Any] = names.get_values_for_type(x509.IPAddress)
    known = ", ".join([*dns, *map(str, addresses)])
    return [
        _error(CERT, f"the certificate is not for {host}, but for {known or 'no host at all'}")
        for host in hosts
        if not _is_for(host, dns, addresses)
    ]


def _is_for(host: str, names: Iterable[str], addresses: Sequence[Any]) -> bool:
    """Say whether a certificate is for a host (RFC 9525; a ``*`` is one whole label)."""
    try:
        return ipaddress.ip_address(host) in addresses
    except ValueError:
        wanted = host.lower().rstrip(".")
    _, _, parent = wanted.partition(".")
    return any(name.lower() in (wanted, f"*.{parent}") for name in names)


def _chain(chain: Sequence["Certificate"]) -> List[Finding]:
    cert = chain[0]
    if cert.issuer == cert.subject:
        message = "the certificate is signed by itself, and browsers don't trust it"
        return [Finding(CERT, "warning", message)]
    for below, above in zip(chain, chain[1:]):
        if below.issuer != above.subject:
            message = "the chain is out of order: each certificate comes before the one that signed"
            return [Finding(CERT, "warning", message)]
    return _lonely(chain)


def _lonely(chain: Sequence["Certificate"]) -> List[Finding]:
    """Note a certificate alone, which clients can't follow to a root unless a root signed it."""
    if len(chain) > 1:
        return []
    message = (
        "the certificate is alone, and the one that signed it is not below it in the file: unless "
        "that is a root which browsers know, they refuse it; append the certificates between, as "
        "in fullchain.pem"
    )
    return [Finding(CERT, "warning", message)]


def _key(cert: "Certificate", pem: bytes, password: bytes) -> List[Finding]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key, finding = _private_key(pem, password)
    if finding:
        return [finding]
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        public = cert.public_key().public_bytes(*form)
    except (ValueError, UnsupportedAlgorithm):
        return [_error(CERT, "the certificate has a kind of key that can't be read")]
    if key.public_key().public_bytes(*form) != public:
        return [_error(KEY, "is not the key of the certificate, and coturn has no TLS with it")]
    return []


def _private_key(pem: bytes, password: bytes) -> Tuple[Any, Optional[Finding]]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    blocks = _blocks(pem, (b"PRIVATE KEY",))
    if not blocks:
        return None, _error(KEY, f"holds no private key in PEM form{_instead(pem)}")
    encrypted = b"ENCRYPTED" in blocks[0]
    if encrypted and not password:
        message = "the key is encrypted; write its password as pkey-pwd, or take it off"
        return None, _error(KEY, message)
    try:
        return load_pem_private_key(blocks[0], password if encrypted else None), None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass  # this exception may speak of what is in the key
    message = "pkey-pwd is not the password of the key" if encrypted else "the key can't be read"
    return None, _error(KEY, message)
