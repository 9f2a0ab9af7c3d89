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
    """An address that clients see, and that of the machine of which NAT makes it.

    The private half may be unknown; coturn needs it.
    """

    public: Address
    private: Optional[Address]

    def __str__(self) -> str:
        """Return the pair as coturn takes it."""
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
        message = "has an address that no server has; write PUBLIC/PRIVATE, the second coturn's own"
    elif any(half and half.is_loopback for half in halves):
        message = "has a loopback address, which no NAT makes or takes; write PUBLIC/PRIVATE"
    elif private and private.version != public.version:
        message = "has an address of IPv4 and one of IPv6; write two of one kind"
    elif public == private:
        message = "has the same address twice, so nothing translates it; leave the option out"
    elif private and is_private(public) and not is_private(private):
        message = f"is the wrong way round; write {private}/{public}"
    else:
        return External(public, private)
    raise ValueError(message)


def contradiction(listening: Sequence[Address], external: Sequence[External]) -> Optional[str]:
    """Return what is wrong with the addresses together, in words, None if nothing is."""
    own = [address for address in listening if not address.is_unspecified]
    for address in listening:
        if listening.count(address) > 1:
            return f"--listening-ip {address} is given twice"
        if address.is_unspecified and own:
            return f"--listening-ip {address} is every address, {own[0]} is one; leave one out"
    for half in ("public", "private"):
        halves = [getattr(pair, half) for pair in external if getattr(pair, half)]
        for address in halves:
            if halves.count(address) > 1:
                return f"--external-ip has the {half} address {address} twice; a pair has its own"
    return next(filter(None, (_against(pair, own) for pair in external)), None)


def _against(pair: External, own: Sequence[Address]) -> Optional[str]:
    """Return what is wrong between a pair and the addresses to listen on."""
    if own and not _of_version(own, pair.public):
        return f"--external-ip {pair} is IPv{pair.public.version}, and no --listening-ip is"
    if pair.public in own:
        return f"--external-ip {pair.public} is this server's own --listening-ip; leave it out"
    if pair.private and _of_version(own, pair.public) and pair.private not in own:
        return f"--external-ip {pair} names {pair.private}, which is no --listening-ip"
    return None


def listens_for(public: Address, listening: Sequence[Address]) -> Tuple[Address, ...]:
    """Return the addresses to listen on of which NAT may make a public one."""
    return tuple(ip for ip in _of_version(listening, public) if not ip.is_unspecified)


def _of_version(addresses: Iterable[Address], other: Address) -> Tuple[Address, ...]:
    return tuple(address for address in addresses if address.version == other.version)
