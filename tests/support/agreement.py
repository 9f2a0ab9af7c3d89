"""The same faults as `probe` and as a browser observe them, and what both must say."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from abcwebrtc.probe.causes import said
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    HANDSHAKE,
    PERMISSION,
    RELAY,
    RESOLVE,
    TCP,
    TLS,
    Account,
    Failure,
    Login,
    Observation,
)
from e2e.testpage_results import error, relayed
from e2e.testpage_results import seen as browsed
from support.observations import NOW, RELAYED, STATIC, certificate, named, seen, stun

MINTED = Account(static=Login("1900000000:alice", "x"), expires_at=int(NOW) + 9)


class Scenario(NamedTuple):
    """`key` is the cause's key; `probe` and `page` are what each sees of the same fault."""

    name: str
    probe: Observation
    page: Dict[str, Any]
    key: str


def login(username: str) -> Dict[str, Any]:
    return {"login": {"username": username, "credential": "x"}}


def code(number: int, key: str) -> Scenario:
    return Scenario(f"{number} at Allocate", seen(stun(number)), browsed(errors=error(number)), key)


URL_TLS, URL_TCP = "turns:a.example", "turn:a.example?transport=tcp"
LOOKUP = error(701, "TURN host lookup received error.")
SILENT = {"ended": "limit"}


def looked(key: str, **facts: Any) -> Dict[str, Any]:
    """Return what a browser sees of a TLS port, and what `serve` saw there."""
    found = said(key, **facts)
    look = {"word": found.word, "message": found.message, "advice": found.advice}
    return browsed(URL_TLS, errors=error(701), look=look)


def of_certificate(**changes: Any) -> Observation:
    return seen(transport=TLS, certificate=certificate(**changes))


def forbidden_at(address: str) -> Dict[str, Any]:
    made = relayed(state="failed", heard=False, packetsReceived=0, isRefused=True)
    made["candidates"][0]["address"] = address
    return made


PLACE = "a.example, TLS port 5349"
ENDED = int(NOW) - 86400
SCENARIOS: List[Scenario] = [
    code(300, "redirect"),
    code(403, "forbidden"),
    code(437, "mismatch"),
    code(438, "stale-nonce"),
    code(440, "address-family"),
    code(442, "no-udp-relay"),
    code(486, "quota"),
    code(500, "server-error"),
    code(508, "capacity"),
    code(499, "stun-error"),
    code(400, "bad-request"),
    Scenario(
        "400 for a username with a blank",
        seen(stun(400), account=named("a b")),
        browsed(errors=error(400), **login("a b")),
        "bad-request/username",
    ),
    Scenario(
        "401 for a fixed login",
        seen(stun(401), account=STATIC),
        browsed(errors=error(401), **login("alice")),
        "wrong-login",
    ),
    Scenario(
        "401 for a minted login",
        seen(stun(401), account=MINTED),
        browsed(errors=error(401), **login("1900000000:alice")),
        "wrong-login/minted",
    ),
    Scenario(
        "401 for STUN",
        seen(stun(401, BINDING), scheme="stun", account=None),
        browsed("stun:a.example", errors=error(401)),
        "stun-login",
    ),
    *(
        Scenario(
            f"{number} for STUN",
            seen(stun(number, BINDING), scheme="stun", account=None),
            browsed("stun:a.example", errors=error(number)),
            key,
        )
        for number, key in ((400, "bad-request"), (500, "server-error"), (420, "stun-error"))
    ),
    Scenario(
        "a redirect to a server that is dead",
        seen(Failure(CONNECT, "timeout", at="192.0.2.9:3478")),
        looked("redirect/unanswered", next="192.0.2.9:3478"),
        "redirect",
    ),
    Scenario(
        "no such name",
        seen(Failure(RESOLVE, "no-name")),
        browsed(errors=LOOKUP),
        "no-name",
    ),
    Scenario(
        "silence over UDP",
        seen(Failure(BINDING, "timeout")),
        browsed(**SILENT),
        "no-answer",
    ),
    Scenario(
        "silence over TCP",
        seen(Failure(CONNECT, "timeout"), transport=TCP),
        browsed(URL_TCP, **SILENT),
        "no-answer",
    ),
    Scenario(
        "a closed TCP port",
        seen(Failure(CONNECT, "refused"), transport=TCP),
        browsed(URL_TCP, errors=error(701)),
        "refused",
    ),
    Scenario(
        "a closed TLS port",
        seen(Failure(CONNECT, "refused"), transport=TLS),
        looked("refused", where="a.example, TCP port 5349"),
        "refused",
    ),
    Scenario(
        "TLS that is not answered",
        seen(Failure(HANDSHAKE, "timeout"), transport=TLS),
        looked("no-tls/silent", where=PLACE),
        "no-tls/silent",
    ),
    Scenario(
        "a web server",
        seen(Failure(BINDING, "http"), transport=TLS),
        looked("http", where=PLACE),
        "http",
    ),
    Scenario(
        "TLS 1.0 only",
        seen(Failure(HANDSHAKE, "tls", detail="TLSV1_ALERT_PROTOCOL_VERSION"), transport=TLS),
        looked("old-tls", where=PLACE, detail=""),
        "old-tls",
    ),
    Scenario(
        "a certificate demanded of clients",
        seen(Failure(BINDING, "tls", detail="TLSV13_ALERT_CERTIFICATE_REQUIRED"), transport=TLS),
        looked("client-certificate", where=PLACE, detail=""),
        "client-certificate",
    ),
    Scenario(
        "silence after a good handshake",
        seen(Failure(BINDING, "timeout"), transport=TLS, times={"tls": 1.0}),
        looked("tls-silent", where=PLACE, detail=""),
        "tls-silent",
    ),
    Scenario(
        "a certificate that has ended",
        of_certificate(not_after=ENDED, verify_error=10),
        looked("certificate-expired", subject="turn", ago="1 day", end="then"),
        "certificate-expired",
    ),
    Scenario(
        "a certificate for another name",
        of_certificate(verify_error=62, names=("b.example",)),
        looked("certificate-name", host="a.example", names="b.example"),
        "certificate-name",
    ),
    Scenario(
        "a self-signed certificate",
        of_certificate(verify_error=18),
        looked("certificate-self-signed", subject="turn"),
        "certificate-self-signed",
    ),
    Scenario(
        "a chain that is not whole",
        of_certificate(verify_error=20),
        looked("certificate-untrusted/chain", subject="turn", issuer="an authority"),
        "certificate-untrusted/chain",
    ),
    Scenario(
        "data that is lost between relays",
        seen(Failure(RELAY, "timeout"), **RELAYED),
        relayed(state="failed", heard=False, packetsReceived=0),
        "no-data",
    ),
    *(
        Scenario(
            f"403 between relays at {address}",
            seen(stun(403, PERMISSION), relayed=f"{address}:5"),
            forbidden_at(address.strip("[]")),
            f"forbidden/{kind}",
        )
        for address, kind in (
            ("10.0.0.5", "private"),
            ("172.31.0.9", "private"),
            ("100.64.0.1", "private"),
            ("11.0.0.2", "public"),
            ("203.0.113.9", "public"),
            ("172.32.0.1", "public"),
            ("127.0.0.1", "loopback"),
            ("169.254.0.9", "local"),
            ("[fd00:111::1]", "local"),
            ("[fe80::1]", "local"),
            ("[2001:db8::9]", "public"),
        )
    ),
    Scenario(
        "a quota of one",
        seen(alone=True, **RELAYED),
        relayed(state="failed", heard=False, packetsReceived=0, errors=error(486)),
        "quota/second",
    ),
]


