"""The access log of `serve`: a line for each request, and the address of who sent it."""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Dict, Iterable, Optional, Sequence, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MAX_PROXIES = 16
"""So many addresses of ``X-Forwarded-For`` are looked at, from its end."""
_SHOWN = 200
"""Characters of a path, or of what a client calls itself."""
_LONGEST = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")


def access_line(
    address: str, moment: str, request: Sequence[str], answer: Sequence[object], agent: str
) -> str:
    """Return a line in the Combined Log Format, without what nobody needs.

    `request` is its method, path and protocol, `answer` the status and the bytes of the
    body. The Referer is always ``-``: it has the query of another page, with whatever keys
    are in it. What the client has sent is escaped.
    """
    asked, sent = " ".join(map(_escaped, request)), " ".join(map(str, answer))
    return f'{address} - - {moment} "{asked}" {sent} "-" "{_escaped(agent)}"'


def _escaped(text: str) -> str:
    shown = text[:_SHOWN].encode("unicode_escape").decode("ascii")
    return shown.replace('"', '\\"')


class ClientAddresses:
    """A WSGI application that tells `app` who sends a request, where a proxy passes it on.

    `proxies` are the networks of the proxies that are trusted to say so.
    """

    def __init__(self, app: Any, proxies: Sequence[Network]) -> None:
        self._app, self._proxies = app, proxies

    def __call__(
        self, environ: Dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Have `app` answer."""
        peer = environ.get("REMOTE_ADDR", "")
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        environ["REMOTE_ADDR"] = client_address(peer, forwarded, self._proxies)
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer


def client_address(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Return the address of a client, which the last proxies are trusted to know.

    Each proxy appends to ``X-Forwarded-For`` (`forwarded`) the address that it was asked
    from, so it is the last one that is no trusted proxy's. Left of that anybody can write
    what they like, and what is no address ends the search as well.
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
    """Return an address, of IPv4 also where a socket of IPv6 has it; None for what is none."""
    if len(text) > _LONGEST or "%" in text:  # a zone may be any text
        return None
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
