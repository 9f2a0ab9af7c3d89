"""What a certificate that a server sent means. Nothing is contacted."""

from __future__ import annotations

from typing import Iterator, Optional

from abcwebrtc.coturn.certificate import SOON, Certificate
from abcwebrtc.probe.causes import clause, in_brackets, said
from abcwebrtc.probe.model import Diagnosis
from abcwebrtc.times import duration_text, utc_text

NOT_YET_VALID, EXPIRED = 9, 10
SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 18, 19
UNKNOWN_ISSUER = (2, 20, 21)
WRONG_NAME = (62, 64)
"""OpenSSL's X509_V_ERR numbers."""


def certificate_diagnoses(
    certificate: Optional[Certificate], host: str, now: float
) -> Iterator[Diagnosis]:
    """Yield what is wrong with a certificate at `now`, in unix seconds."""
    if certificate is None:
        return
    subject, ends = certificate.subject, certificate.not_after
    if ends < now:
        ago = duration_text(now - ends)
        yield said("certificate-expired", subject=subject, ago=ago, end=utc_text(ends))
    elif certificate.days_left(now) < SOON:
        left = certificate.days_left(now)
        yield said("certificate-ends-soon", subject=subject, days=left, end=utc_text(ends))
    if certificate.verify_error == EXPIRED and certificate.not_after >= now:
        yield _distrusted(certificate, clause("chain-ended"))
    elif certificate.verify_error not in (0, EXPIRED):
        yield _distrust(certificate, host)


def unread_certificate(detail: str) -> Diagnosis:
    """Return what a certificate means that is not trusted, and could not be read."""
    return said("certificate-untrusted/unread", detail=in_brackets(detail))


def _distrust(certificate: Certificate, host: str) -> Diagnosis:
    code, subject = certificate.verify_error, certificate.subject
    if code == NOT_YET_VALID:
        begin = utc_text(certificate.not_before)
        return said("certificate-not-yet", subject=subject, begin=begin)
    if code == SELF_SIGNED:
        return said("certificate-self-signed", subject=subject)
    if code in WRONG_NAME:
        names = ", ".join(certificate.names) or "no name at all"
        return said("certificate-name", host=host, names=names)
    return _unknown_issuer(certificate)


def _unknown_issuer(certificate: Certificate) -> Diagnosis:
    code, issuer = certificate.verify_error, certificate.issuer
    if code not in (*UNKNOWN_ISSUER, SELF_SIGNED_IN_CHAIN):
        return _distrusted(certificate, certificate.verify_message)
    if code == SELF_SIGNED_IN_CHAIN or len(certificate.chain) > 1:
        return _distrusted(certificate, clause("authority-unknown", issuer=issuer))
    return said("certificate-untrusted/chain", subject=certificate.subject, issuer=issuer)


def _distrusted(certificate: Certificate, reason: str) -> Diagnosis:
    return said("certificate-untrusted", subject=certificate.subject, reason=reason)
