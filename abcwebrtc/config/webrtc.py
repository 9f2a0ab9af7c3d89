"""The WebRTC part of od.config, typed, checked once, and frozen."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import Any, Collection, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple

from abcwebrtc.config.coturn import MAX_SERVERS, CoturnServer, parse_coturn
from abcwebrtc.config.desktop import DesktopSettings, parse_desktop
from abcwebrtc.config.entries import (
    COTURN,
    COTURN_SERVERS,
    ENABLE,
    KEYS,
    POLICIES,
    RTC_CONFIGURATION,
    RTC_CONSTRAINTS,
    USER_TOKEN,
)
from abcwebrtc.config.frozen import freeze
from abcwebrtc.config.ice_servers import StaticServer, parse_rtc_configuration
from abcwebrtc.config.policies import Policy, parse_policies
from abcwebrtc.config.problems import (
    Where,
    is_like_path,
    is_name,
    kind,
    nearest,
    read_bool,
    too_many,
)
from abcwebrtc.config.release import Release, check_release, find_release
from abcwebrtc.config.secret_sources import SecretReader
from abcwebrtc.config.sound import DESKTOP_POD, SoundSettings, check_sound, parse_sound
from abcwebrtc.config.together import check_together
from abcwebrtc.config.uris import IceURI
from abcwebrtc.errors import MAX_OF_A_KIND, ConfigError, Problem, Problems
from abcwebrtc.odconfig.ini import letters, shown
from abcwebrtc.odconfig.reader import OdConfig, read_od_config
from abcwebrtc.odconfig.source import Source

_MEANT = {
    **dict.fromkeys(("server", "servers", "turn", "turnserver", "turnservers", "turns"), COTURN),
    **dict.fromkeys(("coturnserver", "coturnservers", "secret", "staticauthsecret"), COTURN),
    **dict.fromkeys(("port", "host", "url", "urls", "ttl", "protocol", "transport"), COTURN),
    **dict.fromkeys(("stun", "stunserver", "stunservers", "ice"), RTC_CONFIGURATION),
    **dict.fromkeys(("iceserver", "iceservers", "rtc", "configuration"), RTC_CONFIGURATION),
    **dict.fromkeys(("constraints", "audio", "microphone"), RTC_CONSTRAINTS),
    **dict.fromkeys(("enabled", "on", "active"), ENABLE),
}
"""Other names for an entry, by the letters after ``webrtc``."""
MAX_KEY_FILES = 16
LEVELS = ("error", "warning", "note")
PUBLIC_KEY_FILE = "jwtuserpublickeyfile"


@dataclass(frozen=True)
class WebRTCConfig:
    """Everything that abcwebrtc reads from an od.config.

    Made by `from_file` or `from_mapping`, which check all that can be checked
    offline; after that nothing is checked again. `warnings` is what is allowed
    but unwise, `notes` is what is good to know and no fault. `rtc_configuration`
    and `rtc_constraints` are read-only; see `abcwebrtc.build_rtc_configuration` for
    an answer to send. `static_servers` are the servers in `rtc_configuration`.
    `sound` is the ``sound`` entry of ``desktop.pod``, None where od.config has none.
    `release` is that of abcdesktop, None where the file does not tell it.
    `user_token_key_files` are the files of the public keys of pyos's user tokens.
    `coturn_servers` is how many of the servers in `coturn` one user gets, None for
    all; `abcwebrtc.turn.selection` chooses them. `policies` is what differs for users
    with certain labels. `derived` is for what can be computed once from the rest.
    """

    enable: bool
    coturn: Tuple[CoturnServer, ...]
    rtc_configuration: Mapping[str, Any] = field(repr=False)  # may hold a password
    rtc_constraints: Mapping[str, Any]
    desktop: DesktopSettings
    sound: Optional[SoundSettings] = None
    user_token_key_files: Tuple[str, ...] = ()
    warnings: Tuple[Problem, ...] = ()
    notes: Tuple[Problem, ...] = ()
    release: Optional[Release] = None
    static_servers: Tuple[StaticServer, ...] = ()
    coturn_servers: Optional[int] = None
    policies: Tuple[Policy, ...] = ()
    gives_all: bool = field(init=False, repr=False, compare=False)
    derived: Dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        differs = self.policies or any(server.acl or server.drain for server in self.coturn)
        object.__setattr__(self, "gives_all", self.coturn_servers is None and not differs)

    def __deepcopy__(self, memo: Any) -> WebRTCConfig:
        """Return the configuration itself, in which nothing changes."""
        return self

    @classmethod
    def from_file(
        cls,
        path: Source,
        environ: Optional[Mapping[str, str]] = None,
        now: Optional[float] = None,
        secrets_elsewhere: bool = False,
    ) -> WebRTCConfig:
        """Read an od.config. File names in it are relative to its folder.

        `environ` defaults to `os.environ`, `now` (unix seconds) to the clock. With
        `secrets_elsewhere` a secret's file or variable that is not on this machine is
        a note, and its secret raises `SecretElsewhereError` when it is asked for.
        Raises `UnreadableError` where the file can't be read, and `ConfigError` with every
        problem that was found.
        """
        mapping = read_od_config(path)
        return cls.from_mapping(mapping, environ, now, mapping.folder, secrets_elsewhere)

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        environ: Optional[Mapping[str, str]] = None,
        now: Optional[float] = None,
        folder: str = "",
        secrets_elsewhere: bool = False,
    ) -> WebRTCConfig:
        """Read a mapping such as pyos's ``settings.gconfig``, and leave it unchanged.

        Files that it names start in `folder`, by default the current one. For the
        other arguments see `from_file`.
        Raises `ConfigError` with every problem that was found.
        """
        if not isinstance(mapping, Mapping):
            raise TypeError(f"mapping must be a dict, not {kind(mapping)}; from_file reads a file")
        environ = os.environ if environ is None else environ
        reader = SecretReader(environ, folder, secrets_elsewhere)
        now = time.time() if now is None else now
        root = Where(mapping)
        problems: List[Problem] = list(Problems(_unknown_entries(mapping, root)))

        enable, of_enable = read_bool(mapping.get(ENABLE, False), root[ENABLE])
        problems += of_enable
        coturn, of_coturn = parse_coturn(mapping.get(COTURN), root[COTURN], reader, now)
        number, of_number = _parse_number(mapping.get(COTURN_SERVERS), root[COTURN_SERVERS])
        policies, of_policies = parse_policies(mapping.get(POLICIES), root[POLICIES], now)
        static, of_static = parse_rtc_configuration(
            mapping.get(RTC_CONFIGURATION), root[RTC_CONFIGURATION]
        )
        constraints, of_constraints = _parse_constraints(
            mapping.get(RTC_CONSTRAINTS), root[RTC_CONSTRAINTS]
        )
        desktop, of_desktop = parse_desktop(mapping, root, now)
        sound, of_sound = parse_sound(mapping, root)
        key_files, of_key_files = _parse_key_files(
            mapping.get(USER_TOKEN), root[USER_TOKEN], folder
        )
        problems += [*of_coturn, *of_number, *of_policies, *of_static, *of_constraints]
        problems += [*of_desktop, *of_sound, *of_key_files]

        config = cls(
            enable=enable,
            coturn=coturn,
            rtc_configuration=static.frozen,
            rtc_constraints=constraints,
            desktop=desktop,
            static_servers=static.servers,
            sound=sound,
            user_token_key_files=tuple(
                os.path.abspath(os.path.join(folder, name)) for name in key_files
            ),
            release=find_release(mapping),
            coturn_servers=number,
            policies=policies,
        )
        if config.enable:
            problems += [*check_sound(mapping, root), *check_release(mapping, root)]
        if isinstance(mapping, OdConfig):
            sure = filter(mapping.is_sure, problems)
            more = _of_repeated(mapping, environ, now, secrets_elsewhere)
            problems = [*mapping.errors, *mapping.warnings, *sure, *more]
        problems += check_together(config, root, _doubtful(mapping, problems))
        errors, warnings, notes = (
            tuple(Problems(problem for problem in problems if problem.level == level))
            for level in LEVELS
        )
        if errors:
            raise ConfigError(*errors, warnings=warnings, notes=notes)
        return replace(config, warnings=warnings, notes=notes)

    @property
    def user_token_key_file(self) -> Optional[str]:
        """The first of `user_token_key_files`, None if there is none."""
        return next(iter(self.user_token_key_files), None)

    @property
    def uris(self) -> List[IceURI]:
        """Every STUN and TURN URI that a browser gets, in its order."""
        return self.static_uris + [uri for server in self.coturn for uri in server.uris]

    @property
    def static_uris(self) -> List[IceURI]:
        """The URIs of the servers in `rtc_configuration`, in their order."""
        return [uri for server in self.static_servers for uri in server.uris]

    @property
    def desktop_stun_uri(self) -> Optional[IceURI]:
        """The STUN server that desktops get: their own, else the first stun URI of browsers."""
        first = (uri for uri in self.static_uris if uri.scheme == "stun")
        return self.desktop.stun_uri or next(first, None)

    @property
    def desktop_turns(self) -> List[Tuple[CoturnServer, IceURI]]:
        """Every TURN server that some desktop may have, and its URI: webrtcbin accepts one.

        Where all desktops get the same, that is the first turn URI, else the first turns one; a
        server that is drained may be that of desktops which live on.
        """
        pairs = [(server, server.desktop_uri) for server in self.coturn]
        if not self.desktop.turn:
            return []
        if self.coturn_servers is not None or any(server.acl for server in self.coturn):
            return pairs
        alive = [pair for pair in pairs if not pair[0].drain]
        plain = [pair for pair in alive if pair[1].scheme == "turn"]
        first = (plain or alive)[:1]
        return [pair for pair in pairs if pair in first or pair[0].drain]

    def servers_for(self, labels: Collection[str]) -> Tuple[CoturnServer, ...]:
        """Return the servers of `coturn` that new calls of a user with these labels may use."""
        return tuple(server for server in self.coturn if server.permits(labels))

    def with_every_server(self) -> WebRTCConfig:
        """Return a configuration that gives every server to everybody, drained ones too."""
        every = tuple(replace(server, acl=None, drain=False) for server in self.coturn)
        return replace(self, coturn=every, coturn_servers=None, policies=())

    @property
    def labels(self) -> Tuple[str, ...]:
        """The names of the labels on which it depends what a user gets, each once."""
        holders: Tuple[Any, ...] = (*self.coturn, self.desktop, *self.policies)
        return tuple(dict.fromkeys(name for one in holders if one.acl for name in one.acl.labels))


def check_config(config: Any) -> None:
    """Raise `TypeError` for anything but a `WebRTCConfig`, such as the mapping it is made from."""
    if not isinstance(config, WebRTCConfig):
        raise TypeError(
            f"config must be a WebRTCConfig, not {kind(config)}; "
            "WebRTCConfig.from_mapping and WebRTCConfig.from_file make one"
        )


def _unknown_entries(mapping: Mapping[str, Any], root: Where) -> Iterator[Problem]:
    """Yield a warning for each unknown entry that seems meant for WebRTC."""
    known, number = {letters(key) for key in KEYS}, 0
    for key in mapping:
        if not isinstance(key, str) or key in KEYS:
            continue
        if key.startswith("webrtc.") or letters(key) in known:
            word, number = letters(key)[len("webrtc") :], number + 1
            names = (name[len("webrtc.") :] for name in KEYS)
            near = nearest(word, names) if number <= MAX_OF_A_KIND else None  # slow
            right = _MEANT.get(word) or (f"webrtc.{near}" if near else None)
            is_number = word.startswith("coturnserver") and type(mapping[key]) is int
            right = COTURN_SERVERS if is_number else right
            hint = f"did you mean '{right}'?" if right else "the keys are " + ", ".join(KEYS)
            name = key.replace("{", "[").partition("[")[0]
            if name != key and name.rstrip() in KEYS:
                hint = f"a ':' is missing after '{name.rstrip()}'"
            is_hidden = not shown(key) and not (letters(key) in known and is_name(key))
            what = "an unknown entry may be meant for WebRTC" if is_hidden else "no such entry"
            yield root[key].warning(f"{what}; {hint}", is_hidden)


def _parse_number(value: Any, where: Where) -> Tuple[Optional[int], List[Problem]]:
    """Return how many servers one user gets, None for all, and what is wrong."""
    if value is None or (type(value) is int and 1 <= value <= MAX_SERVERS):
        return value, []
    message = f"must be a whole number from 1 to {MAX_SERVERS}, such as 2"
    if isinstance(value, (Mapping, list, tuple)):
        message += f"; write the servers themselves as {COTURN}"
    return None, [where.error(message)]


def _parse_constraints(value: Any, where: Where) -> Tuple[Any, List[Problem]]:
    """Return the MediaStreamConstraints (W3C) of browsers, frozen, and what is wrong with them."""
    if value is None:
        value = {"video": False, "audio": False}
    if not isinstance(value, Mapping):
        message = f"must be a dict such as {{'video': False, 'audio': True}}, not {kind(value)}"
        return None, [where.error(message)]
    problems: List[Problem] = []
    for key in ("audio", "video"):
        constraints = value.get(key, False)
        if not isinstance(constraints, (bool, Mapping)):
            message = "must be True, False, or a dict of constraints"
            problems.append(where[key].error(message))
        for name in ("advanced", "optional") if isinstance(constraints, Mapping) else ():
            if not isinstance(constraints.get(name, []), (list, tuple)):
                message = (
                    "must be a list of dicts, or left out; getUserMedia throws on anything else"
                )
                problems.append(where[key][name].error(message))
    frozen, wrong = freeze(value, where)
    return frozen, problems + wrong


def _parse_key_files(
    value: Any, where: Where, folder: str
) -> Tuple[Tuple[str, ...], List[Problem]]:
    """Return the names of the files with public keys of user tokens, and what is wrong."""
    if value is None:
        return (), []
    if not isinstance(value, Mapping):
        return (), [where.error(f"must be a dict, not {kind(value)}")]
    files, here, problems = value.get(PUBLIC_KEY_FILE), where[PUBLIC_KEY_FILE], []
    if files is None:
        return (), []
    if isinstance(files, (list, tuple)):
        message = "is a list, which pyos does not read; one file may hold several keys"
        problems.append(here.warning(f"{message}, the one that pyos signs with first"))
        wrong = too_many(files, MAX_KEY_FILES, here, "keep those that pyos still signs with")
        if wrong:
            return (), [*problems, *wrong]
    else:
        files = [files]
    if not files or not all(isinstance(file, str) and file for file in files):
        return (), [*problems, here.error("must be the name of a PEM file, as text")]
    if any("\n" in file or file.startswith("-----BEGIN") for file in files):
        return (), [*problems, here.error("is a key; write the name of the PEM file that holds it")]
    unlike = [file for file in files if not is_like_path(file)]
    if not all(os.path.exists(os.path.join(folder, file)) for file in unlike):
        message = "names no file here, and looks like a secret; begin a file name with './'"
        return (), [*problems, here.error(message)]
    return tuple(files), problems


def _of_repeated(
    mapping: OdConfig, environ: Mapping[str, str], now: float, secrets_elsewhere: bool
) -> Iterator[Problem]:
    """Yield the errors of entries that are given before: any of them may be the one to keep."""
    for entry in mapping.repeated:
        try:
            WebRTCConfig.from_mapping(entry, environ, now, mapping.folder, secrets_elsewhere)
        except ConfigError as error:
            yield from error.problems


def _doubtful(mapping: Mapping[str, Any], problems: Iterable[Problem]) -> Set[str]:
    """Return the entries that have errors, or are missing where an error may have taken them."""
    errors = [problem for problem in problems if problem.level == "error"]
    entries = (*KEYS, DESKTOP_POD)
    found = {one for one in entries if any(error.path.startswith(one) for error in errors)}
    if not all(error.path for error in errors):
        found.update(one for one in entries if one not in mapping)
    return found
