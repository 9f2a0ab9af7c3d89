"""Says what observations mean, and what to do about it, without contacting anything.

This module and those that it calls choose the cause; the table of causes has the words.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from typing import Iterator, List, Optional, Sequence, Tuple

from abcwebrtc.coturn.addresses import NEVER, is_private, ranges_of, within
from abcwebrtc.coturn.certificate import SOON, Certificate
from abcwebrtc.probe.causes import CODES, clause, in_brackets, said
from abcwebrtc.probe.comparison import compared
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    HANDSHAKE,
    LEVELS,
    NO_DNS,
    PERMISSION,
    RELAY,
    RESOLVE,
    RFC3489,
    Account,
    Circumstances,
    Diagnosis,
    Failure,
    Observation,
    Result,
    SecretSearch,
    host_of,
)
from abcwebrtc.probe.path_diagnosis import after_redirect, path_diagnoses
from abcwebrtc.texts import harmless
from abcwebrtc.times import duration_text, iso_text


def judge(seen: Sequence[Observation], around: Circumstances) -> List[Result]:
    """Return every observation with its diagnoses, after comparing them with one another."""
    return compared([Result(one, diagnose(one, around)) for one in seen])


def diagnose(seen: Observation, around: Circumstances) -> Tuple[Diagnosis, ...]:
    """Return what an observation means, errors first; nothing if all is well."""
    found = [one for failure in seen.failures for one in _failure(seen, failure, around)]
    found += _certificate_faults(seen.certificate, seen.target.host, around.now)
    found += _warnings(seen)
    found += path_diagnoses(seen, around)
    return tuple(sorted(found, key=lambda one: LEVELS.index(one.level)))


def _failure(seen: Observation, failure: Failure, around: Circumstances) -> Iterator[Diagnosis]:
    if failure.step == RFC3489:
        yield said("no-rfc3489")
    elif failure.at:
        own = _failure(seen, replace(failure, at=""), around)
        yield from after_redirect(failure, list(own))
    elif failure.kind == "certificate":
        if not seen.certificate:  # if it could be read, its content says more
            yield said("certificate-untrusted/unread", detail=in_brackets(failure.detail))
    elif failure.kind == "stun":
        yield from _stun_error(seen, failure, around.now)
    elif failure.step == RESOLVE:
        key = "no-name/silent" if failure.kind in NO_DNS else "no-name"
        yield said(key, host=seen.target.host, detail=in_brackets(failure.detail))
    elif seen.spoken or failure.step == HANDSHAKE or failure.kind in _OTHER_PROTOCOLS:
        yield _protocol(seen, failure)
    else:
        yield _network(seen, failure, around)


def _network(seen: Observation, failure: Failure, around: Circumstances) -> Diagnosis:
    """Say why there was no answer, as far as the system tells."""
    where, kind = seen.where(failure.step), failure.kind
    is_behind_tls = HANDSHAKE in seen.times and failure.step == BINDING
    if kind in ("timeout", "closed") and is_behind_tls:
        detail = clause("is-closed") if kind == "closed" else ""
        return said("tls-silent", where=where, detail=in_brackets(detail))
    if kind == "timeout":
        return _no_answer(seen, failure, around)
    if kind in ("refused", "closed"):
        return said(kind, where=where, step=failure.step)
    if kind == "unreachable":
        return said(
            "unreachable",
            address=seen.address,
            family="IPv6" if seen.is_ipv6 else "IPv4",
            place=around.place,
            detail=in_brackets(failure.detail),
        )
    detail = f": {failure.detail}" if failure.detail else ""
    return said("failed", step=failure.step, where=where, detail=detail)


def _no_answer(seen: Observation, failure: Failure, around: Circumstances) -> Diagnosis:
    where = seen.where(failure.step)
    if failure.step == RELAY:
        is_reached = seen.outside and seen.outside.works
        key = "no-data/between" if is_reached else "no-data"
        return said(key, relay=seen.relayed, place=around.place)
    if failure.step == ALLOCATE:
        return said("no-allocate", where=where)
    place = f"{around.place}{in_brackets(seen.local)}"
    key = "no-answer/pod" if around.place.pod else "no-answer"
    return said(key, where=where, within=f" within {around.timeout:g} s", place=place)


# another protocol

_OTHER_PROTOCOLS = ("http", "not-stun", "tls", "tls-answer")
"""Kinds of failure that show which protocol the server speaks."""
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "PEER_DID_NOT_RETURN_A_CERTIFICATE")
_VERSION = ("ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW")
"""Parts of OpenSSL's reasons."""


