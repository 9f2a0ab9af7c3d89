"""The newest coturn accepts what the installed one accepts."""

from __future__ import annotations

import re
import subprocess
from typing import Any, Callable

import pytest

from conftest import newest_turnserver
from integration.conftest import SECRET
from integration.endpoint import Endpoint
from integration.turn import LOOPBACK, Turnserver, refusal, relayed_address, turn_urls


def test_it_is_newer_than_the_options_changed() -> None:
    said = subprocess.run([newest_turnserver(), "--version"], stdout=subprocess.PIPE).stdout
    found = re.match(rb"(\d+)\.(\d+)", said)
    assert found
    assert tuple(map(int, found.groups())) >= (4, 7)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_the_answer_opens_an_allocation_on_it(
    start_turnserver: Callable[..., Turnserver], serve: Callable[..., Endpoint], transport: str
) -> None:
    server = start_turnserver(SECRET, program=newest_turnserver())
    port = server.tls_port if transport == "tls" else server.port
    coturn: Any = {
        "coturn_static_auth_secret": SECRET,
        "ttl": 600,
        "protocol": "turns" if transport == "tls" else "turn",
        "url": f"{LOOPBACK}:{port}",
        "transport": "udp" if transport == "udp" else "tcp",
    }
    (url,) = turn_urls(serve(coturn).rtc_configuration())
    assert relayed_address(url, server.trust)[0] == LOOPBACK
    (other,) = turn_urls(
        serve({**coturn, "coturn_static_auth_secret": "another"}).rtc_configuration()
    )
    assert refusal(other, server.trust) == 401
