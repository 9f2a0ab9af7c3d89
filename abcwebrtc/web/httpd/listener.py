"""The listening socket, and the connections that it gives."""

from __future__ import annotations

import selectors
import socket
import ssl
from typing import Any, Callable, Optional, Tuple

Accepted = Tuple[socket.socket, Tuple[str, int]]
Secure = Callable[[socket.socket], ssl.SSLSocket]
"""Makes the server's side of a TLS connection; the handshake is left to its user."""


class Listener:
    """A listening socket in a selector, which returns `data` when a client is there."""

    def __init__(
        self,
        sock: socket.socket,
        secure: Optional[Secure],
        selector: selectors.BaseSelector,
        data: Any,
    ) -> None:
        sock.setblocking(False)
        self._socket, self._secure = sock, secure
        self._selector, self._data = selector, data
        self._watched = False
        self.is_open = True
        self.watch(True)

    def accept(self) -> Optional[Accepted]:
        """Return a socket that never waits and its client's address; None if none is there.

        Raises `OSError` when the system has no descriptor or memory for one.
        """
        while True:
            try:
                sock, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                return None
            except ConnectionError:  # it has gone before it was accepted
                continue
            try:
                return self._prepare(sock), address[:2]
            except (OSError, ValueError):  # it has gone since
                sock.close()

    def _prepare(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._secure(sock) if self._secure else sock

    def watch(self, on: bool) -> None:
        """Have the selector say when a client is there, or not; a closed one has none."""
        if not self.is_open:
            return
        if on and not self._watched:
            self._selector.register(self._socket, selectors.EVENT_READ, self._data)
        elif self._watched and not on:
            self._selector.unregister(self._socket)
        self._watched = on

    def close(self) -> None:
        """Take no more connections."""
        self.watch(False)
        self.is_open = False
        self._socket.close()
