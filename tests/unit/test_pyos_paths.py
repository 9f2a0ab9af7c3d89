"""Which paths pyos answers with abcwebrtc inside, and to whom, depending on od.config."""

# ruff: noqa: F811, for fixtures that are imported

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from support import RTC_PATH, ServerProcess, bearer, request
from unit.test_pyos import ask, fitted, host, pyos  # noqa: F401

OTHER_PATHS = [
    RTC_PATH + "/",
    RTC_PATH.replace("webrtc/", "webrtc//"),
    RTC_PATH.replace("/webrtc", "//webrtc"),
    RTC_PATH.replace("_", "-"),
]
"""pyos also answers these."""


@pytest.mark.parametrize("content_type", ["application/json", "text/javascript"])
@pytest.mark.parametrize("path", [RTC_PATH, *OTHER_PATHS])
def test_paths_and_content_types_are_those_of_pyos(
    pyos: ServerProcess, path: str, content_type: str
) -> None:
    headers = {**bearer(), "Content-Type": content_type}
    assert request(pyos.base_url + path, {}, headers).status == 200


@pytest.mark.parametrize(
    "path", [RTC_PATH.lower(), RTC_PATH.upper(), RTC_PATH.replace("webrtc/", "WebRTC/")]
)
def test_in_paths_upper_and_lower_case_differ(pyos: ServerProcess, path: str) -> None:
    assert ask(pyos, path=path).status == 404


ENTRY_OF_CONTROLLERS = [
    ({}, [({}, 200)]),
    ({"enable": False}, [({}, 403)]),
    (
        {"permitip": ["10.0.0.0/8"]},
        [({"X-Forwarded-For": "10.1.2.3"}, 200), ({"X-Forwarded-For": "192.0.2.1"}, 403)],
    ),
    ({"apikey": ["a-key"]}, [({"X-API-Key": "a-key"}, 200), ({}, 403)]),
    ({"requestsallowed": {"coturn_rtcconfiguration": True, "another": False}}, [({}, 200)]),
    ({"requestsallowed": {"coturn_rtcconfiguration": False}}, [({}, 403)]),
]


@pytest.mark.parametrize(("entry", "requests"), ENTRY_OF_CONTROLLERS, ids=str)
def test_the_entry_of_the_controller_holds(
    fitted: Path,
    tmp_path: Path,
    entry: Dict[str, Any],
    requests: List[Tuple[Dict[str, str], int]],
) -> None:
    with host(fitted, tmp_path, controllers={"WebRTCController": entry}) as running:
        for headers, status in requests:
            for path in [RTC_PATH, *OTHER_PATHS]:
                answer = request(running.base_url + path, {}, {**bearer(), **headers})
                assert (path, answer.status) == (path, status)
                assert (b"credential" in answer.body) == (status == 200)
