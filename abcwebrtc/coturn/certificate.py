"""Reads certificates and keys, from PEM files or from a TLS port, and says what is wrong with them.

Nothing here opens a file or a connection. cryptography is imported where it is needed.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import warnings
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import (
    TYPE_CHECKING,
    Any,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from abcwebrtc.errors import Problem
from abcwebrtc.texts import harmless
from abcwebrtc.times import iso_text

if TYPE_CHECKING:
    from cryptography import x509

CERT, KEY = "cert", "pkey"
"""coturn's options for the two files."""
SOON = 14
"""Days: a certificate that expires sooner gets a warning."""
MIN_RSA_BITS = 2048
"""OpenSSL with Debian's setting (security level 2) refuses a shorter key: coturn has no TLS."""
CURVES = ("secp256r1", "secp384r1")
"""Chromium supports no other elliptic curve for TLS."""
MAX_NAMES = 20
"""The most names of a certificate that are kept."""
CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
"""The labels that OpenSSL, and so coturn, accepts for a certificate."""


# the content of a file


class Block(NamedTuple):
    """A block of PEM (RFC 7468): its label, its text from BEGIN to END, and the line of BEGIN."""

    label: str
    text: bytes
    line: int


def pem_blocks(pem: bytes) -> List[Block]:
    """Return the complete blocks of a PEM file, without one that the next one interrupts."""
    before, *pieces = pem.split(b"-----BEGIN ")
    found, line = [], 1 + before.count(b"\n")
    for piece in pieces:
        label, _, rest = piece.partition(b"-----")
        last = b"-----END " + label + b"-----"
        body, end, _ = rest.partition(last)
        if end:
            text = b"-----BEGIN " + label + b"-----" + body + last
            found.append(Block(label.decode("ascii", "replace"), text, line))
        line += piece.count(b"\n")
    return found


def load_certificate(block: Block) -> x509.Certificate:
    """Return the certificate of a block with one of the `CERTIFICATES` labels.

    Raises `ValueError` when it can't be read.
    """
    with _quiet():
        from cryptography import x509

        if block.label == "TRUSTED CERTIFICATE":  # OpenSSL's trust settings follow it
            der = base64.b64decode(b"".join(block.text.splitlines()[1:-1]))
            return _read(x509.load_der_x509_certificate(_first_element(der)))
        return _read(x509.load_pem_x509_certificate(block.text))


def _read(certificate: x509.Certificate) -> x509.Certificate:
    """Return a certificate after reading the parts that cryptography reads only on demand."""
    _ = certificate.issuer, certificate.subject
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return certificate


def _first_element(der: bytes) -> bytes:
    """Return the first element of some DER (X.690, 8.1.3)."""
    length, start = int.from_bytes(der[1:2], "big"), 2
    if length > 0x7F:
        start += length - 0x80
        length = int.from_bytes(der[2:start], "big")
    return der[: start + length]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence cryptography's warnings about outdated certificates and Pythons."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# the certificate of a TLS port


