"""The public names as a typed caller uses them; mypy checks it, nothing runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import abcwebrtc
from abcwebrtc import (
    AbcWebRTCError,
    ConfigError,
    CredentialError,
    ManifestError,
    PreparedPod,
    Problem,
    TokenError,
    TurnCredentials,
    WebRTCConfig,
    WebRTCDisabledError,
    build_rtc_configuration,
    inject_webrtc,
    load_od_config,
    mint_turn_credentials,
    owned_secret,
    prepare_pod,
    verify_turn_credentials,
    without_secret,
)

version: str = abcwebrtc.__version__


def entries(path: Path) -> Dict[str, Any]:
    """A file may be a Path or a str, and its entries are a dict."""
    return {**load_od_config(path), **load_od_config(str(path))}


def configurations(path: Path, gconfig: Mapping[str, Any]) -> List[WebRTCConfig]:
    """A configuration comes from a file or from a mapping."""
    return [
        WebRTCConfig.from_file(path),
        WebRTCConfig.from_file("od.config", environ={"TURN_SECRET": "s"}, now=1.5),
        WebRTCConfig.from_mapping(gconfig),
        WebRTCConfig.from_mapping(gconfig, environ=None, now=None, folder="/etc/od"),
        WebRTCConfig.from_mapping(load_od_config(path)),
    ]


def attributes(config: WebRTCConfig) -> None:
    """What a configuration has."""
    enable: bool = config.enable
    static: Mapping[str, Any] = config.rtc_configuration
    constraints: Mapping[str, Any] = config.rtc_constraints
    key_files: Tuple[str, ...] = config.user_token_key_files
    warnings: Tuple[Problem, ...] = config.warnings
    uris: List[str] = [str(uri) for uri in config.uris]
    ports: List[int] = [uri.effective_port for uri in config.uris]
    turn: Tuple[bool, int, Optional[str]] = (
        config.desktop.turn,
        config.desktop.ttl,
        config.desktop.stun_server,
    )
    for server in config.coturn:
        urls: Tuple[str, ...] = server.urls
        style: Tuple[int, str] = (server.ttl, server.username)
        newest: bytes = server.secrets.current()[0].reveal()
        print(urls, style, newest)
    print(enable, static, constraints, key_files, warnings, uris, ports, turn)


def frozen(config: WebRTCConfig) -> None:
    """Assigning is a type error; were it none, the unused ignore would be one."""
    config.enable = True  # type: ignore[misc]
    config.desktop.ttl = 1  # type: ignore[misc]
    config.rtc_configuration["iceServers"] = []  # type: ignore[index]


def answer(config: WebRTCConfig, user: Optional[str]) -> Dict[str, Any]:
    """The answer is a dict that may be changed."""
    result: Dict[str, Any] = build_rtc_configuration(config)
    result["iceServers"] = build_rtc_configuration(config, user, now=1.0)["iceServers"]
    return result


def credentials(user: Optional[str]) -> TurnCredentials:
    """A secret is text or bytes; user and now are optional."""
    made = mint_turn_credentials("north", 60)
    made = mint_turn_credentials(b"north", ttl=60, user=user, now=1_700_000_000)
    username: str = made.username
    password: str = made.password
    numbers: Tuple[int, int] = (made.ttl, made.expires_at)
    print(username, password, numbers)
    return made


def verified(made: TurnCredentials) -> bool:
    """One secret or several, of either type."""
    one: bool = verify_turn_credentials("north", made.username, made.password)
    several: bool = verify_turn_credentials(
        ["new", b"old"], username=made.username, password=made.password, now=1.5
    )
    return one and several


def wrong_types() -> None:
    """What a type checker refuses; were it allowed, the unused ignores would be errors."""
    mint_turn_credentials(3600, 60)  # type: ignore[arg-type]
    mint_turn_credentials("north", "60")  # type: ignore[arg-type]
    verify_turn_credentials("north", b"user", "password")  # type: ignore[arg-type]
    build_rtc_configuration({})  # type: ignore[arg-type]


def problems(error: AbcWebRTCError) -> List[Problem]:
    """Errors carry data."""
    if isinstance(error, ConfigError):
        return [*error.problems, *error.warnings]
    return []


def places(problem: Problem) -> Tuple[str, str, Optional[str], Optional[int], str]:
    """A problem knows where it stands."""
    data: Dict[str, Any] = problem.as_dict()
    print(data)
    return (problem.message, problem.path, problem.file, problem.line, problem.level)


def handled(config: WebRTCConfig) -> Optional[Dict[str, Any]]:
    """Every exception has the one root, and wrong input is a ValueError too."""
    try:
        return build_rtc_configuration(config, "fry")
    except WebRTCDisabledError as disabled:
        error: CredentialError = disabled
    except CredentialError as refused:
        error = refused
    value_errors: List[ValueError] = [error, ConfigError(Problem("wrong", "path", line=1))]
    roots: List[AbcWebRTCError] = [error, TokenError("expired")]
    print(value_errors, roots)
    return None


def pods(config: WebRTCConfig, pod: Dict[str, Any]) -> Optional[Any]:
    """A pod out is of the kind of the pod in."""
    injected: Dict[str, Any] = inject_webrtc(pod, config, "fry", 1.5, labels=["staff"])
    prepared: PreparedPod[Dict[str, Any]] = prepare_pod(
        injected, config, labels={"staff": "true"}, containers=("a", "b"), turn_secret=True
    )
    notes: Tuple[Problem, ...] = prepared.notes
    left: PreparedPod[Dict[str, Any]] = without_secret(prepared)
    print(notes, left.pod["spec"])
    try:
        return owned_secret(prepared.secret, prepared.pod)
    except ManifestError as error:
        value_error: ValueError = error
        print(value_error, error.problems[0].path)
    inject_webrtc(pod, config, labels=3)  # type: ignore[arg-type]
    return None
