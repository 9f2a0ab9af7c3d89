"""The WebRTC part of od.config, typed, checked once, and frozen."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from abcwebrtc.config.coturn import CoturnServer, parse_coturn
from abcwebrtc.config.desktop import DESKTOP, DesktopSettings, parse_desktop
from abcwebrtc.config.frozen import Frozen, Template, freeze
from abcwebrtc.config.ice_servers import StaticServer, parse_rtc_configuration, static_servers
from abcwebrtc.config.problems import Findings, kind, nearest
from abcwebrtc.config.release import Release, find_release, warn_of_mpeg
from abcwebrtc.config.secret_reader import SecretReader
from abcwebrtc.config.sound import PATH as SOUND_PATH
from abcwebrtc.config.sound import SoundSettings, parse_sound, warn_without_sound
from abcwebrtc.config.uris import TURN_SCHEMES, IceURI
from abcwebrtc.errors import ConfigError, KeyPath, Problem
from abcwebrtc.odconfig.ini import letters
from abcwebrtc.odconfig.reader import PathLike, load_od_config

MAX_URLS = 4
"""Firefox warns, and every browser gathers slowly, with more."""

ENABLE, COTURN = "webrtc.enable", "webrtc.coturn"
RTC_CONFIGURATION, RTC_CONSTRAINTS = "webrtc.rtc_configuration", "webrtc.rtc_constraints"
USER_TOKEN = "jwt_token_user"  # noqa: S105, the name of an entry
KEYS = (ENABLE, RTC_CONFIGURATION, COTURN, RTC_CONSTRAINTS, DESKTOP)
_MEANT = {
    **dict.fromkeys(("server", "servers", "turn", "turnserver", "turnservers", "turns"), COTURN),
    **dict.fromkeys(("coturnserver", "coturnservers", "secret", "staticauthsecret"), COTURN),
    **dict.fromkeys(("port", "host", "url", "urls", "ttl", "protocol", "transport"), COTURN),
    **dict.fromkeys(("stun", "stunserver", "stunservers", "ice"), RTC_CONFIGURATION),
    **dict.fromkeys(("iceserver", "iceservers", "rtc", "configuration"), RTC_CONFIGURATION),
    **dict.fromkeys(("constraints", "audio", "microphone"), RTC_CONSTRAINTS),
    **dict.fromkeys(("enabled", "on", "active"), ENABLE),
}
"""What others call an entry, by the letters behind ``webrtc``."""
PUBLIC_KEY_FILE = "jwtuserpublickeyfile"
_NO_SERVER = (
    "is True, but there is no STUN and no TURN server, so there is sound only where browsers "
    "reach the desktops themselves; write webrtc.coturn"
)


@dataclass(frozen=True)
class WebRTCConfig:
    """Everything that abcwebrtc takes from an od.config.

    Made by `from_file` or `from_mapping`, which check all that can be checked
    offline; after that nothing is checked again. `warnings` is what is allowed
    but unwise, `notes` is what is good to know and no fault. `rtc_configuration`
    and `rtc_constraints` are read-only; see `abcwebrtc.build_rtc_configuration` for
    an answer to send. `static_servers` are the servers in `rtc_configuration`.
    `sound` is the ``sound`` entry of ``desktop.pod``, None where od.config has none.
    `release` is that of abcdesktop, None where the file does not tell it.
    `user_token_key_files` are the files of the public keys of pyos's user tokens.
    """

    enable: bool
    coturn: Tuple[CoturnServer, ...]
    rtc_configuration: Mapping[str, Any] = field(repr=False)  # may hold a password
    rtc_constraints: Mapping[str, Any]
    desktop: DesktopSettings
    static_servers: Tuple[StaticServer, ...] = ()
    sound: Optional[SoundSettings] = None
    user_token_key_files: Tuple[str, ...] = ()
    warnings: Tuple[Problem, ...] = ()
    notes: Tuple[Problem, ...] = ()
    release: Optional[Release] = None
    template: Template = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "template", Template(self.rtc_configuration))

    def __deepcopy__(self, memo: Any) -> WebRTCConfig:
        """Return the configuration itself, in which nothing changes."""
        return self

    @classmethod
    def from_file(
        cls,
        path: PathLike,
        environ: Optional[Mapping[str, str]] = None,
        now: Optional[float] = None,
        secrets_elsewhere: bool = False,
    ) -> WebRTCConfig:
        """Read an od.config. Files that it names start in its own folder.

        `environ` defaults to `os.environ`, `now` (unix seconds) to the clock. With
        `secrets_elsewhere` a secret's file or variable that is not on this machine is
        a note, and its secret raises `SecretElsewhereError` when it is asked for.
        Raises `ConfigError` with every problem that was found.
        """
        path = os.fsdecode(path)
        folder = os.path.dirname(os.path.abspath(path))
        return cls.from_mapping(load_od_config(path), environ, now, folder, secrets_elsewhere)

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        environ: Optional[Mapping[str, str]] = None,
        now: Optional[float] = None,
        folder: str = "",
        secrets_elsewhere: bool = False,
    ) -> WebRTCConfig:
        """Read a mapping such as pyos's ``settings.gconfig``, which stays as it is.

        Files that it names start in `folder`, by default the current one. For the
        other arguments see `from_file`.
        Raises `ConfigError` with every problem that was found.
        """
        if not isinstance(mapping, Mapping):
            raise TypeError(f"mapping must be a dict, not {kind(mapping)}; from_file reads a file")
        findings = Findings(mapping)
        environ = os.environ if environ is None else environ
        reader = SecretReader(environ, folder, secrets_elsewhere)
        moment = time.time() if now is None else now
        fields = _parse(findings, mapping, reader, moment)
        if not findings.errors:
            fields["static_servers"] = static_servers(fields["rtc_configuration"])
            _check_together(findings, cls(**fields))
        if fields["enable"]:
            warn_without_sound(findings, mapping)
            warn_of_mpeg(findings, mapping)
        if findings.errors:
            raise ConfigError(
                *findings.errors, warnings=tuple(findings.warnings), notes=tuple(findings.notes)
            )
        key_files = fields["user_token_key_files"]
        fields["user_token_key_files"] = tuple(
            os.path.abspath(os.path.join(folder, name)) for name in key_files
        )
        return cls(**fields, warnings=tuple(findings.warnings), notes=tuple(findings.notes))

    @property
    def user_token_key_file(self) -> Optional[str]:
        """The first of `user_token_key_files`, None where there is none."""
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


def check_config(config: Any) -> None:
    """Raise `TypeError` for what is no `WebRTCConfig`, such as the mapping it is made from."""
    if not isinstance(config, WebRTCConfig):
        raise TypeError(
            f"config must be a WebRTCConfig, not {kind(config)}; "
            "WebRTCConfig.from_mapping and WebRTCConfig.from_file make one"
        )


def _parse(
    findings: Findings, mapping: Mapping[str, Any], reader: SecretReader, now: float
) -> Dict[str, Any]:
    _warn_unknown(findings, mapping)
    path = (RTC_CONFIGURATION,)
    return {
        "enable": _bool(findings, (ENABLE,), mapping.get(ENABLE, False)),
        "coturn": parse_coturn(findings, mapping.get(COTURN), (COTURN,), reader, now),
        "rtc_configuration": parse_rtc_configuration(findings, mapping.get(path[0]), path),
        "rtc_constraints": _constraints(findings, mapping.get(RTC_CONSTRAINTS)),
        "desktop": parse_desktop(findings, mapping, now),
        "sound": parse_sound(findings, mapping),
        "release": find_release(mapping),
        "user_token_key_files": _user_token_key_files(findings, mapping.get(USER_TOKEN)),
    }


def _warn_unknown(findings: Findings, mapping: Mapping[str, Any]) -> None:
    known = {letters(key): key for key in KEYS}
    words = {name[len("webrtc") :]: key for name, key in known.items()}
    for key in mapping:
        if not isinstance(key, str) or key in KEYS:
            continue
        if key.startswith("webrtc.") or letters(key) in known:
            word = letters(key)[len("webrtc") :]
            right = _MEANT.get(word) or nearest(word, words)
            hint = f"did you mean '{right}'?" if right else "the keys are " + ", ".join(KEYS)
            findings.warn((key,), f"no such entry; {hint}")


def _bool(findings: Findings, path: KeyPath, value: Any) -> bool:
    if not isinstance(value, bool):
        findings.error(path, f"must be True or False without quotes, not {kind(value)}")
    return value is True


def _constraints(findings: Findings, value: Any) -> Frozen:
    path = (RTC_CONSTRAINTS,)
    if value is None:
        value = {"video": False, "audio": False}
    if not isinstance(value, Mapping):
        message = f"must be a dict such as {{'video': False, 'audio': True}}, not {kind(value)}"
        findings.error(path, message)
        return None
    for key in ("audio", "video"):
        if not isinstance(value.get(key, False), (bool, Mapping)):
            findings.error((*path, key), "must be True, False, or a dict of constraints")
        _check_constraint_lists(findings, (*path, key), value.get(key))
    return freeze(findings, path, value)


def _check_constraint_lists(findings: Findings, path: KeyPath, constraints: Any) -> None:
    for key in ("advanced", "optional") if isinstance(constraints, Mapping) else ():
        if not isinstance(constraints.get(key, []), (list, tuple)):
            message = "must be a list of dicts, or left out; getUserMedia throws on anything else"
            findings.error((*path, key), message)


def _user_token_key_files(findings: Findings, value: Any) -> Tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        findings.error((USER_TOKEN,), f"must be a dict, not {kind(value)}")
        return ()
    files, path = value.get(PUBLIC_KEY_FILE), (USER_TOKEN, PUBLIC_KEY_FILE)
    if files is None:
        return ()
    if isinstance(files, (list, tuple)):
        message = "is a list, which pyos does not read; one file may have several keys"
        findings.warn(path, f"{message}, the one that pyos signs with first")
    else:
        files = [files]
    if not files or not all(isinstance(file, str) and file for file in files):
        findings.error(path, "must be the name of a PEM file, as text")
        return ()
    return tuple(files)


def _check_together(findings: Findings, config: WebRTCConfig) -> None:
    """Warn of what is unwise only in combination."""
    schemes = [uri.scheme for uri in config.uris]
    if config.enable and not schemes:
        findings.warn((ENABLE,), _NO_SERVER)
    has_turn = any(scheme in TURN_SCHEMES for scheme in schemes)
    if config.rtc_configuration.get("iceTransportPolicy") == "relay" and not has_turn:
        path = (RTC_CONFIGURATION, "iceTransportPolicy")
        findings.warn(path, "is 'relay', but there is no TURN server: no call will ever connect")
    if len(schemes) > MAX_URLS:
        message = f"browsers get {len(schemes)} urls; more than {MAX_URLS} make them slow"
        findings.warn((COTURN,) if config.coturn else (RTC_CONFIGURATION,), message)
    if config.desktop.turn:
        _check_desktop_turn(findings, config.coturn)
    if config.enable and config.sound and not config.sound.enable:
        message = "is not True, so desktops have no sound to send; write 'enable': True"
        findings.warn((*SOUND_PATH, "enable"), message)


def _check_desktop_turn(findings: Findings, coturn: Tuple[CoturnServer, ...]) -> None:
    path = (DESKTOP, "turn")
    if not coturn:
        findings.warn(path, "is True, but webrtc.coturn has no server to give")
    elif not any(uri.scheme == "turn" for server in coturn for uri in server.uris):
        message = (
            "is True, but there is only turns, and webrtcbin up to 1.22 speaks no TLS to it; "
            "coturn takes its plain traffic on the same port, another server needs a turn url"
        )
        findings.warn(path, message)


def desktop_turn_uri(config: WebRTCConfig) -> Optional[Tuple[CoturnServer, IceURI]]:
    """Return the first turn URI, else the first turns one: webrtcbin takes one server."""
    pairs = [(server, uri) for server in config.coturn for uri in server.uris]
    plain = [pair for pair in pairs if pair[1].scheme == "turn"]
    return next(iter(plain or pairs), None)
