"""What the STUN errors of a server mean, a 401 above all. Nothing is contacted."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from datetime import datetime, timezone
from typing import Dict, Iterable, Iterator, List, Union

from abcwebrtc.coturn.peer_ranges import NEVER
from abcwebrtc.probe.causes import clause
from abcwebrtc.probe.model import (
    BINDING,
    ERROR,
    PERMISSION,
    Account,
    Diagnosis,
    Failure,
    LoginFindings,
    Observation,
    host_of,
)
from abcwebrtc.probe.saying import fault, said

UNAUTHORIZED = 401
MAX_USERNAME = 508
"""Bytes: browsers take no longer one."""
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
_Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
"""The addresses of machines behind a NAT."""
_LOCAL = tuple(map(ipaddress.ip_network, NEVER))


def one_error(word: str, message: str, advice: str) -> List[Diagnosis]:
    """Return the one diagnosis that something does not work."""
    return [Diagnosis(ERROR, word, message, advice)]


def stun_diagnoses(seen: Observation, failure: Failure, now: float) -> List[Diagnosis]:
    """Return what an error response means (RFC 8489, RFC 8656); `now` is in unix seconds."""
    is_binding = failure.step == BINDING
    if is_binding and seen.target.is_turn:
        return []  # before a login that is no fault
    if is_binding and failure.error == UNAUTHORIZED:
        return fault("stun-login", code=failure.error)
    if failure.error == UNAUTHORIZED:
        return list(_unauthorized(seen, now))
    if failure.error == 400:
        return [_bad_request(seen, failure, now)]
    if failure.error == 403 and failure.step == PERMISSION:
        return [_forbidden(host_of(seen.relayed))]
    return fault(_CODES.get(failure.error, "stun-error"), code=failure.error)


_CODES: Dict[int, str] = {
    300: "redirect",
    403: "forbidden",
    437: "mismatch",
    438: "stale-nonce",
    440: "address-family",
    442: "no-udp-relay",
    486: "quota",
    500: "server-error",
    508: "capacity",
}


def _bad_request(seen: Observation, failure: Failure, now: float) -> Diagnosis:
    # without a login nothing is signed
    unsigned = "" if failure.signed or failure.step == BINDING else clause("unsigned")
    account = seen.target.account
    reason = username_fault(_username(account, now)) if account else ""
    if reason:
        return said("bad-request/username", fault=reason, unsigned=unsigned)
    return said("bad-request", unsigned=unsigned)


def _username(account: Account, now: float) -> str:
    """Return a username of the account, as it is sent."""
    login = account.static or (account.mint and account.mint(0, int(now) + account.ttl))
    return login.username if login else ""


def username_fault(username: str) -> str:
    """Return what coturn answers 400 to in a username, or nothing. No part of it is in that."""
    if re.search(r"[ \t'\"\\]", username):
        return clause("username-characters")
    if "union" in username.lower() and "select" in username.lower():
        return clause("username-words")
    length = len(username.encode("utf-8", "surrogatepass"))
    return clause("username-length", bytes=length) if length > MAX_USERNAME else ""


def _forbidden(relay: str) -> Diagnosis:
    """Say what permits the server's own relays; behind a NAT, not the address that they show."""
    address = ipaddress.ip_address(relay)
    if address.is_loopback:
        return said("forbidden/loopback", seen=403, relay=relay)
    kind = "private" if _is_in(address, _PRIVATE) else "public"
    kind = "local" if _is_in(address, _LOCAL) else kind
    return said(f"forbidden/{kind}", seen=403, relay=relay)


def _is_in(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks)


def _unauthorized(seen: Observation, now: float) -> Iterator[Diagnosis]:
    account, login = seen.target.account, seen.login
    if len(seen.realms) > 1:
        realm, other = map(_shown, seen.realms[:2])
        yield said("wrong-realm", realm=realm, other=other)
    elif account and account.static:
        yield _of_realm(_static_refused(account, now), seen)
    elif login is None:
        yield _of_realm(said("wrong-login/minted"), seen)
    elif login.known is None:
        many = f"any of the {login.tried} configured secrets"
        which = "the configured secret" if login.tried == 1 else many
        yield _of_realm(said("wrong-secret", which=which), seen)
    else:
        yield from _known_secret(login.known, login, account.ttl if account else 0)


def _of_realm(found: Diagnosis, seen: Observation) -> Diagnosis:
    """Add the realm, where it is none that the url's host suggests.

    coturn's database has users and secrets by realm.
    """
    host, realms = seen.target.host.lower(), seen.realms
    if found.word == "login-ended" or not realms or f".{host}".endswith(f".{realms[0].lower()}"):
        return found
    message, advice = (clause(key, realm=_shown(realms[0])) for key in ("realm", "realm-cure"))
    return replace(found, message=found.message + message, advice=found.advice + advice)


def _shown(realm: str) -> str:
    """Return what a server says of itself, made safe for a terminal."""
    return "".join(char if char.isprintable() else "?" for char in realm[:80])


def _known_secret(position: int, login: LoginFindings, ttl: int) -> Iterator[Diagnosis]:
    if position > 0:
        yield said("older-secret", known=position + 1, tried=login.tried)
    elif not login.clock_ahead:
        yield said("unsteady")
    if login.clock_ahead:
        yield said("clock", ahead=span(login.clock_ahead), ttl=ttl)


def _static_refused(account: Account, now: float) -> Diagnosis:
    ends = account.expires_at
    if ends is None:
        return said("wrong-login")
    if ends >= now:
        return said("wrong-login/minted")
    return said("login-ended", end=date_text(ends), ago=span(now - ends))


def early_end(login: LoginFindings) -> Iterator[Diagnosis]:
    """Yield a warning where the server's clock lets credentials end too early."""
    if login.clock_ahead:
        yield said("clock/early", ahead=span(login.clock_ahead))


def span(seconds: float) -> str:
    """Return a time in its two largest units: ``2 d 3 h``, ``1 h 0 min``, ``45 s``."""
    left = round(seconds)
    days, hours, minutes = left // 86400, left // 3600 % 24, left // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left % 60} s" if minutes else f"{left} s"


def date_text(moment: int) -> str:
    """Return unix seconds as ``2024-02-03 04:05:06 UTC``."""
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
