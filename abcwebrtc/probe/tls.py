"""What a certificate, or the wrong protocol on a port, means. Nothing is contacted."""

from __future__ import annotations

from typing import Iterator, Optional

from abcwebrtc.coturn.certificate import SOON, Certificate
from abcwebrtc.probe.model import BINDING, HANDSHAKE, Diagnosis, Failure, Observation
from abcwebrtc.probe.refusals import date_text, span
from abcwebrtc.probe.saying import in_brackets, said, where_of

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
        yield said(
            "certificate-expired", subject=subject, ago=span(now - ends), end=date_text(ends)
        )
    elif certificate.days_left(now) < SOON:
        left = certificate.days_left(now)
        yield said("certificate-ends-soon", subject=subject, days=left, end=date_text(ends))
    if certificate.verify_error == EXPIRED and certificate.not_after >= now:
        yield _distrusted(certificate, "another certificate of its chain has ended")
    elif certificate.verify_error not in (0, EXPIRED):
        yield _distrust(certificate, host)


def unread_certificate(detail: str) -> Diagnosis:
    """Return what a certificate means that is not trusted, and could not be read."""
    return said("certificate-untrusted/unread", detail=in_brackets(detail))


def _distrust(certificate: Certificate, host: str) -> Diagnosis:
    code, subject = certificate.verify_error, certificate.subject
    if code == NOT_YET_VALID:
        begin = date_text(certificate.not_before)
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
        return _distrusted(certificate, f"its authority, {issuer}, is not known here")
    return said("certificate-untrusted/chain", subject=certificate.subject, issuer=issuer)


def _distrusted(certificate: Certificate, reason: str) -> Diagnosis:
    return said("certificate-untrusted", subject=certificate.subject, reason=reason)


def protocol_diagnosis(seen: Observation, failure: Failure) -> Diagnosis:
    """Return what it means that another protocol is spoken, or TLS failed."""
    detail = failure.detail if failure.kind in ("tls", "client-certificate") else ""
    where = where_of(seen, failure.step)
    return said(_protocol(seen, failure), where=where, detail=reason_text(detail))


def _protocol(seen: Observation, failure: Failure) -> str:
    if seen.spoken == "http" or failure.kind == "http":
        return "http"
    if seen.spoken == "stun":
        return "plain"
    if seen.spoken == "tls" or failure.kind == "tls-answer":
        return "tls-port"
    if failure.kind == "not-stun":
        return "not-stun"
    return tls_failure(failure)


def tls_failure(failure: Failure) -> str:
    """Return the cause of a handshake that failed, or of an alert after it."""
    if failure.kind == "timeout":
        return "no-tls/silent"
    if failure.kind == "closed":
        return "no-tls/closed"
    if failure.kind == "client-certificate":
        return "client-certificate"
    return alert_cause(failure.detail)


def alert_cause(reason: str) -> str:
    """Return the cause of an OpenSSL reason."""
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return "client-certificate"
    return "old-tls" if any(word in reason for word in _VERSION) else "no-tls"


_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "PEER_DID_NOT_RETURN_A_CERTIFICATE")
_VERSION = ("ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW")
"""Of OpenSSL's reasons."""


def reason_text(detail: str) -> str:
    """Return OpenSSL's reason in brackets and words, or nothing."""
    return in_brackets(detail.replace("_", " ").lower())


def is_silent_behind_tls(seen: Observation, failure: Failure) -> bool:
    """Say whether TLS was established, and then nothing answered STUN."""
    return HANDSHAKE in seen.times and failure.step == BINDING and not seen.spoken
