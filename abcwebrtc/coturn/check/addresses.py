"""The addresses of a coturn in its turnserver.conf, and what NAT makes of them.

Pure. Measured with coturn 4.6.1 and 4.18.0: what is neither an address nor a name that resolves is
logged as an error, and the line dropped; of several ``external-ip`` without a private half the
first counts. A peer with the public address counts as the private one behind it, before coturn
looks at what is denied; with ``external-ip=PUBLIC/PRIVATE`` that is allowed.
"""

from __future__ import annotations

import re
import socket
from typing import Dict, List, Optional, Set, Tuple

from abcwebrtc.coturn.addresses import LOOPBACK, PRIVATE, Address, Range, host_address, range_of
from abcwebrtc.coturn.check.notes import Notes
from abcwebrtc.coturn.check.peers import mapping, permits, ranges
from abcwebrtc.coturn.conf import LOCALHOST
from abcwebrtc.coturn.conf_file import Setting, TurnserverFile
from abcwebrtc.coturn.server import Coturn

_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_DEVICE = re.compile(
    r"lo|(eth|wlan|br|docker|veth|bond|tun|tap|wg|venet|ib|virbr|cni)[0-9a-z]*[0-9][0-9a-z.@-]*"
    r"|en[opsx][0-9a-f][0-9a-z]*|wl[opsx][0-9a-z]+|br-[0-9a-f]{12}"
)
_INSIDE = (*PRIVATE, *LOOPBACK, range_of("169.254.0.0/16"), range_of("fe80::/10"))
_COMMAND = "is a command or a variable, and coturn runs no shell"
_DROPS = "coturn logs an error and drops this line"


def check_addresses(notes: Notes, coturn: Coturn) -> None:
    """Note what is wrong with a coturn's addresses, and where relays don't reach each other."""
    for name in ("listening-ip", "relay-ip"):
        for setting in notes.conf.all(name):
            _own(notes, setting)
    for setting in notes.conf.all("external-ip"):
        _external(notes, setting)
    _only_here(notes, coturn)
    _repeated(notes)
    _unmapped(notes)
    _behind_nat(notes)
    _aux_everywhere(notes)
    _denied(notes, coturn)


def own_addresses(conf: TurnserverFile) -> Set[str]:
    """Return the addresses that a file gives to coturn, in words of `ipaddress`."""
    texts = [setting.text for setting in conf.all("listening-ip", "relay-ip")]
    texts += [half for setting in conf.all("external-ip") for half in setting.text.split("/")]
    found = [host_address(text) for text in texts]
    return {str(address) for address in found if address and not address.is_unspecified}


def only_ipv6(conf: TurnserverFile, *names: str) -> bool:
    """Say whether the first of these options that is there has addresses of IPv6 alone."""
    settings = next(filter(None, map(conf.all, names)), ())
    found = [address for address in map(_address, settings) if address]
    relays_elsewhere = conf.all("relay-device") and "relay-ip" in names
    if not found or relays_elsewhere:
        return False
    return all(one.version == 6 and not one.is_unspecified for one in found)


def is_private(address: Address) -> bool:
    """Say whether an address is none that the Internet reaches."""
    return any(item.holds(Range(address, address)) for item in _INSIDE)


# one by one


def _own(notes: Notes, setting: Setting) -> None:
    address = host_address(setting.text)
    if not setting.value or (address and setting.text[0] != "["):
        if address and address.is_unspecified and setting.name == "relay-ip":
            message = "is no address of a relay: clients get 0.0.0.0; write this machine's address"
            notes.error(setting.name, message, setting)
        return
    _no_address(notes, setting, setting.text)


def _external(notes: Notes, setting: Setting) -> None:
    public, slash, private = setting.text.partition("/")
    halves = mapping(setting)
    if not setting.value:
        return
    if slash and re.fullmatch("[0-9]{1,3}", private):
        message = (
            "has a mask, which coturn reads as a private address such as 0.0.0.24; write "
            "external-ip=PUBLIC/PRIVATE, two addresses"
        )
        notes.error(setting.name, message, setting)
    elif halves:
        _halves(notes, setting, *halves)
    elif host_address(public) and (not slash or host_address(private)):
        _public(notes, setting, host_address(public))
    else:
        bad = public if not host_address(public) else private
        _no_address(notes, setting, bad)


def _public(notes: Notes, setting: Setting, address: Optional[Address]) -> None:
    if setting.text[0] == "[":
        _no_address(notes, setting, setting.text)
    elif address and address.is_unspecified:
        message = "gives clients 0.0.0.0 for a relay; write the address that the Internet sees"
        notes.error(setting.name, message, setting)


