"""The ConfigMap that pyos's od.config is in, as plain data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from abcwebrtc.config import COTURN, WebRTCConfig
from abcwebrtc.coturn import SECRET_KEY
from abcwebrtc.errors import Problem
from abcwebrtc.odconfig import PathLike, parse_od_config, read_od_config_text

CONFIG_MAP, KEY = "abcdesktop-config", "od.config"
"""Where abcdesktop's manifests have od.config: the ConfigMap, and the key in it."""


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


def read_od_config(path: PathLike) -> CheckedFile:
    """Read an od.config that is to be put into a ConfigMap.

    A secret in a file or a variable that is missing here is a note: it has to
    be where pyos runs. Raises `ConfigError` with every error.
    """
    file = os.fspath(path)
    text = read_od_config_text(path)
    mapping = parse_od_config(text, file)
    folder = os.path.dirname(os.path.abspath(file))
    config = WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=True)
    return CheckedFile(text, config.warnings, config.notes, _has_inline_secret(mapping.get(COTURN)))


def config_map(
    text: str, name: str = CONFIG_MAP, key: str = KEY, namespace: Optional[str] = None
) -> Dict[str, Any]:
    """Return a new ConfigMap with the text of an od.config."""
    metadata: Dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}


def with_text(existing: Mapping[str, Any], key: str, text: str) -> Dict[str, Any]:
    """Return a copy of a ConfigMap with another text under a key; all else is kept."""
    return {**existing, "data": {**(existing.get("data") or {}), key: text}}


def _has_inline_secret(coturn: Any) -> bool:
    servers = coturn if isinstance(coturn, (list, tuple)) else [coturn]
    return any(isinstance(server, Mapping) and SECRET_KEY in server for server in servers)
