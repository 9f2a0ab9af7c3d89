"""What is probed, what was seen and what it means, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Callable, Dict, List, Optional, Tuple

from abcwebrtc.config.uris import TURN_SCHEMES, IceURI
from abcwebrtc.coturn.certificate import Certificate

UDP, TCP, TLS = "udp", "tcp", "tls"
OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"
LEVELS = (ERROR, WARNING, NOTE)
"""The levels of a diagnosis, the most severe first; a note is not a fault."""

RESOLVE, CONNECT, HANDSHAKE, BINDING, RFC3489 = "resolve", "connect", "tls", "binding", "rfc3489"
ALLOCATE, PERMISSION, RELAY, OUTSIDE = "allocate", "permission", "relay", "outside"
"""The steps, in order."""


@dataclass(frozen=True)
class Login:
    """A TURN username and password; the repr hides both."""

    username: str = field(repr=False)
    password: str = field(repr=False)


Mint = Callable[[int, int], Login]
"""Takes the position of a secret, counted from 0, and an expiry in unix seconds."""


@dataclass(frozen=True)
class Account:
    """Where the login for a TURN server comes from.

    `static` is a fixed login. Without one, `mint` signs with one of `secrets` secrets, of
    which the first is in use, and `ttl` is the configured ttl in seconds. `expires_at` is
    set if a fixed login was minted elsewhere.
    """

    static: Optional[Login] = None
    mint: Optional[Mint] = None
    secrets: int = 0
    ttl: int = 0
    expires_at: Optional[int] = None

    def login_at(self, now: float) -> Login:
        """Return the login that clients get at `now`, in unix seconds."""
        if self.mint:
            return self.mint(0, int(now) + self.ttl)
        return self.static or Login("", "")


@dataclass(frozen=True)
class Target:
    """One STUN or TURN url over one transport: `UDP`, `TCP` or `TLS`.

    `either` means that the client tries the url over several transports, and that one
    working transport is enough. `unspoken` is ``dtls`` or ``tls`` if the url asks for it
    but clients don't speak it. `desktop` means that desktops use this server.
    """

    uri: IceURI
    transport: str
    account: Optional[Account] = None
    unspoken: str = ""
    either: bool = False
    desktop: bool = False

    @property
    def url(self) -> str:
        """The url as it is in od.config."""
        return str(self.uri)

    @property
    def is_turn(self) -> bool:
        """Return whether it is a TURN server."""
        return self.uri.scheme in TURN_SCHEMES

    @property
    def libnice(self) -> bool:
        """Return whether it is a desktop's STUN_SERVER, which libnice asks."""
        return self.desktop and not self.is_turn

    @property
    def host(self) -> str:
        """The host without brackets."""
        return self.uri.bare_host

    @property
    def port(self) -> int:
        """The port of the url, or else the scheme's default."""
        return self.uri.effective_port


@dataclass(frozen=True)
class Failure:
    """How a step failed.

    `kind` is a word such as ``timeout``. `error` is a STUN error code (RFC 8489), and `signed`
    says whether that answer had a MESSAGE-INTEGRITY. `detail` is the system's text. `at` is
    ``address:port`` if it failed at another server, to which the url's own server redirects.
    """

    step: str
    kind: str
    error: int = 0
    signed: bool = False
    detail: str = ""
    at: str = ""


NO_DNS = ("timeout", "no-dns")
"""The kinds of failures of a lookup that say nothing about the name: nobody has answered."""


@dataclass(frozen=True)
class SecretSearch:
    """What other logins showed after a 401.

    `known` is the position of the secret that the server accepts, counted from 0, or None if
    it accepts none of the `tried` ones. `clock_ahead` is how many seconds the server's clock
    is ahead of this one, if that could be measured. Without `complete`, a request failed: then
    `known` None says nothing, and the clock is ahead by `clock_ahead` or more.
    """

    tried: int = 0
    known: Optional[int] = None
    clock_ahead: Optional[int] = None
    complete: bool = True


OPUS = 182
"""Bytes of a packet in a burst: Opus at 64 kb/s, wrapped in SRTP (RFC 3711)."""
LOSS = 5.0
"""Percent: a smaller loss is not reported."""


@dataclass(frozen=True)
class Burst:
    """Packets at the rate of an Opus stream: how many were `sent`, and `lost`.

    `in_a_row` is the longest run of lost packets in one direction.
    """

    sent: int
    lost: int
    in_a_row: int = 0

    @property
    def percent(self) -> float:
        """How many of a hundred were lost."""
        return 100 * self.lost / self.sent if self.sent else 0.0


