"""What NAT makes of a coturn's addresses, and whether its relays reach each other.

Pure. Measured with coturn 4.6.1 and 4.18.0: of several ``external-ip`` without a private half the
first counts. A peer with the public address counts as the private one behind it, before coturn
looks at what is denied; with ``external-ip=PUBLIC/PRIVATE`` that is allowed.
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
    """The lines of ``external-ip``: pairs, and those that are `alone`, without a private half.

    `own` are the addresses of relays, as far as the file says.
    """

    def __init__(self, conf: KnownConf) -> None:
        settings = conf.all("external-ip")
        self.own = _relay_addresses(conf)
        self.pairs = [(one, *one.pair) for one in settings if one.pair]
        self.mapped = {private for _, _, private in self.pairs}
        self.alone = [one for one in settings if "/" not in one.text and one.address]
        self.public = self.alone[0].address if self.alone else None


def _relay_addresses(conf: KnownConf) -> List[Address]:
    """Return the addresses of relays, as far as the file says: none where coturn takes them all."""
    told, listening = (
        [setting.address for setting in conf.all(name) if setting.address]
        for name in ("relay-ip", "listening-ip")
    )
    found = told or listening
    return [] if any(address.is_unspecified for address in found) else found


def _permits(conf: KnownConf, address: Address) -> bool:
    """Say whether coturn relays to an address, as far as the lines of its file say."""
    own = Range(address, address)
    if any(setting.pair and setting.pair[0] == address for setting in conf.all("external-ip")):
        return True  # it counts as the private half, which is allowed
    if any(lift.range.unbounded or lift.range.holds(own) for lift in lifts(conf)):
        return True
    return not any(item.unbounded or item.holds(own) for item in ranges(conf, "denied-peer-ip"))


def check_nat(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield where clients get a wrong address, or relays don't reach each other."""
    nat = _Nat(conf)
    for check in (_repeated, _unmapped, _behind):
        yield from check(conf, nat)
    yield from _denied(conf, nat, coturn)


def _repeated(conf: KnownConf, nat: _Nat) -> Iterator[Problem]:
    for setting in nat.alone[1:]:
        message = (
            "is dropped: coturn takes one address without a private half, "
            f"{nat.alone[0].text}; write each as external-ip=PUBLIC/PRIVATE"
        )
        yield conf.error(setting, message)
    seen: Dict[Address, Address] = {}
    for setting, public, private in nat.pairs:
        if seen.setdefault(private, public) != public:
            message = f"maps {private} again; coturn takes the first, {seen[private]}"
            yield conf.warning(setting, message)


def _unmapped(conf: KnownConf, nat: _Nat) -> Iterator[Problem]:
    """Yield mappings of addresses that are none of this coturn's."""
    for setting, public, private in nat.pairs:
        same = [address for address in nat.own if address.version == private.version]
        is_reversed = is_inside(public) and not is_inside(private)
        if same and private not in nat.own and not private.is_unspecified and not is_reversed:
            message = (
                f"maps {private}, which is no address of relays here; write "
                f"external-ip={public}/{same[0]}, or clients get {same[0]}"
            )
            yield conf.error(setting, message)


def _behind(conf: KnownConf, nat: _Nat) -> Iterator[Problem]:
    """Yield where a peer with the public address is denied, as the private one behind it is."""
    public = nat.public
    if not public or public.is_unspecified:
        return
    here = [item for item in nat.own if item.version == public.version]
    for private in [item for item in here if item not in nat.mapped][:1]:  # the first is the one
        if private != public and not _permits(conf, private):
            message = (
                f"has no private half, so coturn takes {public} for {private}, which is denied: "
                f"every call from relay to relay is refused (403); write "
                f"external-ip={public}/{private}, or add allowed-peer-ip={private}"
            )
            yield conf.error(nat.alone[0], message)
    # One private address that is allowed may be this machine's.
    allowed = ranges(conf, "allowed-peer-ip")
    allows_one = any(item.first == item.last and is_inside(item.first) for item in allowed)
    denied = [item.first for item in ranges(conf, "denied-peer-ip")]
    denies = any(is_inside(first) and first.version == public.version for first in denied)
    if denies and not here and not nat.mapped and not allows_one:
        message = (
            f"has no private half: if this machine has another address than {public}, and it is "
            "denied, every call from relay to relay is refused (403); write "
            f"external-ip={public}/PRIVATE with that address (hostname -I)"
        )
        yield conf.warning(nat.alone[0], message)


def _denied(conf: KnownConf, nat: _Nat, coturn: Coturn) -> Iterator[Problem]:
    """Yield where two relays of this server can't reach each other by its own address."""
    own = {str(address): address for address in nat.own}
    hosts = {host: host_address(host) for host in coturn.hosts}
    if not conf.all("external-ip"):
        hosts.update(own)
    elif own:  # coturn looks at what its own address is behind the public one, see _behind
        external = {setting.address for setting in conf.all("external-ip")}
        hosts = {host: one for host, one in hosts.items() if host in own or one not in external}
        # Relays have those of its own addresses that no external-ip stands for.
        stray = {private.version for private in nat.mapped if private not in nat.own}
        for host, address in own.items():
            has_public = nat.public is not None and nat.public.version == address.version
            stands_in = address in nat.mapped or (has_public and address != nat.public)
            if not stands_in and address.version not in stray:
                hosts[host] = address
    for host, one in hosts.items():
        if one and not one.is_unspecified and not _permits(conf, one):
            message = f"denies {host}, this server: a browser's relay can't reach a desktop's; "
            yield conf.warning("denied-peer-ip", f"{message}write allowed-peer-ip={host}")
