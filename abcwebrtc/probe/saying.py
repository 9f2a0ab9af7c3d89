"""A diagnosis in the words of the table of causes."""

from __future__ import annotations

from typing import List, Optional

from abcwebrtc.probe.causes import cause
from abcwebrtc.probe.model import CONNECT, TLS, Diagnosis, Observation


def said(key: str, **facts: object) -> Diagnosis:
    """Return the diagnosis of a cause; see `abcwebrtc.probe.causes.cause`."""
    return Diagnosis(*cause(key, **facts))


def fault(key: str, **facts: object) -> List[Diagnosis]:
    """Return the one diagnosis of a cause."""
    return [said(key, **facts)]


def where_of(seen: Observation, step: str = "") -> str:
    """Return the address, the transport and the port; before its handshake, TLS is TCP yet."""
    transport = seen.target.transport
    over = "tcp" if transport == TLS and step == CONNECT else transport
    return f"{seen.address}, {over.upper()} port {seen.target.port}"


def in_brackets(text: Optional[str]) -> str:
    """Return a text as a detail behind something, or nothing."""
    return f" ({text})" if text else ""