def _protocol(seen: Observation, failure: Failure) -> Diagnosis:
    """Say which other protocol the server speaks, or why TLS failed."""
    kind, detail = failure.kind, ""
    if seen.spoken == "http" or kind == "http":
        key = "http"
    elif seen.spoken == "stun":
        key = "plain"
    elif seen.spoken == "tls" or kind == "tls-answer":
        key = "tls-port"
    elif kind in ("not-stun", "client-certificate"):
        key = kind
    elif kind in ("timeout", "closed"):
        key = "no-tls/silent" if kind == "timeout" else "no-tls/closed"
    else:
        key = _alert_cause(failure.detail)
    if kind in ("tls", "client-certificate"):
        detail = in_brackets(failure.detail.replace("_", " ").lower())
    return said(key, where=seen.where(failure.step), detail=detail)


def _alert_cause(reason: str) -> str:
    """Return the cause for an OpenSSL reason."""
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return "client-certificate"
    return "old-tls" if any(word in reason for word in _VERSION) else "no-tls"


# certificates

NOT_YET_VALID, EXPIRED = 9, 10
SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 18, 19
UNKNOWN_ISSUER = (2, 20, 21)
WRONG_NAME = (62, 64)
"""OpenSSL's X509_V_ERR numbers."""


def _certificate_faults(
    certificate: Optional[Certificate], host: str, now: float
) -> Iterator[Diagnosis]:
    """Yield what is wrong with a certificate at `now`, in unix seconds."""
    if certificate is None:
        return
    subject, ends = certificate.subject, certificate.not_after
    if ends < now:
        ago = duration_text(now - ends)
        yield said("certificate-expired", subject=subject, ago=ago, end=iso_text(ends))
    elif certificate.days_left(now) < SOON:
        left = certificate.days_left(now)
        yield said("certificate-ends-soon", subject=subject, days=left, end=iso_text(ends))
    if certificate.verify_error == EXPIRED and certificate.not_after >= now:
        yield said("certificate-untrusted", subject=subject, reason=clause("chain-ended"))
    elif certificate.verify_error not in (0, EXPIRED):
        yield _distrust(certificate, host)


def _distrust(certificate: Certificate, host: str) -> Diagnosis:
    code, subject, issuer = certificate.verify_error, certificate.subject, certificate.issuer
    if code == NOT_YET_VALID:
        begin = iso_text(certificate.not_before)
        return said("certificate-not-yet", subject=subject, begin=begin)
    if code == SELF_SIGNED:
        return said("certificate-self-signed", subject=subject)
    if code in WRONG_NAME:
        names = ", ".join(certificate.names) or clause("no-name-at-all")
        return said("certificate-name", host=host, names=names)
    if code in UNKNOWN_ISSUER and len(certificate.chain) <= 1:
        return said("certificate-untrusted/chain", subject=subject, issuer=issuer)
    reason = certificate.verify_message
    if code in (*UNKNOWN_ISSUER, SELF_SIGNED_IN_CHAIN):
        reason = clause("authority-unknown", issuer=issuer)
    return said("certificate-untrusted", subject=subject, reason=reason)


# STUN errors

UNAUTHORIZED = 401
MAX_USERNAME = 508
"""Bytes: the longest username that browsers accept."""


