"""What a certificate, or the wrong protocol on a port, means. Nothing is contacted."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Iterator, List, Optional

from abcwebrtc.probe.model import ERROR, WARNING, Certificate, Diagnosis, Failure, Observation
from abcwebrtc.probe.refusals import one_error, span

SOON = 14
"""Days: a certificate that ends sooner gets a warning."""
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
    if certificate.not_after < now:
        yield _ended(certificate, now)
    elif certificate.days_left(now) < SOON:
        left = certificate.days_left(now)
        yield Diagnosis(
            WARNING,
            "certificate-ends-soon",
            f"the certificate of {certificate.subject} ends in {left} days, at "
            f"{_date(certificate.not_after)}",
            "renew it, and restart coturn",
        )
    if certificate.verify_error == EXPIRED and certificate.not_after >= now:
        yield _distrusted(certificate, "another certificate of its chain has ended")
    elif certificate.verify_error not in (0, EXPIRED):
        yield _distrust(certificate, host)


def unread_certificate(failure: Failure) -> Diagnosis:
    """Return what a certificate means that is not trusted, and could not be read."""
    reason = f" ({failure.detail})" if failure.detail else ""
    return Diagnosis(
        ERROR,
        "certificate-untrusted",
        f"the certificate is not trusted{reason}",
        "look at the cert file of coturn",
    )


def _ended(certificate: Certificate, now: float) -> Diagnosis:
    return Diagnosis(
        ERROR,
        "certificate-expired",
        f"the certificate of {certificate.subject} ended {span(now - certificate.not_after)} "
        f"ago, at {_date(certificate.not_after)}",
        "renew it, and restart coturn",
    )


def _distrust(certificate: Certificate, host: str) -> Diagnosis:
    code = certificate.verify_error
    if code == NOT_YET_VALID:
        return Diagnosis(
            ERROR,
            "certificate-not-yet",
            f"the certificate of {certificate.subject} begins at {_date(certificate.not_before)}",
            "is this machine's clock right?",
        )
    if code == SELF_SIGNED:
        return Diagnosis(
            ERROR,
            "certificate-self-signed",
            f"the certificate of {certificate.subject} is self-signed, which no browser trusts",
            "get one from a certificate authority that browsers know",
        )
    if code in WRONG_NAME:
        names = ", ".join(certificate.names) or "no name at all"
        return Diagnosis(
            ERROR,
            "certificate-name",
            f"the certificate is not for {host}, but for {names}",
            "get one for that name, or write its name into the url",
        )
    return _unknown_issuer(certificate)


def _unknown_issuer(certificate: Certificate) -> Diagnosis:
    code, issuer = certificate.verify_error, certificate.issuer
    if code not in (*UNKNOWN_ISSUER, SELF_SIGNED_IN_CHAIN):
        return _distrusted(certificate, certificate.verify_message)
    if code == SELF_SIGNED_IN_CHAIN or len(certificate.chain) > 1:
        return _distrusted(certificate, f"its authority, {issuer}, is not known here")
    return _distrusted(
        certificate,
        f"its issuer, {issuer}, is not known here, and the server sent no other certificate",
        "write the whole chain into coturn's cert file; ",
    )


def _distrusted(certificate: Certificate, reason: str, advice: str = "") -> Diagnosis:
    return Diagnosis(
        ERROR,
        "certificate-untrusted",
        f"the certificate of {certificate.subject} is not trusted: {reason}",
        advice + "give an authority of your own to --ca, and to the browsers",
    )


def protocol_diagnoses(seen: Observation, failure: Failure) -> List[Diagnosis]:
    """Return what it means that another protocol is spoken, or TLS failed."""
    return one_error(*_protocol(seen, failure))


def _protocol(seen: Observation, failure: Failure) -> "tuple[str, str, str]":
    here = f"{seen.address}, TCP port {seen.target.port}"
    if seen.spoken == "http" or failure.kind == "http":
        return "http", f"a web server answers on {here}", "correct the port, or the name"
    if seen.spoken == "stun":
        return (
            "plain",
            f"no TLS on {here}: the server answers there, but in plain",
            "give coturn cert and pkey, and leave no-tls out; or write turn for turns",
        )
    if seen.spoken == "tls" or failure.kind == "tls-answer":
        return "tls-port", f"only TLS is spoken on {here}", "write turns for turn, stuns for stun"
    if failure.kind == "not-stun":
        return "not-stun", f"something else than STUN answers on {here}", "correct the port"
    if failure.kind == "timeout":
        return "no-tls", f"TLS begins on {here}, and gets no answer", "is that a TLS port?"
    if failure.kind == "closed":
        return "no-tls", f"the server closes the connection when TLS begins on {here}", _LOOK
    detail = failure.detail.replace("_", " ").lower()
    return "no-tls", f"TLS fails on {here}" + (f" ({detail})" if detail else ""), _LOOK


_LOOK = "is that a TLS port? Look at cert, pkey and the TLS options in turnserver.conf"


def _date(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