@dataclass(frozen=True)
class Certificate:
    """A TLS certificate: `chain` holds the subjects that the server sent, its own first.

    `not_before` and `not_after` are in unix seconds. `verify_error` is OpenSSL's
    X509_V_ERR number, 0 if the certificate is trusted.
    """

    subject: str
    issuer: str
    names: Tuple[str, ...]
    not_before: int
    not_after: int
    chain: Tuple[str, ...] = ()
    verify_error: int = 0
    verify_message: str = ""

    def days_left(self, now: float) -> int:
        """Return the whole days until it expires, negative after that."""
        return int((self.not_after - now) // 86400)


def read_certificate(
    chain: Sequence[bytes], verify_error: int = 0, verify_message: str = ""
) -> Certificate:
    """Return the first certificate of a chain of DER.

    Raises `ValueError` when it can't be read.
    """
    with _quiet():
        from cryptography import x509

        found = [_read(x509.load_der_x509_certificate(der)) for der in chain]
        first = found[0]
        return Certificate(
            subject=_name_text(first.subject),
            issuer=_name_text(first.issuer),
            names=tuple(harmless(str(name)) for name in _names(first) or ())[:MAX_NAMES],
            not_before=int(first.not_valid_before_utc.timestamp()),
            not_after=int(first.not_valid_after_utc.timestamp()),
            chain=tuple(_name_text(one.subject) for one in found),
            verify_error=verify_error,
            verify_message=verify_message,
        )


def _name_text(name: x509.Name) -> str:
    """Return the common name, or the whole name if there is none."""
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return harmless(text) or "(no name)"


def _names(certificate: x509.Certificate) -> Optional[List[Any]]:
    """Return the DNS names and IP addresses of a certificate; None without a subjectAltName."""
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    return [one.value for one in extension.value if isinstance(one, (x509.DNSName, x509.IPAddress))]


# the files of a server


def check_certificate(
    cert: bytes, key: Optional[bytes], password: Optional[bytes], hosts: Iterable[str], now: float
) -> List[Problem]:
    """Return what is wrong with a certificate and its key, which may be in the same file.

    `cert` and `key` are the contents of the PEM files; `key` is None if it is not known.
    `password` decrypts the key: empty for none, None if the server has no option for one.
    `hosts` holds the names and IP addresses that clients use; `now` is in unix seconds.
    The first certificate of `cert` counts, as it does for coturn. The `path` of a problem
    is `CERT` or `KEY`.
    """
    blocks = [block for block in pem_blocks(cert) if block.label in CERTIFICATES]
    if not blocks:
        return [Problem(f"holds no certificate in PEM form{_instead(cert)}", CERT)]
    with _quiet():
        try:
            chain = [load_certificate(block) for block in blocks]
        except ValueError:
            message = "holds a certificate that can't be read; create the file again"
            return [Problem(message, CERT)]
        found = [*_validity(chain[0], now), *_strange_hosts(chain[0], hosts), *_order(chain)]
        found += _kind_of_key(chain[0])
        return found + (_key(chain[0], key, password) if key is not None else [])


def _warning(message: str) -> Problem:
    return Problem(message, CERT, level="warning")


def _instead(content: bytes) -> str:
    if content[:1] == b"0":
        return "; it looks like DER: convert it with openssl x509 -inform DER -outform PEM"
    return "; it is empty" if not content.strip() else ""


def _validity(certificate: x509.Certificate, now: float) -> Iterator[Problem]:
    moment = datetime.fromtimestamp(now, timezone.utc)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if last < moment:
        yield Problem(f"the certificate expired on {last:%Y-%m-%d}; renew it", CERT)
    elif first > moment:
        yield Problem(f"the certificate is not valid before {iso_text(first.timestamp())}", CERT)
    elif (last - moment).days < SOON:
        yield _warning(f"the certificate expires on {last:%Y-%m-%d}; renew it")


def _strange_hosts(certificate: x509.Certificate, hosts: Iterable[str]) -> Iterator[Problem]:
    names = _names(certificate)
    if names is None:
        message = "the certificate has no subjectAltName, the only name that browsers look at"
        yield Problem(f"{message}; issue one that has it", CERT)
        return
    known = ", ".join(map(str, names)) or "no host at all"
    for host in hosts:
        if not _is_for(host, names):
            yield Problem(f"the certificate is not for {host}, but for {known}", CERT)


def _is_for(host: str, names: Sequence[Any]) -> bool:
    """Return whether a certificate is for a host (RFC 9525; a ``*`` is one whole label)."""
    try:
        return ipaddress.ip_address(host) in names
    except ValueError:
        wanted = host.lower().rstrip(".")
    _, _, parent = wanted.partition(".")
    return any(str(name).lower() in (wanted, f"*.{parent}") for name in names)


def _order(chain: Sequence[x509.Certificate]) -> Iterator[Problem]:
    """Yield that clients can't follow a chain to a root."""
    if chain[0].issuer == chain[0].subject:
        yield _warning("the certificate is self-signed, so browsers don't trust it")
    elif any(below.issuer != above.subject for below, above in zip(chain, chain[1:])):
        message = "the chain is out of order; write each certificate above the one that signed it"
        yield _warning(message)
    elif len(chain) == 1:
        yield _warning(
            "the certificate is alone in the file, without the one that signed it: browsers refuse "
            "it unless a root that they know signed it; append the intermediate certificates, as "
            "in fullchain.pem"
        )


def _kind_of_key(certificate: x509.Certificate) -> Iterator[Problem]:
    """Yield that OpenSSL or browsers refuse a kind of key, whoever signed the certificate."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return  # `_key` reports it when it compares it with the private key
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            what = f"the certificate has an RSA key of {key.key_size} bits"
            why = f"OpenSSL with Debian's setting refuses fewer than {MIN_RSA_BITS}"
            yield Problem(f"{what}, and {why}, so there is no TLS; use a longer key", CERT)
    elif not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        what = f"the certificate's key is neither RSA nor on the curves {' and '.join(CURVES)}"
        yield Problem(f"{what}, the only ones that Chromium supports; use one of these", CERT)


def _key(certificate: x509.Certificate, pem: bytes, password: Optional[bytes]) -> List[Problem]:
    """Return what is wrong with the first key of a file."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    block = next((one for one in pem_blocks(pem) if one.label.endswith("PRIVATE KEY")), None)
    if block is None:
        return [Problem(f"holds no private key in PEM form{_instead(pem)}", KEY)]
    encrypted = b"ENCRYPTED" in block.text
    if encrypted and not password:
        cure = "give one without a pass phrase"
        if password is not None:
            cure = "write its password as pkey-pwd, or remove the password"
        return [Problem(f"the key is encrypted; {cure}", KEY)]
    key: Any = None
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = load_pem_private_key(block.text, password if encrypted else None)
    if key is None:  # no exception is kept, since it may quote the key
        wrong = "pkey-pwd is not the password of the key" if encrypted else "the key can't be read"
        return [Problem(wrong, KEY)]
    try:
        if key.public_key() == certificate.public_key():
            return []
    except (ValueError, UnsupportedAlgorithm):
        return [Problem("the certificate has a kind of key that can't be read", CERT)]
    return [Problem("is not the key of the certificate, so there is no TLS", KEY)]
