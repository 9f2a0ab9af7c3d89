"""What the STUN errors of a server mean, a 401 above all. Nothing is contacted."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timezone
from typing import Dict, Iterator, List, Optional, Tuple

from abcwebrtc.probe.model import (
    BINDING,
    ERROR,
    PERMISSION,
    WARNING,
    Diagnosis,
    Failure,
    LoginFindings,
    Observation,
    host_of,
)

UNAUTHORIZED = 401


def one_error(word: str, message: str, advice: str) -> List[Diagnosis]:
    """Return the one diagnosis that something does not work."""
    return [Diagnosis(ERROR, word, message, advice)]


def stun_diagnoses(seen: Observation, failure: Failure, now: float) -> List[Diagnosis]:
    """Return what an error response means (RFC 8489, RFC 8656); `now` is in unix seconds."""
    if failure.step == BINDING:
        if seen.target.is_turn:
            return []  # only what was asked before the login
        message = f"{failure.error}: the server refuses a Binding without a login"
        advice = "take secure-stun out of turnserver.conf: browsers have no login for STUN"
        return one_error("stun-login", message, advice)
    if failure.error == UNAUTHORIZED:
        return list(_unauthorized(seen, now))
    if failure.error == 403:
        return _forbidden(seen, failure)
    word, message, advice = _CODES.get(failure.error, _UNKNOWN)
    unsigned = "" if failure.signed or failure.error != 400 else _UNSIGNED
    return one_error(word, f"{failure.error}: {message}{unsigned}", advice)


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
    440: (
        "address-family",
        "the server has no relay address of IPv4",
        "write a relay-ip of IPv4 into turnserver.conf or, where all clients come over IPv6, "
        "allocation-default-address-family=keep",
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
        return one_error("forbidden", "403: the server forbids this", "look at coturn's log")
    host = host_of(seen.relayed)
    advice = f"write allowed-peer-ip={host} into turnserver.conf"
    if ipaddress.ip_address(host).is_loopback:
        advice = "write relay-ip with an address that the desktops reach into turnserver.conf"
    return one_error(
        "forbidden",
        f"403: the server forbids data to its own relays ({host}), which go between a desktop and "
        "a browser that both use it",
        advice,
    )


def _unauthorized(seen: Observation, now: float) -> Iterator[Diagnosis]:
    account, login = seen.target.account, seen.login
    if account and account.static:
        yield _static_refused(account.expires_at, now)
    elif login is None:
        yield from one_error(
            "wrong-secret",
            "401: the server refuses the credential, and then answered no more",
            "compare coturn_static_auth_secret with static-auth-secret in turnserver.conf",
        )
    elif login.known is None:
        yield _unknown_secret(login.tried)
    else:
        yield from _known_secret(login.known, login, account.ttl if account else 0)


def _known_secret(position: int, login: LoginFindings, ttl: int) -> Iterator[Diagnosis]:
    if position > 0:
        yield Diagnosis(
            ERROR,
            "older-secret",
            f"401: the server knows secret {position + 1} of {login.tried}, and not the first, "
            "which signs",
            "give the first one to coturn as a static-auth-secret too, and restart it",
        )
    elif not login.clock_ahead:
        yield Diagnosis(
            ERROR,
            "unsteady",
            "401: the server refused the credential, and took the next one of the same secret",
            "do several servers with other secrets share this address?",
        )
    if login.clock_ahead:
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


def early_end(login: LoginFindings) -> Iterator[Diagnosis]:
    """Yield a warning where the server's clock lets credentials end too early."""
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
