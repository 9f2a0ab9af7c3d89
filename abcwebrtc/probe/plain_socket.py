"""A UDP socket without TURN, as that of somebody who sends to a relay or asks a STUN server."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Callable, Optional, Tuple, TypeVar

from aioice import stun

from abcwebrtc.probe.messages import (
    Address,
    answer_to,
    classic_answer,
    classic_binding,
    request_message,
)
from abcwebrtc.probe.model import BINDING, CONNECT, OUTSIDE, RFC3489, Failure
from abcwebrtc.probe.stun_client import RETRANSMIT, SLICE, StepError, StoppedError, failing

_Answer = TypeVar("_Answer")


class PlainSocket:
    """A UDP socket that is bound to no peer.

    Its methods raise `StepError` for what goes wrong, and `StoppedError` when it is to stop.
    """

    def __init__(self, ipv6: bool, stop: threading.Event) -> None:
        self._stop = stop
        with failing(CONNECT):
            family = socket.AF_INET6 if ipv6 else socket.AF_INET
            self._socket = socket.socket(family, socket.SOCK_DGRAM)

    def __enter__(self) -> PlainSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes, peer: Address, step: str = OUTSIDE) -> None:
        """Send a datagram."""
        with failing(step):
            self._socket.sendto(data, peer)

    def receive(self, until: float) -> Optional[Tuple[bytes, Address]]:
        """Return a datagram and who sent it, None when none came until then (monotonic clock)."""
        while True:
            left = until - time.monotonic()
            if self._stop.is_set():
                raise StoppedError
            if left <= 0:
                return None
            self._socket.settimeout(min(left, SLICE))
            try:
                data, peer = self._socket.recvfrom(65536)
            except OSError:  # nothing came, or an ICMP error of what was sent before
                continue
            return data, (peer[0], peer[1])

    def local_towards(self, peer: Address) -> str:
        """Return the address of this machine from which it sends to a peer; nothing is sent."""
        with failing(OUTSIDE), socket.socket(self._socket.family, socket.SOCK_DGRAM) as other:
            other.connect(peer)
            return str(other.getsockname()[0])

    def ask(self, server: Address, timeout: float) -> Address:
        """Return the address that a STUN server sees this socket at."""
        message = request_message(stun.Method.BINDING)

        def read(data: bytes) -> Optional[Address]:
            answer = answer_to(message, data)
            found = answer.attributes if answer else {}
            mapped: Optional[Address] = found.get("XOR-MAPPED-ADDRESS")
            return mapped or found.get("MAPPED-ADDRESS")

        return self._ask(bytes(message), server, timeout, read, BINDING)

    def ask_classic(self, server: Address, timeout: float) -> Address:
        """Do what `ask` does, without the magic cookie (RFC 3489), as libnice asks."""
        transaction = os.urandom(16)
        return self._ask(
            classic_binding(transaction),
            server,
            timeout,
            lambda data: classic_answer(transaction, data),
            RFC3489,
        )

    def _ask(
        self,
        request: bytes,
        server: Address,
        timeout: float,
        read: Callable[[bytes], Optional[_Answer]],
        step: str,
    ) -> _Answer:
        end, wait = time.monotonic() + timeout, RETRANSMIT
        while time.monotonic() < end:
            self.send(request, server, step)
            until = min(end, time.monotonic() + wait)
            while True:
                came = self.receive(until)
                if came is None:
                    break
                answer = read(came[0])
                if answer is not None:
                    return answer
            wait *= 2
        raise StepError(Failure(step, "timeout"))
