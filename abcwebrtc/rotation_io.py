"""Asks a coturn which secrets it accepts, by real allocations. It needs aioice."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

from abcwebrtc.coturn import DAY
from abcwebrtc.credentials import mint_turn_credentials
from abcwebrtc.errors import AbcWebRTCError
from abcwebrtc.rotation import Answer
from abcwebrtc.secrets import Secret
from abcwebrtc.uris import IceURI

CHECK_TTL = DAY
"""Seconds. The question is whether coturn knows the secret, not whether clocks agree."""
CHECK_USER = "abcwebrtc-rotate-check"
_LIFETIME = 600
_PARALLEL = 8
_REFUSED = (401, 441)
_TAKEN = (437, 440, 442, 443, 486, 508)
"""What a server answers only after it has checked the credential (RFC 8656, section 7.2)."""

Address = Tuple[str, int]


@dataclass(frozen=True)
class Question:
    """A credential for one address of one server; its repr hides the password."""

    uri: IceURI
    address: Address
    username: str
    password: str = field(repr=False)


def question(
    uri: IceURI, address: Address, secret: Secret, with_user: bool, now: float
) -> Question:
    """Return the question whether the server at `address` knows a secret."""
    user = CHECK_USER if with_user else None
    made = mint_turn_credentials(secret, CHECK_TTL, user, now)
    return Question(uri, address, made.username, made.password)


def resolve_all(uris: Sequence[IceURI], timeout: float) -> Dict[IceURI, List[Address]]:
    """Return the addresses of each server, none for a name that does not resolve.

    A name with several addresses may be several coturns, and each has secrets of
    its own. A name with a single one stays a name, which TLS needs. IPv6 counts
    where this machine has an IPv6 address.
    """

    async def run() -> List[List[Address]]:
        return list(await asyncio.gather(*(_resolve(uri, timeout) for uri in uris)))

    return dict(zip(uris, asyncio.run(run())))


def ask_all(questions: Sequence[Question], timeout: float) -> List[Answer]:
    """Return the answer to each question; `timeout` is in seconds, for one of them.

    Raises `AbcWebRTCError` where aioice is not installed.
    """
    _aioice()

    async def run() -> List[Answer]:
        turns = asyncio.Semaphore(_PARALLEL)

        async def ask(one: Question) -> Answer:
            async with turns:
                return await accepts(one, timeout)

        return list(await asyncio.gather(*map(ask, questions)))

    return asyncio.run(run())


async def accepts(asked: Question, timeout: float) -> Answer:
    """Say whether coturn makes an allocation for a credential, and free it again.

    `timeout` is in seconds. Raises `AbcWebRTCError` where aioice is not installed.
    """
    stun, _ = _aioice()
    if asked.uri.scheme == "turns" and asked.uri.transport == "udp":
        return Answer(None, "turns over udp is not asked")
    try:
        transport, held = await asyncio.wait_for(_allocate(asked), timeout)
    except stun.TransactionFailed as error:
        return _verdict(error.response.attributes.get("ERROR-CODE", (None,))[0])
    except (asyncio.TimeoutError, stun.TransactionTimeout):
        reason = f"no answer in {timeout:g} s"
    except ssl.SSLError:
        reason = "no TLS on this port"
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no connection"
    else:
        transport.close()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(held.closed.wait(), timeout)
        return Answer(True)
    return Answer(None, reason)


def _verdict(code: Optional[int]) -> Answer:
    if code in _REFUSED:
        return Answer(False)
    return Answer(True) if code in _TAKEN else Answer(None, f"STUN error {code}")


async def _allocate(asked: Question) -> Tuple[Any, "_Held"]:
    _, turn = _aioice()
    tls = asked.uri.scheme == "turns"
    transport, held = await turn.create_turn_endpoint(
        _Held,
        asked.address,
        username=asked.username,
        password=asked.password,
        lifetime=_LIFETIME,
        ssl=_any_certificate() if tls else None,
        transport=asked.uri.transport or ("tcp" if tls else "udp"),
    )
    return transport, held


class _Held(asyncio.DatagramProtocol):
    """An allocation that carries nothing."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Note that it is freed."""
        self.closed.set()


def _any_certificate() -> ssl.SSLContext:
    """Return a context that trusts anybody: nothing secret is sent.

    A password never travels in TURN, and whether the certificate is good is
    another question than which secret the server knows.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _resolve(uri: IceURI, timeout: float) -> List[Address]:
    name, port = uri.host.strip("[]"), uri.port or uri.default_port
    loop = asyncio.get_running_loop()
    try:
        asked = loop.getaddrinfo(name, port, type=socket.SOCK_DGRAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.wait_for(asked, timeout)
    except (OSError, UnicodeError, asyncio.TimeoutError):
        return []
    addresses = list(dict.fromkeys((str(info[4][0]), port) for info in found))
    return addresses if len(addresses) > 1 else [(name, port)]


def _aioice() -> Tuple[Any, Any]:
    try:
        from aioice import stun, turn
    except ImportError:
        pass
    else:
        return stun, turn
    raise AbcWebRTCError("aioice is not installed; run pip install 'abcwebrtc[probe]'")
