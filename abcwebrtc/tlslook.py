"""What a TLS port shows to this machine, since a browser doesn't say why TLS failed.

Chromium reports an untrusted certificate and a closed port with the same words.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import NamedTuple, Optional

from abcwebrtc.probe.certificates import read_certificate
from abcwebrtc.probe.model import ERROR
from abcwebrtc.probe.tls import certificate_diagnoses

TRUSTED = "trusted"
SECONDS = 5.0


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
    """Shake hands with a TLS server, and return what that shows.

    `now`, in unix seconds, is what the certificate's end is compared with, `timeout`
    is in seconds, `trust` are the authorities, by default those of the system.
    """
    now = time.time() if now is None else now
    trust = trust or ssl.create_default_context()
    try:
        chain = _certificate(host, port, timeout, trust)
        return Look(TRUSTED, "the certificate is trusted by the machine of abcwebrtc serve")
    except ssl.SSLCertVerificationError as error:
        code, text = error.verify_code, error.verify_message
    except OSError as error:
        return _unreached(error, f"{host} port {port}")
    with contextlib.suppress(OSError, ValueError, IndexError):
        chain = _certificate(host, port, timeout, _unverified())
        seen = read_certificate([chain], code, text)
        errors = [one for one in certificate_diagnoses(seen, host, now) if one.level == ERROR]
        return Look(errors[0].word, errors[0].message)
    return Look("certificate-untrusted", f"the certificate is not trusted ({text})")


def _certificate(host: str, port: int, timeout: float, context: ssl.SSLContext) -> bytes:
    """Return the server's certificate, DER."""
    plain = socket.create_connection((host, port), timeout)
    with plain, context.wrap_socket(plain, server_hostname=host) as wrapped:
        return wrapped.getpeercert(binary_form=True) or b""


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
