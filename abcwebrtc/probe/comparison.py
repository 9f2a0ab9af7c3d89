"""What results say together: where else the same server answers, and what does no harm."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterable, List, Sequence

from abcwebrtc.probe.causes import ELSEWHERE_TOO, UNANSWERED, clause
from abcwebrtc.probe.model import (
    ERROR,
    UDP,
    WARNING,
    Diagnosis,
    Observation,
    Result,
    Target,
    host_of,
)
from abcwebrtc.probe.saying import said, where_of


def compared(results: Sequence[Result]) -> List[Result]:
    """Return the results with what the others tell of them.

    That one family of addresses can't be reached is only a warning where the
    same url works over the other one; so is a fault over one of the transports
    that a client tries, where another one works. Any other fault says where else the
    same host works or answers.
    """
    working = [one.observation for one in results if one.level != ERROR]
    answering = [one.observation for one in results if _answers(one.observation)]
    told = [_partly_shut(_bound(one, answering), working) for one in results]
    return [_softened(one, working) or _elsewhere(one, working, answering) for one in told]


def _answers(seen: Observation) -> bool:
    return bool(seen.reflexive or seen.relayed) or any(one.kind == "stun" for one in seen.failures)


def _bound(result: Result, answering: Sequence[Observation]) -> Result:
    """Say of a silent STUN server that it answers TURN, where it does at this very port."""
    seen = result.observation
    turns = (one for one in answering if one.target.is_turn and _is_same_place(one, seen))
    if seen.target.is_turn or not any(turns):
        return result
    changed = [
        said("no-binding", where=where_of(seen)) if one.word == "no-answer" else one
        for one in result.diagnoses
    ]
    return replace(result, diagnoses=tuple(changed))


def _is_same_place(one: Observation, other: Observation) -> bool:
    return where_of(one) == where_of(other)


def _partly_shut(result: Result, working: Sequence[Observation]) -> Result:
    """Say of relay ports that are shut where another relay of the same address is reached."""
    host = host_of(result.observation.relayed)
    reached = (one.relayed for one in working if one.outside and one.outside.reached)
    relay = next((one for one in reached if host_of(one) == host), "")
    if not relay:
        return result
    text = clause("some-ports", relay=relay)
    changed = [
        replace(one, message=one.message + text)
        if (one.level, one.word) == (ERROR, "relay-ports")
        else one
        for one in result.diagnoses
    ]
    return replace(result, diagnoses=tuple(changed))


# what does no harm


def _softened(result: Result, working: Sequence[Observation]) -> "Result | None":
    """Make warnings of what does no harm, since the same url works another way; else None."""
    seen = result.observation
    over = _other_transport(seen, working)
    if over:
        text = clause("either", other=over)
        return _as_warnings(result, lambda one: replace(one, message=one.message + text))
    unreachable = any(one.word == "unreachable" for one in result.diagnoses)
    if unreachable and any(_is_other_family(one, seen) for one in working):
        family, other = ("IPv6", "IPv4") if seen.is_ipv6 else ("IPv4", "IPv6")
        text, advice = clause("family", other=other), clause("family-cure", family=family)
        return _as_warnings(
            result,
            lambda one: replace(one, message=one.message + text, advice=advice),
            "unreachable",
        )
    return None


def _is_other_family(one: Observation, seen: Observation) -> bool:
    return one.target == seen.target and one.is_ipv6 != seen.is_ipv6


def _other_transport(seen: Observation, working: Sequence[Observation]) -> str:
    """Return the protocol over which a client that tries several has its way, or nothing.

    Where a relay takes small packets, ICE connects by it, and tries no other one when the large
    ones of the DTLS handshake are lost.
    """
    target = seen.target
    connects = seen.between is not None and seen.between.works
    if target.either and not connects:
        for one in working:
            if _is_tried_instead(one.target, target):
                return "UDP" if one.target.transport == UDP else "TCP"
    return ""


def _is_tried_instead(one: Target, target: Target) -> bool:
    is_other = one.uri == target.uri and one.transport != target.transport
    return is_other and (one.either or one.desktop)


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


# where else


def _elsewhere(
    result: Result, working: Sequence[Observation], answering: Sequence[Observation]
) -> Result:
    """Say of what fails where the same host works, or at least answers."""
    seen = result.observation
    if result.level != ERROR or not seen.address:
        return result
    works = _places(seen, (one for one in working if one.target.is_turn == seen.target.is_turn))
    answers = _places(seen, answering)

    def told(one: Diagnosis) -> Diagnosis:
        places = works or (answers if one.word in UNANSWERED else [])
        if one.level != ERROR or one.word in ELSEWHERE_TOO or not places:
            return one
        text = clause("works" if works else "answers", places=_in_words(places))
        return replace(one, message=one.message + text)

    return replace(result, diagnoses=tuple(map(told, result.diagnoses)))


def _places(seen: Observation, others: Iterable[Observation]) -> List[str]:
    same_host = (one for one in others if one.target.host == seen.target.host)
    found = [_place(seen, one) for one in same_host if not _is_same_place(one, seen)]
    return list(dict.fromkeys(found))


def _place(seen: Observation, other: Observation) -> str:
    """Return how the other one is reached, as far as that is different."""
    target = other.target
    port = f"on {target.transport.upper()} port {target.port}"
    if other.address == seen.address:
        return port
    is_same_port = (target.transport, target.port) == (seen.target.transport, seen.target.port)
    where = f"over {'IPv6' if other.is_ipv6 else 'IPv4'}"
    if other.is_ipv6 == seen.is_ipv6:
        where = f"at {other.address}"
    return where if is_same_port else f"{port} {where}"


def _in_words(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
