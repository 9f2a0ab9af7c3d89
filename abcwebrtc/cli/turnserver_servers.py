"""The coturn servers of an od.config, of which ``abcwebrtc turnserver-conf`` takes one."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Mapping, Tuple

from abcwebrtc.config.coturn import SECRET_KEY
from abcwebrtc.config.webrtc import COTURN, WebRTCConfig
from abcwebrtc.coturn.server import Coturn, coturns_of
from abcwebrtc.errors import AbcWebRTCError, ConfigError, Problem, format_path
from abcwebrtc.odconfig.reader import OdConfig, load_od_config


def load(options: argparse.Namespace) -> Tuple[OdConfig, WebRTCConfig]:
    """Return the od.config of the command line, as it is and as it is understood."""
    mapping = load_od_config(options.od_config)
    folder = os.path.dirname(os.path.abspath(options.od_config))
    return mapping, WebRTCConfig.from_mapping(mapping, folder=folder, secrets_elsewhere=True)


def choose(config: WebRTCConfig, options: argparse.Namespace) -> Coturn:
    """Return the coturn that ``--server`` names, or the first one, with a note."""
    coturns = coturns_of(config.coturn)
    if not coturns:
        message = "has no server; write one, such as { 'url': 'turn.domain.local:3478', ... }"
        raise ConfigError(Problem(message, COTURN, options.od_config))
    if options.server is None:
        if len(coturns) > 1:
            print(
                f"note: od.config has {len(coturns)} coturn servers; this is for the first, "
                f"{coturns[0].name}; for another write --server {coturns[1].name}, or --server 2",
                file=sys.stderr,
            )
        return coturns[0]
    wanted = options.server.strip("[]").rstrip(".").lower()
    for place, coturn in enumerate(coturns, 1):
        if wanted in (*coturn.hosts, str(place)):
            return coturn
    known = ", ".join(f"{place} {coturn.name}" for place, coturn in enumerate(coturns, 1))
    raise AbcWebRTCError(f"--server names no coturn server of od.config, which has: {known}")


def origin(mapping: OdConfig, index: int) -> str:
    """Return where the secrets of a server stand, in words."""
    entry: Any = mapping[COTURN]
    path = format_path((COTURN,) if isinstance(entry, Mapping) else (COTURN, index))
    server: Mapping[str, Any] = entry if isinstance(entry, Mapping) else entry[index]
    for place, words in (("_file", "the file"), ("_env", "the environment variable")):
        if SECRET_KEY + place in server:
            name = str(server[SECRET_KEY + place])
            shown = "".join(char if char.isprintable() else "?" for char in name)
            return f"{words} {shown} ({path}.{SECRET_KEY}{place})"
    return f"{path}.{SECRET_KEY}"