def _stun_error(seen: Observation, failure: Failure, now: float) -> Iterator[Diagnosis]:
    """Say what an error response means (RFC 8489, RFC 8656); `now` is in unix seconds."""
    is_binding = failure.step == BINDING
    if is_binding and seen.target.is_turn:
        return  # without a login, this is not a fault
    if failure.error == UNAUTHORIZED and not is_binding:
        yield from _unauthorized(seen, now)
    elif failure.error == 400:
        yield _bad_request(seen, failure, now)
    elif failure.error == 403 and failure.step == PERMISSION:
        yield _forbidden(host_of(seen.relayed))
    elif failure.error == UNAUTHORIZED:
        yield said("stun-login", code=failure.error)
    else:
        yield said(CODES.get(failure.error, "stun-error"), code=failure.error)


def _bad_request(seen: Observation, failure: Failure, now: float) -> Diagnosis:
    """Blame the username only if coturn answers 400 to such usernames; show no part of it."""
    # Without a login, nothing is signed.
    unsigned = "" if failure.signed or failure.step == BINDING else clause("unsigned")
    account = seen.target.account
    username = account.login_at(now).username if account else ""
    length = len(username.encode("utf-8", "surrogatepass"))
    if re.search(r"[ \t'\"\\]", username):
        fault = clause("username-characters")
    elif "union" in username.lower() and "select" in username.lower():
        fault = clause("username-words")
    elif length > MAX_USERNAME:
        fault = clause("username-length", bytes=length)
    else:
        return said("bad-request", unsigned=unsigned)
    return said("bad-request/username", fault=fault, unsigned=unsigned)


def _forbidden(relay: str) -> Diagnosis:
    """Say how to permit the server's own relays, which behind a NAT takes another address."""
    address = ipaddress.ip_address(relay)
    if address.is_loopback:
        kind = "loopback"
    elif within(address, ranges_of(*NEVER)):
        kind = "local"
    else:
        kind = "private" if is_private(address) else "public"
    return said(f"forbidden/{kind}", seen=403, relay=relay)


def _unauthorized(seen: Observation, now: float) -> Iterator[Diagnosis]:
    account, search, realms = seen.target.account or Account(), seen.search, seen.realms
    ends = account.expires_at
    if len(realms) > 1:
        yield said("wrong-realm", realm=harmless(realms[0]), other=harmless(realms[1]))
    elif account.static and ends is not None and ends < now:
        yield said("login-ended", end=iso_text(ends), ago=duration_text(now - ends))
    elif account.static:
        yield _of_realm("wrong-login" if ends is None else "wrong-login/minted", seen)
    elif search is None or (search.known is None and not search.complete):
        yield _of_realm("login-refused", seen)
    elif search.known is None:
        which = clause("one-secret" if search.tried == 1 else "secrets", tried=search.tried)
        yield _of_realm("wrong-secret", seen, which=which)
    else:
        yield from _known_secret(search.known, search, account.ttl)


def _of_realm(key: str, seen: Observation, **facts: object) -> Diagnosis:
    """Add the realm to a cause, unless the url's host suggests that realm.

    coturn's database stores users and secrets by realm.
    """
    found, host, realms = said(key, **facts), seen.target.host.lower(), seen.realms
    if not realms or f".{host}".endswith(f".{realms[0].lower()}"):
        return found
    message, advice = (clause(part, realm=harmless(realms[0])) for part in ("realm", "realm-cure"))
    return replace(found, message=found.message + message, advice=found.advice + advice)


def _known_secret(position: int, search: SecretSearch, ttl: int) -> Iterator[Diagnosis]:
    if position > 0:
        yield said("older-secret", known=position + 1, tried=search.tried)
    elif not search.clock_ahead:
        yield said("unsteady")
    if search.clock_ahead:
        yield said("clock", ahead=_ahead(search, search.clock_ahead), ttl=ttl)


def _ahead(search: SecretSearch, seconds: int) -> str:
    text = duration_text(seconds)
    return text if search.complete else clause("at-least", duration=text)


# warnings about what works


def _warnings(seen: Observation) -> Iterator[Diagnosis]:
    if seen.anonymous:
        yield said("open-relay")
    if seen.alone:
        yield said("quota/second")
    if seen.relayed and seen.search and seen.search.clock_ahead:
        yield said("clock/early", ahead=_ahead(seen.search, seen.search.clock_ahead))
    if seen.target.unspoken:
        yield said(f"other-protocol/{seen.target.unspoken}")
