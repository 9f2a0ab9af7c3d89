"""What a version of coturn does not know, or does not want any more, in a turnserver.conf.

Pure.
"""

from __future__ import annotations

from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.conf_file import Setting, goes_on
from abcwebrtc.coturn.options import (
    CLASSIC_STUN,
    DTLS_ON_DEMAND,
    INVERTED,
    NEWEST,
    OPTIONS,
    PORT,
    SINCE,
    deprecation,
    knows,
)

_GONE = {
    "no-tlsv1": "TLS 1.0 is off anyway",
    "no-tlsv1_1": "TLS 1.1 is off anyway",
    "no-dtls": "DTLS is off anyway",
    "no-sslv2": "SSL is off anyway",
    "no-sslv3": "SSL is off anyway",
    "no-stun-backward-compatibility": "it is what coturn does anyway",
    "prod": "the version is sent only where 'software-attribute' is set",
    "secret-ts-exp-time": "it had no effect before either",
    "ne": "it chooses by itself",
}


def check_versions(notes: Notes) -> None:
    """Note the options that the version of coturn does not know, and those that it deprecates."""
    for setting in notes.whole.settings:
        if not knows(notes.version, setting.name):
            _unknown(notes, setting)
        else:
            _deprecated(notes, setting)
            _port(notes, setting)


def _unknown(notes: Notes, setting: Setting) -> None:
    name, version = setting.name, notes.version
    since = SINCE.get(name)
    if name == "no-dtls" and version < DTLS_ON_DEMAND:
        return  # when it went is not known, and coturn does without
    passes = f"coturn {version} does not know it and passes over this line"
    if setting.file:
        passes = f"coturn {version} does not know it and does not start"
    if name == "rfc3489-compatibility" and version < INVERTED:
        reason = "it answers such requests by itself; remove it"
    elif name == "rfc3489-compatibility" and version < CLASSIC_STUN:
        reason = f"write stun-backward-compatibility; coturn {since} and later have this one"
    elif since and version < since:
        reason = f"coturn {since} and later have it; remove it"
    else:
        reason = f"{_GONE.get(name, 'it is gone')}; remove it"
    (notes.error if setting.file else notes.warn)(name, f"{passes}: {reason}", setting)


def _deprecated(notes: Notes, setting: Setting) -> None:
    found = deprecation(notes.version, setting.name)
    if found and setting.name != "rfc3489-compatibility":  # what desktops need is no finding
        logs = ", which logs an error" if found.is_error else ""
        message = f"is deprecated in coturn {notes.version}{logs}: {found.message}; remove it"
        notes.warn(setting.name, message, setting)


def _port(notes: Notes, setting: Setting) -> None:
    """Note a port that 4.6.1 reads up to its last digit, and with which 4.18.0 does not start."""
    is_read = OPTIONS[setting.name] == PORT and setting.text[:1].isdecimal()
    if is_read and goes_on(setting.text) and notes.version >= NEWEST:
        message = f"is no port to coturn {notes.version}, which does not start with it; write "
        notes.error(setting.name, f"{message}{setting.number}", setting)
