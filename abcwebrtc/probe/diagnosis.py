"""From what was seen to what it means, and what to do about it. Nothing is contacted."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from abcwebrtc.probe import tls
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    ERROR,
    HANDSHAKE,
    PERMISSION,
    RELAY,
    RESOLVE,
    UDP,
    WARNING,
    Diagnosis,
    Failure,
    LoginFindings,
    Observation,
    Place,
    Result,
    Target,
)

UNAUTHORIZED = 401


@dataclass(frozen=True)
class Circumstances:
    """Where a probe ran, when (unix seconds), and with which timeout of a step in seconds."""

    place: Place
    now: float
    timeout: float


def judge(seen: Sequence[Observation], around: Circumstances) -> List[Result]:
    """Return every observation with its diagnoses.

    That one family of addresses can't be reached is only a warning where the
    same url works over the other one. No answer over UDP says more where the
    same server answers over TCP, and the other way round.
    """
    answering = {(one.target.host, _protocol_name(one)) for one in seen if one.reflexive}
    results = [_compared(Result(one, diagnose(one, around)), answering) for one in seen]
    works = {
        (one.observation.target, one.observation.is_ipv6) for one in results if one.level != ERROR
    }
    return [_softened(result, works) for result in results]


def _protocol_name(seen: Observation) -> str:
    return "UDP" if seen.target.transport == UDP else "TCP"


def _compared(result: Result, answering: Set[Tuple[str, str]]) -> Result:
    seen = result.observation
    other = "TCP" if _protocol_name(seen) == "UDP" else "UDP"
    if (seen.target.host, other) not in answering:
        return result
    text = f"; over {other} this server answers"
    changed = [
        replace(one, message=one.message + text) if one.word == "no-answer" else one
        for one in result.diagnoses
    ]
    return replace(result, diagnoses=tuple(changed))


def _softened(result: Result, works: "Set[Tuple[Target, bool]]") -> Result:
    seen = result.observation
    if (seen.target, not seen.is_ipv6) not in works:
        return result
    family, other = ("IPv6", "IPv4") if seen.is_ipv6 else ("IPv4", "IPv6")
    return replace(
        result,
        diagnoses=tuple(
            replace(
                one,
                level=WARNING,
                message=f"{one.message}; over {other} the same url works",
                advice=f"take its {family} address out of the DNS, or give this network {family}",
            )
            if one.word == "unreachable"
            else one
            for one in result.diagnoses
        ),
    )


def diagnose(seen: Observation, around: Circumstances) -> Tuple[Diagnosis, ...]:
    """Return what an observation means, errors first; nothing where all is well."""
    found = [one for failure in seen.failures for one in _failure(seen, failure, around)]
    found += tls.certificate_diagnoses(seen.certificate, seen.target.host, around.now)
    found += _warnings(seen)
    return tuple(sorted(found, key=lambda one: one.level != ERROR))


def _error(word: str, message: str, advice: str) -> List[Diagnosis]:
    return [Diagnosis(ERROR, word, message, advice)]


def _failure(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    if failure.kind == "certificate":
        return []  # said by what stands in the certificate
    if failure.kind == "stun":
        return _stun_error(seen, failure, around)
    if failure.step == RESOLVE:
        return _no_name(seen, failure)
    if seen.spoken or failure.step == HANDSHAKE:
        return tls.protocol_diagnoses(seen, failure)
    return _KINDS.get(failure.kind, _other)(seen, failure, around)


def _where(seen: Observation) -> str:
    return f"{seen.address}, {_protocol_name(seen)} port {seen.target.port}"


# what the network says


def _no_name(seen: Observation, failure: Failure) -> List[Diagnosis]:
    if failure.kind == "timeout":
        message = f"the DNS gave no answer for {seen.target.host} in time"
    else:
        message = f"the name {seen.target.host} does not resolve"
        message += f" ({failure.detail})" if failure.detail else ""
    advice = "correct the name, or add it to the DNS that this machine, and the browsers, ask"
    return _error("no-name", message, advice)


def _no_answer(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    if failure.step == RELAY:
        return _no_data(seen)
    if failure.step == ALLOCATE:
        message = "the server answers STUN, but no Allocate: it gives no relays"
        return _error("stun-only", message, "take stun-only out of turnserver.conf, or the url")
    message = (
        f"no answer within {around.timeout:g} s from {_where(seen)}, asked from {around.place}"
    )
    message += f" ({seen.local})" if seen.local else ""
    if around.place.pod:
        advice = (
            "look for a NetworkPolicy, which 'abcwebrtc networkpolicy' prints one for, "
            "and for a firewall; is the server running?"
        )
    else:
        advice = "look for a firewall on the way; is the server running, and listening there?"
    return _error("no-answer", message, advice)


def _no_data(seen: Observation) -> List[Diagnosis]:
    return _error(
        "no-data",
        f"a relay was given ({seen.relayed}), but data sent to it does not arrive",
        "open coturn's min-port to max-port (UDP) in its firewall, and look at relay-ip and "
        "external-ip in turnserver.conf",
    )


def _refused(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return _error(
        "refused",
        f"refused: nothing listens on {_where(seen)}",
        "start coturn, or correct the port; see listening-port, tls-listening-port, no-udp and "
        "no-tcp in turnserver.conf",
    )


def _unreachable(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    family = "IPv6" if seen.is_ipv6 else "IPv4"
    detail = f" ({failure.detail})" if failure.detail else ""
    return _error(
        "unreachable",
        f"no way to {seen.address} over {family} from {around.place}{detail}",
        f"look at the routes and firewalls of this network, and whether it has {family}",
    )


def _closed(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return _error(
        "closed",
        f"the server closes the connection instead of an answer to {failure.step}",
        "is that the port of coturn, and no proxy or firewall before it?",
    )


def _other(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    detail = f": {failure.detail}" if failure.detail else ""
    return _error("failed", f"the step {failure.step} failed{detail}", "")


_Rule = Callable[[Observation, Failure, Circumstances], List[Diagnosis]]


def _protocol(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return tls.protocol_diagnoses(seen, failure)


_KINDS: Dict[str, _Rule] = {
    "timeout": _no_answer,
    "refused": _refused,
    "unreachable": _unreachable,
    "closed": _closed,
    "http": _protocol,
    "not-stun": _protocol,
    "tls-answer": _protocol,
}


# what the server says (RFC 8489 and RFC 8656)


def _stun_error(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    if failure.step == BINDING:
        if seen.target.is_turn:
            return []  # only what was asked before the login
        message = f"{failure.error}: the server refuses a Binding without a login"
        advice = "take secure-stun out of turnserver.conf: browsers have no login for STUN"
        return _error("stun-login", message, advice)
    if failure.error == UNAUTHORIZED:
        return list(_unauthorized(seen, around))
    if failure.error == 403:
        return _forbidden(seen, failure)
    word, message, advice = _CODES.get(failure.error, _UNKNOWN)
    unsigned = "" if failure.signed or failure.error != 400 else _UNSIGNED
    return _error(word, f"{failure.error}: {message}{unsigned}", advice)


_UNKNOWN = ("stun-error", "the server refuses", "look at coturn's log")
_UNSIGNED = "; the answer is not signed, so that browsers drop it and see a timeout"
_CODES: Dict[int, Tuple[str, str, str]] = {
    300: (
        "redirect",
        "the server sends its clients to another one (alternate-server)",
        "write the url of that one into od.config, or take alternate-server out",
    ),
    400: (
        "bad-request",
        "the server can't take the request; coturn says so of a username with a blank, a quote or "
        "a backslash",
        "change the username; in webrtc.coturn set 'username': 'pseudonym'",
    ),
    437: (
        "mismatch",
        "the server has an allocation of this very address and port already",
        "wait ten minutes until it ends; a NAT that gives a port to another too soon causes it",
    ),
    438: (
        "stale-nonce",
        "the server calls even a new nonce stale",
        "look at stale-nonce in turnserver.conf; do several servers share this address?",
    ),
    442: ("no-udp-relay", "the server relays no UDP", "take no-udp-relay out of turnserver.conf"),
    486: (
        "quota",
        "the user, or the server, has all the allocations that its quota allows",
        "raise user-quota or total-quota in turnserver.conf; a browser takes one for each url",
    ),
    500: ("server-error", "the server has an error of its own", "look at coturn's log"),
    508: (
        "capacity",
        "the server has no relay port left",
        "widen min-port to max-port in turnserver.conf, or add a server",
    ),
}


def _forbidden(seen: Observation, failure: Failure) -> List[Diagnosis]:
    if failure.step != PERMISSION:
        return _error("forbidden", "403: the server forbids this", "look at coturn's log")
    host = seen.relayed.rpartition(":")[0].strip("[]")
    advice = f"write allowed-peer-ip={host} into turnserver.conf"
    if ipaddress.ip_address(host).is_loopback:
        advice = "write relay-ip with an address that the desktops reach into turnserver.conf"
    return _error(
        "forbidden",
        f"403: the server forbids data to its own relays ({host}), which go between a desktop and "
        "a browser that both use it",
        advice,
    )


def _unauthorized(seen: Observation, around: Circumstances) -> Iterator[Diagnosis]:
    account, login = seen.target.account, seen.login
    if account and account.static:
        yield _static_refused(account.expires_at, around.now)
        return
    if login is None:
        yield from _error(
            "wrong-secret",
            "401: the server refuses the credential, and then answered no more",
            "compare coturn_static_auth_secret with static-auth-secret in turnserver.conf",
        )
        return
    if login.known is None:
        yield _unknown_secret(login.tried)
    elif login.known > 0:
        yield Diagnosis(
            ERROR,
            "older-secret",
            f"401: the server knows secret {login.known + 1} of {login.tried}, and not the first, "
            "which signs",
            "give the first one to coturn as a static-auth-secret too, and restart it",
        )
    if login.clock_ahead:
        ttl = account.ttl if account else 0
        yield Diagnosis(
            ERROR,
            "clock",
            f"401: the server's clock is {span(login.clock_ahead)} ahead of this machine's, so a "
            f"credential of {ttl} s ends before it begins",
            "set both clocks right (NTP)",
        )


def _unknown_secret(tried: int) -> Diagnosis:
    which = "the configured secret" if tried == 1 else f"any of the {tried} configured secrets"
    return Diagnosis(
        ERROR,
        "wrong-secret",
        f"401: the server does not know {which}; it is not the clock, since a credential until "
        "2038 is refused too",
        "make static-auth-secret in turnserver.conf equal to coturn_static_auth_secret, with "
        "use-auth-secret, and restart coturn",
    )


def _static_refused(expires_at: Optional[int], now: float) -> Diagnosis:
    if expires_at is not None and expires_at < now:
        end = datetime.fromtimestamp(expires_at, timezone.utc)
        return Diagnosis(
            ERROR,
            "login-ended",
            f"401: the credential ended at {end:%Y-%m-%d %H:%M:%S} UTC, {span(now - expires_at)} "
            "ago",
            "start the desktop anew; a longer ttl in webrtc.desktop makes them last",
        )
    if expires_at is not None:
        return Diagnosis(
            ERROR,
            "wrong-login",
            "401: the server refuses the credential, which has not ended: it was signed with "
            "another secret, or the server's clock is ahead",
            "run 'abcwebrtc probe od.config', which can tell the two apart",
        )
    return Diagnosis(
        ERROR,
        "wrong-login",
        "401: the server refuses this username and credential",
        "correct them in webrtc.rtc_configuration",
    )


# what works, and yet


def _warnings(seen: Observation) -> Iterator[Diagnosis]:
    if seen.anonymous:
        yield Diagnosis(
            WARNING,
            "open-relay",
            "the server gives relays to anybody, without a login",
            "take no-auth out of turnserver.conf, and write use-auth-secret",
        )
    if seen.alone:
        yield Diagnosis(
            WARNING,
            "quota",
            "486 for a second allocation of the same user; data went through the one relay",
            "raise user-quota or total-quota in turnserver.conf: a browser takes one for each url",
        )
    if seen.relayed and seen.login:
        yield from _early_end(seen.login)
    if seen.target.note:
        yield Diagnosis(WARNING, "other-protocol", seen.target.note)


def _early_end(login: LoginFindings) -> Iterator[Diagnosis]:
    if login.clock_ahead:
        yield Diagnosis(
            WARNING,
            "clock",
            f"the server's clock is {span(login.clock_ahead)} ahead of this machine's; credentials "
            "end that much too early",
            "set both clocks right (NTP)",
        )


def span(seconds: float) -> str:
    """Return a time in its two largest units: ``2 d 3 h``, ``1 h 0 min``, ``45 s``."""
    left = round(seconds)
    days, hours, minutes = left // 86400, left // 3600 % 24, left // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left % 60} s" if minutes else f"{left} s"