def _halves(notes: Notes, setting: Setting, public: Address, private: Address) -> None:
    if private.is_unspecified:
        return  # this lifts all denials, which is an error already
    if public.is_unspecified:
        message = "gives clients 0.0.0.0 for a relay; write the public address before the '/'"
    elif public.version != private.version:
        message = "maps IPv4 to IPv6, so it maps nothing; write two addresses of one kind"
    elif is_private(public) and not is_private(private):
        message = (
            f"has its halves the wrong way round, so clients get {public}; write "
            f"external-ip={private}/{public}"
        )
    else:
        return
    notes.error(setting.name, message, setting)


def _no_address(notes: Notes, setting: Setting, text: str) -> None:
    """Note why a text is no address to coturn; the text is not shown, but for an address in it."""
    kind, advice = _kind(text)
    other = _read_as(text)
    if other:
        message = (
            f"is not what it looks like: coturn reads it as {other}; write that, or four numbers"
        )
        notes.error(setting.name, f"{message} without leading zeros", setting)
    elif kind == _COMMAND and setting.file:
        message = (
            "is a command or a variable, and what a shell, Compose or the entrypoint of an image "
            "makes of it is not known here; give that with --option"
        )
        notes.warn(setting.name, message, setting)
    elif kind == "a name":
        message = (
            f"is {kind}, which coturn asks for once, when it starts; without an answer it drops "
            f"this line; {advice}"
        )
        notes.warn(setting.name, message, setting)
    else:
        notes.error(setting.name, f"{kind}: {_DROPS}; {advice}", setting)


def _read_as(text: str) -> str:
    """Return the address that C makes of numbers such as 010, which is octal, or nothing."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){1,3}", text, re.ASCII) or host_address(text):
        return ""
    try:
        return socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        return ""


def _kind(text: str) -> Tuple[str, str]:
    plain = "write the address itself"
    port = re.fullmatch(r"\[?([0-9A-Fa-f:.]+?)\]?:[0-9]{1,5}", text)
    bare = text.strip("[]'\" ")
    if re.search(r"[$`%]|\{\{|<.*>", text):
        return _COMMAND, plain
    if port and host_address(port.group(1)) and not host_address(bare):
        return "has a port", f"write {port.group(1)}, and the port as listening-port"
    if host_address(bare):
        return "has quotes or brackets around the address", f"write {host_address(bare)}"
    if re.search(r"[,; \t]", text):
        return "is more than one address", "write each in a line of its own"
    if re.fullmatch(r"[0-9A-Fa-f:.]+/[0-9]{1,3}", text):
        return "has a mask", "write the address without it"
    if _DEVICE.fullmatch(text):
        return "is a network interface", "write the address of that interface"
    if _NAME.fullmatch(text):
        return "a name", "write the address"
    return "is not an address", "write one such as 192.0.2.7"


# together


def _only_here(notes: Notes, coturn: Coturn) -> None:
    """Note that coturn listens where nobody from elsewhere comes."""
    settings = notes.conf.all("listening-ip")
    found = [_address(setting) for setting in settings]
    elsewhere = [host for host in coturn.hosts if host != LOCALHOST and not _is_loopback(host)]
    if elsewhere and found and all(address and address.is_loopback for address in found):
        message = (
            f"is this machine alone, so nobody who comes to {elsewhere[0]} gets in, unless "
            "something in front of it forwards; write the address of a network"
        )
        notes.warn("listening-ip", message, settings[0])


def _is_loopback(host: str) -> bool:
    address = host_address(host)
    return bool(address and address.is_loopback)


def _repeated(notes: Notes) -> None:
    alone = [s for s in notes.conf.all("external-ip") if "/" not in s.text and _address(s)]
    for setting in alone[1:]:
        message = (
            f"is dropped: coturn takes one address without a private half, {alone[0].text}; write "
            "each as external-ip=PUBLIC/PRIVATE"
        )
        notes.error("external-ip", message, setting)
    seen: Dict[Address, Address] = {}
    for setting in notes.conf.all("external-ip"):
        public, private = mapping(setting) or (None, None)
        if public and private and seen.setdefault(private, public) != public:
            message = f"maps {private} again; coturn takes the first, {seen[private]}"
            notes.warn("external-ip", message, setting)


def _address(setting: Setting) -> Optional[Address]:
    return None if setting.text[:1] == "[" else host_address(setting.text)


def _addresses(conf: TurnserverFile) -> List[Address]:
    """Return the addresses of relays, as far as the file says: none where coturn takes them all."""
    coturns = [_address(setting) for setting in conf.all("relay-ip")]
    found = [address for address in coturns if address] or [
        address for address in map(_address, conf.all("listening-ip")) if address
    ]
    return [] if any(address.is_unspecified for address in found) else found


def _unmapped(notes: Notes) -> None:
    """Note mappings of addresses that are none of this coturn's."""
    conf, here = notes.conf, _addresses(notes.conf)
    for setting in conf.all("external-ip"):
        public, private = mapping(setting) or (None, None)
        if not public or not private or private.is_unspecified or not here:
            continue
        same = [address for address in here if address.version == private.version]
        reversed_halves = is_private(public) and not is_private(private)
        if private not in here and same and not reversed_halves:
            message = (
                f"maps {private}, which is no address of relays here; write "
                f"external-ip={public}/{same[0]}, or clients get {same[0]}"
            )
            notes.error("external-ip", message, setting)


