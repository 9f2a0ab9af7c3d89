"""The access log of `serve`: one line for each request, with the client's address."""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Dict, Iterable, NamedTuple, Optional, Sequence, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAX_PROXIES = 16
"""How many addresses at the end of ``X-Forwarded-For`` are examined."""
_SHOWN = 200
"""Characters kept of a path or a User-Agent."""
_LONGEST = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")


class Access(NamedTuple):
    """One request in the log; its text is the line that `access_line` makes of its values."""

    address: str
    moment: str
    request: Sequence[str]
    answer: Sequence[object]
    agent: str

    def __str__(self) -> str:
        return access_line(*self)

    def fields(self) -> Dict[str, Any]:
        """Return the request for a log of JSON objects; what is not known is None."""
        asked = [word[:_SHOWN] for word in self.request]
        path = " ".join(asked[1:-1])
        status, length = (int(str(one)) if str(one).isdecimal() else None for one in self.answer)
        return {
            "message": f"{asked[0]} {path}",
            "client": self.address,
            "method": asked[0],
            "path": path,
            "status": status,
            "bytes": length,
            "agent": self.agent[:_SHOWN],
        }


def access_line(
    address: str, moment: str, request: Sequence[str], answer: Sequence[object], agent: str
) -> str:
    """Return a line in the Combined Log Format, without anything that may be secret.

    `request` is the method, path and protocol, `answer` the status and the length of the
    body. The Referer is always ``-``, since the query of another page may hold keys.
    Whatever the client sent is escaped.
    """
    asked, sent = " ".join(map(_escaped, request)), " ".join(map(str, answer))
    return f'{address} - - {moment} "{asked}" {sent} "-" "{_escaped(agent)}"'


def _escaped(text: str) -> str:
    shown = text[:_SHOWN].encode("unicode_escape").decode("ascii")
    return shown.replace('"', '\\"')


class ClientAddresses:
    """WSGI middleware that gives `app` the client's address when a proxy forwards the request.

    `proxies` are the networks of the proxies whose ``X-Forwarded-For`` is trusted.
    """

    def __init__(self, app: Any, proxies: Sequence[Network]) -> None:
        self._app, self._proxies = app, proxies

    def __call__(
        self, environ: Dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Pass the request to `app`."""
        peer = environ.get("REMOTE_ADDR", "")
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        environ["REMOTE_ADDR"] = client_address(peer, forwarded, self._proxies)
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Return the address of the client, as the trusted proxies report it.

    Each proxy appends the address of its own peer to ``X-Forwarded-For`` (`forwarded`), so
    the client is the last address that does not belong to a trusted proxy. Anybody can have
    written what precedes that. The search also ends at the first word that is not an address.
    """
    client = _address(peer.partition("%")[0])
    if client is None or not _is_of(client, proxies):
        return peer
    for word in reversed(forwarded.rsplit(",", MAX_PROXIES)[-MAX_PROXIES:]):
        said = _address(word.strip())
        if said is None:
            break
        client = said
        if not _is_of(client, proxies):
            break
    return str(client)


def _is_of(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Optional[Address]:
    """Return an address, an IPv4-mapped one as IPv4; None if the text is not an address."""
    if len(text) > _LONGEST or "%" in text:  # a zone may be any text
        return None
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