LOOKS = [
    looked("certificate-not-yet", subject="turn", begin="later"),
    looked("certificate-untrusted", subject="turn", reason="revoked"),
    looked("certificate-untrusted/unread", detail=""),
    looked("no-name/silent", host="turn.example.org", detail=""),
    looked("no-tls", where=PLACE, detail=""),
    looked("no-tls/closed", where=PLACE),
    looked("not-stun", where=PLACE),
    looked("redirect/unanswered", next="192.0.2.9:3478"),
    looked("unreachable/serve", where=PLACE, place="both", detail=""),
]
"""What else `serve` says about a TLS port (tests/unit/web/test_look.py), which the page repeats."""


class Pair(NamedTuple):
    """Two servers; the first one fails."""

    name: str
    probe: List[Observation]
    page: List[Dict[str, Any]]
    key: str
    clause: Optional[str] = None


SRFLX = {"type": "srflx", "address": "192.0.2.9", "port": 1, "protocol": "UDP", "ms": 1}
WORKS_TCP = seen(transport=TCP, reflexive="192.0.2.7:9", relayed="192.0.2.1:5")
ON_TCP = "; the same host works on TCP port 3478"
PAIRS: List[Pair] = [
    Pair(
        "Allocate is lost, and STUN answers",
        [seen(Failure(ALLOCATE, "timeout"), reflexive="192.0.2.7:9")],
        [browsed(**SILENT), browsed("stun:a.example", candidates=[SRFLX])],
        "no-allocate",
    ),
    Pair(
        "STUN is silent, and TURN answers",
        [
            seen(Failure(BINDING, "timeout"), scheme="stun", account=None),
            seen(relayed="192.0.2.1:5"),
        ],
        [browsed("stun:a.example", **SILENT), relayed()],
        "no-binding",
    ),
    *(
        Pair(
            f"{name}, and TCP works",
            [seen(failure), WORKS_TCP],
            [browsed(**result), relayed(URL_TCP)],
            key,
            ON_TCP,
        )
        for name, failure, result, key in (
            ("silence over UDP", Failure(BINDING, "timeout"), SILENT, "no-answer"),
            ("486 over UDP", stun(486), {"errors": error(486)}, "quota"),
            ("508 over UDP", stun(508), {"errors": error(508)}, "capacity"),
            ("499 over UDP", stun(499), {"errors": error(499)}, "stun-error"),
        )
    ),
    Pair(
        "a certificate has ended, and TCP works",
        [of_certificate(not_after=ENDED, verify_error=10), WORKS_TCP],
        [
            looked("certificate-expired", subject="turn", ago="1 day", end="then"),
            relayed(URL_TCP),
        ],
        "certificate-expired",
        ON_TCP,
    ),
]
