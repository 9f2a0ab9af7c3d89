"""The ``webrtc.rtc_configuration`` entry: the static RTCConfiguration (W3C).

Source: W3C webrtc-pc, and measured with Chromium 156 and Firefox 153: where one of
them throws, `new RTCPeerConnection` makes no call for anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from abcwebrtc.config.coturn import MAX_SERVERS, MAX_URLS
from abcwebrtc.config.frozen import freeze
from abcwebrtc.config.problems import (
    UNEXPANDED,
    Where,
    is_unexpanded,
    kind,
    misspelt_keys,
    too_many,
)
from abcwebrtc.config.uris import TURN_SCHEMES, IceURI, read_uri
from abcwebrtc.errors import Problem

MAX_USERNAME_BYTES = 509
"""Measured: Chromium and Firefox throw on more, and Chromium gathers nothing with just as many."""
MAX_POOL_SIZE = 255
ENUMS: Mapping[str, Any] = {
    "bundlePolicy": ("max-bundle", "balanced", "max-compat"),
    "iceTransportPolicy": ("all", "relay"),
    "rtcpMuxPolicy": ("require", "negotiate"),
}
MEMBERS = ("iceServers", "certificates", "iceCandidatePoolSize", *ENUMS)
THROWS = "browsers throw on anything else, and there is no sound"
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?")


@dataclass(frozen=True)
class StaticServer:
    """An entry of the static ``iceServers``: its URIs, and its login if it has one."""

    uris: Tuple[IceURI, ...]
    username: Any = None
    credential: Any = field(default=None, repr=False)


class RtcConfiguration(NamedTuple):
    """A static rtc_configuration, frozen, with ``iceServers`` in it, and its servers."""

    frozen: Mapping[str, Any]
    servers: Tuple[StaticServer, ...]


def parse_rtc_configuration(value: Any, where: Where) -> Tuple[RtcConfiguration, List[Problem]]:
    """Return the static rtc_configuration, and what is wrong with it.

    Members that are not known pass through.
    """
    problems: List[Problem] = []
    if not isinstance(value, (Mapping, type(None))):
        message = f"must be a dict such as {{'iceServers': []}}, not {kind(value)}"
        problems.append(where.error(message))
        value = None
    made, wrong = freeze({"iceServers": [], **(value or {})}, where)
    frozen: Any = made
    problems += wrong
    entries, here = frozen["iceServers"], where["iceServers"]
    servers: List[StaticServer] = []
    if not isinstance(entries, tuple):
        message = f"must be a list of dicts, not {kind(entries)}; browsers throw on anything else"
        problems.append(here.error(message))
        entries = ()
    wrong = too_many(entries, MAX_SERVERS, here, "write fewer servers")
    problems += wrong
    for index, entry in enumerate(() if wrong else entries):
        server, wrong = _parse_server(entry, here[index])
        servers.append(server)
        problems += wrong
    problems += _check_members(frozen, where)
    return RtcConfiguration(frozen, tuple(servers)), problems


def public_rtc_configuration(configuration: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the members that anybody may see, frozen: no server that has a password."""
    servers = configuration["iceServers"]
    public = tuple(server for server in servers if "credential" not in server)
    return MappingProxyType({**configuration, "iceServers": public})


def _check_members(configuration: Mapping[str, Any], where: Where) -> Iterator[Problem]:
    """Yield what is wrong with the members of a frozen RTCConfiguration beside its servers."""
    yield from misspelt_keys(configuration, MEMBERS, where)
    for name, values in ENUMS.items():
        if name in configuration and configuration[name] not in values:
            choice = " or ".join(map(repr, values))
            yield where[name].error(f"must be {choice}, or left out; {THROWS}")
    if configuration.get("certificates", ()) != ():
        message = "must be [] or left out, since no od.config can hold an RTCCertificate"
        yield where["certificates"].error(f"{message}; {THROWS}")
    size, here = configuration.get("iceCandidatePoolSize", 0), where["iceCandidatePoolSize"]
    number = _as_number(size)
    if number is None or not 0 <= int(number) <= MAX_POOL_SIZE:
        right = f"a whole number from 0 to {MAX_POOL_SIZE}, such as 0, or left out"
        yield here.error(f"must be {right}; {THROWS}")
    elif type(size) is not int:
        yield here.warning(f"is {kind(size)}, which browsers read as {int(number)}; write that")


