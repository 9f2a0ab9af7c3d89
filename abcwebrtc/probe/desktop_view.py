"""What desktops have: one STUN_SERVER and one TURN_SERVER, however many browsers have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence

from abcwebrtc.config.desktop import STUN_SERVER, TURN_SERVER
from abcwebrtc.probe.causes import clause
from abcwebrtc.probe.model import ERROR, Diagnosis, Result, Target
from abcwebrtc.probe.saying import said

_CAUSES = {STUN_SERVER: "desktop-stun", TURN_SERVER: "desktop-turn"}


def with_desktops(targets: Sequence[Target], wanted: Sequence[Target]) -> List[Target]:
    """Mark what desktops have, too, and add what they alone have.

    `targets` are those of browsers, `wanted` those of `environment_targets`.
    """
    found = list(targets)
    for one in wanted:
        same = [index for index, other in enumerate(found) if _place(other) == _place(one)]
        for index in same:
            found[index] = replace(found[index], desktop=True, libnice=one.libnice)
        if not same:
            found.append(replace(one, desktop=True))
    return found


def _place(target: Target) -> "tuple[object, ...]":
    return target.is_turn, target.host, target.port, target.transport


def judged_for_desktops(results: Sequence[Result]) -> List[Result]:
    """Say that desktops depend on a server that does not work, where browsers have others."""
    found = list(results)
    for variable, cause in _CAUSES.items():
        rows = _rows(found, variable)
        others = _others(found, variable == TURN_SERVER)
        if rows and others and not _works(found, variable):
            url = found[rows[0]].observation.target.url
            found[rows[0]] = _added(found[rows[0]], said(cause, url=url, others=others))
    return found


def _added(result: Result, diagnosis: Diagnosis) -> Result:
    errors = sum(one.level == ERROR for one in result.diagnoses)
    before, after = result.diagnoses[:errors], result.diagnoses[errors:]
    return replace(result, diagnoses=(*before, diagnosis, *after))


def _rows(results: Sequence[Result], variable: str) -> List[int]:
    is_turn = variable == TURN_SERVER
    targets = [result.observation.target for result in results]
    return [at for at, one in enumerate(targets) if one.desktop and one.is_turn == is_turn]


def _works(results: Sequence[Result], variable: str) -> bool:
    """Say whether one of the transports and addresses that a desktop tries works."""
    return any(results[index].level != ERROR for index in _rows(results, variable))


def _others(results: Sequence[Result], is_turn: bool) -> str:
    targets = [one.observation.target for one in results if one.level != ERROR]
    urls = [one.url for one in targets if one.is_turn == is_turn]
    return ", ".join(dict.fromkeys(urls))


def _server(results: Sequence[Result], variable: str) -> Optional[Dict[str, Any]]:
    rows = _rows(results, variable)
    if not rows:
        return None
    return {"url": results[rows[0]].observation.target.url, "ok": _works(results, variable)}


def desktop_json(results: Sequence[Result]) -> Dict[str, Any]:
    """Return which servers desktops depend on, and whether these work, as plain JSON data."""
    return {variable.lower(): _server(results, variable) for variable in _CAUSES}


def desktop_summary(results: Sequence[Result]) -> str:
    """Return what is to be said of desktops at the end, or nothing."""
    servers = {variable: _server(results, variable) for variable in _CAUSES}
    failing = [f"{name} {one['url']}" for name, one in servers.items() if one and not one["ok"]]
    return clause("desktops", servers=" and ".join(failing)) if failing else ""
