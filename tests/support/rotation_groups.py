"""Groups of entries that share a secret, options of a plan, and a report on a rotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional

from abcwebrtc import WebRTCConfig
from abcwebrtc.config.secret_sources import Secret
from abcwebrtc.coturn.rotation import Answer, Group, groups
from abcwebrtc.coturn.rotation_check import Report, Switch, rows_of, what_to_ask
from abcwebrtc.coturn.rotation_plan import PlanOptions

OLD, NEW, OTHER = "the-secret-until-yesterday", "the-secret-from-today", "the-secret-of-another"
AT = 1767603600
"""2026-01-05T09:00:00Z."""


def entry(*secrets: str, **changes: Any) -> Dict[str, Any]:
    made = {"coturn_static_auth_secret": list(secrets), "url": "turn.domain.local", **changes}
    return {key: value for key, value in made.items() if value is not ...}


def make_groups(coturn: Any, folder: Path = Path(), **changes: Any) -> List[Group]:
    mapping = {"webrtc.enable": True, "webrtc.coturn": coturn, **changes}
    environ = {"TURN_SECRET": f"{NEW}\n{OLD}"}
    config = WebRTCConfig.from_mapping(mapping, environ, folder=str(folder))
    return groups(config, coturn)


def options(**changes: Any) -> PlanOptions:
    made: Dict[str, Any] = {"od_config": "od.config", "switch_at": AT, "realm": "turn.local"}
    return PlanOptions(**{**made, **changes})


DESKTOP = {"turn": True, "ttl": 86400}


def report(
    coturn: Any,
    accepted: Dict[str, Optional[bool]],
    new: Optional[str] = None,
    since: Optional[float] = None,
    now: float = AT,
) -> Report:
    (group,) = make_groups(coturn)
    secret = Secret(new) if new else None
    addresses = {uri: ["192.0.2.1"] for one in group.servers for uri in one.uris}
    answers = [
        (asked, Answer(accepted[asked.candidate.secret.reveal().decode()]))
        for asked in what_to_ask([group], addresses, secret)
    ]
    (rows,) = rows_of(1, answers)
    switch = None if since is None else Switch(since, "--since")
    return Report(group, rows, switch, 300, now)
