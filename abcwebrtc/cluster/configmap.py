"""The ConfigMap that pyos's od.config is in, as plain data."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

from abcwebrtc.abcdesktop import CONFIG_KEY, CONFIG_MAP
from abcwebrtc.config.coturn import SECRET_KEY
from abcwebrtc.config.webrtc import COTURN, WebRTCConfig
from abcwebrtc.errors import ConfigError, Problem
from abcwebrtc.odconfig.reader import OdConfig, PathLike, parse_od_config, read_od_config_text
from abcwebrtc.odconfig.whole_file import pyos_problems


@dataclass(frozen=True)
class CheckedFile:
    """The text of an od.config in which there is no error.

    `warnings` and `notes` are those of the check.
    `has_inline_secret` tells whether a static auth secret stands in the text.
    """

    text: str
    warnings: Tuple[Problem, ...]
    notes: Tuple[Problem, ...]
    has_inline_secret: bool

    def __repr__(self) -> str:
        """Leave the text out: it holds secrets."""
        return f"<CheckedFile: {len(self.text)} characters>"


def read_od_config(path: PathLike, forgiving: bool = True) -> CheckedFile:
    """Read an od.config that is to be put into a ConfigMap.

    A secret in a file or a variable that is missing here is a note: it has to
    be where pyos runs. A closing bracket in the first column is a warning where
    `forgiving`; else it is an error, as everything is that keeps pyos from
    starting. Raises `ConfigError` with every error.
    """
    file = os.fspath(path)
    text = read_od_config_text(path)
    mapping = OdConfig(file)
    found = list(pyos_problems(text, file))
    try:
        mapping = parse_od_config(text, file)
        folder = os.path.dirname(os.path.abspath(file))
        config = WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=True)
        found += (*config.warnings, *config.notes)
    except ConfigError as error:
        found += (*error.problems, *error.warnings, *error.notes)
    if not forgiving:
        found = [_hardened(problem, mapping.closers) for problem in found]
    errors, warnings, notes = (_of_level(found, level) for level in ("error", "warning", "note"))
    if errors:
        raise ConfigError(*errors, warnings=warnings, notes=notes)
    return CheckedFile(text, warnings, notes, _has_inline_secret(mapping.get(COTURN)))


def config_map(
    text: str, name: str = CONFIG_MAP, key: str = CONFIG_KEY, namespace: Optional[str] = None
) -> Dict[str, Any]:
    """Return a new ConfigMap with the text of an od.config."""
    metadata: Dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}


def with_text(existing: Mapping[str, Any], key: str, text: str) -> Dict[str, Any]:
    """Return a copy of a ConfigMap with another text under a key; all else is kept."""
    return {**existing, "data": {**(existing.get("data") or {}), key: text}}


def _hardened(problem: Problem, closers: Tuple[Problem, ...]) -> Problem:
    return replace(problem, level="error") if problem in closers else problem


def _of_level(found: Iterable[Problem], level: str) -> Tuple[Problem, ...]:
    return tuple(problem for problem in found if problem.level == level)


def _has_inline_secret(coturn: Any) -> bool:
    servers = coturn if isinstance(coturn, (list, tuple)) else [coturn]
    return any(isinstance(server, Mapping) and SECRET_KEY in server for server in servers)
