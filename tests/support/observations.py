"""What a probe may observe, and what each diagnosis must say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

from abcwebrtc.config.uris import IceURI
from abcwebrtc.coturn.certificate import Certificate
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    ERROR,
    HANDSHAKE,
    NOTE,
    OK,
    PERMISSION,
    RELAY,
    RESOLVE,
    RFC3489,
    TCP,
    TLS,
    UDP,
    WARNING,
    Account,
    Burst,
    Circumstances,
    Failure,
    Login,
    Observation,
    PathResult,
    Place,
    SecretSearch,
    Target,
)

NOW = 1_700_000_000.0
DAY = 86400
HERE, POD = Place("here"), Place("desk", pod=True)
URI = IceURI("turn", "turn.example.org", 3478)
STATIC = Account(static=Login("alice", "a-password"))


def named(username: str) -> Account:
    return Account(static=Login(username, "a-password"))


MINTED = Account(mint=lambda position, expiry: Login(str(expiry), "x"), secrets=2, ttl=3600)


def around(place: Place = HERE) -> Circumstances:
    return Circumstances(place, NOW, 5.0)


def seen(
    *failures: Failure,
    scheme: str = "turn",
    transport: str = UDP,
    account: Optional[Account] = MINTED,
    unspoken: str = "",
    address: str = "192.0.2.1",
    **fields: Any,
) -> Observation:
    """Return what was seen of a server, by default a TURN server over UDP."""
    target = Target(IceURI(scheme, "turn.example.org", 3478), transport, account, unspoken)
    return Observation(target, address, failures=list(failures), **fields)


def certificate(**changes: Any) -> Certificate:
    made: Dict[str, Any] = {
        "subject": "turn",
        "issuer": "an authority",
        "names": ("turn.example.org",),
        "not_before": int(NOW) - 30 * DAY,
        "not_after": int(NOW) + 60 * DAY,
        "chain": ("turn",),
    }
    return Certificate(**{**made, **changes})


def stun(code: int, step: str = ALLOCATE, signed: bool = True) -> Failure:
    return Failure(step, "stun", code, signed)


DISTRUST = Failure(HANDSHAKE, "certificate", 20)
PEER = "203.0.113.7"


def way(burst: Optional[Burst] = None, too_large: int = 1201) -> PathResult:
    """Return a path that carries only packets under a size."""
    sizes = {size: size < too_large for size in (16, 182, 400, 600, 800, 1000, 1200)}
    return PathResult(there=True, back=True, sizes=sizes, burst=burst, peer=PEER)


WAY = way()
SOME = replace(WAY, sizes={**WAY.sizes, 400: False, 600: False})
NEXT = "192.0.2.9:3478"
RELAYED = {"relayed": "127.0.0.1:50000"}
# What was seen; the diagnosis's level and word; a part of its message and of its advice.
Case = Tuple[Observation, str, str, str]
CASES: List[Case] = [
    (seen(Failure(RESOLVE, "no-name", detail="Unknown")), ERROR, "no-name", "(Unknown)"),
    (seen(Failure(RESOLVE, "no-name")), ERROR, "no-name", "turn.example.org does not resolve"),
    (
        seen(Failure(RESOLVE, "timeout")),
        ERROR,
        "no-name",
        "DNS gave no answer for turn.example.org",
    ),
    (
        seen(Failure(RESOLVE, "no-dns", detail="Temporary failure")),
        ERROR,
        "no-name",
        "DNS gave no answer for turn.example.org (Temporary failure)",
    ),
    (seen(Failure(BINDING, "timeout"), local="10.0.0.5"), ERROR, "no-answer", "(10.0.0.5)"),
    (seen(Failure(BINDING, "timeout")), ERROR, "no-answer", "192.0.2.1, UDP port 3478 within 5 s"),
    (seen(Failure(CONNECT, "timeout"), transport=TCP), ERROR, "no-answer", "TCP port 3478"),
    (seen(Failure(CONNECT, "timeout"), transport=TLS), ERROR, "no-answer", "firewall"),
    (
        seen(Failure(ALLOCATE, "timeout")),
        ERROR,
        "no-allocate",
        "UDP port 3478, although it answers",
    ),
    (seen(Failure(RELAY, "timeout"), **RELAYED), ERROR, "no-data", "127.0.0.1:50000"),
    (seen(Failure(BINDING, "refused")), ERROR, "refused", "192.0.2.1, UDP port 3478"),
    (seen(Failure(CONNECT, "refused"), transport=TCP), ERROR, "refused", "TCP port 3478"),
    (seen(Failure(CONNECT, "unreachable")), ERROR, "unreachable", "over IPv4 from host here"),
    (seen(Failure(CONNECT, "unreachable"), address="2001:db8::1"), ERROR, "unreachable", "IPv6"),
    (
        seen(Failure(BINDING, "closed"), transport=TCP),
        ERROR,
        "closed",
        "instead of answering binding",
    ),
    (
        seen(Failure(CONNECT, "error", detail="why")),
        ERROR,
        "failed",
        "failed on 192.0.2.1, UDP port 3478: why",
    ),
    (seen(Failure(BINDING, "http"), transport=TCP), ERROR, "http", "a web server"),
    (seen(Failure(BINDING, "timeout"), transport=TCP, spoken="http"), ERROR, "http", "web server"),
    (seen(Failure(HANDSHAKE, "tls"), transport=TLS, spoken="http"), ERROR, "http", "web server"),
    (seen(Failure(HANDSHAKE, "timeout"), transport=TLS, spoken="stun"), ERROR, "plain", "no TLS"),
    (
        seen(Failure(BINDING, "tls-answer"), transport=TCP),
        ERROR,
        "tls-port",
        "write turns instead of",
    ),
    (seen(Failure(BINDING, "closed"), transport=TCP, spoken="tls"), ERROR, "tls-port", "only TLS"),
    (
        seen(Failure(BINDING, "not-stun"), transport=TCP),
        ERROR,
        "not-stun",
        "something other than STUN",
    ),
    (seen(Failure(HANDSHAKE, "timeout"), transport=TLS), ERROR, "no-tls", "gets no answer"),
    (seen(Failure(HANDSHAKE, "closed"), transport=TLS), ERROR, "no-tls", "closes the connection"),
    (
        seen(Failure(HANDSHAKE, "tls", detail="NO_CIPHER"), transport=TLS),
        ERROR,
        "no-tls",
        "(no cipher)",
    ),
    (seen(stun(401, BINDING), scheme="stun", account=None), ERROR, "stun-login", "secure-stun"),
    (
        seen(stun(400, BINDING, signed=False), scheme="stun", account=None),
        ERROR,
        "bad-request",
        "calls this a bad request | look",
    ),
    (seen(stun(500, BINDING), scheme="stun", account=None), ERROR, "server-error", "500"),
    (seen(stun(420, BINDING), scheme="stun", account=None), ERROR, "stun-error", "420"),
    (seen(stun(401), search=SecretSearch(1)), ERROR, "wrong-secret", "the configured secret"),
    (seen(stun(401), search=SecretSearch(3)), ERROR, "wrong-secret", "any of the 3 configured"),
    (seen(stun(401)), ERROR, "login-refused", "why was not found out"),
    (seen(stun(401), search=SecretSearch(2, complete=False)), ERROR, "login-refused", "again"),
    (
        seen(stun(401), search=SecretSearch(1, 0, 3601, complete=False)),
        ERROR,
        "clock",
        "clock is at least 1 hour 1 second ahead",
    ),
    (
        seen(search=SecretSearch(1, 0, 61, complete=False), **RELAYED),
        WARNING,
        "clock",
        "is at least 1 minute 1 second ahead",
    ),
    (seen(stun(401), search=SecretSearch(3, 1)), ERROR, "older-secret", "secret 2 of 3"),
    (seen(stun(401), search=SecretSearch(2, 0)), ERROR, "unsteady", "accepted the next one"),
    (seen(stun(401), search=SecretSearch(1, 0, 7200)), ERROR, "clock", "2 hours ahead"),
    (seen(search=SecretSearch(1, 0, 600), **RELAYED), WARNING, "clock", "10 minutes ahead"),
    (seen(stun(401), account=STATIC), ERROR, "wrong-login", "webrtc.rtc_configuration"),
    (
        seen(stun(401), account=Account(static=Login("1", "x"), expires_at=int(NOW) + 9)),
        ERROR,
        "wrong-login",
        "has not expired",
    ),
    (
        seen(stun(401), account=Account(static=Login("1", "x"), expires_at=int(NOW) - 90)),
        ERROR,
        "login-ended",
        "1 minute 30 seconds ago",
    ),
    (seen(stun(401), realms=["a", "b"]), ERROR, "wrong-realm", "in realm a and, when it gets one"),
    (seen(stun(401), account=STATIC, realms=["a"]), ERROR, "wrong-login", "; the server's realm"),
    (
        seen(stun(401), search=SecretSearch(1), realms=["a\x1b"]),
        ERROR,
        "wrong-secret",
        r"for a\x1b",
    ),
    (seen(stun(300)), ERROR, "redirect", "alternate-server"),
    (seen(Failure(RFC3489, "timeout"), rfc3489=False), ERROR, "no-rfc3489", "backward"),
    (seen(Failure(ALLOCATE, "timeout", at=NEXT)), ERROR, "redirect", f"to {NEXT} (alternate"),
    (seen(Failure(CONNECT, "refused", at=NEXT)), ERROR, "redirect", "where nothing listens"),
    (seen(Failure(CONNECT, "unreachable", at=NEXT)), ERROR, "redirect", "which can't be reached"),
    (seen(Failure(ALLOCATE, "closed", at=NEXT)), ERROR, "redirect", "closes the connection"),
    (seen(Failure(HANDSHAKE, "certificate", at=NEXT)), ERROR, "redirect", "is not trusted"),
    (seen(Failure(ALLOCATE, "stun", 300, at=NEXT)), ERROR, "redirect", "in a circle"),
    (seen(Failure(ALLOCATE, "stun", 486, at=NEXT)), ERROR, "quota", f"to {NEXT} (alternate"),
    (seen(Failure(RELAY, "timeout", at=NEXT), **RELAYED), ERROR, "no-data", f"to {NEXT}"),
    (seen(redirects=[NEXT], **RELAYED), NOTE, "redirect", f"to {NEXT}"),
    (seen(stun(400)), ERROR, "bad-request", "400: the server calls this a bad request |"),
    (seen(stun(400), account=named("a b")), ERROR, "bad-request", "a blank, a quote"),
    (seen(stun(400), account=named("Union-Selected")), ERROR, "bad-request", "union and select"),
    (seen(stun(400), account=named("ü" * 255)), ERROR, "bad-request", "has 510 bytes"),
    (seen(stun(400), account=named("ü" * 254)), ERROR, "bad-request", "calls this a bad request"),
    (seen(stun(400, signed=False)), ERROR, "bad-request", "see a timeout"),
    (seen(stun(403)), ERROR, "forbidden", "forbids this"),
    (seen(stun(403, PERMISSION), relayed="192.0.2.9:1"), ERROR, "forbidden", "-ip=192.0.2.9/PRIV"),
    (seen(stun(403, PERMISSION), relayed="10.0.0.9:1"), ERROR, "forbidden", "-ip=10.0.0.9 to"),
    (seen(stun(403, PERMISSION), relayed="[fd00::9]:1"), ERROR, "forbidden", "from 4.13.1 on"),
    (seen(stun(403, PERMISSION), relayed="[2001:db8::9]:1"), ERROR, "forbidden", "2001:db8::9 "),
    (seen(stun(403, PERMISSION), **RELAYED), ERROR, "forbidden", "relay-ip"),
    (seen(stun(437)), ERROR, "mismatch", "437: "),
    (seen(stun(438)), ERROR, "stale-nonce", "438: "),
    (seen(stun(440)), ERROR, "address-family", "440: the server gives no IPv4 relay address"),
    (seen(stun(440)), ERROR, "address-family", "allocation-default-address-family=keep"),
    (seen(stun(442)), ERROR, "no-udp-relay", "442: "),
    (seen(stun(486)), ERROR, "quota", "486: "),
    (seen(alone=True, **RELAYED), WARNING, "quota", "486 for a second"),
    (seen(stun(500)), ERROR, "server-error", "500: "),
    (seen(stun(508)), ERROR, "capacity", "508: "),
    (seen(stun(499)), ERROR, "stun-error", "499: "),
    (seen(anonymous=True), WARNING, "open-relay", "without a login"),
    (seen(address="9.9.9.9", relayed="10.0.0.1:5"), WARNING, "private-relay", "relays at 10.0.0.1"),
    (seen(address="9.9.9.9", relayed="[fd00::1]:5"), WARNING, "private-relay", "external-ip"),
    (seen(address="9.9.9.9", relayed="9.9.9.10:5"), WARNING, "other-relay", "relays at 9.9.9.10"),
    (seen(address="9.9.9.9", relayed="9.9.9.9:5"), OK, "", ""),
    (seen(address="2600::1", relayed="9.9.9.10:5"), OK, "", ""),
    (seen(address="10.0.0.1", relayed="9.9.9.10:5"), OK, "", ""),
    (seen(address="10.0.0.1", relayed="10.0.0.2:5"), OK, "", ""),
    (seen(address="9.9.9.9", relayed="9.9.9.10:5", outside=WAY), OK, "", ""),
    (seen(outside=PathResult(peer=PEER), **RELAYED), ERROR, "relay-ports", f"({PEER}) to the"),
    (
        seen(outside=PathResult(there=True, back=True, punched=True), **RELAYED),
        WARNING,
        "relay-ports",
        "arrives only after",
    ),
    (seen(outside=PathResult(there=True), **RELAYED), ERROR, "relay-back", "sends back does not"),
    (
        seen(Failure(RELAY, "timeout"), outside=WAY, **RELAYED),
        ERROR,
        "no-data",
        "data from host here arrives at it",
    ),
    (seen(outside=WAY, between=WAY, **RELAYED), OK, "", ""),
    (
        seen(between=way(too_large=800), outside=way(too_large=800), **RELAYED),
        ERROR,
        "packet-size",
        "the server, packets of 600 bytes come through, but none of 800 bytes",
    ),
    (seen(between=WAY, outside=way(too_large=1200), **RELAYED), ERROR, "packet-size", "a peer out"),
    (seen(between=SOME, outside=WAY, **RELAYED), ERROR, "packet-size", "of 400 and 600 bytes are"),
    (
        seen(between=WAY, outside=SOME, **RELAYED),
        ERROR,
        "packet-size",
        "as a peer outside, packets",
    ),
    (
        seen(between=way(too_large=16), **RELAYED),
        ERROR,
        "packet-size",
        "nothing does after one of 1200",
    ),
    (seen(between=PathResult(sizes={400: False, 1200: True}), **RELAYED), OK, "", ""),
    (seen(between=way(Burst(200, 9, 3)), **RELAYED), OK, "", ""),
    (seen(between=way(Burst(200, 10, 3)), **RELAYED), WARNING, "packet-loss", "5 %"),
    (seen(between=way(Burst(200, 24, 6)), **RELAYED), WARNING, "packet-loss", "max-bps"),
    (seen(between=way(Burst(200, 60, 5)), **RELAYED), ERROR, "packet-loss", "here and there"),
    (seen(between=way(Burst(200, 90, 24), 1200), **RELAYED), ERROR, "packet-loss", "24 of them"),
    (seen(between=way(Burst(200, 200, 100), 182), **RELAYED), ERROR, "packet-size", "182 bytes"),
    *(
        (seen(outside=PathResult(untried=word, peer=PEER), **RELAYED), NOTE, "outside-untried", why)
        for word, why in (
            ("forbidden", f"forbids data to {PEER}"),
            ("same-machine", "is the server itself"),
            ("no-udp", "UDP from here"),
            ("no-address", "the other family"),
            ("unreachable", "that address can't be reached"),
            ("closed", "failed"),
        )
    ),
    (seen(unspoken="dtls"), WARNING, "other-protocol", "is DTLS"),
    (seen(unspoken="tls"), WARNING, "other-protocol", "does not use TLS"),
    (seen(DISTRUST, transport=TLS), ERROR, "certificate-untrusted", "is not trusted"),
]
X509: List[Tuple[Certificate, str, str, str]] = [
    (certificate(), OK, "", ""),
    (certificate(not_after=int(NOW) + 14 * DAY), OK, "", ""),
    (certificate(not_after=int(NOW) + 14 * DAY - 1), WARNING, "certificate-ends-soon", "13 days"),
    (certificate(not_after=int(NOW) + 5), WARNING, "certificate-ends-soon", "in 0 days"),
    (
        certificate(not_after=int(NOW) - DAY, verify_error=10),
        ERROR,
        "certificate-expired",
        "1 day ago",
    ),
    (certificate(verify_error=10), ERROR, "certificate-untrusted", "another certificate of its"),
    (
        certificate(verify_error=9),
        ERROR,
        "certificate-not-yet",
        "is not valid before 2023-10-15T22:13:20Z",
    ),
    (certificate(verify_error=18), ERROR, "certificate-self-signed", "of turn is self-signed"),
    (certificate(verify_error=20), ERROR, "certificate-untrusted", "sent no other certificate"),
    (certificate(verify_error=19), ERROR, "certificate-untrusted", "its authority, an authority"),
    (
        certificate(verify_error=20, chain=("turn", "b")),
        ERROR,
        "certificate-untrusted",
        "its authority",
    ),
    (
        certificate(verify_error=23, verify_message="revoked"),
        ERROR,
        "certificate-untrusted",
        "revoked",
    ),
    (certificate(verify_error=62, names=("a", "b")), ERROR, "certificate-name", "but for a, b"),
    (certificate(verify_error=64, names=()), ERROR, "certificate-name", "no name at all"),
]
CASES += [(seen(transport=TLS, certificate=one), *rest) for one, *rest in X509]  # type: ignore
CASES += [(seen(), OK, "", ""), (seen(stun(401, BINDING)), OK, "", "")]
