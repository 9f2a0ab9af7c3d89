"""The probe's judgement, targets and report; `integration/test_probe*` reach real servers."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abcwebrtc import WebRTCConfig, cli
from abcwebrtc.credentials import MAX_EXPIRY, TurnCredentials
from abcwebrtc.errors import CredentialError, ProbeError
from abcwebrtc.manifests import gstreamer_turn
from abcwebrtc.probe.diagnosis import diagnose, judge
from abcwebrtc.probe.login import investigate, measure_clock
from abcwebrtc.probe.model import (
    ALLOCATE,
    BINDING,
    CONNECT,
    ERROR,
    HANDSHAKE,
    OK,
    PERMISSION,
    RELAY,
    RESOLVE,
    TCP,
    TLS,
    UDP,
    WARNING,
    Account,
    Certificate,
    Circumstances,
    Failure,
    Login,
    LoginFindings,
    Observation,
    Place,
    Result,
    Target,
)
from abcwebrtc.probe.refusals import span
from abcwebrtc.probe.report import as_json, summary, table
from abcwebrtc.probe.targets import config_targets, environment_targets
from abcwebrtc.uris import IceURI
from support import ENTRIES, SECRET, WAIT, command, environment, run_command, write_od_config
from test_docs import table_keys

NOW = 1_700_000_000.0
DAY = 86400
HERE, POD = Place("here"), Place("desk", pod=True)
URI = IceURI("turn", "turn.example.org", 3478)
STATIC = Account(static=Login("alice", "a-password"))
MINTED = Account(mint=lambda position, expiry: Login(str(expiry), "x"), secrets=2, ttl=3600)


def around(place: Place = HERE) -> Circumstances:
    return Circumstances(place, NOW, 5.0)


def seen(
    *failures: Failure,
    scheme: str = "turn",
    transport: str = UDP,
    account: Optional[Account] = MINTED,
    note: str = "",
    address: str = "192.0.2.1",
    **fields: Any,
) -> Observation:
    """Return what was seen of a server, by default of a TURN server over UDP."""
    target = Target(IceURI(scheme, "turn.example.org", 3478), transport, account, note)
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
RELAYED = {"relayed": "127.0.0.1:50000"}

# What was seen, the level and the word of the diagnosis, and a part of its message and advice.
Case = Tuple[Observation, str, str, str]
CASES: List[Case] = [
    (seen(Failure(RESOLVE, "no-name", detail="Unknown")), ERROR, "no-name", "(Unknown)"),
    (seen(Failure(RESOLVE, "no-name")), ERROR, "no-name", "turn.example.org does not resolve"),
    (seen(Failure(RESOLVE, "timeout")), ERROR, "no-name", "no answer for turn.example.org"),
    (seen(Failure(BINDING, "timeout"), local="10.0.0.5"), ERROR, "no-answer", "(10.0.0.5)"),
    (seen(Failure(BINDING, "timeout")), ERROR, "no-answer", "within 5 s from 192.0.2.1, UDP port"),
    (seen(Failure(CONNECT, "timeout"), transport=TCP), ERROR, "no-answer", "TCP port 3478"),
    (seen(Failure(CONNECT, "timeout"), transport=TLS), ERROR, "no-answer", "firewall"),
    (seen(Failure(ALLOCATE, "timeout")), ERROR, "stun-only", "no Allocate"),
    (seen(Failure(RELAY, "timeout"), **RELAYED), ERROR, "no-data", "127.0.0.1:50000"),
    (seen(Failure(BINDING, "refused")), ERROR, "refused", "192.0.2.1, UDP port 3478"),
    (seen(Failure(CONNECT, "refused"), transport=TCP), ERROR, "refused", "TCP port 3478"),
    (seen(Failure(CONNECT, "unreachable")), ERROR, "unreachable", "over IPv4 from host here"),
    (seen(Failure(CONNECT, "unreachable"), address="2001:db8::1"), ERROR, "unreachable", "IPv6"),
    (seen(Failure(BINDING, "closed"), transport=TCP), ERROR, "closed", "answer to binding"),
    (seen(Failure(CONNECT, "error", detail="why")), ERROR, "failed", "connect failed: why"),
    (seen(Failure(BINDING, "http"), transport=TCP), ERROR, "http", "a web server"),
    (seen(Failure(BINDING, "timeout"), transport=TCP, spoken="http"), ERROR, "http", "web server"),
    (seen(Failure(HANDSHAKE, "tls"), transport=TLS, spoken="http"), ERROR, "http", "web server"),
    (seen(Failure(HANDSHAKE, "timeout"), transport=TLS, spoken="stun"), ERROR, "plain", "no TLS"),
    (seen(Failure(BINDING, "tls-answer"), transport=TCP), ERROR, "tls-port", "write turns for"),
    (seen(Failure(BINDING, "closed"), transport=TCP, spoken="tls"), ERROR, "tls-port", "only TLS"),
    (seen(Failure(BINDING, "not-stun"), transport=TCP), ERROR, "not-stun", "something else"),
    (seen(Failure(HANDSHAKE, "timeout"), transport=TLS), ERROR, "no-tls", "gets no answer"),
    (seen(Failure(HANDSHAKE, "closed"), transport=TLS), ERROR, "no-tls", "closes the connection"),
    (
        seen(Failure(HANDSHAKE, "tls", detail="NO_CIPHER"), transport=TLS),
        ERROR,
        "no-tls",
        "(no cipher)",
    ),
    (seen(stun(401, BINDING), scheme="stun", account=None), ERROR, "stun-login", "secure-stun"),
    (seen(stun(401), login=LoginFindings(1)), ERROR, "wrong-secret", "the configured secret"),
    (seen(stun(401), login=LoginFindings(3)), ERROR, "wrong-secret", "any of the 3 configured"),
    (seen(stun(401)), ERROR, "wrong-secret", "answered no more"),
    (seen(stun(401), login=LoginFindings(3, 1)), ERROR, "older-secret", "secret 2 of 3"),
    (seen(stun(401), login=LoginFindings(2, 0)), ERROR, "unsteady", "took the next one"),
    (seen(stun(401), login=LoginFindings(1, 0, 7200)), ERROR, "clock", "2 h 0 min ahead"),
    (seen(login=LoginFindings(1, 0, 600), **RELAYED), WARNING, "clock", "10 min 0 s ahead"),
    (seen(stun(401), account=STATIC), ERROR, "wrong-login", "webrtc.rtc_configuration"),
    (
        seen(stun(401), account=Account(static=Login("1", "x"), expires_at=int(NOW) + 9)),
        ERROR,
        "wrong-login",
        "has not ended",
    ),
    (
        seen(stun(401), account=Account(static=Login("1", "x"), expires_at=int(NOW) - 90)),
        ERROR,
        "login-ended",
        "1 min 30 s ago",
    ),
    (seen(stun(300)), ERROR, "redirect", "alternate-server"),
    (seen(stun(400)), ERROR, "bad-request", "a blank, a quote"),
    (seen(stun(400, signed=False)), ERROR, "bad-request", "see a timeout"),
    (seen(stun(403)), ERROR, "forbidden", "forbids this"),
    (seen(stun(403, PERMISSION), relayed="192.0.2.9:1"), ERROR, "forbidden", "-ip=192.0.2.9 "),
    (seen(stun(403, PERMISSION), relayed="[2001:db8::9]:1"), ERROR, "forbidden", "2001:db8::9 "),
    (seen(stun(403, PERMISSION), **RELAYED), ERROR, "forbidden", "relay-ip"),
    (seen(stun(437)), ERROR, "mismatch", "437: "),
    (seen(stun(438)), ERROR, "stale-nonce", "438: "),
    (seen(stun(442)), ERROR, "no-udp-relay", "442: "),
    (seen(stun(486)), ERROR, "quota", "486: "),
    (seen(alone=True, **RELAYED), WARNING, "quota", "486 for a second"),
    (seen(stun(500)), ERROR, "server-error", "500: "),
    (seen(stun(508)), ERROR, "capacity", "508: "),
    (seen(stun(499)), ERROR, "stun-error", "499: "),
    (seen(anonymous=True), WARNING, "open-relay", "without a login"),
    (seen(address="9.9.9.9", relayed="10.0.0.1:5"), WARNING, "private-relay", "relays at 10.0.0.1"),
    (seen(address="9.9.9.9", relayed="[fd00::1]:5"), WARNING, "private-relay", "external-ip"),
    (seen(address="9.9.9.9", relayed="9.9.9.10:5"), OK, "", ""),
    (seen(address="10.0.0.1", relayed="10.0.0.2:5"), OK, "", ""),
    (seen(note="a note"), WARNING, "other-protocol", "a note"),
    (seen(DISTRUST, transport=TLS), ERROR, "certificate-untrusted", "is not trusted"),
]
X509: List[Tuple[Certificate, str, str, str]] = [
    (certificate(), OK, "", ""),
    (certificate(not_after=int(NOW) + 14 * DAY), OK, "", ""),
    (certificate(not_after=int(NOW) + 14 * DAY - 1), WARNING, "certificate-ends-soon", "13 days"),
    (certificate(not_after=int(NOW) + 5), WARNING, "certificate-ends-soon", "in 0 days"),
    (certificate(not_after=int(NOW) - DAY, verify_error=10), ERROR, "certificate-expired", "1 d"),
    (certificate(verify_error=10), ERROR, "certificate-untrusted", "another certificate of its"),
    (certificate(verify_error=9), ERROR, "certificate-not-yet", "begins at 2023-10-15 22:13:20"),
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


@pytest.mark.parametrize(("observation", "level", "word", "part"), CASES)
def test_what_is_seen_is_what_is_said(
    observation: Observation, level: str, word: str, part: str
) -> None:
    found = diagnose(observation, around())
    assert Result(observation, found).level == level
    assert [one.word for one in found] == ([word] if word else [])
    for one in found:
        assert part in f"{one.message} | {one.advice} |"
        assert not one.message.endswith(".")
        assert "a-password" not in str(one)


def test_the_page_lists_every_word() -> None:
    words = {word for _, _, word, _ in CASES if word}
    assert set(table_keys("probe.md", "## What it says")) == words


def test_no_answer_in_a_pod_may_be_a_network_policy() -> None:
    (found,) = diagnose(seen(Failure(BINDING, "timeout")), around(POD))
    assert "asked from pod desk" in found.message
    assert "'abcwebrtc networkpolicy'" in found.advice


STEPS = (RESOLVE, CONNECT, HANDSHAKE, BINDING, ALLOCATE, PERMISSION, RELAY)
KINDS = (
    "timeout refused unreachable closed http not-stun tls-answer tls certificate error no-name x"
)
FINDINGS = st.builds(
    LoginFindings,
    tried=st.integers(0, 3),
    known=st.none() | st.integers(0, 2),
    clock_ahead=st.none() | st.integers(-9, 9),
)


@given(
    failure=st.builds(Failure, st.sampled_from(STEPS), st.sampled_from(KINDS.split()))
    | st.builds(Failure, st.just(ALLOCATE), st.just("stun"), st.integers(0, 799), st.booleans()),
    account=st.sampled_from([None, STATIC, MINTED]),
    transport=st.sampled_from([UDP, TCP, TLS]),
    spoken=st.sampled_from(["", "stun", "http", "tls"]),
    login=st.none() | FINDINGS,
)
def test_whatever_fails_is_an_error_with_a_message(
    failure: Failure, account: Any, transport: str, spoken: str, login: Any
) -> None:
    one = seen(failure, account=account, transport=transport, spoken=spoken, login=login)
    found = diagnose(one, around())
    assert found
    assert {diagnosis.level for diagnosis in found} == {ERROR}
    assert all(diagnosis.message for diagnosis in found)


def test_errors_come_before_warnings() -> None:
    both = seen(stun(403, PERMISSION), note="a note", **RELAYED)
    assert [one.level for one in diagnose(both, around())] == [ERROR, WARNING]


# together


def test_the_other_family_makes_an_unreachable_one_a_warning() -> None:
    six = seen(Failure(CONNECT, "unreachable"), address="2001:db8::1")
    four = seen(reflexive="192.0.2.7:9")
    first, second = judge([six, four], around())
    assert (first.level, second.level) == (WARNING, OK)
    assert "over IPv4 the same url works" in first.diagnoses[0].message
    assert judge([six], around())[0].level == ERROR
    refused = seen(Failure(BINDING, "refused"), address="2001:db8::1")
    assert judge([refused, four], around())[0].level == ERROR
    other = seen(reflexive="192.0.2.7:9", transport=TCP)
    assert judge([six, other], around())[0].level == ERROR


def test_no_answer_over_udp_says_that_tcp_has_one() -> None:
    silent, other = seen(Failure(BINDING, "timeout")), seen(transport=TCP, reflexive="192.0.2.7:9")
    first, _ = judge([silent, other], around())
    assert first.diagnoses[0].message.endswith("; over TCP this server answers")
    first, _ = judge([silent, seen(reflexive="192.0.2.7:9")], around())
    assert "over TCP" not in first.diagnoses[0].message


def test_an_answer_at_another_port_is_not_taken_for_one_of_the_same_server() -> None:
    silent = seen(Failure(BINDING, "timeout"))
    target = Target(IceURI("turns", "turn.example.org", 5349), TLS, MINTED)
    first, _ = judge([silent, Observation(target, "192.0.2.1", reflexive="192.0.2.7:9")], around())
    assert first.diagnoses[0].message.endswith("; over TCP, port 5349, this host answers")


def test_one_of_the_transports_of_webrtcbin_is_enough() -> None:
    made = environment_targets({"TURN_SERVER": "turn://u:p@192.0.2.1:3478"})
    silent = Observation(made[0], "192.0.2.1", failures=[Failure(BINDING, "refused")])
    works = Observation(made[1], "192.0.2.1", reflexive="192.0.2.7:9")
    first, second = judge([silent, works], around())
    assert (first.level, second.level) == (WARNING, OK)
    works.failures.append(Failure(BINDING, "closed"))
    assert {one.level for one in judge([silent, works], around())} == {ERROR}


# after a 401


@given(
    known=st.sets(st.integers(0, 3)),
    count=st.integers(1, 4),
    clock=st.integers(int(NOW) - 10 * DAY, MAX_EXPIRY),
    ttl=st.integers(1, 30 * DAY),
)
def test_a_server_is_seen_through(known: Set[int], count: int, clock: int, ttl: int) -> None:
    """The server takes these secrets, until the expiry has passed on its clock."""

    def accepts(login: Login) -> bool:
        return int(login.password) in known and int(login.username) >= clock

    account = Account(
        mint=lambda position, expiry: Login(str(expiry), str(position)), secrets=count, ttl=ttl
    )
    found = investigate(account, accepts, NOW)
    expected = min((one for one in known if one < count), default=None)
    assert (found.tried, found.known) == (count, expected)
    is_late = expected is not None and clock > int(NOW) + ttl
    assert found.clock_ahead == (clock - int(NOW) if is_late else None)


@given(clock=st.integers(1, MAX_EXPIRY))
def test_a_clock_is_measured_in_few_steps(clock: int) -> None:
    asked: List[int] = []

    def accepts(expiry: int) -> bool:
        asked.append(expiry)
        return expiry >= clock

    assert measure_clock(accepts, 0) == clock
    assert len(asked) <= 31


def test_a_static_login_is_not_investigated() -> None:
    assert investigate(STATIC, lambda login: True, NOW) == LoginFindings()


# targets


def targets_of(user: str = "probe", **changes: Any) -> List[Target]:
    entries = {**ENTRIES, **{name.replace("__", "."): changes[name] for name in changes}}
    return config_targets(WebRTCConfig.from_mapping(entries), user)


@pytest.mark.parametrize(
    ("url", "changes", "expected"),
    [
        ("a.example.org", {}, [(UDP, 3478)]),
        ("a.example.org:80", {"transport": ["udp", "tcp"]}, [(UDP, 80), (TCP, 80)]),
        ("a.example.org?transport=tcp", {}, [(TCP, 3478)]),
        ("a.example.org", {"protocol": "turns"}, [(TLS, 5349)]),
        ("a.example.org:3478", {"protocol": "turns", "transport": "tcp"}, [(TLS, 3478)]),
    ],
)
def test_the_transport_and_port_of_a_url(url: str, changes: Any, expected: Any) -> None:
    stun_target, *made = targets_of(
        webrtc__coturn={**ENTRIES["webrtc.coturn"], "url": url, **changes}
    )
    assert [(one.transport, one.port) for one in made] == expected
    assert (stun_target.transport, stun_target.account) == (UDP, None)
    assert all(one.is_turn and not one.note for one in made)


def test_turns_over_udp_is_said_to_be_dtls() -> None:
    coturn = {**ENTRIES["webrtc.coturn"], "protocol": "turns", "transport": "udp"}
    (_, made) = targets_of(webrtc__coturn=coturn)
    assert (made.transport, "DTLS" in made.note) == (TLS, True)


def test_logins_are_minted_in_the_style_of_the_server_with_every_secret() -> None:
    coturn = {**ENTRIES["webrtc.coturn"], "coturn_static_auth_secret": [SECRET, "other" * 5]}
    (_, made) = targets_of("alice", webrtc__coturn=coturn)
    assert made.account
    assert made.account.mint
    assert (made.account.secrets, made.account.ttl) == (2, 600)
    first, second = made.account.mint(0, 1234567890), made.account.mint(1, 1234567890)
    assert first.username == second.username == "1234567890:alice"
    assert first.password != second.password


def test_a_user_that_no_username_can_hold_is_an_error_before_anything_is_sent() -> None:
    with pytest.raises(CredentialError):
        targets_of("a b")


def test_a_static_login_stays_out_of_sight() -> None:
    server = {"urls": ["turn:a", "stun:b"], "username": "alice", "credential": "a-password"}
    made = targets_of(webrtc__rtc_configuration={"iceServers": [server]})
    assert [one.url for one in made[:2]] == ["turn:a", "stun:b"]
    assert made[0].account == Account(static=Login("alice", "a-password"))
    assert made[1].account is None
    assert "alice" not in repr(made)
    assert "a-password" not in repr(made)


def test_the_environment_of_a_desktop() -> None:
    variables = {
        "STUN_SERVER": "stun://[2001:db8::1]:99",
        "TURN_SERVER": "turns://12%3Aa:b%2F@h:3478",
    }
    stun_target, turn_target = environment_targets(variables)
    assert (stun_target.host, stun_target.port) == ("2001:db8::1", 99)
    assert turn_target.account == Account(static=Login("12:a", "b/"), expires_at=12)
    assert turn_target.transport == TCP
    assert "no TLS" in turn_target.note


@given(
    user=st.text(min_size=1), password=st.text(min_size=1), transport=st.sampled_from([UDP, TCP])
)
def test_a_turn_server_is_read_as_it_was_written(user: str, password: str, transport: str) -> None:
    uri = IceURI("turn", "[2001:db8::1]", 99, transport)
    try:
        text = gstreamer_turn(uri, TurnCredentials(user, password, 1, 1))
    except UnicodeEncodeError:
        return
    (made,) = environment_targets({"TURN_SERVER": text})
    assert made.account
    assert made.account.static == Login(user, password)
    assert (made.uri, made.transport) == (uri, transport)


WRONG = ["x", "stun:a", "turn://a", "turn://hidden@h", "turn://u:hidden@h:0", "turn://u:hidden@"]
WRONG += ["turn://u:hidden@h?x", "http://u:hidden@h", "turn://u:hidden/@h", "TURN://u:hidden@h"]


@pytest.mark.parametrize("name", ["STUN_SERVER", "TURN_SERVER"])
@pytest.mark.parametrize("text", WRONG)
def test_a_variable_that_can_not_be_read_is_named_and_not_shown(name: str, text: str) -> None:
    with pytest.raises(ProbeError, match=f"^{name} ") as caught:
        environment_targets({name: text})
    assert "hidden" not in str(caught.value)
    assert caught.value.__context__ is None


@given(text=st.text() | st.text().map("turn://u:p@".__add__) | st.text().map("turn://".__add__))
def test_any_turn_server_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ProbeError):
        assert environment_targets({"TURN_SERVER": text})


@pytest.mark.parametrize("variables", [{}, {"STUN_SERVER": "", "TURN_SERVER": ""}])
def test_an_environment_without_servers_is_an_error(variables: Dict[str, str]) -> None:
    with pytest.raises(ProbeError, match="neither STUN_SERVER nor TURN_SERVER"):
        environment_targets(variables)


# the report


def results() -> List[Result]:
    good = seen(
        scheme="stun",
        account=None,
        reflexive="198.51.100.7:5000",
        times={"connect": 1.0, "binding": 2.25},
    )
    bad = seen(
        stun(401),
        account=STATIC,
        transport=TLS,
        reflexive="[2001:db8::7]:5000",
        certificate=certificate(),
        times={"binding": 12.0},
    )
    return judge([good, bad], around())


def test_the_table_has_the_columns_that_are_used() -> None:
    heading, first, second, *explained = table(results(), NOW)
    assert heading.split() == ["URL", "ADDRESS", "BY", "BINDING", "CERTIFICATE", "RESULT"]
    assert re.split("  +", first)[3:] == ["198.51.100.7 2.2 ms", "ok"]
    cells = re.split("  +", second)
    assert cells[3:] == ["2001:db8::7 12.0 ms", "turn.example.org 60 days", "wrong-login"]
    assert heading.index("RESULT") == first.index("ok") == second.index("wrong-login")
    assert explained[0].startswith("  error: 401: ")
    assert all(line == line.rstrip() for line in (heading, first, second, *explained))


@given(st.lists(st.sampled_from([case[0] for case in CASES]), max_size=5))
@settings(max_examples=30)
def test_any_table_is_aligned_and_narrow_where_it_explains(observations: Any) -> None:
    judged = judge(observations, around(POD))
    heading, *lines = table(judged, NOW, lambda text, level: f"<{text}>")
    column = heading.index("RESULT")
    rows = [line for line in lines if not line.startswith("  ")]
    assert len(rows) == len(observations)
    assert all(line[column - 1 : column + 1] == " <" for line in rows)
    assert all(len(line) <= 102 for line in lines if line.startswith("  "))


def test_the_summary_counts() -> None:
    assert summary(results(), HERE) == "1 of 2 work; probed from host here"
    warned = judge([seen(note="a"), seen(note="b"), seen()], around(POD))
    assert summary(warned[1:], POD) == "2 of 2 work, 1 warning; probed from pod desk"
    assert summary(warned, POD) == "3 of 3 work, 2 warnings; probed from pod desk"


def test_json_has_what_was_seen_and_no_login() -> None:
    report = json.loads(json.dumps(as_json(results(), POD, NOW, failed=True)))
    assert report["ok"] is False
    assert report["from"] == {"host": "desk", "pod": True}
    assert report["time"] == int(NOW)
    good, bad = report["results"]
    assert list(good) == list(bad)
    assert (good["level"], good["diagnoses"], good["certificate"]) == ("ok", [], None)
    assert good["times"] == {"connect": 1.0, "binding": 2.25}
    assert bad["certificate"]["days_left"] == 60
    assert bad["diagnoses"][0]["word"] == "wrong-login"
    assert "a-password" not in str(report)
    assert "alice" not in str(report)


def test_the_page_lists_the_members_of_the_json() -> None:
    report = as_json(results(), HERE, NOW, failed=False)
    bad = report["results"][1]
    members = {*report, *bad, *bad["certificate"], *bad["diagnoses"][0], *report["from"]}
    assert set(table_keys("probe.md", "## JSON")) == members


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 min"),
        (90061, "1 d 1 h"),
        (400 * DAY, "400 d 0 h"),
    ],
)
def test_a_span_is_told_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


# the command line


def run(*arguments: object) -> "Tuple[int, str]":
    done = run_command("probe", *arguments)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "give an OD_CONFIG, or --desktop"),
        (["od.config", "--timeout", "0"], "write seconds, from 0.1 to 86400"),
        (["od.config", "--timeout", "nan"], "write seconds"),
        (["--watch", "od.config"], "OD_CONFIG stands before --watch"),
    ],
)
def test_a_wrong_command_line_is_exit_2(options: List[str], part: str) -> None:
    status, error = run(*options)
    assert status == 2
    assert part in error


@pytest.mark.parametrize("data", [None, b"", b"no certificate"])
def test_an_authority_that_can_not_be_read(tmp_path: Path, data: Optional[bytes]) -> None:
    path = tmp_path / "ca.pem"
    if data is not None:
        path.write_bytes(data)
    status, error = run(write_od_config(tmp_path), "--ca", path)
    assert (status, error.count("\n")) == (1, 1)
    assert error.startswith(f"error: {path}: the certificate authority can't be read: ")


def test_a_configuration_without_servers(tmp_path: Path) -> None:
    changes = {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    status, error = run(write_od_config(tmp_path, **changes))
    assert status == 1
    assert "there is no STUN or TURN server to probe" in error


def test_a_desktop_without_servers(tmp_path: Path) -> None:
    changes = {"webrtc__coturn": ..., "webrtc__rtc_configuration": ...}
    status, error = run(write_od_config(tmp_path, **changes), "--desktop")
    assert status == 1
    assert "neither STUN_SERVER nor TURN_SERVER is set" in error


def test_where_aioice_is_missing_that_is_said_with_what_to_run(tmp_path: Path) -> None:
    line = command(
        "probe", write_od_config(tmp_path), before="import sys\nsys.modules['aioice'] = None"
    )
    done = subprocess.run(line, capture_output=True, text=True, timeout=WAIT, env=environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: probe needs aioice, which is not installed; run: pip install 'abcwebrtc[probe]'\n"
    )


def test_the_table_of_options_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["probe", "--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert set(table_keys("probe.md", "# Probe")) == offered
