"""The pairs of ``--external-ip``: what the Internet sees of a coturn, and what it has itself.

coturn gives clients the public address of a pair ``PUBLIC/PRIVATE``. Where it is
told no private half, it takes every relay behind the public one for denied, as
soon as private networks are (measured with 4.5.2 to 4.18.0).
"""

from __future__ import annotations

from typing import Iterable, NamedTuple, Optional, Sequence, Tuple

from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import is_private, is_server, parse_address


class External(NamedTuple):
    """The address that clients see, and the machine's own address behind NAT.

    The private half may be unknown, but coturn needs it.
    """

    public: Address
    private: Optional[Address]

    def __str__(self) -> str:
        """Return the pair as coturn reads it."""
        return str(self.public) if self.private is None else f"{self.public}/{self.private}"


def parse_external(text: str) -> External:
    """Return ``PUBLIC/PRIVATE``, or ``PUBLIC`` alone.

    Raises `ValueError`, which says what to write.
    """
    halves = [parse_address(half) for half in text.split("/")]
    public, private = halves[0], halves[-1] if len(halves) == 2 else None
    if None in halves or public is None or len(halves) > 2:
        message = "write PUBLIC/PRIVATE, two IP addresses, such as 203.0.113.20/10.0.0.5"
    elif not all(half and is_server(half) for half in halves):
        message = "has an address that no server has; write PUBLIC/PRIVATE, PRIVATE is coturn's own"
    elif any(half and half.is_loopback for half in halves):
        message = "has a loopback address, which NAT does not translate; write PUBLIC/PRIVATE"
    elif private and private.version != public.version:
        message = "mixes IPv4 and IPv6; write two addresses of one kind"
    elif public == private:
        message = "has the same address twice, so there is no NAT; leave the option out"
    elif private and is_private(public) and not is_private(private):
        message = f"has its halves swapped; write {private}/{public}"
    else:
        return External(public, private)
    raise ValueError(message)


def contradiction(listening: Sequence[Address], external: Sequence[External]) -> Optional[str]:
    """Return in words what contradicts what in the addresses, or None."""
    own = [address for address in listening if not address.is_unspecified]
    for address in listening:
        if listening.count(address) > 1:
            return f"--listening-ip {address} is given twice; give it once"
        if address.is_unspecified and own:
            return f"--listening-ip {address} means every address, so leave it or {own[0]} out"
    for half in ("public", "private"):
        halves = [getattr(pair, half) for pair in external if getattr(pair, half)]
        for address in halves:
            if halves.count(address) > 1:
                return (
                    f"--external-ip has the {half} address {address} twice; each pair needs its own"
                )
    return next(filter(None, (_against(pair, own) for pair in external)), None)


def _against(pair: External, own: Sequence[Address]) -> Optional[str]:
    """Return what contradicts the addresses to listen on in a pair, or None."""
    version = f"IPv{pair.public.version}"
    if own and not _of_version(own, pair.public):
        return f"--external-ip {pair} is {version}; add a --listening-ip that is {version} too"
    if pair.public in own:
        return f"--external-ip {pair.public} is this server's own --listening-ip; leave it out"
    if pair.private and _of_version(own, pair.public) and pair.private not in own:
        return f"--external-ip {pair} needs {pair.private} as a --listening-ip; add it"
    return None


def listens_for(public: Address, listening: Sequence[Address]) -> Tuple[Address, ...]:
    """Return the addresses to listen on that NAT may translate to a public one."""
    return tuple(ip for ip in _of_version(listening, public) if not ip.is_unspecified)


def _of_version(addresses: Iterable[Address], other: Address) -> Tuple[Address, ...]:
    return tuple(address for address in addresses if address.version == other.version)