@dataclass
class PathResult:
    """What came through between two ends: two relays, or a relay and a plain socket outside.

    `untried` is a word for why this was not tried, or empty. `there` and `back` say whether a
    small packet arrived at the relay and, from there, at the other end. `punched` means that it
    arrived only after the relay had sent something to the outside. `sizes` maps the bytes of
    each payload to whether it came through there and back. `peer` is this machine's address as
    the server sees it.
    """

    untried: str = ""
    there: bool = False
    back: bool = False
    punched: bool = False
    sizes: Dict[int, bool] = field(default_factory=dict)
    burst: Optional[Burst] = None
    peer: str = ""

    @property
    def works(self) -> bool:
        """Return whether data went both ways."""
        return self.there and self.back

    @property
    def reached(self) -> bool:
        """Return whether data went both ways before anything was sent from within."""
        return self.works and not self.punched

    @property
    def largest(self) -> int:
        """The bytes of the largest payload that came through, or 0."""
        return max((size for size, passed in self.sizes.items() if passed), default=0)

    @property
    def too_large(self) -> int:
        """The bytes of the payload from which on all were lost, or 0."""
        lost = [size for size, passed in self.sizes.items() if not passed and size > self.largest]
        return min(lost, default=0)

    @property
    def gaps(self) -> Tuple[int, ...]:
        """The bytes of payloads that were lost, although a larger one came through.

        A single one is ignored: on a network that loses packets, that is chance.
        """
        lost = [size for size, passed in self.sizes.items() if not passed and size < self.largest]
        return tuple(lost) if len(lost) > 1 else ()


@dataclass
class Observation:
    """What was seen of one target at one address; filled in while it is probed.

    `times` has the milliseconds of each step that succeeded. `failures` are in the order in
    which they happened. `search` is what other logins showed after a 401. `spoken` is ``stun``,
    ``http`` or ``tls`` if that answers unexpectedly. `anonymous` means that the server gave a
    relay without a login, `alone` that it gave no second one. `realms` are those that the server
    named: one, if all is well. `redirects` are the servers that 300s led to, in order. `rfc3489`
    says whether a Binding without the magic cookie is answered. `between` and `outside` say what
    came through between two relays, and between a relay and this machine. These three are None
    if they were not tried.
    """

    target: Target
    address: str = ""
    local: str = ""
    reflexive: str = ""
    relayed: str = ""
    times: Dict[str, float] = field(default_factory=dict)
    failures: List[Failure] = field(default_factory=list)
    certificate: Optional[Certificate] = None
    search: Optional[SecretSearch] = None
    spoken: str = ""
    anonymous: bool = False
    alone: bool = False
    realms: List[str] = field(default_factory=list)
    redirects: List[str] = field(default_factory=list)
    rfc3489: Optional[bool] = None
    between: Optional[PathResult] = None
    outside: Optional[PathResult] = None

    @property
    def server(self) -> str:
        """The address of the server that gives relays, after any redirects."""
        return host_of(self.redirects[-1]) if self.redirects else self.address

    def where(self, step: str = "") -> str:
        """Return address, transport and port; before its handshake, TLS is just TCP."""
        transport = self.target.transport
        over = TCP if transport == TLS and step == CONNECT else transport
        return f"{self.address}, {over.upper()} port {self.target.port}"

    @property
    def is_ipv6(self) -> bool:
        """Return whether the address is an IPv6 address."""
        return ":" in self.address


def host_of(address: str) -> str:
    """Return an address without its port and brackets."""
    return address.rpartition(":")[0].strip("[]")


@dataclass(frozen=True)
class Place:
    """Where the probe ran: the machine's name, and whether it is a pod."""

    host: str
    pod: bool = False

    def __str__(self) -> str:
        return f"{'pod' if self.pod else 'host'} {self.host}"


@dataclass(frozen=True)
class Diagnosis:
    """What an observation means: `message` says what is wrong, `advice` what to do."""

    level: str
    word: str
    message: str
    advice: str = ""

    def as_dict(self) -> Dict[str, str]:
        """Return it as plain JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """An observation with its diagnoses, the most severe first."""

    observation: Observation
    diagnoses: Tuple[Diagnosis, ...]

    @property
    def level(self) -> str:
        """`ERROR`, `WARNING` or `OK`."""
        levels = {diagnosis.level for diagnosis in self.diagnoses}
        return next((level for level in (ERROR, WARNING) if level in levels), OK)


@dataclass(frozen=True)
class Circumstances:
    """Where a probe ran, when (unix seconds), and with which timeout of a step in seconds."""

    place: Place
    now: float
    timeout: float
