"""The ``webrtc.rtc_configuration`` entry: the static RTCConfiguration (W3C)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from abcwebrtc.config.frozen import freeze
from abcwebrtc.config.problems import Findings, kind
from abcwebrtc.config.rtc_members import check_members
from abcwebrtc.config.unexpanded import is_unexpanded
from abcwebrtc.config.uris import TURN_SCHEMES, IceURI, parse_ice_uri, why_refused, why_unwise
from abcwebrtc.errors import KeyPath

MAX_USERNAME_BYTES = 509
"""Measured: Chromium and Firefox throw on more, and Chromium gathers nothing with just as many."""
UNEXPANDED = (
    "is a variable or a placeholder that nobody fills in: od.config is read as it is; "
    "write the value itself"
)


def parse_rtc_configuration(findings: Findings, value: Any, path: KeyPath) -> Mapping[str, Any]:
    """Return the static rtc_configuration, frozen, with ``iceServers`` in it.

    Members that are not known pass through. Errors and warnings go to
    `findings`.
    """
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        findings.error(path, f"must be a dict such as {{'iceServers': []}}, not {kind(value)}")
        value = {}
    frozen: Any = freeze(findings, path, {"iceServers": [], **value})
    servers = frozen["iceServers"]
    if isinstance(servers, tuple):
        for index, server in enumerate(servers):
            _check_server(findings, (*path, "iceServers", index), server)
    else:
        message = f"must be a list of dicts, not {kind(servers)}; browsers throw on anything else"
        findings.error((*path, "iceServers"), message)
    check_members(findings, path, frozen)
    return frozen  # type: ignore[no-any-return]


@dataclass(frozen=True)
class StaticServer:
    """An entry of the static ``iceServers``: its URIs, and its login where it has one."""

    uris: Tuple[IceURI, ...]
    username: Any = None
    credential: Any = field(default=None, repr=False)


def static_servers(configuration: Mapping[str, Any]) -> Tuple[StaticServer, ...]:
    """Return the servers of a static rtc_configuration that has no errors, in their order."""
    found = []
    for server in configuration["iceServers"]:
        texts = _texts(server["urls"] if "urls" in server else server["url"])
        uris = tuple(parse_ice_uri(text.strip()) for text in texts)
        found.append(StaticServer(uris, server.get("username"), server.get("credential")))
    return tuple(found)


def public_rtc_configuration(configuration: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the members that anybody may see: no server that has a password."""
    servers = configuration["iceServers"]
    public = tuple(server for server in servers if "credential" not in server)
    return {**configuration, "iceServers": public}


def _texts(urls: Any) -> Any:
    return urls if isinstance(urls, tuple) else (urls,)


def _kind(frozen: Any) -> str:
    return kind([] if isinstance(frozen, tuple) else frozen)  # most write lists, few tuples


def _check_server(findings: Findings, path: KeyPath, server: Any) -> None:
    if not isinstance(server, Mapping):
        findings.error(path, f"must be a dict with 'urls', not {_kind(server)}")
        return
    schemes = _check_urls(findings, path, server)
    if server.get("credentialType", "password") != "password":
        message = "must be 'password', or left out; Firefox throws on anything else"
        findings.error((*path, "credentialType"), message)
    if any(scheme in TURN_SCHEMES for scheme in schemes):
        _check_login(findings, path, server)


def _check_urls(findings: Findings, path: KeyPath, server: Mapping[str, Any]) -> List[Any]:
    """Check the urls of a server, and return their schemes."""
    key = "urls" if "urls" in server or "url" not in server else "url"
    here, urls = (*path, key), server.get(key)
    if key not in server:
        findings.error(path, "has no 'urls', on which browsers throw")
        return []
    if key == "url":
        findings.warn(here, "is the old name of 'urls', which browsers may give up; write 'urls'")
    if not urls or not isinstance(urls, (str, tuple)):
        message = "must be a URI such as 'stun:host:3478', or a list of URIs; browsers throw"
        findings.error(here, message)
        return []
    many = isinstance(urls, tuple)
    return [
        _check_url(findings, (*here, index) if many else here, text)
        for index, text in enumerate(_texts(urls))
    ]


def _check_url(findings: Findings, path: KeyPath, text: Any) -> Optional[str]:
    if not isinstance(text, str):
        findings.error(path, f"must be text such as 'stun:host:3478', not {_kind(text)}")
        return None
    if text != text.strip():
        findings.warn(path, "has a blank at an end, which browsers pass over; take it out")
    uri: Optional[IceURI] = findings.attempt(path, lambda: parse_ice_uri(text.strip()))
    if uri is None:
        return None
    for message in why_refused(uri):
        findings.error(path, message)
    for message in why_unwise(uri):
        findings.warn(path, message)
    return uri.scheme


def _check_login(findings: Findings, path: KeyPath, server: Mapping[str, Any]) -> None:
    for key in ("username", "credential"):
        message = _wrong_login(key, server)
        if message:
            findings.error(path if key not in server else (*path, key), message)
            return
    for key in ("username", "credential"):
        _warn_of_login(findings, (*path, key), server[key])
    findings.warn(
        path,
        "has a TURN password that never expires, and that every user gets; "
        "write the server into webrtc.coturn with its static-auth-secret",
    )


def _wrong_login(key: str, server: Mapping[str, Any]) -> str:
    """Return what is wrong with the username or the credential of a TURN server, or nothing."""
    value = server.get(key)
    right = "write your coturn server into webrtc.coturn, and leave it out here"
    if key not in server:
        return f"has a turn URI without '{key}', on which browsers throw; {right}"
    if value == "":
        return f"is empty, on which browsers throw; {right}"
    if value is None or isinstance(value, (tuple, Mapping)):
        return f"is {_kind(value)}, of which browsers make a text that no server has; {right}"
    if key == "username" and len(str(value).encode("utf-8", "replace")) > MAX_USERNAME_BYTES:
        return f"is longer than {MAX_USERNAME_BYTES} bytes, on which browsers throw; shorten it"
    return ""


def _warn_of_login(findings: Findings, path: KeyPath, value: Any) -> None:
    if not isinstance(value, str):
        made = f"is {kind(value)}, of which browsers make a text; write it in quotes"
        findings.warn(path, made)
    elif is_unexpanded(value):
        findings.warn(path, UNEXPANDED)
    elif path[-1] == "username" and len(value.encode("utf-8", "replace")) == MAX_USERNAME_BYTES:
        message = f"has {MAX_USERNAME_BYTES} bytes, with which Chromium gathers nothing; shorten it"
        findings.warn(path, message)
