"""The real ``abcwebrtc serve``, asked as abcdesktop's browser client asks."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from support import (
    RTC_PATH,
    Answer,
    ServerProcess,
    bearer,
    make_token,
    request,
    running_server,
    write_od_config,
)


class Endpoint:
    """A running ``abcwebrtc serve`` and the browsers in front of it."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, coturn: Any, **changes: Any) -> Iterator[Endpoint]:
        """Serve an od.config with this ``webrtc.coturn``."""
        od_config = write_od_config(folder, webrtc__coturn=coturn, **changes)
        with running_server(od_config) as server:
            yield cls(server)

    def post(self, user: str = "alice", headers: Optional[Mapping[str, str]] = None) -> Answer:
        """Send a POST as a user's browser does."""
        sent = bearer(make_token(user)) if headers is None else headers
        return request(self.server.base_url + RTC_PATH, {}, sent)

    def rtc_configuration(self, user: str = "alice") -> Dict[str, Any]:
        """Return the ``result``, which a browser passes unchanged to RTCPeerConnection."""
        answer = self.post(user)
        assert answer.status == 200, answer.body
        result: Dict[str, Any] = answer.json()["result"]
        return result
