"""What a TLS port shows to this machine, since a browser doesn't say why TLS failed.

Chromium reports an untrusted certificate and a closed port with the same words, and a web
server on the port of coturn too.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from typing import Callable, NamedTuple, Optional

from abcwebrtc.coturn.certificate import read_certificate
from abcwebrtc.probe.causes import in_brackets, said
from abcwebrtc.probe.diagnosis import alert_cause, reason_text
from abcwebrtc.probe.model import ERROR
from abcwebrtc.probe.tls import certificate_diagnoses
from abcwebrtc.web.turn_look import (
    ALLOCATE,
    BINDING,
    COOKIE,
    REQUESTED_TRANSPORT,
    redirect_of,
    request,
)

TRUSTED = "trusted"
SECONDS = 5.0
_HTTP = (b"HTTP/", b"<HTML", b"<!DOC")
_HERE = "abcwebrtc serve"
_BOTH = f"this browser, and from {_HERE}"
"""A browser has failed before anybody looks."""


def look_for_redirect(host: str, port: int, transport: str) -> Optional[Look]:
    """Return where a TURN server without TLS sends its clients, None where it does not."""
    place = redirect_of(host, port, transport)
    return _look("redirect/unanswered", next=place) if place else None


class _SilentError(OSError):
    """A port took a connection, and then gave no answer to TLS."""


class Look(NamedTuple):
    """What was seen: a cause of `probe.causes`, or ``trusted``, in words, and what to do."""

    word: str
    message: str
    advice: str = ""


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
        return _asked(f"{host}, TLS port {port}", _connected(host, port, timeout, trust, _ask))
    except ssl.SSLCertVerificationError as error:
        code, text = error.verify_code, error.verify_message
    except ssl.SSLError as error:
        if "HANDSHAKE_FAILURE" in (error.reason or "") and _shows_certificate(host, port, timeout):
            where, detail = f"{host}, TLS port {port}", reason_text(error.reason or "")
            return _look("client-certificate", where=where, detail=detail)
        return _unreached(error, host, port)
    except OSError as error:
        return _unreached(error, host, port)
    with contextlib.suppress(OSError, ValueError, IndexError):
        chain = _connected(host, port, timeout, _unverified(), _certificate)
        seen = read_certificate([chain], code, text)
        errors = [one for one in certificate_diagnoses(seen, host, now) if one.level == ERROR]
        return Look(errors[0].word, errors[0].message, errors[0].advice)
    return _look("certificate-untrusted/unread", detail=in_brackets(text))


def _shows_certificate(host: str, port: int, timeout: float) -> bool:
    """Say whether the server comes to its certificate, so that it is content with the rest."""
    try:  # with a context that trusts nobody
        _connected(host, port, timeout, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), _certificate)
    except ssl.SSLCertVerificationError:
        return True
    except OSError:
        pass
    return False


def _look(key: str, **facts: object) -> Look:
    found = said(key, **facts)
    return Look(found.word, found.message, found.advice)


def _asked(where: str, answer: bytes) -> Look:
    """Return what the first bytes mean that came after a good handshake."""
    if not answer:
        return _look("tls-silent", where=where, detail="")
    if answer[:5].upper() in _HTTP:
        return _look("http", where=where)
    if answer[0] >= 0x40 or answer[4:8] != struct.pack("!I", COOKIE):
        return _look("not-stun", where=where)
    return Look(TRUSTED, "TLS works, and the certificate is trusted")


def _connected(
    host: str,
    port: int,
    timeout: float,
    context: ssl.SSLContext,
    ask: Callable[[ssl.SSLSocket], bytes],
) -> bytes:
    """Return what `ask` makes of a connection to the server."""
    with socket.create_connection((host, port), timeout) as plain:
        try:
            wrapped = context.wrap_socket(plain, server_hostname=host)
        except socket.timeout as error:
            raise _SilentError from error
        with wrapped:
            return ask(wrapped)


def _certificate(wrapped: ssl.SSLSocket) -> bytes:
    """Return the server's certificate, DER."""
    return wrapped.getpeercert(binary_form=True) or b""


def _ask(wrapped: ssl.SSLSocket) -> bytes:
    """Return the first bytes of the answer to a Binding and an Allocate, or none.

    coturn can have either turned off (no-stun, stun-only). Without a login nothing is allocated.
    An alert is raised: it is the end of a handshake that went wrong (TLS 1.3).
    """
    answer = b""
    with contextlib.suppress(socket.timeout, ConnectionError, ssl.SSLEOFError):
        wrapped.sendall(request(BINDING) + request(ALLOCATE, REQUESTED_TRANSPORT))
        while len(answer) < 8:
            part = wrapped.recv(8 - len(answer))
            if not part:
                break
            answer += part
    return answer


def _unverified() -> ssl.SSLContext:
    """Return a context to read a certificate with; nothing else is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _unreached(error: OSError, host: str, port: int) -> Look:
    """Say what a failed connection means."""
    tcp, tls = f"{host}, TCP port {port}", f"{host}, TLS port {port}"
    if isinstance(error, socket.gaierror):
        return _look("no-name", host=host, detail=in_brackets(f"asked from {_HERE}"))
    if isinstance(error, ConnectionRefusedError):
        return _look("refused", where=tcp)
    if isinstance(error, _SilentError):
        return _look("no-tls/silent", where=tls)
    if isinstance(error, (ssl.SSLEOFError, ConnectionResetError, EOFError)):
        return _look("no-tls/closed", where=tls)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return _look(alert_cause(reason), where=tls, detail=reason_text(reason))
    if isinstance(error, socket.timeout):
        return _look("no-answer", where=tcp, within="", place=_BOTH)
    return _look("unreachable/serve", where=tcp, place=_BOTH, detail=in_brackets(error.strerror))
