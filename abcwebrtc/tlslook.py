"""What a TLS port shows to this machine, since a browser doesn't say why TLS failed.

Chromium reports an untrusted certificate and a closed port with the same words, and a web
server on the port of coturn too.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import struct
import time
from typing import Callable, NamedTuple, Optional, TypeVar

from abcwebrtc.probe.certificates import read_certificate
from abcwebrtc.probe.model import ERROR
from abcwebrtc.probe.tls import certificate_diagnoses

_Answer = TypeVar("_Answer", bool, bytes)

TRUSTED = "trusted"
SECONDS = 5.0
_COOKIE = 0x2112A442
_BINDING, _ALLOCATE = 0x0001, 0x0003
_REQUESTED_TRANSPORT = struct.pack("!HHI", 0x0019, 4, 17 << 24)
"""UDP (RFC 8656, section 18.7)."""


class Look(NamedTuple):
    """What was seen: a word of docs/probe.md, or ``trusted``, and a sentence."""

    word: str
    message: str


def look(
    host: str,
    port: int,
    now: Optional[float] = None,
    timeout: float = SECONDS,
    trust: Optional[ssl.SSLContext] = None,
) -> Look:
    """Shake hands with a TLS server, ask it for STUN and TURN, and return what that shows.

    `now`, in unix seconds, is what the certificate's end is compared with, `timeout`
    is in seconds, `trust` are the authorities, by default those of the system.
    """
    now = time.time() if now is None else now
    trust = trust or ssl.create_default_context()
    try:
        speaks_stun = _connected(host, port, timeout, trust, _speaks_stun)
        return _trusted(host, port, speaks_stun)
    except ssl.SSLCertVerificationError as error:
        code, text = error.verify_code, error.verify_message
    except OSError as error:
        return _unreached(error, f"{host} port {port}")
    with contextlib.suppress(OSError, ValueError, IndexError):
        chain = _connected(host, port, timeout, _unverified(), _certificate)
        seen = read_certificate([chain], code, text)
        errors = [one for one in certificate_diagnoses(seen, host, now) if one.level == ERROR]
        return Look(errors[0].word, errors[0].message)
    return Look("certificate-untrusted", f"the certificate is not trusted ({text})")


def _trusted(host: str, port: int, speaks_stun: bool) -> Look:
    if speaks_stun:
        return Look(TRUSTED, "TLS works, and the certificate is trusted")
    return Look("not-stun", f"{host} port {port} speaks TLS, but neither STUN nor TURN")


def _connected(
    host: str,
    port: int,
    timeout: float,
    context: ssl.SSLContext,
    ask: Callable[[ssl.SSLSocket], _Answer],
) -> _Answer:
    """Return what `ask` makes of a connection to the server."""
    plain = socket.create_connection((host, port), timeout)
    with plain, context.wrap_socket(plain, server_hostname=host) as wrapped:
        return ask(wrapped)


def _certificate(wrapped: ssl.SSLSocket) -> bytes:
    """Return the server's certificate, DER."""
    return wrapped.getpeercert(binary_form=True) or b""


def _speaks_stun(wrapped: ssl.SSLSocket) -> bool:
    """Say whether a server answers a Binding or an Allocate, if only with an error.

    coturn can have either turned off (no-stun, stun-only). Without a login nothing is allocated.
    """
    answer = b""
    with contextlib.suppress(OSError):
        wrapped.sendall(_request(_BINDING) + _request(_ALLOCATE, _REQUESTED_TRANSPORT))
        while len(answer) < 8:
            part = wrapped.recv(8 - len(answer))
            if not part:
                return False
            answer += part
    return len(answer) == 8 and answer[0] < 0x40 and answer[4:] == struct.pack("!I", _COOKIE)


def _request(method: int, attributes: bytes = b"") -> bytes:
    """Return a STUN request (RFC 8489, section 5).

    `probe` has aioice for that, which is an extra; `serve` does without it.
    """
    header = struct.pack("!HHI", method, len(attributes), _COOKIE)
    return header + secrets.token_bytes(12) + attributes


def _unverified() -> ssl.SSLContext:
    """Return a context to read a certificate with; nothing else is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _unreached(error: OSError, where: str) -> Look:
    """Say what a failed connection means; `where` names host and port."""
    if isinstance(error, socket.gaierror):
        return Look("no-name", f"the name of {where} does not resolve for abcwebrtc serve")
    if isinstance(error, ConnectionRefusedError):
        return Look("refused", f"nothing listens on {where}, TCP")
    if isinstance(error, (ssl.SSLError, ConnectionResetError, EOFError)):
        return Look("no-tls", f"{where} is reached by abcwebrtc serve, but does not speak TLS")
    if isinstance(error, socket.timeout):
        return Look("no-answer", f"{where} does not answer abcwebrtc serve either")
    return Look("unreachable", f"abcwebrtc serve does not reach {where} either")