def _as_number(value: Any) -> Optional[float]:
    """Return the number that a browser makes of a JSON value, None if it makes none."""
    if value is None:
        return 0
    if isinstance(value, (int, float)):  # a bool too
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    return None


def _kind(frozen: Any) -> str:
    return kind([] if isinstance(frozen, tuple) else frozen)  # most write lists, few tuples


def _parse_server(server: Any, where: Where) -> Tuple[StaticServer, List[Problem]]:
    """Return an entry of ``iceServers``, usable if it has no errors, and what is wrong."""
    if not isinstance(server, Mapping):
        return StaticServer(()), [where.error(f"must be a dict with 'urls', not {_kind(server)}")]
    uris, problems = _parse_urls(server, where)
    if server.get("credentialType", "password") != "password":
        message = "must be 'password', or left out; Firefox throws on anything else"
        problems.append(where["credentialType"].error(message))
    if any(uri.scheme in TURN_SCHEMES for uri in uris):
        problems += _check_login(server, where)
    return StaticServer(uris, server.get("username"), server.get("credential")), problems


def _parse_urls(
    server: Mapping[str, Any], where: Where
) -> Tuple[Tuple[IceURI, ...], List[Problem]]:
    key = "urls" if "urls" in server or "url" not in server else "url"
    if key not in server:
        return (), [where.error("has no 'urls', so browsers throw")]
    urls, here, problems = server[key], where[key], []
    if key == "url":
        message = "is the old name of 'urls', which browsers may drop; write 'urls'"
        problems.append(here.warning(message))
    if not urls or not isinstance(urls, (str, tuple)):
        message = "must be a URI such as 'stun:host:3478', or a list of URIs; browsers throw"
        return (), [*problems, here.error(message)]
    wrong = [] if isinstance(urls, str) else too_many(urls, MAX_URLS, here, "write fewer urls")
    if wrong:
        return (), [*problems, *wrong]
    uris: List[IceURI] = []
    texts = [(urls, here)] if isinstance(urls, str) else [(u, here[i]) for i, u in enumerate(urls)]
    for text, place in texts:
        if not isinstance(text, str):
            message = f"must be text such as 'stun:host:3478', not {_kind(text)}"
            problems.append(place.error(message))
            continue
        if text != text.strip():
            message = "begins or ends with whitespace, which browsers ignore; remove it"
            problems.append(place.warning(message))
        uri, wrong = read_uri(text.strip(), place)
        uris += [uri] if uri else []
        problems += wrong
    return tuple(uris), problems


def _check_login(server: Mapping[str, Any], where: Where) -> Iterator[Problem]:
    """Yield what is wrong with the username and the credential of a TURN server."""
    messages = [(key, _wrong_login(key, server)) for key in ("username", "credential")]
    if not ("username" in server or "credential" in server):
        messages = messages[:1]  # both are missing: one cure
    wrong = [(key, message) for key, message in messages if message]
    for key, message in wrong:
        yield (where[key] if key in server else where).error(message)
    if wrong:
        return
    for key in ("username", "credential"):
        value = server[key]
        if not isinstance(value, str):
            message = f"is {kind(value)}, which browsers convert to text; put it in quotes"
            yield where[key].warning(message)
        elif is_unexpanded(value):
            yield where[key].warning(f"{UNEXPANDED}; write the value itself")
        elif key == "username" and len(value.encode("utf-8", "replace")) == MAX_USERNAME_BYTES:
            message = f"has {MAX_USERNAME_BYTES} bytes, and Chromium then gathers nothing"
            yield where[key].warning(f"{message}; shorten it")
    yield where.warning(
        "has a TURN password that never expires, and that every user gets; "
        "write the server into webrtc.coturn with its static-auth-secret"
    )


def _wrong_login(key: str, server: Mapping[str, Any]) -> str:
    """Return what is wrong with the username or the credential of a TURN server, or nothing."""
    value = server.get(key)
    right = "move your coturn server to webrtc.coturn"
    if key not in server:
        return f"has a turn URI without '{key}', so browsers throw; {right}"
    if value == "":
        return f"is empty, so browsers throw; {right}"
    if value is None or isinstance(value, (tuple, Mapping)):
        return (
            f"is {_kind(value)}, which browsers convert to a text that no server accepts; {right}"
        )
    if key == "username" and len(str(value).encode("utf-8", "replace")) > MAX_USERNAME_BYTES:
        return f"is longer than {MAX_USERNAME_BYTES} bytes, so browsers throw; shorten it"
    return ""
