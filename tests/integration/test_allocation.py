"""The answers of the endpoint open allocations on a real coturn."""

from __future__ import annotations

import re
from typing import Any, Callable, Dict

import pytest
from aioice import stun

from integration.conftest import SECRET
from integration.endpoint import Endpoint
from integration.turn import (
    LOOPBACK,
    Turnserver,
    allocated,
    refusal,
    relayed_address,
    run_client,
    sleep_until,
    turn_urls,
)

Start = Callable[..., Turnserver]
Serve = Callable[..., Endpoint]

TRANSPORTS = {
    "UDP, as a turn url without a transport has it": ("turn", None, False, "udp"),
    "UDP": ("turn", "udp", False, "udp"),
    "TCP": ("turn", "tcp", False, "tcp"),
    "TLS": ("turns", "tcp", True, "tcp"),
    "TLS, as a turns url without a transport has it": ("turns", None, True, "tcp"),
    "TLS on the plain port, as in the document": ("turns", None, False, "tcp"),
    "TCP on the TLS port": ("turn", "tcp", True, "tcp"),
}
STYLES = {
    "timestamp": r"[0-9]{10}",
    "userid": r"[0-9]{10}:alice",
    "pseudonym": r"[0-9]{10}:[0-9a-f]{32}",
}


def entry(server: Turnserver, **changes: Any) -> Dict[str, Any]:
    """Return a webrtc.coturn for a turnserver; None leaves a key out."""
    made = {
        "coturn_static_auth_secret": SECRET,
        "ttl": 600,
        "protocol": "turn",
        "url": f"{LOOPBACK}:{server.port}",
        **changes,
    }
    return {key: value for key, value in made.items() if value is not None}


@pytest.mark.parametrize(
    ("protocol", "transport", "on_tls_port", "expected"), TRANSPORTS.values(), ids=TRANSPORTS
)
def test_the_answer_opens_an_allocation_over(
    protocol: str,
    transport: str,
    on_tls_port: bool,
    expected: str,
    start_turnserver: Start,
    serve: Serve,
) -> None:
    server = start_turnserver(SECRET)
    port = server.tls_port if on_tls_port else server.port
    address = f"{LOOPBACK}:{port}"
    endpoint = serve(entry(server, protocol=protocol, transport=transport, url=address))
    (url,) = turn_urls(endpoint.rtc_configuration())
    assert (url.transport, url.tls, url.port) == (expected, protocol == "turns", port)
    host, relay_port = relayed_address(url, server.trust)
    assert host == LOOPBACK
    assert relay_port >= 61000


def test_every_url_of_several_servers_opens_an_allocation(
    start_turnserver: Start, serve: Serve
) -> None:
    first, second = start_turnserver(SECRET), start_turnserver("another-secret-of-the-second")
    coturn = [
        entry(first, transport=["udp", "tcp"], username="userid"),
        entry(
            second,
            coturn_static_auth_secret="another-secret-of-the-second",
            protocol="turns",
            url=[f"{LOOPBACK}:{second.port}", f"{LOOPBACK}:{second.tls_port}?transport=tcp"],
        ),
    ]
    urls = turn_urls(serve(coturn).rtc_configuration())
    ports = [first.port, first.port, second.port, second.tls_port]
    assert [url.port for url in urls] == ports
    assert [relayed_address(url, first.trust)[0] for url in urls[:2]] == [LOOPBACK] * 2
    assert [relayed_address(url, second.trust)[0] for url in urls[2:]] == [LOOPBACK] * 2


def test_a_datagram_crosses_from_one_users_allocation_to_anothers(
    start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET)
    endpoint = serve(
        [
            entry(server, username="userid"),
            entry(server, username="userid", protocol="turns"),
        ]
    )
    plain = turn_urls(endpoint.rtc_configuration("alice"))[0]
    secure = turn_urls(endpoint.rtc_configuration("bob"))[1]

    async def exchange() -> None:
        async with allocated(plain) as alice, allocated(secure, server.trust) as bob:
            # Each has to send first: that permits the other to answer.
            bob.transport.sendto(b"permit", alice.address)
            assert await alice.send_until_received(b"from alice", bob) == b"from alice"
            while await bob.send_until_received(b"from bob", alice) != b"from bob":
                pass

    run_client(exchange())


@pytest.mark.parametrize("style", STYLES)
def test_coturn_accepts_the_username_style(
    style: str, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET)
    (url,) = turn_urls(serve(entry(server, username=style)).rtc_configuration())
    assert re.fullmatch(STYLES[style], url.username)
    assert relayed_address(url)[0] == LOOPBACK


@pytest.mark.parametrize("style", ["userid", "pseudonym"])
def test_a_quota_counts_per_user_where_the_username_names_one(
    style: str, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET, options=["user-quota=1"])
    endpoint = serve(entry(server, username=style))
    first, later = _two_answers(endpoint)
    (others,) = turn_urls(endpoint.rtc_configuration("bob"))

    async def run() -> None:
        async with allocated(first):
            with pytest.raises(stun.TransactionFailed, match="486"):
                async with allocated(later):
                    pass
            async with allocated(others) as relay:
                assert relay.address[0] == LOOPBACK

    run_client(run())


def test_a_quota_does_not_hold_a_user_with_bare_timestamps(
    start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET, options=["user-quota=1"])
    first, later = _two_answers(serve(entry(server, username="timestamp")))

    async def run() -> None:
        async with allocated(first), allocated(later) as relay:
            assert relay.address[0] == LOOPBACK

    run_client(run())


def _two_answers(endpoint: Endpoint) -> Any:
    """Return the TURN urls of two answers to alice with different expiries."""
    (first,) = turn_urls(endpoint.rtc_configuration())
    sleep_until(int(first.username.split(":")[0]) - 600 + 1)
    (later,) = turn_urls(endpoint.rtc_configuration())
    assert later.username != first.username
    return first, later


REFUSED_SECRETS = {
    "another secret": "not-the-secret-of-this-coturn",
    "the secret in upper case": SECRET.upper(),
    "the secret and one character more": SECRET + "x",
}


@pytest.mark.parametrize("secret", REFUSED_SECRETS.values(), ids=REFUSED_SECRETS)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_credential_is_refused_that_was_made_with(
    secret: str, transport: str, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(SECRET)
    endpoint = serve(entry(server, coturn_static_auth_secret=secret, transport=transport))
    (url,) = turn_urls(endpoint.rtc_configuration())
    assert refusal(url) == 401


TAKEN_SECRETS = {
    "a short one": "north",
    "base64": "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ+/8=",
    "127 characters": "k" * 127,
    "Unicode": "sécrèt-日本語-ключ",
    "punctuation": "a#b;c%d$e&f*g!h~i|j<k>l,m.n?o:p@q/r=s",
    "blanks and single quotes": "it's a pass phrase",
}


@pytest.mark.parametrize("secret", TAKEN_SECRETS.values(), ids=TAKEN_SECRETS)
def test_coturn_and_abcwebrtc_read_the_same_secret_from_their_files(
    secret: str, start_turnserver: Start, serve: Serve
) -> None:
    server = start_turnserver(secret)
    endpoint = serve(entry(server, coturn_static_auth_secret=secret))
    (url,) = turn_urls(endpoint.rtc_configuration())
    assert relayed_address(url)[0] == LOOPBACK
