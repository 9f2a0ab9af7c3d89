"""A separate network: a desktop behind a NAT, and the outside, where servers are.

libnice ignores loopback addresses, and drops a server-reflexive candidate that is
equal to a host one. So the two are network namespaces with a veth pair between, and
the desktop's packets leave with another address. It is made without root where a user
namespace can be. The namespaces have no names and end with their processes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, ContextManager, Iterator, List, Sequence, Tuple, TypeVar

from conftest import missing, require_program
from support import WAIT, wait_for

SERVER, DESKTOP, PUBLIC = "10.111.0.1", "10.111.0.2", "203.0.113.7"
SERVER_V6, DESKTOP_V6, PUBLIC_V6 = "fd00:111::1", "fd00:111::2", "fd00:203::7"
INTERFACE = "eth0"  # libnice passes over names such as veth0 and docker0

Made = TypeVar("Made")

# As root, and as anybody else.
WAYS = (["--net"], ["--user", "--map-root-user", "--net"])


class NoNamespaceError(Exception):
    """A network namespace can't be created here."""


class Namespace:
    """A network namespace, held by a process that ends with this one."""

    def __init__(self, unshare: Sequence[str], enter: Sequence[str]) -> None:
        self._enter = list(enter)
        self._holder = subprocess.Popen(
            # cat ends with its stdin, so also when this process is killed
            [*unshare, "sh", "-c", "echo made && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._holder.pid
        made = self._holder.stdout.readline()  # type: ignore[union-attr]
        if not made:
            raise NoNamespaceError(self._holder.communicate(timeout=WAIT)[1].strip())

    @classmethod
    def first(cls) -> Namespace:
        """Create one in whatever way is allowed."""
        unshare, reasons = require_program("unshare", "util-linux"), []
        for way in WAYS:
            options = ["--preserve-credentials", "--user"] if "--user" in way else []
            try:
                return cls([unshare, *way], [*options, "--net"])
            except NoNamespaceError as error:
                reasons.append(str(error))
        raise NoNamespaceError("; ".join(reasons))

    def another(self) -> Namespace:
        """Create one in the same user namespace, so that a link can join them."""
        return Namespace(self.command("unshare", "--net"), self._enter)

    def close(self) -> None:
        self._holder.communicate(timeout=WAIT)

    def command(self, *arguments: object) -> List[str]:
        """Return the command that runs this one inside, with its own process id.

        It ends at the latest with this process.
        """
        nsenter, setpriv = (require_program(name, "util-linux") for name in ("nsenter", "setpriv"))
        enter = [nsenter, f"--target={self.pid}", *self._enter, "--"]
        return [*enter, setpriv, "--pdeathsig=KILL", *map(str, arguments)]

    def run(self, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        settings = {"check": True, "timeout": WAIT, **options}
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, **settings)

    def is_up(self) -> bool:
        """Return whether the interface has its carrier, which comes some time after the link."""
        (link,) = json.loads(self.run(ip_program(), "-json", "link", "show", INTERFACE).stdout)
        return bool(link["operstate"] == "UP")

    def listens(self, protocol: str, port: int) -> bool:
        """Return whether a socket of this protocol, such as tcp6, is bound to the port."""
        return any(place.endswith(f":{port:04X}") for place in self._bound(protocol))

    def listens_at(self, protocol: str, address: str, port: int) -> bool:
        """Return whether a socket of udp or tcp is bound to the port at an address, or at all."""
        version = ipaddress.ip_address(address).version
        anywhere, table = ("0.0.0.0", protocol) if version == 4 else ("::", f"{protocol}6")
        places = {f"{_as_in_proc(one)}:{port:04X}" for one in (address, anywhere)}
        return not places.isdisjoint(self._bound(table))

    def _bound(self, protocol: str) -> List[str]:
        table = Path(f"/proc/{self.pid}/net/{protocol}").read_text().splitlines()[1:]
        return [line.split()[1] for line in table]


def _as_in_proc(address: str) -> str:
    """Return an address as proc(5) has it: each four bytes are a number of this machine."""
    packed = ipaddress.ip_address(address).packed
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


class Network:
    """The two namespaces; `ipv6` says whether they have that too."""

    def __init__(self, outside: Namespace, desktop: Namespace) -> None:
        self.outside, self.desktop = outside, desktop
        link = f"link add {INTERFACE} type veth peer name {INTERFACE} netns {desktop.pid}"
        ip(outside, link)
        ip(outside, f"addr add {SERVER}/24 dev {INTERFACE}")
        ip(desktop, f"addr add {DESKTOP}/24 dev {INTERFACE}")
        self.ipv6 = _works(self._add_ipv6)
        for namespace in (outside, desktop):
            ip(namespace, "link set lo up", f"link set {INTERFACE} up")
        self._translate("ip", DESKTOP, PUBLIC)
        self.ipv6 = self.ipv6 and _works(self._translate, "ip6", DESKTOP_V6, PUBLIC_V6)
        # libnice passes over an interface that is not up yet
        wait_for(lambda: outside.is_up() and desktop.is_up())

    def _add_ipv6(self) -> None:
        for namespace, address in ((self.outside, SERVER_V6), (self.desktop, DESKTOP_V6)):
            # the kernel's own link-local address would be there before it may be used
            commands = [f"link set {INTERFACE} addrgenmode none"]
            local = f"fe80::{address[-1]}"  # with which the two find each other
            commands += [f"addr add {one}/64 dev {INTERFACE} nodad" for one in (address, local)]
            ip(namespace, *commands)

    def _translate(self, family: str, here: str, there: str) -> None:
        """Translate a desktop's address to another one, and back for answers."""
        rule = f"{family} saddr {here} snat to {there}"
        chain = f"chain out {{ type nat hook postrouting priority srcnat; {rule}; }}"
        nft = require_program("nft", "nftables")
        self.desktop.run(nft, "--file", "-", input=f"table {family} nat {{\n{chain}\n}}\n")
        ip(self.outside, f"route add {there} via {here} dev {INTERFACE}")


def _works(function: Callable[..., None], *arguments: str) -> bool:
    try:
        function(*arguments)
    except subprocess.CalledProcessError:
        return False
    return True


def ip_program() -> str:
    return require_program("ip", "iproute2")


def ip(namespace: Namespace, *commands: str) -> None:
    """Run commands of ip in a namespace."""
    namespace.run(ip_program(), "-batch", "-", input="\n".join(commands) + "\n")


@contextlib.contextmanager
def pair() -> Iterator[Tuple[Namespace, Namespace]]:
    """Create two namespaces that a link can join, and end everything that still runs in them.

    Raises `NoNamespaceError` where that is not allowed.
    """
    with contextlib.ExitStack() as stack:
        first = Namespace.first()
        stack.callback(first.close)
        second = first.another()
        stack.callback(second.close)
        yield first, second


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Create a network as `pair` creates namespaces."""
    with pair() as (outside, desktop):
        try:
            made = Network(outside, desktop)
        except subprocess.CalledProcessError as error:
            raise NoNamespaceError(error.stderr.strip()) from None
        yield made


def required_pair() -> ContextManager[Tuple[Namespace, Namespace]]:
    """Create two namespaces as `pair` does, or skip the test."""
    return _required(pair())


def required_network() -> ContextManager[Network]:
    """Create a network as `network` does, or skip the test."""
    return _required(network())


@contextlib.contextmanager
def _required(manager: ContextManager[Made]) -> Iterator[Made]:
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(manager)
        except NoNamespaceError as error:
            missing(f"no network namespace can be made here: {error}")
        yield made
