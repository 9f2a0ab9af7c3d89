"""From a user's request to a desktop."""

from __future__ import annotations

from typing import Any, Dict

from oc.od import orchestrator, settings


def createExecuteEnvironment(authinfo: Any, userinfo: Any) -> Dict[str, Any]:  # noqa: N802
    env = dict(settings.desktop["environmentlocal"])
    env["ABCDESKTOP_USERID"] = userinfo.userid
    # put: Desktops, in the environment 1
    return env


def createdesktop(authinfo: Any, userinfo: Any, **options: Any) -> Any:
    env = createExecuteEnvironment(authinfo, userinfo)
    return orchestrator.Orchestrator().createdesktop(authinfo, userinfo, env=env, **options)
