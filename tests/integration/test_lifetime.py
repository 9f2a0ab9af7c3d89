"""How long a credential lasts, measured on a real coturn."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Callable, Tuple

import pytest
from aioice import stun

from abcwebrtc import WebRTCConfig, build_rtc_configuration
from integration.conftest import SECRET
from integration.endpoint import Endpoint
from integration.turn import (
    LOOPBACK,
    Relay,
    Turnserver,
    TurnUrl,
    allocated,
    refusal,
    refused,
    run_client,
    turn_urls,
)
from support import WAIT

Start = Callable[..., Turnserver]
Serve = Callable[..., Endpoint]

PATIENCE = 3
"""Seconds after its expiry until a credential must be refused: coturn counts whole seconds."""


def coturn_entry(server: Turnserver, ttl: int) -> Any:
    return {
        "coturn_static_auth_secret": SECRET,
        "ttl": ttl,
        "url": f"{LOOPBACK}:{server.port}",
        "transport": "tcp",
        "username": "userid",
    }


def expiry(url: TurnUrl) -> int:
    return int(url.username.partition(":")[0])


def test_with_a_ttl_of_2_s_a_new_allocation_ends_and_an_existing_one_goes_on(
    start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET)
    endpoint = serve(coturn_entry(server, ttl=2))

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            url, relay = await _allocate_in_time(endpoint, stack)
            peer = await _echo_server(stack)
            await _refused_from(url)
            # A peer that is new to the allocation needs a ChannelBind with the login.
            relay.transport.sendto(b"after the end", peer)
            assert await asyncio.wait_for(relay.received.get(), WAIT) == b"after the end"

    run_client(run())


async def _allocate_in_time(
    endpoint: Endpoint, stack: contextlib.AsyncExitStack
) -> Tuple[TurnUrl, Relay]:
    """Return a fresh login and its allocation; a slow machine may need several."""
    for _ in range(5):
        (url,) = turn_urls(endpoint.rtc_configuration())
        assert expiry(url) <= time.time() + 2
        try:
            return url, await stack.enter_async_context(allocated(url))
        except stun.TransactionFailed:
            assert time.time() > expiry(url), "refused before its time"
    raise AssertionError("this machine takes more than 2 s for an allocation")


async def _refused_from(url: TurnUrl) -> None:
    """Wait until a new allocation is refused, and fail if that takes too long."""
    code = None
    while code is None:
        begun = time.time()
        code = await refused(url)
        assert code or begun < expiry(url) + PATIENCE, "still accepted"
        await asyncio.sleep(0.2)
    assert code == 401
    assert time.time() > expiry(url), "refused before its time"


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def _echo_server(stack: contextlib.AsyncExitStack) -> Tuple[str, int]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Echo, local_addr=(LOOPBACK, 0))
    stack.callback(transport.close)
    address: Tuple[str, int] = transport.get_extra_info("sockname")
    return address


AGES = {
    "made now": (0, None),
    "in its last minute": (540, None),
    "two seconds after its end": (602, 401),
    "a day after its end": (600 + 86400, 401),
}


@pytest.mark.parametrize(("age", "code"), AGES.values(), ids=AGES)
def test_coturn_takes_or_refuses_a_credential(age: int, code: Any, start_turnserver: Start) -> None:
    server = start_turnserver(SECRET)
    entry = coturn_entry(server, ttl=600)
    config = WebRTCConfig.from_mapping({"webrtc.enable": True, "webrtc.coturn": entry})
    (url,) = turn_urls(build_rtc_configuration(config, "alice", time.time() - age))
    assert refusal(url) == code


def test_the_answers_ttl_is_the_configured_one_and_its_expiry_the_usernames(
    start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET)
    begun = int(time.time())
    answer = serve(coturn_entry(server, ttl=1234)).post().json()
    (url,) = turn_urls(answer["result"])
    assert answer["ttl"] == 1234
    assert answer["expires_at"] == expiry(url)
    assert begun + 1234 <= expiry(url) <= time.time() + 1234
    assert refusal(url) is None
