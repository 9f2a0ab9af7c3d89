"""The certificate of ``abcwebrtc serve``, which may change while it serves."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import stat
from typing import Optional, Tuple

from abcwebrtc.errors import ConfigError, Problem

_log = logging.getLogger(__name__)
_Stamp = Tuple[Tuple[int, int, int, int], ...]


class ServerCertificate:
    """A certificate chain and its key, in PEM files that are followed.

    Who renews a certificate, as cert-manager and certbot do, replaces its files; no
    connection is lost to that, and no restart is needed.

    Raises `ConfigError` for files that can't be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        self._files = (cert, key)
        self._tried = self._last_seen = self._stamp()
        self._context = tls_context(cert, key)

    def wrap(self, sock: socket.socket) -> ssl.SSLSocket:
        """Return the server's side of a TLS connection, whose handshake is still to come."""
        return self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def refresh(self) -> None:
        """Use the files if they have changed, and say so in the log.

        What can't be used is a warning, and the certificate stays what it was. Two files
        are written one after the other, so nothing is tried before two calls have found
        them the same.
        """
        seen, before = self._stamp(), self._last_seen
        self._last_seen = seen
        if seen != before or seen == self._tried:
            return
        self._tried = seen
        try:
            self._context = tls_context(*self._files)
        except ConfigError as error:
            _log.warning("the new certificate is not used: %s", error)
        else:
            _log.info("%s: the certificate has changed, and is used from now on", self._files[0])

    def _stamp(self) -> Optional[_Stamp]:
        """Return what changes with the files; Kubernetes changes a link above them."""
        try:
            found = [os.stat(file) for file in self._files]
        except (OSError, ValueError):
            return None
        return tuple((one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def tls_context(cert: str, key: str) -> ssl.SSLContext:
    """Return what a server needs to speak TLS 1.2 and later, from two PEM files.

    Raises `ConfigError` for files that can't be read, or are no pair.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # the default depends on the system
    # A client could have the server compute without end.
    context.options |= getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    for file in (cert, key):
        reason = _why_unreadable(file)
        if reason:
            raise ConfigError(Problem(reason, "", file))
    try:
        context.load_cert_chain(cert, key, password=_no_pass_phrase)
        return context
    except _EncryptedKeyError:
        reason = "the key is encrypted; give one without a pass phrase"
    except ssl.SSLError as error:
        reason = _why_refused(error)
    raise ConfigError(Problem(reason, "", f"{cert}, {key}"))


def _why_unreadable(file: str) -> str:
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            return "is not a regular file"  # to open a FIFO can take for ever
        with open(file, "rb"):
            return ""
    except (OSError, ValueError) as error:
        return f"can't be read: {getattr(error, 'strerror', error)}"


def _why_refused(error: ssl.SSLError) -> str:
    """Say what is wrong with a certificate and its key; OpenSSL's own words are for programmers."""
    if "TOO_SMALL" in (error.reason or "") or "TOO_WEAK" in (error.reason or ""):
        return "this system's OpenSSL takes the key for too weak; RSA needs 2048 bits"
    return "certificate and key are not a pair of PEM files"


class _EncryptedKeyError(Exception):
    pass


def _no_pass_phrase() -> str:
    raise _EncryptedKeyError
