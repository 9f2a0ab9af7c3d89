"""What stands in a certificate that a server sent."""

from __future__ import annotations

import ipaddress
import warnings
from datetime import datetime, timezone
from typing import Any, Sequence, Tuple

from abcwebrtc.probe.model import Certificate

MAX_NAMES = 20
"""More names than this in a certificate are not kept."""


def read_certificate(
    chain: Sequence[bytes], verify_error: int = 0, verify_message: str = ""
) -> Certificate:
    """Return what the first certificate of a chain says; each is DER.

    Raises `ValueError` when it can't be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of certificates and Pythons that are out of date
        from cryptography import x509

        found = [x509.load_der_x509_certificate(der) for der in chain]
        first = found[0]
        return Certificate(
            subject=_name(first.subject),
            issuer=_name(first.issuer),
            names=_names(first),
            not_before=_unix(first, "not_valid_before"),
            not_after=_unix(first, "not_valid_after"),
            chain=tuple(_name(one.subject) for one in found),
            verify_error=verify_error,
            verify_message=verify_message,
        )


def _name(name: Any) -> str:
    """Return the common name, or the whole name where there is none."""
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[0].value) if common else name.rfc4514_string()
    return printable(text) or "(no name)"


def _names(certificate: Any) -> Tuple[str, ...]:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    names = [
        one.value for one in extension.value if isinstance(one, (x509.DNSName, x509.IPAddress))
    ]
    texts = [str(one) if isinstance(one, _ADDRESSES) else printable(one) for one in names]
    return tuple(texts[:MAX_NAMES])


_ADDRESSES = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
)


def _unix(certificate: Any, name: str) -> int:
    """Return a moment in unix seconds; before version 42 of cryptography it had no zone."""
    moment: datetime = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    return int(moment.replace(tzinfo=timezone.utc).timestamp())


def printable(text: str, length: int = 80) -> str:
    """Return what a server says of itself, made safe for a terminal."""
    kept = "".join(char if char.isprintable() else "?" for char in text)
    return kept if len(kept) <= length else kept[: length - 3] + "..."
