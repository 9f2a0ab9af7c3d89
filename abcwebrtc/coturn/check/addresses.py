"""Rules for coturn's own addresses in its turnserver.conf, one by one.

Pure. Measured with coturn 4.6.1 and 4.18.0: for a value that is neither an address nor a name that
resolves, coturn logs an error and drops the line.
"""

from __future__ import annotations

import re
import socket
from typing import Iterator, Tuple

from abcwebrtc.config.uris import Address
from abcwebrtc.coturn.addresses import host_address, is_inside
from abcwebrtc.coturn.check.known_conf import KnownConf
from abcwebrtc.coturn.conf import LOCALHOST
from abcwebrtc.coturn.conf_file import Setting
from abcwebrtc.coturn.server import Coturn
from abcwebrtc.errors import Problem

_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_DEVICE = re.compile(
    r"lo|(eth|wlan|br|docker|veth|bond|tun|tap|wg|venet|ib|virbr|cni)[0-9a-z]*[0-9][0-9a-z.@-]*"
    r"|en[opsx][0-9a-f][0-9a-z]*|wl[opsx][0-9a-z]+|br-[0-9a-f]{12}"
)
_COMMAND = "is a command or a variable, and coturn runs no shell"
_DROPS = "coturn logs an error and drops this line"


def check_addresses(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield what is wrong with each of coturn's addresses."""
    for setting in conf.all("listening-ip", "relay-ip"):
        address = setting.address
        if setting.value and not address:
            yield _no_address(conf, setting, setting.text)
        elif address and address.is_unspecified and setting.name == "relay-ip":
            message = "gives clients 0.0.0.0 as the relay's address; write this machine's address"
            yield conf.error(setting, message)
    for setting in conf.all("external-ip"):
        yield from _external(conf, setting)
    yield from _only_here(conf, coturn)
    yield from _aux_everywhere(conf)


def _external(conf: KnownConf, setting: Setting) -> Iterator[Problem]:
    first, slash, second = setting.text.partition("/")
    public, halves = host_address(first), setting.pair
    if not setting.value:
        return
    if slash and re.fullmatch("[0-9]{1,3}", second):
        message = (
            "has a mask, which coturn reads as a private address such as 0.0.0.24; write two "
            "addresses, external-ip=PUBLIC/PRIVATE"
        )
        yield conf.error(setting, message)
    elif halves:
        yield from _halves(conf, setting, *halves)
    elif public and not slash:
        if setting.text[0] == "[":
            yield _no_address(conf, setting, setting.text)
        elif public.is_unspecified:
            message = (
                "gives clients 0.0.0.0 as the relay's address; write the address that the Internet "
                "sees"
            )
            yield conf.error(setting, message)
    else:
        yield _no_address(conf, setting, second if public else first)


def _halves(
    conf: KnownConf, setting: Setting, public: Address, private: Address
) -> Iterator[Problem]:
    if private.is_unspecified:
        return  # it overrides every denied range, which another rule reports
    if public.is_unspecified:
        message = (
            "gives clients 0.0.0.0 as the relay's address; write the public address before the '/'"
        )
    elif public.version != private.version:
        message = "maps between IPv4 and IPv6, so it has no effect; write two addresses of one kind"
    elif is_inside(public) and not is_inside(private):
        message = (
            f"has its halves swapped, so clients get {public}; write external-ip={private}/{public}"
        )
    else:
        return
    yield conf.error(setting, message)


def _no_address(conf: KnownConf, setting: Setting, text: str) -> Problem:
    """Return why coturn can't read a text as an address; only an address in it is shown."""
    kind, advice = _kind(text)
    other = _read_as(text)
    if other:
        message = (
            f"is not the address that it looks like: coturn reads it as {other}; write that, or "
            "four numbers without leading zeros"
        )
        return conf.error(setting, message)
    if kind == _COMMAND and setting.file:
        message = (
            "is a command or a variable, and its result in a shell, Compose or an image's "
            "entrypoint is not known here; give the result with --option"
        )
        return conf.warning(setting, message)
    if kind == "a name":
        message = (
            f"is {kind}, which coturn resolves only once, when it starts; if that fails, coturn "
            f"drops this line; {advice}"
        )
        return conf.warning(setting, message)
    return conf.error(setting, f"{kind}: {_DROPS}; {advice}")


def _read_as(text: str) -> str:
    """Return the address that C reads from numbers such as 010, which is octal, or ''."""
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
        return "is more than one address", "write one address per line"
    if re.fullmatch(r"[0-9A-Fa-f:.]+/[0-9]{1,3}", text):
        return "has a mask", "write the address without it"
    if _DEVICE.fullmatch(text):
        return "is a network interface", "write the interface's address"
    if _NAME.fullmatch(text):
        return "a name", "write the address"
    return "is not an address", "write one such as 192.0.2.7"


def _only_here(conf: KnownConf, coturn: Coturn) -> Iterator[Problem]:
    """Yield a warning where coturn listens on the loopback alone, and clients are elsewhere."""
    settings = conf.all("listening-ip")
    found = [setting.address for setting in settings]
    elsewhere = [host for host in coturn.hosts if host != LOCALHOST and not _is_loopback(host)]
    if elsewhere and found and all(address and address.is_loopback for address in found):
        message = (
            f"is the loopback alone, so clients that connect to {elsewhere[0]} don't reach coturn "
            "unless a forwarder does; write an address that they can reach"
        )
        yield conf.warning(settings[0], message)


def _is_loopback(host: str) -> bool:
    address = host_address(host)
    return bool(address and address.is_loopback)


def _aux_everywhere(conf: KnownConf) -> Iterator[Problem]:
    """Yield an aux-server on every address, which coturn also uses as the relays' address."""
    if conf.all("listening-ip", "relay-ip", "relay-device"):
        return
    for setting in conf.all("aux-server"):
        address = host_address(setting.text.rpartition(":")[0])
        if address and address.is_unspecified:
            message = (
                f"makes relays with the address {address}, to which nothing can be sent; add a "
                "relay-ip with coturn's own address"
            )
            yield conf.error(setting, message)
