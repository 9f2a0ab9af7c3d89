"""Rules for a coturn behind NAT, and whether its relays reach each other.

Pure. Measured with coturn 4.6.1 and 4.18.0: of several ``external-ip`` without a private half,
coturn uses the first. It maps a peer's public address to the private one behind it before it looks
at the denied ranges; with ``external-ip=PUBLIC/PRIVATE`` the private one is allowed.
"""

from __future__ import annotations

from typing import Dict, Iterator, List

from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import Range, host_address, is_inside
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.check.peers import lifts, ranges
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem


class _Nat:
    """The lines of ``external-ip``: pairs, and `alone`, those without a private half.

    `own` holds the addresses of relays, as far as the file says.
    """

    def __init__(self, conf: KnownConf) -> None:
        settings = conf.all("external-ip")
        self.own = _relay_addresses(conf)
        self.pairs = [(one, *one.pair) for one in settings if one.pair]
        self.mapped = {private for _, _, private in self.pairs}
        self.alone = [one for one in settings if "/" not in one.text and one.address]
        self.public = self.alone[0].address if self.alone else None


def _relay_addresses(conf: KnownConf) -> List[Address]:
    """Return the addresses of relays, as far as the file says: none where coturn uses them all."""
    told, listening = (
        [setting.address for setting in conf.all(name) if setting.address]
        for name in ("relay-ip", "listening-ip")
    )
    found = told or listening
    return [] if any(address.is_unspecified for address in found) else found


def _permits(conf: KnownConf, address: Address) -> bool:
    """Return whether coturn relays to an address, as far as its file says."""
    own = Range(address, address)
    if any(setting.pair and setting.pair[0] == address for setting in conf.all("external-ip")):
        return True  # coturn maps it to the private half, which is allowed
    if any(lift.range.unbounded or lift.range.holds(own) for lift in lifts(conf)):
        return True
    return not any(item.unbounded or item.holds(own) for item in ranges(conf, "denied-peer-ip"))


def check_nat(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield what gives clients a wrong address, or keeps relays from reaching each other."""
    nat = _Nat(conf)
    for check in (_repeated, _unmapped, _behind):
        yield from check(conf, nat)
    yield from _denied(conf, nat, coturn)


def _repeated(conf: KnownConf, nat: _Nat) -> Iterator[Problem]:
    for setting in nat.alone[1:]:
        message = (
            "is dropped: coturn accepts only one address without a private half, and that is "
            f"{nat.alone[0].text}; write each line as external-ip=PUBLIC/PRIVATE"
        )
        yield conf.error(setting, message)
    seen: Dict[Address, Address] = {}
    for setting, public, private in nat.pairs:
        if seen.setdefault(private, public) != public:
            message = f"maps {private} again; coturn uses the first mapping, to {seen[private]}"
            yield conf.warning(setting, f"{message}; remove this one")


def _unmapped(conf: KnownConf, nat: _Nat) -> Iterator[Problem]:
    """Yield mappings of addresses that this coturn does not have."""
    for setting, public, private in nat.pairs:
        same = [address for address in nat.own if address.version == private.version]
        is_reversed = is_inside(public) and not is_inside(private)
        if same and private not in nat.own and not private.is_unspecified and not is_reversed:
            message = (
                f"maps {private}, but relays have {same[0]}, which clients then get; write "
                f"external-ip={public}/{same[0]}"
            )
            yield conf.error(setting, message)


def _behind(conf: KnownConf, nat: _Nat) -> Iterator[Problem]:
    """Yield where the public address is denied because the private one behind it is."""
    public = nat.public
    if not public or public.is_unspecified:
        return
    here = [item for item in nat.own if item.version == public.version]
    for private in [item for item in here if item not in nat.mapped][:1]:  # coturn uses the first
        if private != public and not _permits(conf, private):
            message = (
                f"has no private half, so coturn maps {public} to {private}, which is denied: "
                f"coturn refuses every call from relay to relay (403); write "
                f"external-ip={public}/{private}, or add allowed-peer-ip={private}"
            )
            yield conf.error(nat.alone[0], message)
    # A single private address that is allowed may be this machine's.
    allowed = ranges(conf, "allowed-peer-ip")
    allows_one = any(item.first == item.last and is_inside(item.first) for item in allowed)
    denied = [item.first for item in ranges(conf, "denied-peer-ip")]
    denies = any(is_inside(first) and first.version == public.version for first in denied)
    if denies and not here and not nat.mapped and not allows_one:
        message = (
            f"has no private half: if coturn's machine has an address other than {public}, and it "
            "is denied, coturn refuses every call from relay to relay (403); write "
            f"external-ip={public}/PRIVATE with that address (hostname -I shows it)"
        )
        yield conf.warning(nat.alone[0], message)


def _denied(conf: KnownConf, nat: _Nat, coturn: Coturn) -> Iterator[Problem]:
    """Yield where two relays of this server can't reach each other at its own address."""
    own = {str(address): address for address in nat.own}
    hosts = {host: host_address(host) for host in coturn.hosts}
    if not conf.all("external-ip"):
        hosts.update(own)
    elif own:  # coturn looks at its own address behind the public one, see _behind
        external = {setting.address for setting in conf.all("external-ip")}
        hosts = {host: one for host, one in hosts.items() if host in own or one not in external}
        # Relays have those of coturn's own addresses that no external-ip replaces.
        stray = {private.version for private in nat.mapped if private not in nat.own}
        for host, address in own.items():
            has_public = nat.public is not None and nat.public.version == address.version
            stands_in = address in nat.mapped or (has_public and address != nat.public)
            if not stands_in and address.version not in stray:
                hosts[host] = address
    for host, one in hosts.items():
        if one and not one.is_unspecified and not _permits(conf, one):
            message = (
                f"denies {host}, this server itself, so a browser's relay can't reach a desktop's; "
                f"add allowed-peer-ip={host}"
            )
            yield conf.warning("denied-peer-ip", message)
