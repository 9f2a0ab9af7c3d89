"""What results say together: harmless faults, where else a server answers, what desktops lack.

A desktop has one STUN_SERVER and one TURN_SERVER, however many servers browsers have. In a fleet,
desktops have different TURN_SERVERs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.probe.causes import ELSEWHERE_TOO, UNANSWERED, clause, said
from abcwebrtc.probe.model import ERROR, TLS, UDP, WARNING, Diagnosis, Observation, Result, host_of

Change = Callable[[Diagnosis], Diagnosis]


def compared(results: Sequence[Result]) -> List[Result]:
    """Return the results with what can be learned from the other results.

    An address family that can't be reached is only a warning if the same url works over
    the other family. So is a fault over one of several transports that a client tries, if
    another one works. Any other fault says where else the same host works or answers. If
    desktops depend on a server that does not work, that is one more error.
    """
    working = [one.observation for one in results if one.level != ERROR]
    answering = [one.observation for one in results if _answers(one.observation)]
    told = [_partly_shut(_bound(one, answering), working) for one in results]
    told = [_softened(one, working) or _elsewhere(one, working, answering) for one in told]
    return _with_desktops_fault(told)


def _answers(seen: Observation) -> bool:
    return bool(seen.reflexive or seen.relayed) or any(one.kind == "stun" for one in seen.failures)


def _changed(result: Result, words: Iterable[str], change: Change) -> Result:
    """Change the errors of a result that have one of these words."""
    diagnoses = (
        change(one) if one.level == ERROR and one.word in words else one for one in result.diagnoses
    )
    return replace(result, diagnoses=tuple(diagnoses))


def _saying_more(text: str) -> Change:
    return lambda one: replace(one, message=one.message + text)


def _bound(result: Result, answering: Sequence[Observation]) -> Result:
    """Say that a silent STUN server answers TURN, if it does so on the same port."""
    seen = result.observation
    turns = (one for one in answering if one.target.is_turn and one.where() == seen.where())
    if seen.target.is_turn or not any(turns):
        return result
    return _changed(result, ["no-answer"], lambda _: said("no-binding", where=seen.where()))


def _partly_shut(result: Result, working: Sequence[Observation]) -> Result:
    """Say that only some relay ports are blocked, if another relay of the address is reached."""
    host = host_of(result.observation.relayed)
    reached = (one.relayed for one in working if one.outside and one.outside.reached)
    relay = next((one for one in reached if host_of(one) == host), "")
    if not relay:
        return result
    return _changed(result, ["relay-ports"], _saying_more(clause("some-ports", relay=relay)))


# what does no harm


def _softened(result: Result, working: Sequence[Observation]) -> Optional[Result]:
    """Turn faults into warnings if the same url works another way; return None if it does not."""
    seen, words = result.observation, {one.word for one in result.diagnoses}
    over = _other_transport(seen, working)
    if over:
        more = _saying_more(clause("either", other=over))
        return _changed(result, words, lambda one: replace(more(one), level=WARNING))
    family, other = ("IPv6", "IPv4") if seen.is_ipv6 else ("IPv4", "IPv6")
    others = (one for one in working if one.target == seen.target and one.is_ipv6 != seen.is_ipv6)
    if "unreachable" not in words or not any(others):
        return None
    more, advice = _saying_more(clause("family", other=other)), clause("family-cure", family=family)
    return _changed(
        result, ["unreachable"], lambda one: replace(more(one), level=WARNING, advice=advice)
    )


def _other_transport(seen: Observation, working: Sequence[Observation]) -> str:
    """Return the protocol that works for a client that tries several, or nothing.

    If a relay passes small packets, ICE connects through it, and does not try another one when
    the large packets of the DTLS handshake are lost.
    """
    target = seen.target
    connects = seen.between is not None and seen.between.works
    if not target.either or connects:
        return ""
    tried = (one.target for one in working if one.target.either or one.target.desktop)
    others = (one.transport for one in tried if one.uri == target.uri)
    over = next((one for one in others if one != target.transport), "")
    return over and ("UDP" if over == UDP else "TCP")


# where else


def _elsewhere(
    result: Result, working: Sequence[Observation], answering: Sequence[Observation]
) -> Result:
    """Say where a host works, or at least answers, if this result is an error."""
    seen = result.observation
    if result.level != ERROR or not seen.address:
        return result
    if seen.target.transport == TLS and _places(seen, answering):
        cure = clause("refused-tls-cure")
        result = _changed(result, ["refused"], lambda one: replace(one, advice=cure))
    works = _places(seen, (one for one in working if one.target.is_turn == seen.target.is_turn))
    answers = _places(seen, answering)
    words = {one.word for one in result.diagnoses} - ELSEWHERE_TOO
    if works:
        return _changed(result, words, _saying_more(clause("works", places=_in_words(works))))
    if answers:
        more = _saying_more(clause("answers", places=_in_words(answers)))
        return _changed(result, words & UNANSWERED, more)
    return result


def _places(seen: Observation, others: Iterable[Observation]) -> List[str]:
    same_host = (one for one in others if one.target.host == seen.target.host)
    found = [_place(seen, one) for one in same_host if one.where() != seen.where()]
    return list(dict.fromkeys(found))


def _place(seen: Observation, other: Observation) -> str:
    """Return how the other one is reached, as far as it differs."""
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


# what desktops depend on


class Dependence(NamedTuple):
    """A server that desktops depend on.

    `rows` are its results, one for each transport and address. It works if one of them does.
    """

    variable: str
    url: str
    works: bool
    rows: Sequence[int]


def desktop_servers(results: Sequence[Result]) -> List[Dependence]:
    """Return the servers that desktops depend on, if there are any; STUN comes first."""
    rows: Dict[Tuple[bool, str, int], List[int]] = {}
    for at, result in enumerate(results):
        target = result.observation.target
        if target.desktop:
            rows.setdefault((target.is_turn, target.host, target.port), []).append(at)
    found = []
    for (is_turn, _, _), ats in sorted(rows.items(), key=lambda item: item[0][0]):
        works = any(results[at].level != ERROR for at in ats)
        url = results[ats[0]].observation.target.url
        found.append(Dependence(TURN_SERVER if is_turn else STUN_SERVER, url, works, ats))
    return found


def _with_desktops_fault(results: Sequence[Result]) -> List[Result]:
    """Add what desktops lack where a server fails that they depend on."""
    found, servers = list(results), desktop_servers(results)
    turns = [one for one in servers if one.variable == TURN_SERVER]
    working = [one.observation.target for one in results if one.level != ERROR]
    for one in (one for one in servers if not one.works):
        is_turn = one in turns
        others = dict.fromkeys(other.url for other in working if other.is_turn == is_turn)
        if others:
            cause = "desktop-turn" if is_turn else "desktop-stun"
            cause += "/fleet" if is_turn and len(turns) > 1 else ""
            _add_error(found, one, said(cause, url=one.url, others=", ".join(others)))
        if is_turn and _holds_up_stun(results, one):
            for stun in (other for other in servers if other not in turns and other.works):
                _add_error(found, one, said("stun-held-up", turn=one.url, stun=stun.url))
    return found


def _holds_up_stun(results: Sequence[Result], turn: Dependence) -> bool:
    """Return whether libnice asks this server over UDP, and gets no allocation."""
    seen = (results[at].observation for at in turn.rows)
    return any(one.target.transport == UDP and not one.relayed for one in seen)


def _add_error(results: List[Result], server: Dependence, told: Diagnosis) -> None:
    """Add a diagnosis to a server's first row, after its errors."""
    first = results[server.rows[0]]
    diagnoses = list(first.diagnoses)
    diagnoses.insert(sum(one.level == ERROR for one in diagnoses), told)
    results[server.rows[0]] = replace(first, diagnoses=tuple(diagnoses))
