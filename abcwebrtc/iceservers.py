"""The ``webrtc.rtc_configuration`` entry: the static RTCConfiguration (W3C)."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from abcwebrtc.errors import KeyPath
from abcwebrtc.findings import Findings, kind
from abcwebrtc.plain import freeze
from abcwebrtc.uris import STUN_SCHEMES, TURN_SCHEMES, IceURI, parse_ice_uri, why_unwise

POLICIES = ("all", "relay")


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
        findings.error((*path, "iceServers"), f"must be a list of dicts, not {kind(servers)}")
    policy = frozen.get("iceTransportPolicy", "all")
    if policy not in POLICIES:
        findings.error((*path, "iceTransportPolicy"), "must be 'all' or 'relay'")
    return frozen  # type: ignore[no-any-return]


def static_uris(configuration: Mapping[str, Any]) -> List[IceURI]:
    """Return the URIs of a parsed static rtc_configuration, in their order."""
    return [
        parse_ice_uri(_without_stun_query(text))
        for server in configuration["iceServers"]
        for text in _texts(server["urls"])
    ]


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
    urls = server.get("urls")
    if "urls" not in server:
        hint = "; 'url' is the old name, write 'urls'" if "url" in server else ""
        findings.error(path, f"has no 'urls'{hint}")
    elif not urls or not isinstance(urls, (str, tuple)):
        findings.error((*path, "urls"), "must be a URI such as 'stun:host:3478', or a list of URIs")
    else:
        here = (*path, "urls")
        many = isinstance(urls, tuple)
        schemes = [
            _check_url(findings, (*here, index) if many else here, text)
            for index, text in enumerate(_texts(urls))
        ]
        if any(scheme in TURN_SCHEMES for scheme in schemes):
            _check_login(findings, path, server)


def _check_url(findings: Findings, path: KeyPath, text: Any) -> Optional[str]:
    if not isinstance(text, str):
        findings.error(path, f"must be text such as 'stun:host:3478', not {_kind(text)}")
        return None
    uri: Optional[IceURI] = findings.attempt(path, lambda: parse_ice_uri(_without_stun_query(text)))
    if uri is None:
        return None
    if uri.scheme == "stuns":
        findings.warn(path, "is a stuns URI, on which some browsers throw; use stun")
    if uri.scheme in STUN_SCHEMES and "?" in text:
        findings.warn(path, "has a '?' after a stun URI, on which browsers throw; leave it out")
    for message in why_unwise(uri):
        findings.warn(path, message)
    return uri.scheme


def _without_stun_query(text: str) -> str:
    """Drop what follows ``?`` in a stun URI: unwise, but passed on as it is."""
    scheme = text.partition(":")[0].lower()
    return text.partition("?")[0] if scheme in STUN_SCHEMES else text


def _check_login(findings: Findings, path: KeyPath, server: Mapping[str, Any]) -> None:
    for key in ("username", "credential"):
        if not isinstance(server.get(key), str) or not server[key]:
            message = (
                f"has a turn URI without '{key}', on which browsers throw; "
                "write your coturn server into webrtc.coturn, and leave it out here"
            )
            findings.error(path, message)
            return
    findings.warn(
        path,
        "has a TURN password that never expires, and that every user gets; "
        "write the server into webrtc.coturn with its static-auth-secret",
    )
