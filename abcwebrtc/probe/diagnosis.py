"""From what was seen to what it means, and what to do about it. Nothing is contacted."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Callable, Dict, Iterator, List, Sequence, Set, Tuple

from abcwebrtc.probe import tls
from abcwebrtc.probe.model import (
    ALLOCATE,
    ERROR,
    HANDSHAKE,
    LEVELS,
    RELAY,
    RESOLVE,
    RFC3489,
    UDP,
    WARNING,
    Circumstances,
    Diagnosis,
    Failure,
    Observation,
    Result,
    host_of,
)
from abcwebrtc.probe.path_diagnosis import after_redirect, path_diagnoses, silent_to_libnice
from abcwebrtc.probe.refusals import early_end, one_error, stun_diagnoses

Answering = Dict[Tuple[str, str], Set[int]]
"""The ports at which a host answers, by its name and UDP or TCP."""


def judge(seen: Sequence[Observation], around: Circumstances) -> List[Result]:
    """Return every observation with its diagnoses.

    That one family of addresses can't be reached is only a warning where the
    same url works over the other one; so is a fault over one of the transports
    that a client tries, where another one works. No answer over UDP says more where the
    same server answers over TCP, and the other way round.
    """
    answering: Answering = {}
    for one in seen:
        if one.reflexive:
            ports = answering.setdefault((one.target.host, _protocol_name(one)), set())
            ports.add(one.target.port)
    results = [_compared(Result(one, diagnose(one, around)), answering) for one in seen]
    working = [one.observation for one in results if one.level != ERROR]
    return [_softened(result, working) for result in results]


def _protocol_name(seen: Observation) -> str:
    return "UDP" if seen.target.transport == UDP else "TCP"


def _compared(result: Result, answering: Answering) -> Result:
    seen = result.observation
    other = "TCP" if _protocol_name(seen) == "UDP" else "UDP"
    ports = answering.get((seen.target.host, other), set())
    if not ports:
        return result
    text = f"; over {other} this server answers"
    if seen.target.port not in ports:
        text = f"; over {other}, port {min(ports)}, this host answers"
    changed = [
        replace(one, message=one.message + text) if one.word == "no-answer" else one
        for one in result.diagnoses
    ]
    return replace(result, diagnoses=tuple(changed))


def _softened(result: Result, working: Sequence[Observation]) -> Result:
    """Make warnings of what does no harm, since the same url works another way."""
    seen = result.observation
    over = _other_transport(seen, working)
    if over:
        text = f"; over {over} the same url works, which is enough"
        return _as_warnings(result, lambda one: replace(one, message=one.message + text))
    if any(one.target == seen.target and one.is_ipv6 != seen.is_ipv6 for one in working):
        family, other = ("IPv6", "IPv4") if seen.is_ipv6 else ("IPv4", "IPv6")
        text = f"; over {other} the same url works"
        advice = f"take its {family} address out of the DNS, or give this network {family}"
        return _as_warnings(
            result,
            lambda one: replace(one, message=one.message + text, advice=advice),
            "unreachable",
        )
    return result


def _other_transport(seen: Observation, working: Sequence[Observation]) -> str:
    """Return the protocol over which a client that tries several has its way, or nothing."""
    target = seen.target
    if target.either:
        for one in working:
            if one.target.either and one.target.uri == target.uri and one.target != target:
                return _protocol_name(one)
    return ""


def _as_warnings(
    result: Result, change: Callable[[Diagnosis], Diagnosis], word: str = ""
) -> Result:
    """Change the errors of a result, or those of one word, and make them warnings."""
    diagnoses = [
        replace(change(one), level=WARNING)
        if one.level == ERROR and word in ("", one.word)
        else one
        for one in result.diagnoses
    ]
    return replace(result, diagnoses=tuple(diagnoses))


def diagnose(seen: Observation, around: Circumstances) -> Tuple[Diagnosis, ...]:
    """Return what an observation means, errors first; nothing where all is well."""
    found = [one for failure in seen.failures for one in _failure(seen, failure, around)]
    found += tls.certificate_diagnoses(seen.certificate, seen.target.host, around.now)
    found += _warnings(seen)
    found += path_diagnoses(seen)
    return tuple(sorted(found, key=lambda one: LEVELS.index(one.level)))


def _failure(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    if failure.step == RFC3489:
        return silent_to_libnice(failure)
    if failure.at:
        return after_redirect(failure, _failure(seen, replace(failure, at=""), around))
    if failure.kind == "certificate":
        # what stands in the certificate says more, where it could be read
        return [] if seen.certificate else [tls.unread_certificate(failure)]
    if failure.kind == "stun":
        return stun_diagnoses(seen, failure, around.now)
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
    return one_error("no-name", message, advice)


def _no_answer(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    if failure.step == RELAY:
        return _no_data(seen)
    if failure.step == ALLOCATE:
        message = "the server answers STUN, but no Allocate: it gives no relays"
        return one_error("stun-only", message, "take stun-only out of turnserver.conf, or the url")
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
    return one_error("no-answer", message, advice)


def _no_data(seen: Observation) -> List[Diagnosis]:
    return one_error(
        "no-data",
        f"a relay was given ({seen.relayed}), but data sent to it does not arrive",
        "open coturn's min-port to max-port (UDP) in its firewall, and look at relay-ip and "
        "external-ip in turnserver.conf",
    )


def _refused(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return one_error(
        "refused",
        f"refused: nothing listens on {_where(seen)}",
        "start coturn, or correct the port; see listening-port, tls-listening-port, no-udp and "
        "no-tcp in turnserver.conf",
    )


def _unreachable(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    family = "IPv6" if seen.is_ipv6 else "IPv4"
    detail = f" ({failure.detail})" if failure.detail else ""
    return one_error(
        "unreachable",
        f"no way to {seen.address} over {family} from {around.place}{detail}",
        f"look at the routes and firewalls of this network, and whether it has {family}",
    )


def _closed(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return one_error(
        "closed",
        f"the server closes the connection instead of an answer to {failure.step}",
        "is that the port of coturn, and no proxy or firewall before it?",
    )


def _other(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    detail = f": {failure.detail}" if failure.detail else ""
    return one_error("failed", f"the step {failure.step} failed{detail}", "")


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


# what works, and yet


def _warnings(seen: Observation) -> Iterator[Diagnosis]:
    if seen.anonymous:
        yield Diagnosis(
            WARNING,
            "open-relay",
            "the server gives relays to anybody, without a login",
            "take no-auth out of turnserver.conf, and write use-auth-secret",
        )
    if seen.relayed:
        yield from _relay_elsewhere(seen.server.partition("%")[0], host_of(seen.relayed))
    if seen.alone:
        yield Diagnosis(
            WARNING,
            "quota",
            "486 for a second allocation of the same user; data went through the one relay",
            "raise user-quota or total-quota in turnserver.conf: a browser takes one for each url",
        )
    if seen.relayed and seen.login:
        yield from early_end(seen.login)
    if seen.target.note:
        yield Diagnosis(WARNING, "other-protocol", seen.target.note)


def _relay_elsewhere(server: str, relay: str) -> Iterator[Diagnosis]:
    """Say where a public server gives relays that others may not reach.

    Data between two of its relays arrives all the same: coturn takes its external-ip,
    also a wrong one, for itself.
    """
    here, there = ipaddress.ip_address(server), ipaddress.ip_address(relay)
    what = f"the server at {server} gives relays at {relay}"
    if here.is_global and not there.is_global:
        yield Diagnosis(
            WARNING,
            "private-relay",
            f"{what}, a private address, to which others can't send",
            "write external-ip into turnserver.conf, the public address for that private one",
        )
    elif here.is_global and here.version == there.version and here != there:
        yield Diagnosis(
            WARNING,
            "other-relay",
            f"{what}, and whether others can send to that can't be told from here",
            "is that an address of the same server? If not, correct external-ip in turnserver.conf",
        )
