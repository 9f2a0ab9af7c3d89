"""The public keys of pyos's user tokens, from PEM files (RFC 7468)."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from abcwebrtc.errors import ConfigError, Problem

MAX_BYTES = 64 * 1024
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATES = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_PUBLIC = (b"PUBLIC KEY", b"RSA PUBLIC KEY")
_NO_KEY = "is not a PEM public key"
_PRIVATE = (
    f"{_NO_KEY}; it is the private one, of which `openssl pkey -pubout` prints the public half"
)


class PublicKeys(NamedTuple):
    """Keys in the order of their files, and what is to be known of these."""

    keys: Tuple[RSAPublicKey, ...]
    notes: Tuple[Problem, ...]


def read_public_keys(paths: Sequence[str], entry: str = "") -> PublicKeys:
    """Read PEM files of public keys, several in each, or of X.509 certificates with them.

    A certificate's key is taken, and a note says so; what else it says counts for
    nothing. That of an issuer of another in the file is left out: who can issue
    certificates is not who signs tokens. `entry` is the key path in od.config that
    names the files. Raises `ConfigError` for the first thing that is none of these.
    """
    keys: List[RSAPublicKey] = []
    notes: List[Problem] = []
    for path in paths:
        data, reason = _read(path)
        if reason:
            raise _error(reason, entry, path)
        found, certificates = _keys_in(data, entry, path)
        for key in found:
            keys += [] if key in keys else [key]
        if certificates:
            message = "has a certificate; its public key verifies the user tokens, and nothing else"
            notes.append(Problem(f"the key file {message}", entry, path, level="note"))
    return PublicKeys(tuple(keys), tuple(notes))


def _read(path: str) -> Tuple[bytes, str]:
    """Return the content of a file, or why there is none."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return b"", f"can't be read: {error.strerror}"
    except ValueError:  # a name with a NUL
        return b"", f"{_NO_KEY}, nor a file name"
    return (data, "") if len(data) <= MAX_BYTES else (b"", f"{_NO_KEY}; it is too large for one")


def _keys_in(data: bytes, entry: str, path: str) -> Tuple[List[RSAPublicKey], int]:
    """Return the keys in a file, and how many of its blocks are certificates."""
    if any(b"PRIVATE KEY" in match.group(1) for match in _BEGIN.finditer(data)):
        raise _error(_PRIVATE, entry, path)
    blocks = list(_BLOCK.finditer(data))
    if not blocks or len(blocks) != data.count(b"-----BEGIN "):
        raise _error(_NO_KEY + _instead(data), entry, path)
    certificates = [_certificate(match.group()) for match in blocks]
    issuers = {
        each.issuer for each in certificates if each is not None and each.issuer != each.subject
    }
    keys = []
    for match, certificate in zip(blocks, certificates):
        if certificate is not None and certificate.subject in issuers:
            continue
        key, reason = _key(match, certificate)
        if key is None:
            line = data.count(b"\n", 0, match.start()) + 1
            raise _error(reason, entry, path, line if len(blocks) > 1 else None)
        keys.append(key)
    if not keys:
        raise _error(f"{_NO_KEY}, but certificates that issue each other", entry, path)
    return keys, sum(each is not None for each in certificates)


def _certificate(block: bytes) -> Optional[x509.Certificate]:
    name = _BEGIN.match(block)
    if name is None or name.group(1) not in _CERTIFICATES:
        return None
    plain = block.replace(name.group(1) + b"-----", b"CERTIFICATE-----")
    try:
        certificate = x509.load_pem_x509_certificate(plain)
        bool(certificate.subject == certificate.issuer)  # they are read only now
    except ValueError:
        return None
    return certificate


def _key(
    match: "re.Match[bytes]", certificate: Optional[x509.Certificate]
) -> Tuple[Optional[RSAPublicKey], str]:
    """Return the key of a block, or why it has none."""
    kind = match.group(1).decode("ascii")
    try:
        key = certificate.public_key() if certificate else load_pem_public_key(match.group())
    except ValueError:
        known = match.group(1) in (*_PUBLIC, *_CERTIFICATES)
        return None, _NO_KEY + ("; it is damaged" if known else f", but a {kind}")
    if isinstance(key, RSAPublicKey):
        return key, ""
    return None, "is not an RSA key, which RS256 needs"


def _instead(data: bytes) -> str:
    """Return what a file without a whole block of PEM is, where that can be seen."""
    if b"-----BEGIN " in data:
        return "; it is cut off"
    if data.startswith((b"ssh-", b"ecdsa-")) or b"BEGIN SSH2" in data:
        return ", but OpenSSH's form; `ssh-keygen -e -m PKCS8 -f` prints it as PEM"
    if data.startswith(b"0\x82"):
        return ", but DER; `openssl pkey -pubin -inform DER` prints it as PEM"
    return ""


def _error(reason: str, entry: str, path: str, line: Optional[int] = None) -> ConfigError:
    return ConfigError(Problem(f"the key file {reason}", entry, path, line))
