"""From what was seen to what it means, and what to do about it. Nothing is contacted."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Dict, Iterator, List, Sequence, Tuple

from abcwebrtc.probe import tls
from abcwebrtc.probe.comparison import compared
from abcwebrtc.probe.model import (
    ALLOCATE,
    HANDSHAKE,
    LEVELS,
    RELAY,
    RESOLVE,
    RFC3489,
    Circumstances,
    Diagnosis,
    Failure,
    Observation,
    Result,
)
from abcwebrtc.probe.path_diagnosis import after_redirect, path_diagnoses, silent_to_libnice
from abcwebrtc.probe.refusals import early_end, stun_diagnoses
from abcwebrtc.probe.saying import fault, in_brackets, said, where_of


def judge(seen: Sequence[Observation], around: Circumstances) -> List[Result]:
    """Return every observation with its diagnoses, compared with one another."""
    return compared([Result(one, diagnose(one, around)) for one in seen])


def diagnose(seen: Observation, around: Circumstances) -> Tuple[Diagnosis, ...]:
    """Return what an observation means, errors first; nothing where all is well."""
    found = [one for failure in seen.failures for one in _failure(seen, failure, around)]
    found += tls.certificate_diagnoses(seen.certificate, seen.target.host, around.now)
    found += _warnings(seen)
    found += path_diagnoses(seen, around)
    return tuple(sorted(found, key=lambda one: LEVELS.index(one.level)))


def _failure(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    if failure.step == RFC3489:
        return silent_to_libnice()
    if failure.at:
        return after_redirect(failure, _failure(seen, replace(failure, at=""), around))
    if failure.kind == "certificate":
        # what stands in the certificate says more, where it could be read
        return [] if seen.certificate else [tls.unread_certificate(failure.detail)]
    if failure.kind == "stun":
        return stun_diagnoses(seen, failure, around.now)
    if failure.step == RESOLVE:
        return _no_name(seen, failure)
    if seen.spoken or failure.step == HANDSHAKE:
        return [tls.protocol_diagnosis(seen, failure)]
    return _KINDS.get(failure.kind, _other)(seen, failure, around)


# what the network says


def _no_name(seen: Observation, failure: Failure) -> List[Diagnosis]:
    if failure.kind == "timeout":
        return fault("no-name/silent", host=seen.target.host)
    return fault("no-name", host=seen.target.host, detail=in_brackets(failure.detail))


def _no_answer(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    where = where_of(seen, failure.step)
    if failure.step == RELAY:
        if seen.outside and seen.outside.works:
            return fault("no-data/between", relay=seen.relayed, place=around.place)
        return fault("no-data", relay=seen.relayed)
    if failure.step == ALLOCATE:
        return fault("no-allocate", where=where)
    if tls.is_silent_behind_tls(seen, failure):
        return fault("tls-silent", where=where, detail="")
    place = f"{around.place}{in_brackets(seen.local)}"
    key = "no-answer/pod" if around.place.pod else "no-answer"
    return fault(key, where=where, within=f" within {around.timeout:g} s", place=place)


def _refused(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return fault("refused", where=where_of(seen, failure.step))


def _unreachable(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return fault(
        "unreachable",
        address=seen.address,
        family="IPv6" if seen.is_ipv6 else "IPv4",
        place=around.place,
        detail=in_brackets(failure.detail),
    )


def _closed(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    where = where_of(seen, failure.step)
    if tls.is_silent_behind_tls(seen, failure):
        return fault("tls-silent", where=where, detail=in_brackets("the connection is closed"))
    return fault("closed", where=where, step=failure.step)


def _protocol(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    return [tls.protocol_diagnosis(seen, failure)]


def _other(seen: Observation, failure: Failure, around: Circumstances) -> List[Diagnosis]:
    detail = f": {failure.detail}" if failure.detail else ""
    where = where_of(seen, failure.step)
    return fault("failed", step=failure.step, where=where, detail=detail)


_Rule = Callable[[Observation, Failure, Circumstances], List[Diagnosis]]

_KINDS: Dict[str, _Rule] = {
    "timeout": _no_answer,
    "refused": _refused,
    "unreachable": _unreachable,
    "closed": _closed,
    "http": _protocol,
    "not-stun": _protocol,
    "tls": _protocol,
    "tls-answer": _protocol,
}


# what works, and yet


def _warnings(seen: Observation) -> Iterator[Diagnosis]:
    if seen.anonymous:
        yield said("open-relay")
    if seen.alone:
        yield said("quota/second")
    if seen.relayed and seen.login:
        yield from early_end(seen.login)
    if seen.target.note:
        yield said("other-protocol", note=seen.target.note)