def _behind_nat(notes: Notes) -> None:
    """Note where a peer with the public address is denied, as the private one behind it is."""
    conf = notes.conf
    alone = [s for s in conf.all("external-ip") if "/" not in s.text and _address(s)]
    public = _address(alone[0]) if alone else None
    if not public or public.is_unspecified:
        return
    mapped = {private for _, private in filter(None, map(mapping, conf.all("external-ip")))}
    here = [item for item in _addresses(conf) if item.version == public.version]
    for private in [item for item in here if item not in mapped][:1]:  # the first is the one
        if private != public and not permits(conf, private):
            message = (
                f"has no private half, so coturn takes {public} for {private}, which is denied: "
                f"every call from relay to relay is refused (403); write "
                f"external-ip={public}/{private}, or add allowed-peer-ip={private}"
            )
            notes.error("external-ip", message, alone[0])
    if not here and not mapped and not _allows_one(conf):
        _unseen(notes, alone[0], public)


def _allows_one(conf: TurnserverFile) -> bool:
    """Say whether one private address is allowed, which may be this machine's."""
    allowed = ranges(conf, "allowed-peer-ip")
    return any(item.first == item.last and is_private(item.first) for item in allowed)


def _unseen(notes: Notes, setting: Setting, public: Address) -> None:
    denied = ranges(notes.conf, "denied-peer-ip")
    if any(is_private(item.first) and item.first.version == public.version for item in denied):
        message = (
            f"has no private half: if this machine has another address than {public}, and it is "
            "denied, every call from relay to relay is refused (403); write "
            f"external-ip={public}/PRIVATE with that address (hostname -I)"
        )
        notes.warn("external-ip", message, setting)


def _aux_everywhere(notes: Notes) -> None:
    """Note a further port on every address, where coturn takes that for the address of relays."""
    if notes.conf.all("listening-ip", "relay-ip", "relay-device"):
        return
    for setting in notes.conf.all("aux-server"):
        address = host_address(setting.text.rpartition(":")[0])
        if address and address.is_unspecified:
            message = (
                f"gives relays with the address {address}, to which nothing can be sent; write a "
                "relay-ip with coturn's own address"
            )
            notes.error(setting.name, message, setting)


def _unchanged(conf: TurnserverFile, own: Dict[str, Address]) -> Dict[str, Address]:
    """Return those of coturn's own addresses that no external-ip stands for: relays have them."""
    pairs = filter(None, map(mapping, conf.all("external-ip")))
    mapped = {private for _, private in pairs}
    alone = [s for s in conf.all("external-ip") if "/" not in s.text and _address(s)]
    public = _address(alone[0]) if alone else None
    stray = {private.version for private in mapped if str(private) not in own}  # see _unmapped
    return {
        host: address
        for host, address in own.items()
        if address not in mapped
        and address.version not in stray
        and (public is None or address == public or address.version != public.version)
    }


def _denied(notes: Notes, coturn: Coturn) -> None:
    """Note where two relays of this server can't reach each other by its own address."""
    conf = notes.conf
    own = {str(address): address for address in _addresses(conf)}
    hosts = {host: host_address(host) for host in coturn.hosts}
    if not conf.all("external-ip"):
        hosts.update(own)
    elif own:  # coturn looks at what its own address is behind the public one, see _behind_nat
        external = {_address(setting) for setting in conf.all("external-ip")}
        hosts = {host: one for host, one in hosts.items() if host in own or one not in external}
        hosts.update(_unchanged(conf, own))
    for host, address in hosts.items():
        if address and not address.is_unspecified and not permits(conf, address):
            message = f"denies {host}, this server: a browser's relay can't reach a desktop's; "
            notes.warn("denied-peer-ip", f"{message}write allowed-peer-ip={host}")
